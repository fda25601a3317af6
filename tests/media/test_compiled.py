"""The compiled forwarder over real sockets: what only it has (a thread, a lock, a ring of events, libcrypto)."""

import asyncio
import secrets
import socket
import struct
from collections.abc import AsyncIterator

import pylibsrtp
import pytest

from media.plane.table import Extensions, Layer, Leg, Slot, Source, SrtpKeys

compiled = pytest.importorskip("media.plane.compiled", reason="the compiled forwarder is not built")

EXTENSIONS = Extensions(mid=1, level=2, send_time=3, transport_seq=4)
POLICIES = {
    "AES128_GCM": (pylibsrtp.Policy.SRTP_PROFILE_AEAD_AES_128_GCM, 16, 12),
    "AES256_GCM": (pylibsrtp.Policy.SRTP_PROFILE_AEAD_AES_256_GCM, 32, 12),
    "AES128_CM_SHA1_80": (pylibsrtp.Policy.SRTP_PROFILE_AES128_CM_SHA1_80, 16, 14),
}
KEY, DELTA = b"\x10\x00\x9d\x01\x2a", b"\x10\x01\x00\x00\x00"


class Heard:
    """A listener that puts every event into one queue."""

    def __init__(self) -> None:
        self.events: asyncio.Queue[tuple[object, ...]] = asyncio.Queue()

    def __getattr__(self, name):
        return lambda *arguments: self.events.put_nowait((name, *arguments))

    async def until(self, name):
        async with asyncio.timeout(5):
            while True:
                event = await self.events.get()
                if event[0] == name:
                    return event


def session(profile, direction, key):
    policy, _, _ = POLICIES[profile]
    return pylibsrtp.Session(pylibsrtp.Policy(key=key, ssrc_type=direction, srtp_profile=policy))


class Person:
    """A browser's half of one leg: a socket and pylibsrtp, which is another SRTP than the one under test."""

    def __init__(self, forwarder, server, name, profile="AES128_GCM", ceiling=0):
        _, key, salt = POLICIES[profile]
        mine, theirs = secrets.token_bytes(key + salt), secrets.token_bytes(key + salt)
        self.forwarder, self.server = forwarder, server
        self.leg = Leg(name, EXTENSIONS, ceiling)
        self.socket = socket.socket(server.family, socket.SOCK_DGRAM)
        self.socket.bind((server.getsockname()[0], 0))
        self.socket.setblocking(False)
        self.protecting = session(profile, pylibsrtp.Policy.SSRC_ANY_OUTBOUND, mine)
        self.opening = session(profile, pylibsrtp.Policy.SSRC_ANY_INBOUND, theirs)
        forwarder.add_leg(self.leg)
        forwarder.key(self.leg, SrtpKeys(profile, mine[:key], mine[key:], theirs[:key], theirs[key:]))
        self.admit()

    def admit(self):
        address = self.socket.getsockname()[:2]
        self.forwarder.admit(self.leg, 0, address)
        self.forwarder.direct(self.leg, 0, address)

    def source(self, kind, ssrc, **fields):
        codec, payload_type = ("opus", 111) if kind == "audio" else ("vp8", 96)
        source = Source(self.leg, kind, kind, codec, "m", payload_type, open=True, **fields)
        source.layers.append(Layer(source, ssrc=ssrc))
        self.forwarder.add_source(source)
        return source

    def slot(self, kind, ssrc, **fields):
        types = {"opus": (109, -1)} if kind == "audio" else {"vp8": (100, 101)}
        slot = Slot(self.leg, "s", kind, ssrc, ssrc + 1, types, **fields)
        self.forwarder.add_slot(slot)
        return slot

    def send(self, data):
        self.socket.sendto(data, self.server.getsockname()[:2])

    def rtp(self, payload_type, seq, ts, ssrc, payload, first=0x80):
        return self.protecting.protect(
            struct.pack("!BBHII", first, payload_type, seq & 0xFFFF, ts, ssrc) + payload
        )

    async def receive(self):
        async with asyncio.timeout(5):
            data = await asyncio.get_running_loop().sock_recv(self.socket, 2048)
        return self.opening.unprotect(data)


@pytest.fixture(params=["127.0.0.1", "::1"])
def server(request):
    family = socket.AF_INET6 if ":" in request.param else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as one:
        one.bind((request.param, 0))
        yield one


@pytest.fixture
def heard():
    return Heard()


@pytest.fixture
async def running(server, heard) -> AsyncIterator[object]:
    one = compiled.CompiledForwarder()
    one.start([server], heard)
    yield one
    one.close()


@pytest.fixture
def join(running, server):
    """People at the forwarder's socket, by name."""
    here = []

    def person(name, profile="AES128_GCM", **fields):
        here.append(Person(running, server, name, profile, **fields))
        return here[-1]

    yield person
    for one in here:
        one.socket.close()


@pytest.mark.parametrize("profile", POLICIES)
async def test_a_picture_and_a_voice_reach_the_receiver(running, join, profile):
    anna, boris = join("anna", profile), join("boris", profile)
    camera, mic = anna.source("video", 10), anna.source("audio", 20)
    screen, ear = boris.slot("video", 30), boris.slot("audio", 40)
    running.connect(screen, camera, 0)
    running.connect(ear, mic, 0)
    anna.send(anna.rtp(96, 65535, 1000, 10, DELTA + b"before the key frame"))
    anna.send(anna.rtp(96, 65536, 4000, 10, KEY + b"picture"))
    anna.send(anna.rtp(111, 7, 960, 20, b"voice"))
    picture, voice = await boris.receive(), await boris.receive()
    assert (picture[1] & 0x7F, picture[8:12]) == (100, struct.pack("!I", 30))
    assert picture.endswith(KEY + b"picture")
    assert (voice[1] & 0x7F, voice[8:12]) == (109, struct.pack("!I", 40))
    assert voice.endswith(b"voice")
    running.refresh([anna.leg, boris.leg])
    assert (anna.leg.counters.packets_in, boris.leg.counters.packets_out) == (3, 2)
    assert (screen.layer, screen.packets, camera.layers[0].packets) == (0, 1, 2)
    assert camera.layers[0].first_seq == 65535 and camera.layers[0].highest == 65536
