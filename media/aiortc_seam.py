"""The only file that touches private names of aiortc 1.16.0 and aioice 0.13.0 (pinned in pyproject.toml).

Nothing is patched globally: every class here is a subclass, and `RelayPeerConnection` makes aiortc build its
parts from them, so that ordinary aiortc clients can live in the same process. What is relied upon:

  aioice.ice.Connection   _local_candidates(_start, _end), _protocols, _early_checks, _nominated, _check_list,
                          _queue, _closing, request_received, check_incoming, check_complete, data_received,
                          query_consent
  aioice.ice.StunProtocol datagram_received (what it does is repeated here), local_candidate, transactions
  RTCIceGatherer          _connection
  RTCDtlsTransport        _srtp_profiles, _setup_srtp, _rx_srtp, _tx_srtp, _handle_rtp_data,
                          _handle_rtcp_data, _state, _set_role
  RTCPeerConnection       __certificates, __connect, __createDtlsTransport, __createTransceiver, __iceTransports,
                          __dtlsTransports, __updateIceGatheringState and its two siblings, __connectionState
  RTCRtpSender            _ssrc, _stream_id;  RTCRtpReceiver.receive, RTCRtpSender.send
  RTCRtpTransceiver       _bundled, _codecs, _headerExtensions, _preferred_codecs

`tests/media/test_seam.py` fails loudly when a version or one of these names changes.
"""

import asyncio
import contextlib
import logging
import secrets
import socket
import struct
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

from aioice import Candidate
from aioice.candidate import candidate_foundation, candidate_priority
from aioice.ice import CandidatePair, Connection, StunProtocol
from aioice.stun import Class, Message, parse_message
from aiortc import InvalidStateError, RTCBundlePolicy, RTCCertificate, RTCConfiguration, RTCPeerConnection
from aiortc.rtcdtlstransport import (
    SRTP_AEAD_AES_128_GCM,
    SRTP_AEAD_AES_256_GCM,
    SRTP_AES128_CM_SHA1_80,
    RTCDtlsTransport,
    SRTPProtectionProfile,
)
from aiortc.rtcicetransport import RTCIceGatherer, RTCIceTransport
from aiortc.rtcrtpparameters import RTCRtpCodecCapability
from aiortc.rtcrtptransceiver import RTCRtpTransceiver
from OpenSSL import SSL

from media.errors import Full
from media.guard import KNOWN_ADDRESSES_LIMIT, MAX_DATAGRAM, QUEUE_LIMIT, Kind, QuietLog, classify
from media.routes import Address, Egress, Ingress
from media.stats import Counters

AIORTC_VERSION = "1.16.0"
AIOICE_VERSION = "0.13.0"

SOCKET_BUFFER = 1 << 20
DTLS_1_2 = 0xFEFD
CIPHERS = b"ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305"

logger = logging.getLogger(__name__)
quiet = QuietLog(logger)


class RelayCertificate(RTCCertificate):
    """The worker's DTLS identity, made once per process; DTLS 1.2 and authenticated ciphers only."""

    def _create_ssl_context(self, srtp_profiles: list[SRTPProtectionProfile]) -> SSL.Context:
        context = super()._create_ssl_context(srtp_profiles)
        context.set_min_proto_version(DTLS_1_2)
        context.set_cipher_list(CIPHERS)
        return context


@dataclass(frozen=True, slots=True)
class SocketPlan:
    """Where connections bind: these addresses, and a port range if the firewall wants one."""

    addresses: tuple[str, ...]
    port_min: int = 0
    port_max: int = 0


class RelayProtocol(StunProtocol):
    """A UDP socket of one connection, with the guard in front of it."""

    receiver: "RelayConnection"

    def datagram_received(self, data: bytes | str, addr: tuple[Any, ...]) -> None:
        receiver = self.receiver
        data = cast("bytes", data)
        drops = receiver.counters.drops
        if len(data) < 2 or len(data) > MAX_DATAGRAM:
            drops["empty" if len(data) < 2 else "too_long"] += 1
            return
        kind = classify(data)
        if kind is Kind.STUN:
            self._stun_received(data, (addr[0], addr[1]))
        elif kind is Kind.UNKNOWN:
            drops["unknown_kind"] += 1
        elif (addr[0], addr[1]) not in receiver.known_addresses:
            drops["stranger"] += 1
        else:
            receiver.last_heard = time.monotonic()
            if kind is Kind.RTP:
                receiver.on_rtp(data)
            else:
                receiver.data_received(data, 1)

    def _stun_received(self, data: bytes, addr: Address) -> None:
        """What the base class does, except that a malformed message is no data for DTLS and no traceback."""
        try:
            message = parse_message(data)
            if message.message_class in {Class.RESPONSE, Class.ERROR}:
                transaction = self.transactions.get(message.transaction_id)
                if transaction is not None:
                    transaction.response_received(message, addr)
            elif message.message_class is Class.REQUEST:
                self.receiver.request_received(message, addr, self)
        except (ValueError, struct.error, IndexError, KeyError, TypeError, AssertionError, OSError) as error:
            self.receiver.counters.drops["bad_stun"] += 1
            quiet.warning("malformed STUN", type(error).__name__)


class RelayConnection(Connection):
    """An ICE agent on given addresses only: no STUN or TURN server, no name is ever resolved."""

    def __init__(self, plan: SocketPlan, counters: Counters) -> None:
        super().__init__(
            ice_controlling=False,
            local_username=secrets.token_hex(4),
            local_password=secrets.token_hex(16),
        )
        self.counters = counters
        self.known_addresses: set[Address] = set()
        self.last_heard = 0.0
        self.on_rtp: Callable[[bytes], None] = self._no_keys
        self.on_pair: Callable[[CandidatePair], None] = lambda _pair: None
        self._plan = plan

    def _no_keys(self, _data: bytes) -> None:
        self.counters.drops["no_keys"] += 1

    async def gather_candidates(self) -> None:
        if self._local_candidates_start:
            return
        self._local_candidates_start = True
        for address in self._plan.addresses:
            protocol = await self._bind(address)
            if protocol is not None:
                self._protocols.append(protocol)
                self._local_candidates.append(protocol.local_candidate)
        if not self._protocols:
            raise Full(f"no free UDP port on {', '.join(self._plan.addresses)}")
        self._local_candidates_end = True

    async def _bind(self, address: str) -> RelayProtocol | None:
        """A socket on this address; None when it has no free port, or the machine has lost it."""
        loop = asyncio.get_running_loop()
        for port in _ports(self._plan):
            with contextlib.suppress(OSError):
                transport, protocol = await loop.create_datagram_endpoint(
                    lambda: RelayProtocol(self), local_addr=(address, port)
                )
                break
        else:
            quiet.warning("cannot bind", address)
            return None
        sock = transport.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SOCKET_BUFFER)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SOCKET_BUFFER)
        host, port = transport.get_extra_info("sockname")[:2]
        protocol.local_candidate = Candidate(
            foundation=candidate_foundation("host", "udp", host),
            component=1,
            transport="udp",
            priority=candidate_priority(1, "host"),
            host=host,
            port=port,
            type="host",
        )
        return protocol

    def request_received(self, message: Message, addr: Address, protocol: StunProtocol) -> None:
        super().request_received(message, addr, protocol)
        # A check that passed authentication before the answer came: DTLS may follow it at once.
        if self._early_checks and self._early_checks[-1][0] is message:
            self._admit(addr)
        if addr in self.known_addresses:
            self.last_heard = time.monotonic()

    def check_incoming(self, message: Message, addr: Address, protocol: StunProtocol) -> None:
        super().check_incoming(message, addr, protocol)
        self._admit(addr)

    def check_complete(self, pair: CandidatePair) -> None:
        super().check_complete(pair)
        if pair.state is CandidatePair.State.SUCCEEDED:
            self._admit(pair.remote_addr)
        nominated = self._nominated.get(1)
        if nominated is not None:
            self.on_pair(nominated)

    async def query_consent(self) -> None:
        """Not for a connection that was closed while `connect` slept: nobody would ever end it."""
        if not self._closing:
            await super().query_consent()

    def data_received(self, data: bytes, component: int) -> None:
        if self._queue.qsize() >= QUEUE_LIMIT:
            self.counters.drops["queue_full"] += 1
            return
        super().data_received(data, component)

    def _admit(self, addr: Address) -> None:
        if len(self.known_addresses) < KNOWN_ADDRESSES_LIMIT:
            self.known_addresses.add(addr)


def _ports(plan: SocketPlan) -> list[int]:
    if not plan.port_min:
        return [0]
    count = plan.port_max - plan.port_min + 1
    first = secrets.randbelow(count)
    return [plan.port_min + (first + step) % count for step in range(count)]


class RelayGatherer(RTCIceGatherer):
    def __init__(self, plan: SocketPlan, counters: Counters) -> None:
        super().__init__(iceServers=[])
        self._connection = RelayConnection(plan, counters)


class RelayDtls(RTCDtlsTransport):
    """DTLS that hands decrypted RTCP to the relay and lets RTP go past it."""

    def __init__(self, transport: RTCIceTransport, certificates: list[RTCCertificate]) -> None:
        super().__init__(transport, certificates)
        self._srtp_profiles = [SRTP_AEAD_AES_128_GCM, SRTP_AEAD_AES_256_GCM, SRTP_AES128_CM_SHA1_80]
        self.on_keys: Callable[[], None] = lambda: None
        self.on_rtcp: Callable[[bytes], None] = lambda _data: None

    def _setup_srtp(self) -> None:
        super()._setup_srtp()
        if self._tx_srtp is not None:
            self.on_keys()

    async def _handle_rtcp_data(self, data: bytes) -> None:
        self.on_rtcp(data)

    async def _handle_rtp_data(self, data: bytes, arrival_time_ms: int) -> None:
        """Never reached: the guard hands RTP to the forwarder before the queue."""


async def _ignore(parameters: object) -> None:
    """In place of RTCRtpSender.send and RTCRtpReceiver.receive: no encoder, no decoder, no jitter buffer."""


class RelayPeerConnection(RTCPeerConnection):
    """An RTCPeerConnection that negotiates and keys, and never touches media."""

    def __init__(self, plan: SocketPlan, certificate: RTCCertificate, counters: Counters) -> None:
        super().__init__(RTCConfiguration(iceServers=[], bundlePolicy=RTCBundlePolicy.MAX_BUNDLE))
        self._plan = plan
        self._RTCPeerConnection__certificates = [certificate]
        self.counters = counters
        self.codecs: dict[str, list[RTCRtpCodecCapability]] = {}
        self.on_keys: Callable[[], None] = lambda: None
        self.on_rtcp: Callable[[bytes], None] = lambda _data: None
        self.on_pair: Callable[[], None] = lambda: None
        self.on_goodbye: Callable[[], None] = lambda: None

    def _RTCPeerConnection__createTransceiver(  # noqa: N802 - overrides a mangled name
        self, direction: str, kind: str, sender_track: None = None
    ) -> RTCRtpTransceiver:
        create = super()._RTCPeerConnection__createTransceiver  # type: ignore[misc]  # private name
        transceiver: RTCRtpTransceiver = create(direction=direction, kind=kind, sender_track=sender_track)
        transceiver.sender.send = _ignore  # type: ignore[method-assign]  # see above
        transceiver.receiver.receive = _ignore  # type: ignore[method-assign]  # see above
        transceiver._preferred_codecs = self.codecs.get(kind, [])
        return transceiver

    def _RTCPeerConnection__createDtlsTransport(self) -> RTCDtlsTransport:  # noqa: N802 - the same
        names = cast("Any", self)
        gatherer = RelayGatherer(self._plan, self.counters)
        gatherer.on("statechange", names._RTCPeerConnection__updateIceGatheringState)
        ice = RTCIceTransport(gatherer)
        ice.on("statechange", names._RTCPeerConnection__updateIceConnectionState)
        ice.on("statechange", names._RTCPeerConnection__updateConnectionState)
        names._RTCPeerConnection__iceTransports.add(ice)
        dtls = RelayDtls(ice, names._RTCPeerConnection__certificates)
        dtls.on("statechange", names._RTCPeerConnection__updateConnectionState)
        names._RTCPeerConnection__dtlsTransports.add(dtls)
        dtls.on("statechange", lambda: self.on_goodbye() if dtls.state == "closed" else None)
        dtls.on_keys = self.on_keys
        dtls.on_rtcp = self.on_rtcp
        self.connection.on_pair = lambda _pair: self.on_pair()
        names._RTCPeerConnection__updateIceGatheringState()
        names._RTCPeerConnection__updateIceConnectionState()
        names._RTCPeerConnection__updateConnectionState()
        return dtls

    async def _RTCPeerConnection__connect(self) -> None:  # noqa: N802 - the same
        with contextlib.suppress(InvalidStateError):  # closed while connecting; nobody awaits this task
            await super()._RTCPeerConnection__connect()  # type: ignore[misc]  # private name

    @property
    def dtls(self) -> RelayDtls:
        return cast("RelayDtls", next(iter(cast("Any", self)._RTCPeerConnection__dtlsTransports)))

    @property
    def connection(self) -> RelayConnection:
        return cast("RelayConnection", self.dtls.transport._connection)

    def be_dtls_server(self) -> None:
        """Answer passively, so that the browser is the DTLS client and offers AES-GCM."""
        self.dtls._set_role("server")

    def remote_ufrag(self) -> str | None:
        return self.connection.remote_username

    async def add_candidate(self, candidate: Candidate) -> None:
        await self.connection.add_remote_candidate(candidate)

    def send_rtcp(self, data: bytes) -> None:
        """Protect and send a compound RTCP packet; dropped when there are no keys or no pair."""
        pair = self.connection._nominated.get(1)
        session = self.dtls._tx_srtp
        if pair is None or session is None:
            return
        pair.protocol.transport.sendto(session.protect_rtcp(data), pair.remote_addr)

    def open_ingress(self, ingress: Ingress, receive: Callable[[Ingress, bytes], None]) -> None:
        """From now on RTP of this connection goes to `receive`."""
        ingress.unprotect = self.dtls._rx_srtp.unprotect
        self.connection.on_rtp = lambda data: receive(ingress, data)

    def open_egress(self, peer: str) -> Egress | None:
        """The sending end, or None while there are no keys or no ICE pair."""
        pair = self.connection._nominated.get(1)
        session = self.dtls._tx_srtp
        if pair is None or session is None:
            return None
        transport = cast("Any", pair.protocol.transport)
        return Egress(
            peer=peer,
            counters=self.counters,
            protect=session.protect,
            protect_rtcp=session.protect_rtcp,
            sendto=transport.sendto,
            backlog=transport.get_write_buffer_size,
            address=pair.remote_addr,
        )

    def move_egress(self, egress: Egress) -> None:
        """Follow the ICE pair to another address."""
        pair = self.connection._nominated.get(1)
        if pair is not None:
            transport = cast("Any", pair.protocol.transport)
            egress.sendto, egress.backlog = transport.sendto, transport.get_write_buffer_size
            egress.address = pair.remote_addr


def slot_ssrc(transceiver: RTCRtpTransceiver) -> int:
    return transceiver.sender._ssrc


def name_stream(transceiver: RTCRtpTransceiver, stream_id: str) -> None:
    """Put the m-line into a media stream; browsers keep the lips of one stream in step."""
    transceiver.sender._stream_id = stream_id


def payload_type_of(transceiver: RTCRtpTransceiver, codec: str) -> int:
    """Negotiated payload type of a codec, -1 when the peer does not have it."""
    for parameters in transceiver._codecs:
        if parameters.name.lower() == codec:
            return -1 if parameters.payloadType is None else parameters.payloadType
    return -1


def extension_id(transceiver: RTCRtpTransceiver, uri: str) -> int:
    """Negotiated id of a header extension, 0 when the peer does not have it."""
    return next((x.id for x in transceiver._headerExtensions if x.uri == uri), 0)


def set_codec_parameters(transceiver: RTCRtpTransceiver, codec: str, parameters: dict[str, Any]) -> None:
    """What the answer asks the sender's encoder for (a=fmtp)."""
    for negotiated in transceiver._codecs:
        if negotiated.name.lower() == codec:
            negotiated.parameters = dict(parameters)
