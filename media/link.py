"""What a publish and a subscribe connection have in common: ICE, DTLS, state, deadline, one close."""

import asyncio
import logging
import secrets
import time
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable

from media import sdp
from media.aiortc_seam import RelayDtls, RtcpError
from media.describe import Transport
from media.engine import Engine
from media.errors import BadSdp
from media.ice import Agent
from media.plane.table import Address, Leg

CONNECT_WITHIN = 20.0  # seconds from the answer to the first keys
RTCP_SENDERS = 32  # a publisher reports for each of its layers and their repetitions
SILENT_AFTER = 15.0  # seconds without any datagram of a connected peer; browsers check consent every 2.5 to 6

logger = logging.getLogger(__name__)


class Link(ABC):
    """A peer connection with its state, its deadline and one way to close it."""

    def __init__(self, engine: Engine, peer: str, name: str, on_state: Callable[[str, str], None]) -> None:
        self.engine = engine
        self.peer = peer
        self.name = name  # publish or subscribe
        self.state = "new"
        self.drops: Counter[str] = (
            Counter()
        )  # what this half dropped; the packet path counts its own in the leg
        self.fingerprints: tuple[tuple[str, str], ...] = ()
        self.leg = Leg(f"{peer}/{name}")
        self.local_ssrc = secrets.randbits(32) or 1
        self._rtcp_senders: set[bytes] = set()  # SSRCs that authentic RTCP has named itself by
        self.rtcp_at = 0.0
        engine.attach(self.leg, self)
        self.ice = Agent(engine.forwarder, self.leg, self._pair_changed)
        self.dtls = RelayDtls(engine.certificate, self.ice.send)
        self.dtls.on("statechange", self._dtls_changed)
        self._session = secrets.randbits(62)
        self._version = 0
        self._on_state = on_state
        self._closed = False
        self._deadline: asyncio.TimerHandle | None = None
        self._handshake: asyncio.Task[None] | None = None
        self._closing: asyncio.Task[None] | None = None

    @property
    def closed(self) -> bool:
        """True from the moment that nothing may be routed here any more."""
        return self._closed

    def describe(self, setup: str) -> Transport:
        """Our end for the next description of this connection."""
        self._version += 1
        return Transport(
            session=self._session,
            version=self._version,
            credentials=self.ice.credentials,
            fingerprint=self.engine.fingerprint,
            setup=setup,
            hosts=self.engine.hosts,
        )

    def expect_connection(self) -> None:
        if self._deadline is None and self.state != "connected" and not self._closed:
            loop = asyncio.get_running_loop()
            self._deadline = loop.call_later(CONNECT_WITHIN, self._end, "failed", "not connected in time")

    def start_dtls(self, remote: sdp.Description) -> None:
        """Begin the handshake that the description calls for, or see that a later one means the same identity."""
        if self._handshake is None:
            self.fingerprints = remote.fingerprints
            as_server = remote.setup != "passive"
            self._handshake = asyncio.create_task(self._shake(remote.fingerprints, as_server=as_server))
        elif set(self.fingerprints) != set(remote.fingerprints):
            raise BadSdp("another fingerprint than before: that is another connection")

    def check_silence(self, now: float) -> None:
        if self.state == "connected" and now - self.leg.last_heard > SILENT_AFTER:
            self._end("failed", "silent")

    def fail(self, reason: str) -> None:
        """Give the connection up, so that the browser makes another."""
        self._end("failed", reason)

    def send_rtcp(self, data: bytes) -> None:
        """Protect and send a compound RTCP packet; dropped when there are no keys or no pair."""
        if self.dtls.keys is not None and not self._closed:
            self.ice.send(self.dtls.protect_rtcp(data))

    async def close(self, reason: str) -> None:
        """Idempotent; returns when nothing of the connection is left."""
        self._end("closed", reason)
        if self._closing is not None:
            await self._closing

    # --- what the packet path tells -----------------------------------------------------------------

    def on_stun(self, port: int, address: Address, data: bytes) -> None:
        self.ice.stun(port, address, data)

    def on_dtls(self, address: Address, data: bytes) -> None:
        self.ice.heard(address)
        if not self.dtls.feed(data):
            self.drops["queue_full"] += 1

    def on_rtcp(self, data: bytes) -> None:
        if self.dtls.keys is None:
            self.drops["no_keys"] += 1
            return
        try:
            plain = self.dtls.unprotect_rtcp(data)
        except RtcpError:
            self.drops["bad_rtcp"] += 1
            return
        self._know_sender(data)
        self.take_rtcp(plain)

    def may_have_sent(self, data: bytes) -> bool:
        """Whether RTCP names itself as this end has, or as nobody has yet."""
        return not self._rtcp_senders or data[4:8] in self._rtcp_senders

    def on_stray(self, port: int, address: Address, data: bytes) -> bool:
        """Whether these keys protected RTCP that came from nowhere known: then its sender is there now."""
        if self.dtls.keys is None or self._closed:
            return False
        try:
            plain = self.dtls.unprotect_rtcp(data)
        except RtcpError:
            return False
        self._know_sender(data)
        self.ice.moved(port, address)
        self.take_rtcp(plain)
        return True

    @abstractmethod
    def take_rtcp(self, data: bytes) -> None:
        """A compound RTCP packet in clear."""

    def on_moved(self) -> None:  # noqa: B027 - a hook: a half that needs it has it
        """Packets go to another address from now on."""

    def on_keys(self) -> None:  # noqa: B027 - the same
        """The connection stands; `dtls.keys` are there."""

    # --- inside -------------------------------------------------------------------------------------

    def _know_sender(self, data: bytes) -> None:
        self.rtcp_at = time.monotonic()
        if len(self._rtcp_senders) < RTCP_SENDERS:
            self._rtcp_senders.add(data[4:8])

    async def _shake(self, fingerprints: tuple[tuple[str, str], ...], *, as_server: bool) -> None:
        try:
            await self.dtls.handshake(fingerprints, as_server=as_server)
        except Exception:
            logger.exception("handshake failed")
            self._end("failed", "DTLS failed")

    def _pair_changed(self) -> None:
        if self.state == "new" and not self._closed:
            self._tell("connecting")
        elif self.state == "connected":
            self.on_moved()

    def _dtls_changed(self) -> None:
        if self._closed:
            return
        match self.dtls.state:
            case "connected" if self.dtls.keys is not None:
                if self._deadline is not None:
                    self._deadline.cancel()
                self.engine.forwarder.key(self.leg, self.dtls.keys)
                self.on_keys()
                self._tell("connected")
            case "failed":
                self._end("failed", "DTLS failed")
            case "closed":
                self._end("closed", "closed by the other side")
            case _:
                pass

    def _end(self, state: str, reason: str) -> None:
        """Told first, so that nothing is routed here any more; then the goodbye is said."""
        if not self._closed:
            self._closed = True
            if self._deadline is not None:
                self._deadline.cancel()
            self._tell(state, reason)
            self._closing = asyncio.get_running_loop().create_task(self._leave())

    async def _leave(self) -> None:
        await self.dtls.close()
        if self._handshake is not None:
            await asyncio.gather(self._handshake, return_exceptions=True)
        self.dtls.remove_all_listeners()
        self.engine.detach(self.leg)

    def _tell(self, state: str, reason: str = "") -> None:
        if state != self.state:
            self.state = state
            self._on_state(state, reason)
