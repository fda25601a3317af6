"""Which binding requests are ours (RFC 8489): framing, USERNAME, MESSAGE-INTEGRITY. Answering is another's work."""

import hashlib
import hmac
import struct
from dataclasses import dataclass

BINDING_REQUEST = 0x0001
MAGIC_COOKIE = 0x2112A442
USERNAME = 0x0006
MESSAGE_INTEGRITY = 0x0008
HEADER_BYTES = 20
INTEGRITY_BYTES = 20

_HEADER = struct.Struct("!HHL")
_ATTRIBUTE = struct.Struct("!HH")


@dataclass(frozen=True, slots=True)
class BindingRequest:
    """A well-formed request; `integrity_at` is the offset of its MESSAGE-INTEGRITY attribute."""

    ours: str
    theirs: str
    integrity_at: int


def parse_request(data: bytes) -> BindingRequest | None:
    """The request in a datagram; None when it is no binding request, malformed or without the two attributes."""
    if len(data) < HEADER_BYTES or len(data) % 4:
        return None
    kind, length, cookie = _HEADER.unpack_from(data)
    if kind != BINDING_REQUEST or cookie != MAGIC_COOKIE or length != len(data) - HEADER_BYTES:
        return None
    username: bytes | None = None
    integrity_at = 0
    position = HEADER_BYTES
    while position < len(data):
        attribute, size = _ATTRIBUTE.unpack_from(data, position)
        end = position + 4 + size
        if end > len(data):
            return None
        if attribute == USERNAME and username is None and not integrity_at:
            username = data[position + 4 : end]
        elif attribute == MESSAGE_INTEGRITY and not integrity_at:
            if size != INTEGRITY_BYTES:
                return None
            integrity_at = position
        position = end + -end % 4
    if username is None or not integrity_at:
        return None
    ours, colon, theirs = username.partition(b":")
    if not colon:
        return None
    return BindingRequest(ours.decode("latin-1"), theirs.decode("latin-1"), integrity_at)


def is_authentic(data: bytes, request: BindingRequest, password: str) -> bool:
    """Whether MESSAGE-INTEGRITY was made with this password (section 14.5: the length ends with the attribute)."""
    at = request.integrity_at
    length = at + 4 + INTEGRITY_BYTES - HEADER_BYTES
    covered = data[:2] + length.to_bytes(2, "big") + data[4:at]
    digest = hmac.digest(password.encode(), covered, hashlib.sha1)
    return hmac.compare_digest(digest, data[at + 4 : at + 4 + INTEGRITY_BYTES])
