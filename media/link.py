"""What a publish and a subscribe connection have in common: state, deadline, candidates, one close."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from aioice import Candidate
from aiortc import RTCCertificate, RTCRtpSender
from aiortc.rtcrtpparameters import RTCRtpCodecCapability

from media import sdp
from media.aiortc_seam import RelayPeerConnection, SocketPlan
from media.errors import Full
from media.forward import Forwarder
from media.stats import Counters

CONNECT_WITHIN = 20.0  # seconds from the answer to the first keys
SILENT_AFTER = 15.0  # seconds without any datagram of a connected peer; browsers check consent every 2.5 to 6

MID_URI = "urn:ietf:params:rtp-hdrext:sdes:mid"
LEVEL_URI = "urn:ietf:params:rtp-hdrext:ssrc-audio-level"


@dataclass(frozen=True, slots=True)
class Engine:
    """What all connections of a worker share."""

    plan: SocketPlan
    certificate: RTCCertificate
    forwarder: Forwarder
    max_bitrate: int


def codecs(kind: str, *names: str) -> list[RTCRtpCodecCapability]:
    """The codecs of these names that aiortc can negotiate, for `RelayPeerConnection.codecs`."""
    capabilities = RTCRtpSender.getCapabilities(kind).codecs
    return [codec for codec in capabilities if codec.name.lower() in names]


class Link:
    """A peer connection with its state, its deadline and one way to close it."""

    def __init__(self, engine: Engine, name: str, on_state: Callable[[str, str], None]) -> None:
        self.engine = engine
        self.name = name  # publish or subscribe
        self.counters = Counters()
        self.state = "new"
        self._candidates: set[tuple[str, int]] = set()
        self._on_state = on_state
        self._closed = False
        self._deadline: asyncio.TimerHandle | None = None
        self._closing: asyncio.Task[None] | None = None
        self.pc = RelayPeerConnection(engine.plan, engine.certificate, self.counters)
        self.pc.on("connectionstatechange", self._state_changed)
        self.pc.on_goodbye = lambda: self._end("closed", "closed by the other side")

    async def add_candidates(self, found: tuple[Candidate, ...]) -> None:
        for candidate in found:
            address = (candidate.host, candidate.port)
            if address in self._candidates:
                continue
            if len(self._candidates) >= sdp.MAX_CANDIDATES:
                raise Full(f"more than {sdp.MAX_CANDIDATES} candidates")
            self._candidates.add(address)
            await self.pc.add_candidate(candidate)

    @property
    def closed(self) -> bool:
        """True from the moment that nothing may be routed here any more."""
        return self._closed

    def expect_connection(self) -> None:
        if self._deadline is None and self.state != "connected":
            loop = asyncio.get_running_loop()
            self._deadline = loop.call_later(CONNECT_WITHIN, self._end, "failed", "not connected in time")

    def check_silence(self, now: float) -> None:
        if self.state == "connected" and now - self.pc.connection.last_heard > SILENT_AFTER:
            self._end("failed", "silent")

    async def close(self, reason: str) -> None:
        """Idempotent; returns when the sockets are closed."""
        if not self._closed:
            self._closed = True
            if self._deadline is not None:
                self._deadline.cancel()
            self._tell("closed", reason)
            self._closing = asyncio.create_task(self.pc.close())
        if self._closing is not None:
            await self._closing

    def _state_changed(self) -> None:
        state = self.pc.connectionState
        if state == "connected" and self._deadline is not None:
            self._deadline.cancel()
        if state in {"failed", "closed"}:
            self._end(state, "ICE or DTLS failed")
        elif state != "new":
            self._tell(state)

    def _end(self, state: str, reason: str) -> None:
        """The connection ended by itself: told first, so that nothing is routed to it any more."""
        if not self._closed:
            self._closed = True
            if self._deadline is not None:
                self._deadline.cancel()
            self._tell(state, reason)
            self._closing = asyncio.get_running_loop().create_task(self.pc.close())

    def _tell(self, state: str, reason: str = "") -> None:
        if state != self.state:
            self.state = state
            self._on_state(state, reason)
