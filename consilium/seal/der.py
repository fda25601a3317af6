"""Write DER (X.690 chapter 10): the few types that a signature needs, as bytes in, bytes out."""

from collections.abc import Iterable
from datetime import UTC, datetime

__all__ = [
    "bits",
    "context",
    "integer",
    "null",
    "octets",
    "oid",
    "sequence",
    "set_of",
    "text",
    "time",
    "tlv",
    "true",
]

NUMERIC, PRINTABLE, UTF8 = 0x12, 0x13, 0x0C


def tlv(tag: int, content: bytes) -> bytes:
    """One value: identifier octet, shortest definite length, content."""
    size = len(content)
    if size < 0x80:
        return bytes((tag, size)) + content
    length = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes((tag, 0x80 | len(length))) + length + content


def sequence(*parts: bytes) -> bytes:
    """SEQUENCE of already encoded parts."""
    return tlv(0x30, b"".join(parts))


def set_of(parts: Iterable[bytes]) -> bytes:
    """SET OF in DER order (X.690 11.6)."""
    return tlv(0x31, b"".join(sorted(parts)))


def context(number: int, content: bytes) -> bytes:
    """Constructed context tag [number]."""
    return tlv(0xA0 | number, content)


def integer(value: int) -> bytes:
    """INTEGER, two's complement in the fewest octets."""
    return tlv(0x02, value.to_bytes(value.bit_length() // 8 + 1, "big", signed=True))


def octets(value: bytes) -> bytes:
    """OCTET STRING."""
    return tlv(0x04, value)


def bits(value: bytes) -> bytes:
    """BIT STRING of whole octets."""
    return tlv(0x03, b"\0" + value)


def text(kind: int, value: str) -> bytes:
    """A string of kind NUMERIC, PRINTABLE or UTF8."""
    return tlv(kind, value.encode())


def true() -> bytes:
    """BOOLEAN TRUE."""
    return b"\x01\x01\xff"


def null() -> bytes:
    """NULL."""
    return b"\x05\x00"


def oid(dotted: str) -> bytes:
    """OBJECT IDENTIFIER from its dotted form."""
    first, second, *rest = (int(arc) for arc in dotted.split("."))
    return tlv(0x06, b"".join(_base128(arc) for arc in (first * 40 + second, *rest)))


def time(moment: datetime) -> bytes:
    """Time as RFC 5652 11.3 wants it: UTCTime through 2049, GeneralizedTime after; whole seconds, Z."""
    utc = moment.astimezone(UTC)
    if 1950 <= utc.year < 2050:
        return tlv(0x17, utc.strftime("%y%m%d%H%M%SZ").encode("ascii"))
    return tlv(0x18, utc.strftime("%Y%m%d%H%M%SZ").encode("ascii"))


def _base128(value: int) -> bytes:
    septets = [value & 0x7F]
    while value := value >> 7:
        septets.append(0x80 | (value & 0x7F))
    return bytes(reversed(septets))
