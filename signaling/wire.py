"""Names and shapes of every message, both ways. `docs/wire.md` is generated from this file.

Client -> server: the domain's room commands (`consilium.commands.ROOM`) and the messages of `CLIENT`.
Server -> client: `SERVER`. Unknown fields are ignored, unknown messages refused. A command carries its
client-made id in `command`; the same id again answers the same acknowledgement.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Literal
from uuid import UUID

import msgspec
from msgspec import Meta

from consilium.commands import ROOM, WIRE, Command
from consilium.errors import CODES, ConsiliumError, Invalid

PROTOCOL_VERSION = 1
MAX_MESSAGE = 100_000
"""Bytes of one message: an SDP (32 KB at most) or one draft update (60 KB) fit, nothing larger does."""

Sdp = Annotated[str, Meta(max_length=32_768)]
Unit = Annotated[float, Meta(ge=0, le=1)]
Mid = Annotated[str, Meta(max_length=16)]
Source = Literal["mic", "camera", "camera2", "screen", "screen2", "screen3"]
"""`camera2` is an instrument (microscope, ultrasound); three screens may be shared at once (RM-13)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    x: Unit
    y: Unit


@dataclass(frozen=True, slots=True, kw_only=True)
class RoomSync:
    """What was missed since `since`, and the whole snapshot at `seq`."""

    since: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class PresenceSet:
    """What one's own devices do; shown on the tile, kept in memory only."""

    mic: bool
    camera: bool
    screen: bool = False
    camera2: bool = False
    screen2: bool = False
    screen3: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ViewerMove:
    """The presenter's page, zoom and pointer in page coordinates; volatile, the last one is kept."""

    document: UUID
    page: Annotated[int, Meta(ge=1, le=10_000)]
    zoom: Annotated[float, Meta(ge=0.05, le=40)]
    x: Unit = 0.5
    y: Unit = 0.5
    pointer: Point | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DraftOpen:
    protocol: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class DraftClose:
    protocol: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class MediaPublish:
    """The browser's offer; `sources` says what each media line (mid) carries."""

    sdp: Sdp
    sources: dict[Mid, Source]


@dataclass(frozen=True, slots=True, kw_only=True)
class MediaSubscribe:
    """Ask for the server's offer with its fixed pool of slots."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MediaAnswer:
    sdp: Sdp
    epoch: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Tile:
    """How large a slot is drawn, in device pixels, and whether any of it is seen."""

    height: Annotated[int, Meta(ge=0, le=16_384)]
    visible: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class MediaView:
    """What the page shows of the video slots: nothing is sent for what nobody sees. Answers the slots as they are."""

    tiles: Annotated[dict[Mid, Tile], Meta(max_length=64)]
    epoch: int


@dataclass(frozen=True, slots=True, kw_only=True)
class MediaRestart:
    """The server's offer again with fresh ICE credentials, for the same connection on another network path."""

    epoch: int


@dataclass(frozen=True, slots=True, kw_only=True)
class MediaServers:
    """TURN servers with short-lived credentials of one's own; an empty list where there are none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MediaUnheard:
    """This seat's microphone is on, and nothing of it arrives here (RM-12)."""

    seat: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbePublish:
    sdp: Sdp
    sources: dict[Mid, Source]


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbeSubscribe:
    """The echo room of one's own, allowed before admission (RM-06)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbeAnswer:
    sdp: Sdp


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbeClose:
    pass


CLIENT: dict[str, type] = {
    "room.sync": RoomSync,
    "presence.set": PresenceSet,
    "viewer.move": ViewerMove,
    "draft.open": DraftOpen,
    "draft.close": DraftClose,
    "media.publish": MediaPublish,
    "media.subscribe": MediaSubscribe,
    "media.answer": MediaAnswer,
    "media.view": MediaView,
    "media.restart": MediaRestart,
    "media.servers": MediaServers,
    "media.unheard": MediaUnheard,
    "probe.publish": ProbePublish,
    "probe.subscribe": ProbeSubscribe,
    "probe.answer": ProbeAnswer,
    "probe.close": ProbeClose,
}

SERVER: dict[str, str] = {
    "event": "{seq, at, name, data, by, patch}: one committed event in journal order; patch = sections to replace",
    "protocol.event": "{protocol, at, name, data, patch}: an event of a protocol of this consilium",
    "head": "{seq}: every three seconds; a gap means `room.sync`",
    "presence": "{people: {seat: {source: on}}}: devices of everybody connected, as `presence.set` said them",
    "speakers": "{loudest, levels: {seat: dBov}}",
    "viewer.move": "{seat, document, page, zoom, x, y, pointer}",
    "draft.update": "{protocol, update, by}: base64 of a Yjs update",
    "draft.closed": "{protocol, reason}",
    "media.slots": "{slots: [{mid, kind, seat, source, layer, paused}], epoch}: paused is null, bandwidth or hidden; "
    "also for one's own echo room, whose seat is the session",
    "media.layers": "{source, wanted: [rid]}: the layers of one's own source that somebody looks at",
    "media.quality": "{seats: {seat: {grade, cause}}}: grade excellent, good, poor or lost; cause null, uplink, downlink "
    "or relay, of that seat's own connections",
    "media.unheard": "{seat, by}: `by` does not hear `seat`, and is being connected to him anew; told to both",
    "media.unsent": "{seat, by}: nothing of the microphone of `seat` reaches the relay; told to both",
    "recording.health": "{bytes, at}: bytes of the recording known to be on the disk",
    "media.moved": "{epoch}: build both peer connections anew",
    "media.state": "{pc, state}",
    "page.changed": "{kind, id}: something this page may show has changed",
    "room.gone": "{reason}: denied, closed, elsewhere; the server disconnects after it",
}


@dataclass(frozen=True, slots=True)
class Parsed:
    """A message of the declared shape: a domain command with its id, or a wire message."""

    name: str
    command: Command | None
    command_id: UUID | None
    message: Any


def parse(name: str, data: object, consilium: UUID | None) -> Parsed:
    """Raise Invalid(unknown_command | invalid_message | too_long …) for everything undeclared.

    `consilium` of the connection stands in for an omitted one and overrules a given one: a socket
    speaks of its own room only.
    """
    fields = _fields(data)
    if name in CLIENT:
        return Parsed(name, None, None, _convert(fields, CLIENT[name]))
    if name not in ROOM:
        raise Invalid("unknown_command", name=name[:60])
    command_type = WIRE[name]
    if consilium is not None and "consilium" in command_type.__annotations__:
        fields = {**fields, "consilium": str(consilium)}
    command_id = _convert({"command": fields.get("command")}, _Identified).command
    return Parsed(name, _convert(fields, command_type), command_id, None)


def ok(result: dict[str, Any]) -> dict[str, Any]:
    return {"ok": True, **msgspec.to_builtins(result)}


def refusal(error: ConsiliumError) -> dict[str, Any]:
    details = msgspec.to_builtins(error.details)
    return {"ok": False, "error": {"code": error.code, "message": CODES[error.code], "details": details}}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Identified:
    command: UUID


def _fields(data: object) -> dict[str, Any]:
    if data is None:
        return {}
    if not isinstance(data, dict):
        raise Invalid("invalid_message", reason="an object is expected")
    return data


def _convert(fields: dict[str, Any], shape: type) -> Any:
    try:
        return msgspec.convert(fields, shape, strict=True)
    except msgspec.ValidationError as error:
        raise Invalid("invalid_message", reason=str(error)[:200]) from None
