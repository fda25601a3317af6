"""What sealing costs: a protocol with five signers, from their signatures to a package that holds.

    python -m bench.seal

Prints `name value unit`; medians, CPU of this process. `seal.five` is what the worker does with the bytes: judges five
timestamps and five signatures with chain and list, makes the organisation's signature and the manifest's, judges
their timestamps, writes the package with fsync, and judges the whole by the strict verifier. `seal.verify` is that
last judgement alone, `seal.renew` one archive timestamp more. The authority's own work is left out (tokens are made
beforehand, or counted by themselves); so are database, network and the PDF copy.
"""

import hashlib
import secrets
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from consilium.seal import (
    DEMO_ECDSA_2,
    DemoAuthority,
    OrganisationSubject,
    PackageContents,
    PersonalSignature,
    PersonSubject,
    SoftwareKey,
    verify,
    verify_package,
    write_package,
)
from consilium.seal.algorithms import DIGEST_OIDS
from consilium.seal.archive import renew
from consilium.seal.evidence import Evidence
from consilium.seal.timestamp import covered_by, verify_token
from tests.consilium.seal.chains import journal
from web.simulator.stamper import Query, Stamper

ROUNDS, SIGNERS = 15, 5
ROLES = ("chair", "secretary", "member", "member", "attending")


@dataclass
class House:
    """An authority with its timestamps, an organisation, and as many doctors as sign."""

    folder: Path
    at: datetime
    stamping: float = 0.0
    authority: DemoAuthority = field(init=False)

    def __post_init__(self) -> None:
        self.authority = DemoAuthority.create(self.folder, self.at)
        key = SoftwareKey.generate()
        self.stamper = Stamper(key, self.authority.issue_service(key.csr(), "TSA", "timestamping", self.at))
        self.seal = SoftwareKey.generate()
        organisation = OrganisationSubject("НМИЦ", "1027739552642", "7726074986")
        self.seal_certificate = self.authority.issue_organisation(self.seal.csr(), organisation, self.at)
        self.doctors = [self._doctor(number) for number in range(SIGNERS)]
        self.crl = self.authority.crl(self.at)
        self.trust = self.authority.trust(self.at)

    def _doctor(self, number: int) -> tuple[SoftwareKey, bytes]:
        key = SoftwareKey.generate()
        subject = PersonSubject(f"Врач {number}", "Врач", f"Анна {number}", f"112233445{number:02d}")
        return key, self.authority.issue(key.csr(), subject, self.at)

    def stamp(self, covered: bytes, digest: str = "sha256") -> bytes:
        """A token; what it costs is taken out of every figure."""
        began = time.process_time()
        imprint = hashlib.new(digest, covered).digest()
        asked = Query(DIGEST_OIDS[digest], imprint, secrets.randbits(63), certificate=True)
        token = self.stamper.token(asked, self.at + timedelta(seconds=1))
        self.stamping += time.process_time() - began
        return token

    def signed(self, document: bytes) -> tuple[PersonalSignature, ...]:
        """The doctors' signatures, made in their browsers."""
        return tuple(
            PersonalSignature(role, key.sign(document, certificate, self.at))
            for role, (key, certificate) in zip(ROLES, self.doctors, strict=True)
        )

    def sealed(self, path: Path, document: bytes, signatures: tuple[PersonalSignature, ...]) -> None:
        """Everything from the signatures to a package that holds."""
        later = self.at + timedelta(seconds=1)
        org = self.seal.sign(document, self.seal_certificate, self.at)
        named = {f"{number:02d}-{one.role}": one.cms for number, one in enumerate(signatures, 1)} | {
            "org": org
        }
        tokens = {name: self.stamp(covered_by(cms)) for name, cms in named.items()}
        for name, cms in named.items():
            stamp = verify_token(tokens[name], covered=covered_by(cms), trust=self.trust, at=later)
            verify(
                document, cms, policy=DEMO_ECDSA_2, trust=self.trust, at=stamp.time, signer=None, proven=True
            )
        contents = PackageContents(
            document=document,
            signatures=signatures,
            org_signature=org,
            authorities=(self.authority.root, self.stamper.certificate),
            crls=(self.crl,),
            audit=journal(document, [certificate for _, certificate in self.doctors], (), self.at),
            seal=lambda content: self.seal.sign(content, self.seal_certificate, self.at),
            tokens=tokens,
            stamp=self.stamp,
        )
        write_package(path, contents)
        self.require_held(path)

    def require_held(self, path: Path) -> None:
        """The figure of something that does not hold would be worth nothing."""
        report = verify_package(path, roots=self.trust, policy=DEMO_ECDSA_2)
        if not report.held:
            raise SystemExit(f"does not hold: {[one.code for one in report.verdicts if not one.held]}")

    def renewed(self, path: Path) -> bytes:
        """One archive timestamp more."""
        evidence = Evidence((self.stamper.certificate, self.authority.root), (self.crl,))
        at = self.at + timedelta(seconds=1)
        return renew(path.read_bytes(), stamp=self.stamp, gather=lambda _: evidence, roots=self.trust, at=at)[
            0
        ]


def main() -> int:
    """Print one line per figure."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        house = House(folder / "authority", datetime.now(UTC).replace(microsecond=0))
        path = folder / "package.asice"
        figures: dict[str, list[float]] = {}
        for number in range(ROUNDS):
            document = f"<protocol>{number}{'x' * 50_000}</protocol>".encode()
            signatures = house.signed(document)
            for what, work in _steps(house, path, document, signatures).items():
                figures.setdefault(what, []).append(_cpu(house, work))
        for what, spent in figures.items():
            print(f"{what} {statistics.median(spent) * 1000:.1f} cpu_ms")
        print(f"seal.size {path.stat().st_size} bytes")
    return 0


def _steps(
    house: House, path: Path, document: bytes, signatures: tuple[PersonalSignature, ...]
) -> dict[str, Callable[[], object]]:
    return {
        "seal.five": lambda: house.sealed(path, document, signatures),
        "seal.verify": lambda: house.require_held(path),
        "seal.renew": lambda: house.renewed(path),
    }


def _cpu(house: House, work: Callable[[], object]) -> float:
    house.stamping = 0.0
    began = time.process_time()
    work()
    return time.process_time() - began - house.stamping


if __name__ == "__main__":
    sys.exit(main())
