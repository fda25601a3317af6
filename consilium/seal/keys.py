"""Public keys of certificates: which kind they are, and whether a signature was made by them.

P-256, P-384, P-521 and RSA by `cryptography`; GOST R 34.10-2012 by the engine behind `gost.py`, since
`cryptography` does not know these keys. A key of any other kind is read and refused, never an exception.
"""

from dataclasses import dataclass
from functools import lru_cache

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.serialization import load_der_public_key

from consilium.seal import asn1, gost
from consilium.seal.algorithms import SHA2
from consilium.seal.asn1 import Fields
from consilium.seal.errors import SignatureRefused

__all__ = ["PublicKey", "public_key"]

GOST_KEYS = {"1.2.643.7.1.1.1.1": 256, "1.2.643.7.1.1.1.2": 512}
GOST_DIGESTS = {256: "streebog256", 512: "streebog512"}
BIT_STRING = 0x03
# Verification by RSA grows with the key; a certificate with a monstrous one must not buy our time.
RSA_LARGEST = 8192


@dataclass(frozen=True, slots=True)
class PublicKey:
    """A key that can verify.

    ``kind`` is ecdsa, rsa, gost256, gost512 or "" (of no use here); ``name`` is for reports; ``parameters`` is
    the curve's name, or the OID of the GOST parameter set; ``bits`` the size.
    """

    kind: str
    name: str
    parameters: str
    bits: int
    spki: bytes
    loaded: ec.EllipticCurvePublicKey | rsa.RSAPublicKey | None

    def verify(self, covered: bytes, signature: bytes, digest: str) -> bool:
        """Whether this key made the signature over these bytes with that digest (our name of it).

        Raises SignatureRefused GOST_UNAVAILABLE, or WEAK_KEY for a GOST point that is not on its curve.
        """
        if self.kind.startswith("gost"):
            fits = digest == GOST_DIGESTS[self.bits]
            return fits and gost.verify(self.spki, self.parameters, covered, signature, digest)
        if digest not in SHA2:
            return False
        try:
            if isinstance(self.loaded, ec.EllipticCurvePublicKey):
                self.loaded.verify(signature, covered, ec.ECDSA(SHA2[digest]))
            elif isinstance(self.loaded, rsa.RSAPublicKey):
                self.loaded.verify(signature, covered, padding.PKCS1v15(), SHA2[digest])
            else:
                return False
        except InvalidSignature:
            return False
        return True


@lru_cache(maxsize=1024)
def public_key(spki: bytes) -> PublicKey:
    """Read a SubjectPublicKeyInfo (DER). Raises SignatureRefused BAD_CERTIFICATE where it is not one."""
    fields = Fields(asn1.read(spki, 0, len(spki)))
    algorithm = Fields(fields.take(asn1.SEQUENCE))
    content = fields.take(BIT_STRING).content
    fields.end()
    oid = algorithm.take(asn1.OID).oid()
    if oid in GOST_KEYS:
        return _gost(spki, GOST_KEYS[oid], Fields(algorithm.take(asn1.SEQUENCE)), content)
    return _common(spki, oid)


def _gost(spki: bytes, bits: int, parameters: Fields, content: bytes) -> PublicKey:
    """RFC 9215 4: parameter set, and the point as an OCTET STRING inside the BIT STRING."""
    named = parameters.take(asn1.OID).oid()
    order = gost.ORDERS.get(named, 0)
    inner = asn1.read(content, 1, len(content)) if content[:1] == b"\0" else None
    fits = inner is not None and inner.tag == asn1.OCTETS and inner.end == len(content)
    if (
        inner is None
        or not fits
        or len(inner.content) != bits // 4
        or (order.bit_length() > 256) != (bits == 512)
    ):
        raise SignatureRefused("WEAK_KEY", key=f"gost2012-{bits}")
    return PublicKey(f"gost{bits}", f"gost2012-{bits}", named, bits, spki, None)


def _common(spki: bytes, oid: str) -> PublicKey:
    try:
        match load_der_public_key(spki):
            case ec.EllipticCurvePublicKey() as key:
                return PublicKey("ecdsa", key.curve.name, key.curve.name, key.key_size, spki, key)
            case rsa.RSAPublicKey() as key if key.key_size <= RSA_LARGEST:
                return PublicKey("rsa", f"rsa-{key.key_size}", "", key.key_size, spki, key)
            case rsa.RSAPublicKey() as key:
                return PublicKey("", f"rsa-{key.key_size}", "", key.key_size, spki, None)
            case other:
                return PublicKey("", type(other).__name__, "", 0, spki, None)
    except UnsupportedAlgorithm:
        return PublicKey("", oid, "", 0, spki, None)
    except ValueError as error:
        raise SignatureRefused("WEAK_KEY", key=oid) from error
