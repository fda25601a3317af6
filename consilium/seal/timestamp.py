"""The strict verifier of timestamps (RFC 3161): the one place where a token becomes a `VerifiedTimestamp`.

A token proves that these bytes existed at its time. What it covers is said by the caller: the signature value of a
CMS (RFC 5126 6.1.1, CAdES-T), or a whole file for an archive timestamp. The library behind `openssl cms` ignores
timestamps altogether, so a transplanted one is noticed here or nowhere.
"""

import hmac
import logging
from dataclasses import dataclass
from datetime import datetime, timedelta

from consilium.seal import chain, cms, tsp
from consilium.seal.algorithms import digest_of, hashed, signature_of
from consilium.seal.asn1 import Limits
from consilium.seal.certificates import Certificate, certificate_of
from consilium.seal.errors import SignatureRefused
from consilium.seal.names import identity_of
from consilium.seal.policy import RU_UKEP
from consilium.seal.trust import TrustStore

__all__ = ["SKEW", "VerifiedTimestamp", "covered_by", "verify_token"]

log = logging.getLogger(__name__)

EXTENDED_KEY_USAGE, TIME_STAMPING = "2.5.29.37", "1.3.6.1.5.5.7.3.8"
SOUND_CURVES, SOUND_RSA = frozenset({"secp256r1", "secp384r1", "secp521r1"}), 2048
SIGNING = frozenset({"digital_signature", "content_commitment"})
# How far the authority's clock may run ahead of ours.
SKEW = timedelta(minutes=5)
# What readers of certificates and chains refuse, said about a timestamp.
CODES = {
    "UNTRUSTED": "TST_UNTRUSTED",
    "REVOKED": "TST_REVOKED",
    "NO_CRL": "TST_NO_REVOCATION",
    "CRL_STALE": "TST_NO_REVOCATION",
    "CERT_EXPIRED": "TST_CERT_EXPIRED",
    "CERT_NOT_YET_VALID": "TST_CERT_EXPIRED",
    "WEAK_DIGEST": "TST_ALGORITHM",
    "UNKNOWN_ALGORITHM": "TST_ALGORITHM",
    "WEAK_KEY": "TST_ALGORITHM",
    "GOST_UNAVAILABLE": "TST_ALGORITHM",
    "CHECK_FAILED": "TST_CHECK_FAILED",
}


@dataclass(frozen=True, slots=True)
class VerifiedTimestamp:
    """A token that passed every check. Made by `verify_token` alone.

    ``time`` is what the authority states, good to ``accuracy``; ``certificate`` (DER) and ``not_after`` are the
    authority's, by which a renewal is planned; ``digest`` names the imprint's algorithm; ``chain`` is the
    authority's certificates as they were found, its own first, the root last.
    """

    time: datetime
    token: bytes
    certificate: bytes
    not_after: datetime
    policy_oid: str
    serial: str
    digest: str
    accuracy: timedelta
    authority: str
    chain: tuple[bytes, ...]


def verify_token(
    token: bytes,
    *,
    covered: bytes,
    trust: TrustStore,
    at: datetime,
    nonce: int | None = None,
    proven: bool = False,
) -> VerifiedTimestamp:
    """Check a token over exactly these bytes, its authority's certificate judged at ``at`` (aware UTC).

    ``at`` is now for a fresh token, the time of the next archive timestamp for an old one (then ``proven``: a
    revocation dated after it does not undo the token); the certificate must have been valid at the token's own
    time too. ``nonce`` is required where one was sent. Raises SignatureRefused with a code TST_* and nothing else.
    """
    try:
        return _verified(token, covered, trust, at, nonce, proven)
    except SignatureRefused as refused:
        if refused.code.startswith("TST_"):
            raise
        raise _translated(refused) from refused
    except Exception as error:
        # Fail closed: whatever a parser lets out on hostile bytes is a refusal, and is logged to be given a code.
        log.warning("seal.timestamp_check_failed", exc_info=error)
        raise SignatureRefused("TST_CHECK_FAILED") from error


def covered_by(signature: bytes, limits: Limits = RU_UKEP.limits) -> bytes:
    """What a signature's timestamp covers: the octets of the signature value in a CMS file (RFC 5126 6.1.1).

    The file was judged when it came; here it is only read. Raises SignatureRefused where it is no signature.
    """
    return cms.parse(signature, limits, ber_outer=True).signature


def _verified(
    token: bytes,
    covered: bytes,
    trust: TrustStore,
    at: datetime,
    nonce: int | None,
    proven: bool,  # noqa: FBT001  # named at the door
) -> VerifiedTimestamp:
    read = tsp.read_token(token)
    digest = digest_of(read.info.digest_oid)
    if not hmac.compare_digest(hashed(digest, covered), read.info.imprint):
        raise SignatureRefused("TST_IMPRINT", stamped=read.info.imprint.hex()[:128])
    if nonce is not None and read.info.nonce != nonce:
        raise SignatureRefused("TST_NONCE")
    certificate = _authority_certificate(read)
    _require_purpose(certificate)
    _require_signature(certificate, read)
    _require_moment(certificate, read.info.time, at)
    return VerifiedTimestamp(
        time=read.info.time,
        token=token,
        certificate=certificate.der,
        not_after=certificate.not_after,
        policy_oid=read.info.policy,
        serial=f"{read.info.serial:x}",
        digest=digest,
        accuracy=read.info.accuracy,
        authority=_spoken_name(certificate),
        chain=chain.build(certificate.der, read.certificates, trust, at, proven=proven),
    )


def _authority_certificate(read: tsp.Token) -> Certificate:
    """The certificate that both the signer's name and ESSCertIDv2 point to; the set may come in any order."""
    oid, reference = read.reference
    for der in read.certificates:
        certificate = certificate_of(der)
        if (certificate.issuer, certificate.serial) == (read.issuer, read.serial):
            if not hmac.compare_digest(hashed(digest_of(oid), der), reference):
                raise SignatureRefused("TST_CERT_REF")
            return certificate
    raise SignatureRefused("TST_NO_CERTIFICATE")


def _require_purpose(certificate: Certificate) -> None:
    """RFC 3161 2.3: the key is for timestamps alone, and the certificate says so critically."""
    alone = certificate.purposes == {TIME_STAMPING} and EXTENDED_KEY_USAGE in certificate.critical
    signs = certificate.usage is None or bool(certificate.usage & SIGNING)
    if not alone or not signs or certificate.ca:
        raise SignatureRefused("TST_EKU")


def _require_signature(certificate: Certificate, read: tsp.Token) -> None:
    digest, algorithm, key = digest_of(read.digest_oid), signature_of(read.signature_oid), certificate.key
    weak = (key.kind == "ecdsa" and key.parameters not in SOUND_CURVES) or (
        key.kind == "rsa" and key.bits < SOUND_RSA
    )
    if weak or algorithm.kind != key.kind or algorithm.digest not in ("", digest):
        raise SignatureRefused("TST_ALGORITHM", algorithm=read.signature_oid)
    if not hmac.compare_digest(hashed(digest, read.content), read.message_digest):
        raise SignatureRefused("TST_SIGNATURE")
    if not key.verify(read.attributes, read.signature, digest):
        raise SignatureRefused("TST_SIGNATURE")


def _require_moment(certificate: Certificate, time: datetime, at: datetime) -> None:
    if time - at > SKEW:
        raise SignatureRefused("TST_TIME", time=time, expected=at)
    if not certificate.not_before <= time <= certificate.not_after:
        raise SignatureRefused("TST_CERT_EXPIRED", until=certificate.not_after)


def _translated(refused: SignatureRefused) -> SignatureRefused:
    """What other readers refuse, said about a timestamp."""
    if refused.code not in CODES:
        return SignatureRefused("TST_FORMAT", what=refused.params.get("what") or refused.code)
    until = refused.params.get("until") or refused.params.get("since")
    return SignatureRefused(CODES[refused.code], until=until, algorithm=refused.params.get("algorithm"))


def _spoken_name(certificate: Certificate) -> str:
    """The authority's name for a reader; its certificate is judged by its chain, not by how its name is spelled."""
    try:
        return identity_of(certificate.subject).name
    except SignatureRefused:
        return ""
