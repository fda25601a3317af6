"""Makes timestamps that are wrong in exactly one way, signed by a real authority's key over their own attributes."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from consilium.seal import TrustStore, der, tsp
from consilium.seal.names import names_in
from tests.consilium.seal.forge import (
    OtherAuthority,
    PrivateKey,
    algorithm,
    key_usage,
    reference_to,
    sign_with,
)

ECDSA_SHA256 = "1.2.840.10045.4.3.2"
POLICY = "1.2.643.2.2.38.4"


@dataclass
class Stamp:
    """The parts of a token; change one and `build`."""

    key: PrivateKey
    certificate: bytes
    covered: bytes
    at: datetime
    nonce: int | None = None
    time: bytes = b""
    digest: str = "sha256"
    digest_oid: str = tsp.OIDS["sha256"]
    version: int = 1
    accuracy: bytes = b""
    extensions: bytes = b""
    attributes: dict[str, bytes] = field(default_factory=dict)
    signature_oid: str = ECDSA_SHA256
    signature: Callable[[bytes], bytes] = lambda signature: signature
    content_oid: str = tsp.OIDS["tst_info"]
    certificates: list[bytes] | None = None
    order: Callable[[list[bytes]], list[bytes]] = sorted
    signers: int = 1
    extra: bytes = b""

    def info(self) -> bytes:
        imprint = hashlib.new(self.digest, self.covered).digest()
        return der.sequence(
            der.integer(self.version),
            der.oid(POLICY),
            der.sequence(algorithm(self.digest_oid), der.octets(imprint)),
            der.integer(77),
            self.time or der.tlv(0x18, self.at.strftime("%Y%m%d%H%M%SZ").encode()),
            self.accuracy,
            der.integer(self.nonce) if self.nonce is not None else b"",
            self.extensions,
        )

    def build(self) -> bytes:
        info = self.info()
        values = {
            tsp.OIDS["content_type"]: der.oid(tsp.OIDS["tst_info"]),
            tsp.OIDS["message_digest"]: der.octets(hashlib.sha256(info).digest()),
            tsp.OIDS["signing_certificate_v2"]: reference_to(self.certificate),
        } | self.attributes
        members = [der.sequence(der.oid(oid), der.set_of([one])) for oid, one in values.items() if one]
        attributes = b"".join(self.order(members))
        names = names_in(self.certificate)
        signed = sign_with(self.key, der.tlv(0x31, attributes), hashes.SHA256())
        signer = der.sequence(
            der.integer(1),
            der.sequence(names.issuer, der.integer(names.serial)),
            algorithm(tsp.OIDS["sha256"]),
            der.context(0, attributes),
            algorithm(self.signature_oid),
            der.octets(self.signature(signed)),
        )
        enclosed = [self.certificate] if self.certificates is None else self.certificates
        body = der.sequence(
            der.integer(3),
            der.set_of([algorithm(tsp.OIDS["sha256"])]),
            der.sequence(der.oid(self.content_oid), der.context(0, der.octets(info))),
            der.context(0, b"".join(enclosed)) if enclosed else b"",
            der.tlv(0x31, signer * self.signers),
            self.extra,
        )
        return der.sequence(der.oid(tsp.OIDS["signed_data"]), der.context(0, body))


@dataclass(frozen=True)
class Tsa:
    """A timestamp authority under an authority that certifies anything."""

    authority: OtherAuthority
    key: PrivateKey
    certificate: bytes

    @classmethod
    def make(cls, at: datetime, **certificate: object) -> "Tsa":
        authority = OtherAuthority(at)
        key = ec.generate_private_key(ec.SECP256R1())
        return cls(authority, key, certify(authority, key.public_key(), **certificate))

    @property
    def trust(self) -> TrustStore:
        return self.authority.trust

    def stamp(self, covered: bytes, **changed: object) -> bytes:
        given = {"at": self.authority.at, "certificate": self.certificate} | changed
        return Stamp(key=self.key, covered=covered, **given).build()


def certify(
    authority: OtherAuthority,
    public: object,
    *,
    purposes: tuple[x509.ObjectIdentifier, ...] = (ExtendedKeyUsageOID.TIME_STAMPING,),
    critical: bool = True,
    usage: tuple[str, ...] = ("digital_signature",),
    ca: bool = False,
    since: datetime | None = None,
    until: datetime | None = None,
) -> bytes:
    """A certificate for a timestamp authority, or one that only pretends to be."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "TSA")])
    certified = authority.certify(public, subject=name, extended=None)
    like = x509.load_der_x509_certificate(certified)
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(authority.name)
    builder = builder.public_key(public).serial_number(x509.random_serial_number())
    builder = builder.not_valid_before(since or like.not_valid_before_utc)
    builder = builder.not_valid_after(until or like.not_valid_after_utc)
    builder = builder.add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
    builder = builder.add_extension(key_usage(usage), critical=True)
    if purposes:
        builder = builder.add_extension(x509.ExtendedKeyUsage(list(purposes)), critical=critical)
    return builder.sign(authority.key, hashes.SHA256()).public_bytes(Encoding.DER)
