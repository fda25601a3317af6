"""A stranger who knows the UDP port, and a participant who means harm."""

import asyncio
import contextlib
import logging
import os
import socket
import struct
from collections.abc import AsyncIterator, Callable, Iterator

import pytest
from aiortc.rtcdtlstransport import SRTP_PROFILES, RTCCertificate
from OpenSSL import SSL

from media.guard import MAX_DATAGRAM
from media.link import Link
from tests.media.rig import ROOM, Participant, Picture, Relay, Tone, until

BAD_STUN = struct.pack("!HHI12s", 0x0001, 4, 0x2112A442, b"x" * 12) + struct.pack("!HH", 0x0024, 0)
RTP = struct.pack("!BBHLL", 0x80, 96, 1, 2, 3) + b"x" * 100


class Stranger:
    """A socket of its own, aimed at the port of a participant's connection."""

    def __init__(self, address: tuple[str, int]) -> None:
        self._address = address
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))

    def send(self, data: bytes) -> None:
        self._socket.sendto(data, self._address)

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


def port_of(link: Link) -> tuple[str, int]:
    candidate = link.pc.connection.local_candidates[0]
    return candidate.host, candidate.port


async def still_sends(boris: Participant) -> None:
    """Two more pictures; each is one that was not there before."""
    track = boris.track(await boris.slot_with("camera", "anna"))
    async with asyncio.timeout(5):
        await track.recv()
        await track.recv()


@pytest.mark.parametrize(
    "data, reason",
    [
        (b"", "empty"),
        (b"\x16", "empty"),
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
    for link in links(relay):
        stranger(port_of(link)).send(data)
        await until(lambda link=link: link.counters.drops[reason] == 1)
    await still_sends(pair[1])
    assert {link.state for link in links(relay)} == {"connected"}


async def test_injected_rtp_with_a_wrong_key_is_not_forwarded(relay: Relay, pair):
    """From the address of a real participant, so that only the cipher can tell."""
    anna, _ = pair
    publish = relay.worker._rooms["r1"].peers["anna"].publish
    ssrc = publish.sources["1"].ssrc
    forged = struct.pack("!BBHLL", 0x80, publish.sources["1"].payload_type, 60000, 1, ssrc) + b"\x10" * 200
    before = publish.counters.packets_in
    for _ in range(50):
        raw_send(anna, forged)
    await until(lambda: publish.counters.drops["auth"] == 50)
    await still_sends(pair[1])
    assert publish.sources["1"].max_seq != 60000
    assert publish.counters.packets_in > before


async def test_a_replayed_packet_is_refused(relay: Relay, pair):
    anna, _ = pair
    publish = relay.worker._rooms["r1"].peers["anna"].publish
    captured = await capture_rtp(anna)
    before = publish.counters.drops["replay"]
    for _ in range(5):
        raw_send(anna, captured)
    await until(lambda: publish.counters.drops["replay"] >= before + 5)
    await still_sends(pair[1])


async def test_a_flood_of_malformed_stun_neither_stops_a_call_nor_fills_the_log(
    relay: Relay, pair, stranger, caplog: pytest.LogCaptureFixture
):
    link = links(relay)[0]
    flood = stranger(port_of(link))
    with caplog.at_level(logging.WARNING):
        for _ in range(2000):
            flood.send(BAD_STUN)
            if link.counters.drops["bad_stun"] % 100 == 0:
                await asyncio.sleep(0)
        await until(lambda: link.counters.drops["bad_stun"] >= 1000)
    await still_sends(pair[1])
    assert len([record for record in caplog.records if "STUN" in record.message]) <= 5


@pytest.mark.parametrize("attributes", [b"", struct.pack("!HH4s", 0x0006, 4, b"a:bc")])
async def test_an_answer_to_a_stranger_is_no_amplifier(relay: Relay, pair, attributes):
    """S56: less than three bytes out for every byte in, until ICE has checked the address."""
    request = struct.pack("!HHI12s", 1, len(attributes), 0x2112A442, b"x" * 12) + attributes
    loop = asyncio.get_running_loop()
    with contextlib.closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as stranger:
        stranger.setblocking(False)
        stranger.bind(("127.0.0.1", 0))
        stranger.sendto(request, port_of(links(relay)[0]))
        answer = await asyncio.wait_for(loop.sock_recv(stranger, 2000), 5)
    assert answer[:2] == b"\x01\x11", "an error response"
    assert len(answer) <= 3 * len(request)


async def test_a_client_hello_from_a_stranger_does_not_win_the_race(relay: Relay):
    """OWASP ASVS 17.2.6: while ten people connect, a stranger offers his own handshake every 2 ms."""
    await relay.ask("room.open", **ROOM)
    hello = client_hello()
    people = [Participant(relay, f"p{number}") for number in range(10)]
    sent = [0]

    async def race() -> None:
        stranger = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        with contextlib.closing(stranger):
            while True:
                for link in links(relay):
                    for candidate in link.pc.connection.local_candidates:
                        stranger.sendto(hello, (candidate.host, candidate.port))
                        sent[0] += 1
                await asyncio.sleep(0.002)

    attack = asyncio.create_task(race())
    for person in people:
        await person.publish({"mic": Tone()})
        await person.subscribe()
    for person in people:
        await person.connected("publish")
        await person.connected("subscribe")
    attack.cancel()
    assert sent[0] > 100
    assert sum(link.counters.drops["stranger"] for link in links(relay)) > 100
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
        profile = link.pc.dtls._ssl.get_selected_srtp_profile()
        assert profile == b"SRTP_AEAD_AES_128_GCM"
        assert link.pc.dtls._ssl.get_protocol_version_name() in {"DTLSv1.2", "DTLSv1.3"}
        assert "GCM" in (link.pc.dtls._ssl.get_cipher_name() or "")


async def test_no_stun_or_turn_server_is_ever_asked(relay: Relay, pair):
    """The suite's own guard fails a test that looks a name up; this says why it never does."""
    for link in links(relay):
        assert link.pc.connection.stun_server is None
        assert link.pc.connection.turn_server is None


def client_hello() -> bytes:
    connection = SSL.Connection(RTCCertificate.generateCertificate()._create_ssl_context(SRTP_PROFILES))
    connection.set_connect_state()
    with contextlib.suppress(SSL.WantReadError):
        connection.do_handshake()
    return connection.bio_read(1500)


def ice_of(person: Participant):
    return person.sending.getTransceivers()[0].sender.transport.transport._connection


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
    strangers = [stranger(port_of(link)) for link in links(relay)]
    for number in range(2000):
        data = bytes([number % 256]) + os.urandom(number % 90)
        for one in strangers:
            one.send(data)
        if not 20 <= data[0] <= 63:  # his own DTLS he may break
            raw_send(anna, data)
        if number % 50 == 0:
            await asyncio.sleep(0)
    await still_sends(boris)
    assert failures == []
