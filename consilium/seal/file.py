"""The file a desktop program wrote a signature into: DER, base64 of it, or PEM."""

import base64
import binascii
import re

from consilium.seal.errors import SignatureRefused

__all__ = ["der_of_file"]

PEM = re.compile(rb"-----BEGIN ([A-Z0-9 ]{1,32})-----\s+([A-Za-z0-9+/=\s]+?)-----END \1-----\s*")
# openssl writes CMS or PKCS7, КриптоАРМ and cryptcp a plain SIGNATURE or CMS.
LABELS = frozenset({b"CMS", b"PKCS7", b"PKCS #7 SIGNED DATA", b"SIGNATURE"})
SEQUENCE = 0x30
BOM = b"\xef\xbb\xbf"


def der_of_file(content: bytes, limit: int) -> bytes:
    """The CMS inside, not interpreted any further. Raises SignatureRefused TOO_LARGE, NOT_CMS."""
    if len(content) > 2 * limit:
        raise SignatureRefused("TOO_LARGE", size=len(content), limit=limit)
    if content[:1] == bytes([SEQUENCE]) and content[1:2] != b"":
        der = content
    else:
        der = _decoded(_armoured(content.removeprefix(BOM).strip()))
    if len(der) > limit:
        raise SignatureRefused("TOO_LARGE", size=len(content), limit=limit)
    return der


def _armoured(text: bytes) -> bytes:
    if not text.startswith(b"-----BEGIN"):
        return text
    found = PEM.fullmatch(text)
    if found is None or found[1] not in LABELS:
        raise SignatureRefused("NOT_CMS")
    return found[2]


def _decoded(text: bytes) -> bytes:
    try:
        der = base64.b64decode(b"".join(text.split()), validate=True)
    except (binascii.Error, ValueError):
        raise SignatureRefused("NOT_CMS") from None
    if der[:1] != bytes([SEQUENCE]):
        raise SignatureRefused("NOT_CMS")
    return der
