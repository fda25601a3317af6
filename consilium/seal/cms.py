"""Read one detached CAdES-BES signature (RFC 5652, EN 319 122-1) into plain values, refusing every other shape.

The bytes are read here and nowhere re-encoded: what is hashed for the signature check is a slice of the file.
`verify.py` judges; this module only says what the file claims.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache

from consilium.seal import asn1
from consilium.seal.asn1 import Fields, Limits, Node
from consilium.seal.errors import SignatureRefused

__all__ = ["OIDS", "SignedMessage", "looks_like_attributes", "parse"]

OIDS = {
    "signed_data": "1.2.840.113549.1.7.2",
    "data": "1.2.840.113549.1.7.1",
    "content_type": "1.2.840.113549.1.9.3",
    "message_digest": "1.2.840.113549.1.9.4",
    "signing_time": "1.2.840.113549.1.9.5",
    "signing_certificate": "1.2.840.113549.1.9.16.2.12",
    "signing_certificate_v2": "1.2.840.113549.1.9.16.2.47",
    "algorithm_protection": "1.2.840.113549.1.9.52",
    "sha256": "2.16.840.1.101.3.4.2.1",
}
REQUIRED = {
    "content_type": "contentType",
    "message_digest": "messageDigest",
    "signing_time": "signingTime",
    "signing_certificate_v2": "signingCertificateV2",
}
CONTENT_TAG, CERTIFICATES_TAG, CRLS_TAG, SIGNED_TAG, UNSIGNED_TAG, SKI_TAG = (
    0xA0,
    0xA0,
    0xA1,
    0xA0,
    0xA1,
    0x80,
)
# While a package is made or judged each signature is read many times; a file above this size is read anew each time.
REMEMBERED = 32 * 1024
# Nesting of a SignerInfo in the file, and of what may be streamed: the lists of certificates and signers at most.
SIGNER_DEPTH, OUTER_DEPTH = 5, 4


@dataclass(frozen=True, slots=True)
class SignedMessage:
    """What a signature file claims.

    ``attributes`` are the bytes the signature covers (signed attributes under a SET tag); ``issuer`` is the DER
    of the signer's issuer name; ``certificate_digest`` and ``certificate_issuer`` come from signingCertificateV2;
    ``unsigned`` are the values (DER) of unsigned attributes by OID, which nothing vouches for.
    """

    digest_oid: str
    signature_oid: str
    signature: bytes
    issuer: bytes
    serial: int
    certificates: tuple[bytes, ...]
    attributes: bytes
    message_digest: bytes
    signing_time: datetime
    certificate_digest_oid: str
    certificate_digest: bytes
    certificate_issuer: tuple[bytes, int] | None
    unsigned: Mapping[str, tuple[bytes, ...]]


@dataclass(frozen=True, slots=True)
class _SignerInfo:
    issuer: bytes
    serial: int
    digest_oid: str
    attributes: Node
    signature_oid: str
    signature: bytes
    unsigned: Mapping[str, tuple[bytes, ...]]


def parse(data: bytes, limits: Limits, *, ber_outer: bool = False) -> SignedMessage:
    """Read the file. Raises SignatureRefused with the code of the first thing that is wrong.

    ``ber_outer`` admits indefinite lengths around the parts that were signed, as streaming tools write them.
    """
    read = _parsed if len(data) <= REMEMBERED else _parsed.__wrapped__
    return read(data, limits, ber_outer)


@lru_cache(maxsize=256)
def _parsed(data: bytes, limits: Limits, ber_outer: bool) -> SignedMessage:  # noqa: FBT001  # named at the door
    if ber_outer:
        data = asn1.definite(data, limits, OUTER_DEPTH)
    signed_data = _signed_data(asn1.scan(data, limits, opaque=(SIGNER_DEPTH, UNSIGNED_TAG)))
    digest_oids, certificates, signer_infos = _parts(signed_data)
    if len(signer_infos) != 1:
        raise SignatureRefused("SIGNER_COUNT", count=len(signer_infos))
    info = _signer_info(signer_infos[0])
    if digest_oids != [info.digest_oid]:
        raise SignatureRefused("ALG_MISMATCH")
    values = _attributes(info.attributes)
    _require_protection_agrees(values, info)
    return _message(info, certificates, values)


def looks_like_attributes(document: bytes) -> bool:
    """Whether a document is the DER of signed attributes.

    Such a "document" with its signature can be cut out of any honest CMS: draft-ietf-lamps-cms-euf-cma-signeddata.
    """
    try:
        top = asn1.read(document, 0, len(document))
        members = top.expect(asn1.SET).children() if top.end == len(document) else []
        known = {Fields(member).take().oid() for member in members} & {OIDS[name] for name in REQUIRED}
    except SignatureRefused as refused:
        # More values than the reader takes: no text that anybody wrote.
        return refused.code == "TOO_DEEP"
    return bool(known)


def _signed_data(top: Node) -> Node:
    fields = Fields(top)
    if fields.take(asn1.OID).oid() != OIDS["signed_data"]:
        raise SignatureRefused("NOT_SIGNED_DATA")
    content = fields.take(CONTENT_TAG).children()
    fields.end()
    if len(content) != 1:
        raise SignatureRefused("FORMAT", what="content")
    return content[0]


def _parts(signed_data: Node) -> tuple[list[str], tuple[bytes, ...], list[Node]]:
    fields = Fields(signed_data)
    version = fields.take().integer()
    digest_oids = [_algorithm(node) for node in fields.take(asn1.SET).children()]
    _require_detached(fields.take(asn1.SEQUENCE))
    certificates = fields.maybe(CERTIFICATES_TAG)
    crls = fields.maybe(CRLS_TAG)
    signer_infos = fields.take(asn1.SET).children()
    fields.end()
    if version != 1 or crls is not None:
        raise SignatureRefused("FORMAT", what=f"version {version}" if version != 1 else "crls")
    enclosed = certificates.children() if certificates else []
    return digest_oids, tuple(node.expect(asn1.SEQUENCE).raw for node in enclosed), signer_infos


def _require_detached(encapsulated: Node) -> None:
    fields = Fields(encapsulated)
    content_type = fields.take(asn1.OID).oid()
    if fields.maybe(CONTENT_TAG) is not None:
        raise SignatureRefused("ATTACHED")
    fields.end()
    if content_type != OIDS["data"]:
        raise SignatureRefused("CONTENT_TYPE")


def _signer_info(node: Node) -> _SignerInfo:
    fields = Fields(node)
    version = fields.take().integer()
    # Order 472 of 14.09.2020, 5.6.1: the signer is named by issuer and serial number, never by key identifier.
    if fields.maybe(SKI_TAG) is not None or version != 1:
        raise SignatureRefused("FORMAT", what="the signer must be named by issuer and serial number")
    sid = Fields(fields.take(asn1.SEQUENCE))
    issuer, serial = sid.take(asn1.SEQUENCE).raw, sid.take().integer()
    sid.end()
    digest_oid = _algorithm(fields.take())
    attributes = fields.maybe(SIGNED_TAG)
    if attributes is None:
        raise SignatureRefused("NO_SIGNED_ATTRS")
    signature_oid, signature = _algorithm(fields.take()), fields.take(asn1.OCTETS).content
    unsigned = fields.maybe(UNSIGNED_TAG)
    fields.end()
    return _SignerInfo(issuer, serial, digest_oid, attributes, signature_oid, signature, _unsigned(unsigned))


def _unsigned(node: Node | None) -> dict[str, tuple[bytes, ...]]:
    found: dict[str, tuple[bytes, ...]] = {}
    for member in node.children() if node is not None else ():
        fields = Fields(member)
        oid, values = fields.take().oid(), fields.take(asn1.SET).children()
        fields.end()
        if oid in found or not values:
            raise SignatureRefused("FORMAT", what="unsigned attributes")
        found[oid] = tuple(value.raw for value in values)
    if node is not None and not found:
        raise SignatureRefused("FORMAT", what="an empty set of unsigned attributes")
    return found


def _algorithm(node: Node) -> str:
    fields = Fields(node)
    oid = fields.take().oid()
    parameters = fields.maybe(asn1.NULL)
    fields.end()
    if parameters is not None and parameters.content:
        raise SignatureRefused("NOT_DER")
    return oid


def _attributes(attributes: Node) -> dict[str, Node]:
    """Signed attributes by OID: in DER order, each once, each with one value."""
    members = attributes.children()
    encoded = [member.raw for member in members]
    if not members or encoded != sorted(encoded):
        raise SignatureRefused("ATTRS_NOT_DER" if members else "NO_SIGNED_ATTRS")
    values: dict[str, Node] = {}
    for member in members:
        fields = Fields(member)
        oid, content = fields.take().oid(), fields.take(asn1.SET).children()
        fields.end()
        if oid in values or len(content) != 1:
            raise SignatureRefused("ATTR_DUPLICATED", attribute=_spoken(oid))
        values[oid] = content[0]
    _require_all(values)
    return values


def _require_all(values: dict[str, Node]) -> None:
    for name, spoken in REQUIRED.items():
        if OIDS[name] not in values:
            raise SignatureRefused("ATTR_MISSING", attribute=spoken)
    # The first version pins the certificate by SHA-1; two references may also name two certificates.
    if OIDS["signing_certificate"] in values:
        raise SignatureRefused("SIGNING_CERT_REF")
    if values[OIDS["content_type"]].oid() != OIDS["data"]:
        raise SignatureRefused("CONTENT_TYPE")


def _require_protection_agrees(values: dict[str, Node], info: _SignerInfo) -> None:
    """CMSAlgorithmProtection (RFC 6211), where present, repeats both algorithms."""
    protection = values.get(OIDS["algorithm_protection"])
    if protection is None:
        return
    fields = Fields(protection)
    digest, signature = fields.take(asn1.SEQUENCE), fields.take(0xA1)
    named = (_algorithm(digest), Fields(signature, 0xA1).take().oid())
    if named != (info.digest_oid, info.signature_oid):
        raise SignatureRefused("ALG_MISMATCH")


def _message(info: _SignerInfo, certificates: tuple[bytes, ...], values: dict[str, Node]) -> SignedMessage:
    digest_oid, digest, issuer = _certificate_reference(values[OIDS["signing_certificate_v2"]])
    return SignedMessage(
        digest_oid=info.digest_oid,
        signature_oid=info.signature_oid,
        signature=info.signature,
        issuer=info.issuer,
        serial=info.serial,
        certificates=certificates,
        attributes=b"\x31" + info.attributes.raw[1:],
        message_digest=values[OIDS["message_digest"]].expect(asn1.OCTETS).content,
        signing_time=values[OIDS["signing_time"]].time(),
        certificate_digest_oid=digest_oid,
        certificate_digest=digest,
        certificate_issuer=issuer,
        unsigned=info.unsigned,
    )


def _certificate_reference(value: Node) -> tuple[str, bytes, tuple[bytes, int] | None]:
    """The first ESSCertIDv2 (RFC 5035): digest algorithm, digest, and issuer with serial where given."""
    fields = Fields(Fields(value).take(asn1.SEQUENCE))
    reference = Fields(fields.take(asn1.SEQUENCE))
    algorithm = reference.maybe(asn1.SEQUENCE)
    digest = reference.take(asn1.OCTETS).content
    issuer_serial = reference.maybe(asn1.SEQUENCE)
    reference.end()
    oid = _algorithm(algorithm) if algorithm else OIDS["sha256"]
    return oid, digest, _issuer_serial(issuer_serial) if issuer_serial else None


def _issuer_serial(node: Node) -> tuple[bytes, int]:
    fields = Fields(node)
    names, serial = fields.take(asn1.SEQUENCE).children(), fields.take().integer()
    fields.end()
    if len(names) != 1 or names[0].tag != 0xA4:
        raise SignatureRefused("SIGNING_CERT_REF")
    return names[0].content, serial


def _spoken(oid: str) -> str:
    return next((REQUIRED[name] for name in REQUIRED if OIDS[name] == oid), oid)
