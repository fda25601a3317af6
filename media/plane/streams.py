"""What the Python forwarder remembers of legs, sources and layers between packets."""

from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING

from media.plane.bucket import Bucket
from media.plane.codecs import KEYFRAME_TESTS
from media.plane.losses import Losses
from media.plane.ring import Ring
from media.plane.srtp import Session, scratch
from media.plane.table import (
    CLOCK_RATES,
    REPLAY_WINDOW,
    SILENCE,
    SSRCS,
    VOICE_LEVEL,
    VOICE_QUIET,
    Address,
    Extensions,
    Layer,
    Leg,
    Source,
    SrtpKeys,
)

if TYPE_CHECKING:
    from media.plane.outlet import SlotState

ARRIVALS = 1024  # remembered for transport-wide feedback, of one leg
STREAMS = 64  # SSRCs remembered per leg; more than SOURCES * LAYERS * 2
SILENT_FOR = 1.0  # seconds; then another SSRC may take a layer over
NEVER = float("-inf")
NOT_BEGUN = -(1 << 62)

Sendto = Callable[[bytes | memoryview, Address], object]


class Stream:
    """An SSRC of a leg: the media of a layer, or its retransmissions."""

    __slots__ = ("heard", "layer", "repair")

    layer: "LayerState"
    repair: bool

    def __init__(self) -> None:
        self.heard = NEVER


class LegState:
    """One peer connection: what it may send us, and how to send to it."""

    def __init__(
        self,
        leg: Leg,
        again: "list[tuple[LegState, bytes]]",
        wait: "Callable[[SlotState], None]",
        now: float,
    ) -> None:
        self.leg = leg
        self.wait = wait  # told of a slot that lost its layer
        self.counters = leg.counters
        self.drops = leg.counters.drops
        self.sources: list[SourceState] = []
        self.slots: list[SlotState] = []
        self.admitted: dict[tuple[int, Address], None] = {}
        self.ufrags: list[str] = []
        self.last_heard = now
        # receiving
        self.numbers = leg.extensions
        self.ceiling: Bucket | None = None
        self.inbound: Session | None = None
        self.streams: dict[bytes, Stream] = {}
        self.known: dict[
            bytes, Stream
        ] = {}  # those that are or were a layer's: their replay windows are kept
        self.learned = 0
        self.arrivals: deque[tuple[int, int]] = deque(maxlen=ARRIVALS)
        self.packets_in = self.bytes_in = 0
        # sending
        self.keys: SrtpKeys | None = None
        self.outbound: Session | None = None
        self.port = -1
        self.address: Address = ("", 0)
        self.sendto: Sendto | None = None
        self.ready = False
        self.budget: Bucket | None = None
        self._again = again  # of all legs: audio the kernel did not take
        self.packets_out = self.bytes_out = self.resent = 0

    def set_ceiling(self, bits: int, now: float) -> None:
        if not bits:
            self.ceiling = None
        elif self.ceiling is None:
            self.ceiling = Bucket(bits / 8, bits / 8, now)
        else:
            self.ceiling.change(bits / 8, bits / 8)

    def set_keys(self, keys: SrtpKeys) -> None:
        if keys == self.keys:
            return  # fresh contexts would take old packets again
        inbound, outbound = Session(keys, "receive"), Session(keys, "send")
        self.keys, self.inbound, self.outbound = keys, inbound, outbound
        for slot in self.slots:
            slot.begin_anew()
        self.ready = self.sendto is not None

    def direct(self, port: int, address: Address, sendto: Sendto) -> None:
        self.port, self.address, self.sendto = port, address, sendto
        self.ready = self.outbound is not None

    def transmit(self, packet: bytes, urgent: bool) -> str:  # noqa: FBT001 - called per packet
        """Protect and send; the reason when it was not sent. Urgent ones are kept for `send_again`."""
        assert self.outbound is not None
        assert self.sendto is not None
        size = self.outbound.protect(packet)
        if size < 0:
            return "late"  # an index used before or too old to use
        try:
            self.sendto(scratch[:size], self.address)
        except OSError:
            if not urgent:
                return "blocked"
            self._again.append((self, bytes(scratch[:size])))
            return ""
        self.packets_out += 1
        self.bytes_out += size
        return ""

    def send_again(self, data: bytes) -> None:
        assert self.sendto is not None
        try:
            self.sendto(data, self.address)
        except OSError:
            self.drops["blocked"] += 1
        else:
            self.packets_out += 1
            self.bytes_out += len(data)

    def tell(self) -> None:
        """Write the measured fields of the leg and of what belongs to it."""
        counters = self.counters
        counters.packets_in, counters.bytes_in = self.packets_in, self.bytes_in
        counters.packets_out, counters.bytes_out = self.packets_out, self.bytes_out
        counters.resent = self.resent
        self.leg.last_heard = self.last_heard
        for source in self.sources:
            source.tell()
        for slot in self.slots:
            slot.tell()

    def bind(self, ssrc: int, layer: "LayerState", *, repair: bool) -> bool:
        """Give an SSRC to a layer in place of its old one; False when a stream of the leg has it."""
        key = ssrc.to_bytes(4, "big")
        if key in self.streams:
            return False
        self.forget(layer.rtx_ssrc if repair else layer.ssrc)
        stream = self.known.get(key)
        if stream is None:
            self._make_room()
            stream = self.known[key] = Stream()
        stream.layer, stream.repair = layer, repair
        self.streams[key] = stream
        if repair:
            layer.rtx_ssrc = ssrc
        else:
            layer.ssrc = ssrc
        return True

    def _make_room(self) -> None:
        """What a leg has in use at once is less than STREAMS; the oldest of the others gives way."""
        if len(self.known) < STREAMS:
            return
        oldest = next(key for key in self.known if key not in self.streams)
        del self.known[oldest]
        if self.inbound is not None:
            self.inbound.forget(int.from_bytes(oldest, "big"))

    def forget(self, ssrc: int) -> None:
        if ssrc:
            self.streams.pop(ssrc.to_bytes(4, "big"), None)

    def learn(self, ssrc: int, found: dict[int, bytes], payload_type: int, now: float) -> Stream | None:
        """The stream that MID and RID say an unknown SSRC is."""
        source = self._source_of(found.get(self.numbers.mid) if self.numbers.mid else None)
        if source is None:
            return None
        layer, repair = source.layer_of(found, self.numbers, payload_type)
        if layer is None or self.learned >= SSRCS:
            return None
        old = layer.rtx_ssrc if repair else layer.ssrc
        if old:
            stream = self.streams.get(old.to_bytes(4, "big"))
            if stream is not None and now - stream.heard < SILENT_FOR:
                return None
        self.bind(ssrc, layer, repair=repair)
        self.learned += 1
        if old and not repair:
            layer.restart()
        layer.tell_ssrcs()
        return self.streams[ssrc.to_bytes(4, "big")]

    def _source_of(self, mid: bytes | None) -> "SourceState | None":
        if mid is None:
            return None
        return next((source for source in self.sources if source.mid == mid), None)


class SourceState:
    """One stream of a publisher, and the slots it flows to."""

    def __init__(self, source: Source, leg: LegState) -> None:
        self.source = source
        self.leg = leg
        self.kind = source.kind
        self.audio = source.kind == "audio"
        self.clock = CLOCK_RATES[source.kind]
        self.slots: tuple[SlotState, ...] = ()
        self.loudest = SILENCE
        self.loud_at = NEVER
        self.layers = [LayerState(layer, index, self) for index, layer in enumerate(source.layers)]
        self._copy()

    def _copy(self) -> None:
        source = self.source
        self.open = source.open
        self.tap = source.tap
        self.codec = source.codec
        self.vp8 = source.codec == "vp8"
        self.starts_keyframe = KEYFRAME_TESTS[source.codec]
        self.mid = source.mid.encode()
        self.media_type = source.payload_type
        self.rtx_type = source.rtx_payload_type
        self.red_type = source.red_payload_type if self.audio else -1
        for state, layer in zip(self.layers, source.layers, strict=False):
            state.rid = layer.rid.encode()
            state.announce(layer.ssrc, layer.rtx_ssrc)

    def update(self) -> None:
        """The table's row changed. A source that was closed starts anew: what was said before stays unsaid."""
        was_open = self.open
        new = self.source.layers[len(self.layers) :]
        self.layers += [LayerState(layer, len(self.layers) + at, self) for at, layer in enumerate(new)]
        self._copy()
        if was_open and not self.open:
            for layer in self.layers:
                layer.restart()
        for slot in self.slots:
            slot.codec_changed()

    def tell(self) -> None:
        self.source.loudest = self.loudest
        self.loudest = SILENCE
        for layer in self.layers:
            layer.tell()

    def leave(self, slot: "SlotState") -> None:
        """The last slot takes the place of the one that leaves."""
        slots = list(self.slots)
        slots[slots.index(slot)] = slots[-1]
        self.slots = tuple(slots[:-1])

    def layer_of(
        self, found: dict[int, bytes], numbers: Extensions, payload_type: int
    ) -> tuple["LayerState | None", bool]:
        """(layer, whether it is its RTX stream) that an unknown SSRC with these extensions belongs to."""
        if len(self.layers) == 1:
            return self.layers[0], payload_type == self.rtx_type
        rid = found.get(numbers.rid) if numbers.rid else None
        repair = rid is None
        if repair:
            rid = found.get(numbers.repaired_rid) if numbers.repaired_rid else None
        return next((layer for layer in self.layers if layer.rid == rid), None), repair

    def hear(self, level: int, now: float) -> bool:
        """Note a level byte; whether somebody begins to speak."""
        volume = level & 0x7F
        self.loudest = min(self.loudest, volume)
        if volume > VOICE_LEVEL:
            return False
        begins = now - self.loud_at >= VOICE_QUIET
        self.loud_at = now
        return begins


class LayerState:
    """One encoding: its SSRCs, reception statistics, ring and losses.

    Numbers are extended sequence numbers: `top` is the highest that came in any way, `highest` the highest that
    came by itself. A number is taken once: forwarded twice it would use an SRTP nonce twice on every receiver.
    """

    def __init__(self, layer: Layer, index: int, source: SourceState) -> None:
        self.layer = layer
        self.index = index
        self.source = source
        self.rid = b""
        self.ssrc = self.rtx_ssrc = 0
        self._announced = self._announced_rtx = 0
        self.flowing = False
        self.last_packet = 0.0
        self.keyframes = 0
        self._reset()

    def _reset(self) -> None:
        self.ring = Ring(self.source.kind)
        self.losses = Losses()
        self.top = NOT_BEGUN
        self._floor = 0
        self._taken = [NOT_BEGUN] * REPLAY_WINDOW
        self.packets = self.bytes = self.repeated = 0
        self.first = -1
        self.highest = 0
        self.jitter = 0.0
        self._at = 0.0
        self._ts = 0
        self.keyframe_ts = -1

    def restart(self) -> None:
        """Another encoder, or the same after a pause: nothing of before is compared with what comes."""
        self._reset()
        for slot in self.source.slots:
            if slot.layer is self:
                slot.lose_layer()
                self.source.leg.wait(slot)

    def announce(self, ssrc: int, rtx_ssrc: int) -> None:
        """What the table says; 0, or what it said before, leaves what was learned since."""
        if ssrc not in {0, self._announced}:
            self._announced = ssrc
            had = self.ssrc
            if self.source.leg.bind(ssrc, self, repair=False) and had:
                self.restart()
        if rtx_ssrc not in {0, self._announced_rtx}:
            self._announced_rtx = rtx_ssrc
            self.source.leg.bind(rtx_ssrc, self, repair=True)
        self.tell_ssrcs()

    def tell_ssrcs(self) -> None:
        self.layer.ssrc, self.layer.rtx_ssrc = self.ssrc, self.rtx_ssrc

    def tell(self) -> None:
        layer = self.layer
        self.tell_ssrcs()
        layer.flowing, layer.last_packet = self.flowing, self.last_packet
        layer.packets, layer.bytes, layer.repeated = self.packets, self.bytes, self.repeated
        layer.first_seq, layer.highest = self.first, self.highest
        layer.jitter, layer.keyframes = self.jitter, self.keyframes

    def extend(self, seq: int) -> int:
        top = self.top
        return seq if top == NOT_BEGUN else top + ((seq - top + 0x8000) & 0xFFFF) - 0x8000

    def measure(self, ext: int, ts: int, size: int, now: float) -> None:
        """Count a packet that came by itself (RFC 3550, appendices A.1 without probation and A.8)."""
        self.packets += 1
        self.bytes += size
        self.last_packet = now
        at = now * self.source.clock
        if self.first < 0:
            self.first = self.highest = ext
        else:
            self.highest = max(self.highest, ext)
            apart = (at - self._at) - (((ts - self._ts + 0x80000000) & 0xFFFFFFFF) - 0x80000000)
            self.jitter += (abs(apart) - self.jitter) / 16
        self._at, self._ts = at, ts

    def take(self, ext: int) -> bool:
        """Whether this number is taken now, for the first and only time."""
        top = self.top
        if ext > top:
            if top == NOT_BEGUN:
                self._floor = ext
            self.top = ext
        elif self._taken[ext % REPLAY_WINDOW] == ext:
            return False
        self._taken[ext % REPLAY_WINDOW] = ext
        return True

    def is_too_old(self, ext: int) -> bool:
        return ext <= self.top - REPLAY_WINDOW or ext < self._floor
