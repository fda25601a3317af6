"""The simulator's OCSP responder (RFC 6960): what the demonstration authority knows of a serial number."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp

from consilium.seal.authority import DemoAuthority
from consilium.seal.providers import SoftwareKey

LIFE = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Responder:
    """Answers with a key of its own, certified by the authority for that alone."""

    authority: DemoAuthority
    key: SoftwareKey = field(repr=False)
    certificate: bytes

    def reply(self, query: bytes, at: datetime, *, life: timedelta = LIFE) -> bytes:
        """OCSPResponse (DER) for one certificate of this authority; a refusal for any other."""
        try:
            asked = ocsp.load_der_ocsp_request(query)
        except ValueError:
            return _no(ocsp.OCSPResponseStatus.MALFORMED_REQUEST)
        if asked.issuer_key_hash != self._key_hash(asked.hash_algorithm):
            return _no(ocsp.OCSPResponseStatus.UNAUTHORIZED)
        listed = x509.load_der_x509_crl(self.authority.crl(at))
        entry = listed.get_revoked_certificate_by_serial_number(asked.serial_number)
        builder = ocsp.OCSPResponseBuilder().add_response_by_hash(
            issuer_name_hash=asked.issuer_name_hash,
            issuer_key_hash=asked.issuer_key_hash,
            serial_number=asked.serial_number,
            algorithm=asked.hash_algorithm,
            cert_status=ocsp.OCSPCertStatus.REVOKED if entry else ocsp.OCSPCertStatus.GOOD,
            this_update=at + min(life, timedelta(0)) * 2,
            next_update=at + life,
            revocation_time=entry.revocation_date_utc if entry else None,
            revocation_reason=_reason(entry),
        )
        own = x509.load_der_x509_certificate(self.certificate)
        builder = builder.responder_id(ocsp.OCSPResponderEncoding.HASH, own).certificates([own])
        for extension in asked.extensions:
            if isinstance(extension.value, x509.OCSPNonce):
                builder = builder.add_extension(extension.value, critical=False)
        return builder.sign(self.key.private, hashes.SHA256()).public_bytes(Encoding.DER)

    def _key_hash(self, algorithm: hashes.HashAlgorithm) -> bytes:
        probe = ocsp.OCSPRequestBuilder().add_certificate(
            self.authority.certificate, self.authority.certificate, algorithm
        )
        return probe.build().issuer_key_hash


def _reason(entry: x509.RevokedCertificate | None) -> x509.ReasonFlags | None:
    if entry is None:
        return None
    said = [one.value.reason for one in entry.extensions if isinstance(one.value, x509.CRLReason)]
    return said[0] if said else None


def _no(status: ocsp.OCSPResponseStatus) -> bytes:
    return ocsp.OCSPResponseBuilder.build_unsuccessful(status).public_bytes(Encoding.DER)
