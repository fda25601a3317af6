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

from media.plane.intake import NO_STAMP, Intake, Nobody
from media.plane.outlet import SlotState, budget_bucket
from media.plane.rewrite import MAX_ELEMENT, send_time
from media.plane.streams import LayerState, LegState, Sendto, SourceState
from media.plane.table import (
    ADDRESSES,
    AUDIO_LEAD,
    GENERATIONS,
    LAYERS,
    MAX_DATAGRAM,
    RED_DISTANCE,
    SLOTS,
    SOURCES,
    Address,
    Layer,
    Leg,
    Listener,
    Slot,
    Source,
    SrtpKeys,
)

DATAGRAMS_PER_TURN = 32

logger = logging.getLogger(__name__)


class PythonForwarder:
    """`table.Forwarder`. `clock` and `outgoing` are for tests: time, and where packets go instead of the kernel."""

    name: Literal["compiled", "python"] = "python"

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.clock = clock
        self.outgoing: Callable[[int, Address, bytes], None] | None = None
        self.strangers: Counter[str] = Counter()
        self._intake = Intake(self.strangers)
        self.feed = self._intake.feed
        self._sockets: list[socket.socket] = []
        self._loop: asyncio.AbstractEventLoop | None = None
        self._legs: dict[Leg, LegState] = {}
        self._sources: dict[Source, SourceState] = {}
        self._layers: dict[Layer, LayerState] = {}
        self._slots: dict[Slot, SlotState] = {}

    # sockets

    def start(self, sockets: Sequence[socket.socket], listener: Listener) -> None:
        self._intake.told = listener
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
        self._intake.told = Nobody()

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
            except OSError as error:  # closed by what the datagram before told
                logger.debug("not received: %s", error)
                return
            feed(port, address if len(address) == 2 else address[:2], data, clock())

    # legs

    def add_leg(self, leg: Leg) -> None:
        now = self.clock()
        state = self._legs[leg] = LegState(leg, self._intake.again, self._want_keyframe, now)
        state.set_ceiling(leg.ceiling, now)
        for source in leg.sources:
            self.add_source(source)
        for slot in leg.slots:
            self.add_slot(slot)

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
            del self._intake.addresses[address]
        for ufrag in state.ufrags:
            self._forget_ufrag(state, ufrag)

    def credentials(self, leg: Leg, ufrag: str, password: str) -> None:
        state = self._legs[leg]
        if ufrag in self._intake.credentials:
            raise ValueError("a user fragment names one leg, once")
        state.ufrags.append(ufrag)
        self._intake.credentials[ufrag] = (state, password)
        while len(state.ufrags) > GENERATIONS:
            self._forget_ufrag(state, state.ufrags.pop(0))

    def _forget_ufrag(self, leg: LegState, ufrag: str) -> None:
        owner, _ = self._intake.credentials.get(ufrag, (None, ""))
        if owner is leg:
            del self._intake.credentials[ufrag]

    def admit(self, leg: Leg, port: int, address: Address) -> None:
        state, pair = self._legs[leg], (port, address)
        before = self._intake.addresses.get(pair)
        if before is not None:
            del before.admitted[pair]
        state.admitted[pair] = None
        self._intake.addresses[pair] = state
        if len(state.admitted) > ADDRESSES:
            oldest = next(iter(state.admitted))
            del state.admitted[oldest]
            del self._intake.addresses[oldest]

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
        _check_source(source)
        if len(leg.sources) >= SOURCES:
            raise ValueError("too many sources")
        state = SourceState(source, leg)
        leg.sources.append(state)
        if source not in source.leg.sources:
            source.leg.sources.append(source)
        self._sources[source] = state
        self._layers.update((layer.layer, layer) for layer in state.layers)

    def update_source(self, source: Source) -> None:
        state = self._sources[source]
        _check_source(source)
        if source.kind != state.kind:
            raise ValueError("a source keeps its kind")
        opens = source.open and not state.open
        state.update()
        self._layers.update((layer.layer, layer) for layer in state.layers)
        asked: set[int] = set()
        for slot in state.slots if opens else ():
            if slot.waiting and slot.wanted not in asked:
                asked.add(slot.wanted)
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
        used = {ssrc for other in leg.slots for ssrc in (other.ssrc, other.slot.rtx_ssrc)} - {0}
        if slot.ssrc == slot.rtx_ssrc or used & {slot.ssrc, slot.rtx_ssrc}:
            raise ValueError("one SSRC in two streams would use SRTP's numbers twice")
        if len(leg.slots) >= SLOTS or len(slot.mid.encode()) > MAX_ELEMENT:
            raise ValueError("too many slots, or too long a MID")
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
            self._intake.told.keyframe_wanted(slot.source.layers[slot.wanted].layer)

    def _lead(self, slot: SlotState) -> None:
        """Give a voice its first syllable: what its source said just before."""
        source = slot.source
        if source is None:
            return
        now = self.clock()
        layer = source.layers[slot.wanted]
        said = layer.ring.latest(now, AUDIO_LEAD)
        if said:
            self._intake.switch(slot, layer, said[0], now)
        for packet in said:
            slot.forward(packet, now, NO_STAMP)
        self._intake.send_again()

    def choose(self, slot: Slot, layer: int) -> None:
        state = self._slots[slot]
        if state.source is None or layer >= len(state.source.layers):
            raise ValueError("no such layer")
        slot.wanted = layer
        state.choose(layer)
        self._want_keyframe(state)
        state.tell()

    def redundancy(self, slot: Slot, distance: int) -> None:
        if not 0 <= distance <= RED_DISTANCE:
            raise ValueError("no such distance")
        slot.red_distance = self._slots[slot].red_distance = distance

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
            self._intake.told.keyframe_wanted(layer)
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


def _check_source(source: Source) -> None:
    if not 1 <= len(source.layers) <= LAYERS:
        raise ValueError("a source has one to three layers")
    if any(
        len(name.encode()) > MAX_ELEMENT for name in (source.mid, *(layer.rid for layer in source.layers))
    ):
        raise ValueError("a MID or RID is too long")


def _lost(data: bytes | memoryview, address: Address) -> None:
    """In place of a port that is not there."""
