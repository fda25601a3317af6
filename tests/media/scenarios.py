"""Scenes for forwarders: random rooms, and what browsers, strangers and the relay do in them.

A `Scene` is made from a seed. `Stage` plays its actions on one forwarder and returns what came out of each, so that
two forwarders can be compared. Actions are plain tuples; every one may be left out.
"""

import struct
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from typing import Any

from pylibsrtp import Error

from media.plane.table import Address, Extensions, Layer, Leg, Slot, Source, SrtpKeys
from tests.media.packets import Heard, binding_request, make_keys, one_byte, redundant, rtp, sealer

Action = tuple[Any, ...]

CODECS = {"vp8": (96, 97), "h264": (102, 103), "vp9": (98, 99), "av1": (45, 46)}
OPUS, RED = 111, 63
START = 5000.25


@dataclass
class SourceSpec:
    leg: int
    name: str
    kind: str
    codec: str
    mid: str
    types: tuple[int, int, int]  # media, RTX, RED
    layers: list[tuple[str, int, int]]  # RID, SSRC, RTX SSRC; 0: to be learned
    open: bool
    tap: bool


@dataclass
class SlotSpec:
    leg: int
    mid: str
    kind: str
    ssrc: int
    rtx_ssrc: int
    payload_types: dict[str, tuple[int, int]]
    red: int


@dataclass
class LegSpec:
    name: str
    extensions: Extensions
    ceiling: int
    keys: SrtpKeys
    address: Address

    def keys_of(self, generation: int) -> SrtpKeys:
        """The first keys, or those of a later DTLS handshake."""
        return make_keys(self.keys.profile, (self.name, generation)) if generation else self.keys


@dataclass
class Encoder:
    """What a browser's encoder of one layer remembers."""

    source: int
    layer: int
    ssrc: int
    rtx_ssrc: int
    seq: int
    ts: int
    picture: int
    wide: bool
    tl0: int
    rtx_seq: int
    frame_left: int = 0
    sent: list[tuple[int, int, bool, bytes]] = field(default_factory=list)  # seq, ts, marker, payload


@dataclass
class Scene:
    seed: int
    legs: list[LegSpec]
    sources: list[SourceSpec]
    slots: list[SlotSpec]
    actions: list[Action]


class Author:
    """Writes a scene: keeps just enough state to make packets that mean something."""

    def __init__(self, seed: int, steps: int) -> None:
        self.random = Random(seed)
        self.legs: list[LegSpec] = []
        self.sources: list[SourceSpec] = []
        self.slots: list[SlotSpec] = []
        self.actions: list[Action] = []
        self._set_up()
        self._sealers = [sealer(leg.keys) for leg in self.legs]
        self._generations = [0 for _ in self.legs]
        self._encoders = [
            self._encoder(at, layer)
            for at, spec in enumerate(self.sources)
            for layer in range(len(spec.layers))
        ]
        self._transport_seq = self.random.randrange(65536)
        self._old: list[Action] = []
        self._held: list[Action] = []
        self._begin()
        acts: list[tuple[int, Callable[[], None]]] = [
            (60, self._media),
            (6, self._rtx),
            (8, self._tick),
            (4, self._connect),
            (3, self._choose),
            (4, self._retransmit),
            (1, self._crowd),
            (1, self._seesaw),
            (3, self._missing),
            (2, self._junk),
            (2, self._stun),
            (2, self._again),
            (2, self._broken),
            (2, self._policy),
            (1, self._source_change),
            (1, self._restart_encoder),
            (1, self._leg_change),
            (2, lambda: self.actions.append(("refresh",))),
        ]
        weights = [
            weight * self.random.choice((0, 1, 1, 2)) if at else weight for at, (weight, _) in enumerate(acts)
        ]
        for _ in range(steps):
            self.random.choices([act for _, act in acts], weights)[0]()
        self.actions.append(("refresh",))
        self.scene = Scene(seed, self.legs, self.sources, self.slots, self.actions)

    # the room

    def _set_up(self) -> None:
        random = self.random
        for at in range(random.randint(1, 2)):
            self._add_leg(f"publisher{at}")
            self._add_sources(at)
        receivers = random.randint(1, 3)
        for _ in range(receivers):
            self._add_leg(f"receiver{len(self.legs)}")
            self._add_slots(len(self.legs) - 1)

    def _numbers(self) -> Extensions:
        random = self.random
        numbers = random.sample(range(1, 15), 7)
        return Extensions(*(number if random.random() < 0.85 else 0 for number in numbers))

    def _add_leg(self, name: str) -> None:
        random = self.random
        profile = random.choice(("AES128_GCM", "AES256_GCM", "AES128_CM_SHA1_80"))
        ceiling = random.choice((0, 0, 0, 60_000, 300_000))
        host = random.choice(("127.0.0.1", "10.1.2.3", "2001:db8::5"))
        address = (host, 2000 + len(self.legs))
        keys = make_keys(profile, random.random())
        self.legs.append(LegSpec(name, self._numbers(), ceiling, keys, address))

    def _ssrc(self) -> int:
        return self.random.randrange(1, 1 << 32)

    def _add_sources(self, leg: int) -> None:
        random = self.random
        red = RED if random.random() < 0.5 else -1
        announced = self._ssrc() if random.random() < 0.5 else 0
        mic = SourceSpec(
            leg,
            "mic",
            "audio",
            "opus",
            "0",
            (OPUS, -1, red),
            [("", announced, 0)],
            random.random() < 0.95,
            False,
        )
        self.sources.append(mic)
        for at in range(random.randint(1, 2)):
            codec = random.choice(("vp8", "vp8", "vp8", "h264", "vp9", "av1"))
            count = random.choice((1, 1, 2, 3))
            layers = []
            for layer in range(count):
                told = random.random() < (0.7 if count == 1 else 0.3)
                rid = "lmh"[layer] if count > 1 else ""
                layers.append(
                    (rid, self._ssrc() if told else 0, self._ssrc() if told and random.random() < 0.8 else 0)
                )
            rtx = CODECS[codec][1] if random.random() < 0.9 else -1
            self.sources.append(
                SourceSpec(
                    leg,
                    f"camera{at}",
                    "video",
                    codec,
                    str(at + 1),
                    (CODECS[codec][0], rtx, -1),
                    layers,
                    random.random() < 0.95,
                    random.random() < 0.2,
                )
            )

    def _add_slots(self, leg: int) -> None:
        random = self.random
        for at in range(random.randint(1, 2)):
            red = RED if random.random() < 0.6 else -1
            types = {"opus": (OPUS, -1)} if random.random() < 0.95 else {}
            self.slots.append(SlotSpec(leg, f"a{at}", "audio", self._ssrc(), 0, types, red))
        for at in range(random.randint(1, 3)):
            types = {codec: pair for codec, pair in CODECS.items() if random.random() < 0.9}
            if random.random() < 0.15:
                types = {codec: (media, -1) for codec, (media, _) in types.items()}
            self.slots.append(SlotSpec(leg, f"v{at}", "video", self._ssrc(), self._ssrc(), types, -1))

    def _encoder(self, source: int, layer: int) -> Encoder:
        random = self.random
        _, ssrc, rtx_ssrc = self.sources[source].layers[layer]
        return Encoder(
            source,
            layer,
            ssrc or self._ssrc(),
            rtx_ssrc or self._ssrc(),
            random.choice((random.randrange(2000, 30000), random.randrange(65300, 65536))),
            random.choice((random.randrange(1 << 32), (1 << 32) - random.randrange(40000))),
            random.randrange(1 << 15),
            random.random() < 0.7,
            random.randrange(256),
            random.randrange(2000, 30000),
        )

    def _begin(self) -> None:
        random = self.random
        for at in range(len(self.legs)):
            self.actions.append(("credentials", at, f"ufrag{at}", f"password{at}"))
            if random.random() < 0.95:
                self.actions.append(("admit", at, 0, self.legs[at].address))
            if random.random() < 0.95:
                self.actions.append(("key", at))
            if random.random() < 0.95:
                self.actions.append(("direct", at, 0, self.legs[at].address))
        for at, slot in enumerate(self.slots):
            if random.random() < 0.85:
                self.actions.append(("connect", at, *self._wish(slot.kind)))
            if slot.kind == "audio" and slot.red >= 0:
                self.actions.append(("redundancy", at, random.randint(0, 2)))

    def _wish(self, kind: str) -> tuple[int | None, int]:
        fitting = [at for at, spec in enumerate(self.sources) if spec.kind == kind]
        if not fitting or self.random.random() < 0.05:
            return None, 0
        source = self.random.choice(fitting)
        return source, self.random.randrange(
            -1 if self.random.random() < 0.1 else 0, len(self.sources[source].layers)
        )

    # packets

    def _seal(self, leg: int, packet: bytes) -> bytes | None:
        try:
            return self._sealers[leg].protect(packet)
        except (Error, ValueError):
            return None  # a number too old for libsrtp to protect

    def _feed(self, leg: int, packet: bytes) -> None:
        data = self._seal(leg, packet)
        if data is None:
            return
        action = ("feed", 0, self.legs[leg].address, data)
        self._old.append(action)
        fate = self.random.random()
        if fate < 0.03:
            return  # lost
        if fate < 0.07:
            self._held.append(action)
            return
        self.actions.append(action)
        if self._held and self.random.random() < 0.4:
            self.actions.append(self._held.pop(self.random.randrange(len(self._held))))

    def _elements(self, encoder: Encoder, *, repair: bool) -> list[tuple[int, bytes]]:
        random, spec = self.random, self.sources[encoder.source]
        numbers = self.legs[spec.leg].extensions
        found: list[tuple[int, bytes]] = []
        if numbers.mid and random.random() < 0.5:
            mid = spec.mid if random.random() < 0.97 else random.choice(("0", "1", "9", "long-name-of-mid"))
            found.append((numbers.mid, mid.encode()))
        rid = spec.layers[encoder.layer][0] or random.choice(("", "", "", "l"))
        number = numbers.repaired_rid if repair else numbers.rid
        if number and rid and random.random() < 0.5:
            found.append((number, rid.encode() if random.random() < 0.97 else b"x"))
        if numbers.level and random.random() < 0.9:
            found.append((numbers.level, bytes([random.randrange(256)])))
        if numbers.orientation and random.random() < 0.3:
            found.append((numbers.orientation, bytes([random.randrange(4)])))
        if numbers.transport_seq and random.random() < 0.9:
            self._transport_seq = (self._transport_seq + 1) & 0xFFFF
            value = struct.pack("!H", self._transport_seq)
            found.append((numbers.transport_seq, value if random.random() < 0.97 else value[:1]))
        if numbers.send_time and random.random() < 0.5:
            found.append((numbers.send_time, random.randbytes(3)))
        random.shuffle(found)
        return found

    def _packet(
        self,
        encoder: Encoder,
        ssrc: int,
        seq: int,
        ts: int,
        payload: bytes,
        kind: int,
        *,
        marker: bool,
        repair: bool,
    ) -> bytes:
        random = self.random
        elements = self._elements(encoder, repair=repair)
        block = None
        if random.random() < 0.04:
            block = self._odd_block(elements)
            elements = []
        packet = rtp(
            ssrc,
            seq,
            ts,
            payload,
            kind,
            elements,
            marker=marker,
            csrcs=random.choice((0, 0, 0, 0, 0, 0, 1, 15)) if random.random() < 0.3 else 0,
            padding=random.choice((1, 4, 200)) if random.random() < 0.04 else 0,
            block=block,
            profile=0xBEDE if random.random() < 0.98 else random.choice((0x1000, 0xBEDF, 0)),
        )
        if random.random() < 0.01:  # padding that cannot be
            return bytes([packet[0] | 0x20]) + packet[1:-1] + bytes([random.choice((0, 255))])
        return packet

    def _odd_block(self, elements: list[tuple[int, bytes]]) -> bytes:
        """Padding between elements, a terminator, a repeated element, or garbage."""
        random = self.random
        body = one_byte(elements)
        odd = random.randrange(6)
        if odd == 0:
            return b"\0\0\0\0" + body
        if odd == 1:
            return b"\xf0\0\0\0" + body
        if odd == 2:
            return body + body
        if odd == 3:
            return b"\x02\0\0\0" + body
        if odd == 4:
            return random.randbytes(4 * random.randrange(5))
        return body + b"\x5f\0\0\0"  # sixteen bytes announced, three there

    def _media(self) -> None:
        random = self.random
        encoder = random.choice(self._encoders)
        spec = self.sources[encoder.source]
        for _ in range(random.choice((1, 1, 2, 6))):
            skip = random.random()
            if skip < 0.02:
                encoder.seq += random.choice((2, 3, 10, 127, 128, 129, 130, 500, 1023, 1025, 3000))
            if spec.kind == "audio":
                self._speak(encoder, spec)
            else:
                self._film(encoder, spec)
            if random.random() < 0.3:
                self.actions.append(("tick", random.random() * 0.02))

    def _speak(self, encoder: Encoder, spec: SourceSpec) -> None:
        random = self.random
        encoder.ts += 960 if random.random() < 0.97 else random.choice((0, 48000, -960))
        payload = random.randbytes(random.choice((0, 1, 20, 60, 60, 60, 400, 1100)))
        if random.random() < 0.02:
            encoder.seq += 1
            encoder.ts += 960
        kind, body = spec.types[0], payload
        if random.random() < 0.01:
            kind = random.randrange(128)
        elif random.random() < 0.5:
            kind, body = RED, self._red(encoder, payload)
        packet = self._packet(
            encoder,
            encoder.ssrc,
            encoder.seq,
            encoder.ts,
            body,
            kind,
            marker=random.random() < 0.1,
            repair=False,
        )
        self._sent(encoder, payload, marker=False)
        self._feed(spec.leg, packet)

    def _red(self, encoder: Encoder, payload: bytes) -> bytes:
        random = self.random
        earlier = encoder.sent[-random.randrange(1, 4) :] if encoder.sent else []
        blocks = [((encoder.ts - ts) & 0x3FFF, frame[:1000]) for _, ts, _, frame in earlier]
        kind = OPUS if random.random() < 0.97 else 112
        made = redundant(kind, payload, blocks)
        odd = random.random()
        if odd < 0.03:
            return made[: random.randrange(len(made) + 1)]
        if odd < 0.05:
            return redundant(OPUS, payload, [(960, b"x")] * random.choice((14, 15, 16, 17)))
        return made

    def _film(self, encoder: Encoder, spec: SourceSpec) -> None:
        random = self.random
        starts = encoder.frame_left == 0
        if starts:
            encoder.frame_left = random.randint(1, 4)
            encoder.ts += 3000 if random.random() < 0.97 else random.choice((1, 90000, -3000))
            encoder.picture = (encoder.picture + 1) & 0x7FFF
            encoder.tl0 = (encoder.tl0 + random.randrange(2)) & 0xFF
        encoder.frame_left -= 1
        marker = encoder.frame_left == 0
        payload = self._picture(encoder, spec, starts, random.random() < 0.25)
        kind = spec.types[0] if random.random() < 0.99 else random.choice((*spec.types[:2], 127)) & 0x7F
        packet = self._packet(
            encoder, encoder.ssrc, encoder.seq, encoder.ts, payload, kind, marker=marker, repair=False
        )
        self._sent(encoder, payload, marker=marker)
        self._feed(spec.leg, packet)

    def _sent(self, encoder: Encoder, payload: bytes, *, marker: bool) -> None:
        encoder.sent.append((encoder.seq, encoder.ts, marker, payload))
        encoder.seq += 1

    def _picture(self, encoder: Encoder, spec: SourceSpec, starts: bool, key: bool) -> bytes:
        random = self.random
        body = random.randbytes(random.choice((0, 1, 30, 30, 30, 30, 300, 1100)))
        if random.random() < 0.03:
            return body  # whatever it looks like
        if spec.codec == "vp8":
            return self._vp8(encoder, starts, key) + body
        if spec.codec == "h264":
            first = random.choice((5, 7, 24, 28)) if key else random.choice((1, 6, 9, 24, 28))
            inside = b"\x85" if first == 28 else b"\x00\x01\x65" if first == 24 else b""
            return bytes([first]) + (inside if key else b"") + body
        return bytes([random.randrange(256)]) + body

    def _vp8(self, encoder: Encoder, starts: bool, key: bool) -> bytes:
        random = self.random
        flags = 0xC0 if random.random() < 0.9 else random.randrange(256)
        made = bytes([(0x10 if starts else 0) | 0x80, flags])
        if random.random() < 0.05:
            made = bytes([0x10 if starts else 0])
            flags = 0
        if flags & 0x80:
            wide = struct.pack("!H", 0x8000 | encoder.picture)
            made += wide if encoder.wide else bytes([encoder.picture & 0x7F])
        if flags & 0x40:
            made += bytes([encoder.tl0])
        if flags & 0x30:
            made += b"\x20"
        return made + bytes([0 if key else 1])

    def _rtx(self) -> None:
        random = self.random
        videos = [encoder for encoder in self._encoders if self.sources[encoder.source].kind == "video"]
        encoder = random.choice(videos)
        spec = self.sources[encoder.source]
        for _ in range(random.randint(1, 3)):
            if encoder.sent and random.random() < 0.95:
                back = random.choice((1, 2, 3, 5, 20, 300, 600, 1100))
                seq, ts, marker, payload = encoder.sent[-min(back, len(encoder.sent))]
            else:
                seq, ts, marker, payload = random.randrange(65536), encoder.ts, False, random.randbytes(20)
            body = struct.pack("!H", seq & 0xFFFF) + payload
            if random.random() < 0.05:
                body = body[: random.randrange(4)]
            packet = self._packet(
                encoder,
                encoder.rtx_ssrc,
                encoder.rtx_seq,
                ts,
                body,
                spec.types[1] & 0x7F,
                marker=marker,
                repair=True,
            )
            encoder.rtx_seq += 1
            self._feed(spec.leg, packet)

    def _crowd(self) -> None:
        """More packets in an instant than a ring holds, then somebody asks what it holds."""
        random = self.random
        encoder = random.choice(self._encoders)
        spec = self.sources[encoder.source]
        if spec.kind == "audio":
            for _ in range(70):
                self._speak(encoder, spec)
        elif random.random() < 0.1:
            for _ in range(520):
                self._film(encoder, spec)
        fitting = [at for at, slot in enumerate(self.slots) if slot.kind == spec.kind]
        if spec.kind == "audio":
            at = random.choice(fitting)
            self.actions += [("connect", at, None, 0), ("connect", at, encoder.source, 0)]
        else:
            self.actions += [("retransmit", at, list(range(480, 530))) for at in fitting]

    def _seesaw(self) -> None:
        """Back and forth between layers, and asking for what was lost on the way."""
        random = self.random
        layered = [at for at, spec in enumerate(self.sources) if len(spec.layers) > 1]
        fitting = [at for at, slot in enumerate(self.slots) if slot.kind == "video"]
        if not layered or not fitting:
            return
        source, slot = random.choice(layered), random.choice(fitting)
        self.actions.append(("connect", slot, source, 0))
        for _ in range(random.randint(2, 8)):
            encoder = random.choice([one for one in self._encoders if one.source == source])
            self.actions.append(("choose", slot, encoder.layer))
            for _ in range(random.randint(2, 10)):
                self._film(encoder, self.sources[source])
            if random.random() < 0.3:
                self.actions.append(("retransmit", slot, list(range(random.choice((8, 50))))))

    # others

    def _tick(self) -> None:
        random = self.random
        self.actions.append(("tick", random.choice((0.001, 0.01, 0.05, 0.05, 0.24, 0.4, 1.0, 1.0, 2.5))))

    def _connect(self) -> None:
        at = self.random.randrange(len(self.slots))
        kind = self.slots[at].kind if self.random.random() < 0.98 else "video"
        self.actions.append(("connect", at, *self._wish(kind)))

    def _choose(self) -> None:
        self.actions.append(("choose", self.random.randrange(len(self.slots)), self.random.randrange(-1, 3)))

    def _retransmit(self) -> None:
        random = self.random
        backs = [
            random.choice((0, 1, 2, 3, 5, 8, 13, 50, 200, 600, 65535)) for _ in range(random.randint(1, 5))
        ]
        self.actions.append(("retransmit", random.randrange(len(self.slots)), backs))

    def _missing(self) -> None:
        encoder = self.random.choice(self._encoders)
        self.actions.append(("missing", encoder.source, encoder.layer))
        self.actions.append(("arrivals", self.random.randrange(len(self.legs))))

    def _anywhere(self) -> Address:
        if self.random.random() < 0.7:
            return self.random.choice(self.legs).address
        return ("192.0.2.1", 999)

    def _junk(self) -> None:
        random = self.random
        size = random.choice((0, 1, 2, 11, 12, 19, 20, 28, 60, 1499, 1500, 1501, 1600))
        data = bytearray(random.randbytes(size))
        if data and random.random() < 0.8:
            data[0] = random.choice((0, 3, 4, 19, 20, 22, 63, 64, 127, 128, 144, 191, 192, 255))
        if size > 1 and random.random() < 0.3:
            data[0], data[1] = random.choice((0x80, data[0])), random.choice((191, 192, 200, 201, 223, 224))
        self.actions.append(("feed", 0, self._anywhere(), bytes(data)))

    def _stun(self) -> None:
        random = self.random
        at = random.randrange(len(self.legs))
        user = random.choice(
            (f"ufrag{at}:them", f"ufrag{at}:them", f"ufrag{at}", ":x", f"second{at}:y", "nobody:z")
        )
        password = random.choice((f"password{at}", f"password{at}", f"password{at}", "wrong", f"other{at}"))
        tail = random.choice(
            (b"", b"", struct.pack("!HHL", 0x8028, 4, 7), struct.pack("!HH", 0x25, 0), b"\0\1\2")
        )
        cookie = 0x2112A442 if random.random() < 0.95 else 1
        data = bytearray(
            binding_request(
                user.encode(),
                password.encode(),
                cookie=cookie,
                kind=random.choice((1, 1, 1, 0x101)),
                tail=tail,
            )
        )
        if random.random() < 0.2:
            data[random.randrange(len(data))] ^= 1 << random.randrange(8)
        if random.random() < 0.1:
            del data[random.randrange(len(data)) :]
        self.actions.append(("feed", random.randrange(2), self._anywhere(), bytes(data)))

    def _again(self) -> None:
        """A replay, near or far, or what was held back."""
        if self._old:
            back = self.random.choice((1, 2, 10, 100, 1000))
            self.actions.append(self._old[-min(back, len(self._old))])

    def _broken(self) -> None:
        if not self._old:
            return
        kind, port, address, data = self._old[-self.random.randrange(1, min(20, len(self._old)) + 1)]
        broken = bytearray(data)
        if self.random.random() < 0.5:
            broken[self.random.randrange(2, len(broken))] ^= 1 << self.random.randrange(8)
        else:
            del broken[self.random.randrange(len(broken)) :]
        address = address if self.random.random() < 0.8 else self._anywhere()
        self.actions.append((kind, port, address, bytes(broken)))

    def _policy(self) -> None:
        random = self.random
        what = random.randrange(3)
        if what == 0:
            bits = random.choice((-1, 0, 50_000, 200_000, 1_000_000))
            self.actions.append(("budget", random.randrange(len(self.legs)), bits))
        elif what == 1:
            self.actions.append(("redundancy", random.randrange(len(self.slots)), random.randrange(4)))
        else:
            encoder = random.choice(self._encoders)
            self.actions.append(("rest", encoder.source, encoder.layer))

    def _source_change(self) -> None:
        random = self.random
        at = random.randrange(len(self.sources))
        spec = self.sources[at]
        what = random.randrange(6)
        if what < 2:
            self.actions.append(("open", at, bool(what)))
        elif what == 2:
            self.actions.append(("tap", at, random.random() < 0.5))
        elif what == 3:
            layer = random.randrange(len(spec.layers))
            encoder = next(one for one in self._encoders if (one.source, one.layer) == (at, layer))
            ssrc = random.choice((0, encoder.ssrc, self._ssrc()))
            rtx_ssrc = random.choice((0, encoder.rtx_ssrc, self._ssrc()))
            self.actions.append(("announce", at, layer, ssrc, rtx_ssrc))
        elif what == 4 and random.random() < 0.3:
            self.actions.append(("remove_source", at))
        else:
            self.actions.append(("add_source", at))

    def _restart_encoder(self) -> None:
        """Another SSRC, sometimes one that is somebody else's."""
        random = self.random
        encoder = random.choice(self._encoders)
        fresh, other = self._encoder(encoder.source, encoder.layer), random.choice(self._encoders)
        # A stolen SSRC goes on near its owner's numbers: an index from before an SSRC's first packet is nothing
        # libsrtp can see.
        stolen = random.random() < 0.2
        if random.random() < 0.7:
            encoder.ssrc, encoder.seq = (other.ssrc, other.seq + 5) if stolen else (self._ssrc(), fresh.seq)
        elif stolen:
            encoder.rtx_ssrc, encoder.rtx_seq = other.rtx_ssrc, other.rtx_seq + 5
        else:
            encoder.rtx_ssrc, encoder.rtx_seq = self._ssrc(), fresh.rtx_seq

    def _leg_change(self) -> None:
        random = self.random
        at = random.randrange(len(self.legs))
        what = random.randrange(6)
        if what == 0:
            self.actions.append(
                ("credentials", at, random.choice((f"second{at}", f"third{at}")), f"other{at}")
            )
        elif what == 1:
            address = (self.legs[at].address[0], self.legs[at].address[1] + 100)
            self.actions.append(("admit", at, 0, address))
            self.actions.append(("direct", at, random.randrange(2), address))
        elif what == 2:
            self.actions.append(("admit", at, 0, random.choice(self.legs).address))
        elif what == 3:
            ceiling = random.choice((0, 0, 40_000, 500_000))
            numbers = (
                self._numbers()
                if at >= len({spec.leg for spec in self.sources})
                else self.legs[at].extensions
            )
            self.actions.append(("update_leg", at, numbers, ceiling))
        elif what == 4:
            self.actions.append(("admit", at, 0, self.legs[at].address))
        elif random.random() < 0.2:
            self.actions.append(("remove_leg", at))
        else:
            generation = random.randrange(3)
            self.actions.append(("key", at, generation))
            if generation != self._generations[at]:
                self._sealers[at] = sealer(self.legs[at].keys_of(generation))
                self._generations[at] = generation


def write(seed: int, steps: int = 150) -> Scene:
    return Author(seed, steps).scene


class Stage:
    """Plays a scene on one forwarder."""

    def __init__(self, forwarder: Any, scene: Scene) -> None:
        self.forwarder = forwarder
        self.now = START
        self.heard = Heard()
        self._out: list[tuple[int, Address, bytes]] = []
        self._newest: dict[int, int] = {}  # SSRC: out sequence number
        forwarder.clock = lambda: self.now
        forwarder.outgoing = lambda port, address, data: self._out.append((port, address, data))
        forwarder.start([], self.heard)
        self._scene = scene
        self.legs = [Leg(spec.name, spec.extensions, spec.ceiling) for spec in scene.legs]
        self.sources = [_source(spec, self.legs[spec.leg]) for spec in scene.sources]
        self.slots = [
            Slot(
                self.legs[spec.leg],
                spec.mid,
                spec.kind,
                spec.ssrc,
                spec.rtx_ssrc,
                dict(spec.payload_types),
                spec.red,
            )  # type: ignore[arg-type]  # names of codecs
            for spec in scene.slots
        ]
        for leg in self.legs:
            forwarder.add_leg(leg)
        for source in self.sources:
            forwarder.add_source(source)
        for slot in self.slots:
            forwarder.add_slot(slot)
        self._gone: set[Leg] = set()

    def act(self, action: Action) -> dict[str, Any]:
        """What came of one action: result or refusal, packets by receiver and SSRC, events, figures."""
        name, *arguments = action
        try:
            result = getattr(self, f"_{name}")(*arguments)
        except (LookupError, ValueError) as error:
            result = "LookupError" if isinstance(error, LookupError) else "ValueError"
        sent: dict[tuple[object, ...], list[bytes]] = {}
        for port, address, data in self._out:
            _, _, seq, _, ssrc = struct.unpack_from("!BBHLL", data)
            newest = self._newest.setdefault(ssrc, seq)
            if (seq - newest) & 0xFFFF < 0x8000:
                self._newest[ssrc] = seq
            sent.setdefault((port, address, ssrc), []).append(data)
        self._out.clear()
        return {"result": result, "sent": sent, "events": self.heard.take()}

    def _tick(self, seconds: float) -> None:
        self.now += seconds

    def _feed(self, port: int, address: Address, data: bytes) -> None:
        self.forwarder.feed(port, address, data, self.now)

    def _credentials(self, leg: int, ufrag: str, password: str) -> None:
        self.forwarder.credentials(self.legs[leg], ufrag, password)

    def _admit(self, leg: int, port: int, address: Address) -> None:
        self.forwarder.admit(self.legs[leg], port, address)

    def _direct(self, leg: int, port: int, address: Address) -> None:
        self.forwarder.direct(self.legs[leg], port, address)

    def _key(self, leg: int, generation: int = 0) -> None:
        self.forwarder.key(self.legs[leg], self._scene.legs[leg].keys_of(generation))

    def _update_leg(self, leg: int, numbers: Extensions, ceiling: int) -> None:
        self.legs[leg].extensions, self.legs[leg].ceiling = numbers, ceiling
        self.forwarder.update_leg(self.legs[leg])

    def _remove_leg(self, leg: int) -> None:
        self.forwarder.remove_leg(self.legs[leg])
        self._gone.add(self.legs[leg])

    def _budget(self, leg: int, bits: int) -> None:
        self.forwarder.budget(self.legs[leg], bits)

    def _connect(self, slot: int, source: int | None, layer: int) -> None:
        self.forwarder.connect(self.slots[slot], None if source is None else self.sources[source], layer)

    def _choose(self, slot: int, layer: int) -> None:
        self.forwarder.choose(self.slots[slot], layer)

    def _redundancy(self, slot: int, distance: int) -> None:
        self.forwarder.redundancy(self.slots[slot], distance)

    def _retransmit(self, slot: int, backs: list[int]) -> int:
        newest = self._newest.get(self.slots[slot].ssrc, 0)
        resent: int = self.forwarder.retransmit(
            self.slots[slot], [(newest - back) & 0xFFFF for back in backs]
        )
        return resent

    def _missing(self, source: int, layer: int) -> list[int]:
        missing: list[int] = self.forwarder.missing(self.sources[source].layers[layer])
        return missing

    def _arrivals(self, leg: int) -> list[tuple[int, int]]:
        arrivals: list[tuple[int, int]] = self.forwarder.take_arrivals(self.legs[leg])
        return arrivals

    def _rest(self, source: int, layer: int) -> None:
        self.forwarder.rest(self.sources[source].layers[layer])

    def _open(self, source: int, is_open: bool) -> None:
        self.sources[source].open = is_open
        self.forwarder.update_source(self.sources[source])

    def _tap(self, source: int, tap: bool) -> None:
        self.sources[source].tap = tap
        self.forwarder.update_source(self.sources[source])

    def _announce(self, source: int, layer: int, ssrc: int, rtx_ssrc: int) -> None:
        row = self.sources[source].layers[layer]
        row.ssrc, row.rtx_ssrc = ssrc, rtx_ssrc
        self.forwarder.update_source(self.sources[source])

    def _remove_source(self, source: int) -> None:
        self.forwarder.remove_source(self.sources[source])

    def _add_source(self, source: int) -> None:
        row = self.sources[source]
        if row in row.leg.sources or row.leg in self._gone:
            return
        for layer, (_, ssrc, rtx_ssrc) in zip(row.layers, self._scene.sources[source].layers, strict=True):
            layer.ssrc, layer.rtx_ssrc = ssrc, rtx_ssrc  # what was learned went with the source
        self.forwarder.add_source(row)

    def _refresh(self) -> dict[str, Any]:
        """Every measured figure, after bringing it up to date."""
        self.forwarder.refresh(self.legs)
        return {
            "strangers": +Counter(self.forwarder.strangers),
            "legs": [_leg_figures(leg) for leg in self.legs if leg not in self._gone],
            "layers": [
                _layer_figures(layer)
                for leg in self.legs
                for source in leg.sources
                for layer in source.layers
            ],
            "loudest": [source.loudest for leg in self.legs for source in leg.sources],
            "slots": [_slot_figures(slot) for slot in self.slots if slot.leg not in self._gone],
        }


def _source(spec: SourceSpec, leg: Leg) -> Source:
    media, rtx, red = spec.types
    source = Source(leg, spec.name, spec.kind, spec.codec, spec.mid, media, rtx, red, spec.open, spec.tap)  # type: ignore[arg-type]  # names
    source.layers = [Layer(source, rid, ssrc, rtx_ssrc) for rid, ssrc, rtx_ssrc in spec.layers]
    return source


def _drops(leg: Leg) -> Counter[str]:
    """Drops by reason; a forged packet numbered before an SSRC's first is `replay` to one and `auth` to libsrtp."""
    drops = Counter(leg.counters.drops)
    drops["refused"] = drops.pop("auth", 0) + drops.pop("replay", 0)
    return +drops


def _leg_figures(leg: Leg) -> tuple[object, ...]:
    counters = leg.counters
    return (
        leg.name,
        counters.packets_in,
        counters.bytes_in,
        counters.packets_out,
        counters.bytes_out,
        counters.resent,
        _drops(leg),
        leg.last_heard,
    )


def _layer_figures(layer: Layer) -> tuple[object, ...]:
    return (
        layer.source.leg.name,
        layer.source.name,
        layer.rid,
        layer.ssrc,
        layer.rtx_ssrc,
        layer.flowing,
        layer.last_packet,
        layer.packets,
        layer.bytes,
        layer.repeated,
        layer.first_seq,
        layer.highest,
        layer.jitter,
        layer.keyframes,
    )


def _slot_figures(slot: Slot) -> tuple[object, ...]:
    source = None if slot.source is None else (slot.source.leg.name, slot.source.name)
    return (
        slot.leg.name,
        slot.mid,
        source,
        slot.wanted,
        slot.layer,
        slot.waiting,
        slot.red_distance,
        slot.packets,
        slot.bytes,
        slot.ts_delta,
        slot.last_sent,
    )
