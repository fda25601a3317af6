"""The strict verifier of timestamps (RFC 3161): the one place where a token becomes a `VerifiedTimestamp`.

A token proves that these bytes existed at its time. What it covers is said by the caller: the signature value of a
CMS (RFC 5126 6.1.1, CAdES-T), or a whole file for an archive timestamp. The library behind `openssl cms` ignores
timestamps altogether, so a transplanted one is noticed here or nowhere.
"""

import hashlib
import hmac
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID

from consilium.seal import chain, cms, tsp
from consilium.seal.asn1 import Limits
from consilium.seal.errors import SignatureRefused
from consilium.seal.names import identity_of, names_in
from consilium.seal.trust import TrustStore

__all__ = ["SKEW", "VerifiedTimestamp", "covered_by", "verify_token"]

log = logging.getLogger(__name__)

SHA256 = "2.16.840.1.101.3.4.2.1"
DIGESTS: dict[str, tuple[str, hashes.HashAlgorithm]] = {
    SHA256: ("sha256", hashes.SHA256()),
    "2.16.840.1.101.3.4.2.2": ("sha384", hashes.SHA384()),
    "2.16.840.1.101.3.4.2.3": ("sha512", hashes.SHA512()),
}
WEAK_DIGESTS = {"1.3.14.3.2.26": "SHA-1", "1.2.840.113549.2.5": "MD5", "2.16.840.1.101.3.4.2.4": "SHA-224"}
# Signature algorithm -> kind of key, and the digest it is tied to ("" where digestAlgorithm alone says it).
SIGNATURES = {
    "1.2.840.10045.4.3.2": ("ecdsa", "sha256"),
    "1.2.840.10045.4.3.3": ("ecdsa", "sha384"),
    "1.2.840.10045.4.3.4": ("ecdsa", "sha512"),
    "1.2.840.113549.1.1.1": ("rsa", ""),
    "1.2.840.113549.1.1.11": ("rsa", "sha256"),
    "1.2.840.113549.1.1.12": ("rsa", "sha384"),
    "1.2.840.113549.1.1.13": ("rsa", "sha512"),
}
CURVES = frozenset({"secp256r1", "secp384r1", "secp521r1"})
RSA_BITS = 2048
# How far the authority's clock may run ahead of ours.
SKEW = timedelta(minutes=5)
# What the builder of chains refuses, said about the authority's certificate.
CHAIN_CODES = {
    "UNTRUSTED": "TST_UNTRUSTED",
    "REVOKED": "TST_REVOKED",
    "NO_CRL": "TST_NO_REVOCATION",
    "CRL_STALE": "TST_NO_REVOCATION",
    "CERT_EXPIRED": "TST_CERT_EXPIRED",
    "CERT_NOT_YET_VALID": "TST_CERT_EXPIRED",
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
    token: bytes, *, covered: bytes, trust: TrustStore, at: datetime, nonce: int | None = None
) -> VerifiedTimestamp:
    """Check a token over exactly these bytes, its authority's certificate judged at ``at`` (aware UTC).

    ``at`` is now for a fresh token, the time of the next archive timestamp for an old one; the certificate must
    have been valid at the token's own time too. ``nonce`` is required where one was sent. Raises SignatureRefused
    with a code TST_* and nothing else.
    """
    try:
        return _verified(token, covered, trust, at, nonce)
    except SignatureRefused as refused:
        if refused.code.startswith("TST_"):
            raise
        raise SignatureRefused("TST_FORMAT", what=refused.code) from refused
    except Exception as error:
        # Fail closed: whatever a parser lets out on hostile bytes is a refusal, and is logged to be given a code.
        log.warning("seal.timestamp_check_failed", exc_info=error)
        raise SignatureRefused("TST_CHECK_FAILED") from error


def covered_by(signature: bytes, limits: Limits) -> bytes:
    """What a signature's timestamp covers: the octets of the signature value in a CMS file (RFC 5126 6.1.1)."""
    return cms.parse(signature, limits).signature


def _verified(
    token: bytes, covered: bytes, trust: TrustStore, at: datetime, nonce: int | None
) -> VerifiedTimestamp:
    read = tsp.read_token(token)
    name = _require_imprint(read.info, covered)
    if nonce is not None and read.info.nonce != nonce:
        raise SignatureRefused("TST_NONCE")
    der = _authority_certificate(read)
    certificate = _loaded(der)
    _require_purpose(certificate)
    _require_signature(certificate, read)
    _require_moment(certificate, read.info.time, at)
    return VerifiedTimestamp(
        time=read.info.time,
        token=token,
        certificate=der,
        not_after=certificate.not_valid_after_utc,
        policy_oid=read.info.policy,
        serial=f"{read.info.serial:x}",
        digest=name,
        accuracy=read.info.accuracy,
        authority=_spoken_name(der),
        chain=_chain(der, read.certificates, trust, at),
    )


def _require_imprint(info: tsp.TstInfo, covered: bytes) -> str:
    name, digest = _digest(info.digest_oid)
    if not hmac.compare_digest(_hash(covered, digest), info.imprint):
        raise SignatureRefused("TST_IMPRINT", stamped=info.imprint.hex()[:128])
    return name


def _authority_certificate(read: tsp.Token) -> bytes:
    """The certificate that both the signer's name and ESSCertIDv2 point to; the set may come in any order."""
    _, digest = _digest(read.reference[0])
    for der in read.certificates:
        names = names_in(der)
        if (names.issuer, names.serial) == (read.issuer, read.serial):
            if not hmac.compare_digest(_hash(der, digest), read.reference[1]):
                raise SignatureRefused("TST_CERT_REF")
            return der
    raise SignatureRefused("TST_NO_CERTIFICATE")


def _loaded(der: bytes) -> x509.Certificate:
    try:
        certificate = x509.load_der_x509_certificate(der)
        _ = certificate.extensions
    except (ValueError, x509.DuplicateExtension, x509.UnsupportedGeneralNameType) as error:
        raise SignatureRefused("TST_FORMAT", what="certificate") from error
    return certificate


def _require_purpose(certificate: x509.Certificate) -> None:
    """RFC 3161 2.3: the key is for timestamps alone, and the certificate says so critically."""
    by_kind = {type(one.value): one for one in certificate.extensions}
    extended = by_kind.get(x509.ExtendedKeyUsage)
    if extended is None or not extended.critical:
        raise SignatureRefused("TST_EKU")
    if list(extended.value) != [ExtendedKeyUsageOID.TIME_STAMPING]:
        raise SignatureRefused("TST_EKU")
    basic, usage = by_kind.get(x509.BasicConstraints), by_kind.get(x509.KeyUsage)
    if basic is not None and basic.value.ca:
        raise SignatureRefused("TST_EKU")
    if usage is not None and not (usage.value.digital_signature or usage.value.content_commitment):
        raise SignatureRefused("TST_EKU")


def _require_signature(certificate: x509.Certificate, read: tsp.Token) -> None:
    name, digest = _digest(read.digest_oid)
    if not hmac.compare_digest(_hash(read.content, digest), read.message_digest):
        raise SignatureRefused("TST_SIGNATURE")
    kind, tied = SIGNATURES.get(read.signature_oid, ("", ""))
    if not kind or tied not in ("", name):
        raise SignatureRefused("TST_ALGORITHM", algorithm=read.signature_oid)
    try:
        key = certificate.public_key()
    except (ValueError, UnsupportedAlgorithm) as error:
        raise SignatureRefused("TST_ALGORITHM", algorithm=read.signature_oid) from error
    try:
        if kind == "ecdsa" and isinstance(key, ec.EllipticCurvePublicKey) and key.curve.name in CURVES:
            key.verify(read.signature, read.attributes, ec.ECDSA(digest))
        elif kind == "rsa" and isinstance(key, rsa.RSAPublicKey) and key.key_size >= RSA_BITS:
            key.verify(read.signature, read.attributes, padding.PKCS1v15(), digest)
        else:
            raise SignatureRefused("TST_ALGORITHM", algorithm=read.signature_oid)
    except InvalidSignature as error:
        raise SignatureRefused("TST_SIGNATURE") from error


def _require_moment(certificate: x509.Certificate, time: datetime, at: datetime) -> None:
    if time - at > SKEW:
        raise SignatureRefused("TST_TIME", time=time, expected=at)
    if not certificate.not_valid_before_utc <= time <= certificate.not_valid_after_utc:
        raise SignatureRefused("TST_CERT_EXPIRED", until=certificate.not_valid_after_utc)


def _chain(der: bytes, enclosed: tuple[bytes, ...], trust: TrustStore, at: datetime) -> tuple[bytes, ...]:
    try:
        return chain.build(der, enclosed, trust, at)
    except SignatureRefused as refused:
        params: Mapping[str, object] = {"until": refused.params.get("until") or refused.params.get("since")}
        code = CHAIN_CODES.get(refused.code, "TST_CHECK_FAILED")
        raise SignatureRefused(code, **params) from refused


def _spoken_name(der: bytes) -> str:
    """The authority's name for a reader; its certificate is judged by its chain, not by how its name is spelled."""
    try:
        return identity_of(names_in(der).subject).name
    except SignatureRefused:
        return ""


def _digest(oid: str) -> tuple[str, hashes.HashAlgorithm]:
    if oid in WEAK_DIGESTS:
        raise SignatureRefused("TST_ALGORITHM", algorithm=WEAK_DIGESTS[oid])
    if oid not in DIGESTS:
        raise SignatureRefused("TST_ALGORITHM", algorithm=oid)
    return DIGESTS[oid]


def _hash(content: bytes, digest: hashes.HashAlgorithm) -> bytes:
    return hashlib.new(digest.name, content).digest()
