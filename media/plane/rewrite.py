"""RTP headers: reading header extensions, and the extension block of each slot."""

import struct

from media.plane.table import Extensions, Kind

RTP_HEADER = struct.Struct("!BBHLL")  # flags, marker and payload type, sequence, timestamp, SSRC
ONE_BYTE_PROFILE = 0xBEDE
MAX_ELEMENT = 16
NO_VALUE = -1


def difference(seq: int, highest: int) -> int:
    """How far 16-bit `seq` is ahead of `highest`, -32768 to 32767 (RFC 1982)."""
    return ((seq - highest + 0x8000) & 0xFFFF) - 0x8000


def elements(data: bytes, position: int, end: int) -> dict[int, bytes] | None:
    """Values of a one-byte extension block by number (RFC 8285, section 4.2); None when an element is cut short.

    Id 15 and id 0 with a length stop the reading; what came before counts. Of a repeated element the last counts.
    """
    found: dict[int, bytes] = {}
    while position < end:
        head = data[position]
        position += 1
        if not head:
            continue
        stop = position + (head & 0x0F) + 1
        if not 0x10 <= head < 0xF0:
            break
        if stop > end:
            return None
        found[head >> 4] = data[position:stop]
        position = stop
    return found


def _element(number: int, value: bytes) -> bytes:
    return bytes((number << 4 | (len(value) - 1),)) + value


class Headers:
    """Extension blocks of one slot: `before` and `after` the three bytes of the send time.

    Blocks differ in one byte only (the level of audio, the orientation of video), so each is made once.
    """

    __slots__ = ("_kind", "_made", "_mid", "_numbers", "timed")

    def __init__(self, kind: Kind, mid: str, numbers: Extensions) -> None:
        self._kind = kind
        self._mid = mid.encode()
        self._numbers = numbers
        self._made: dict[int, tuple[bytes, bytes]] = {}
        self.timed = kind == "video" and bool(numbers.send_time)

    def block(self, value: int) -> tuple[bytes, bytes]:
        """(before, after) the send time for this level or orientation byte; `after` is empty when not timed."""
        made = self._made.get(value)
        if made is None:
            made = self._made[value] = self._make(value)
        return made

    def _make(self, value: int) -> tuple[bytes, bytes]:
        numbers = self._numbers
        body = b""
        if numbers.mid and 0 < len(self._mid) <= MAX_ELEMENT:
            body += _element(numbers.mid, self._mid)
        number = numbers.level if self._kind == "audio" else numbers.orientation
        if number and value != NO_VALUE:
            body += _element(number, bytes((value,)))
        if self.timed:
            body += bytes((numbers.send_time << 4 | 2,))
        if not body:
            return b"", b""
        size = len(body) + 3 * self.timed
        padding = b"\0" * (-size % 4)
        head = struct.pack("!HH", ONE_BYTE_PROFILE, (size + len(padding)) // 4) + body
        return (head, padding) if self.timed else (head + padding, b"")


def send_time(now: float) -> bytes:
    """abs-send-time: 24 bits, 6.18 fixed point seconds."""
    return (int(now * 262144) & 0xFFFFFF).to_bytes(3, "big")
