"""Transport-wide feedback: which packets of a publisher arrived when, so that his browser can find its rate.

draft-holmer-rmcat-transport-wide-cc-extensions-01, section 3.1. The browser numbers all packets of a connection
in one sequence; we answer with a bit pattern of what arrived and the time between arrivals in steps of 250 us.
What is sent here was built to be read by libwebrtc: a late packet is reported again from where it was missing,
together with what had been reported after it.
"""

import struct
from collections.abc import Iterable, Sequence
from itertools import pairwise, takewhile

TICK_US = 250
REFERENCE_US = 64_000
TICKS_OF_REFERENCE = REFERENCE_US // TICK_US
HISTORY_US = 500_000  # a reordered packet this late is still reported
GAP_LIMIT = 2_000  # a longer hole (a suspended laptop) is not reported as loss but skipped
MAX_STATUSES = 900  # of one packet; keeps it below 1200 bytes whatever the pattern
RUN_LIMIT = 0x1FFF

RTPFB = 205
TRANSPORT_CC = 15

MISSING, SMALL, LARGE = 0, 1, 2  # packet status symbols; LARGE is also for negative deltas

_HEADER = struct.Struct("!BBHIIHHI")


class TransportFeedback:
    """What one publish connection is told. Feed it `Forwarder.take_arrivals`, send what it returns."""

    def __init__(self, sender_ssrc: int, media_ssrc: int = 0) -> None:
        self.sender_ssrc = sender_ssrc
        self.media_ssrc = media_ssrc
        self._arrived: dict[int, int] = {}  # unwrapped sequence number -> us
        self._newest = -1  # unwrapped, of all that ever came
        self._next = -1  # the first that was in no report yet
        self._floor = 0  # older ones are not reported any more
        self._count = 0

    def build(self, arrivals: Iterable[tuple[int, int]]) -> list[bytes]:
        """Reports (each a whole RTCP packet) on these (sequence number, arrival in us); none when nothing came."""
        batch = list(arrivals)
        deltas = self._ordinary(batch)
        if deltas:
            return [self._continue(batch, deltas)]
        first = self._take(batch)
        if first is None:
            return []
        packets = []
        end = self._newest + 1
        while first < end:
            packet, first = self._one(first, end)
            packets.append(packet)
        self._next = end
        self._forget()
        return packets

    def _ordinary(self, batch: Sequence[tuple[int, int]]) -> bytes:
        """The deltas of a batch that goes on where the last ended, nothing missing, late or across the wrap; else none.

        Nearly every batch is; taking them one by one was most of what Python did in a busy worker.
        """
        if not 0 < len(batch) <= MAX_STATUSES or self._next != self._newest + 1:
            return b""
        seq, at = batch[0]
        if seq != self._next & 0xFFFF or [one[0] for one in batch] != list(range(seq, seq + len(batch))):
            return b""
        ticks = [one[1] // TICK_US for one in batch]
        deltas = [
            after - before for before, after in pairwise([at // REFERENCE_US * TICKS_OF_REFERENCE, *ticks])
        ]
        return bytes(deltas) if min(deltas) >= 0 and max(deltas) <= 0xFF else b""

    def _continue(self, batch: Sequence[tuple[int, int]], deltas: bytes) -> bytes:
        first, count = self._next, len(batch)
        self._arrived.update(zip(range(first, first + count), (at for _, at in batch), strict=True))
        self._next += count
        self._newest += count
        self._forget()
        pattern = struct.pack("!H", SMALL << 13 | count)
        return self._packet(first, count, pattern, batch[0][1] // REFERENCE_US, deltas)

    def _take(self, arrivals: Iterable[tuple[int, int]]) -> int | None:
        """Remember arrivals; returns the sequence number the next report has to begin with."""
        oldest: int | None = None
        for seq, at in arrivals:
            number = self._unwrap(seq)
            if number in self._arrived or number < self._floor:
                continue
            self._arrived[number] = at
            oldest = number if oldest is None else min(oldest, number)
            self._newest = max(self._newest, number)
        if oldest is None:
            return None
        if self._next < 0 or oldest - self._next > GAP_LIMIT:
            return oldest
        return min(oldest, self._next)

    def _unwrap(self, seq: int) -> int:
        if self._newest < 0:
            return seq + 0x10000  # room below for what was sent before and comes later
        step = ((seq - self._newest + 0x8000) & 0xFFFF) - 0x8000
        return self._newest + step

    def _one(self, first: int, end: int) -> tuple[bytes, int]:
        """A report from `first` on, and where the next has to begin: a delta too large for 16 bits ends it."""
        begin = next(number for number in range(first, end) if number in self._arrived)
        reference = self._arrived[begin] // REFERENCE_US
        ticks = reference * TICKS_OF_REFERENCE
        symbols: list[int] = []
        deltas = bytearray()
        for number in range(first, min(end, first + MAX_STATUSES)):
            at = self._arrived.get(number)
            if at is None:
                symbols.append(MISSING)
                continue
            delta = at // TICK_US - ticks
            if not -0x8000 <= delta <= 0x7FFF:
                break
            ticks += delta
            symbols.append(SMALL if 0 <= delta <= 0xFF else LARGE)
            deltas += struct.pack("!B" if symbols[-1] == SMALL else "!h", delta)
        packet = self._packet(first, len(symbols), chunks(symbols), reference, bytes(deltas))
        return packet, first + len(symbols)

    def _packet(self, first: int, count: int, pattern: bytes, reference: int, deltas: bytes) -> bytes:
        body = pattern + deltas
        padding = -len(body) % 4
        if padding:
            body += bytes(padding - 1) + bytes([padding])
        header = _HEADER.pack(
            0x80 | (0x20 if padding else 0) | TRANSPORT_CC,
            RTPFB,
            (_HEADER.size + len(body)) // 4 - 1,
            self.sender_ssrc,
            self.media_ssrc,
            first & 0xFFFF,
            count,
            (reference & 0xFFFFFF) << 8 | self._count,
        )
        self._count = (self._count + 1) & 0xFF
        return header + body

    def _forget(self) -> None:
        """What arrived first stands first: only what goes is looked at."""
        horizon = self._arrived[self._newest] - HISTORY_US
        gone = [number for number, _ in takewhile(lambda one: one[1] < horizon, self._arrived.items())]
        for number in gone:
            del self._arrived[number]
        self._floor = max([self._floor, *(number + 1 for number in gone)])


def chunks(symbols: Sequence[int]) -> bytes:
    """Packet status chunks: a run where it says more than a vector would, else 14 one-bit or 7 two-bit symbols."""
    out = bytearray()
    position = 0
    while position < len(symbols):
        run = _run(symbols, position)
        window = symbols[position : position + 14]
        if run >= 14 or run == len(symbols) - position or (run >= 7 and LARGE in window):
            out += struct.pack("!H", symbols[position] << 13 | run)
            position += run
        elif LARGE not in window:
            out += struct.pack("!H", 0x8000 | _bits(window, 1, 14))
            position += 14
        else:
            out += struct.pack("!H", 0xC000 | _bits(window[:7], 2, 7))
            position += 7
    return bytes(out)


def _run(symbols: Sequence[int], position: int) -> int:
    end = position
    while end < len(symbols) and symbols[end] == symbols[position] and end - position < RUN_LIMIT:
        end += 1
    return end - position


def _bits(symbols: Sequence[int], width: int, count: int) -> int:
    value = 0
    for index in range(count):
        value = value << width | (symbols[index] if index < len(symbols) else 0)
    return value
