"""The connection a person sends on: the browser offers, as often as it likes, and the relay answers."""

import asyncio
from collections.abc import Callable

from aiortc import RTCSessionDescription

from media import aiortc_seam as seam
from media import feedback, routes, sdp
from media.errors import BadRequest, BadSdp, MediaError, WrongState
from media.keyframe import KeyframeRequests
from media.link import LEVEL_URI, MID_URI, Engine, Link, codecs
from media.routes import Ingress, Source

KINDS = {"mic": "audio"} | dict.fromkeys(("camera", "camera2", "screen", "screen2", "screen3"), "video")
OPUS = {"minptime": 10, "useinbandfec": 1}


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
        self.pc.codecs = {"audio": codecs("audio", "opus"), "video": codecs("video", "vp8", "rtx")}
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
