"""Digest and signature algorithms by OID, and digests by our own names: one table for all who read signatures.

RFC 5754 (SHA-2), RFC 9215 and Р 1323565.1.023 (GOST R 34.10-2012 with Streebog).
"""

import hashlib
from dataclasses import dataclass

from cryptography.hazmat.primitives import hashes

from consilium.seal import gost
from consilium.seal.errors import SignatureRefused

__all__ = [
    "DIGESTS",
    "DIGEST_OIDS",
    "SHA2",
    "SIGNATURES",
    "SignatureAlgorithm",
    "digest_of",
    "hashed",
    "signature_of",
]

DIGESTS = {
    "2.16.840.1.101.3.4.2.1": "sha256",
    "2.16.840.1.101.3.4.2.2": "sha384",
    "2.16.840.1.101.3.4.2.3": "sha512",
    "1.2.643.7.1.1.2.2": "streebog256",
    "1.2.643.7.1.1.2.3": "streebog512",
}
DIGEST_OIDS = {name: oid for oid, name in DIGESTS.items()}
SHA2: dict[str, hashes.HashAlgorithm] = {
    "sha256": hashes.SHA256(),
    "sha384": hashes.SHA384(),
    "sha512": hashes.SHA512(),
}
WEAK_DIGESTS = {
    "1.3.14.3.2.26": "SHA-1",
    "1.2.840.113549.2.5": "MD5",
    "2.16.840.1.101.3.4.2.4": "SHA-224",
    "1.2.643.2.2.9": "ГОСТ Р 34.11-94",
}


@dataclass(frozen=True, slots=True)
class SignatureAlgorithm:
    """Kind of key, and the digest the OID is tied to ("" where digestAlgorithm alone says it)."""

    kind: str
    digest: str


SIGNATURES = {
    "1.2.840.10045.4.3.2": SignatureAlgorithm("ecdsa", "sha256"),
    "1.2.840.10045.4.3.3": SignatureAlgorithm("ecdsa", "sha384"),
    "1.2.840.10045.4.3.4": SignatureAlgorithm("ecdsa", "sha512"),
    "1.2.840.113549.1.1.1": SignatureAlgorithm("rsa", ""),
    "1.2.840.113549.1.1.11": SignatureAlgorithm("rsa", "sha256"),
    "1.2.840.113549.1.1.12": SignatureAlgorithm("rsa", "sha384"),
    "1.2.840.113549.1.1.13": SignatureAlgorithm("rsa", "sha512"),
    # A CMS of a GOST key names either the signature with its digest or, as CryptoPro does, the key's own OID.
    "1.2.643.7.1.1.3.2": SignatureAlgorithm("gost256", "streebog256"),
    "1.2.643.7.1.1.3.3": SignatureAlgorithm("gost512", "streebog512"),
    "1.2.643.7.1.1.1.1": SignatureAlgorithm("gost256", "streebog256"),
    "1.2.643.7.1.1.1.2": SignatureAlgorithm("gost512", "streebog512"),
}
WEAK_SIGNATURES = {
    "1.2.840.10045.4.1": "SHA-1",
    "1.2.840.113549.1.1.5": "SHA-1",
    "1.2.840.113549.1.1.4": "MD5",
    "1.2.643.2.2.3": "ГОСТ Р 34.10-2001",
    "1.2.643.2.2.19": "ГОСТ Р 34.10-2001",
}


def digest_of(oid: str) -> str:
    """Our name of a digest. Raises SignatureRefused WEAK_DIGEST or UNKNOWN_ALGORITHM."""
    if weak := WEAK_DIGESTS.get(oid):
        raise SignatureRefused("WEAK_DIGEST", algorithm=weak)
    if oid not in DIGESTS:
        raise SignatureRefused("UNKNOWN_ALGORITHM", algorithm=oid)
    return DIGESTS[oid]


def signature_of(oid: str) -> SignatureAlgorithm:
    """What a signature's OID means. Raises SignatureRefused WEAK_DIGEST or UNKNOWN_ALGORITHM."""
    if weak := WEAK_SIGNATURES.get(oid):
        raise SignatureRefused("WEAK_DIGEST", algorithm=weak)
    if oid not in SIGNATURES:
        raise SignatureRefused("UNKNOWN_ALGORITHM", algorithm=oid)
    return SIGNATURES[oid]


def hashed(name: str, content: bytes) -> bytes:
    """Digest by our name. Raises SignatureRefused GOST_UNAVAILABLE where Streebog cannot be computed."""
    if name in SHA2:
        return hashlib.new(name, content).digest()
    return gost.digest(name, content)
