"""The forwarder in pure Python: the fallback where no compiler is, and the oracle of the compiled one.

One call per datagram, on the event loop's thread: no task, no queue, no lock. It reads a few datagrams per wake-up
and gives the loop its turn.
"""

import asyncio
import logging
import socket
import time
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Literal

from media.plane import red, stun
from media.plane.codecs import NO_IDS, picture_ids
from media.plane.outlet import SlotState, budget_bucket
from media.plane.rewrite import NO_VALUE, ONE_BYTE_PROFILE, RTP_HEADER, elements, send_time
from media.plane.ring import Packet
from media.plane.srtp import scratch, why_refused
from media.plane.streams import NOT_BEGUN, LayerState, LegState, Sendto, SourceState, Stream
from media.plane.table import (
    ADDRESSES,
    AUDIO_LEAD,
    GENERATIONS,
    MAX_DATAGRAM,
    Address,
    Layer,
    Leg,
    Listener,
    Slot,
    Source,
    SrtpKeys,
)

DATAGRAMS_PER_TURN = 32
NO_STAMP = b""

logger = logging.getLogger(__name__)


class PythonForwarder:
    """`table.Forwarder`. `clock` and `outgoing` are for tests: time, and where packets go instead of the kernel."""

    name: Literal["compiled", "python"] = "python"

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.clock = clock
        self.outgoing: Callable[[int, Address, bytes], None] | None = None
        self.strangers: Counter[str] = Counter()
        self._listener: Listener | None = None
        self._sockets: list[socket.socket] = []
        self._loop: asyncio.AbstractEventLoop | None = None
        self._legs: dict[Leg, LegState] = {}
        self._sources: dict[Source, SourceState] = {}
        self._layers: dict[Layer, LayerState] = {}
        self._slots: dict[Slot, SlotState] = {}
        self._addresses: dict[tuple[int, Address], LegState] = {}
        self._credentials: dict[str, tuple[LegState, str]] = {}
        self._again: list[tuple[LegState, bytes]] = []

    # sockets

    def start(self, sockets: Sequence[socket.socket], listener: Listener) -> None:
        self._listener = listener
        self._sockets = list(sockets)
        if not self._sockets:
            return
        self._loop = asyncio.get_running_loop()
        for port, sock in enumerate(self._sockets):
            sock.setblocking(False)
            self._loop.add_reader(sock.fileno(), self._read, port, sock)

    def close(self) -> None:
        for sock in self._sockets:
            if self._loop is not None and not self._loop.is_closed():
                self._loop.remove_reader(sock.fileno())
            sock.close()
        self._sockets = []
        self._listener = None

    def send(self, port: int, data: bytes, address: Address) -> None:
        try:
            self._sender(port)(data, address)
        except OSError as error:
            logger.debug("not sent: %s", error)

    def _sender(self, port: int) -> Sendto:
        outgoing = self.outgoing
        if outgoing is not None:
            return lambda data, address: outgoing(port, address, bytes(data))
        if port < len(self._sockets):
            return self._sockets[port].sendto
        return _lost

    def _read(self, port: int, sock: socket.socket) -> None:
        receive, feed, clock = sock.recvfrom, self.feed, self.clock
        for _ in range(DATAGRAMS_PER_TURN):
            try:
                data, address = receive(MAX_DATAGRAM + 1)
            except BlockingIOError:
                return
            except OSError as error:  # an ICMP error of an earlier send; the socket goes on
                logger.debug("not received: %s", error)
                continue
            if self._listener is None:
                return
            feed(port, address if len(address) == 2 else address[:2], data, clock())

    # datagrams

    def feed(self, port: int, address: Address, data: bytes, now: float) -> None:
        """Treat one datagram."""
        leg = self._addresses.get((port, address))
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
        else:
            leg.last_heard = now
            leg.packets_in += 1
            leg.bytes_in += size
            if first <= 63:
                self._told.dtls(leg.leg, address, data)
            elif 192 <= data[1] <= 223:
                self._told.rtcp(leg.leg, data)
            else:
                self._rtp(leg, data, now)

    @property
    def _told(self) -> Listener:
        assert self._listener is not None, "start() comes before the first datagram"
        return self._listener

    def _stun(self, port: int, address: Address, data: bytes, now: float) -> None:
        request = stun.parse_request(data)
        leg, password = self._credentials.get(request.ours, (None, "")) if request else (None, "")
        if request is None or leg is None or not stun.is_authentic(data, request, password):
            self.strangers["bad_stun"] += 1
            return
        leg.last_heard = now
        leg.packets_in += 1
        leg.bytes_in += len(data)
        self._told.stun(leg.leg, port, address, data)

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
        if self._again:
            self._send_again()

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
            self._told.voice(source.source)
        if not layer.flowing:
            layer.flowing = True
            layer.tell_ssrcs()
            self._told.flowing(layer.layer)
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
            self._told.tapped(source.source, layer.index, head + payload)
        self._fan_out(layer, packet, starts)

    def _note_gap(self, layer: LayerState, before: int, ext: int, now: float) -> None:
        if ext < before:
            layer.losses.found(ext)
        elif ext > before + 1 and before != NOT_BEGUN:
            if layer.losses.add(before + 1, ext, now):
                self._told.gap(layer.layer)
            else:
                self._told.keyframe_wanted(layer.layer)

    def _fan_out(self, layer: LayerState, packet: Packet, starts: bool) -> None:  # noqa: FBT001 - called per packet
        source, now = layer.source, packet.arrival
        stamp = NO_STAMP if source.audio else send_time(now)
        for slot in source.slots:
            if not slot.leg.ready:
                continue
            if starts and slot.waiting and slot.wanted == layer.index and slot.source is source:
                self._switch(slot, layer, packet, now)
            if slot.layer is layer:
                slot.forward(packet, now, stamp)

    def _switch(self, slot: SlotState, layer: LayerState, packet: Packet, now: float) -> None:
        slot.begin(layer, packet, now)
        slot.slot.layer, slot.slot.waiting = layer.index, False
        slot.slot.ts_delta = slot.ts_delta
        self._told.switched(slot.slot)

    def _send_again(self) -> None:
        for leg, data in self._again:
            leg.send_again(data)
        self._again.clear()

    # legs

    def add_leg(self, leg: Leg) -> None:
        state = self._legs[leg] = LegState(leg, self._again, self._want_keyframe)
        state.set_ceiling(leg.ceiling, self.clock())

    def remove_leg(self, leg: Leg) -> None:
        state = self._legs.pop(leg, None)
        if state is None:
            return
        for source in tuple(state.sources):
            self.remove_source(source.source)
        for slot in state.slots:
            slot.disconnect()
            del self._slots[slot.slot]
        for address in state.admitted:
            del self._addresses[address]
        for ufrag in state.ufrags:
            self._forget_ufrag(state, ufrag)

    def credentials(self, leg: Leg, ufrag: str, password: str) -> None:
        state = self._legs[leg]
        if ufrag in state.ufrags:
            state.ufrags.remove(ufrag)
        state.ufrags.append(ufrag)
        self._credentials[ufrag] = (state, password)
        while len(state.ufrags) > GENERATIONS:
            self._forget_ufrag(state, state.ufrags.pop(0))

    def _forget_ufrag(self, leg: LegState, ufrag: str) -> None:
        owner, _ = self._credentials.get(ufrag, (None, ""))
        if owner is leg:
            del self._credentials[ufrag]

    def admit(self, leg: Leg, port: int, address: Address) -> None:
        state, pair = self._legs[leg], (port, address)
        before = self._addresses.get(pair)
        if before is not None:
            del before.admitted[pair]
        state.admitted[pair] = None
        self._addresses[pair] = state
        if len(state.admitted) > ADDRESSES:
            oldest = next(iter(state.admitted))
            del state.admitted[oldest]
            del self._addresses[oldest]

    def direct(self, leg: Leg, port: int, address: Address) -> None:
        self._legs[leg].direct(port, address, self._sender(port))

    def key(self, leg: Leg, keys: SrtpKeys) -> None:
        self._legs[leg].set_keys(keys)

    def update_leg(self, leg: Leg) -> None:
        state = self._legs[leg]
        state.set_ceiling(leg.ceiling, self.clock())
        state.numbers = leg.extensions
        for slot in state.slots:
            slot.numbers_changed()

    def budget(self, leg: Leg, video_bits: int) -> None:
        state = self._legs[leg]
        state.budget = budget_bucket(state.budget, video_bits, self.clock())

    # sources

    def add_source(self, source: Source) -> None:
        leg = self._legs[source.leg]
        state = SourceState(source, leg)
        leg.sources.append(state)
        if source not in source.leg.sources:
            source.leg.sources.append(source)
        self._sources[source] = state
        self._layers.update((layer.layer, layer) for layer in state.layers)

    def update_source(self, source: Source) -> None:
        state = self._sources[source]
        opens = source.open and not state.open
        state.update()
        for slot in state.slots if opens else ():
            self._want_keyframe(slot)

    def remove_source(self, source: Source) -> None:
        state = self._sources.pop(source, None)
        if state is None:
            return
        state.leg.sources.remove(state)
        if source in source.leg.sources:
            source.leg.sources.remove(source)
        for layer in state.layers:
            del self._layers[layer.layer]
            state.leg.forget(layer.ssrc)
            state.leg.forget(layer.rtx_ssrc)
        for slot in state.slots:
            slot.disconnect()
            slot.slot.source = None
            slot.tell()

    def rest(self, layer: Layer) -> None:
        self._layers[layer].flowing = layer.flowing = False

    # slots

    def add_slot(self, slot: Slot) -> None:
        leg = self._legs[slot.leg]
        state = self._slots[slot] = SlotState(slot, leg)
        leg.slots.append(state)
        if slot not in slot.leg.slots:
            slot.leg.slots.append(slot)

    def connect(self, slot: Slot, source: Source | None, layer: int) -> None:
        state = self._slots[slot]
        origin = None if source is None else self._sources[source]
        if origin is not None and (origin.audio != state.audio or layer >= len(origin.layers)):
            raise ValueError("another kind of slot, or no such layer")
        if origin is not None and origin is state.source:
            self.choose(slot, layer)
            return
        slot.source, slot.wanted = source, layer
        state.connect(origin, layer)
        self._want_keyframe(state)
        if state.waiting and state.audio and state.leg.ready:
            self._lead(state)
        state.tell()

    def _want_keyframe(self, slot: SlotState) -> None:
        if slot.waiting and not slot.audio and slot.source is not None and slot.source.open:
            self._told.keyframe_wanted(slot.source.layers[slot.wanted].layer)

    def _lead(self, slot: SlotState) -> None:
        """Give a voice its first syllable: what its source said just before."""
        source = slot.source
        if source is None:
            return
        now = self.clock()
        layer = source.layers[slot.wanted]
        said = layer.ring.latest(now, AUDIO_LEAD)
        if said:
            self._switch(slot, layer, said[0], now)
        for packet in said:
            slot.forward(packet, now, NO_STAMP)
        self._send_again()

    def choose(self, slot: Slot, layer: int) -> None:
        state = self._slots[slot]
        if state.source is not None and layer >= len(state.source.layers):
            raise ValueError("no such layer")
        slot.wanted = layer
        state.choose(layer)
        self._want_keyframe(state)
        state.tell()

    def redundancy(self, slot: Slot, distance: int) -> None:
        self._slots[slot].set_distance(distance)
        slot.red_distance = self._slots[slot].red_distance

    def retransmit(self, slot: Slot, lost: Sequence[int]) -> int:
        state = self._slots[slot]
        if state.audio or state.rtx_type < 0 or not slot.rtx_ssrc or not state.leg.ready:
            return 0
        now = self.clock()
        stamp = send_time(now)
        return sum(state.resend(number, now, stamp) for number in lost)

    # asking

    def missing(self, layer: Layer) -> list[int]:
        state = self._layers.get(layer)
        if state is None:
            return []
        wanted, given_up = state.losses.ask(self.clock())
        if given_up:
            self._told.keyframe_wanted(layer)
        return wanted

    def take_arrivals(self, leg: Leg) -> list[tuple[int, int]]:
        state = self._legs.get(leg)
        if state is None:
            return []
        taken = list(state.arrivals)
        state.arrivals.clear()
        return taken

    def refresh(self, legs: Sequence[Leg]) -> None:
        for leg in legs:
            state = self._legs.get(leg)
            if state is not None:
                state.tell()


def _lost(data: bytes | memoryview, address: Address) -> None:
    """In place of a port that is not there."""
