"""Offers and answers between a socket and the room's media worker.

The peer's name at the worker is the seat's id; who may send what comes from the seat's role, looked up
in the database at every offer. Nothing of media is kept here but which seat hears about which slots.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID

from consilium.errors import ConsiliumError, Forbidden
from consilium.model import Seat
from consilium.rules import access
from consilium.service import Service
from media.control import Message
from signaling import wire
from signaling.calls import Calls
from signaling.placement import PROBE, Placements
from signaling.session import Connection, Sessions

log = logging.getLogger(__name__)

AUDIO_SLOTS = 8
VIDEO_SLOTS = 9
RIGHTS = {
    "publish": ("mic", "camera"),
    "share": ("camera2", "screen", "screen2", "screen3"),
}
"""What a seat that may do this may send; everything else it sends is dropped by the relay."""
SOURCES = [source for sources in RIGHTS.values() for source in sources]
EVENTS_WAITING = 1_000
EXPENDABLE = frozenset({"speakers", "quality"})
"""Events whose next one says the same anew: lost first when there are too many."""

Emit = Callable[[str, dict[str, Any], str], Awaitable[None]]
Turn = Callable[[UUID], dict[str, Any]]
"""Person -> {"servers": [{"urls", "username", "credential"}], "ttl": seconds, "policy"?}."""


def no_turn(_person: UUID) -> dict[str, Any]:
    """Where no TURN server is configured."""
    return {"servers": []}


class Rtc:
    """Media messages of all sockets, and the workers' events on their way back."""

    def __init__(
        self, service: Service, calls: Calls, sessions: Sessions, placements: Placements, emit: Emit
    ) -> None:
        self._store = service.parts.store
        self._calls = calls
        self._sessions = sessions
        self._placements = placements
        self._emit = emit
        self.turn: Turn = no_turn
        self._events: asyncio.Queue[tuple[str, Message]] = asyncio.Queue(EVENTS_WAITING)
        self._task: asyncio.Task[None] | None = None
        placements.on_moved = self._moved

    @property
    def answers(self) -> dict[str, Callable[[Connection, Any], Awaitable[dict[str, Any]]]]:
        return {
            "media.publish": self.publish,
            "media.subscribe": self.subscribe,
            "media.answer": self.answer,
            "media.view": self.view,
            "media.restart": self.restart,
            "media.servers": self.servers,
            "media.unheard": self.unheard,
            "probe.publish": self.probe_publish,
            "probe.subscribe": self.probe_subscribe,
            "probe.answer": self.probe_answer,
            "probe.close": self.probe_close,
        }

    def start(self) -> None:
        self._task = asyncio.create_task(self._speak(), name="media-events")

    async def close(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None

    def worker_event(self, worker: str, event: Message) -> None:
        """Called by a MediaClient in order of arrival. A full queue drops what is said again first, then anything."""
        if self._placements.worker_event(worker, event):
            return
        if self._events.full() and event.get("event") in EXPENDABLE:
            return
        try:
            self._events.put_nowait((worker, event))
        except asyncio.QueueFull:
            log.warning("media event dropped", extra={"worker": worker})

    async def publish(self, connection: Connection, message: wire.MediaPublish) -> dict[str, Any]:
        room, seat = await self._admitted(connection)
        may = [source for right, sources in RIGHTS.items() if right in seat[1] for source in sources]
        return await self._ask(
            room, "publish.offer", peer=str(seat[0].id), sdp=message.sdp, sources=message.sources, may=may
        )

    async def subscribe(self, connection: Connection, message: wire.MediaSubscribe) -> dict[str, Any]:
        room, seat = await self._admitted(connection)
        return await self._ask(
            room, "subscribe.open", peer=str(seat[0].id), audio=AUDIO_SLOTS, video=VIDEO_SLOTS
        )

    async def answer(self, connection: Connection, message: wire.MediaAnswer) -> dict[str, Any]:
        room, seat = await self._admitted(connection)
        answered = await self._placements.request(
            room, "subscribe.answer", message.epoch, peer=str(seat[0].id), sdp=message.sdp
        )
        return {"slots": _slots(answered.get("slots")), "epoch": message.epoch}

    async def view(self, connection: Connection, message: wire.MediaView) -> dict[str, Any]:
        """Comes a few times a second and grants nothing, so the copy of the admission will do."""
        if connection.consilium is None or connection.seat is None or not connection.admitted:
            raise Forbidden("not_admitted")
        tiles = {mid: {"height": one.height, "visible": one.visible} for mid, one in message.tiles.items()}
        answered = await self._placements.request(
            connection.consilium, "subscribe.view", message.epoch, peer=str(connection.seat), tiles=tiles
        )
        return {"slots": _slots(answered.get("slots")), "epoch": message.epoch}

    async def restart(self, connection: Connection, message: wire.MediaRestart) -> dict[str, Any]:
        room, seat = await self._admitted(connection)
        answered = await self._placements.request(
            room, "subscribe.restart", message.epoch, peer=str(seat[0].id)
        )
        return {"sdp": answered["sdp"], "epoch": answered["epoch"]}

    async def servers(self, connection: Connection, message: wire.MediaServers) -> dict[str, Any]:
        """For everybody who has a seat, admitted or not: the check before the meeting tries them too."""
        if connection.seat is None or connection.actor.person_id is None:
            raise Forbidden("not_a_member")
        return self.turn(connection.actor.person_id)

    async def unheard(self, connection: Connection, message: wire.MediaUnheard) -> dict[str, Any]:
        room, seat = await self._admitted(connection)
        await self._placements.request(
            room, "subscribe.unheard", None, peer=str(seat[0].id), **{"from": str(message.seat)}
        )
        return {}

    async def forget(self, connection: Connection, reason: str) -> None:
        """Close the seat's media, if the room has any."""
        if connection.consilium is None or connection.seat is None:
            return
        try:
            await self._placements.request(
                connection.consilium, "peer.close", peer=str(connection.seat), reason=reason
            )
        except ConsiliumError as error:
            log.info("peer not closed", extra={"seat": str(connection.seat), "reason": error.code})

    # --- the echo room of the check before the meeting ----------------------------------------------

    async def probe_publish(self, connection: Connection, message: wire.ProbePublish) -> dict[str, Any]:
        connection.probing = True
        return await self._probe(
            connection, "publish.offer", sdp=message.sdp, sources=message.sources, may=SOURCES
        )

    async def probe_subscribe(self, connection: Connection, message: wire.ProbeSubscribe) -> dict[str, Any]:
        return await self._probe(connection, "subscribe.open", audio=1, video=1)

    async def probe_answer(self, connection: Connection, message: wire.ProbeAnswer) -> dict[str, Any]:
        answered = await self._probe(connection, "subscribe.answer", sdp=message.sdp)
        return {"slots": _slots(answered.get("slots"))}

    async def probe_close(self, connection: Connection, message: wire.ProbeClose) -> dict[str, Any]:
        if connection.probing:
            connection.probing = False
            await self._placements.close_probe(connection.session_id)
        return {}

    async def _probe(self, connection: Connection, op: str, **fields: Any) -> dict[str, Any]:
        return await self._placements.request_probe(
            connection.session_id, op, peer=str(connection.session_id), **fields
        )

    # --- rights and events --------------------------------------------------------------------------

    async def _admitted(self, connection: Connection) -> tuple[UUID, tuple[Seat, list[str]]]:
        if connection.consilium is None or connection.actor.person_id is None:
            raise Forbidden("not_a_member")
        found = await self._calls.run(self._seat, connection.consilium, connection.actor.person_id)
        return connection.consilium, found

    def _seat(self, consilium_id: UUID, person_id: UUID) -> tuple[Seat, list[str]]:
        with self._store.read() as reader:
            consilium = reader.consilium(consilium_id)
            seat = access.inside(consilium, person_id)
            return seat, access.capabilities(consilium, seat)

    async def _ask(self, room: UUID, op: str, **fields: Any) -> dict[str, Any]:
        answered = await self._placements.request(room, op, **fields)
        return {"sdp": answered["sdp"], "epoch": answered["epoch"]}

    async def _moved(self, room_id: UUID, epoch: int) -> None:
        room = self._sessions.rooms.get(room_id)
        for connection in list(room.connections.values()) if room else []:
            if connection.admitted:
                await self._emit("media.moved", {"epoch": epoch}, connection.sid)

    async def _speak(self) -> None:
        while True:
            worker, event = await self._events.get()
            try:
                await self._event(worker, event)
            except Exception:
                log.exception("media event failed", extra={"media_event": str(event.get("event"))[:40]})

    async def _event(self, worker: str, event: Message) -> None:
        match event.get("event"):
            case "slots":
                connection = self._peer(event)
                if connection is not None:
                    slots = {"slots": _slots(event.get("slots")), "epoch": event.get("epoch")}
                    await self._emit("media.slots", slots, connection.sid)
            case "peer.state":
                connection = self._peer(event)
                if connection is not None:
                    state = {"pc": event.get("pc"), "state": event.get("state")}
                    await self._emit("media.state", state, connection.sid)
            case "layers":
                connection = self._peer(event)
                if connection is not None:
                    wanted = {"source": event.get("source"), "wanted": event.get("wanted", [])}
                    await self._emit("media.layers", wanted, connection.sid)
            case "unheard":
                await self._tell_both("media.unheard", event, seat=event.get("from"), by=event.get("peer"))
            case "unsent":
                await self._tell_both("media.unsent", event, seat=event.get("peer"), by=event.get("by"))
            case "quality":
                await self._tell_room("media.quality", event, {"seats": event.get("peers", {})})
            case "speakers":
                levels = {"loudest": event.get("loudest"), "levels": event.get("levels", {})}
                await self._tell_room("speakers", event, levels)
            case _:
                pass

    async def _tell_room(self, name: str, event: Message, message: dict[str, Any]) -> None:
        room = self._sessions.rooms.get(_uuid(event.get("room")))
        for connection in list(room.connections.values()) if room else []:
            if connection.admitted:
                await self._emit(name, message, connection.sid)

    async def _tell_both(self, name: str, event: Message, **seats: object) -> None:
        """Whoever speaks and whoever does not hear him: the same words for both, so that they do not guess."""
        room = self._sessions.rooms.get(_uuid(event.get("room")))
        for seat in seats.values():
            connection = room.connections.get(_uuid(seat)) if room else None
            if connection is not None and connection.admitted:
                await self._emit(name, dict(seats), connection.sid)

    def _peer(self, event: Message) -> Connection | None:
        """The socket a peer belongs to: a seat of the room, or the session whose echo room it is."""
        if str(event.get("room")).startswith(PROBE):
            session = _uuid(event.get("peer"))
            connections = self._sessions.by_sid.values()
            return next((one for one in connections if one.probing and one.session_id == session), None)
        room = self._sessions.rooms.get(_uuid(event.get("room")))
        return room.connections.get(_uuid(event.get("peer"))) if room else None


def _uuid(value: object) -> UUID:
    try:
        return UUID(str(value))
    except ValueError:
        return UUID(int=0)


def _slots(slots: object) -> list[dict[str, Any]]:
    """The worker's peers are the room's seats."""
    rows = slots if isinstance(slots, list) else []
    return [
        {
            "mid": row.get("mid"),
            "kind": row.get("kind"),
            "seat": row.get("from"),
            "source": row.get("source"),
            "layer": row.get("layer"),
            "paused": row.get("paused"),
        }
        for row in rows
        if isinstance(row, dict)
    ]
