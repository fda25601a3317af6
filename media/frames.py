"""RTP packets back into frames, for the recorder: order restored, losses seen, nothing decoded."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field

HOLD = 0.5  # seconds a hole may stay open for a repeat to fill it
HELD_LIMIT = 1024  # packets


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame as its codec made it. `ts` is extended and in units of the clock, counted from the first."""

    ts: int
    data: bytes
    keyframe: bool
    size: tuple[int, int] | None = None  # of a VP8 key frame


@dataclass(slots=True)
class Reorder:
    """Packets in the order they were sent; a hole is given up after HOLD.

    take: -> packets that are due, each (extended sequence number, RTP packet, whether something before it is lost)
    """

    _next: int = -1
    _held: dict[int, tuple[float, bytes]] = field(default_factory=dict)
    _lost: bool = False
    lost: int = 0

    def put(self, packet: bytes, now: float) -> None:
        seq: int = struct.unpack_from("!H", packet, 2)[0]
        if self._next < 0:
            self._next = seq
        extended = self._next + ((seq - self._next + 0x8000) & 0xFFFF) - 0x8000
        if extended >= self._next:
            self._held.setdefault(extended, (now, packet))

    def take(self, now: float) -> list[tuple[bytes, bool]]:
        due: list[tuple[bytes, bool]] = []
        while self._held:
            if self._next not in self._held:
                first = min(self._held)
                if len(self._held) < HELD_LIMIT and now - self._held[first][0] < HOLD:
                    break
                self.lost += first - self._next
                self._next, self._lost = first, True
            _, packet = self._held.pop(self._next)
            due.append((packet, self._lost))
            self._next, self._lost = self._next + 1, False
        return due


@dataclass(slots=True)
class Clock:
    """RTP timestamps made longer than their 32 bits, from the first one seen."""

    _last: int = -1
    _extended: int = 0

    def extend(self, ts: int) -> int:
        if self._last >= 0:
            self._extended += ((ts - self._last + 0x80000000) & 0xFFFFFFFF) - 0x80000000
        self._last = ts
        return self._extended


@dataclass(slots=True)
class OpusFrames:
    """One packet is one frame."""

    _clock: Clock = field(default_factory=Clock)

    def put(self, packet: bytes, *, lost: bool) -> Frame | None:
        ts: int = struct.unpack_from("!L", packet, 4)[0]
        payload = packet[12:]
        return Frame(self._clock.extend(ts), payload, keyframe=True) if payload else None


@dataclass(slots=True)
class Vp8Frames:
    """Frames of a VP8 stream (RFC 7741). After a loss nothing comes until the next key frame."""

    _clock: Clock = field(default_factory=Clock)
    _parts: list[bytes] = field(default_factory=list)
    _ts: int = -1
    _whole: bool = False
    _stale: bool = True
    dropped: int = 0

    def put(self, packet: bytes, *, lost: bool) -> Frame | None:
        ts: int = struct.unpack_from("!L", packet, 4)[0]
        found = _vp8_payload(packet[12:])
        if lost:
            self._stale = True
        if found is None:
            self._stale = True
            return None
        first, payload = found
        if ts != self._ts:
            if self._parts:  # the marker of the frame before never came
                self._stale, self.dropped = True, self.dropped + 1
            self._ts, self._parts, self._whole = ts, [], first
        self._parts.append(payload)
        if not packet[1] & 0x80:
            return None
        data, whole = b"".join(self._parts), self._whole
        self._parts = []
        return self._frame(ts, data, whole=whole)

    def _frame(self, ts: int, data: bytes, *, whole: bool) -> Frame | None:
        at = self._clock.extend(ts)
        keyframe = whole and bool(data) and not data[0] & 0x01
        if keyframe:
            self._stale = False
        if not whole or self._stale:
            self._stale, self.dropped = True, self.dropped + 1
            return None
        return Frame(at, data, keyframe=keyframe, size=_vp8_size(data) if keyframe else None)


def _vp8_payload(payload: bytes) -> tuple[bool, bytes] | None:
    """(begins a frame, VP8 data) of one RTP payload; None when it is cut short (RFC 7741, section 4.2)."""
    try:
        first, position = payload[0], 1
        if first & 0x80:
            flags, position = payload[1], 2
            if flags & 0x80:
                position += 2 if payload[position] & 0x80 else 1
            position += bool(flags & 0x40) + bool(flags & 0x30)
    except IndexError:
        return None
    if position >= len(payload):
        return None
    return bool(first & 0x10) and not first & 0x07, payload[position:]


def _vp8_size(data: bytes) -> tuple[int, int] | None:
    """(width, height) of a key frame (RFC 6386, section 9.1)."""
    if len(data) < 10 or data[3:6] != b"\x9d\x01\x2a":
        return None
    width, height = struct.unpack_from("<HH", data, 6)
    return width & 0x3FFF, height & 0x3FFF
