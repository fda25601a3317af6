"""How many signatures a second: made, and judged strictly with chain, revocation list and timestamp.

    python -m bench.sign

Prints `name value unit`; medians of interleaved rounds, in calls per second of this process's CPU time, over a document
of 50 kB. Each kind of judgement is measured twice: `.first` with every table of known certificates, links and lists
emptied before the call, as when a process meets the authority for the first time, and without suffix as the second
signature of the same person is judged, which is how a day of protocols and a package's own check go. What is kept
are facts of byte strings (what a certificate says, whether one key signed it); every signature's own mathematics
are done each time. `timestamp` has an RFC 3161 token of a P-256 authority inside the file (CAdES-T).
`seal.parse` is the strict reading of the file without cryptography. `crl_10000` has a list of ten thousand entries,
because a real authority's list is long.
Not measured: package writing, the browser's own signing, the openssl program.
"""

import hashlib
import secrets
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding

from consilium.seal import (
    DEMO_ECDSA_2,
    RU_UKEP,
    DemoAuthority,
    PersonSubject,
    Policy,
    SoftwareKey,
    TrustStore,
    certificates,
    chain,
    cms,
    crl,
    der,
    keys,
    tsp,
    verify,
)
from consilium.seal.asn1 import Node, read
from consilium.seal.policy import SIGNATURE_TIMESTAMP
from web.simulator.stamper import Query, Stamper

ROUNDS, SECONDS = 5, 0.4
DOCUMENT = b"<protocol>" + b"x" * 50_000 + b"</protocol>"
LONG_LIST = 10_000
SUBJECT = PersonSubject("Ёлкина Анна Петровна", "Ёлкина", "Анна Петровна", "11223344595")
SHA256 = "2.16.840.1.101.3.4.2.1"
Measures = dict[str, Callable[[], object]]
# What is kept of authorities and people, and what is kept of single files: of those every one judged is a new one.
KNOWN = (certificates.certificate_of, chain._signed, crl.list_of, crl._made_by, keys.public_key)
FILES = (cms._parsed, tsp._token)


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


def prepared(folder: Path) -> Measures:
    """What is measured, by name; every call does the whole work once."""
    at = datetime.now(UTC)
    measures: Measures = {}
    for kind, policy in (("p256", DEMO_ECDSA_2), ("gost256", RU_UKEP), ("gost512", RU_UKEP)):
        measures |= of_kind(folder / kind, kind, policy, at)
    return measures


def of_kind(folder: Path, kind: str, policy: Policy, at: datetime) -> Measures:
    authority = DemoAuthority.create(folder, at, kind)
    key = authority.new_key()
    certificate = authority.issue(key.csr(), SUBJECT, at)
    signature, trust = key.sign(DOCUMENT, certificate, at), authority.trust(at)
    stamped = with_timestamp(signature, stamper_of(authority, at), at)

    def judge(file: bytes, trust: TrustStore) -> object:
        forget(FILES)
        return verify(DOCUMENT, file, policy=policy, trust=trust, at=at, signer=None)

    def parsed() -> object:
        forget(FILES)
        return cms.parse(signature, policy.limits)

    measures: Measures = {
        f"seal.sign.{kind}": lambda: key.sign(DOCUMENT, certificate, at),
        f"seal.verify.{kind}": lambda: judge(signature, trust),
        f"seal.verify.{kind}.first": first(lambda: judge(signature, trust)),
        f"seal.verify.{kind}.timestamp": lambda: judge(stamped, trust),
        f"seal.verify.{kind}.timestamp.first": first(lambda: judge(stamped, trust)),
    }
    if isinstance(authority.key, SoftwareKey):
        long = TrustStore(trust.roots, (), (long_list(authority, authority.key, at),))
        measures[f"seal.verify.{kind}.crl_{LONG_LIST}"] = lambda: judge(signature, long)
        measures[f"seal.verify.{kind}.crl_{LONG_LIST}.first"] = first(lambda: judge(signature, long))
        measures["seal.parse"] = parsed
        measures["seal.crl"] = lambda: authority.crl(at)
    return measures


def first(work: Callable[[], object]) -> Callable[[], object]:
    """The same with nothing known from before."""

    def anew() -> object:
        forget(KNOWN)
        return work()

    return anew


def forget(tables: Iterable[Any]) -> None:
    """Empty what the product keeps to itself."""
    for table in tables:
        table.cache_clear()


def stamper_of(authority: DemoAuthority, at: datetime) -> Stamper:
    key = SoftwareKey.generate()
    return Stamper(key, authority.issue_service(key.csr(), "TSA", "timestamping", at))


def with_timestamp(signature: bytes, stamper: Stamper, at: datetime) -> bytes:
    """The same CMS with a token over its signature value as an unsigned attribute (CAdES-T)."""
    signed_data = read(signature, 0, len(signature)).children()[1].children()[0]
    *before, infos = signed_data.children()
    info = infos.children()[0]
    imprint = hashlib.sha256(info.children()[-1].content).digest()
    token = stamper.token(Query(SHA256, imprint, secrets.randbits(63), certificate=True), at)
    attribute = der.sequence(der.oid(SIGNATURE_TIMESTAMP), der.set_of([token]))
    extended = der.sequence(raw(info.children()), der.tlv(0xA1, attribute))
    body = der.sequence(raw(before), der.set_of([extended]))
    return der.sequence(der.oid("1.2.840.113549.1.7.2"), der.context(0, body))


def raw(nodes: list[Node]) -> bytes:
    return b"".join(node.raw for node in nodes)


def long_list(authority: DemoAuthority, key: SoftwareKey, at: datetime) -> bytes:
    """A list that names ten thousand certificates nobody here uses."""
    issuer = authority.certificate.subject
    builder = x509.CertificateRevocationListBuilder().issuer_name(issuer).last_update(at)
    builder = builder.next_update(at.replace(year=at.year + 1))
    entry = x509.RevokedCertificateBuilder().revocation_date(at)
    revoked = [entry.serial_number(number).build() for number in range(1, LONG_LIST + 1)]
    builder._revoked_certificates = revoked  # adding one by one copies the list each time
    return builder.sign(key.private, hashes.SHA256()).public_bytes(Encoding.DER)


def rate(work: Callable[[], object]) -> float:
    """Calls per second of this process's CPU time."""
    done, started, until = 0, time.process_time(), time.monotonic() + SECONDS
    while time.monotonic() < until:
        work()
        done += 1
    return done / (time.process_time() - started)


if __name__ == "__main__":
    sys.exit(main())
