"""RTP header arithmetic: serial numbers, header extensions."""

import struct
from functools import lru_cache

RTP_HEADER = struct.Struct("!BBHL")  # flags, marker and payload type, sequence, timestamp; then the SSRC
OUT_HEADER = struct.Struct("!BBHLL")
ONE_BYTE_PROFILE = 0xBEDE


def newer(a: int, b: int) -> bool:
    """Whether 16-bit sequence number `a` comes after `b` (RFC 1982)."""
    return 0 < ((a - b) & 0xFFFF) < 0x8000


def find_extension(packet: bytes, start: int, end: int, wanted: int) -> bytes | None:
    """The value of one-byte header extension `wanted` between two offsets (RFC 8285, section 4.2)."""
    position = start
    while position < end:
        head = packet[position]
        if head == 0:
            position += 1
            continue
        length = (head & 0x0F) + 1
        if head >> 4 == wanted:
            value = packet[position + 1 : position + 1 + length]
            return value if position + 1 + length <= end else None
        position += 1 + length
    return None


def extension_bounds(packet: bytes, after_csrc: int) -> tuple[int, int, int]:
    """(profile, start, end) of the extension block; raises struct.error when it is cut short."""
    profile, words = struct.unpack_from("!HH", packet, after_csrc)
    start = after_csrc + 4
    return profile, start, start + 4 * words


@lru_cache(maxsize=256)
def slot_extensions(mid: str, mid_id: int, level_id: int) -> tuple[bytes, ...]:
    """Complete extension blocks of a slot, ready to be put behind the header.

    With `level_id` there are 256, one for every audio level byte; without it there is one.
    """
    if not level_id:
        return (_block(_element(mid_id, mid.encode())),)
    head = _element(mid_id, mid.encode())
    return tuple(_block(head + _element(level_id, bytes([level]))) for level in range(256))


def _element(number: int, value: bytes) -> bytes:
    if not number:
        return b""
    return bytes([number << 4 | (len(value) - 1)]) + value


def _block(elements: bytes) -> bytes:
    padded = elements + b"\0" * (-len(elements) % 4)
    return struct.pack("!HH", ONE_BYTE_PROFILE, len(padded) // 4) + padded
