"""OCSP (RFC 6960): a question about one certificate, and an answer read strictly and believed only from whom it may come.

The answer must be signed by the certificate's own issuer, or by a responder the same issuer certified for that
alone. It speaks of exactly the certificate that was asked about, at the moment of judgement. No network here.
"""

import hashlib
import logging
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache

from consilium.seal import asn1, der, tsp
from consilium.seal.algorithms import hashed, signature_of
from consilium.seal.asn1 import Fields, Limits, Node
from consilium.seal.certificates import Certificate, Signed, certificate_of, read_extensions, signed_by
from consilium.seal.errors import SignatureRefused

__all__ = ["LIMITS", "OcspStatus", "request", "status_of"]

log = logging.getLogger(__name__)

LIMITS = Limits(size=128 * 1024, depth=32, nodes=10_000)
SHA1 = "1.3.14.3.2.26"
BASIC, NONCE, NO_CHECK = "1.3.6.1.5.5.7.48.1.1", "1.3.6.1.5.5.7.48.1.2", "1.3.6.1.5.5.7.48.1.5"
OCSP_SIGNING = "1.3.6.1.5.5.7.3.9"
ENUMERATED, BITS = 0x0A, 0x03
GOOD, REVOKED = 0x80, 0xA1
BY_NAME, BY_KEY = 0xA1, 0xA2
# An answer without nextUpdate says that newer word is always to be had: it is good for a day.
UNBOUNDED = timedelta(days=1)
REASONS = {
    0: "unspecified",
    1: "keyCompromise",
    2: "cACompromise",
    3: "affiliationChanged",
    4: "superseded",
    5: "cessationOfOperation",
    6: "certificateHold",
    9: "privilegeWithdrawn",
    10: "aACompromise",
}


@dataclass(frozen=True, slots=True)
class OcspStatus:
    """What the responder says of one certificate, and when it knew it; ``responder`` is the signer's certificate."""

    revoked: bool
    revoked_at: datetime | None
    reason: str
    this_update: datetime
    next_update: datetime
    responder: bytes


@dataclass(frozen=True, slots=True)
class _Answer:
    """One SingleResponse."""

    digest_oid: str
    name_hash: bytes
    key_hash: bytes
    serial: int
    status: Node
    this_update: datetime
    next_update: datetime


_Read = tuple[Certificate, tuple[_Answer, ...], dict[str, tuple[bool, bytes]]]


def request(certificate: bytes, issuer: bytes, nonce: bytes = b"") -> bytes:
    """OCSPRequest for one certificate; by SHA-1, which every responder knows and nothing here relies on for safety."""
    subject, authority = certificate_of(certificate), certificate_of(issuer)
    identifier = der.sequence(
        der.sequence(der.oid(SHA1), der.null()),
        der.octets(_named(SHA1, authority.subject)),
        der.octets(_named(SHA1, _key_bits(authority))),
        der.integer(subject.serial),
    )
    extension = der.sequence(der.oid(NONCE), der.octets(der.octets(nonce)))
    extensions = der.context(2, der.sequence(extension)) if nonce else b""
    return der.sequence(der.sequence(der.sequence(der.sequence(identifier)), extensions))


def status_of(
    response: bytes, certificate: bytes, issuer: bytes, at: datetime, *, nonce: bytes = b""
) -> OcspStatus:
    """Judge an answer about that certificate at that moment (aware UTC).

    An answer newer than ``at`` says more, not less; who has just fetched one looks himself that it is not of the
    future. A ``nonce`` that comes back must be the one that was sent; a
    responder may leave it out (RFC 6960 4.4.1). Raises SignatureRefused OCSP_*, BAD_CERTIFICATE.
    """
    try:
        return _judged(response, certificate_of(certificate), certificate_of(issuer), at, nonce)
    except SignatureRefused as refused:
        if refused.code.startswith("OCSP_"):
            raise
        raise SignatureRefused("OCSP_FORMAT", what=refused.params.get("what") or refused.code) from refused
    except Exception as error:
        # Fail closed: whatever a parser lets out on hostile bytes is a refusal, and is logged to be given a code.
        log.warning("seal.ocsp_check_failed", exc_info=error)
        raise SignatureRefused("OCSP_FORMAT", what=type(error).__name__) from error


def _judged(
    response: bytes, subject: Certificate, issuer: Certificate, at: datetime, nonce: bytes
) -> OcspStatus:
    read = _read(response, issuer.der)
    if isinstance(read, SignatureRefused):
        raise SignatureRefused(read.code, **read.params)
    responder, answers, extensions = read
    if nonce and extensions.get(NONCE, (False, der.octets(nonce)))[1] != der.octets(nonce):
        raise SignatureRefused("OCSP_OTHER")
    answer = next((one for one in answers if _speaks_of(one, subject, issuer)), None)
    if answer is None:
        raise SignatureRefused("OCSP_OTHER")
    if answer.next_update < at:
        raise SignatureRefused("OCSP_STALE", until=answer.next_update)
    revoked_at, reason = _revocation(answer.status)
    return OcspStatus(
        revoked=revoked_at is not None,
        revoked_at=revoked_at,
        reason=reason,
        this_update=answer.this_update,
        next_update=answer.next_update,
        responder=responder.der,
    )


# Each answer of a package is asked about each of its certificates: what it is worth is found out once.
@lru_cache(maxsize=1024)
def _read(response: bytes, issuer: bytes) -> _Read | SignatureRefused:
    """Everything that does not depend on who is asked about; a refusal is an answer too, to be remembered."""
    try:
        return _proven(response, certificate_of(issuer))
    except SignatureRefused as refused:
        if refused.code == "GOST_UNAVAILABLE":
            raise
        return refused.with_traceback(None)


def _proven(response: bytes, issuer: Certificate) -> _Read:
    signed, enclosed = _basic(response)
    responder_id, produced_at, answers, extensions = _data(signed.body)
    responder = _responder(responder_id, enclosed, issuer)
    if not signed_by(signed, responder.key):
        raise SignatureRefused("OCSP_SIGNATURE")
    if not responder.not_before <= produced_at <= responder.not_after:
        raise SignatureRefused("OCSP_RESPONDER")
    return responder, tuple(answers), extensions


def _basic(response: bytes) -> tuple[Signed, list[Certificate]]:
    """BasicOCSPResponse: what is signed and how, and the certificates beside it."""
    fields = Fields(asn1.scan(response, LIMITS))
    status = fields.take(ENUMERATED).content
    if status != b"\0":
        raise SignatureRefused("OCSP_STATUS", status=status.hex())
    wrapped = Fields(_only(fields.take(0xA0)))
    fields.end()
    if wrapped.take().oid() != BASIC:
        raise SignatureRefused("OCSP_FORMAT", what="type")
    content = wrapped.take(asn1.OCTETS).content
    basic = Fields(asn1.scan(content, LIMITS))
    body, algorithm = basic.take(asn1.SEQUENCE), Fields(basic.take(asn1.SEQUENCE)).take().oid()
    signature, enclosed = basic.take(BITS).content, basic.maybe(0xA0)
    basic.end()
    certificates = _only(enclosed).children() if enclosed else []
    signature_of(algorithm)
    return Signed(body, algorithm, signature[1:]), [certificate_of(one.raw) for one in certificates[:8]]


def _data(body: Node) -> tuple[Node, datetime, list[_Answer], dict[str, tuple[bool, bytes]]]:
    fields = Fields(body)
    fields.maybe(0xA0)
    responder_id, produced_at = fields.take(), tsp.general_time(fields.take())
    answers = [_answer(one) for one in fields.take(asn1.SEQUENCE).children()]
    extensions = fields.maybe(0xA1)
    fields.end()
    found = read_extensions(_only(extensions)) if extensions else {}
    if any(critical for critical, _ in found.values()):
        raise SignatureRefused("OCSP_FORMAT", what="a critical extension")
    return responder_id, produced_at, answers, found


def _answer(node: Node) -> _Answer:
    fields = Fields(node)
    identifier = Fields(fields.take(asn1.SEQUENCE))
    digest_oid = Fields(identifier.take(asn1.SEQUENCE)).take().oid()
    name_hash, key_hash = identifier.take(asn1.OCTETS).content, identifier.take(asn1.OCTETS).content
    serial, status = identifier.take().integer(), fields.take()
    this_update, until = tsp.general_time(fields.take()), fields.maybe(0xA0)
    extensions = fields.maybe(0xA1)
    fields.end()
    if extensions and any(critical for critical, _ in read_extensions(_only(extensions)).values()):
        raise SignatureRefused("OCSP_FORMAT", what="a critical extension")
    next_update = tsp.general_time(_only(until)) if until else this_update + UNBOUNDED
    return _Answer(digest_oid, name_hash, key_hash, serial, status, this_update, next_update)


def _responder(responder_id: Node, enclosed: list[Certificate], issuer: Certificate) -> Certificate:
    """The issuer itself, or whom it certified to answer for it (RFC 6960 4.2.2.2)."""
    for one in (issuer, *enclosed):
        if not _is_named(responder_id, one):
            continue
        if one.der == issuer.der:
            return one
        # Nobody is left to ask whether the responder itself was revoked: its issuer must say that nobody need.
        entitled = OCSP_SIGNING in one.purposes and NO_CHECK in one.extensions and not one.ca
        if entitled and one.issuer == issuer.subject and signed_by(one.signed, issuer.key):
            return one
    raise SignatureRefused("OCSP_RESPONDER")


def _is_named(responder_id: Node, certificate: Certificate) -> bool:
    inner = _only(responder_id)
    if responder_id.tag == BY_NAME:
        return inner.raw == certificate.subject
    return responder_id.tag == BY_KEY and inner.content == _named(SHA1, _key_bits(certificate))


def _speaks_of(answer: _Answer, subject: Certificate, issuer: Certificate) -> bool:
    return (
        answer.serial == subject.serial
        and answer.name_hash == _named(answer.digest_oid, issuer.subject)
        and answer.key_hash == _named(answer.digest_oid, _key_bits(issuer))
    )


def _revocation(status: Node) -> tuple[datetime | None, str]:
    if status.tag == GOOD and not status.content:
        return None, ""
    if status.tag != REVOKED:
        raise SignatureRefused("OCSP_UNKNOWN")
    fields = Fields(status, REVOKED)
    since, reason = tsp.general_time(fields.take()), fields.maybe(0xA0)
    fields.end()
    number = _only(reason).expect(ENUMERATED).content if reason else b"\0"
    return since, REASONS.get(int.from_bytes(number, "big"), "unspecified")


def _only(node: Node) -> Node:
    """The one value inside an explicit tag."""
    children = node.children()
    if len(children) != 1:
        raise SignatureRefused("OCSP_FORMAT", what=f"tag {node.tag:02x}")
    return children[0]


def _key_bits(certificate: Certificate) -> bytes:
    """The BIT STRING of the public key without its count of unused bits, as KeyHash wants it."""
    spki = asn1.read(certificate.key.spki, 0, len(certificate.key.spki))
    return spki.children()[1].expect(BITS).content[1:]


def _named(oid: str, content: bytes) -> bytes:
    """A hash that only tells names apart; SHA-1 is what everybody uses for it (RFC 6960 4.3)."""
    if oid == SHA1:
        return hashlib.sha1(content, usedforsecurity=False).digest()
    digest = {"2.16.840.1.101.3.4.2.1": "sha256", "1.2.643.7.1.1.2.2": "streebog256"}.get(oid)
    if digest is None:
        raise SignatureRefused("OCSP_OTHER")
    return hashed(digest, content)
