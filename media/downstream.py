"""One receiver: what his reports say, what is sent again to him, and the clock of his slots.

RFC 3550 (reports), RFC 4585 and 5104 (NACK, PLI, FIR), draft-alvestrand-rmcat-remb.
"""

import struct
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from aiortc.rtp import (
    RTCP_PSFB_APP,
    RTCP_PSFB_FIR,
    RTCP_PSFB_PLI,
    RTCP_RTPFB_NACK,
    RtcpPsfbPacket,
    RtcpRtpfbPacket,
    RtcpSdesPacket,
    RtcpSenderInfo,
    RtcpSourceInfo,
    RtcpSrPacket,
    unpack_remb_fci,
)

from media.bandwidth import Downlink
from media.plane.table import CLOCK_RATES, Forwarder, Leg, Slot
from media.repair import Resends
from media.upstream import CNAME, ntp, parse

WINDOW = 6.0  # seconds over which quality is judged
ROUND_TRIPS = 600  # remembered for the summary, one a second at most


MALFORMED = -1
REPORTS_AT = {200: 28, 201: 8}  # packet type (SR, RR) -> where its report blocks begin
FEEDBACK = frozenset({205, 206})
_BLOCK = struct.Struct("!IIIIII")


class Block(NamedTuple):
    """A report block (RFC 3550, section 6.4.1). Read here: a receiver of thirty slots sends thirty at a time."""

    ssrc: int
    packets_lost: int
    highest_sequence: int
    jitter: int
    lsr: int
    dlsr: int


def split(data: bytes) -> Iterator[tuple[int, bytes]]:
    """The packets of a compound with their types; MALFORMED is the last where the framing is broken."""
    position = 0
    while position < len(data):
        if len(data) - position < 8 or data[position] >> 6 != 2:
            yield MALFORMED, b""
            return
        end = position + 4 + 4 * int.from_bytes(data[position + 2 : position + 4], "big")
        if end > len(data):
            yield MALFORMED, b""
            return
        yield data[position + 1], data[position:end]
        position = end


def blocks(packet: bytes, start: int) -> list[Block]:
    """As many report blocks as the packet says and has."""
    end = start + _BLOCK.size * (packet[0] & 0x1F)
    if end > len(packet):
        return []
    return [
        Block(ssrc, ((lost & 0xFFFFFF) ^ 0x800000) - 0x800000, highest, jitter, lsr, dlsr)
        for ssrc, lost, highest, jitter, lsr, dlsr in _BLOCK.iter_unpack(packet[start:end])
    ]


@dataclass(slots=True)
class Reported:
    """What a receiver said about one slot."""

    highest: int = 0
    lost: int = 0
    jitter: float = 0.0  # seconds
    at: float = 0.0
    stale: bool = True  # the next report begins a new interval
    windows: deque[tuple[float, int, int]] = field(default_factory=deque)  # when, expected, lost
    ever_expected: int = 0
    ever_lost: int = 0


class Downstream:
    """The RTCP of one subscribe connection. `send` protects and sends, or loses; `wall` is time.time.

    keyframe: a slot cannot go on without one
    """

    def __init__(
        self,
        leg: Leg,
        forwarder: Forwarder,
        send: Callable[[bytes], None],
        keyframe: Callable[[Slot], None],
        *,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self.downlink = Downlink()
        self.rtt: float | None = None
        self.round_trips: deque[float] = deque(maxlen=ROUND_TRIPS)
        self.reports = 0  # of his that came
        self._leg = leg
        self._forwarder = forwarder
        self._send = send
        self._keyframe = keyframe
        self._clock = clock
        self._wall = wall
        self._resends = Resends()
        self._reported: dict[int, Reported] = {}

    # --- from him -----------------------------------------------------------------------------

    def rtcp(self, data: bytes) -> bool:
        """A compound of his, decrypted; False when malformed."""
        slots = {slot.ssrc: slot for slot in self._leg.slots}
        reports: list[Block] = []
        for kind, packet in split(data):
            if kind in REPORTS_AT:
                reports += blocks(packet, REPORTS_AT[kind])
                self.reports += 1
            elif kind in FEEDBACK:
                for parsed in parse(packet) or ():
                    if isinstance(parsed, RtcpPsfbPacket):
                        self._payload_feedback(parsed, slots)
                    elif isinstance(parsed, RtcpRtpfbPacket):
                        self._losses(parsed, slots)
            elif kind == MALFORMED:
                return False
        if reports:
            self._reports([report for report in reports if report.ssrc in slots])
        return True

    def moved(self) -> None:
        """Packets go to another address from now on: what was lost before says nothing about it."""
        self.rtt = None
        for reported in self._reported.values():
            reported.stale = True
            reported.windows.clear()
        self.downlink.moved(self._clock())

    # --- to him -------------------------------------------------------------------------------

    def report(self, timestamp: Callable[[Slot, float], int | None], slots: list[Slot] | None = None) -> None:
        """Sender reports of the slots that flow (once a second, and after a switch).

        timestamp: RTP time of what a slot carries at a monotonic time, in the publisher's numbers; browsers
        need the pair with one clock, ours, to keep lips and voice together.
        """
        now, wall = self._clock(), ntp(self._wall())
        data, chunks = b"", []
        for slot in self._leg.slots if slots is None else slots:
            incoming = timestamp(slot, now) if slot.source is not None and slot.layer >= 0 else None
            if incoming is None or not slot.packets:
                continue
            info = RtcpSenderInfo(
                ntp_timestamp=wall,
                rtp_timestamp=(incoming + slot.ts_delta) & 0xFFFFFFFF,
                packet_count=slot.packets & 0xFFFFFFFF,
                octet_count=slot.bytes & 0xFFFFFFFF,
            )
            data += bytes(RtcpSrPacket(ssrc=slot.ssrc, sender_info=info))
            chunks.append(RtcpSourceInfo(ssrc=slot.ssrc, items=[CNAME]))
        if data:
            self._send(data + bytes(RtcpSdesPacket(chunks=chunks[:31])))

    # --- what is measured ---------------------------------------------------------------------

    def reported(self, slot: Slot) -> Reported | None:
        return self._reported.get(slot.ssrc)

    def received(self, slot: Slot) -> int | None:
        """Extended highest sequence number he reported for a slot."""
        reported = self._reported.get(slot.ssrc)
        return reported.highest if reported is not None else None

    def quality(self, now: float) -> tuple[float | None, float | None]:
        """(loss, jitter in s) of the last seconds: of the voices where there are any, else of the pictures."""
        recent = {
            slot: self._reported[slot.ssrc]
            for slot in self._leg.slots
            if slot.ssrc in self._reported and now - self._reported[slot.ssrc].at < WINDOW + 2
        }
        voices = [reported for slot, reported in recent.items() if slot.kind == "audio"]
        chosen = voices or list(recent.values())
        windows = [
            window for reported in chosen for window in reported.windows if now - window[0] < WINDOW + 2
        ]
        expected = sum(count for _, count, _ in windows)
        loss = max(0, sum(lost for _, _, lost in windows)) / expected if expected else None
        return loss, max((reported.jitter for reported in chosen), default=None)

    def voice_packets(self) -> tuple[int, int]:
        """(expected, lost) of all his audio slots since they began."""
        slots = [
            slot.ssrc for slot in self._leg.slots if slot.kind == "audio" and slot.ssrc in self._reported
        ]
        audio = [self._reported[ssrc] for ssrc in slots]
        return sum(each.ever_expected for each in audio), max(0, sum(each.ever_lost for each in audio))

    @property
    def refused(self) -> int:
        """Packets he asked for again beyond the share that resending may take."""
        return self._resends.refused

    # --- inside -------------------------------------------------------------------------------

    def _payload_feedback(self, packet: RtcpPsfbPacket, slots: dict[int, Slot]) -> None:
        if packet.fmt == RTCP_PSFB_APP and packet.fci[:4] == b"REMB":
            try:
                bits, _ = unpack_remb_fci(packet.fci)
            except (ValueError, IndexError, struct.error):
                return
            self.downlink.remb(bits, self._clock())
        elif packet.fmt in {RTCP_PSFB_PLI, RTCP_PSFB_FIR}:
            for ssrc in _keyframe_targets(packet):
                slot = slots.get(ssrc)
                if slot is not None and slot.kind == "video":
                    self._keyframe(slot)

    def _losses(self, packet: RtcpRtpfbPacket, slots: dict[int, Slot]) -> None:
        slot = slots.get(packet.media_ssrc)
        if slot is None or packet.fmt != RTCP_RTPFB_NACK or slot.kind != "video":
            return
        self._resends.sent(self._leg.counters.packets_out)
        wanted = self._resends.answer(slot.ssrc, packet.lost, self.rtt, self._clock())
        if wanted:
            self._forwarder.retransmit(slot, wanted)

    def _reports(self, reports: list[Block]) -> None:
        now = self._clock()
        kinds = {slot.ssrc: slot.kind for slot in self._leg.slots}
        expected = lost = 0
        for report in reports:
            count, missing = self._note(report, CLOCK_RATES[kinds[report.ssrc]], now)
            expected, lost = expected + count, lost + missing
        rtt = min((trip for trip in map(self._round_trip, reports) if trip is not None), default=None)
        if rtt is not None:
            self.rtt = rtt if self.rtt is None else self.rtt * 0.7 + rtt * 0.3
            self.round_trips.append(rtt)
        if reports:
            self.downlink.report(max(0, lost) / expected if expected else 0.0, rtt, now)

    def _note(self, report: Block, rate: int, now: float) -> tuple[int, int]:
        """Remember a block; returns (expected, lost) since the one before."""
        reported = self._reported.setdefault(report.ssrc, Reported())
        step = ((report.highest_sequence - reported.highest + 0x80000000) & 0xFFFFFFFF) - 0x80000000
        expected = 0 if reported.stale else max(0, step)
        lost = 0 if reported.stale else report.packets_lost - reported.lost
        reported.highest, reported.lost = report.highest_sequence, report.packets_lost
        reported.jitter, reported.at, reported.stale = report.jitter / rate, now, False
        reported.windows.append((now, expected, lost))
        while now - reported.windows[0][0] > WINDOW:
            reported.windows.popleft()
        reported.ever_expected += expected
        reported.ever_lost += lost
        return expected, lost

    def _round_trip(self, report: Block) -> float | None:
        if not report.lsr:
            return None
        elapsed = ((ntp(self._wall()) >> 16) - report.lsr - report.dlsr) & 0xFFFFFFFF
        return elapsed / 65536 if elapsed < 0x80000000 else 0.0


def _keyframe_targets(packet: RtcpPsfbPacket) -> list[int]:
    """A PLI names its stream in the header, a FIR in its entries (RFC 5104, section 4.3.1)."""
    if packet.fmt == RTCP_PSFB_FIR:
        return [
            int(struct.unpack_from("!L", packet.fci, offset)[0])
            for offset in range(0, len(packet.fci) - 7, 8)
        ]
    return [packet.media_ssrc]
