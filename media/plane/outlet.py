"""One slot of a receiver: joins packets of changing sources to one stream, and sends them."""

import struct
from typing import NamedTuple

from media.plane import red
from media.plane.bucket import Bucket
from media.plane.codecs import NO_IDS, PictureIds, with_picture_ids
from media.plane.rewrite import RTP_HEADER, Headers, difference
from media.plane.ring import Packet, Ring
from media.plane.streams import LayerState, LegState, SourceState
from media.plane.table import CLOCK_RATES, Slot

SEGMENTS = 4  # changes of source or layer a slot remembers, for retransmission
NO_NUMBER = -1
NONE_SENT = -(1 << 62)
OVERHEAD = 12  # bytes of an RTP header without extensions
BUDGET_DEPTH = 0.25  # seconds
BUDGET_LEAST = 6000  # bytes that may always go at once
TS_MASK = 0xFFFFFFFF

_pack = RTP_HEADER.pack
_join = b"".join
_OSN = struct.Struct("!H")


class Segment(NamedTuple):
    """From out number `first_out` on, out = in + seq_delta (extended numbers) and so forth."""

    layer: LayerState
    ring: Ring
    first_in: int
    first_out: int
    seq_delta: int
    ts_delta: int
    picture_delta: int
    tl0_delta: int


class SlotState:
    """The numbers a receiver saw last, and how to go on from them."""

    def __init__(self, slot: Slot, leg: LegState) -> None:
        self.slot = slot
        self.leg = leg
        self.drops = leg.drops
        self.audio = slot.kind == "audio"
        self.clock = CLOCK_RATES[slot.kind]
        self.ssrc = slot.ssrc
        self.source: SourceState | None = None
        self.wanted = 0
        self.waiting = False
        self.layer: LayerState | None = None
        self.media_type = self.rtx_type = -1
        self.red_type = slot.red_payload_type
        self.red_distance = 0
        self.headers = Headers(slot.kind, slot.mid, leg.numbers)
        # the present segment
        self.segments: list[Segment] = []
        self.first_in = 0
        self.seq_delta = self.ts_delta = self.picture_delta = self.tl0_delta = 0
        # what was sent last
        self.highest = NONE_SENT
        self.out_ts = 0
        self.last_sent = 0.0
        self._ids_picture: PictureIds | None = None
        self._ids_tl0: PictureIds | None = None
        self._picture = self._tl0 = NO_NUMBER  # written last, before the present segment
        self._cut_ts = -1
        self._cut_reason = ""
        self._rtx_seq = 0
        self.packets = self.bytes = 0

    # what the relay wishes

    def connect(self, source: SourceState | None, wanted: int) -> None:
        self.disconnect()
        self.source = source
        self.wanted = wanted
        if source is not None:
            source.slots = (*source.slots, self)
            self.waiting = wanted >= 0
            self.codec_changed()

    def disconnect(self) -> None:
        if self.source is not None:
            self.source.leave(self)
            self.source = None
        self.lose_layer()
        self.waiting = False
        self.segments.clear()
        self.ts_delta = 0

    def lose_layer(self) -> None:
        """What flowed ended: what comes next is no continuation of it."""
        self.layer = None
        self.waiting = self.wanted >= 0

    def begin_anew(self) -> None:
        """The leg has other keys: its receiver counts rollovers from 0 again."""
        self.segments.clear()
        self.ts_delta = 0
        if self.highest != NONE_SENT:
            self.highest = ((self.highest + 1) & 0xFFFF) - 1
        if self.highest < 0:
            self.highest = NONE_SENT
        if self.source is not None:
            self.lose_layer()
            self.leg.wait(self)

    def choose(self, wanted: int) -> None:
        self.wanted = wanted
        flows = self.layer is not None and self.layer.index == wanted
        self.waiting = self.source is not None and wanted >= 0 and not flows
        if wanted < 0:
            self.layer = None

    def codec_changed(self) -> None:
        if self.source is not None:
            self.media_type, self.rtx_type = self.slot.payload_types.get(self.source.codec, (-1, -1))

    def numbers_changed(self) -> None:
        self.headers = Headers(self.slot.kind, self.slot.mid, self.leg.numbers)

    def tell(self) -> None:
        """Write the measured fields of the table's row."""
        slot = self.slot
        slot.layer = -1 if self.layer is None else self.layer.index
        slot.waiting = self.waiting
        slot.packets, slot.bytes = self.packets, self.bytes
        slot.ts_delta, slot.last_sent = self.ts_delta, self.last_sent

    # packets

    def begin(self, layer: LayerState, packet: Packet, now: float) -> None:
        """Join the stream of this layer, from this packet on, so that the receiver sees no break."""
        self._settle_ids()
        self.first_in = packet.ext
        if self.highest == NONE_SENT:
            self.seq_delta = self.ts_delta = 0
        else:
            elapsed = max(1, int((now - self.last_sent) * self.clock))
            self.seq_delta = self.highest + 1 - packet.ext
            self.ts_delta = (self.out_ts + elapsed - packet.ts) & TS_MASK
        self._begin_ids(packet.ids)
        self.layer = layer
        self.waiting = False
        self._cut_ts = -1
        self.segments.append(
            Segment(
                layer,
                layer.ring,
                packet.ext,
                packet.ext + self.seq_delta,
                self.seq_delta,
                self.ts_delta,
                self.picture_delta,
                self.tl0_delta,
            )
        )
        del self.segments[:-SEGMENTS]

    def _settle_ids(self) -> None:
        """Picture ids as they were written last."""
        ids = self._ids_picture
        if ids is not None:
            self._picture = ids.picture + self.picture_delta
        ids = self._ids_tl0
        if ids is not None:
            self._tl0 = ids.tl0 + self.tl0_delta
        self._ids_picture = self._ids_tl0 = None

    def _begin_ids(self, ids: PictureIds) -> None:
        self.picture_delta = self.tl0_delta = 0
        if ids.picture_at and self._picture != NO_NUMBER:
            self.picture_delta = (self._picture + 1 - ids.picture) & 0x7FFF
        if ids.tl0_at and self._tl0 != NO_NUMBER:
            self.tl0_delta = (self._tl0 + 1 - ids.tl0) & 0xFF

    def forward(self, packet: Packet, now: float, stamp: bytes) -> None:
        """Send a packet of the present layer; `stamp` is the send time. What cannot go is counted."""
        ext, ts, marker, _level, orientation, payload, _arrival, ids = packet
        if ext < self.first_in or self.media_type < 0:
            self.drops["late" if ext < self.first_in else "payload_type"] += 1
            return
        out = ext + self.seq_delta
        out_ts = (ts + self.ts_delta) & TS_MASK
        if self.audio:
            self._send_audio(packet, out, out_ts, now)
            return
        if self._cut_ts >= 0:
            if self._cut_ts == out_ts:
                self.drops[self._cut_reason] += 1
                return
            self._cut_ts = -1
        if (self.picture_delta or self.tl0_delta) and ids is not NO_IDS:
            payload = _renumbered(payload, ids, self.picture_delta, self.tl0_delta)
        headers = self.headers
        before, after = headers.block(orientation)
        head = _pack(0x90 if before else 0x80, marker | self.media_type, out & 0xFFFF, out_ts, self.ssrc)
        data = _join((head, before, stamp, after, payload) if headers.timed else (head, before, payload))
        budget = self.leg.budget
        if budget is not None and not budget.take(len(data), now):
            self._cut(out_ts, "budget")
            return
        if out > self.highest:
            self.highest = out
            self.out_ts = out_ts
            self.last_sent = now
            if ids.picture_at:
                self._ids_picture = ids
            if ids.tl0_at:
                self._ids_tl0 = ids
        reason = self.leg.transmit(data, False)
        if reason:
            self._cut(out_ts, reason)
            return
        self.packets += 1
        self.bytes += len(payload)

    def _cut(self, out_ts: int, reason: str) -> None:
        """A picture with a hole in it helps nobody: the rest of the frame is dropped as well."""
        self.drops[reason] += 1
        self._cut_ts, self._cut_reason = out_ts, reason

    def _send_audio(self, packet: Packet, out: int, out_ts: int, now: float) -> None:
        block, _ = self.headers.block(packet.level)
        payload, payload_type = packet.payload, self.media_type
        if self.red_distance and self.red_type >= 0 and self.layer is not None:
            ring, overhead = self.layer.ring.packets, OVERHEAD + len(block)
            payload = red.join(packet, ring, self.first_in, self.red_distance, payload_type, overhead)
            payload_type = self.red_type
        if out > self.highest:
            self.highest = out
            self.out_ts = out_ts
            self.last_sent = now
        head = _pack(0x90 if block else 0x80, packet.marker | payload_type, out & 0xFFFF, out_ts, self.ssrc)
        reason = self.leg.transmit(head + block + payload, True)
        if reason:
            self.drops[reason] += 1
            return
        self.packets += 1
        self.bytes += len(payload)

    # again

    def resend(self, lost: int, now: float, stamp: bytes) -> bool:
        """Send a lost number again by RTX (RFC 4588); whether it went."""
        if self.highest == NONE_SENT:
            return False
        out = self.highest + difference(lost, self.highest & 0xFFFF)
        segment = next((segment for segment in reversed(self.segments) if segment.first_out <= out), None)
        if segment is None or out > self.highest or segment.ring is not segment.layer.ring:
            return False
        packet = segment.ring.packets.get(out - segment.seq_delta)
        if packet is None:
            return False
        payload = _OSN.pack(out & 0xFFFF) + self._payload_in(segment, packet)
        before, after = self.headers.block(packet.orientation)
        head = _pack(
            0x90 if before else 0x80,
            packet.marker | self.rtx_type,
            self._rtx_seq,
            (packet.ts + segment.ts_delta) & TS_MASK,
            self.slot.rtx_ssrc,
        )
        data = _join((head, before, stamp, after, payload) if self.headers.timed else (head, before, payload))
        budget = self.leg.budget
        reason = "budget" if budget is not None and not budget.take(len(data), now) else ""
        if not reason:
            self._rtx_seq = (self._rtx_seq + 1) & 0xFFFF
            reason = self.leg.transmit(data, False)
        if reason:
            self.drops[reason] += 1
            return False
        self.leg.resent += 1
        return True

    def _payload_in(self, segment: Segment, packet: Packet) -> bytes:
        if not (segment.picture_delta or segment.tl0_delta) or packet.ids is NO_IDS:
            return packet.payload
        return _renumbered(packet.payload, packet.ids, segment.picture_delta, segment.tl0_delta)


def _renumbered(payload: bytes, ids: PictureIds, picture_delta: int, tl0_delta: int) -> bytes:
    picture = (ids.picture + picture_delta) & (0x7FFF if ids.wide else 0x7F)
    return with_picture_ids(payload, ids, picture, (ids.tl0 + tl0_delta) & 0xFF)


def budget_bucket(present: Bucket | None, bits: int, now: float) -> Bucket | None:
    """The bucket of a leg that may be sent `bits` of video a second; None without limit."""
    if bits < 0:
        return None
    rate = bits / 8
    depth = max(float(BUDGET_LEAST), rate * BUDGET_DEPTH)
    if present is None:
        return Bucket(rate, depth, now)
    present.change(rate, depth)
    return present
