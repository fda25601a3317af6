"""Certificates and signatures bent in one way, with any kind of key: P-256, RSA or GOST.

`forge.py` does the same for keys of `cryptography` alone; here everything is DER written by hand, so that the
attack table can be played over again in the world of GOST.
"""

import hashlib
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from consilium.seal import DEMO_ECDSA_2, RU_UKEP, Policy, TrustStore, der
from consilium.seal.algorithms import DIGEST_OIDS, hashed
from consilium.seal.cms import OIDS
from consilium.seal.names import names_in
from consilium.seal.providers import FileKey, new_key
from tests.consilium.seal.conftest import AT, DOCUMENT
from tests.consilium.seal.forge import key_usage

SHA1 = "1.3.14.3.2.26"
HOUR, DAY, MONTH = timedelta(hours=1), timedelta(days=1), timedelta(days=30)
SIGNS = ("digital_signature", "content_commitment")


def name_of(common: str, snils: str = "") -> bytes:
    parts = {"2.5.4.3": common} | (
        {"1.2.643.100.3": snils, "2.5.4.4": "Ёлкина", "2.5.4.42": "Анна"} if snils else {}
    )
    return der.sequence(
        *(der.set_of([der.sequence(der.oid(oid), der.text(der.UTF8, text))]) for oid, text in parts.items())
    )


def extension(value: x509.ExtensionType, *, critical: bool) -> bytes:
    flag = der.true() if critical else b""
    return der.sequence(der.oid(value.oid.dotted_string), flag, der.octets(value.public_bytes()))


@dataclass(frozen=True)
class Office:
    """An authority that certifies anything, and lists anything as revoked."""

    key: FileKey
    name: bytes
    root: bytes

    @classmethod
    def open(cls, kind: str, common: str = "Authority") -> "Office":
        key, name = new_key(kind), name_of(common)
        bare = cls(key, name, b"")
        return cls(key, name, bare.certify(key.spki(), subject=name, ca=True, purpose=None))

    @property
    def trust(self) -> TrustStore:
        return TrustStore((self.root,), (), (self.crl(),))

    def certify(
        self,
        spki: bytes,
        *,
        subject: bytes = b"",
        ca: bool = False,
        usage: tuple[str, ...] = SIGNS,
        purpose: x509.ObjectIdentifier | None = ExtendedKeyUsageOID.EMAIL_PROTECTION,
        since: timedelta = -HOUR,
        until: timedelta = MONTH,
    ) -> bytes:
        granted = ("key_cert_sign", "crl_sign") if ca else usage
        extensions = [
            extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True),
            extension(key_usage(granted), critical=True),
        ]
        if purpose is not None and not ca:
            extensions.append(extension(x509.ExtendedKeyUsage([purpose]), critical=False))
        body = der.sequence(
            der.context(0, der.integer(2)),
            der.integer(secrets.randbits(120) | 1),
            self.key.algorithm(),
            self.name,
            der.sequence(der.time(AT + since), der.time(AT + until)),
            subject or name_of("Ёлкина Анна", "11223344595"),
            spki,
            der.context(3, der.sequence(*extensions)),
        )
        return der.sequence(body, self.key.algorithm(), der.bits(self.key.sign_raw(body)))

    def crl(self, *revoked: int, since: timedelta = -HOUR, life: timedelta = DAY) -> bytes:
        entries = [der.sequence(der.integer(serial), der.time(AT)) for serial in revoked]
        body = der.sequence(
            der.integer(1),
            self.key.algorithm(),
            self.name,
            der.time(AT + since),
            der.time(AT + since + life),
            der.sequence(*entries) if entries else b"",
        )
        return der.sequence(body, self.key.algorithm(), der.bits(self.key.sign_raw(body)))


@dataclass
class Bent:
    """The parts of a signature file; change one and `build`."""

    key: FileKey
    certificate: bytes
    document: bytes = DOCUMENT
    at: datetime = AT
    digest: str = ""
    digest_oid: str = ""
    algorithm: bytes = b""
    attributes: dict[str, Sequence[bytes]] = field(default_factory=dict)
    order: Callable[[list[bytes]], list[bytes]] = sorted
    twice: str = ""
    signed: bool = True
    signature: Callable[[bytes], bytes] = lambda value: value
    content: bytes = b""
    outer_oid: str = OIDS["signed_data"]
    certificates: Sequence[bytes] | None = None
    sid: bytes = b""
    unsigned: Callable[[bytes], bytes] = lambda _: b""
    signers: int = 1

    def build(self) -> bytes:
        digest = der.sequence(der.oid(self.digest_oid or DIGEST_OIDS[self.key.digest]))
        enclosed = [self.certificate] if self.certificates is None else self.certificates
        body = der.sequence(
            der.integer(1),
            der.set_of([digest]),
            der.sequence(der.oid(OIDS["data"]), self.content),
            der.context(0, b"".join(enclosed)) if enclosed else b"",
            der.tlv(0x31, self.signer(digest) * self.signers),
        )
        return der.sequence(der.oid(self.outer_oid), der.context(0, body))

    def signer(self, digest: bytes) -> bytes:
        names, attributes = names_in(self.certificate), self.encoded()
        value = self.signature(self.key.sign_raw(der.tlv(0x31, attributes) if self.signed else self.document))
        return der.sequence(
            der.integer(1),
            self.sid or der.sequence(names.issuer, der.integer(names.serial)),
            digest,
            der.context(0, attributes) if self.signed else b"",
            self.algorithm or self.key.algorithm(),
            der.octets(value),
            self.unsigned(value),
        )

    def encoded(self) -> bytes:
        """Content of the SET of signed attributes."""
        used = self.digest or self.key.digest
        hashed_document = (
            hashlib.new(used, self.document).digest() if used == "sha1" else hashed(used, self.document)
        )
        values: dict[str, Sequence[bytes]] = {
            "content_type": [der.oid(OIDS["data"])],
            "signing_time": [der.time(self.at)],
            "message_digest": [der.octets(hashed_document)],
            "signing_certificate_v2": [reference_to(self.certificate, self.key.digest)],
        }
        members = [
            der.sequence(der.oid(OIDS[name]), der.set_of(value))
            for name, value in (values | self.attributes).items()
            for _ in range(2 if name == self.twice else 1)
            if value
        ]
        return b"".join(self.order(members))


def reference_to(certificate: bytes, digest: str) -> bytes:
    """signingCertificateV2 without issuerSerial, so that the digest alone decides."""
    named = b"" if digest == "sha256" else der.sequence(der.oid(DIGEST_OIDS[digest]))
    return der.sequence(der.sequence(der.sequence(named, der.octets(hashed(digest, certificate)))))


@dataclass(frozen=True)
class Workshop:
    """One world: an authority, a person's key with its certificate, and the policy that judges them."""

    kind: str
    office: Office
    key: FileKey
    certificate: bytes

    @classmethod
    def open(cls, kind: str) -> "Workshop":
        office, key = Office.open(kind), new_key(kind)
        return cls(kind, office, key, office.certify(key.spki()))

    @property
    def policy(self) -> Policy:
        return DEMO_ECDSA_2 if self.kind == "p256" else RU_UKEP

    def bent(self, **changes: object) -> bytes:
        return Bent(**{"key": self.key, "certificate": self.certificate} | changes).build()

    def certified(self, **properties: object) -> tuple[FileKey, bytes]:
        """Another key with a certificate of such properties, from the same authority."""
        key = new_key(self.kind)
        return key, self.office.certify(key.spki(), **properties)
