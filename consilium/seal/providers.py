"""Keys that sign here: a software key for bots, tests and the organisation's seal.

A doctor's key is made and used in his browser (`web/client/signing`) and never comes near this module.
"""

import hashlib
import os
import tempfile
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.x509.oid import NameOID

from consilium.seal import der
from consilium.seal.cms import OIDS
from consilium.seal.errors import RequestRefused
from consilium.seal.names import names_in

__all__ = ["SoftwareKey", "write_private"]

ECDSA_SHA256 = "1.2.840.10045.4.3.2"
RSA_SHA256 = "1.2.840.113549.1.1.11"


@dataclass(frozen=True, slots=True)
class SoftwareKey:
    """A private key in memory: P-256, or RSA where another tool demands it."""

    private: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey

    @classmethod
    def generate(cls, rsa_bits: int = 0) -> "SoftwareKey":
        """A new P-256 key; RSA of that many bits if asked."""
        if rsa_bits:
            return cls(rsa.generate_private_key(public_exponent=65537, key_size=rsa_bits))
        return cls(ec.generate_private_key(ec.SECP256R1()))

    @classmethod
    def load(cls, path: Path, password: bytes | None = None) -> "SoftwareKey":
        """Read a PKCS#8 PEM file. Raises RequestRefused KEY_UNREADABLE."""
        try:
            key = serialization.load_pem_private_key(path.read_bytes(), password)
        except (OSError, TypeError, ValueError) as error:
            raise RequestRefused("KEY_UNREADABLE") from error
        if not isinstance(key, ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey):
            raise RequestRefused("KEY_UNREADABLE")
        return cls(key)

    def save(self, path: Path, password: bytes | None = None) -> None:
        """Write a PKCS#8 PEM file that only its owner may read."""
        protection = (
            serialization.BestAvailableEncryption(password) if password else serialization.NoEncryption()
        )
        pem = self.private.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, protection
        )
        write_private(path, pem)

    def csr(self, common_name: str = "Consilium") -> bytes:
        """A certificate request (PKCS#10 DER). The authority sets the subject itself."""
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name[:64])])
        request = x509.CertificateSigningRequestBuilder().subject_name(name)
        return request.sign(self.private, hashes.SHA256()).public_bytes(serialization.Encoding.DER)

    def sign(self, document: bytes, certificate: bytes, signing_time: datetime) -> bytes:
        """A detached CAdES-BES signature (CMS, DER) over the document; the same input gives the same bytes."""
        attributes = signed_attributes(document, certificate, signing_time)
        signature = self.sign_raw(der.tlv(0x31, attributes))
        return signed_data(certificate, attributes, self.algorithm(), signature)

    def algorithm(self) -> bytes:
        """AlgorithmIdentifier (DER) of what `sign_raw` does."""
        if isinstance(self.private, rsa.RSAPrivateKey):
            return der.sequence(der.oid(RSA_SHA256), der.null())
        return der.sequence(der.oid(ECDSA_SHA256))

    def sign_raw(self, covered: bytes) -> bytes:
        """A bare signature over these bytes, with SHA-256."""
        if isinstance(self.private, rsa.RSAPrivateKey):
            return self.private.sign(covered, padding.PKCS1v15(), hashes.SHA256())
        # RFC 6979: a retried seal repeats its bytes, and a bad random source cannot give the key away.
        return self.private.sign(covered, ec.ECDSA(hashes.SHA256(), deterministic_signing=True))


def signed_attributes(document: bytes, certificate: bytes, signing_time: datetime) -> bytes:
    """Content of the SET of signed attributes: what the signature will cover (EN 319 122-1, baseline B-B)."""
    names = names_in(certificate)
    issuer = der.sequence(der.sequence(der.context(4, names.issuer)), der.integer(names.serial))
    reference = der.sequence(der.octets(hashlib.sha256(certificate).digest()), issuer)
    members = (
        _attribute("content_type", der.oid(OIDS["data"])),
        _attribute("signing_time", der.time(signing_time)),
        _attribute("message_digest", der.octets(hashlib.sha256(document).digest())),
        _attribute("signing_certificate_v2", der.sequence(der.sequence(reference))),
    )
    return b"".join(sorted(members))


def signed_data(certificate: bytes, attributes: bytes, algorithm: bytes, signature: bytes) -> bytes:
    """The CMS around a finished signature: one signer, named by issuer and serial number, certificate enclosed."""
    names = names_in(certificate)
    digest = der.sequence(der.oid(OIDS["sha256"]))
    signer = der.sequence(
        der.integer(1),
        der.sequence(names.issuer, der.integer(names.serial)),
        digest,
        der.context(0, attributes),
        algorithm,
        der.octets(signature),
    )
    body = der.sequence(
        der.integer(1),
        der.set_of([digest]),
        der.sequence(der.oid(OIDS["data"])),
        der.context(0, certificate),
        der.set_of([signer]),
    )
    return der.sequence(der.oid(OIDS["signed_data"]), der.context(0, body))


def write_private(path: Path, content: bytes) -> None:
    """Write a file readable by its owner alone, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def _attribute(name: str, value: bytes) -> bytes:
    return der.sequence(der.oid(OIDS[name]), der.set_of([value]))
