"""A timestamp token in the one form that leaves no byte free.

What an authority sends has room nobody signs: certificates beside its own, unsigned attributes, two ways to write
an algorithm, and the second half of ECDSA's pair (r, n - s). The newest token of a package is covered by nothing
but itself, so it is kept in one form, and another form of the same token is refused.
"""

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from consilium.seal import der, tsp
from consilium.seal.errors import SignatureRefused
from consilium.seal.names import names_in

__all__ = ["tighten"]

ECDSA, RSA = "1.2.840.10045.4.3.", "1.2.840.113549.1.1."
# Orders of the groups (SEC 2, 2.4.2, 2.5.1, 2.6.1): a signature (r, s) holds exactly when (r, n - s) does.
ORDERS = {
    "secp256r1": 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551,
    "secp384r1": int(
        "ffffffffffffffffffffffffffffffffffffffffffffffffc7634d81f4372ddf581a0db248b0a77aecec196accc52973", 16
    ),
    "secp521r1": int(
        "01fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffa51868783bf2f966b7fcc0148f709a5d0"
        "3bb5c9b8899c47aebb6fb71e91386409",
        16,
    ),
}


def tighten(token: bytes) -> bytes:
    """The same statement with the same signature and its authority's certificate alone.

    The signature is not checked here. Raises SignatureRefused TST_* for what is not a token.
    """
    read = tsp.read_token(token)
    certificate = _own_certificate(read)
    signer = der.sequence(
        der.integer(1),
        der.sequence(read.issuer, der.integer(read.serial)),
        _algorithm(read.digest_oid),
        b"\xa0" + read.attributes[1:],
        _algorithm(read.signature_oid),
        der.octets(_lower(read.signature, read.signature_oid, certificate)),
    )
    signed = der.sequence(
        der.integer(3),
        der.set_of([_algorithm(read.digest_oid)]),
        der.sequence(der.oid(tsp.OIDS["tst_info"]), der.context(0, der.octets(read.content))),
        der.context(0, certificate),
        der.set_of([signer]),
    )
    return der.sequence(der.oid(tsp.OIDS["signed_data"]), der.context(0, signed))


def _own_certificate(read: tsp.Token) -> bytes:
    for one in read.certificates:
        names = names_in(one)
        if (names.issuer, names.serial) == (read.issuer, read.serial):
            return one
    raise SignatureRefused("TST_NO_CERTIFICATE")


def _algorithm(oid: str) -> bytes:
    """RFC 5754 and RFC 9215: no parameters, but for RSA, whose parameters are NULL."""
    return der.sequence(der.oid(oid), *([der.null()] if oid.startswith(RSA) else []))


def _lower(signature: bytes, oid: str, certificate: bytes) -> bytes:
    if not oid.startswith(ECDSA):
        return signature
    try:
        key = x509.load_der_x509_certificate(certificate).public_key()
        first, second = decode_dss_signature(signature)
    except (ValueError, x509.InvalidVersion, UnsupportedAlgorithm) as error:
        raise SignatureRefused("TST_SIGNATURE") from error
    order = ORDERS.get(key.curve.name) if isinstance(key, ec.EllipticCurvePublicKey) else None
    if order is None:
        raise SignatureRefused("TST_ALGORITHM", algorithm=oid)
    return der.sequence(der.integer(first), der.integer(min(second, abs(order - second))))
