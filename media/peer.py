"""One person in a room: a publish connection (the browser offers) and a subscribe connection (we offer).

Two connections, because aiortc recycles no m-lines and rolls nothing back: what a browser publishes may grow
by its own offers, what it receives is a pool of slots that never changes.
"""

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from aioice import Candidate
from aiortc import RTCCertificate, RTCRtpSender, RTCRtpTransceiver, RTCSessionDescription
from aiortc.rtcrtpparameters import RTCRtpCodecCapability

from media import aiortc_seam as seam
from media import feedback, routes, sdp
from media.aiortc_seam import RelayPeerConnection, SocketPlan
from media.errors import BadRequest, BadSdp, Full, MediaError, WrongState
from media.forward import Forwarder
from media.keyframe import KeyframeRequests
from media.rewrite import slot_extensions
from media.routes import Ingress, Slot, Source
from media.stats import Counters

CONNECT_WITHIN = 20.0  # seconds from the answer to the first keys
SILENT_AFTER = 15.0  # seconds without any datagram of a connected peer; browsers check consent every 2.5 to 6

MID_URI = "urn:ietf:params:rtp-hdrext:sdes:mid"
LEVEL_URI = "urn:ietf:params:rtp-hdrext:ssrc-audio-level"
KINDS = {"mic": "audio", "camera": "video", "screen": "video"}
OPUS = {"minptime": 10, "useinbandfec": 1}

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Engine:
    """What all connections of a worker share."""

    plan: SocketPlan
    certificate: RTCCertificate
    forwarder: Forwarder
    max_bitrate: int


def _codecs(kind: str, *names: str) -> list[RTCRtpCodecCapability]:
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


class Publish(Link):
    """What a person sends. The browser offers as often as it likes; the relay answers passively."""

    def __init__(
        self,
        engine: Engine,
        peer: str,
        on_state: Callable[[str, str], None],
        on_first: Callable[[Source], None],
    ) -> None:
        super().__init__(engine, "publish", on_state)
        self.sources: dict[str, Source] = {}  # by MID
        self._directions: dict[str, str] = {}
        self.ufrag = ""
        self.ingress = Ingress(
            peer=peer,
            unprotect=_no_keys,
            send_rtcp=self.pc.send_rtcp,
            counters=self.counters,
            on_first=on_first,
        )
        self._keyframes: list[KeyframeRequests] = []
        self.pc.codecs = {"audio": _codecs("audio", "opus"), "video": _codecs("video", "vp8", "rtx")}
        self.pc.on_keys = self._on_keys
        self.pc.on_rtcp = lambda data: feedback.on_publisher_rtcp(self.ingress, data)

    async def answer(self, vetted: sdp.Vetted, names: dict[str, str], may: frozenset[str]) -> str:
        """Take an offer; `names` says which m-line is which source. Raises BadSdp."""
        self._check_names(vetted, names)
        self.ufrag = vetted.ufrag
        try:
            await self.pc.setRemoteDescription(RTCSessionDescription(sdp=vetted.text, type="offer"))
            self.pc.be_dtls_server()
            for transceiver in self.pc.getTransceivers():
                allowed = names.get(transceiver.mid or "") in may
                transceiver.direction = "recvonly" if allowed else "inactive"
                seam.set_codec_parameters(transceiver, "opus", OPUS)
            await self.pc.setLocalDescription(await self.pc.createAnswer())
        except (MediaError, asyncio.CancelledError):
            raise
        except Exception as error:  # aiortc reports what it cannot negotiate by many types
            raise BadSdp(f"cannot be answered ({type(error).__name__})") from error
        await self.add_candidates(vetted.candidates)
        self._update_sources(vetted, names)
        self.permit(may)
        self.expect_connection()
        return str(self.pc.localDescription.sdp)

    def permit(self, may: frozenset[str]) -> list[Source]:
        """Apply a change of permission at once; returns the sources that were cut off."""
        cut = []
        for source in self.sources.values():
            sends = self._directions[source.mid] in {"sendonly", "sendrecv"}
            allowed = sends and source.name in may
            if source.open and not allowed:
                cut.append(source)
            source.open = allowed
        return cut

    def report(self) -> None:
        """Receiver report to the publisher, once a second while he sends."""
        sources = [source for source in self.sources.values() if source.started]
        if sources:
            self.pc.send_rtcp(feedback.receiver_report(self.ingress, sources, self.engine.max_bitrate))

    async def close(self, reason: str) -> None:
        for keyframes in self._keyframes:
            keyframes.close()
        for source in self.sources.values():
            source.open = False
        await super().close(reason)

    def _on_keys(self) -> None:
        self.pc.open_ingress(self.ingress, self.engine.forwarder.receive)

    @staticmethod
    def _check_names(vetted: sdp.Vetted, names: dict[str, str]) -> None:
        kinds = {section.mid: section.kind for section in vetted.sections}
        for mid, name in names.items():
            if mid not in kinds:
                raise BadRequest(f"sources names m-line {mid}, which the offer does not have")
            if KINDS[name] != kinds[mid]:
                raise BadRequest(f"{name} must be {KINDS[name]}")
        if len(set(names.values())) != len(names):
            raise BadRequest("the same source twice")

    def _update_sources(self, vetted: sdp.Vetted, names: dict[str, str]) -> None:
        self._directions = {section.mid: section.direction for section in vetted.sections}
        for section in vetted.sections:
            name = names.get(section.mid)
            source = self.sources.get(section.mid)
            if name is None:
                self._directions[section.mid] = "inactive"
                continue
            if source is None:
                source = self._add_source(section.mid, name, section.kind)
            source.name = name
            self._apply_negotiated(source)
            self._announce_ssrcs(source, section.ssrcs)

    def _add_source(self, mid: str, name: str, kind: str) -> Source:
        source = Source(
            peer=self.ingress.peer,
            name=name,
            kind=kind,
            mid=mid,
            payload_type=-1,
            clock_rate=routes.CLOCK_RATES[kind],
            ingress=self.ingress,
        )
        keyframes = KeyframeRequests(asyncio.get_running_loop(), lambda: feedback.picture_loss(source))
        self._keyframes.append(keyframes)
        source.ask_keyframe = keyframes.ask
        self.sources[mid] = source
        self.ingress.by_mid[mid.encode()] = source
        return source

    def _apply_negotiated(self, source: Source) -> None:
        transceiver = next(t for t in self.pc.getTransceivers() if t.mid == source.mid)
        codec = "opus" if source.kind == "audio" else "vp8"
        source.payload_type = seam.payload_type_of(transceiver, codec)
        source.rtx_payload_type = seam.payload_type_of(transceiver, "rtx")
        source.level_id = seam.extension_id(transceiver, LEVEL_URI)
        self.ingress.mid_id = seam.extension_id(transceiver, MID_URI) or self.ingress.mid_id
        self.ingress.local_ssrc = seam.slot_ssrc(self.pc.getTransceivers()[0])

    def _announce_ssrcs(self, source: Source, ssrcs: tuple[int, ...]) -> None:
        for position, ssrc in enumerate(ssrcs[:2]):
            key = (ssrc & 0xFFFFFFFF).to_bytes(4, "big")
            owner = self.ingress.by_ssrc.setdefault(key, source)
            if owner is source and position == 0:
                source.ssrc = ssrc


def _no_keys(_data: bytes) -> bytes:
    raise WrongState("no keys yet")


@dataclass(slots=True)
class SlotView:
    """What a slot carries, as the wire tells it."""

    mid: str
    kind: str
    source: Source | None

    def as_dict(self) -> dict[str, str | None]:
        return {
            "mid": self.mid,
            "kind": self.kind,
            "from": self.source.peer if self.source else None,
            "source": self.source.name if self.source else None,
        }


class Subscribe(Link):
    """What a person receives: a fixed pool of slots, offered once."""

    def __init__(
        self, engine: Engine, peer: str, on_state: Callable[[str, str], None], on_ready: Callable[[], None]
    ) -> None:
        super().__init__(engine, "subscribe", on_state)
        self.peer = peer
        self.slots: list[Slot] = []
        self.rtt: float | None = None
        self.answered = False
        self.told: list[dict[str, str | None]] = []  # the view signaling knows
        self._on_ready = on_ready
        self._by_ssrc: dict[int, Slot] = {}
        self.pc.codecs = {"audio": _codecs("audio", "opus"), "video": _codecs("video", "vp8")}
        self.pc.on_keys = self._check_ready
        self.pc.on_pair = self._check_ready
        self.pc.on_rtcp = self._on_rtcp

    async def offer(self, audio: int, video: int) -> str:
        """The offer with its pool. Slot i of either kind is in stream `slot-i`, for lip synchronisation."""
        for kind, count in (("audio", audio), ("video", video)):
            for index in range(count):
                transceiver = self.pc.addTransceiver(kind, direction="sendonly")
                seam.name_stream(transceiver, f"slot-{index}")
        await self.pc.setLocalDescription(await self.pc.createOffer())
        return str(self.pc.localDescription.sdp)

    async def accept(self, vetted: sdp.Vetted) -> None:
        """Take the browser's answer; raises WrongState, BadSdp."""
        if self.answered:
            raise WrongState("this offer has been answered")
        try:
            await self.pc.setRemoteDescription(RTCSessionDescription(sdp=vetted.text, type="answer"))
        except (MediaError, asyncio.CancelledError):
            raise
        except Exception as error:  # the same as for offers
            raise BadSdp(f"cannot be accepted ({type(error).__name__})") from error
        self.answered = True
        self.slots = [slot for slot in map(self._make_slot, self.pc.getTransceivers()) if slot is not None]
        self._by_ssrc = {slot.ssrc: slot for slot in self.slots}
        await self.add_candidates(vetted.candidates)
        self.expect_connection()

    def view(self) -> list[dict[str, str | None]]:
        return [SlotView(slot.mid, slot.kind, slot.source).as_dict() for slot in self.slots]

    async def close(self, reason: str) -> None:
        for slot in self.slots:
            routes.disconnect(slot)
        await super().close(reason)

    def ask_missing_keyframes(self, now: float) -> None:
        for slot in self.slots:
            if slot.waiting and slot.kind == "video" and slot.source and now - slot.waiting_since > 1:
                slot.source.ask_keyframe()

    def _make_slot(self, transceiver: RTCRtpTransceiver) -> Slot | None:
        kind = transceiver.kind
        payload_type = seam.payload_type_of(transceiver, "opus" if kind == "audio" else "vp8")
        if payload_type < 0 or transceiver.currentDirection != "sendonly":
            return None
        level_id = seam.extension_id(transceiver, LEVEL_URI) if kind == "audio" else 0
        return Slot(
            mid=str(transceiver.mid),
            kind=kind,
            ssrc=seam.slot_ssrc(transceiver),
            payload_type=payload_type,
            extensions=slot_extensions(
                str(transceiver.mid), seam.extension_id(transceiver, MID_URI), level_id
            ),
            clock_rate=routes.CLOCK_RATES[kind],
        )

    def _check_ready(self) -> None:
        ready = [slot.egress for slot in self.slots if slot.egress is not None]
        if ready:
            self.pc.move_egress(ready[0])
            return
        egress = self.pc.open_egress(self.peer)
        if egress is None:
            return
        for slot in self.slots:
            slot.egress = egress
            if slot.source is not None:
                routes.connect(slot.source, slot)
        self._on_ready()

    def _on_rtcp(self, data: bytes) -> None:
        well_formed, rtt = feedback.on_receiver_rtcp(self._by_ssrc, data)
        if not well_formed:
            self.counters.drops["bad_rtcp"] += 1
        if rtt is not None:
            self.rtt = rtt


@dataclass(slots=True)
class Peer:
    """A person as the relay knows him: an opaque id, two connections, a lock that orders his requests."""

    id: str
    publish: Publish | None = None
    subscribe: Subscribe | None = None
    may: frozenset[str] = frozenset()
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    def links(self) -> list[Link]:
        return [link for link in (self.publish, self.subscribe) if link is not None]

    def sources(self) -> list[Source]:
        return list(self.publish.sources.values()) if self.publish is not None else []

    async def close(self, reason: str) -> None:
        async with self.lock:
            await asyncio.gather(*(link.close(reason) for link in self.links()))

    def tick(self) -> None:
        now = time.monotonic()
        for link in self.links():
            link.check_silence(now)
        if self.publish is not None:
            self.publish.report()
        if self.subscribe is not None:
            self.subscribe.ask_missing_keyframes(now)
