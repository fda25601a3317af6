"""What a certificate says (RFC 5280 4.1), read strictly from its bytes and kept for the next time.

Read here and not through `cryptography`: that cannot give a GOST key, and warns of every Russian name longer
than thirty-two letters. The facts depend on the bytes alone, so a bounded table of them is safe to share.
"""

from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache

from cryptography import x509

from consilium.seal import asn1, keys
from consilium.seal.algorithms import signature_of
from consilium.seal.asn1 import Fields, Node
from consilium.seal.errors import SignatureRefused
from consilium.seal.keys import PublicKey

__all__ = ["Certificate", "Signed", "certificate_of", "signed_by"]

BOOLEAN, BIT_STRING = 0x01, 0x03
VERSION_TAG, UNIQUE_TAGS, EXTENSIONS_TAG = 0xA0, (0x81, 0x82), 0xA3
USAGES = (
    "digital_signature",
    "content_commitment",
    "key_encipherment",
    "data_encipherment",
    "key_agreement",
    "key_cert_sign",
    "crl_sign",
    "encipher_only",
    "decipher_only",
)
SUBJECT_KEY, KEY_USAGE, BASIC, AUTHORITY_KEY, EXTENDED = (
    "2.5.29.14",
    "2.5.29.15",
    "2.5.29.19",
    "2.5.29.35",
    "2.5.29.37",
)
LARGEST = 64 * 1024


@dataclass(frozen=True, slots=True)
class Signed:
    """Anything of the shape { body, algorithm, signature }: a certificate, a revocation list, an OCSP answer."""

    body: Node
    algorithm: str
    signature: bytes


@dataclass(frozen=True, slots=True)
class Certificate:
    """Facts of one certificate. ``issuer`` and ``subject`` are names in DER; ``usage`` is None where unlimited.

    ``critical`` and ``extensions`` are OIDs of what it marks critical, and all its extensions' values (DER).
    ``path_length`` is None where unbounded. ``purposes`` are the OIDs of extended key usage, empty where none.
    """

    der: bytes
    serial: int
    issuer: bytes
    subject: bytes
    not_before: datetime
    not_after: datetime
    key: PublicKey
    signed: Signed
    ca: bool
    path_length: int | None
    usage: frozenset[str] | None
    purposes: frozenset[str]
    subject_key: bytes
    authority_key: bytes
    critical: frozenset[str]
    extensions: dict[str, bytes] = field(hash=False)

    @property
    def self_issued(self) -> bool:
        """Whether it names itself as its issuer."""
        return self.issuer == self.subject


@lru_cache(maxsize=2048)
def certificate_of(der: bytes) -> Certificate:
    """Read a certificate (DER). Raises SignatureRefused BAD_CERTIFICATE; WEAK_KEY for a key of a broken shape."""
    try:
        if len(der) > LARGEST:
            raise SignatureRefused("BAD_CERTIFICATE")
        found = _read(der)
        if found.serial <= 0:
            raise SignatureRefused("BAD_CERTIFICATE")  # RFC 5280 4.1.2.2; `cryptography` merely warns of it
        # A second reader, of another make: what the two do not agree to read is no certificate.
        x509.load_der_x509_certificate(der)
        return found
    except SignatureRefused as refused:
        if refused.code == "WEAK_KEY":
            raise
        raise SignatureRefused("BAD_CERTIFICATE") from refused
    except (ValueError, x509.InvalidVersion) as error:
        raise SignatureRefused("BAD_CERTIFICATE") from error


def signed_by(signed: Signed, key: PublicKey) -> bool:
    """Whether this key signed it, by an algorithm that fits the key. Raises SignatureRefused GOST_UNAVAILABLE."""
    algorithm = signature_of(signed.algorithm)
    if algorithm.kind != key.kind or not algorithm.digest:
        return False
    return key.verify(signed.body.raw, signed.signature, algorithm.digest)


def read_signed(der: bytes) -> tuple[Signed, str]:
    """The three parts of a signed structure, and the algorithm that its body must repeat."""
    top = asn1.read(der, 0, len(der))
    if top.end != len(der):
        raise SignatureRefused("TRAILING_DATA")
    fields = Fields(top)
    body, algorithm = fields.take(asn1.SEQUENCE), fields.take(asn1.SEQUENCE)
    signature = fields.take(BIT_STRING).content
    fields.end()
    if signature[:1] != b"\0":
        raise SignatureRefused("NOT_DER")
    return Signed(body, Fields(algorithm).take().oid(), signature[1:]), algorithm.raw.hex()


def _read(der: bytes) -> Certificate:
    signed, outer = read_signed(der)
    fields = Fields(signed.body)
    version = fields.maybe(VERSION_TAG)
    serial = fields.take().integer()
    inner = fields.take(asn1.SEQUENCE)
    issuer, validity = fields.take(asn1.SEQUENCE).raw, fields.take(asn1.SEQUENCE).children()
    subject, spki = fields.take(asn1.SEQUENCE).raw, fields.take(asn1.SEQUENCE).raw
    for tag in UNIQUE_TAGS:
        fields.maybe(tag)
    extensions = _extensions(fields.maybe(EXTENSIONS_TAG))
    fields.end()
    if inner.raw.hex() != outer or len(validity) != 2 or (extensions and not _is_third(version)):
        raise SignatureRefused("FORMAT", what="certificate")
    values = {oid: value for oid, (_, value) in extensions.items()}
    ca, path_length = _basic(values.get(BASIC))
    return Certificate(
        der=der,
        serial=serial,
        issuer=issuer,
        subject=subject,
        not_before=validity[0].time(),
        not_after=validity[1].time(),
        key=keys.public_key(spki),
        signed=signed,
        ca=ca,
        path_length=path_length,
        usage=_usage(values.get(KEY_USAGE)),
        purposes=_purposes(values.get(EXTENDED)),
        subject_key=_subject_key(values.get(SUBJECT_KEY)),
        authority_key=_authority_key(values.get(AUTHORITY_KEY)),
        critical=frozenset(oid for oid, (critical, _) in extensions.items() if critical),
        extensions=values,
    )


def _is_third(version: Node | None) -> bool:
    return version is not None and [child.integer() for child in version.children()] == [2]


def _extensions(node: Node | None) -> dict[str, tuple[bool, bytes]]:
    """OID -> (critical, value); each once (RFC 5280 4.2)."""
    found: dict[str, tuple[bool, bytes]] = {}
    if node is None:
        return found
    outer = node.children()
    if len(outer) != 1:
        raise SignatureRefused("FORMAT", what="extensions")
    return read_extensions(outer[0])


def read_extensions(sequence: Node) -> dict[str, tuple[bool, bytes]]:
    """The same for the SEQUENCE of extensions itself, as revocation lists have it too."""
    found: dict[str, tuple[bool, bytes]] = {}
    for extension in sequence.expect(asn1.SEQUENCE).children():
        fields = Fields(extension)
        oid, critical = fields.take().oid(), fields.maybe(BOOLEAN)
        value = fields.take(asn1.OCTETS).content
        fields.end()
        if oid in found:
            raise SignatureRefused("FORMAT", what="an extension twice")
        found[oid] = (critical is not None and _true(critical), value)
    return found


def _true(node: Node) -> bool:
    if node.content not in (b"\xff", b"\0"):
        raise SignatureRefused("NOT_DER")
    return node.content == b"\xff"


def _whole(value: bytes) -> Node:
    node = asn1.read(value, 0, len(value))
    if node.end != len(value):
        raise SignatureRefused("TRAILING_DATA")
    return node


def _basic(value: bytes | None) -> tuple[bool, int | None]:
    if value is None:
        return False, None
    fields = Fields(_whole(value))
    flag, length = fields.maybe(BOOLEAN), fields.maybe(asn1.INTEGER)
    fields.end()
    ca = flag is not None and _true(flag)
    bound = length.integer() if length is not None else None
    if bound is not None and (bound < 0 or not ca):
        raise SignatureRefused("FORMAT", what="basic constraints")
    return ca, bound


def _usage(value: bytes | None) -> frozenset[str] | None:
    if value is None:
        return None
    content = _whole(value).expect(BIT_STRING).content
    if not 2 <= len(content) <= 3 or content[0] > 7:
        raise SignatureRefused("FORMAT", what="key usage")
    granted = "".join(f"{octet:08b}" for octet in content[1:])
    return frozenset(name for name, bit in zip(USAGES, granted, strict=False) if bit == "1")


def _purposes(value: bytes | None) -> frozenset[str]:
    return (
        frozenset(node.oid() for node in _whole(value).expect(asn1.SEQUENCE).children())
        if value
        else frozenset()
    )


def _subject_key(value: bytes | None) -> bytes:
    return _whole(value).expect(asn1.OCTETS).content if value else b""


def _authority_key(value: bytes | None) -> bytes:
    """keyIdentifier of the issuer's key, where the certificate names it."""
    if not value:
        return b""
    identifier = Fields(_whole(value)).maybe(0x80)
    return identifier.content if identifier is not None else b""
