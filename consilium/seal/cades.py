"""Make a detached CAdES-BES signature (EN 319 122-1, baseline B-B) with any key that can sign bytes.

The digest and the algorithm come from the key: SHA-256 with P-256 or RSA, Streebog with GOST R 34.10-2012.
"""

from datetime import datetime
from typing import Protocol

from consilium.seal import der
from consilium.seal.algorithms import DIGEST_OIDS, hashed
from consilium.seal.cms import OIDS
from consilium.seal.names import names_in

__all__ = ["SigningKey", "request", "sign", "signed_attributes", "signed_data"]

COMMON_NAME = "2.5.4.3"


class SigningKey(Protocol):
    """What a signature needs of a key, wherever it lies: in memory, in a file, in a token."""

    @property
    def digest(self) -> str:
        """Our name of the digest that `sign_raw` uses."""

    @property
    def repeatable(self) -> bool:
        """Whether the same bytes get the same signature."""

    def algorithm(self) -> bytes:
        """AlgorithmIdentifier (DER) of what `sign_raw` does."""

    def sign_raw(self, covered: bytes) -> bytes:
        """A bare signature over these bytes."""

    def spki(self) -> bytes:
        """SubjectPublicKeyInfo (DER) of its public half."""


def sign(key: SigningKey, document: bytes, certificate: bytes, signing_time: datetime) -> bytes:
    """A detached signature (CMS, DER) over the document. Raises RequestRefused where the key cannot sign."""
    attributes = signed_attributes(document, certificate, signing_time, key.digest)
    signature = key.sign_raw(der.tlv(0x31, attributes))
    return signed_data(certificate, attributes, key, signature)


def request(key: SigningKey, common_name: str) -> bytes:
    """A certificate request (PKCS#10 DER, RFC 2986) that proves possession of the key."""
    name = der.sequence(
        der.set_of([der.sequence(der.oid(COMMON_NAME), der.text(der.UTF8, common_name[:64]))])
    )
    body = der.sequence(der.integer(0), name, key.spki(), der.context(0, b""))
    return der.sequence(body, key.algorithm(), der.bits(key.sign_raw(body)))


def signed_attributes(document: bytes, certificate: bytes, signing_time: datetime, digest: str) -> bytes:
    """Content of the SET of signed attributes: what the signature will cover."""
    members = (
        _attribute("content_type", der.oid(OIDS["data"])),
        _attribute("signing_time", der.time(signing_time)),
        _attribute("message_digest", der.octets(hashed(digest, document))),
        _attribute("signing_certificate_v2", _reference(certificate, digest)),
    )
    return b"".join(sorted(members))


def signed_data(certificate: bytes, attributes: bytes, key: SigningKey, signature: bytes) -> bytes:
    """The CMS around a finished signature: one signer, named by issuer and serial number, certificate enclosed."""
    names = names_in(certificate)
    digest = _digest_algorithm(key.digest)
    signer = der.sequence(
        der.integer(1),
        der.sequence(names.issuer, der.integer(names.serial)),
        digest,
        der.context(0, attributes),
        key.algorithm(),
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


def _reference(certificate: bytes, digest: str) -> bytes:
    """SigningCertificateV2 (RFC 5035); the digest's name is left out where it is the default, as DER wants."""
    names = names_in(certificate)
    issuer = der.sequence(der.sequence(der.context(4, names.issuer)), der.integer(names.serial))
    named = b"" if digest == "sha256" else _digest_algorithm(digest)
    return der.sequence(der.sequence(der.sequence(named, der.octets(hashed(digest, certificate)), issuer)))


def _digest_algorithm(digest: str) -> bytes:
    return der.sequence(der.oid(DIGEST_OIDS[digest]))


def _attribute(name: str, value: bytes) -> bytes:
    return der.sequence(der.oid(OIDS[name]), der.set_of([value]))
