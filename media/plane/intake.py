"""From a datagram to packets of a layer and on to its slots: everything that is checked, and in which order."""

from collections import Counter

from media.plane import red, stun
from media.plane.bucket import Bucket
from media.plane.codecs import NO_IDS, picture_ids
from media.plane.outlet import SlotState
from media.plane.rewrite import NO_VALUE, ONE_BYTE_PROFILE, RTP_HEADER, elements, send_time
from media.plane.ring import Packet
from media.plane.srtp import scratch, why_refused
from media.plane.streams import NOT_BEGUN, LayerState, LegState, Stream
from media.plane.table import MAX_DATAGRAM, STRAYS_A_SECOND, Address, Layer, Leg, Listener, Slot, Source

NO_STAMP = b""


class Nobody:
    """The listener before `start` and after `close`."""

    def stun(self, leg: Leg, port: int, address: Address, data: bytes) -> None: ...
    def dtls(self, leg: Leg, address: Address, data: bytes) -> None: ...
    def rtcp(self, leg: Leg, data: bytes) -> None: ...
    def stray(self, port: int, address: Address, data: bytes) -> None: ...
    def flowing(self, layer: Layer) -> None: ...
    def gap(self, layer: Layer) -> None: ...
    def voice(self, source: Source) -> None: ...
    def keyframe_wanted(self, layer: Layer) -> None: ...
    def switched(self, slot: Slot) -> None: ...
    def tapped(self, source: Source, layer: int, packet: bytes) -> None: ...


class Intake:
    """Treats one datagram after the other. The forwarder keeps its tables up to date."""

    def __init__(self, strangers: Counter[str]) -> None:
        self.strangers = strangers
        self.told: Listener = Nobody()
        self.addresses: dict[tuple[int, Address], LegState] = {}
        self.credentials: dict[str, tuple[LegState, str]] = {}
        self.strays = Bucket(STRAYS_A_SECOND, STRAYS_A_SECOND, 0.0)
        self.again: list[tuple[LegState, bytes]] = []  # audio the kernel did not take

    def feed(self, port: int, address: Address, data: bytes, now: float) -> None:
        """Treat one datagram."""
        leg = self.addresses.get((port, address))
        size = len(data)
        if size < 2 or size > MAX_DATAGRAM:
            drops = self.strangers if leg is None else leg.drops
            drops["unknown_kind" if size < 2 else "too_long"] += 1
            return
        first = data[0]
        if first < 4:
            self._stun(port, address, data, now)
        elif first & 0xC0 != 0x80 and not 20 <= first <= 63:
            (self.strangers if leg is None else leg.drops)["unknown_kind"] += 1
        elif leg is None:
            self.strangers["stranger"] += 1
            if first >= 128 and 192 <= data[1] <= 223 and self.strays.take(1, now):
                self.told.stray(port, address, data)
        else:
            leg.last_heard = now
            leg.packets_in += 1
            leg.bytes_in += size
            if first <= 63:
                self.told.dtls(leg.leg, address, data)
            elif 192 <= data[1] <= 223:
                self.told.rtcp(leg.leg, data)
            else:
                self._rtp(leg, data, now)

    def _stun(self, port: int, address: Address, data: bytes, now: float) -> None:
        request = stun.parse_request(data)
        leg, password = self.credentials.get(request.ours, (None, "")) if request else (None, "")
        if request is None or leg is None or not stun.is_authentic(data, request, password):
            self.strangers["bad_stun"] += 1
            return
        leg.last_heard = now
        leg.packets_in += 1
        leg.bytes_in += len(data)
        self.told.stun(leg.leg, port, address, data)

    def _rtp(self, leg: LegState, data: bytes, now: float) -> None:
        drops = leg.drops
        if leg.ceiling is not None and not leg.ceiling.take(len(data), now):
            drops["flood"] += 1
            return
        session = leg.inbound
        if session is None:
            drops["no_keys"] += 1
            return
        end = session.unprotect(data)
        if end < 0:
            drops[why_refused(data, session, end)] += 1
            return
        flags, kind, seq, ts, ssrc = RTP_HEADER.unpack_from(data)
        start = block = 12 + 4 * (flags & 0x0F)
        if flags & 0x10:
            start += 4 + 4 * (data[start + 2] << 8 | data[start + 3])
            one_byte = data[block] << 8 | data[block + 1] == ONE_BYTE_PROFILE
            block = block + 4 if one_byte else start
        if flags & 0x20:
            padding = scratch[end - 1] if end > start else 0
            if not 1 <= padding <= end - start:
                end = -1
            end -= padding
        stream = leg.streams.get(data[8:12])
        found = elements(data, block, start)
        if end < start or found is None:
            drops["malformed"] += 1
        else:
            payload = bytes(scratch[start:end])  # before anything else uses the scratch area
            if stream is None:
                stream = leg.learn(ssrc, found, kind & 0x7F, now)
            self._known(leg, stream, kind, seq, ts, payload, found, now)
        if stream is None and data[8:12] not in leg.known:
            session.forget(ssrc)

    def _known(
        self,
        leg: LegState,
        stream: Stream | None,
        kind: int,
        seq: int,
        ts: int,
        payload: bytes,
        found: dict[int, bytes],
        now: float,
    ) -> None:
        """An authenticated, well-formed packet; `found` are its header extensions."""
        level = orientation = NO_VALUE
        if found:
            numbers = leg.numbers
            value = found.get(numbers.transport_seq)
            if value is not None and len(value) > 1:
                leg.arrivals.append((value[0] << 8 | value[1], int(now * 1e6)))
            value = found.get(numbers.level)
            if value is not None:
                level = value[0]
            value = found.get(numbers.orientation)
            if value is not None:
                orientation = value[0]
        if stream is None:
            leg.drops["unknown_ssrc"] += 1
            return
        stream.heard = now
        layer = stream.layer
        source = layer.source
        payload_type, marker = kind & 0x7F, kind & 0x80
        if not source.open:
            leg.drops["not_permitted"] += 1
        elif stream.repair:
            if payload_type == source.rtx_type:
                self._repaired(layer, marker, ts, level, orientation, payload, now)
            else:
                leg.drops["payload_type"] += 1
        elif payload_type == source.media_type:
            self._arrived(layer, layer.extend(seq), ts, marker, level, orientation, payload, now)
        elif payload_type == source.red_type:
            self._redundant(layer, seq, ts, marker, level, payload, now)
        else:
            leg.drops["payload_type"] += 1
        if self.again:
            self.send_again()

    def _repaired(
        self,
        layer: LayerState,
        marker: int,
        ts: int,
        level: int,
        orientation: int,
        payload: bytes,
        now: float,
    ) -> None:
        """RFC 4588: the original sequence number, then the original payload."""
        if len(payload) < 3:
            layer.source.leg.drops["padding"] += 1
            return
        if layer.top == NOT_BEGUN:
            return  # what a layer begins with is no repetition
        ext = layer.extend(payload[0] << 8 | payload[1])
        self._recovered(layer, ext, ts, marker, level, orientation, payload[2:], now)

    def _redundant(
        self, layer: LayerState, seq: int, ts: int, marker: int, level: int, payload: bytes, now: float
    ) -> None:
        source = layer.source
        split = red.split(payload)
        if split is None or split.payload_type != source.media_type:
            source.leg.drops["malformed" if split is None else "payload_type"] += 1
            return
        ext = layer.extend(seq)
        if layer.top != NOT_BEGUN:
            for block in split.blocks:
                block_ts = (ts - block.offset) & 0xFFFFFFFF
                self._recovered(layer, ext - block.back, block_ts, 0, NO_VALUE, NO_VALUE, block.payload, now)
        self._arrived(layer, ext, ts, marker, level, NO_VALUE, split.primary, now)

    def _recovered(
        self,
        layer: LayerState,
        ext: int,
        ts: int,
        marker: int,
        level: int,
        orientation: int,
        payload: bytes,
        now: float,
    ) -> None:
        """A packet that came by RTX or RED."""
        before = layer.top
        if not layer.is_too_old(ext) and layer.take(ext):
            layer.repeated += 1
            self._keep(layer, before, Packet(ext, ts, marker, level, orientation, payload, now, NO_IDS))

    def _arrived(
        self,
        layer: LayerState,
        ext: int,
        ts: int,
        marker: int,
        level: int,
        orientation: int,
        payload: bytes,
        now: float,
    ) -> None:
        """A packet that came by itself."""
        layer.measure(ext, ts, len(payload), now)
        source = layer.source
        if level >= 0 and source.audio and source.hear(level, now):
            self.told.voice(source.source)
        if not layer.flowing:
            layer.flowing = True
            layer.tell_ssrcs()
            self.told.flowing(layer.layer)
        before = layer.top
        if layer.is_too_old(ext):
            source.leg.drops["late"] += 1
        elif layer.take(ext):
            self._keep(layer, before, Packet(ext, ts, marker, level, orientation, payload, now, NO_IDS))

    def _keep(self, layer: LayerState, before: int, packet: Packet) -> None:
        """A new packet, however it came; `before` was the highest number."""
        source = layer.source
        ext, payload = packet.ext, packet.payload
        if not source.audio:
            self._note_gap(layer, before, ext, packet.arrival)
        if not payload:
            source.leg.drops["padding"] += 1
            return
        if source.vp8:
            packet = packet._replace(ids=picture_ids(payload))
        starts = source.audio or source.starts_keyframe(payload)
        if starts and not source.audio and layer.keyframe_ts != packet.ts:
            layer.keyframe_ts = packet.ts
            layer.keyframes += 1
        layer.ring.add(packet)
        if source.tap:
            kind = packet.marker | source.media_type
            head = RTP_HEADER.pack(0x80, kind, ext & 0xFFFF, packet.ts, layer.ssrc)
            self.told.tapped(source.source, layer.index, head + payload)
        self._fan_out(layer, packet, starts)

    def _note_gap(self, layer: LayerState, before: int, ext: int, now: float) -> None:
        if ext < before:
            layer.losses.found(ext)
        elif ext > before + 1 and before != NOT_BEGUN:
            if layer.losses.add(before + 1, ext, now):
                self.told.gap(layer.layer)
            else:
                self.told.keyframe_wanted(layer.layer)

    def _fan_out(self, layer: LayerState, packet: Packet, starts: bool) -> None:  # noqa: FBT001 - called per packet
        source, now = layer.source, packet.arrival
        stamp = NO_STAMP if source.audio else send_time(now)
        for slot in source.slots:
            if not slot.leg.ready:
                continue
            if starts and slot.waiting and slot.wanted == layer.index and slot.source is source:
                self.switch(slot, layer, packet, now)
            if slot.layer is layer:
                slot.forward(packet, now, stamp)

    def switch(self, slot: SlotState, layer: LayerState, packet: Packet, now: float) -> None:
        slot.begin(layer, packet, now)
        slot.slot.layer, slot.slot.waiting = layer.index, False
        slot.slot.ts_delta = slot.ts_delta
        self.told.switched(slot.slot)

    def send_again(self) -> None:
        for leg, data in self.again:
            leg.send_again(data)
        self.again.clear()
