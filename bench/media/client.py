"""People of the generator: aiortc negotiates and connects, then the socket and the keys go to load.c."""

import asyncio
import contextlib
import struct
import time
from typing import Any, cast

import aioice.ice
from aiortc import RTCBundlePolicy, RTCConfiguration, RTCPeerConnection, RTCSessionDescription
from aiortc.codecs import CODECS, HEADER_EXTENSIONS
from aiortc.rtcdtlstransport import SRTP_AEAD_AES_128_GCM, SRTP_AES128_CM_SHA1_80, SRTPProtectionProfile
from aiortc.rtcrtpparameters import RTCRtcpFeedback, RTCRtpHeaderExtensionParameters

from bench.media.generator import Generator, SessionKeys, session_keys
from bench.media.relay import Relay
from media.errors import MediaError

MID = "urn:ietf:params:rtp-hdrext:sdes:mid"
LEVEL = "urn:ietf:params:rtp-hdrext:ssrc-audio-level"
SEND_TIME = "http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time"
TRANSPORT_SEQ = "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01"
SPEAKING = 30  # -dBov
RECEIVE_BUFFER = 8 << 20
DRAIN_EVERY = 0.02
REPORT_EVERY = 1.0
PROFILES = {"AES-GCM": SRTP_AEAD_AES_128_GCM, "AES-CM": SRTP_AES128_CM_SHA1_80}


def be_like_a_browser() -> None:
    """Offer transport-wide feedback too, as Chromium and Firefox do. For this process only."""
    for number, kind in ((5, "audio"), (5, "video")):
        HEADER_EXTENSIONS[kind].append(RTCRtpHeaderExtensionParameters(id=number, uri=TRANSPORT_SEQ))
        for codec in CODECS[kind]:
            if codec.name.lower() in {"opus", "vp8"}:
                codec.rtcpFeedback.append(RTCRtcpFeedback(type="transport-cc"))


def live_at(address: str) -> None:
    """ICE candidates of this process from now on: this address alone."""

    def addresses(use_ipv4: bool, use_ipv6: bool) -> list[str]:  # noqa: FBT001 - aioice names them
        return [address]

    aioice.ice.get_host_addresses = addresses


async def _ignore(parameters: object) -> None:
    """In place of RTCRtpSender.send and RTCRtpReceiver.receive: no encoder, no decoder."""


class ConnectionLost(Exception):
    """A relay, or the machine, did not answer in time."""


class Negotiator(RTCPeerConnection):
    """Negotiates with one SRTP profile; media is somebody else's."""

    def __init__(self, profile: SRTPProtectionProfile) -> None:
        super().__init__(RTCConfiguration(iceServers=[], bundlePolicy=RTCBundlePolicy.MAX_BUNDLE))
        self._profile = profile

    def _RTCPeerConnection__createTransceiver(  # noqa: N802 - overrides a mangled name
        self, direction: str, kind: str, sender_track: Any = None
    ) -> Any:
        create = super()._RTCPeerConnection__createTransceiver  # type: ignore[misc]  # private name
        transceiver = create(direction=direction, kind=kind, sender_track=sender_track)
        transceiver.sender.send = _ignore
        transceiver.receiver.receive = _ignore
        return transceiver

    def _RTCPeerConnection__createDtlsTransport(self) -> Any:  # noqa: N802 - the same
        dtls = super()._RTCPeerConnection__createDtlsTransport()  # type: ignore[misc]  # private name
        dtls._srtp_profiles = [self._profile]
        return dtls

    async def until_connected(self) -> None:
        done = asyncio.Event()
        self.on("connectionstatechange", lambda: done.set() if self.connectionState == "connected" else None)
        if self.connectionState != "connected":
            async with asyncio.timeout(20):
                await done.wait()


class Person:
    """One connection, and how load.c gets at it."""

    def __init__(self, relay: Relay, room: str, name: str, profile: str) -> None:
        self.pc = Negotiator(PROFILES[profile])
        self.number = -1
        self._transport: Any = None
        self._relay = relay
        self._room = room
        self._name = name

    @property
    def _dtls(self) -> Any:
        return cast("Any", self.pc.getTransceivers()[0].sender.transport)

    @property
    def _pair(self) -> Any:
        pair = self._dtls.transport._connection._nominated.get(1)
        if pair is None:
            raise ConnectionLost(f"{self._name} lost the connection to {self._relay.name}")
        return pair

    def _keys(self, sending: bool) -> SessionKeys:  # noqa: FBT001 - the direction
        dtls, profile = self._dtls, self.pc._profile
        size = 2 * (profile.key_length + profile.salt_length)
        material = dtls._ssl.export_keying_material(b"EXTRACTOR-dtls_srtp", size)
        ours = 0 if dtls._role == "client" else 1
        both = profile.get_key_and_salt(material, ours if sending else 1 - ours)
        key, salt = both[: profile.key_length], both[profile.key_length :]
        return session_keys(profile is SRTP_AEAD_AES_128_GCM, key, salt)

    def hand_over(self) -> int:
        """Take the socket from the event loop; `take_back` returns it."""
        self._transport = self._pair.protocol.transport
        fd = int(self._transport.get_extra_info("socket").fileno())
        asyncio.get_running_loop()._remove_reader(fd)  # type: ignore[attr-defined]  # the public one refuses
        return fd

    def take_back(self) -> None:
        if not self._transport.is_closing():
            fd = self._transport.get_extra_info("socket").fileno()
            asyncio.get_running_loop()._add_reader(fd, self._transport._read_ready)  # type: ignore[attr-defined]  # the same

    def feed(self, data: bytes) -> None:
        """STUN, DTLS or RTCP that load.c found."""
        self._pair.protocol.datagram_received(data, self._pair.remote_addr)

    def send_rtcp(self, data: bytes) -> None:
        self._pair.protocol.transport.sendto(self._dtls._tx_srtp.protect_rtcp(data), self._pair.remote_addr)

    async def close(self) -> None:
        await self.pc.close()


class Publisher(Person):
    """A microphone and a camera."""

    async def connect(self) -> None:
        self._audio = self.pc.addTransceiver("audio", direction="sendonly")
        self._video = self.pc.addTransceiver("video", direction="sendonly")
        await self.pc.setLocalDescription(await self.pc.createOffer())
        answer = await self._relay.publish(self._room, self._name, self.pc.localDescription.sdp)
        await self.pc.setRemoteDescription(RTCSessionDescription(answer, "answer"))
        await self.pc.until_connected()

    def join(self, generator: Generator) -> None:
        fd, address = self.hand_over(), self._pair.remote_addr
        streams = generator.ffi.new("stream[]", [_stream(self._audio), _stream(self._video)])
        self.number = generator.add_publisher(fd, address, self._keys(sending=True), streams)

    def report(self, generator: Generator) -> None:
        """Sender reports (RFC 3550, 6.4.1) of both streams. Their counts are not looked at by anybody."""
        now = time.time() + 2208988800
        ntp = struct.pack("!LL", int(now), int(now % 1 * 2**32))
        for transceiver in (self._audio, self._video):
            head = struct.pack("!BBHL", 0x80, 200, 6, transceiver.sender._ssrc)
            self.send_rtcp(head + ntp + struct.pack("!LLL", 0, 0, 0))


class Receiver(Person):
    """Hears and sees up to `slots` others."""

    async def connect(self, slots: int) -> None:
        offer = await self._relay.offer(self._room, self._name, slots)
        await self.pc.setRemoteDescription(RTCSessionDescription(offer, "offer"))
        await self.pc.setLocalDescription(await self.pc.createAnswer())
        await self._relay.answer(self._room, self._name, self.pc.localDescription.sdp)
        await self.pc.until_connected()

    def join(self, generator: Generator) -> None:
        fd = self.hand_over()
        sock = self._pair.protocol.transport.get_extra_info("socket")
        sock.setsockopt(1, 33, RECEIVE_BUFFER)  # SO_RCVBUFFORCE
        self.number = generator.add_receiver(fd, self._keys(sending=False))

    def report(self, generator: Generator) -> None:
        """A receiver report over all he hears, and how much his link carries (REMB)."""
        heard = generator.streams(self.number)[:31]
        if not heard:
            return
        blocks = b"".join(
            struct.pack("!LLLLLL", ssrc, 0, high & 0xFFFFFFFF, 10, 0, 0) for ssrc, high in heard
        )
        words = 1 + 6 * len(heard)
        remb = struct.pack("!4sBBH", b"REMB", len(heard), 9 << 2 | 2, 0xFFFF)  # 2**9 * 196607 = 100 Mbit/s
        ssrcs = b"".join(struct.pack("!L", ssrc) for ssrc, _ in heard)
        head = struct.pack("!BBHL", 0x80 | len(heard), 201, words, 1)
        bandwidth = struct.pack("!BBHLL", 0x8F, 206, 4 + len(heard), 1, 0) + remb + ssrcs
        self.send_rtcp(head + blocks + bandwidth)


def _stream(transceiver: Any) -> dict[str, object]:
    """What load.c has to know to make this m-line's packets: 24 bytes of header, 28 with transport-wide numbers."""
    numbers = {extension.uri: extension.id for extension in transceiver._headerExtensions}
    mid = str(transceiver.mid).encode()
    block = bytes([numbers[MID] << 4 | len(mid) - 1]) + mid
    places = {}
    for uri, length in ((SEND_TIME, 3), (TRANSPORT_SEQ, 2)):
        if uri in numbers:
            places[uri] = len(block) + 1
            block += bytes([numbers[uri] << 4 | length - 1]) + bytes(length)
    if LEVEL in numbers:
        block += bytes([numbers[LEVEL] << 4, 0x80 | SPEAKING])
    block += bytes(-len(block) % 4)
    return {
        "ssrc": transceiver.sender._ssrc,
        "payload_type": transceiver._codecs[0].payloadType,
        "extension_bytes": len(block),
        "extension": list(block.ljust(24, b"\0")),
        "send_time_at": places.get(SEND_TIME, -1),
        "transport_seq_at": places.get(TRANSPORT_SEQ, -1),
        "index": 1000,
    }


class Crowd:
    """Publishers and receivers of one relay, in one room or several, with their generator."""

    def __init__(
        self, relay: Relay, name: str, rooms: int, publishers: int, receivers: int, profile: str
    ) -> None:
        self.name = name
        self.generator = Generator()
        self.rooms = [f"{name}-{number}" for number in range(rooms)]
        self.receivers = [
            Receiver(relay, room, f"s{n}", profile) for room in self.rooms for n in range(receivers)
        ]
        self.publishers = [
            Publisher(relay, room, f"p{n}", profile) for room in self.rooms for n in range(publishers)
        ]
        self._slots = publishers
        self._relay = relay

    @property
    def people(self) -> list[Publisher | Receiver]:
        return [*self.publishers, *self.receivers]

    async def connect(self) -> None:
        for room in self.rooms:
            await self._relay.open_room(room)
        for publisher in self.publishers:
            await publisher.connect()
        for receiver in self.receivers:
            await receiver.connect(self._slots)
        for person in self.people:
            person.join(self.generator)
        for person in self.people:
            person.take_back()

    async def close(self) -> None:
        for person in self.people:
            await person.close()
        with contextlib.suppress(
            MediaError
        ):  # a relay that was driven beyond its limit may have lost the thread
            for room in self.rooms:
                await self._relay.close_room(room)
        self.generator.close()

    async def attend(self) -> None:
        """Until cancelled, while load.c has the sockets: pass on what is not media, and report like a browser."""
        by_number = {person.number: person for person in self.people}
        for person in self.people:
            person.hand_over()
        try:
            await self._attend(by_number)
        finally:
            for person in self.people:
                person.take_back()

    async def _attend(self, by_number: dict[int, Publisher | Receiver]) -> None:
        turn, steps = 0, round(REPORT_EVERY / DRAIN_EVERY)
        while True:
            await asyncio.sleep(DRAIN_EVERY)
            for number, data in self.generator.controls():
                by_number[number].feed(data)
            for person in self.people[turn % steps :: steps]:
                person.report(self.generator)
            turn += 1
