"""The compiled forwarder: native/*.c on a thread of its own, bound to `table.Forwarder`.

Everything here is translation. Objects of `table` become handles and back; what the thread has to tell waits in a
ring of bytes that the event loop empties when its eventfd becomes readable.

Raises: ImportError on import when the extension was not built; LookupError for an object that was never added or
is removed; ValueError for numbers that make no sense or a full table; MemoryError.
"""

import asyncio
import contextlib
import logging
import socket
import struct
import time
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, Literal, get_args

from media.plane._fanout import ffi, lib
from media.plane.table import (
    Address,
    Codec,
    Extensions,
    Layer,
    Leg,
    Listener,
    Slot,
    Source,
    SrtpKeys,
)

_log = logging.getLogger(__name__)

_CODECS: tuple[Codec, ...] = get_args(Codec)
_PROFILES = {"AES128_GCM": (0, 16, 12), "AES256_GCM": (1, 32, 12), "AES128_CM_SHA1_80": (2, 16, 14)}
_REASONS = [ffi.string(lib.fw_reason(number)).decode() for number in range(lib.FW_REASONS)]
_EVENT = struct.Struct("=IIBBHII16sIq")  # fw_event
_SLOT = struct.Struct("=qQQdiiII")  # fw_slot_figures
_ROOM = 256 * 1024  # of events read at once
_SOCKET_BUFFER = 4 * 1024 * 1024  # bytes; what a key frame of everybody needs while the thread is busy


class CompiledForwarder:
    """`table.Forwarder` by fanout.c. `is_realtime` says whether the thread got realtime priority.

    `outgoing`, `clock` and `feed` are seams for tests: with `outgoing` set nothing reaches a socket.
    """

    name: Literal["compiled", "python"] = "compiled"

    def __init__(self, clock: Callable[[], float] = time.monotonic, *, realtime: bool = True) -> None:
        self.strangers: Counter[str] = Counter()
        self.clock = clock
        self.is_realtime = False
        self._wants_realtime = realtime
        pointer = lib.fw_new()
        if pointer == ffi.NULL:
            raise MemoryError("no memory for the forwarder")
        self._fw = ffi.gc(pointer, lib.fw_free)
        self._listener: Listener | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._sockets: list[socket.socket] = []
        self._outgoing: Callable[[int, Address, bytes], None] | None = None
        self._legs: dict[int, Leg] = {}
        self._sources: dict[int, Source] = {}
        self._layers: dict[int, Layer] = {}
        self._slots: dict[int, Slot] = {}
        self._written: dict[int, tuple[int, int]] = {}  # SSRCs of layers as they were last brought up to date
        self._shown: dict[int, set[Slot]] = {}  # by the handle of their source
        self._events = ffi.new("uint8_t[]", _ROOM)
        self._numbers = ffi.new("uint16_t[]", max(lib.FW_ARRIVALS, lib.FW_MISSING_LIMIT))
        self._figures = ffi.new("fw_slot_figures[]", lib.FW_SLOTS)
        self._instants = ffi.new("int64_t[]", lib.FW_ARRIVALS)

    # ---- life

    def start(self, sockets: Sequence[socket.socket], listener: Listener) -> None:
        self._listener = listener
        self._sockets = list(sockets)
        for one in self._sockets:
            one.setblocking(False)
            _widen(one)
        numbers = ffi.new("int[]", [one.fileno() for one in self._sockets])
        self.is_realtime = _checked(lib.fw_start(self._fw, numbers, len(numbers), self._wants_realtime)) == 1
        if self._sockets:
            self._loop = asyncio.get_running_loop()
            self._loop.add_reader(lib.fw_wakeup(self._fw), self._read)

    def close(self) -> None:
        if self._loop is not None:
            self._loop.remove_reader(lib.fw_wakeup(self._fw))
        self._loop = None
        self._listener = None
        lib.fw_stop(self._fw)
        for one in self._sockets:
            one.close()
        self._sockets = []

    def send(self, port: int, data: bytes, address: Address) -> None:
        if self._outgoing is not None:
            self._outgoing(port, address, data)
            return
        with contextlib.suppress(OSError):  # lost, as on the way; whoever needs it sends again
            self._sockets[port].sendto(data, address)

    # ---- legs

    def add_leg(self, leg: Leg) -> None:
        leg.handle = _checked(lib.fw_add_leg(self._fw, self.clock()))
        self._legs[leg.handle] = leg
        self.update_leg(leg)
        for source in leg.sources:
            self.add_source(source)
        for slot in leg.slots:
            self.add_slot(slot)

    def remove_leg(self, leg: Leg) -> None:
        for source in list(leg.sources):
            self.remove_source(source)
        for slot in leg.slots:
            self._forget_shown(slot)
            self._slots.pop(slot.handle, None)
        lib.fw_remove_leg(self._fw, leg.handle)
        self._legs.pop(leg.handle, None)

    def credentials(self, leg: Leg, ufrag: str, password: str) -> None:
        _checked(lib.fw_credentials(self._fw, leg.handle, ufrag.encode(), password.encode()))

    def admit(self, leg: Leg, port: int, address: Address) -> None:
        _checked(lib.fw_admit(self._fw, leg.handle, port, _address(address)))

    def direct(self, leg: Leg, port: int, address: Address) -> None:
        _checked(lib.fw_direct(self._fw, leg.handle, port, _address(address)))

    def key(self, leg: Leg, keys: SrtpKeys) -> None:
        number, key, salt = _PROFILES[keys.profile]
        given = (keys.receive_key, keys.receive_salt, keys.send_key, keys.send_salt)
        if tuple(map(len, given)) != (key, salt, key, salt):
            raise ValueError(f"keys of the wrong length for {keys.profile}")
        _checked(lib.fw_key(self._fw, leg.handle, number, *given))
        self._settle()

    def update_leg(self, leg: Leg) -> None:
        numbers = _extensions(leg.extensions)
        _checked(lib.fw_update_leg(self._fw, leg.handle, numbers, leg.ceiling, self.clock()))

    def budget(self, leg: Leg, video_bits: int) -> None:
        _checked(lib.fw_budget(self._fw, leg.handle, video_bits, self.clock()))

    # ---- sources

    def add_source(self, source: Source) -> None:
        handles = ffi.new("fw_handle[]", lib.FW_LAYERS)
        source.handle = _checked(
            lib.fw_add_source(self._fw, source.leg.handle, self._source_record(source), handles)
        )
        self._sources[source.handle] = source
        self._adopt_layers(source, handles)
        if source not in source.leg.sources:
            source.leg.sources.append(source)

    def update_source(self, source: Source) -> None:
        handles = ffi.new("fw_handle[]", lib.FW_LAYERS)
        _checked(lib.fw_update_source(self._fw, source.handle, self._source_record(source), handles))
        self._adopt_layers(source, handles)
        self._settle()

    def remove_source(self, source: Source) -> None:
        lib.fw_remove_source(self._fw, source.handle)
        for slot in self._shown.pop(source.handle, set()):
            slot.source, slot.layer, slot.waiting = None, -1, False
        for layer in source.layers:
            self._layers.pop(layer.handle, None)
            self._written.pop(layer.handle, None)
        self._sources.pop(source.handle, None)
        if source in source.leg.sources:
            source.leg.sources.remove(source)

    def rest(self, layer: Layer) -> None:
        _checked(lib.fw_rest(self._fw, layer.handle))
        layer.flowing = False

    def _adopt_layers(self, source: Source, handles: Any) -> None:
        for layer, handle in zip(source.layers, handles, strict=False):
            layer.handle = handle
            self._layers[handle] = layer
            self._written[handle] = (layer.ssrc, layer.rtx_ssrc)

    def _source_record(self, source: Source) -> Any:
        """An SSRC that this side has written is no announcement, and may be older than what was learned since."""
        announced = []
        for layer in source.layers:
            ours, ours_rtx = self._written.get(layer.handle, (0, 0))
            announced.append(
                (
                    0 if layer.ssrc == ours else layer.ssrc,
                    0 if layer.rtx_ssrc == ours_rtx else layer.rtx_ssrc,
                )
            )
        return _source_record(source, announced)

    def _write_ssrcs(self, layer: Layer, ssrc: int, rtx_ssrc: int) -> None:
        layer.ssrc, layer.rtx_ssrc = self._written[layer.handle] = (ssrc, rtx_ssrc)

    # ---- slots

    def add_slot(self, slot: Slot) -> None:
        slot.handle = _checked(lib.fw_add_slot(self._fw, slot.leg.handle, _slot_record(slot)))
        self._slots[slot.handle] = slot
        if slot not in slot.leg.slots:
            slot.leg.slots.append(slot)

    def connect(self, slot: Slot, source: Source | None, layer: int) -> None:
        origin = 0 if source is None else source.handle
        _checked(lib.fw_connect(self._fw, slot.handle, origin, layer, self.clock()))
        self._forget_shown(slot)
        slot.source, slot.wanted = source, layer
        if source is not None:
            self._shown.setdefault(source.handle, set()).add(slot)
        self._refresh_slot(slot)
        self._settle()

    def choose(self, slot: Slot, layer: int) -> None:
        _checked(lib.fw_choose(self._fw, slot.handle, layer, self.clock()))
        slot.wanted = layer
        self._refresh_slot(slot)
        self._settle()

    def redundancy(self, slot: Slot, distance: int) -> None:
        _checked(lib.fw_redundancy(self._fw, slot.handle, distance))
        slot.red_distance = distance

    def retransmit(self, slot: Slot, lost: Sequence[int]) -> int:
        numbers = ffi.new("uint16_t[]", [number & 0xFFFF for number in lost])
        resent: int = _checked(lib.fw_retransmit(self._fw, slot.handle, numbers, len(numbers), self.clock()))
        self._settle()
        return resent

    def _forget_shown(self, slot: Slot) -> None:
        if slot.source is not None:
            self._shown.get(slot.source.handle, set()).discard(slot)

    # ---- asking

    def missing(self, layer: Layer) -> list[int]:
        count = lib.fw_missing(self._fw, layer.handle, self._numbers, self.clock())
        self._settle()
        return [self._numbers[place] for place in range(count)]

    def take_arrivals(self, leg: Leg) -> list[tuple[int, int]]:
        count = lib.fw_arrivals(self._fw, leg.handle, self._numbers, self._instants)
        return [(self._numbers[place], self._instants[place]) for place in range(count)]

    def refresh(self, legs: Sequence[Leg]) -> None:
        self.strangers = self._read_strangers()
        for leg in legs:
            self._refresh_leg(leg)
            for source in leg.sources:
                self._refresh_source(source)
            count = lib.fw_slots_read(self._fw, leg.handle, self._figures)
            self._write_slots(max(0, count))

    def _read_strangers(self) -> Counter[str]:
        drops = ffi.new("uint64_t[]", lib.FW_REASONS)
        lib.fw_strangers(self._fw, drops)
        return _counter(drops)

    def _refresh_leg(self, leg: Leg) -> None:
        figures = ffi.new("fw_leg_figures *")
        if lib.fw_leg_read(self._fw, leg.handle, figures) < 0:
            return
        counters = leg.counters
        counters.packets_in, counters.bytes_in = figures.packets_in, figures.bytes_in
        counters.packets_out, counters.bytes_out = figures.packets_out, figures.bytes_out
        counters.resent = figures.resent
        counters.drops = _counter(figures.drops)
        leg.last_heard = figures.last_heard

    def _refresh_source(self, source: Source) -> None:
        figures = ffi.new("fw_source_figures *")
        count = lib.fw_source_read(self._fw, source.handle, figures)
        if count < 0:
            return
        source.loudest = figures.loudest
        for layer, measured in zip(source.layers[:count], figures.layers, strict=False):
            self._write_ssrcs(layer, measured.ssrc, measured.rtx_ssrc)
            _write_layer(layer, measured)

    def _refresh_slot(self, slot: Slot) -> None:
        count = lib.fw_slot_read(self._fw, slot.handle, self._figures)
        self._write_slots(1 if count == 0 else 0)

    def _write_slots(self, count: int) -> None:
        """Unpacked in one go: a receiver has many slots, and a worker many receivers."""
        records = ffi.buffer(self._figures, count * _SLOT.size)
        for handle, packets, octets, last_sent, layer, waiting, ts_delta, _ in _SLOT.iter_unpack(records):
            slot = self._slots.get(handle)
            if slot is None:
                continue
            slot.layer, slot.waiting, slot.ts_delta = layer, bool(waiting), ts_delta
            slot.packets, slot.bytes, slot.last_sent = packets, octets, last_sent

    # ---- what the thread tells

    def _read(self) -> None:
        """One portion; when more waits, the eventfd stays readable and others get their turn first."""
        taken = lib.fw_take(self._fw, self._events, _ROOM)
        records = ffi.buffer(self._events, taken)[:]
        at = 0
        while at < taken and self._listener is not None:
            size, length, kind, family, port, a, b, host, _, handle = _EVENT.unpack_from(records, at)
            data = records[at + _EVENT.size : at + _EVENT.size + length]
            at += size
            try:
                self._tell(self._listener, kind, handle, a, b, (family, host, port), data)
            except Exception:  # noqa: BLE001 - the next event is for somebody else
                _log.exception("a listener failed on event %d of the packet path", kind)

    def _tell(
        self,
        to: Listener,
        kind: int,
        handle: int,
        a: int,
        b: int,
        sender: tuple[int, bytes, int],
        data: bytes,
    ) -> None:
        """What it is about may have been removed since: then nobody is told."""
        match kind:
            case lib.FW_STRAY:
                to.stray(a, _sender(*sender), data)
            case lib.FW_STUN | lib.FW_DTLS | lib.FW_RTCP if leg := self._legs.get(handle):
                self._tell_datagram(to, kind, leg, a, sender, data)
            case lib.FW_FLOWING | lib.FW_GAP | lib.FW_KEYFRAME if layer := self._layers.get(handle):
                self._write_ssrcs(layer, a, b)
                self._tell_layer(to, kind, layer)
            case lib.FW_VOICE if source := self._sources.get(handle):
                to.voice(source)
            case lib.FW_TAPPED if source := self._sources.get(handle):
                to.tapped(source, a, data)
            case lib.FW_SWITCHED if (slot := self._slots.get(handle)) and slot.source is not None:
                self._refresh_slot(slot)
                to.switched(slot)

    def _tell_datagram(
        self, to: Listener, kind: int, leg: Leg, port: int, sender: tuple[int, bytes, int], data: bytes
    ) -> None:
        if kind == lib.FW_STUN:
            to.stun(leg, port, _sender(*sender), data)
        elif kind == lib.FW_DTLS:
            to.dtls(leg, _sender(*sender), data)
        else:
            to.rtcp(leg, data)

    def _tell_layer(self, to: Listener, kind: int, layer: Layer) -> None:
        if kind == lib.FW_FLOWING:
            layer.flowing = True
            to.flowing(layer)
        elif kind == lib.FW_GAP:
            to.gap(layer)
        else:
            to.keyframe_wanted(layer)

    # ---- seams for tests

    @property
    def outgoing(self) -> Callable[[int, Address, bytes], None] | None:
        """Where datagrams go instead of to sockets."""
        return self._outgoing

    @outgoing.setter
    def outgoing(self, receiver: Callable[[int, Address, bytes], None] | None) -> None:
        self._outgoing = receiver
        lib.fw_capture(self._fw, receiver is not None)

    def feed(self, port: int, address: Address, data: bytes, now: float) -> None:
        """One datagram as if it had come at `now`; what follows from it is told before this returns."""
        lib.fw_feed(self._fw, port, _address(address), data, len(data), now)
        self._deliver()

    def _settle(self) -> None:
        """Without a socket there is no event loop to wait for."""
        if self._loop is None:
            self._deliver()

    def _deliver(self) -> None:
        self._read()
        port, to = ffi.new("int *"), ffi.new("fw_address *")
        data = ffi.new("uint8_t[]", 2048)
        while self._outgoing is not None:
            length = lib.fw_captured(self._fw, port, to, data, len(data))
            if length == 0:
                return
            sender = _sender(to.family, bytes(to.host), to.port)
            self._outgoing(port[0], sender, bytes(ffi.buffer(data, length)))


def _checked(result: int) -> int:
    if result >= 0:
        return result
    if result == lib.FW_STALE:
        raise LookupError("the forwarder does not know this object, or no more")
    if result == lib.FW_FULL:
        raise ValueError("too many of them")
    if result == lib.FW_INVALID:
        raise ValueError("the forwarder cannot do that")
    raise MemoryError("no memory for the forwarder's tables")


def _widen(one: socket.socket) -> None:
    """Larger buffers, as far as the system lets us (beyond net.core.*mem_max only with CAP_NET_ADMIN)."""
    for name, forced in (("SO_RCVBUF", 33), ("SO_SNDBUF", 32)):  # SO_RCVBUFFORCE, SO_SNDBUFFORCE
        one.setsockopt(socket.SOL_SOCKET, getattr(socket, name), _SOCKET_BUFFER)
        with contextlib.suppress(OSError):
            one.setsockopt(socket.SOL_SOCKET, forced, _SOCKET_BUFFER)


def _address(address: Address) -> Any:
    host, port = address
    family, number = (socket.AF_INET6, 6) if ":" in host else (socket.AF_INET, 4)
    try:
        packed = socket.inet_pton(family, host)
    except OSError as error:
        raise ValueError("not a numeric address") from error
    return ffi.new("fw_address *", {"family": number, "host": packed.ljust(16, b"\0"), "port": port})


def _sender(family: int, host: bytes, port: int) -> Address:
    if family == 4:
        return socket.inet_ntop(socket.AF_INET, host[:4]), port
    return socket.inet_ntop(socket.AF_INET6, host), port


def _extensions(numbers: Extensions) -> Any:
    return ffi.new(
        "fw_extensions *",
        {name: getattr(numbers, name) for name in Extensions.__dataclass_fields__},
    )


def _name(text: str) -> bytes:
    """MID or RID; longer ones do not fit a one-byte header extension (RFC 8285)."""
    name = text.encode()
    if len(name) > 16:
        raise ValueError("a MID or RID is too long")
    return name


def _source_record(source: Source, announced: list[tuple[int, int]]) -> Any:
    layers = source.layers
    if not 1 <= len(layers) <= lib.FW_LAYERS:
        raise ValueError("a source has one to three layers")
    return ffi.new(
        "fw_source *",
        {
            "is_video": source.kind == "video",
            "codec": _CODECS.index(source.codec),
            "payload_type": source.payload_type,
            "rtx_payload_type": source.rtx_payload_type,
            "red_payload_type": source.red_payload_type,
            "is_open": source.open,
            "tap": source.tap,
            "layers": len(layers),
            "mid": _name(source.mid),
            "rid": [_name(layer.rid) for layer in layers],
            "ssrc": [ssrc for ssrc, _ in announced],
            "rtx_ssrc": [rtx_ssrc for _, rtx_ssrc in announced],
        },
    )


def _slot_record(slot: Slot) -> Any:
    types = [slot.payload_types.get(codec, (-1, -1)) for codec in _CODECS]
    return ffi.new(
        "fw_slot *",
        {
            "is_video": slot.kind == "video",
            "mid": _name(slot.mid),
            "ssrc": slot.ssrc,
            "rtx_ssrc": slot.rtx_ssrc,
            "payload_type": [media for media, _ in types],
            "rtx_payload_type": [rtx for _, rtx in types],
            "red_payload_type": slot.red_payload_type,
        },
    )


def _counter(drops: Any) -> Counter[str]:
    counted = zip(_REASONS, drops, strict=True)
    return Counter({reason: count for reason, count in counted if count})


def _write_layer(layer: Layer, measured: Any) -> None:
    layer.flowing = bool(measured.flowing)
    layer.last_packet = measured.last_packet
    layer.packets, layer.bytes, layer.repeated = measured.packets, measured.bytes, measured.repeated
    layer.first_seq, layer.highest = measured.first_seq, measured.highest
    layer.jitter, layer.keyframes = measured.jitter, measured.keyframes
