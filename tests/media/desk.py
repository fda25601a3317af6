"""A forwarder on a desk: publishers and receivers around it, packets in and out by hand, time by hand."""

import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from media.plane.rewrite import elements
from media.plane.table import Address, Codec, Extensions, Layer, Leg, Slot, Source
from tests.media.packets import Elements, Heard, make_keys, opener, rtp, sealer

NUMBERS = Extensions(mid=1, rid=2, repaired_rid=3, level=4, send_time=5, transport_seq=6, orientation=7)
OUT_NUMBERS = Extensions(mid=9, level=10, send_time=11, orientation=12)
TYPES: dict[Codec, tuple[int, int]] = {"opus": (109, -1), "vp8": (120, 121), "h264": (126, 127)}
OUT_RED = 100
KEY, DELTA = b"\x10\x00key", b"\x10\x01delta"


class Out(NamedTuple):
    """A packet as its receiver sees it."""

    ssrc: int
    payload_type: int
    seq: int
    ts: int
    marker: bool
    elements: dict[int, bytes]
    payload: bytes


def read(packet: bytes) -> Out:
    flags, kind, seq, ts, ssrc = struct.unpack_from("!BBHLL", packet)
    start, found = 12, {}
    if flags & 0x10:
        start = 16 + 4 * int.from_bytes(packet[14:16], "big")
        found = elements(packet, 16, start) or {}
    return Out(ssrc, kind & 0x7F, seq, ts, bool(kind & 0x80), found, packet[start:])


@dataclass
class Publisher:
    """One publish leg; `say` and `show` send what a microphone and a camera would."""

    desk: "Desk"
    leg: Leg
    address: Address
    profile: str = "AES128_GCM"
    sources: dict[str, Source] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.keys = make_keys(self.profile, self.leg.name)
        self.sealer = sealer(self.keys)

    def add(
        self,
        name: str,
        codec: Codec = "vp8",
        layers: tuple[tuple[str, int, int], ...] = (("", 0, 0),),
        *,
        is_open: bool = True,
        red: int = -1,
    ) -> Source:
        audio = codec == "opus"
        media, rtx = (111, -1) if audio else (96, 97)
        mid = str(len(self.sources))
        source = Source(
            self.leg, name, "audio" if audio else "video", codec, mid, media, rtx, red, open=is_open
        )
        source.layers = [Layer(source, *layer) for layer in layers]
        self.sources[name] = source
        self.desk.forwarder.add_source(source)
        return source

    def send(self, packet: bytes, now: float | None = None) -> bytes:
        data: bytes = self.sealer.protect(packet)
        self.desk.feed(self.address, data, now)
        return data

    def say(
        self, seq: int, ts: int | None = None, payload: bytes = b"opus", ssrc: int = 11, **more: Any
    ) -> bytes:
        found: Elements = [(NUMBERS.mid, b"0"), (NUMBERS.level, bytes([more.pop("level", 0x90)]))]
        kind = more.pop("payload_type", 111)
        return self.send(rtp(ssrc, seq, seq * 960 if ts is None else ts, payload, kind, found, **more))

    def show(
        self,
        seq: int,
        ts: int | None = None,
        payload: bytes = DELTA,
        ssrc: int = 22,
        mid: bytes = b"",
        rid: bytes = b"",
        more: Elements | None = None,
        **kind: Any,
    ) -> bytes:
        found: Elements = [(NUMBERS.mid, mid)] if mid else []
        found += [(NUMBERS.rid, rid)] if rid else []
        payload_type = kind.pop("payload_type", 96)
        return self.send(
            rtp(
                ssrc,
                seq,
                seq * 3000 if ts is None else ts,
                payload,
                payload_type,
                found + (more or []),
                **kind,
            )
        )


@dataclass
class Receiver:
    """One subscribe leg; `take` gives what has come since."""

    desk: "Desk"
    leg: Leg
    address: Address
    profile: str = "AES128_GCM"

    def __post_init__(self) -> None:
        self.keys = make_keys(self.profile, self.leg.name)
        self.opener = opener(self.keys)
        self._came: list[Out] = []

    def add(self, kind: str = "video", types: dict[Codec, tuple[int, int]] | None = None) -> Slot:
        ssrc = 1000 * (1 + len(self.leg.slots))
        slot = Slot(
            self.leg,
            f"s{len(self.leg.slots)}",
            "audio" if kind == "audio" else "video",
            ssrc,
            ssrc + 1 if kind == "video" else 0,
            TYPES if types is None else types,
            OUT_RED if kind == "audio" else -1,
        )
        self.desk.forwarder.add_slot(slot)
        return slot

    def receive(self, data: bytes) -> None:
        self._came.append(read(self.opener.unprotect(data)))

    def take(self) -> list[Out]:
        came, self._came = self._came, []
        return came

    def numbers(self) -> list[int]:
        return [out.seq for out in self.take()]


class Desk:
    """The forwarder, its listener, and a clock that stands still unless `wait` is called."""

    def __init__(self, make: Callable[[], Any]) -> None:
        self.now = 1000.0
        self.forwarder = make()
        self.heard = Heard()
        self.forwarder.clock = lambda: self.now
        self.forwarder.outgoing = self._out
        self.forwarder.start([], self.heard)
        self._receivers: dict[Address, Receiver] = {}
        self._count = 0

    def wait(self, seconds: float) -> None:
        self.now += seconds

    def feed(self, address: Address, data: bytes, now: float | None = None) -> None:
        self.forwarder.feed(0, address, data, self.now if now is None else now)

    def events(self, *names: str) -> list[tuple[object, ...]]:
        """Those of these names since the last call; the others are forgotten."""
        return [event for event in self.heard.take() if event[0] in names]

    def publisher(self, name: str = "anna", *, profile: str = "AES128_GCM", ceiling: int = 0) -> Publisher:
        leg, address = self._leg(name, NUMBERS, ceiling)
        publisher = Publisher(self, leg, address, profile)
        self.forwarder.admit(leg, 0, address)
        self.forwarder.key(leg, publisher.keys)
        return publisher

    def receiver(self, name: str = "boris", *, profile: str = "AES128_GCM") -> Receiver:
        leg, address = self._leg(name, OUT_NUMBERS, 0)
        receiver = self._receivers[address] = Receiver(self, leg, address, profile)
        self.forwarder.key(leg, receiver.keys)
        self.forwarder.direct(leg, 0, address)
        return receiver

    def drops(self, leg: Leg) -> dict[str, int]:
        self.forwarder.refresh([leg])
        return {reason: count for reason, count in leg.counters.drops.items() if count}

    def strangers(self) -> dict[str, int]:
        self.forwarder.refresh([])
        return {reason: count for reason, count in self.forwarder.strangers.items() if count}

    def _leg(self, name: str, numbers: Extensions, ceiling: int) -> tuple[Leg, Address]:
        self._count += 1
        leg = Leg(name, numbers, ceiling)
        self.forwarder.add_leg(leg)
        return leg, ("127.0.0.1", 10_000 + self._count)

    def _out(self, port: int, address: Address, data: bytes) -> None:
        self._receivers[address].receive(data)
