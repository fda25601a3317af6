"""The strict verifier: the one place where bytes become a `VerifiedSignature`.

Order of the checks: bounds and DER (asn1), shape (cms), algorithms, digest of the document, the certificate that
the signature names, the mathematics, the certificate's purpose, chain with revocation, the person, the moment.
Detached CAdES-BES, EN 319 122-1; Order 472 of 14.09.2020 5.6.1 for the way the signer is named.

Not promised here: when the signature really existed (that takes a trusted timestamp), and legal qualification.
"""

import hashlib
import hmac
import logging
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes

from consilium.seal import chain, cms
from consilium.seal.cms import SignedMessage
from consilium.seal.errors import SignatureRefused
from consilium.seal.names import ExpectedSigner, SignerIdentity, identity_of, names_in, require
from consilium.seal.policy import Policy
from consilium.seal.trust import TrustStore

__all__ = ["VerifiedSignature", "verify"]

log = logging.getLogger(__name__)
Found = TypeVar("Found", bound=x509.ExtensionType)

DIGESTS: dict[str, tuple[str, hashes.HashAlgorithm]] = {
    "2.16.840.1.101.3.4.2.1": ("sha256", hashes.SHA256()),
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
WEAK_SIGNATURES = {
    "1.2.840.10045.4.1": "SHA-1",
    "1.2.840.113549.1.1.5": "SHA-1",
    "1.2.840.113549.1.1.4": "MD5",
}


@dataclass(frozen=True, slots=True)
class VerifiedSignature:
    """A signature that passed every check of one policy at one moment. Made by `verify` alone.

    ``digest`` is of the document, hexadecimal, by the signature's own digest algorithm; ``signing_time`` is what
    the signer states, compared with the server's challenge where there was one; ``codes`` name what was proven.
    """

    signer: SignerIdentity
    certificate: bytes
    certificate_sha256: str
    serial: str
    not_before: datetime
    not_after: datetime
    issuer: str
    signing_time: datetime
    digest: str
    algorithm: str
    policy_id: str
    policy_digest: str
    verified_at: datetime
    codes: tuple[str, ...]


def verify(
    document: bytes,
    cms_der: bytes,
    *,
    policy: Policy,
    trust: TrustStore,
    at: datetime,
    signer: ExpectedSigner | None,
    signing_time: datetime | None = None,
) -> VerifiedSignature:
    """Check one detached signature over the exact bytes of a document.

    ``at`` is the moment to judge certificates and revocation by (aware UTC); ``signer`` is the person or
    organisation waited for (None only where the caller compares himself); ``signing_time`` is the moment the
    server asked for the signature. Safe in any thread and inside an event loop, though it takes milliseconds.
    Raises SignatureRefused and nothing else.
    """
    try:
        return _verified(document, cms_der, policy, trust, at, signer, signing_time)
    except SignatureRefused:
        raise
    except Exception as error:
        # Fail closed: whatever a parser lets out on hostile bytes is a refusal, and is logged to be given a code.
        log.warning("seal.check_failed", exc_info=error)
        raise SignatureRefused("CHECK_FAILED") from error


def _verified(
    document: bytes,
    cms_der: bytes,
    policy: Policy,
    trust: TrustStore,
    at: datetime,
    signer: ExpectedSigner | None,
    challenge: datetime | None,
) -> VerifiedSignature:
    message = cms.parse(cms_der, policy.limits)
    digest_name, digest = _algorithms(message, policy)
    _require_this_document(document, message, digest)
    der = _enclosed_certificate(message)
    certificate = _loaded(der)
    _require_reference(message, der, certificate)
    _require_key(certificate, message, policy)
    _require_mathematics(certificate, message, digest)
    _require_purpose(certificate, policy)
    _require_validity(certificate, at)
    identity, issuer = identity_of(names_in(der).subject), identity_of(names_in(der).issuer)
    path = chain.build(der, message.certificates, trust, at)
    if not set(message.certificates) <= set(path):
        raise SignatureRefused("EXTRA_CERTIFICATE")
    if signer is not None:
        require(signer, identity)
    _require_moment(message.signing_time, certificate, policy, at, challenge)
    proven = {"CADES_BES": True, "CHAIN": True, "CRL": True, "SIGNER": signer, "CHALLENGE": challenge}
    return VerifiedSignature(
        signer=identity,
        certificate=der,
        certificate_sha256=hashlib.sha256(der).hexdigest(),
        serial=f"{certificate.serial_number:x}",
        not_before=certificate.not_valid_before_utc,
        not_after=certificate.not_valid_after_utc,
        issuer=issuer.name,
        signing_time=message.signing_time,
        digest=message.message_digest.hex(),
        algorithm=f"{_key_name(certificate)}-{digest_name}",
        policy_id=policy.id,
        policy_digest=policy.digest,
        verified_at=at,
        codes=tuple(code for code, checked in proven.items() if checked),
    )


def _algorithms(message: SignedMessage, policy: Policy) -> tuple[str, hashes.HashAlgorithm]:
    weak = WEAK_DIGESTS.get(message.digest_oid) or WEAK_SIGNATURES.get(message.signature_oid)
    if weak:
        raise SignatureRefused("WEAK_DIGEST", algorithm=weak)
    name, digest = DIGESTS.get(message.digest_oid, ("", None))
    if digest is None or name not in policy.digests:
        raise SignatureRefused("UNKNOWN_ALGORITHM", algorithm=message.digest_oid)
    if message.signature_oid not in SIGNATURES:
        raise SignatureRefused("UNKNOWN_ALGORITHM", algorithm=message.signature_oid)
    if SIGNATURES[message.signature_oid][1] not in ("", name):
        raise SignatureRefused("ALG_MISMATCH")
    if any(oid not in policy.unsigned_attributes for oid in message.unsigned_oids):
        raise SignatureRefused("UNSIGNED_ATTRS")
    return name, digest


def _require_this_document(document: bytes, message: SignedMessage, digest: hashes.HashAlgorithm) -> None:
    if cms.looks_like_attributes(document):
        raise SignatureRefused("DOCUMENT_IS_ATTRS")
    actual = _hash(document, digest)
    if not hmac.compare_digest(actual, message.message_digest):
        raise SignatureRefused("DIGEST_MISMATCH", signed=message.message_digest.hex(), actual=actual.hex())


def _enclosed_certificate(message: SignedMessage) -> bytes:
    named = [(der, names_in(der)) for der in message.certificates]
    found = [der for der, names in named if (names.issuer, names.serial) == (message.issuer, message.serial)]
    if not found:
        raise SignatureRefused("NO_CERTIFICATE")
    if len(set(message.certificates)) != len(message.certificates):
        raise SignatureRefused("EXTRA_CERTIFICATE")
    return found[0]


def _loaded(der: bytes) -> x509.Certificate:
    try:
        certificate = x509.load_der_x509_certificate(der)
        _ = certificate.extensions
    except (ValueError, x509.DuplicateExtension, x509.UnsupportedGeneralNameType) as error:
        raise SignatureRefused("BAD_CERTIFICATE") from error
    return certificate


def _require_reference(message: SignedMessage, der: bytes, certificate: x509.Certificate) -> None:
    _, digest = DIGESTS.get(message.certificate_digest_oid, ("", None))
    if digest is None:
        raise SignatureRefused("WEAK_DIGEST", algorithm=message.certificate_digest_oid)
    if not hmac.compare_digest(_hash(der, digest), message.certificate_digest):
        raise SignatureRefused("SIGNING_CERT_REF")
    if message.certificate_issuer not in (None, (message.issuer, message.serial)):
        raise SignatureRefused("SIGNING_CERT_REF")


def _require_key(certificate: x509.Certificate, message: SignedMessage, policy: Policy) -> None:
    kind = SIGNATURES[message.signature_oid][0]
    match _public_key(certificate):
        case ec.EllipticCurvePublicKey() as key:
            fits, actual = key.curve.name in policy.curves, "ecdsa"
        case rsa.RSAPublicKey() as key:
            fits, actual = key.key_size >= policy.rsa_bits, "rsa"
        case _:
            fits, actual = False, ""
    if not fits:
        raise SignatureRefused("WEAK_KEY", key=_key_name(certificate))
    if kind != actual:
        raise SignatureRefused("ALG_MISMATCH")


def _require_mathematics(
    certificate: x509.Certificate, message: SignedMessage, digest: hashes.HashAlgorithm
) -> None:
    key = _public_key(certificate)
    try:
        if isinstance(key, ec.EllipticCurvePublicKey):
            key.verify(message.signature, message.attributes, ec.ECDSA(digest))
        elif isinstance(key, rsa.RSAPublicKey):
            key.verify(message.signature, message.attributes, padding.PKCS1v15(), digest)
        else:
            raise SignatureRefused("WEAK_KEY", key=_key_name(certificate))
    except InvalidSignature as error:
        raise SignatureRefused("BAD_SIGNATURE") from error


def _require_purpose(certificate: x509.Certificate, policy: Policy) -> None:
    extensions = certificate.extensions
    basic = _extension(extensions, x509.BasicConstraints)
    usage = _extension(extensions, x509.KeyUsage)
    extended = _extension(extensions, x509.ExtendedKeyUsage)
    if (basic and basic.ca) or (usage and usage.key_cert_sign):
        raise SignatureRefused("CA_AS_SIGNER")
    if usage is None or not getattr(usage, policy.key_usage):
        raise SignatureRefused("KEY_USAGE")
    if extended and not {oid.dotted_string for oid in extended} & set(policy.extended_key_usage):
        raise SignatureRefused("EKU_ROLE")


def _require_validity(certificate: x509.Certificate, at: datetime) -> None:
    if at < certificate.not_valid_before_utc:
        raise SignatureRefused("CERT_NOT_YET_VALID", since=certificate.not_valid_before_utc)
    if at > certificate.not_valid_after_utc:
        raise SignatureRefused("CERT_EXPIRED", until=certificate.not_valid_after_utc)


def _require_moment(
    claimed: datetime, certificate: x509.Certificate, policy: Policy, at: datetime, challenge: datetime | None
) -> None:
    _require_validity(certificate, claimed)
    if challenge is not None and abs(claimed - challenge) > policy.skew:
        raise SignatureRefused("SIGNING_TIME_SKEW", claimed=claimed, expected=challenge)
    if claimed - at > policy.skew:
        raise SignatureRefused("SIGNING_TIME_SKEW", claimed=claimed, expected=at)


def _extension(extensions: x509.Extensions, kind: type[Found]) -> Found | None:
    try:
        return extensions.get_extension_for_class(kind).value
    except x509.ExtensionNotFound:
        return None


def _hash(content: bytes, algorithm: hashes.HashAlgorithm) -> bytes:
    digest = hashes.Hash(algorithm)
    digest.update(content)
    return digest.finalize()


def _public_key(certificate: x509.Certificate) -> CertificatePublicKeyTypes:
    try:
        return certificate.public_key()
    except (ValueError, UnsupportedAlgorithm) as error:
        raise SignatureRefused("WEAK_KEY", key=certificate.public_key_algorithm_oid.dotted_string) from error


def _key_name(certificate: x509.Certificate) -> str:
    match _public_key(certificate):
        case ec.EllipticCurvePublicKey() as key:
            return key.curve.name
        case rsa.RSAPublicKey() as key:
            return f"rsa-{key.key_size}"
        case other:
            return type(other).__name__
