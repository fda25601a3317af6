"""A forwarder without sockets, people at its ends who hold real SRTP keys, and a clock that stands still."""

import secrets
import struct
from collections import deque
from dataclasses import dataclass, field
from typing import Any, ClassVar

import pylibsrtp

from media.plane.choose import forwarder
from media.plane.table import (
    Address,
    Extensions,
    Kind,
    Layer,
    Leg,
    Slot,
    Source,
    SrtpKeys,
)
from tests.media.clock import Clock

AUDIO_PT, VIDEO_PT, RTX_PT = 111, 96, 97
EXTENSIONS = Extensions(mid=1, rid=2, repaired_rid=3, level=4, send_time=5, transport_seq=6)
KEY_FRAME, DELTA_FRAME = b"\x10\x00\x9d\x01\x2a", b"\x10\x01\x00\x00\x00"  # VP8 without picture ids


@dataclass
class Received:
    """An RTP packet as it reached a receiver."""

    ssrc: int
    seq: int
    timestamp: int
    payload_type: int
    payload: bytes
    at: float


class Told:
    """The listener: hands RTCP-free events to whoever set a field, and remembers them."""

    def __init__(self) -> None:
        self.gaps: list[Layer] = []
        self.keyframes: list[Layer] = []
        self.voices: list[Source] = []
        self.on_gap = self.gaps.append
        self.on_keyframe = self.keyframes.append
        self.on_voice = self.voices.append

    def gap(self, layer: Layer) -> None:
        self.on_gap(layer)

    def keyframe_wanted(self, layer: Layer) -> None:
        self.on_keyframe(layer)

    def voice(self, source: Source) -> None:
        self.on_voice(source)

    def stun(self, leg: Leg, port: int, address: Address, data: bytes) -> None: ...
    def dtls(self, leg: Leg, address: Address, data: bytes) -> None: ...
    def rtcp(self, leg: Leg, data: bytes) -> None: ...
    def stray(self, port: int, address: Address, data: bytes) -> None: ...
    def flowing(self, layer: Layer) -> None: ...
    def switched(self, slot: Slot) -> None: ...
    def tapped(self, source: Source, layer: int, packet: bytes) -> None: ...


@dataclass
class End:
    """The far end of a leg."""

    leg: Leg
    address: Address
    session: pylibsrtp.Session
    transport_seq: int = 0
    received: list[Received] = field(default_factory=list)


class Traffic:
    """The whole network. `lost` holds back the next datagrams to receivers when it says True.

    `choice` is set by the fixture `both_forwarders`.
    """

    choice: ClassVar[str] = "python"

    def __init__(self) -> None:
        self.clock = Clock()
        self.told = Told()
        self.forwarder: Any = forwarder(self.choice)
        self.forwarder.clock = self.clock
        self.forwarder.outgoing = self._outgoing
        self.forwarder.start([], self.told)
        self.ends: dict[Address, End] = {}
        self.lost: deque[bool] = deque()

    def leg(self, name: str) -> End:
        leg = Leg(name, EXTENSIONS)
        key, salt = secrets.token_bytes(16), secrets.token_bytes(14)
        back, back_salt = secrets.token_bytes(16), secrets.token_bytes(14)
        address = ("198.51.100.1", 1000 + len(self.ends))
        self.forwarder.add_leg(leg)
        self.forwarder.key(leg, SrtpKeys("AES128_CM_SHA1_80", key, salt, back, back_salt))
        self.forwarder.admit(leg, 0, address)
        self.forwarder.direct(leg, 0, address)
        end = End(leg, address, _session(key + salt, back + back_salt))
        self.ends[address] = end
        return end

    def source(self, end: End, name: str, kind: Kind, rids: str = "") -> Source:
        audio = kind == "audio"
        mid = str(len(end.leg.sources))
        source = Source(
            end.leg,
            name,
            kind,
            "opus" if audio else "vp8",
            mid,
            AUDIO_PT if audio else VIDEO_PT,
            -1 if audio else RTX_PT,
            open=True,
        )
        base = (len(self.ends) * 100 + len(end.leg.sources)) * 10
        source.layers = [
            Layer(source, rid, base + n * 2 + 1, base + n * 2 + 2) for n, rid in enumerate(rids or [""])
        ]
        self.forwarder.add_source(source)
        return source

    def slot(self, end: End, kind: Kind) -> Slot:
        number = len(end.leg.slots)
        types = {"opus": (AUDIO_PT, -1)} if kind == "audio" else {"vp8": (VIDEO_PT, RTX_PT)}
        slot = Slot(
            end.leg,
            str(number),
            kind,
            5000 + number * 2,
            5001 + number * 2,
            types,
            red_payload_type=63 if kind == "audio" else -1,
        )
        self.forwarder.add_slot(slot)
        return slot

    def send(
        self,
        end: End,
        layer: Layer,
        seq: int,
        ts: int,
        payload: bytes,
        *,
        level: int = 127,
        marker: bool = True,
    ) -> None:
        """One packet of a publisher, protected as his browser would."""
        source = layer.source
        elements = bytes([EXTENSIONS.level << 4, level]) if source.kind == "audio" else b""
        elements += bytes([EXTENSIONS.transport_seq << 4 | 1]) + struct.pack("!H", end.transport_seq)
        elements += b"\0" * (-len(elements) % 4)
        end.transport_seq = (end.transport_seq + 1) & 0xFFFF
        header = struct.pack("!BBHII", 0x90, marker << 7 | source.payload_type, seq & 0xFFFF, ts, layer.ssrc)
        header += struct.pack("!HH", 0xBEDE, len(elements) // 4) + elements
        self.forwarder.feed(0, end.address, end.session.protect(header + payload), self.clock.now)

    def _outgoing(self, port: int, address: Address, data: bytes) -> None:
        if self.lost and self.lost.popleft():
            return
        end = self.ends[address]
        packet = end.session.unprotect(data)
        first, second, seq, timestamp, ssrc = struct.unpack_from("!BBHII", packet)
        start = 12
        if first & 0x10:
            start += 4 + 4 * struct.unpack_from("!H", packet, 14)[0]
        end.received.append(Received(ssrc, seq, timestamp, second & 0x7F, packet[start:], self.clock.now))


class _Both:
    """libsrtp has a session a direction; the far end needs both."""

    def __init__(self, sends: bytes, receives: bytes) -> None:
        profile = pylibsrtp.Policy.SRTP_PROFILE_AES128_CM_SHA1_80
        out, into = pylibsrtp.Policy.SSRC_ANY_OUTBOUND, pylibsrtp.Policy.SSRC_ANY_INBOUND
        self._out = pylibsrtp.Session(pylibsrtp.Policy(key=sends, ssrc_type=out, srtp_profile=profile))
        self._in = pylibsrtp.Session(pylibsrtp.Policy(key=receives, ssrc_type=into, srtp_profile=profile))
        self.protect = self._out.protect
        self.unprotect = self._in.unprotect


def _session(sends: bytes, receives: bytes) -> pylibsrtp.Session:
    return _Both(sends, receives)
