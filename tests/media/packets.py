"""What browsers put on the wire, made by hand: RTP, RTX, RED and STUN packets, and the SRTP of both ends."""

import hashlib
import hmac
import struct
from dataclasses import dataclass, field
from random import Random

from pylibsrtp import Policy, Session

from media.plane.table import Address, Layer, Leg, Slot, Source, SrtpKeys

PROFILES = {
    "AES128_GCM": (Policy.SRTP_PROFILE_AEAD_AES_128_GCM, 16, 12),
    "AES256_GCM": (Policy.SRTP_PROFILE_AEAD_AES_256_GCM, 32, 12),
    "AES128_CM_SHA1_80": (Policy.SRTP_PROFILE_AES128_CM_SHA1_80, 16, 14),
}
BLOCK_HEADER = struct.Struct("!L")

Elements = list[tuple[int, bytes]]


def make_keys(profile: str = "AES128_GCM", seed: object = 1) -> SrtpKeys:
    random = Random(f"keys {seed}")
    _, key, salt = PROFILES[profile]
    return SrtpKeys(
        profile,  # type: ignore[arg-type]  # one of the three
        random.randbytes(key),
        random.randbytes(salt),
        random.randbytes(key),
        random.randbytes(salt),
    )


def sealer(keys: SrtpKeys) -> Session:
    """What a browser protects with; it may repeat itself, as an attacker would."""
    return _session(keys.profile, keys.receive_key + keys.receive_salt, Policy.SSRC_ANY_OUTBOUND)


def opener(keys: SrtpKeys) -> Session:
    """What a browser unprotects with; it refuses an index it has seen."""
    return _session(keys.profile, keys.send_key + keys.send_salt, Policy.SSRC_ANY_INBOUND)


def _session(profile: str, secret: bytes, kind: int) -> Session:
    policy = Policy(key=secret, ssrc_type=kind, srtp_profile=PROFILES[profile][0])
    policy.window_size = 1024
    policy.allow_repeat_tx = kind == Policy.SSRC_ANY_OUTBOUND
    return Session(policy)


def one_byte(elements: Elements) -> bytes:
    """The body of a one-byte extension block, padded to words."""
    body = b"".join(bytes([number << 4 | len(value) - 1]) + value for number, value in elements)
    return body + b"\0" * (-len(body) % 4)


def rtp(
    ssrc: int,
    seq: int,
    ts: int,
    payload: bytes,
    payload_type: int,
    elements: Elements | None = None,
    *,
    marker: bool = False,
    csrcs: int = 0,
    padding: int = 0,
    block: bytes | None = None,
    profile: int = 0xBEDE,
) -> bytes:
    """An RTP packet; `block` is a ready extension body in place of `elements`."""
    body = one_byte(elements) if elements else block
    flags = 0x80 | (0x20 if padding else 0) | (0x10 if body is not None else 0) | csrcs
    head = struct.pack(
        "!BBHLL", flags, marker << 7 | payload_type, seq & 0xFFFF, ts & 0xFFFFFFFF, ssrc & 0xFFFFFFFF
    )
    head += b"\x12\x34\x56\x78" * csrcs
    if body is not None:
        head += struct.pack("!HH", profile, len(body) // 4) + body
    return head + payload + (b"\0" * (padding - 1) + bytes([padding]) if padding else b"")


def redundant(payload_type: int, primary: bytes, blocks: list[tuple[int, bytes]]) -> bytes:
    """A RED payload (RFC 2198); blocks are (timestamp offset, frame), oldest first."""
    heads = [
        BLOCK_HEADER.pack(0x80000000 | payload_type << 24 | offset << 10 | len(frame))
        for offset, frame in blocks
    ]
    return b"".join([*heads, bytes([payload_type]), *(frame for _, frame in blocks), primary])


def binding_request(
    username: bytes, password: bytes, *, cookie: int = 0x2112A442, kind: int = 1, tail: bytes = b""
) -> bytes:
    """A STUN binding request with USERNAME and MESSAGE-INTEGRITY; `tail` are attributes behind it."""
    body = struct.pack("!HH", 6, len(username)) + username + b"\0" * (-len(username) % 4)
    head = struct.pack("!HHL", kind, len(body) + 24, cookie) + b"transaction!"
    digest = hmac.digest(password, head + body, hashlib.sha1)
    body += struct.pack("!HH", 8, 20) + digest + tail
    return struct.pack("!HHL", kind, len(body), cookie) + b"transaction!" + body


@dataclass
class Heard:
    """A listener that writes everything down, with names instead of objects."""

    events: list[tuple[object, ...]] = field(default_factory=list)

    def stun(self, leg: Leg, port: int, address: Address, data: bytes) -> None:
        self.events.append(("stun", leg.name, port, address, data))

    def dtls(self, leg: Leg, address: Address, data: bytes) -> None:
        self.events.append(("dtls", leg.name, address, data))

    def rtcp(self, leg: Leg, data: bytes) -> None:
        self.events.append(("rtcp", leg.name, data))

    def stray(self, port: int, address: Address, data: bytes) -> None:
        self.events.append(("stray", port, address, data))

    def flowing(self, layer: Layer) -> None:
        self.events.append(("flowing", *self._layer(layer), layer.ssrc))

    def gap(self, layer: Layer) -> None:
        self.events.append(("gap", *self._layer(layer)))

    def voice(self, source: Source) -> None:
        self.events.append(("voice", source.leg.name, source.name))

    def keyframe_wanted(self, layer: Layer) -> None:
        self.events.append(("keyframe_wanted", *self._layer(layer)))

    def switched(self, slot: Slot) -> None:
        self.events.append(("switched", slot.leg.name, slot.mid, slot.layer, slot.waiting))

    def tapped(self, source: Source, layer: int, packet: bytes) -> None:
        self.events.append(("tapped", source.leg.name, source.name, layer, packet))

    def take(self) -> list[tuple[object, ...]]:
        taken, self.events = self.events, []
        return taken

    @staticmethod
    def _layer(layer: Layer) -> tuple[str, str, int]:
        source = layer.source
        return source.leg.name, source.name, source.layers.index(layer)
