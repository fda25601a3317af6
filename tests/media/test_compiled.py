"""The compiled forwarder over real sockets: what only it has (a thread, a lock, a ring of events, libcrypto)."""

import asyncio
import hashlib
import hmac
import re
import secrets
import socket
import struct
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pylibsrtp
import pytest

from media.plane import choose, table
from media.plane.build import NATIVE
from media.plane.python import PythonForwarder
from media.plane.table import Extensions, Layer, Leg, Slot, Source, SrtpKeys
from tests.conftest import require

pytestmark = pytest.mark.needs_compiler
try:
    from media.plane import _fanout, compiled
except ImportError:
    require("needs_compiler")
    raise

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

    def __init__(self, forwarder, server, name, profile="AES128_GCM", ceiling=0, port=0):
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
        address = self.socket.getsockname()[:2]
        forwarder.admit(self.leg, port, address)
        forwarder.direct(self.leg, port, address)

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


def stun(ufrag, password):
    """A binding request as ICE sends it."""
    username = ufrag.encode() + b":theirs"
    attribute = struct.pack("!HH", 6, len(username)) + username + b"\0" * (-len(username) % 4)
    message = struct.pack("!HHI", 1, len(attribute) + 24, 0x2112A442) + secrets.token_bytes(12) + attribute
    digest = hmac.new(password.encode(), message, hashlib.sha1).digest()
    return message + struct.pack("!HH", 8, 20) + digest


async def counted(running, leg, reason, number):
    """Waits until the leg has that many drops for this reason."""
    async with asyncio.timeout(5):
        while True:
            running.refresh([leg])
            if leg.counters.drops[reason] + running.strangers[reason] >= number:
                return
            await asyncio.sleep(0.005)


async def test_python_sees_stun_dtls_and_rtcp_with_who_sent_them(running, join, heard):
    anna = join("anna")
    running.credentials(anna.leg, "ufra", "a password of 22 chars")
    address = anna.socket.getsockname()[:2]
    request = stun("ufra", "a password of 22 chars")
    anna.send(request)
    assert await heard.until("stun") == ("stun", anna.leg, 0, address, request)
    anna.send(b"\x16\xfe\xfd" + b"hello")
    assert await heard.until("dtls") == ("dtls", anna.leg, address, b"\x16\xfe\xfdhello")
    anna.send(b"\x80\xc8\0\1" + b"report")
    assert await heard.until("rtcp") == ("rtcp", anna.leg, b"\x80\xc8\0\1report")


async def test_a_stranger_reaches_nobody_and_is_counted(running, join, server, heard):
    anna = join("anna")
    running.credentials(anna.leg, "ufra", "right")
    with socket.socket(server.family, socket.SOCK_DGRAM) as stranger:
        for data in (
            b"",
            b"\x80",
            b"\x16\xfe\xfdhello",
            b"\x80\xc8\0\1",
            stun("ufra", "wrong"),
            stun("ufrb", "right"),
        ):
            stranger.sendto(data, server.getsockname()[:2])
        stranger.sendto(b"\x80" * 1501, server.getsockname()[:2])
        await counted(running, anna.leg, "too_long", 1)
    assert running.strangers == {"unknown_kind": 2, "stranger": 2, "bad_stun": 2, "too_long": 1}
    # RTCP might be somebody's whose address has changed.
    assert (await heard.until("stray"))[3] == b"\x80\xc8\0\1"
    assert heard.events.empty()


async def test_packets_flow_while_the_interpreter_is_busy(running, join):
    anna, boris = join("anna"), join("boris")
    running.connect(boris.slot("audio", 40), anna.source("audio", 20), 0)
    anna.send(anna.rtp(111, 1, 960, 20, b"voice"))
    boris.socket.settimeout(5)
    assert boris.opening.unprotect(boris.socket.recv(2048)).endswith(b"voice")  # the loop has not run since


async def test_a_picture_reaches_more_receivers_than_a_batch_holds(running, join):
    anna, crowd = join("anna"), [join(f"listener {number}") for number in range(300)]
    camera = anna.source("video", 10)
    for one in crowd:
        running.connect(one.slot("video", 30), camera, 0)
    for seq in range(3):
        anna.send(anna.rtp(96, seq, 1000, 10, KEY))
    for one in crowd:
        assert [(await one.receive())[2:4] for _ in range(3)] == [b"\0\0", b"\0\1", b"\0\2"]


async def test_packets_that_leave_as_one_message_arrive_apart(server, heard):
    """The kernel cuts a message into packets of one size, the last shorter; here sizes change and two kinds mix."""
    running = compiled.CompiledForwarder()
    anna, boris = Person(running, server, "anna"), Person(running, server, "boris")
    camera, mic = anna.source("video", 10), anna.source("audio", 20)
    running.connect(boris.slot("video", 30), camera, 0)
    running.connect(boris.slot("audio", 40), mic, 0)
    sizes = [500] * 5 + [300] + [500] * 3 + [1300, 1320, 1320, 20, 500, 500, 501, 500]
    for seq, size in enumerate(sizes):
        anna.send(anna.rtp(96, seq, 1000, 10, KEY + secrets.token_bytes(size)))
        if seq % 3 == 0:
            anna.send(anna.rtp(111, seq, seq * 960, 20, b"voice"))
    running.start([server], heard)  # it finds all of them waiting, and sends them in one batch
    received = [await boris.receive() for _ in range(len(sizes) + 6)]
    pictures = [packet for packet in received if packet[8:12] == struct.pack("!I", 30)]
    assert [struct.unpack_from("!H", packet, 2)[0] for packet in pictures] == list(range(len(sizes)))
    assert [len(packet) for packet in pictures] == [len(KEY) + size + 12 + 12 for size in sizes]
    running.refresh([boris.leg])
    assert boris.leg.counters.packets_out == len(received)
    running.close()
    anna.socket.close()
    boris.socket.close()


async def test_who_floods_python_silences_himself_only(running, join, heard):
    loud, calm = join("loud"), join("calm")
    for _ in range(500):  # the event loop does not read meanwhile
        loud.send(b"\x80\xc8" + b"r" * 1000)
    calm.send(b"\x80\xc8" + b"calm")
    await counted(running, loud.leg, "queue_full", 1)
    async with asyncio.timeout(5):
        while (await heard.until("rtcp"))[1] is not calm.leg:
            pass
    running.refresh([calm.leg])
    assert not calm.leg.counters.drops


async def test_a_listener_that_fails_does_not_silence_the_next_event(running, join, heard, caplog):
    anna = join("anna")
    failing = iter([True])

    def rtcp(leg, data):
        if next(failing, False):
            raise RuntimeError("no")
        heard.events.put_nowait(("heard", data))

    heard.rtcp = rtcp
    anna.send(b"\x80\xc8\0\1" + b"one")
    anna.send(b"\x80\xc8\0\1" + b"two")
    assert (await heard.until("heard"))[1].endswith(b"two")
    assert "a listener failed" in caplog.text


async def test_what_the_kernel_does_not_take_is_cut_to_the_end_of_the_frame(running, join, heard):
    anna, boris = join("anna"), join("boris")
    screen, ear = boris.slot("video", 30), boris.slot("audio", 40)
    running.connect(screen, anna.source("video", 10), 0)
    running.connect(ear, anna.source("audio", 20), 0)
    anna.send(anna.rtp(96, 1, 1000, 10, KEY))
    await boris.receive()
    _fanout.lib.fw_refuse(running._fw, 1)
    anna.send(anna.rtp(96, 2, 4000, 10, DELTA))
    await counted(running, boris.leg, "blocked", 1)
    anna.send(anna.rtp(96, 3, 4000, 10, DELTA))
    await counted(running, boris.leg, "blocked", 2)
    anna.send(anna.rtp(96, 4, 7000, 10, DELTA))
    assert (await boris.receive())[2:4] == b"\0\4"
    running.refresh([boris.leg])
    assert (screen.packets, boris.leg.counters.packets_out) == (2, 2)


async def test_a_voice_the_kernel_does_not_take_is_offered_once_more(running, join):
    anna, boris = join("anna"), join("boris")
    running.connect(boris.slot("audio", 40), anna.source("audio", 20), 0)
    _fanout.lib.fw_refuse(running._fw, 1)
    anna.send(anna.rtp(111, 1, 960, 20, b"voice"))
    assert (await boris.receive()).endswith(b"voice")
    running.refresh([boris.leg])
    assert not boris.leg.counters.drops


async def test_people_come_and_go_while_packets_flow(running, join):
    anna, boris = join("anna"), join("boris")
    camera = anna.source("video", 10)
    running.connect(boris.slot("video", 30), camera, 0)
    for round_ in range(100):
        passing = Leg(f"passing {round_}", EXTENSIONS)
        running.add_leg(passing)
        running.admit(passing, 0, boris.socket.getsockname()[:2])
        slot = Slot(passing, "s", "video", 30, 31, {"vp8": (100, 101)})
        running.add_slot(slot)
        running.connect(slot, camera, 0)
        anna.send(anna.rtp(96, round_, round_ * 3000, 10, KEY))
        running.remove_leg(passing)
        assert (await boris.receive())[2:4] == struct.pack("!H", round_)
    running.refresh([anna.leg])
    assert camera.layers[0].packets == 100


async def test_each_leg_is_answered_from_the_socket_it_came_to(heard):
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as first,
        socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as second,
    ):
        first.bind(("127.0.0.1", 0))
        second.bind(("::1", 0))
        running = compiled.CompiledForwarder()
        running.start([first, second], heard)
        anna, boris = Person(running, first, "anna"), Person(running, second, "boris", port=1)
        running.connect(boris.slot("audio", 40), anna.source("audio", 20), 0)
        anna.send(anna.rtp(111, 1, 960, 20, b"voice"))
        assert (await boris.receive()).endswith(b"voice")
        running.close()
        anna.socket.close()
        boris.socket.close()


def descriptors():
    return len(list(Path("/proc/self/fd").iterdir()))


async def test_closing_twice_gives_back_every_descriptor(heard):
    before = descriptors()
    for _ in range(3):
        server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        server.bind(("127.0.0.1", 0))
        one = compiled.CompiledForwarder()
        one.start([server], heard)
        leg = Leg("late")
        one.add_leg(leg)
        one.close()
        one.close()
        one.remove_leg(leg)  # what others close later finds nothing broken
        del one
    assert descriptors() == before


async def test_a_removed_object_is_refused_even_when_its_place_is_taken(running):
    gone, present = Leg("gone"), Leg("present")
    running.add_leg(gone)
    running.remove_leg(gone)
    running.add_leg(present)
    for call in (
        lambda: running.update_leg(gone),
        lambda: running.budget(gone, 1),
        lambda: running.admit(gone, 0, ("127.0.0.1", 1)),
        lambda: running.add_source(Source(gone, "mic", "audio", "opus", "0", 111, layers=[Layer(None)])),
    ):
        with pytest.raises(LookupError):
            call()
    assert running.take_arrivals(gone) == []
    running.refresh([gone])
    running.remove_leg(gone)


async def test_an_address_of_another_family_is_refused(running, server):
    leg = Leg("anna")
    running.add_leg(leg)
    if server.family == socket.AF_INET:
        with pytest.raises(ValueError):
            running.direct(leg, 0, ("::1", 1))
    else:
        running.direct(leg, 0, ("127.0.0.1", 1))  # reached by its mapped form


async def test_numbers_that_make_no_sense_are_refused(running):
    leg = Leg("anna")
    running.add_leg(leg)
    mic = Source(leg, "mic", "audio", "opus", "0", 111)
    mic.layers.append(Layer(mic))
    running.add_source(mic)
    slot = Slot(leg, "0", "video", 1, 2, {})
    running.add_slot(slot)
    for call in (
        lambda: running.connect(slot, mic, 0),
        lambda: running.choose(slot, 0),
        lambda: running.redundancy(slot, table.RED_DISTANCE + 1),
        lambda: running.admit(leg, 0, ("example.org", 1)),
        lambda: running.admit(leg, 99, ("127.0.0.1", 1)),
        lambda: running.credentials(leg, "u" * 65, "p"),
        lambda: running.credentials(leg, "", "p"),
        lambda: running.key(leg, SrtpKeys("AES128_GCM", b"", b"", b"", b"")),
        lambda: running.add_source(Source(leg, "empty", "audio", "opus", "0", 111)),
        lambda: running.add_slot(Slot(leg, "m" * 17, "video", 1, 2, {})),
        lambda: running.add_slot(Slot(leg, "1", "video", 1, 3, {})),  # one SRTP index for two packets
        lambda: running.add_slot(Slot(leg, "1", "video", 3, 2, {})),
        lambda: running.add_slot(Slot(leg, "1", "video", 4, 4, {})),
    ):
        with pytest.raises(ValueError):
            call()


def resident():
    return (
        int(re.search(r"VmRSS:\s+(\d+)", Path("/proc/self/status").read_text(encoding="ascii")).group(1))
        * 1024
    )


async def test_an_idle_person_costs_little_memory(running):
    def person(number):
        publish, subscribe = Leg(f"{number} p", EXTENSIONS), Leg(f"{number} s", EXTENSIONS)
        for leg in (publish, subscribe):
            running.add_leg(leg)
            running.key(leg, SrtpKeys("AES256_GCM", b"r" * 32, b"s" * 12, b"t" * 32, b"u" * 12))
            running.admit(leg, 0, ("127.0.0.1", 1000 + number * 2))
        source = Source(publish, "camera", "video", "vp8", "0", 96)
        source.layers.extend(Layer(source, rid) for rid in "lmh")
        running.add_source(source)
        for place in range(17):
            running.add_slot(Slot(subscribe, str(place), "video", place + 1, place + 99, {"vp8": (96, 97)}))
        return publish, subscribe

    warm = [person(number) for number in range(20)]
    before = resident()
    people = [person(number) for number in range(20, 220)]
    assert len(warm) + len(people) == 220
    assert (resident() - before) / len(people) < 100_000


def test_both_sides_count_with_the_same_limits():
    ours = dict(re.findall(r"#define (\w+) ([\d.]+)", (NATIVE / "plane.h").read_text(encoding="utf-8")))
    theirs = {
        name: getattr(_fanout.lib, f"FW_{name}")
        for name in ("LAYERS", "SLOTS", "SOURCES", "GENERATIONS", "ADDRESSES", "SSRCS", "MISSING_LIMIT")
    }
    named = (
        "SILENCE",
        "MAX_DATAGRAM",
        "REPLAY_WINDOW",
        "VOICE_LEVEL",
        "VOICE_QUIET",
        "AUDIO_LEAD",
        "RED_DISTANCE",
        "MISSING_FOR",
        "MISSING_AGAIN",
    )
    assert float(ours["STRAYS_RATE"]) == table.STRAYS_A_SECOND
    theirs |= {name: float(ours[name]) for name in named}
    assert theirs == {name: getattr(table, name) for name in theirs}
    ring = (NATIVE / "ring.c").read_text(encoding="utf-8")
    for limits in (table.RING_PACKETS, table.RING_BYTES):
        assert re.search(
            rf"video \? {limits['video']} : {limits['audio']};",
            ring.replace("512 * 1024", "524288").replace("16 * 1024", "16384"),
        )


async def test_realtime_priority_is_reported_as_it_was_obtained(server, heard):
    one = compiled.CompiledForwarder(realtime=False)
    one.start([server], heard)
    assert one.is_realtime is False
    one.close()


def test_the_compiled_forwarder_is_chosen_where_it_is_built():
    assert choose.forwarder().name == "compiled"
    assert choose.forwarder("compiled").name == "compiled"
    assert isinstance(choose.forwarder("python"), PythonForwarder)
    with pytest.raises(ValueError, match="auto, compiled, python"):
        choose.forwarder("fast")


def test_without_the_extension_python_forwards_with_one_line(monkeypatch, caplog):
    monkeypatch.setitem(sys.modules, "media.plane._fanout", None)
    monkeypatch.delitem(sys.modules, "media.plane.compiled")
    assert isinstance(choose.forwarder(), PythonForwarder)
    assert len(caplog.records) == 1
    with pytest.raises(choose.ForwarderMissing, match="libssl-dev"):
        choose.forwarder("compiled")
