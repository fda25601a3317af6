"""A stranger who knows the UDP port, and a participant who means harm."""

import asyncio
import contextlib
import logging
import os
import re
import socket
import struct
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest
from aiortc.rtcdtlstransport import SRTP_PROFILES, RTCCertificate
from OpenSSL import SSL

from media.link import Link
from media.plane.table import MAX_DATAGRAM
from media.publish import Publish
from tests.media.rig import FORWARDERS, ROOM, Participant, Picture, Relay, Tone, running_relay, until

BAD_STUN = struct.pack("!HHI12s", 0x0001, 4, 0x2112A442, b"x" * 12) + struct.pack("!HH", 0x0024, 0)
GARBAGE = os.urandom(400)
RTP = struct.pack("!BBHLL", 0x80, 96, 1, 2, 3) + b"x" * 100


@pytest.fixture(params=FORWARDERS)
async def relay(tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[Relay]:
    choice: str = request.param
    async with running_relay(tmp_path, choice=choice) as relay:
        assert relay.client.info["forwarder"] == choice
        yield relay


class Stranger:
    """A socket of its own, aimed at the worker's port."""

    def __init__(self, address: tuple[str, int]) -> None:
        self._address = address
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))

    def send(self, data: bytes) -> None:
        self._socket.sendto(data, self._address)

    def answered(self) -> bool:
        self._socket.setblocking(False)
        try:
            return bool(self._socket.recv(2000))
        except BlockingIOError:
            return False

    def close(self) -> None:
        self._socket.close()


@pytest.fixture
async def pair(relay: Relay) -> AsyncIterator[tuple[Participant, Participant]]:
    """Anna sends to Boris, and the first picture has arrived."""
    await relay.ask("room.open", **ROOM)
    anna, boris = Participant(relay, "anna"), Participant(relay, "boris")
    await boris.subscribe()
    await anna.publish({"mic": Tone(), "camera": Picture(60)})
    await boris.track(await boris.slot_with("camera", "anna")).recv()
    yield anna, boris
    await anna.close()
    await boris.close()


@pytest.fixture
def stranger() -> Iterator[Callable[[tuple[str, int]], Stranger]]:
    """Makes strangers and closes their sockets."""
    made: list[Stranger] = []

    def make(address: tuple[str, int]) -> Stranger:
        made.append(Stranger(address))
        return made[-1]

    yield make
    for one in made:
        one.close()


def links(relay: Relay) -> list[Link]:
    return [link for room in relay.worker._rooms.values() for p in room.peers.values() for link in p.links()]


def port_of(relay: Relay) -> tuple[str, int]:
    return relay.worker._engine.hosts[0]


def strangers(relay: Relay) -> Counter[str]:
    """What nobody's datagrams were dropped for."""
    forwarder = relay.worker._engine.forwarder
    forwarder.refresh([])
    return forwarder.strangers


def publishing(relay: Relay, peer: str = "anna") -> Publish:
    link = relay.worker._rooms["r1"].peers[peer].publish
    assert link is not None
    return link


def dropped(relay: Relay, link: Link) -> Counter[str]:
    relay.worker._engine.forwarder.refresh([link.leg])
    return link.leg.counters.drops


async def still_sends(boris: Participant) -> None:
    """Two more pictures; each is one that was not there before."""
    track = boris.track(await boris.slot_with("camera", "anna"))
    async with asyncio.timeout(5):
        await track.recv()
        await track.recv()


@pytest.mark.parametrize(
    "data, reason",
    [
        (b"", "unknown_kind"),
        (b"\x16", "unknown_kind"),
        (b"\x16" * (MAX_DATAGRAM + 1), "too_long"),
        (b"\x16\xfe\xfd" + b"\0" * 50, "stranger"),
        (b"\x15\xfe\xfd" + b"\0" * 50, "stranger"),
        (RTP, "stranger"),
        (b"\x80\xc8" + b"\0" * 26, "stranger"),
        (b"\x40" * 30, "unknown_kind"),
        (b"\xff" * 30, "unknown_kind"),
        (BAD_STUN, "bad_stun"),
        (b"\x00\x01\x00\x00", "bad_stun"),
    ],
)
async def test_a_stray_datagram_is_counted_and_changes_nothing(relay: Relay, pair, stranger, data, reason):
    stranger(port_of(relay)).send(data)
    await until(lambda: strangers(relay)[reason] == 1)
    await still_sends(pair[1])
    assert {link.state for link in links(relay)} == {"connected"}


async def test_injected_rtp_with_a_wrong_key_is_not_forwarded(relay: Relay, pair):
    """From the address of a real participant, so that only the cipher can tell."""
    anna, _ = pair
    publish = publishing(relay)
    camera = publish.streams["1"].source
    head = struct.pack("!BBHLL", 0x80, camera.payload_type, 60000, 1, camera.layers[0].ssrc)
    for _ in range(50):
        raw_send(anna, head + b"\x10" * 200)
    await until(lambda: dropped(relay, publish)["auth"] == 50)
    await still_sends(pair[1])
    assert camera.layers[0].highest & 0xFFFF != 60000


async def test_a_replayed_packet_is_refused(relay: Relay, pair):
    anna, _ = pair
    publish = publishing(relay)
    captured = await capture_rtp(anna)
    before = dropped(relay, publish)["replay"]
    for _ in range(5):
        raw_send(anna, captured)
    await until(lambda: dropped(relay, publish)["replay"] >= before + 5)
    await still_sends(pair[1])


async def test_a_flood_of_malformed_stun_neither_stops_a_call_nor_fills_the_log(
    relay: Relay, pair, stranger, caplog: pytest.LogCaptureFixture
):
    flood = stranger(port_of(relay))
    with caplog.at_level(logging.DEBUG):
        for number in range(10_000):
            flood.send(BAD_STUN)
            if number % 100 == 0:
                await asyncio.sleep(0)
        await until(lambda: strangers(relay)["bad_stun"] >= 9_000)
    await still_sends(pair[1])
    assert [record for record in caplog.records if record.name.startswith("media")] == []


@pytest.mark.parametrize("attributes", [b"", struct.pack("!HH4s", 0x0006, 4, b"a:bc")])
async def test_a_stranger_is_not_answered(relay: Relay, pair, stranger, attributes):
    """S56: nobody without a password gets a single byte out of the port, so it amplifies nothing."""
    request = struct.pack("!HHI12s", 1, len(attributes), 0x2112A442, b"x" * 12) + attributes
    one = stranger(port_of(relay))
    one.send(request)
    await until(lambda: strangers(relay)["bad_stun"] == 1)
    assert not one.answered()


async def test_a_flood_of_garbage_neither_stops_a_call_nor_fills_the_log(
    relay: Relay, pair, stranger, caplog: pytest.LogCaptureFixture
):
    flood = stranger(port_of(relay))
    with caplog.at_level(logging.DEBUG):
        for number in range(20_000):
            flood.send(bytes([number % 256]) + GARBAGE[number % 100 :])
            if number % 16 == 0:
                await asyncio.sleep(0)
        await until(lambda: strangers(relay).total() >= 18_000)
    await still_sends(pair[1])
    assert [record for record in caplog.records if record.name.startswith("media")] == []
    assert {link.state for link in links(relay)} == {"connected"}


async def test_a_flood_from_a_participant_is_cut_to_his_ceiling_and_hurts_nobody_else(relay: Relay, pair):
    """SRTP with his own key, as fast as his machine can."""
    anna, boris = pair
    vera = Participant(relay, "vera")
    await vera.publish({"mic": Tone()})
    await boris.track(await boris.slot_with("mic", "vera")).recv()
    publish, theirs = publishing(relay), publishing(relay, "vera")
    for number in range(4000):
        head = struct.pack("!BBHLL", 0x80, 96, number, 5, 4711)
        raw_send(anna, srtp_of(anna).protect(head + b"\x00" * 1100))
        if number % 50 == 0:
            await asyncio.sleep(0)
    await until(lambda: dropped(relay, publish)["flood"] > 1000)
    passed = publish.leg.counters.packets_in - dropped(relay, publish)["flood"]
    assert passed * 1100 < 4 * publish.leg.ceiling / 8, "a second's worth, and what was earned meanwhile"
    layer = theirs.streams["0"].source.layers[0]
    count = layer.packets
    await until(lambda: layer.packets > count + 20)
    assert layer.highest - layer.first_seq + 1 == layer.packets, "nothing of hers was lost"
    assert "flood" not in dropped(relay, theirs)
    await vera.close()


async def test_two_lines_that_claim_one_ssrc_get_in_nobodys_way(relay: Relay):
    """RFC 3550, section 8.2: collisions happen; here somebody makes them, in his own offer and with another's."""
    await relay.ask("room.open", **ROOM)
    anna, vera, boris = (Participant(relay, name) for name in ("anna", "vera", "boris"))
    await boris.subscribe(audio=2, video=2)
    await anna.publish({"mic": Tone(), "camera": Picture(60)})
    mic = anna.sending.getTransceivers()[0].sender._ssrc
    plain = vera.relay.ask

    async def colliding(op: str, **fields: object):
        if "sdp" in fields:
            fields["sdp"] = re.sub(r"a=ssrc:\d+", f"a=ssrc:{mic}", str(fields["sdp"]))
        return await plain(op, **fields)

    vera.relay.ask = colliding
    await vera.publish({"mic": Tone(), "camera": Picture(200)})
    for name, grey in (("anna", 60), ("vera", 200)):
        await boris.track(await boris.slot_with("mic", name)).recv()
        async with asyncio.timeout(10):
            picture = await boris.track(await boris.slot_with("camera", name)).recv()
        assert abs(bytes(picture.planes[0])[0] - grey) < 12
    for person in (anna, vera, boris):
        await person.close()


async def test_a_receiver_who_sends_on_his_receiving_connection_reaches_nobody(relay: Relay, pair):
    """S08: valid SRTP of a participant, but nothing was ever negotiated for it."""
    _, boris = pair
    subscribe = relay.worker._rooms["r1"].peers["boris"].subscribe
    assert subscribe is not None
    dtls = boris.receiving.getTransceivers()[0].receiver.transport
    pair_used = dtls.transport._connection._nominated[1]
    for number in range(20):
        packet = dtls._tx_srtp.protect(struct.pack("!BBHLL", 0x80, 111, number, 5, 4711) + b"x" * 100)
        pair_used.protocol.transport.sendto(packet, pair_used.remote_addr)
    await until(lambda: dropped(relay, subscribe)["unknown_ssrc"] == 20)
    await still_sends(boris)


async def test_before_somebody_is_let_in_the_port_knows_nobody(relay: Relay, stranger):
    """No room, no peer: not even a check with a guessed name is answered."""
    one = stranger(port_of(relay))
    attributes = struct.pack("!HH12s", 0x0006, 9, b"abcd1234:\0\0\0")
    one.send(struct.pack("!HHI12s", 1, len(attributes), 0x2112A442, b"x" * 12) + attributes)
    one.send(RTP)
    one.send(client_hello())
    await until(lambda: strangers(relay) == {"bad_stun": 1, "stranger": 2})
    assert not one.answered()


async def test_a_client_hello_from_a_stranger_does_not_win_the_race(relay: Relay):
    """OWASP ASVS 17.2.6: while ten people connect, a stranger offers his own handshake all the time."""
    await relay.ask("room.open", **ROOM)
    hello = client_hello()
    people = [Participant(relay, f"p{number}") for number in range(10)]
    with contextlib.closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as stranger:

        def burst() -> None:
            for _ in range(20):
                stranger.sendto(hello, port_of(relay))

        async def race() -> None:
            while True:
                burst()
                await asyncio.sleep(0.005)

        attack = asyncio.create_task(race())
        for person in people:
            burst()
            await person.publish({"mic": Tone()})
            burst()
            await person.subscribe()
        for person in people:
            await person.connected("publish")
            await person.connected("subscribe")
        attack.cancel()
    await until(lambda: strangers(relay)["stranger"] > 100)
    for person in people:
        await person.close()


async def test_media_of_another_dtls_identity_is_refused(relay: Relay):
    """The fingerprint of the offer is not that of the certificate: no keys, no media (S55)."""
    await relay.ask("room.open", **ROOM)
    anna = Participant(relay, "anna")
    real = RTCCertificate.getFingerprints
    other = RTCCertificate.generateCertificate()
    patched = pytest.MonkeyPatch()
    patched.setattr(
        RTCCertificate, "getFingerprints", lambda self: real(other if type(self) is RTCCertificate else self)
    )
    await anna.publish({"mic": Tone()})
    await relay.events.wait(lambda e: e["event"] == "peer.state" and e["state"] == "failed")
    patched.undo()
    assert not [e for e in relay.events.seen if e["event"] == "source"]
    await anna.close()


async def test_only_authenticated_srtp_profiles_and_dtls_1_2_are_offered(relay: Relay, pair):
    for link in links(relay):
        profile = link.dtls._ssl.get_selected_srtp_profile()
        assert profile == b"SRTP_AEAD_AES_128_GCM"
        assert link.dtls._ssl.get_protocol_version_name() in {"DTLSv1.2", "DTLSv1.3"}
        assert "GCM" in (link.dtls._ssl.get_cipher_name() or "")


def client_hello() -> bytes:
    connection = SSL.Connection(RTCCertificate.generateCertificate()._create_ssl_context(SRTP_PROFILES))
    connection.set_connect_state()
    with contextlib.suppress(SSL.WantReadError):
        connection.do_handshake()
    return connection.bio_read(1500)


def ice_of(person: Participant):
    return person.sending.getTransceivers()[0].sender.transport.transport._connection


def srtp_of(person: Participant):
    return person.sending.getTransceivers()[0].sender.transport._tx_srtp


def raw_send(person: Participant, data: bytes) -> None:
    """From the socket a participant really uses."""
    nominated = ice_of(person)._nominated[1]
    nominated.protocol.transport.sendto(data, nominated.remote_addr)


async def capture_rtp(person: Participant) -> bytes:
    """The next SRTP packet the participant sends."""
    protocol = ice_of(person)._nominated[1].protocol
    caught: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
    send_data = protocol.send_data

    async def watch(data: bytes, addr: tuple[str, int]) -> None:
        if data[0] >> 6 == 2 and not 192 <= data[1] <= 223 and not caught.done():
            caught.set_result(data)
        await send_data(data, addr)

    protocol.send_data = watch
    packet = await caught
    del protocol.send_data
    return packet


async def test_random_bytes_never_raise_into_the_event_loop(relay: Relay, pair, stranger):
    """Whatever a stranger or a participant sends, the loop's exception handler stays silent."""
    failures: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _loop, context: failures.append(context))
    anna, boris = pair
    one = stranger(port_of(relay))
    for number in range(2000):
        data = bytes([number % 256]) + os.urandom(number % 90)
        one.send(data)
        if not 20 <= data[0] <= 63:  # his own DTLS he may break
            raw_send(anna, data)
        if number % 50 == 0:
            await asyncio.sleep(0)
    await still_sends(boris)
    assert failures == []
