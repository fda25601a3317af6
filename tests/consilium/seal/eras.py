"""Timestamp authorities of successive decades, each with a root, lists and an end of its own."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from consilium.seal import PackageContents, PackageReport, TrustStore, verify_package, write_package
from consilium.seal.algorithms import DIGEST_OIDS
from consilium.seal.archive import renew
from consilium.seal.package import signed_files
from consilium.seal.policy import Policy
from consilium.seal.timestamp import covered_by
from consilium.seal.verdicts import signatures_json
from tests.consilium.seal.conftest import AT, DOCUMENT, World
from tests.consilium.seal.forge import OtherAuthority, PrivateKey
from tests.consilium.seal.forge_time import Stamp, certify

YEAR = timedelta(days=365.25)
NINE, EIGHTEEN, TWENTY = AT + 9 * YEAR, AT + 18 * YEAR, AT + 20 * YEAR


@dataclass(frozen=True)
class Material:
    certificates: tuple[bytes, ...]
    crls: tuple[bytes, ...]
    ocsps: tuple[bytes, ...] = ()


@dataclass(frozen=True)
class Era:
    """One authority: from ``since`` on for ``life``; asked at ``now`` it stamps and tells what judges it."""

    authority: OtherAuthority
    key: PrivateKey
    certificate: bytes
    since: datetime
    until: datetime
    now: datetime

    @classmethod
    def make(cls, since: datetime, life: timedelta = 11 * YEAR) -> "Era":
        authority = OtherAuthority(since, f"TSA root {since.year}")
        until = since + life
        authority.certificate = root_of(authority, since - timedelta(days=30), until)
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = certify(authority, key.public_key(), since=since - timedelta(days=30), until=until)
        return cls(authority, key, certificate, since, until, since)

    @property
    def root(self) -> bytes:
        return self.authority.certificate

    def at(self, now: datetime) -> "Era":
        return replace(self, now=now)

    def crl(self, *revoked: int) -> bytes:
        return self.authority.crl(
            *revoked,
            since=self.now - self.authority.at - timedelta(minutes=5),
            life=timedelta(days=7),
            revoked_at=self.now - timedelta(days=1),
        )

    def stamp(self, covered: bytes, digest: str = "sha256") -> bytes:
        return Stamp(
            key=self.key,
            certificate=self.certificate,
            covered=covered,
            at=self.now,
            digest=digest,
            digest_oid=DIGEST_OIDS[digest],
        ).build()

    def material(self, *revoked: int) -> Material:
        return Material((self.certificate, self.root), (self.crl(*revoked),))

    @property
    def serial(self) -> int:
        return x509.load_der_x509_certificate(self.certificate).serial_number


def root_of(authority: OtherAuthority, since: datetime, until: datetime) -> bytes:
    like = x509.load_der_x509_certificate(authority.certificate)
    builder = x509.CertificateBuilder().subject_name(authority.name).issuer_name(authority.name)
    builder = builder.public_key(like.public_key()).serial_number(x509.random_serial_number())
    builder = builder.not_valid_before(since).not_valid_after(until)
    for extension in like.extensions:
        builder = builder.add_extension(extension.value, critical=extension.critical)
    return builder.sign(authority.key, hashes.SHA256()).public_bytes(Encoding.DER)


def stamped(
    world: World, era: Era, document: bytes = DOCUMENT, policy: Policy | None = None
) -> PackageContents:
    """A package's contents with every timestamp, taken seconds after the signatures."""
    contents = world.contents(document)
    named = signed_files(contents.signatures, contents.org_signature, contents.dissents)
    first, second = era.at(AT + timedelta(seconds=20)), era.at(AT + timedelta(seconds=40))
    tokens = {name: first.stamp(covered_by(cms)) for name, cms in named.items()}
    material = first.material()
    return replace(
        contents,
        tokens=tokens,
        stamp=second.stamp,
        authorities=(*contents.authorities, *material.certificates),
        crls=(*contents.crls, *material.crls),
        copy=b"%PDF-1.7 copy",
        journal_row=b'{"number":1}\n',
        reports={"validation.json": b"{}\n"}
        | ({"signatures.json": signatures_json({}, {}, policy)} if policy else {}),
    )


def roots(world: World, *eras: Era) -> TrustStore:
    return TrustStore((world.authority.root, *(era.root for era in eras)))


@dataclass(frozen=True)
class Ages:
    """Three authorities of three decades, and the package as it was sealed, renewed once and renewed twice."""

    world: World
    first: Era
    second: Era
    third: Era
    sealed: bytes
    once: bytes
    twice: bytes

    def judge(self, content: bytes, at: datetime | None) -> PackageReport:
        return verify_package(content, roots=roots(self.world, self.first, self.second, self.third), at=at)

    def renewed(
        self, content: bytes, old: Era, new: Era, at: datetime, old_material: Material | None = None
    ) -> bytes:
        def gather(token: bytes) -> Material:
            own = new if new.certificate in token else old
            return own.at(at).material() if own is new or old_material is None else old_material

        packed, report = renew(
            content,
            stamp=new.at(at + timedelta(seconds=5)).stamp,
            gather=gather,
            roots=roots(self.world, self.first, self.second, self.third),
            at=at,
        )
        assert report.held
        return packed


def three_ages(world: World, folder: Path, policy: Policy | None = None) -> Ages:
    """The package of the long-term tests, renewed in the ninth and in the eighteenth year."""
    first, second, third = (Era.make(AT + years * YEAR) for years in (0, 8, 17))
    path = folder / "sealed.asice"
    write_package(path, stamped(world, first, policy=policy))
    ages = Ages(world, first, second, third, path.read_bytes(), b"", b"")
    once = ages.renewed(ages.sealed, first, second, NINE)
    return replace(ages, once=once, twice=ages.renewed(once, second, third, EIGHTEEN))
