"""The Python forwarder on real sockets: its turn on the event loop, and a kernel that does not take a packet."""

import asyncio
import itertools
import socket

import pytest

from media.plane.python import DATAGRAMS_PER_TURN, PythonForwarder
from media.plane.table import Layer, Leg, Slot, Source
from tests.media.desk import KEY, NUMBERS, TYPES, read
from tests.media.packets import Heard, make_keys, opener, rtp, sealer


class FullSocket(socket.socket):
    """A socket whose buffer is full as often as `refusals` says."""

    refusals = 0

    def sendto(self, data, *rest):  # the standard library's signature
        if self.refusals:
            self.refusals -= 1
            raise BlockingIOError
        return super().sendto(data, *rest)


class Wire:
    """One publisher and one receiver on real UDP sockets, with a voice and a picture connected."""

    def __init__(self, host: str) -> None:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self.relay = FullSocket(family, socket.SOCK_DGRAM)
        self.browser = socket.socket(family, socket.SOCK_DGRAM)
        for each in (self.relay, self.browser):
            each.bind((host, 0))
            each.setblocking(False)
        self.address = self.relay.getsockname()[:2]
        self.forwarder = PythonForwarder()
        self.heard = Heard()
        self.forwarder.start([self.relay], self.heard)
        self.leg = Leg("anna", NUMBERS)
        self.forwarder.add_leg(self.leg)
        keys = make_keys()
        self._sealer, self._opener = sealer(keys), opener(keys)
        self.forwarder.key(self.leg, keys)
        mine = self.browser.getsockname()[:2]
        self.forwarder.admit(self.leg, 0, mine)
        self.forwarder.direct(self.leg, 0, mine)
        self.mic = self._connect("opus", 111, -1, 11)
        self.camera = self._connect("vp8", 96, 97, 22)

    def _connect(self, codec, media, rtx, ssrc):
        kind = "audio" if codec == "opus" else "video"
        source = Source(self.leg, codec, kind, codec, codec, media, rtx, open=True)
        source.layers.append(Layer(source, ssrc=ssrc))
        slot = Slot(self.leg, kind, kind, ssrc + 1000, ssrc + 1001, TYPES)
        self.forwarder.add_source(source)
        self.forwarder.add_slot(slot)
        self.forwarder.connect(slot, source, 0)
        return slot

    def send(self, packet):
        return self.browser.sendto(self._sealer.protect(packet), self.address)

    async def receive(self):
        return read(self._opener.unprotect(await asyncio.get_running_loop().sock_recv(self.browser, 2000)))

    def drops(self):
        self.forwarder.refresh([self.leg])
        return dict(self.leg.counters.drops)


@pytest.fixture(params=["127.0.0.1", "::1"])
async def wire(request):
    wire = Wire(request.param)
    yield wire
    wire.forwarder.close()
    wire.browser.close()


async def test_a_packet_comes_back_through_the_kernel(wire):
    sent = wire.send(rtp(11, 5, 4800, b"hello", 111, [(NUMBERS.level, b"\x90")]))
    out = await wire.receive()
    assert (out.ssrc, out.seq, out.payload) == (1011, 5, b"hello")
    assert out.elements == {NUMBERS.mid: b"audio", NUMBERS.level: b"\x90"}
    wire.drops()
    assert wire.leg.counters.packets_in == wire.leg.counters.packets_out == 1
    assert wire.leg.counters.bytes_in == sent
    assert wire.leg.counters.bytes_out == 12 + 4 + 8 + len(b"hello") + 16


async def test_a_flood_of_datagrams_leaves_the_loop_its_turns(wire):
    loop = asyncio.get_running_loop()
    turns: list[int] = []

    def count() -> None:
        wire.forwarder.refresh([wire.leg])
        turns.append(wire.leg.counters.packets_in)
        if turns[-1] < 200:
            loop.call_soon(count)

    for seq in range(200):
        wire.send(rtp(11, seq, seq * 960, b"x", 111))
    loop.call_soon(count)
    for _ in range(200):
        await wire.receive()
    assert max(later - before for before, later in itertools.pairwise([0, *turns])) <= DATAGRAMS_PER_TURN
    assert len(turns) >= 200 / DATAGRAMS_PER_TURN


async def test_a_voice_the_kernel_did_not_take_is_tried_once_more(wire):
    wire.relay.refusals = 1
    wire.send(rtp(11, 1, 960, b"once more", 111))
    assert (await wire.receive()).payload == b"once more"
    assert wire.drops() == {}
    wire.relay.refusals = 2
    wire.send(rtp(11, 2, 1920, b"lost", 111))
    wire.send(rtp(11, 3, 2880, b"next", 111))
    assert (await wire.receive()).payload == b"next"
    assert wire.drops() == {"blocked": 1}


async def test_a_picture_the_kernel_did_not_take_is_dropped_to_its_end(wire):
    wire.send(rtp(22, 1, 3000, KEY, 96))
    assert (await wire.receive()).seq == 1
    wire.relay.refusals = 1
    for seq, ts in ((2, 6000), (3, 6000), (4, 9000)):
        wire.send(rtp(22, seq, ts, b"\x10\x01", 96))
    assert (await wire.receive()).seq == 4
    assert wire.drops() == {"blocked": 2}


async def test_closing_twice_is_allowed_and_nothing_is_told_after_it(wire):
    wire.send(rtp(11, 1, 960, b"x", 111))
    await wire.receive()
    wire.heard.take()
    wire.forwarder.close()
    wire.forwarder.close()
    wire.forwarder.feed(0, wire.browser.getsockname()[:2], b"\x14late", 1.0)
    wire.forwarder.send(0, b"x", wire.address)
    wire.forwarder.remove_leg(wire.leg)
    assert wire.heard.take() == [] and wire.relay.fileno() == -1


async def test_what_the_relay_sends_itself_goes_out(wire):
    wire.forwarder.send(0, b"dtls", wire.browser.getsockname()[:2])
    assert await asyncio.get_running_loop().sock_recv(wire.browser, 100) == b"dtls"
