"""A room of people over the forwarder, on a clock that stands still: real packets, real keys, no sockets."""

import math
import struct
from collections.abc import Callable

from aiortc.rtp import RtcpPsfbPacket, RtcpReceiverInfo, RtcpRrPacket, pack_remb_fci

from media.downstream import Downstream
from media.plane.table import Layer, Slot, Source
from media.stage import Publisher, Receiver, Row, Stage
from media.upstream import Upstream
from tests.media.traffic import DELTA_FRAME, KEY_FRAME, End, Traffic

RATES = (20_000, 60_000, 200_000)  # bytes a second of the three layers


class Person:
    """Sends a voice and three layers of a face, receives into slots."""

    def __init__(self, room: "Gathering", name: str, audio: int, video: int) -> None:
        self.room = room
        self.name = name
        traffic = room.traffic
        self.sending, self.receiving = traffic.leg(f"{name}/publish"), traffic.leg(f"{name}/subscribe")
        self.asked: list[bytes] = []
        upstream = Upstream(
            self.sending.leg, traffic.forwarder, self.asked.append, traffic.clock.later, clock=traffic.clock
        )
        self.publisher = Publisher(name, self.sending.leg, upstream)
        self.downstream = Downstream(
            self.receiving.leg,
            traffic.forwarder,
            lambda _data: None,
            room.stage.keyframe,
            clock=traffic.clock,
        )
        for _ in range(audio):
            traffic.slot(self.receiving, "audio")
        for _ in range(video):
            traffic.slot(self.receiving, "video")
        self.receiver = Receiver(name, self.receiving.leg, self.downstream)
        room.stage.publish(self.publisher)
        room.stage.receivers[name] = self.receiver
        self.sources: dict[str, Source] = {}
        self.active: set[Layer] = set()
        self.loudness = 127
        self.seq: dict[Layer, int] = {}
        self.wants_keyframe: set[Layer] = set()
        self.reported: dict[Slot, tuple[int, int]] = {}  # highest, lost

    def sends(self, name: str, rids: str = "") -> Source:
        source = self.room.traffic.source(self.sending, name, "audio" if name == "mic" else "video", rids)
        self.sources[name] = source
        self.active.update(source.layers)
        return source

    def row(self, source: str, sender: str) -> Row | None:
        rows = self.room.stage.rows(self.receiver)
        return next((row for row in rows if (row["from"], row["source"]) == (sender, source)), None)

    def hears(self) -> set[str | None]:
        rows = self.room.stage.rows(self.receiver)
        return {row["from"] for row in rows if row["kind"] == "audio" and row["from"]}

    def says_remb(self, bits: float) -> None:
        fci = pack_remb_fci(int(bits), [1])
        self.downstream.rtcp(bytes(RtcpPsfbPacket(fmt=15, ssrc=1, media_ssrc=0, fci=fci)))

    def reports(self, lost: float, *, deaf: tuple[Slot, ...] = ()) -> None:
        """A receiver report on a second in which this share of every voice was lost."""
        blocks = []
        for slot in self.receiver.slots("audio"):
            highest, missed = self.reported.get(slot, (0, 0))
            if slot not in deaf:
                self.reported[slot] = (highest + 50, missed + round(50 * lost))
            highest, missed = self.reported.get(slot, (0, 0))
            if highest:
                blocks.append(RtcpReceiverInfo(slot.ssrc, 0, missed, highest, 0, 0, 0))
        self.downstream.rtcp(bytes(RtcpRrPacket(ssrc=1, reports=blocks)))

    def slot(self, source: str, sender: str) -> Slot:
        row = self.row(source, sender)
        assert row is not None
        return next(slot for slot in self.receiving.leg.slots if slot.mid == row["mid"])


class Gathering:
    """A stage, its clock, and everybody's packets."""

    def __init__(self, *, echo: bool = False) -> None:
        self.traffic = Traffic()
        self.stage = Stage(self.traffic.forwarder, echo=echo)
        self.people: dict[str, Person] = {}
        self.on_step: Callable[[], None] = lambda: None
        self.steps = 0
        self.traffic.told.on_voice = self._voice
        self.traffic.told.on_keyframe = self._keyframe
        self.slices: dict[Layer, float] = {}

    def enters(self, name: str, audio: int = 8, video: int = 9) -> Person:
        person = self.people[name] = Person(self, name, audio, video)
        return person

    def run(self, seconds: float) -> None:
        """In steps of 20 ms: a voice packet each, pictures every 40 ms, the room's ticks."""
        for _ in range(round(seconds * 50)):
            self.steps += 1
            self.on_step()
            for person in self.people.values():
                self._packets(person)
            self.traffic.clock.run(0.02)
            self._tick()

    def _packets(self, person: Person) -> None:
        for layer in sorted(person.active, key=lambda each: each.ssrc):
            source = layer.source
            if source.kind == "audio":
                self._send(
                    person,
                    layer,
                    b"\xfcvoice-%s-%d" % (person.name.encode(), self.steps),
                    level=person.loudness,
                )
            elif self.steps % 2 == 0:
                size = RATES[source.layers.index(layer)] // 25 if len(source.layers) == 3 else 4_000
                wanted = layer in person.wants_keyframe or layer not in person.seq
                person.wants_keyframe.discard(layer)
                for part in range(math.ceil(size / 1000)):
                    head = KEY_FRAME if wanted and part == 0 else DELTA_FRAME
                    if part:
                        head = b"\x00" + DELTA_FRAME
                    self._send(person, layer, head + bytes(min(size, 1000) - 5))

    def _send(self, person: Person, layer: Layer, payload: bytes, *, level: int = 127) -> None:
        seq = person.seq[layer] = person.seq.get(layer, 0) + 1
        clock = 960 if layer.source.kind == "audio" else 1800
        self.traffic.send(person.sending, layer, seq, self.steps * clock, payload, level=level)

    def _tick(self) -> None:
        now, legs = self.traffic.clock.now, [end.leg for end in self.traffic.ends.values()]
        for person in self.people.values():
            for data in person.asked:
                self._asked(person, data)
            person.asked.clear()
        if self.steps % 10 == 0:
            self.traffic.forwarder.refresh(legs)
            if self.stage.hear(now)[1]:
                self.stage.rewire(now)
        if self.steps % 25 == 0:
            self.traffic.forwarder.refresh(legs)
            self.stage.rewire(now)
            self.stage.balance(now)
        if self.steps % 50 == 0:
            self.stage.ask_again()

    def _asked(self, person: Person, data: bytes) -> None:
        if data[1] == 206:
            (ssrc,) = struct.unpack_from("!I", data, 8)
            person.wants_keyframe |= {layer for layer in person.active if layer.ssrc == ssrc}

    def _voice(self, source: Source) -> None:
        if self.stage.voice(source, self.traffic.clock.now):
            self.stage.rewire(self.traffic.clock.now)

    def _keyframe(self, layer: Layer) -> None:
        owner = self.stage.owner(layer.source)
        if owner is not None:
            owner.upstream.keyframe(layer)


def said(end: End, slot: Slot, name: str) -> list[int]:
    """Which of somebody's packets came, by what is written in them."""
    return [
        int(packet.payload.rpartition(b"-")[2])
        for packet in end.received
        if packet.ssrc == slot.ssrc and b"voice-%s-" % name.encode() in packet.payload
    ]
