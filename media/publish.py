"""The connection a person sends on: the browser offers, as often as it likes, and the relay answers."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from media import answer, sdp
from media.answer import Line
from media.describe import extensions_of
from media.engine import Engine
from media.errors import BadRequest, BadSdp
from media.link import Link
from media.plane.table import SOURCES, Kind, Layer, Source
from media.recorder import Recorder
from media.upstream import Upstream

KINDS: dict[str, Kind] = {
    "mic": "audio",
    "camera": "video",
    "camera2": "video",
    "screen": "video",
    "screen2": "video",
    "screen3": "video",
}
AUDIO_BITRATE = 128_000  # bit/s; opus with two repeats of each frame
CEILING = 2  # times what was negotiated is let in; browsers probe for bandwidth and repeat what was lost

EXTENSIONS = ("mid", "rid", "repaired_rid", "level", "send_time", "orientation", "transport_seq")


@dataclass(slots=True, eq=False)
class Stream:
    """A source with what the relay knows of it beyond the packet path.

    sends: the offer's direction; live: it flows and the room has been told
    """

    publish: "Publish"
    source: Source
    sends: bool = True
    live: bool = False

    @property
    def peer(self) -> str:
        return self.publish.peer

    @property
    def name(self) -> str:
        return self.source.name

    @property
    def kind(self) -> Kind:
        return self.source.kind

    @property
    def last_packet(self) -> float:
        return max(layer.last_packet for layer in self.source.layers)


class Publish(Link):
    """What a person sends."""

    def __init__(
        self,
        engine: Engine,
        peer: str,
        on_state: Callable[[str, str], None],
        on_first: Callable[[Stream], None],
        on_voice: Callable[[Stream], None],
    ) -> None:
        super().__init__(engine, peer, "publish", on_state)
        self.streams: dict[str, Stream] = {}  # by MID
        self.ufrag = ""
        self.transport_cc = False
        self.upstream = Upstream(
            self.leg,
            engine.forwarder,
            self.send_rtcp,
            asyncio.get_running_loop().call_later,
            ssrc=self.local_ssrc,
            ceiling=engine.max_bitrate,
        )
        self._on_first = on_first
        self._on_voice = on_voice
        self._recorder: Recorder | None = None

    @property
    def sources(self) -> dict[str, Source]:
        """By MID."""
        return {mid: stream.source for mid, stream in self.streams.items()}

    # --- negotiation ----------------------------------------------------------------------------------

    def continues(self, offer: sdp.Description) -> bool:
        """Whether an offer is about this connection: the same ICE credentials, or a restart of ICE alone.

        A page that was loaded again has another identity, or at least not the same m-lines.
        """
        if self.ufrag in {"", offer.ufrag}:
            return True
        present = {section.mid for section in offer.sections}
        return set(offer.fingerprints) == set(self.fingerprints) and set(self.streams) <= present

    def answer(self, offer: sdp.Description, names: dict[str, str], may: frozenset[str]) -> str:
        """Take an offer; `names` says which m-line is which source. Raises BadSdp, BadRequest."""
        lines = {one.mid: answer.choose(one) for one in offer.sections if not one.rejected}
        _check_names(lines, names)
        self._check_lines(lines, names)
        self.start_dtls(offer)
        if self.ufrag and self.ufrag != offer.ufrag:
            self.ice.restart()
        self.ufrag = offer.ufrag
        self.transport_cc = self.engine.transport_cc and answer.offers_transport_cc(lines.values())
        self.upstream.transport_cc = self.transport_cc
        self._update_leg(lines)
        self._update_streams(lines, names)
        self.permit(may)
        self.expect_connection()
        allowed = frozenset(mid for mid in lines if names.get(mid) in may)
        setup = "active" if offer.setup == "passive" else "passive"
        transport = self.describe(setup)
        return answer.write(offer, lines, allowed, transport, transport_cc=self.transport_cc)

    def permit(self, may: frozenset[str]) -> None:
        """Apply a change of permission at once."""
        for stream in self.streams.values():
            self._open(stream, allowed=stream.sends and stream.name in may)

    def shut(self) -> None:
        """Nothing of this connection is forwarded any more."""
        for stream in self.streams.values():
            self._open(stream, allowed=False)

    async def close(self, reason: str) -> None:
        self.upstream.close()
        await super().close(reason)

    # --- what the packet path tells -------------------------------------------------------------------

    def on_flowing(self, stream: Stream) -> None:
        if not self.closed:
            self._on_first(stream)

    def on_voice(self, stream: Stream) -> None:
        """Somebody begins to speak."""
        if not self.closed:
            self._on_voice(stream)

    def on_tapped(self, stream: Stream, layer: int, packet: bytes) -> None:
        """A packet of a source that is recorded."""
        if self._recorder is not None:
            self._recorder.packet(self.peer, stream.name, stream.source.codec, layer, packet)

    def record(self, recorder: Recorder | None) -> None:
        """Every source goes to this recorder from now on, or to none; a picture begins with a key frame."""
        if recorder is self._recorder:
            return
        self._recorder = recorder
        for stream in self.streams.values():
            stream.source.tap = recorder is not None
            if not self.closed:
                self.engine.forwarder.update_source(stream.source)
        if recorder is not None:
            self.ask_keyframes("")

    def ask_keyframes(self, name: str) -> None:
        """Of the source with this name, or of every picture."""
        for stream in self.streams.values():
            if stream.kind == "video" and name in {"", stream.name}:
                for layer in stream.source.layers:
                    self.upstream.keyframe(layer)

    def take_rtcp(self, data: bytes) -> None:
        if not self.upstream.rtcp(data):
            self.drops["bad_rtcp"] += 1

    # --- inside ---------------------------------------------------------------------------------------

    def _check_lines(self, lines: Mapping[str, Line], names: dict[str, str]) -> None:
        """An m-line stays what it is for the life of a connection."""
        for mid, stream in self.streams.items():
            line = lines.get(mid)
            if line is not None and line.kind != stream.kind:
                raise BadSdp(f"m-line {mid} was {stream.kind}")
            if line is not None and len(line.section.rids or ("",)) != len(stream.source.layers):
                raise BadSdp(f"m-line {mid} has another number of encodings than before")
        if len(self.streams.keys() | names.keys()) > SOURCES:
            raise BadSdp(f"more than {SOURCES} sources on one connection")

    def _update_leg(self, lines: Mapping[str, Line]) -> None:
        names = EXTENSIONS if self.transport_cc else EXTENSIONS[:-1]
        self.leg.extensions = extensions_of([line.section for line in lines.values()], names)
        self.leg.ceiling = CEILING * sum(self._rate(line) for line in lines.values())
        self.engine.forwarder.update_leg(self.leg)

    def _rate(self, line: Line) -> int:
        """bit/s of one m-line: the smaller encodings of a picture together need no more than the largest."""
        if line.kind == "audio":
            return AUDIO_BITRATE
        return self.engine.max_bitrate * min(2, len(line.section.rids) or 1)

    def _update_streams(self, lines: Mapping[str, Line], names: dict[str, str]) -> None:
        for mid, stream in self.streams.items():
            stream.sends = mid in lines and mid in names
        for mid, line in lines.items():
            if mid not in names:
                continue
            stream = self.streams.get(mid) or self._add_stream(mid, names[mid], line)
            stream.source.name = names[mid]
            stream.sends = line.section.direction in {"sendonly", "sendrecv"}
            self._apply(stream, line)

    def _add_stream(self, mid: str, name: str, line: Line) -> Stream:
        source = Source(self.leg, name, line.kind, line.codec, mid, line.main.payload_type)
        source.tap = self._recorder is not None
        source.layers = [Layer(source, rid) for rid in line.section.rids or ("",)]
        _announce(source, line)
        stream = Stream(self, source)
        self.streams[mid] = stream
        self.engine.streams[source] = stream
        self.leg.sources.append(source)
        self._negotiated(source, line)
        self.engine.forwarder.add_source(source)
        return stream

    def _apply(self, stream: Stream, line: Line) -> None:
        source = stream.source
        for layer, rid in zip(source.layers, line.section.rids or ("",), strict=True):
            layer.rid = rid
        _announce(source, line)
        self._negotiated(source, line)
        self.engine.forwarder.update_source(source)

    @staticmethod
    def _negotiated(source: Source, line: Line) -> None:
        source.codec = line.codec
        source.payload_type = line.main.payload_type
        source.rtx_payload_type, source.red_payload_type = line.rtx, line.red

    def _open(self, stream: Stream, *, allowed: bool) -> None:
        if stream.source.open != allowed:
            stream.source.open = allowed
            if not self.closed:
                self.engine.forwarder.update_source(stream.source)


def _check_names(lines: Mapping[str, Line], names: dict[str, str]) -> None:
    for mid, name in names.items():
        if mid not in lines:
            raise BadRequest(f"sources names m-line {mid}, which the offer does not have")
        if KINDS[name] != lines[mid].kind:
            raise BadRequest(f"{name} must be {KINDS[name]}")
    if len(set(names.values())) != len(names):
        raise BadRequest("the same source twice")


def _announce(source: Source, line: Line) -> None:
    """The SSRCs an offer names; with simulcast the packets name themselves by RID."""
    announced = next(iter(line.section.ssrcs.items()), None)
    if announced is not None and len(source.layers) == 1:
        source.layers[0].ssrc, source.layers[0].rtx_ssrc = announced
