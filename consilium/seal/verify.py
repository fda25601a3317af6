"""The strict verifier: the one place where bytes become a `VerifiedSignature`.

Order of the checks: bounds and DER (asn1), shape (cms), algorithms, digest of the document, the certificate that
the signature names, the mathematics, the certificate's purpose, chain with revocation, the person, the moment,
and every timestamp that a desktop program put beside the signature.
Detached CAdES-BES, EN 319 122-1; Order 472 of 14.09.2020 5.6.1 for the way the signer is named.

Not promised here: when a signature without a timestamp really existed, and legal qualification.
"""

import hashlib
import hmac
import logging
from dataclasses import dataclass
from datetime import datetime

from consilium.seal import algorithms, chain, cms
from consilium.seal.certificates import Certificate, certificate_of
from consilium.seal.cms import SignedMessage
from consilium.seal.errors import SignatureRefused
from consilium.seal.names import ExpectedSigner, SignerIdentity, identity_of, names_in, require
from consilium.seal.policy import SIGNATURE_TIMESTAMP, Policy
from consilium.seal.timestamp import VerifiedTimestamp, verify_token
from consilium.seal.trust import TrustStore

__all__ = ["VerifiedSignature", "verify"]

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class VerifiedSignature:
    """A signature that passed every check of one policy at one moment. Made by `verify` alone.

    ``digest`` is of the document, hexadecimal, by the signature's own digest algorithm; ``signing_time`` is what
    the signer states, compared with the server's challenge where there was one; ``codes`` name what was proven.
    ``embedded_timestamps`` came inside the file and hold; ``unread`` are OIDs of other things beside the
    signature that nobody vouches for; ``power_of_attorney`` is the МЧД a person signed by, as the caller stated it.
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
    embedded_timestamps: tuple[VerifiedTimestamp, ...] = ()
    unread: tuple[str, ...] = ()
    power_of_attorney: str = ""


def verify(
    document: bytes,
    cms_der: bytes,
    *,
    policy: Policy,
    trust: TrustStore,
    at: datetime,
    signer: ExpectedSigner | None,
    signing_time: datetime | None = None,
    proven: bool = False,
) -> VerifiedSignature:
    """Check one detached signature over the exact bytes of a document.

    ``at`` is the moment to judge certificates and revocation by (aware UTC); ``signer`` is the person or
    organisation waited for (None only where the caller compares himself); ``signing_time`` is the moment the
    server asked for the signature. ``proven`` says that a verified timestamp shows the signature to have existed
    at ``at``: a later revocation then does not undo it. Safe in any thread and inside an event loop, though it
    takes milliseconds. Raises SignatureRefused and nothing else.
    """
    try:
        return _Check(document, policy, trust, at, signer, signing_time, proven).of(cms_der)
    except SignatureRefused:
        raise
    except Exception as error:
        # Fail closed: whatever a parser lets out on hostile bytes is a refusal, and is logged to be given a code.
        log.warning("seal.check_failed", exc_info=error)
        raise SignatureRefused("CHECK_FAILED") from error


@dataclass(frozen=True, slots=True)
class _Check:
    """What one signature is held against."""

    document: bytes
    policy: Policy
    trust: TrustStore
    at: datetime
    signer: ExpectedSigner | None
    challenge: datetime | None
    proven: bool

    def of(self, cms_der: bytes) -> VerifiedSignature:
        policy, at = self.policy, self.at
        message = cms.parse(cms_der, policy.limits, ber_outer=policy.ber_outer)
        digest = _algorithms(message, policy)
        _require_this_document(self.document, message, digest)
        certificate = _enclosed_certificate(message)
        _require_reference(message, certificate, policy)
        _require_key(certificate, message, policy)
        if not certificate.key.verify(message.attributes, message.signature, digest):
            raise SignatureRefused("BAD_SIGNATURE")
        _require_purpose(certificate, policy)
        _require_validity(certificate, at)
        identity, issuer = identity_of(certificate.subject), identity_of(certificate.issuer)
        self._require_chain(message, certificate)
        attorney = self._require_signer(identity)
        _require_moment(message.signing_time, certificate, policy, at, self.challenge)
        timestamps = self._timestamps(message)
        proven = {
            "CADES_BES": True,
            "CHAIN": True,
            "REVOCATION": True,
            "SIGNER": self.signer,
            "CHALLENGE": self.challenge,
            "TIMESTAMP": timestamps,
            "PROVEN_TIME": self.proven,
        }
        return VerifiedSignature(
            signer=identity,
            certificate=certificate.der,
            certificate_sha256=hashlib.sha256(certificate.der).hexdigest(),
            serial=f"{certificate.serial:x}",
            not_before=certificate.not_before,
            not_after=certificate.not_after,
            issuer=issuer.name,
            signing_time=message.signing_time,
            digest=message.message_digest.hex(),
            algorithm=f"{certificate.key.name}-{digest}",
            policy_id=policy.id,
            policy_digest=policy.digest,
            verified_at=at,
            codes=tuple(code for code, checked in proven.items() if checked),
            embedded_timestamps=timestamps,
            unread=tuple(sorted(message.unsigned.keys() - {SIGNATURE_TIMESTAMP})),
            power_of_attorney=attorney,
        )

    def _require_chain(self, message: SignedMessage, certificate: Certificate) -> None:
        path = chain.build(
            certificate.der,
            message.certificates,
            self.trust,
            self.at,
            policy=self.policy,
            proven=self.proven,
        )
        if not set(message.certificates) <= set(path):
            raise SignatureRefused("EXTRA_CERTIFICATE")

    def _require_signer(self, identity: SignerIdentity) -> str:
        if self.signer is None:
            return ""
        return require(
            self.signer,
            identity,
            person=self.policy.person,
            organisation=self.policy.organisation,
            power_of_attorney=self.policy.power_of_attorney,
        )

    def _timestamps(self, message: SignedMessage) -> tuple[VerifiedTimestamp, ...]:
        """Timestamps a desktop program put into the file (CAdES-T): each must hold, over this very signature."""
        tokens = message.unsigned.get(SIGNATURE_TIMESTAMP, ())
        held = tuple(
            verify_token(token, covered=message.signature, trust=self.trust, at=self.at) for token in tokens
        )
        for one in held:
            if message.signing_time - one.time > self.policy.skew:
                raise SignatureRefused("SIGNING_TIME_SKEW", claimed=message.signing_time, expected=one.time)
        return held


def _algorithms(message: SignedMessage, policy: Policy) -> str:
    """Name of the one digest; both algorithms known, sound, of the policy, and of one mind."""
    digest, signature = (
        algorithms.digest_of(message.digest_oid),
        algorithms.signature_of(message.signature_oid),
    )
    if digest not in policy.digests:
        raise SignatureRefused("UNKNOWN_ALGORITHM", algorithm=message.digest_oid)
    if signature.digest not in ("", digest):
        raise SignatureRefused("ALG_MISMATCH")
    if not message.unsigned.keys() <= set(policy.unsigned_attributes):
        raise SignatureRefused("UNSIGNED_ATTRS")
    return digest


def _require_this_document(document: bytes, message: SignedMessage, digest: str) -> None:
    if cms.looks_like_attributes(document):
        raise SignatureRefused("DOCUMENT_IS_ATTRS")
    actual = algorithms.hashed(digest, document)
    if not hmac.compare_digest(actual, message.message_digest):
        raise SignatureRefused("DIGEST_MISMATCH", signed=message.message_digest.hex(), actual=actual.hex())


def _enclosed_certificate(message: SignedMessage) -> Certificate:
    named = [(der, names_in(der)) for der in message.certificates]
    found = [der for der, names in named if (names.issuer, names.serial) == (message.issuer, message.serial)]
    if not found:
        raise SignatureRefused("NO_CERTIFICATE")
    if len(set(message.certificates)) != len(message.certificates):
        raise SignatureRefused("EXTRA_CERTIFICATE")
    return certificate_of(found[0])


def _require_reference(message: SignedMessage, certificate: Certificate, policy: Policy) -> None:
    digest = algorithms.digest_of(message.certificate_digest_oid)
    if digest not in policy.digests:
        raise SignatureRefused("UNKNOWN_ALGORITHM", algorithm=message.certificate_digest_oid)
    if not hmac.compare_digest(algorithms.hashed(digest, certificate.der), message.certificate_digest):
        raise SignatureRefused("SIGNING_CERT_REF")
    if message.certificate_issuer not in (None, (message.issuer, message.serial)):
        raise SignatureRefused("SIGNING_CERT_REF")


def _require_key(certificate: Certificate, message: SignedMessage, policy: Policy) -> None:
    if not policy.admits(certificate.key):
        raise SignatureRefused("WEAK_KEY", key=certificate.key.name)
    if algorithms.signature_of(message.signature_oid).kind != certificate.key.kind:
        raise SignatureRefused("ALG_MISMATCH")


def _require_purpose(certificate: Certificate, policy: Policy) -> None:
    usage, purposes = certificate.usage, certificate.purposes
    if certificate.ca or (usage and "key_cert_sign" in usage):
        raise SignatureRefused("CA_AS_SIGNER")
    if usage is None or policy.key_usage not in usage:
        raise SignatureRefused("KEY_USAGE")
    if purposes and policy.extended_key_usage and purposes.isdisjoint(policy.extended_key_usage):
        raise SignatureRefused("EKU_ROLE")
    if purposes and purposes <= set(policy.foreign_purposes):
        raise SignatureRefused("EKU_ROLE")


def _require_validity(certificate: Certificate, at: datetime) -> None:
    if at < certificate.not_before:
        raise SignatureRefused("CERT_NOT_YET_VALID", since=certificate.not_before)
    if at > certificate.not_after:
        raise SignatureRefused("CERT_EXPIRED", until=certificate.not_after)


def _require_moment(
    claimed: datetime, certificate: Certificate, policy: Policy, at: datetime, challenge: datetime | None
) -> None:
    _require_validity(certificate, claimed)
    if challenge is not None and abs(claimed - challenge) > policy.skew:
        raise SignatureRefused("SIGNING_TIME_SKEW", claimed=claimed, expected=challenge)
    if claimed - at > policy.skew:
        raise SignatureRefused("SIGNING_TIME_SKEW", claimed=claimed, expected=at)
