"""The shapes of the Time-Stamp Protocol (RFC 3161, RFC 5816): request out, reply and token in.

Bytes are read strictly and nowhere re-encoded: what the authority signed is a slice of its token.
`timestamp.py` judges; this module only says what a file claims. Every failure is SignatureRefused TST_*.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache

from consilium.seal import asn1, der
from consilium.seal.asn1 import Fields, Limits, Node
from consilium.seal.errors import SignatureRefused

__all__ = ["LIMITS", "OIDS", "Token", "TstInfo", "read_reply", "read_token", "request"]

OIDS = {
    "signed_data": "1.2.840.113549.1.7.2",
    "tst_info": "1.2.840.113549.1.9.16.1.4",
    "content_type": "1.2.840.113549.1.9.3",
    "message_digest": "1.2.840.113549.1.9.4",
    "signing_certificate": "1.2.840.113549.1.9.16.2.12",
    "signing_certificate_v2": "1.2.840.113549.1.9.16.2.47",
    "sha256": "2.16.840.1.101.3.4.2.1",
}
# A token holds a dozen certificates and their lists at the very most.
LIMITS = Limits(size=256 * 1024, depth=32, nodes=20_000)
# As with signatures (`cms`): a token is read many times while a package is made or judged.
REMEMBERED = 32 * 1024
GRANTED, GRANTED_WITH_MODS = 0, 1
FAILURES = {
    0: "badAlg",
    2: "badRequest",
    5: "badDataFormat",
    14: "timeNotAvailable",
    15: "unacceptedPolicy",
    16: "unacceptedExtension",
    17: "addInfoNotAvailable",
    25: "systemFailure",
}
BOOLEAN, BITS = 0x01, 0x03
CONTEXT_0, CONTEXT_1, PRIMITIVE_0, PRIMITIVE_1 = 0xA0, 0xA1, 0x80, 0x81


@dataclass(frozen=True, slots=True)
class TstInfo:
    """What the authority states: whose imprint it saw, when, under which policy and number.

    ``accuracy`` is how far the true moment may lie to either side; ``nonce`` is None where none was asked for.
    """

    policy: str
    digest_oid: str
    imprint: bytes
    serial: int
    time: datetime
    accuracy: timedelta
    nonce: int | None


@dataclass(frozen=True, slots=True)
class Token:
    """What a token claims. ``attributes`` are the bytes its signature covers (SET tag), ``content`` is TSTInfo's DER.

    ``reference`` is (digest algorithm, digest) of the certificate named first in signingCertificateV2.
    """

    info: TstInfo
    content: bytes
    digest_oid: str
    signature_oid: str
    signature: bytes
    issuer: bytes
    serial: int
    certificates: tuple[bytes, ...]
    attributes: bytes
    message_digest: bytes
    reference: tuple[str, bytes]


def request(digest_oid: str, imprint: bytes, nonce: int) -> bytes:
    """TimeStampReq (RFC 3161 2.4.1): this imprint, this nonce, and the authority's certificate in the answer."""
    message_imprint = der.sequence(der.sequence(der.oid(digest_oid), der.null()), der.octets(imprint))
    return der.sequence(der.integer(1), message_imprint, der.integer(nonce), der.true())


def read_reply(reply: bytes) -> bytes:
    """The token inside a TimeStampResp (RFC 3161 2.4.2). Raises TST_STATUS when the authority says no."""
    with _as_format():
        fields = Fields(asn1.scan(reply, LIMITS))
        status, failure = _status(fields.take(asn1.SEQUENCE))
        token = fields.maybe(asn1.SEQUENCE)
        fields.end()
    if status not in (GRANTED, GRANTED_WITH_MODS):
        raise SignatureRefused("TST_STATUS", status=status, failure=failure or "-")
    if token is None:
        raise SignatureRefused("TST_FORMAT", what="no token")
    return token.raw


def read_token(token: bytes) -> Token:
    """A TimeStampToken: SignedData with one signer over one TSTInfo."""
    read = _token if len(token) <= REMEMBERED else _token.__wrapped__
    return read(token)


@lru_cache(maxsize=256)
def _token(token: bytes) -> Token:
    with _as_format():
        content_type, signed_data = _content_info(asn1.scan(token, LIMITS))
        if content_type != OIDS["signed_data"]:
            raise SignatureRefused("TST_FORMAT", what="content type")
        return _signed_data(signed_data)


@contextmanager
def _as_format() -> Iterator[None]:
    """The reader of DER speaks of signature files; here its refusals are about a timestamp."""
    try:
        yield
    except SignatureRefused as refused:
        if refused.code.startswith("TST_"):
            raise
        raise SignatureRefused("TST_FORMAT", what=refused.params.get("what") or refused.code) from refused


def _status(node: Node) -> tuple[int, str]:
    fields = Fields(node)
    status = fields.take(asn1.INTEGER).integer()
    fields.maybe(asn1.SEQUENCE)
    failure = fields.maybe(BITS)
    fields.end()
    if failure is None or not failure.content:
        return status, ""
    bits = failure.content[1:]
    named = [
        name for bit, name in FAILURES.items() if bit // 8 < len(bits) and bits[bit // 8] >> (7 - bit % 8) & 1
    ]
    return status, ", ".join(named)


def _content_info(top: Node) -> tuple[str, Node]:
    fields = Fields(top)
    content_type, content = fields.take(asn1.OID).oid(), fields.take(CONTEXT_0).children()
    fields.end()
    if len(content) != 1:
        raise SignatureRefused("TST_FORMAT", what="content")
    return content_type, content[0]


def _signed_data(node: Node) -> Token:
    fields = Fields(node)
    version = fields.take().integer()
    digests = [_algorithm(one) for one in fields.take(asn1.SET).children()]
    content_type, content = _content_info(fields.take(asn1.SEQUENCE))
    certificates = fields.maybe(CONTEXT_0)
    fields.maybe(CONTEXT_1)
    signers = fields.take(asn1.SET).children()
    fields.end()
    if version != 3 or content_type != OIDS["tst_info"]:
        raise SignatureRefused("TST_FORMAT", what="not a timestamp")
    if len(signers) != 1:
        raise SignatureRefused("TST_FORMAT", what=f"{len(signers)} signers")
    enclosed = certificates.children() if certificates else []
    info = content.expect(asn1.OCTETS).content
    token = _signer(signers[0], info, tuple(one.expect(asn1.SEQUENCE).raw for one in enclosed))
    if token.digest_oid not in digests:
        raise SignatureRefused("TST_FORMAT", what="digest algorithms")
    return token


def _signer(node: Node, content: bytes, certificates: tuple[bytes, ...]) -> Token:
    fields = Fields(node)
    version, sid = fields.take().integer(), Fields(fields.take(asn1.SEQUENCE))
    issuer, serial = sid.take(asn1.SEQUENCE).raw, sid.take().integer()
    sid.end()
    digest_oid, attributes = _algorithm(fields.take()), fields.take(CONTEXT_0)
    signature_oid, signature = _algorithm(fields.take()), fields.take(asn1.OCTETS).content
    # Unsigned attributes prove nothing; some authorities put their own revocation material there.
    fields.maybe(CONTEXT_1)
    fields.end()
    if version != 1:
        raise SignatureRefused("TST_FORMAT", what="signer version")
    values = _attributes(attributes)
    return Token(
        info=_tst_info(content),
        content=content,
        digest_oid=digest_oid,
        signature_oid=signature_oid,
        signature=signature,
        issuer=issuer,
        serial=serial,
        certificates=certificates,
        attributes=b"\x31" + attributes.raw[1:],
        message_digest=values[OIDS["message_digest"]].expect(asn1.OCTETS).content,
        reference=_reference(values),
    )


def _attributes(attributes: Node) -> dict[str, Node]:
    members = attributes.children()
    encoded = [member.raw for member in members]
    if encoded != sorted(encoded):
        raise SignatureRefused("TST_FORMAT", what="order of attributes")
    values: dict[str, Node] = {}
    for member in members:
        fields = Fields(member)
        oid, content = fields.take().oid(), fields.take(asn1.SET).children()
        fields.end()
        if oid in values or len(content) != 1:
            raise SignatureRefused("TST_FORMAT", what="a doubled attribute")
        values[oid] = content[0]
    for name in ("content_type", "message_digest"):
        if OIDS[name] not in values:
            raise SignatureRefused("TST_FORMAT", what=f"no {name}")
    if values[OIDS["content_type"]].oid() != OIDS["tst_info"]:
        raise SignatureRefused("TST_FORMAT", what="content type")
    return values


def _reference(values: dict[str, Node]) -> tuple[str, bytes]:
    """The first ESSCertIDv2 (RFC 5816 2.2.1). The first version, which pins by SHA-1, does not do alone."""
    value = values.get(OIDS["signing_certificate_v2"])
    if value is None:
        raise SignatureRefused("TST_CERT_REF")
    first = Fields(Fields(Fields(value).take(asn1.SEQUENCE)).take(asn1.SEQUENCE))
    algorithm = first.maybe(asn1.SEQUENCE)
    return _algorithm(algorithm) if algorithm else OIDS["sha256"], first.take(asn1.OCTETS).content


def _tst_info(content: bytes) -> TstInfo:
    fields = Fields(asn1.scan(content, LIMITS))
    if fields.take().integer() != 1:
        raise SignatureRefused("TST_FORMAT", what="version")
    policy, imprint = fields.take().oid(), Fields(fields.take(asn1.SEQUENCE))
    digest_oid, hashed = _algorithm(imprint.take()), imprint.take(asn1.OCTETS).content
    imprint.end()
    serial, moment = fields.take().integer(), general_time(fields.take(asn1.GENERAL_TIME))
    accuracy = fields.maybe(asn1.SEQUENCE)
    fields.maybe(BOOLEAN)
    nonce = fields.maybe(asn1.INTEGER)
    fields.maybe(CONTEXT_0)
    if extensions := fields.maybe(CONTEXT_1):
        _require_uncritical(extensions)
    fields.end()
    return TstInfo(
        policy=policy,
        digest_oid=digest_oid,
        imprint=hashed,
        serial=serial,
        time=moment,
        accuracy=_accuracy(accuracy) if accuracy else timedelta(0),
        nonce=nonce.integer() if nonce else None,
    )


def _require_uncritical(extensions: Node) -> None:
    for extension in extensions.children():
        fields = Fields(extension)
        fields.take(asn1.OID)
        if fields.maybe(BOOLEAN) is not None:
            raise SignatureRefused("TST_FORMAT", what="a critical extension")


def _accuracy(node: Node) -> timedelta:
    fields = Fields(node)
    seconds = fields.maybe(asn1.INTEGER)
    millis, micros = fields.maybe(PRIMITIVE_0), fields.maybe(PRIMITIVE_1)
    fields.end()
    small = [int.from_bytes(one.content, "big") if one else 0 for one in (millis, micros)]
    whole = seconds.integer() if seconds else 0
    if not 0 <= whole <= 86_400 or any(value > 999 for value in small):
        raise SignatureRefused("TST_FORMAT", what="accuracy")
    return timedelta(seconds=whole, milliseconds=small[0], microseconds=small[1])


def general_time(node: Node) -> datetime:
    """GeneralizedTime as RFC 3161 2.4.2 allows it: Z, and a fraction without a zero at its end."""
    text = node.expect(asn1.GENERAL_TIME).content.decode("ascii", "replace")
    whole, dot, fraction = text[:-1].partition(".")
    odd = dot and (not fraction.isdecimal() or fraction.endswith("0") or len(fraction) > 9)
    if not text.endswith("Z") or len(whole) != 14 or not (whole.isascii() and whole.isdecimal()) or odd:
        raise SignatureRefused("TST_FORMAT", what="time")
    try:
        moment = datetime.strptime(whole, "%Y%m%d%H%M%S").replace(tzinfo=UTC)
    except ValueError as error:
        raise SignatureRefused("TST_FORMAT", what="time") from error
    return moment + timedelta(microseconds=int((fraction + "000000")[:6]))


def _algorithm(node: Node) -> str:
    """The algorithm's OID; parameters (NULL, or the curve parameters GOST names) decide nothing here."""
    fields = Fields(node)
    oid = fields.take(asn1.OID).oid()
    parameters = fields.maybe(asn1.NULL) or fields.maybe(asn1.SEQUENCE)
    fields.end()
    if parameters is not None and parameters.tag == asn1.NULL and parameters.content:
        raise SignatureRefused("TST_FORMAT", what="algorithm")
    return oid
