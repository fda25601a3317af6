"""How many signatures a second: made, and judged strictly with chain and revocation list.

    python -m bench.sign

Prints `name value unit`; medians of interleaved rounds, in calls per second of this process's CPU time, over a document
of 50 kB and a P-256 key. `seal.parse` is the strict reading of the file without cryptography. Verification is measured with an
empty revocation list and with one of ten thousand entries, because a real authority's list is long.
Not measured: package writing, the browser's own signing, the openssl program.
"""

import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding

from consilium.seal import DEMO_ECDSA, DemoAuthority, PersonSubject, SoftwareKey, TrustStore, cms, verify

ROUNDS, SECONDS = 5, 0.4
DOCUMENT = b"<protocol>" + b"x" * 50_000 + b"</protocol>"
LONG_LIST = 10_000


def main() -> int:
    """Print one line per figure."""
    with tempfile.TemporaryDirectory() as folder:
        measures = prepared(Path(folder))
        rates: dict[str, list[float]] = {name: [] for name in measures}
        for _ in range(ROUNDS):
            for name, work in measures.items():
                rates[name].append(rate(work))
    for name, found in rates.items():
        print(f"{name} {statistics.median(found):.0f} per_cpu_second")
    return 0


def prepared(folder: Path) -> dict[str, Callable[[], object]]:
    """What is measured, by name; every call does the whole work once."""
    at = datetime.now(UTC)
    authority, key = DemoAuthority.create(folder), SoftwareKey.generate()
    subject = PersonSubject("Ёлкина Анна Петровна", "Ёлкина", "Анна Петровна", "11223344595")
    certificate = authority.issue(key.csr(), subject, at)
    signature = key.sign(DOCUMENT, certificate, at)
    short = authority.trust(at)
    long = TrustStore(short.roots, (), (long_list(authority, at),))

    def judge(trust: TrustStore) -> object:
        return verify(DOCUMENT, signature, policy=DEMO_ECDSA, trust=trust, at=at, signer=None)

    return {
        "seal.sign": lambda: key.sign(DOCUMENT, certificate, at),
        "seal.parse": lambda: cms.parse(signature, DEMO_ECDSA.limits),
        "seal.verify": lambda: judge(short),
        f"seal.verify.crl_{LONG_LIST}": lambda: judge(long),
        "seal.crl": lambda: authority.crl(at),
    }


def long_list(authority: DemoAuthority, at: datetime) -> bytes:
    """A list that names ten thousand certificates nobody here uses."""
    issuer = authority.certificate.subject
    builder = x509.CertificateRevocationListBuilder().issuer_name(issuer).last_update(at)
    builder = builder.next_update(at.replace(year=at.year + 1))
    entry = x509.RevokedCertificateBuilder().revocation_date(at)
    revoked = [entry.serial_number(number).build() for number in range(1, LONG_LIST + 1)]
    builder._revoked_certificates = revoked  # adding one by one copies the list each time
    return builder.sign(authority.key.private, hashes.SHA256()).public_bytes(Encoding.DER)


def rate(work: Callable[[], object]) -> float:
    """Calls per second of this process's CPU time."""
    done, started, until = 0, time.process_time(), time.monotonic() + SECONDS
    while time.monotonic() < until:
        work()
        done += 1
    return done / (time.process_time() - started)


if __name__ == "__main__":
    sys.exit(main())
