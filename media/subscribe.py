"""The connection a person receives on: a fixed pool of slots, offered once by the relay."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from aiortc import RTCRtpTransceiver, RTCSessionDescription

from media import aiortc_seam as seam
from media import feedback, routes, sdp
from media.errors import BadSdp, MediaError, WrongState
from media.link import LEVEL_URI, MID_URI, Engine, Link, codecs
from media.rewrite import slot_extensions
from media.routes import Slot, Source


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
        self.pc.codecs = {"audio": codecs("audio", "opus"), "video": codecs("video", "vp8")}
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
