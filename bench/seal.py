"""What sealing costs: a protocol with five signers, from their signatures to a package that holds.

    python -m bench.seal

Prints `name value unit`; CPU. `seal.whole` is all of it, in a fresh worker process of an installation that is no
demonstration: the row of the outbox with its lease, seven timestamps and six OCSP answers asked over HTTP and judged,
the organisation's signature, the PDF copy, reports, journal, package with fsync, the strict verifier's judgement, the
word that it is sealed, all on PostgreSQL (SQLite where it is not installed). `.first` is the first one of the process,
which loads what it needs; `.whole` the median of the others. The authority, the database server and the message that
Celery carries are other programs, and left out. `.gost256`: the same with GOST keys of everybody under ru-ukep/1, as a
real house has them (the browser keys of the other are the demonstration's). With CONSILIUM_SEMD_DIR the document is judged by the state's rules.

The rest are parts, by this process, medians: `seal.five` is what the worker does with the bytes: judges five
timestamps and five signatures with chain and list, makes the organisation's signature and the manifest's, judges
their timestamps, writes the package with fsync, and judges the whole by the strict verifier. `seal.verify` is that
last judgement alone, `seal.renew` one archive timestamp more. The authority's own work is left out (tokens are made
beforehand, or counted by themselves); so are database, network and the PDF copy.
"""

import hashlib
import os
import secrets
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from consilium import clock
from consilium.bootstrap import build
from consilium.model import Protocol, ProtocolStatus
from consilium.packing import packages
from consilium.seal import (
    DEMO_ECDSA_2,
    RU_UKEP,
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
from consilium.seal.package import read_package
from consilium.seal.timestamp import covered_by, verify_token
from consilium.settings import Settings
from consilium.store import outbox
from consilium.tasks import Worker
from tests import services
from tests.consilium.seal.chains import journal
from tests.people import World, authority_beside, loaded
from web.simulator.stamper import Query, Stamper

ROUNDS, SIGNERS, WHOLE = 15, 5, 21
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


def main(arguments: list[str]) -> int:
    """Print one line per figure."""
    if arguments == ["--worker"]:
        return work()
    for figure, policy in (("seal.whole", DEMO_ECDSA_2), ("seal.whole.gost256", RU_UKEP)):
        with tempfile.TemporaryDirectory(prefix="consilium-bench-") as name, database(Path(name)) as address:
            first, *others = whole(Path(name) / "var", address, policy.id)
        print(f"{figure}.first {first * 1000:.0f} cpu_ms")
        print(f"{figure} {statistics.median(others) * 1000:.0f} cpu_ms")
    with tempfile.TemporaryDirectory() as name:
        parts(Path(name))
    return 0


@contextmanager
def database(folder: Path) -> Iterator[str]:
    """A throwaway PostgreSQL with fsync, where there is one."""
    if services.postgres_bin() is None:
        yield f"sqlite:///{folder}/consilium.db"
        return
    with services.postgres() as server, services.fresh_database(server) as address:
        yield address


def whole(folder: Path, address: str, policy: str) -> list[float]:
    """CPU seconds of each seal of a fresh worker, in order."""
    both = {
        "CONSILIUM_DATA_DIR": str(folder),
        "CONSILIUM_DATABASE_URL": address,
        "CONSILIUM_SIGNATURE_POLICY": policy,
    }
    with authority_beside(Settings.from_environment(both | {"CONSILIUM_DEMO": "1"})) as (asking, desk):
        world = loaded(build(asking), desk)
        signed = [world.signed("deputy", "secretary", "member1", "ivanova").id for _ in range(WHOLE)]
        (folder / "trust").mkdir()
        (folder / "trust" / "root.crt").write_bytes(desk.authority.root)
        (url,) = asking.timestamp_urls
        base = url.removesuffix("/tsa")
        settings = both | {
            "CONSILIUM_SECRET_KEY": secrets.token_hex(32),
            "CONSILIUM_TIMESTAMP_URLS": f"{base}/tsa",
            "CONSILIUM_CRL_URLS": f"{base}/crl",
            "CONSILIUM_OCSP_URL": f"{base}/ocsp",
        }
        command = [sys.executable, "-m", "bench.seal", "--worker"]
        done = subprocess.run(
            command, env=os.environ | settings, check=True, stdout=subprocess.PIPE, text=True
        )
        for one in signed:
            require_sealed(world, world.protocol(one))
        world.parts.close()
    return [float(line) for line in done.stdout.split()]


def require_sealed(world: World, protocol: Protocol) -> None:
    """Sealed in one run, with its copy."""
    if protocol.status is not ProtocolStatus.SEALED or len(protocol.current_signatures()) != SIGNERS:
        raise SystemExit(f"not sealed: {protocol.status} {protocol.waits_for} {protocol.waits_reason}")
    if "document.pdf" not in read_package(packages(world.parts) / protocol.package_name):
        raise SystemExit("no PDF copy")


def work() -> int:
    """A worker with the settings of its environment: CPU seconds of every seal that waits, a line each."""
    working = Worker(build(Settings.from_environment()))
    store, at, lease = working.parts.store, clock.now(), timedelta(hours=1)
    for row in store.run(at, lambda tx: outbox.lease_due(tx.connection, at, lease, 1000)):
        if row.kind == "protocol.seal":
            began = time.process_time()
            working.run(row.id, row.lease)
            print(time.process_time() - began)
    return 0


def parts(folder: Path) -> None:
    """What is done with the bytes alone."""
    house = House(folder / "authority", datetime.now(UTC).replace(microsecond=0))
    path = folder / "package.asice"
    figures: dict[str, list[float]] = {}
    for number in range(ROUNDS):
        document = f"<protocol>{number}{'x' * 50_000}</protocol>".encode()
        signatures = house.signed(document)
        for what, step in _steps(house, path, document, signatures).items():
            figures.setdefault(what, []).append(_cpu(house, step))
    for what, spent in figures.items():
        print(f"{what} {statistics.median(spent) * 1000:.1f} cpu_ms")
    print(f"seal.size {path.stat().st_size} bytes")


def _steps(
    house: House, path: Path, document: bytes, signatures: tuple[PersonalSignature, ...]
) -> dict[str, Callable[[], object]]:
    return {
        "seal.five": lambda: house.sealed(path, document, signatures),
        "seal.verify": lambda: house.require_held(path),
        "seal.renew": lambda: house.renewed(path),
    }


def _cpu(house: House, step: Callable[[], object]) -> float:
    house.stamping = 0.0
    began = time.process_time()
    step()
    return time.process_time() - began - house.stamping


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
