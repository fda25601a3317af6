"""Makes signatures that are wrong in exactly one way, and certificates the demonstration authority would never issue.

Every forgery is signed by a real key over its own attributes, so that only the check under test can refuse it.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from consilium.seal import SoftwareKey, TrustStore, asn1, der
from consilium.seal.cms import OIDS
from consilium.seal.names import names_in

SHA1, SHA256, SHA384 = "1.3.14.3.2.26", OIDS["sha256"], "2.16.840.1.101.3.4.2.2"
ECDSA_SHA256, ECDSA_SHA384, RSA_SHA256 = "1.2.840.10045.4.3.2", "1.2.840.10045.4.3.3", "1.2.840.113549.1.1.11"
ECDSA_SHA1 = "1.2.840.10045.4.1"
ED25519 = "1.3.101.112"
PrivateKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


def algorithm(oid: str) -> bytes:
    return der.sequence(der.oid(oid))


def attribute(name: str, *values: bytes) -> bytes:
    return der.sequence(der.oid(OIDS.get(name, name)), der.set_of(values))


def reference_to(certificate: bytes, *, serial_shift: int = 0) -> bytes:
    """signingCertificateV2 of a certificate, its issuerSerial shifted if asked."""
    names = names_in(certificate)
    issuer = der.sequence(
        der.sequence(der.context(4, names.issuer)), der.integer(names.serial + serial_shift)
    )
    digest = der.octets(hashlib.sha256(certificate).digest())
    return der.sequence(der.sequence(der.sequence(digest, issuer)))


def sign_with(key: PrivateKey, covered: bytes, digest: hashes.HashAlgorithm) -> bytes:
    if isinstance(key, rsa.RSAPrivateKey):
        return key.sign(covered, padding.PKCS1v15(), digest)
    return key.sign(covered, ec.ECDSA(digest))


@dataclass
class Forgery:
    """The parts of a CMS file; change one and `build`. Attributes are a list so that their order can be wrong."""

    key: PrivateKey
    certificate: bytes
    document: bytes
    at: datetime
    attributes: dict[str, list[bytes]] = field(default_factory=dict)
    order: Callable[[list[bytes]], list[bytes]] = sorted
    digest: hashes.HashAlgorithm = field(default_factory=hashes.SHA256)
    digest_oid: str = SHA256
    digest_set: list[str] | None = None
    signature_oid: str = ECDSA_SHA256
    signature: Callable[[bytes], bytes] = lambda signature: signature
    content: bytes = b""
    content_oid: str = OIDS["data"]
    outer_oid: str = OIDS["signed_data"]
    certificates: list[bytes] | None = None
    crls: bytes = b""
    sid: bytes = b""
    signed: bool = True
    unsigned: bytes = b""
    signers: int = 1
    extra: bytes = b""

    def __post_init__(self) -> None:
        digest = hashes.Hash(self.digest)
        digest.update(self.document)
        standard = {
            "content_type": [der.oid(OIDS["data"])],
            "signing_time": [der.time(self.at)],
            "message_digest": [der.octets(digest.finalize())],
            "signing_certificate_v2": [reference_to(self.certificate)],
        }
        self.attributes = standard | self.attributes

    def build(self) -> bytes:
        infos = [self._signer_info()] * self.signers
        certificates = [self.certificate] if self.certificates is None else self.certificates
        body = der.sequence(
            der.integer(1),
            der.set_of([algorithm(oid) for oid in self.digest_set or [self.digest_oid]]),
            der.sequence(der.oid(self.content_oid), self.content),
            der.context(0, b"".join(certificates)) if certificates else b"",
            self.crls,
            der.tlv(0x31, b"".join(infos)),
            self.extra,
        )
        return der.sequence(der.oid(self.outer_oid), der.context(0, body))

    def encoded_attributes(self) -> bytes:
        """Content of the SET of signed attributes."""
        members = [attribute(name, *values) for name, values in self.attributes.items() if values]
        return b"".join(self.order(members))

    def _signer_info(self) -> bytes:
        names = names_in(self.certificate)
        attributes = self.encoded_attributes()
        covered = der.tlv(0x31, attributes) if self.signed else self.document
        return der.sequence(
            der.integer(1),
            self.sid or der.sequence(names.issuer, der.integer(names.serial)),
            algorithm(self.digest_oid),
            der.context(0, attributes) if self.signed else b"",
            algorithm(self.signature_oid),
            der.octets(self.signature(sign_with(self.key, covered, self.digest))),
            self.unsigned,
        )


class OtherAuthority:
    """An authority that certifies anything: expired, for other purposes, with weak keys, through a middle one."""

    def __init__(self, at: datetime, name: str = "Other authority", key: PrivateKey | None = None) -> None:
        self.at = at
        self.key = key or ec.generate_private_key(ec.SECP256R1())
        self.name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        self.certificate = self.certify(self.key.public_key(), subject=self.name, ca=True)

    @property
    def trust(self) -> TrustStore:
        return TrustStore((self.certificate,), (), (self.crl(),))

    def certify(
        self,
        public: object,
        *,
        subject: x509.Name | None = None,
        ca: bool = False,
        usage: tuple[str, ...] = ("digital_signature", "content_commitment"),
        extended: x509.ObjectIdentifier | None = ExtendedKeyUsageOID.EMAIL_PROTECTION,
        since: timedelta = timedelta(hours=-1),
        until: timedelta = timedelta(days=30),
    ) -> bytes:
        granted = ("key_cert_sign", "crl_sign") if ca else usage
        builder = x509.CertificateBuilder().subject_name(subject or person_name()).issuer_name(self.name)
        builder = builder.public_key(public).serial_number(x509.random_serial_number())
        builder = builder.not_valid_before(self.at + since).not_valid_after(self.at + until)
        builder = builder.add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
        builder = builder.add_extension(key_usage(granted), critical=True)
        if extended and not ca:
            builder = builder.add_extension(x509.ExtendedKeyUsage([extended]), critical=False)
        return builder.sign(self.key, hashes.SHA256()).public_bytes(Encoding.DER)

    def certify_with_sha1(self, public: object) -> bytes:
        """As `certify`, signed the way no library agrees to sign any more."""
        weak = Tree.read(algorithm(ECDSA_SHA1))

        def edit(body: Tree) -> None:
            body.children[2] = weak

        return self.rewritten(self.certify(public), edit, weak, hashes.SHA1())

    def certify_unknown_key(self, public: object) -> bytes:
        """A certificate for a key of a kind nobody has heard of."""

        def edit(body: Tree) -> None:
            body.children[6].children[0].children[0] = Tree.read(der.oid("1.2.3.4"))

        return self.rewritten(self.certify(public), edit)

    def certify_unreadable_name(self, public: object) -> bytes:
        """A certificate whose subject is not the UTF-8 that it claims to be."""

        def edit(body: Tree) -> None:
            body.children[5].children[0].children[0].children[1] = Tree(0x0C, b"\xff\xfe", [])

        return self.rewritten(self.certify(public), edit)

    def rewritten(
        self,
        certificate: bytes,
        edit: Callable[["Tree"], None],
        named: "Tree | None" = None,
        digest: hashes.HashAlgorithm | None = None,
    ) -> bytes:
        """A certificate with its body edited, signed again by this authority."""
        tree = Tree.read(certificate)
        edit(tree.children[0])
        signed = sign_with(self.key, tree.children[0].write(), digest or hashes.SHA256())
        tree.children = [tree.children[0], named or tree.children[1], Tree.read(der.bits(signed))]
        return tree.write()

    def crl(
        self,
        *revoked: int,
        since: timedelta = timedelta(0),
        life: timedelta = timedelta(days=1),
        key: PrivateKey | None = None,
        revoked_at: datetime | None = None,
    ) -> bytes:
        builder = x509.CertificateRevocationListBuilder().issuer_name(self.name)
        builder = builder.last_update(self.at + since).next_update(self.at + since + life)
        for serial in revoked:
            entry = (
                x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(revoked_at or self.at)
            )
            builder = builder.add_revoked_certificate(entry.build())
        return builder.sign(key or self.key, hashes.SHA256()).public_bytes(Encoding.DER)


def person_name(snils: str = "11223344595") -> x509.Name:
    return x509.Name(
        [
            x509.NameAttribute(NameOID.COMMON_NAME, "Anna"),
            x509.NameAttribute(NameOID.SURNAME, "Ёлкина"),
            x509.NameAttribute(NameOID.GIVEN_NAME, "Анна Петровна"),
            x509.NameAttribute(x509.ObjectIdentifier("1.2.643.100.3"), snils),
        ]
    )


def key_usage(granted: tuple[str, ...]) -> x509.KeyUsage:
    names = (
        *("digital_signature", "content_commitment", "key_encipherment", "data_encipherment"),
        *("key_agreement", "key_cert_sign", "crl_sign", "encipher_only", "decipher_only"),
    )
    return x509.KeyUsage(**{name: name in granted for name in names})


def rsa_key(bits: int) -> rsa.RSAPrivateKey:
    # 1024 bits are below what a decent key may be; that is the point of the attack.
    private = SoftwareKey.generate(rsa_bits=bits).private
    assert isinstance(private, rsa.RSAPrivateKey)
    return private


@dataclass
class Tree:
    """A DER value that can be changed and written again with its lengths made right."""

    tag: int
    content: bytes
    children: list["Tree"]

    @classmethod
    def read(cls, data: bytes) -> "Tree":
        node = asn1.read(data, 0, len(data))
        children = [cls.read(child.raw) for child in node.children()] if node.tag & 0x20 else []
        return cls(node.tag, node.content, children)

    def walk(self) -> list["Tree"]:
        return [self, *(found for child in self.children for found in child.walk())]

    def write(self) -> bytes:
        content = b"".join(child.write() for child in self.children) if self.children else self.content
        return der.tlv(self.tag, content)
