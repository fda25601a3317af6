"""The signaling server: makes the parts, connects and disconnects sockets, keeps presence honest.

`attach(app, service, settings)` puts it on an aiohttp application (`web/edge.py` does, and
`python -m signaling` with an application of its own).
"""

from __future__ import annotations

import asyncio
import faulthandler
import logging
import sys
import time
from collections.abc import AsyncIterator
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import sqlalchemy as sa
from aiohttp import web
from socketio.exceptions import ConnectionRefusedError as Refused

from consilium.actor import SYSTEM, Actor
from consilium.clock import now
from consilium.commands import LosePresence
from consilium.errors import CODES, ConsiliumError, Forbidden, Invalid
from consilium.handlers.meeting import touch
from consilium.model import Admission, Consilium, Person
from consilium.rules import access
from consilium.service import Service
from consilium.settings import Settings
from consilium.snapshot import load, public, snapshot
from consilium.store import sessions as tokens
from consilium.store.tables import seats
from media.control import MediaClient
from media.errors import MediaError
from signaling import socket, wire
from signaling.broadcast import Broadcast
from signaling.calls import Calls
from signaling.dispatch import Dispatch
from signaling.drafting import Drafting
from signaling.placement import Placements
from signaling.recording import Recordings
from signaling.rtc import Rtc
from signaling.session import GRACE, Connection, Room, Sessions
from signaling.summaries import Summaries
from signaling.turn import TurnServers

log = logging.getLogger(__name__)

UPKEEP_EVERY = 3.0
STALLED = 2.0
"""Seconds without a turn of the event loop after which the stacks of all threads are written to the error stream."""
MISSED_LIMIT = 500

SIGNALING = web.AppKey("signaling", object)


def attach(app: web.Application, service: Service, settings: Settings) -> Signaling:
    """Serve Socket.IO on `app`; starts and stops with it."""
    signaling = Signaling(service, settings)
    signaling.sio.attach(app)
    app[SIGNALING] = signaling

    async def running(_: web.Application) -> AsyncIterator[None]:
        await signaling.start()
        yield
        await signaling.close()

    async def ending(_: web.Application) -> None:
        signaling.let_go()

    app.cleanup_ctx.append(running)
    app.on_shutdown.append(ending)
    return signaling


class Signaling:
    """All parts of one signaling process."""

    def __init__(self, service: Service, settings: Settings) -> None:
        self.service = service
        self.sio = socket.make(settings)
        self.sessions = Sessions()
        self.calls = Calls(settings.db_pool, "signaling")
        self._clients = self._media_clients(settings)
        self.placements = Placements(service.parts.store, self.calls, self._clients, self.sessions.people)
        self.rtc = Rtc(service, self.calls, self.sessions, self.placements, self.sio.send)
        turn = TurnServers.configured(settings)
        self.rtc.turn = lambda person: turn.servers(person, now())
        self.recordings = Recordings(service, self.calls, self.sessions, self.placements, self._to_room)
        self.summaries = Summaries(service.parts.store, self.calls)
        self.drafting = Drafting(service, self.calls, self.sessions, self.sio.send)
        self.broadcast = Broadcast(service, self.calls, self.sessions, self.sio.send, self.farewell)
        self.broadcast.on_admitted = self._admitted
        self.broadcast.on_draft = self.drafting.spread
        self.broadcast.on_draft_closed = self.drafting.closed
        self.dispatch = Dispatch(service, self.calls, self.sessions)
        self.dispatch.answers = {
            "room.sync": self._sync,
            "presence.set": self._presence,
            "viewer.move": self._viewer,
            "draft.open": self.drafting.open,
            "draft.close": self.drafting.close,
            **self.rtc.answers,
        }
        self.dispatch.follow = {
            "room.enter": self._entered,
            "room.leave": self._left,
            "recording.ask": self._recording_changed,
            "recording.answer": self._recording_changed,
            "recording.stop": self._recording_changed,
        }
        self.sio.on_event = self.dispatch.handle
        self.sio.on("connect", self._connect)
        self.sio.on("disconnect", self._disconnect)
        self._tasks: set[asyncio.Task[None]] = set()
        self._closed = False
        self._ending = False

    @property
    def media_clients(self) -> dict[str, MediaClient]:
        """Control address -> the worker as this process sees it."""
        return self._clients

    async def start(self) -> None:
        self.rtc.start()
        for client in self._clients.values():
            self._own(self._dial(client), "dial-media")
        self.placements.start()
        self.recordings.start()
        await self.broadcast.start()
        self._own(self._watch(), "watch")
        self._own(self._upkeep(), "upkeep")
        self._own(self._find_lost(), "find-lost")

    def let_go(self) -> None:
        """The server ends: sockets go now, and nobody is lost by that, they come back to the next process."""
        self._ending = True
        self.sio.cut_all("ending")

    async def close(self) -> None:
        """Idempotent. Presence in the database is left alone: people come back to the next process."""
        if self._closed:
            return
        self._closed = True
        for room in list(self.sessions.rooms.values()):
            self._tasks.update(room.leaving.values())
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.broadcast.close()
        await self.recordings.close()
        await self.rtc.close()
        await self.placements.close()
        for client in self._clients.values():
            await client.close("signaling ends")
        await self.sio.end()
        await self.calls.end()

    # --- coming and going ---------------------------------------------------------------------------

    async def _connect(self, sid: str, environ: dict[str, Any], auth: object = None) -> None:
        """Tiny and typed: the library calls this twice if it raises a TypeError."""
        try:
            connection = await self._recognise(sid, auth)
        except ConsiliumError as error:
            refusal = {"code": error.code, "message": CODES[error.code]}
            raise Refused(CODES[error.code], refusal) from None
        except Exception:
            log.exception("connect failed")
            raise Refused(CODES["internal"], {"code": "internal"}) from None
        older = self.sessions.add(connection)
        if older is not None:
            await self.farewell(older, "elsewhere")

    async def _recognise(self, sid: str, auth: object) -> Connection:
        ticket = auth.get("ticket") if isinstance(auth, dict) else None
        if not isinstance(ticket, str) or len(ticket) > 200:
            raise Forbidden("bad_ticket")
        if isinstance(auth, dict) and auth.get("protocol") != wire.PROTOCOL_VERSION:
            raise Invalid("invalid_message", reason="protocol version")
        return await self.calls.run(self._redeem, sid, ticket)

    def _redeem(self, sid: str, ticket: str) -> Connection:
        with self.service.parts.store.write(now()) as tx:
            proven = tokens.use_ticket(tx, ticket)
            person = tx.peek(Person, proven.person_id)
            if not person.active:
                raise Forbidden("bad_ticket")
            seat = None
            if proven.consilium_id is not None:
                seat = access.seat_of(tx.peek(Consilium, proven.consilium_id), person.id)
        return Connection(
            sid=sid,
            actor=Actor(
                person_id=person.id,
                organisation_id=person.organisation_id,
                duties=frozenset(person.duties),
                name=person.full_name,
            ),
            session_id=proven.session_id,
            consilium=proven.consilium_id,
            seat=seat.id if seat else None,
            last_seen=now(),
        )

    async def _disconnect(self, sid: str, reason: str = "") -> None:
        connection = self.sessions.remove(sid)
        if connection is None:
            return
        if connection.probing:
            await self.placements.close_probe(connection.session_id)
        room = self.sessions.room_of(connection)
        if room is None or connection.seat is None or connection.gone:
            if room is not None:
                self.sessions.forget_empty(room.id)
            return
        if connection.seat not in room.connections and not self._ending:
            last_seen = connection.last_seen if "timeout" in reason else now()
            timer = asyncio.create_task(
                self._lose_later(room, connection.seat, last_seen or now()), name="grace"
            )
            room.leaving[connection.seat] = timer

    async def _lose_later(self, room: Room, seat: UUID, last_seen: datetime) -> None:
        """After the grace somebody without a connection is lost, at his last sign of life."""
        await asyncio.sleep(GRACE)
        room.leaving.pop(seat, None)
        await self._lose(room.id, seat, last_seen)
        self.sessions.forget_empty(room.id)

    async def _lose(self, consilium: UUID, seat: UUID, last_seen: datetime) -> None:
        command = LosePresence(consilium=consilium, seat=seat, last_seen=last_seen)
        try:
            await self.calls.run(self.service.handle, command, SYSTEM, uuid4(), now())
            await self.placements.request(consilium, "peer.close", peer=str(seat), reason="lost")
        except ConsiliumError as error:
            log.info("presence not ended", extra={"seat": str(seat), "code": error.code})

    async def farewell(self, connection: Connection, reason: str) -> None:
        """Say why, then disconnect. Media ends with it unless a newer socket took the seat over."""
        if connection.gone:
            return
        connection.gone = True
        connection.admitted = False
        await self.sio.send("room.gone", {"reason": reason}, connection.sid)
        if reason != "elsewhere":
            await self.rtc.forget(connection, reason)
        self._own(self.sio.disconnect(connection.sid), "farewell")

    # --- messages -----------------------------------------------------------------------------------

    async def _entered(self, connection: Connection, parsed: wire.Parsed, result: dict[str, Any]) -> None:
        connection.admitted = result.get("admission") == Admission.ADMITTED
        if connection.admitted:
            await self._admitted(connection)

    async def _admitted(self, connection: Connection) -> None:
        """From now on the room's volatile messages reach this socket too."""
        if self.sio.manager.is_connected(connection.sid, "/"):
            await self.sio.enter_room(connection.sid, str(connection.consilium))

    async def _recording_changed(
        self, connection: Connection, parsed: wire.Parsed, result: dict[str, Any]
    ) -> None:
        self.recordings.wake()

    async def _to_room(self, name: str, data: dict[str, Any], room: UUID) -> None:
        await self.sio.emit(name, data, room=str(room))

    async def _left(self, connection: Connection, parsed: wire.Parsed, result: dict[str, Any]) -> None:
        await self.farewell(connection, "left")

    async def _sync(self, connection: Connection, message: wire.RoomSync) -> dict[str, Any]:
        if connection.consilium is None or connection.seat is None:
            raise Forbidden("not_a_member")
        answer, admitted = await self.calls.run(
            self._snapshot, connection.consilium, connection.seat, message.since
        )
        connection.admitted = admitted
        room = self.sessions.room_of(connection)
        if admitted and room is not None:
            await self._admitted(connection)
            answer["presence"] = room.devices()
            answer["viewer"] = room.view
        return answer

    def _snapshot(self, consilium_id: UUID, seat_id: UUID, since: int) -> tuple[dict[str, Any], bool]:
        with self.service.parts.store.read() as reader:
            scene = load(reader, consilium_id, now())
            entries = reader.events("consilium", consilium_id, since, MISSED_LIMIT) if since else []
        seat = access.seat_by_id(scene.consilium, seat_id)
        admitted = seat.admission is Admission.ADMITTED
        may_admit = access.may_admit(scene.consilium, seat)
        missed = [
            {"seq": one.seq, "at": one.at.isoformat(), "name": one.name, "data": data}
            for one in entries
            if admitted and one.event is not None
            if (data := public(one.event, seat, may_admit=may_admit)) is not None
        ]
        return {"seq": scene.seq, "snapshot": snapshot(scene, seat), "missed": missed}, admitted

    async def _presence(self, connection: Connection, message: wire.PresenceSet) -> dict[str, Any]:
        room = self._inside(connection)
        connection.devices = asdict(message)
        people = {"people": {str(connection.seat): connection.devices}}
        await self.sio.emit("presence", people, room=str(room.id))
        return {}

    async def _viewer(self, connection: Connection, message: wire.ViewerMove) -> dict[str, Any]:
        """Volatile: only the presenter is heard, the last state is kept for those who come later."""
        room = self._inside(connection)
        if room.presenters is None:
            room.presenters = await self.calls.run(self._presenters, room.id)
        if connection.seat not in room.presenters:
            raise Forbidden("not_your_role", need="presenter")
        room.view = {**_plain(message), "seat": str(connection.seat)}
        await self.sio.emit("viewer.move", room.view, room=str(room.id), skip_sid=connection.sid)
        return {}

    def _presenters(self, consilium_id: UUID) -> frozenset[UUID]:
        """Read once a room; every event of the room brings the newest (`broadcast`)."""
        with self.service.parts.store.read() as reader:
            return access.presenters(reader.consilium(consilium_id))

    def _inside(self, connection: Connection) -> Room:
        room = self.sessions.room_of(connection)
        if room is None or not connection.admitted:
            raise Forbidden("not_admitted")
        return room

    # --- upkeep -------------------------------------------------------------------------------------

    async def _watch(self) -> None:
        """A loop that hangs answers no `/health`; what it hangs on is written by a thread that does not (F14)."""
        try:
            while True:
                began = time.monotonic()
                faulthandler.dump_traceback_later(STALLED, file=sys.stderr)
                await asyncio.sleep(STALLED / 4)
                late = time.monotonic() - began - STALLED / 4
                if late > STALLED / 2:
                    log.error("loop.stalled", extra={"seconds": round(late, 1)})
        finally:
            faulthandler.cancel_dump_traceback_later()

    async def _upkeep(self) -> None:
        """Every three seconds: heartbeats to the database, devices to the room, ended sessions out."""
        while True:
            await asyncio.sleep(UPKEEP_EVERY)
            try:
                await self._keep_up()
            except Exception:
                log.exception("upkeep failed")

    async def _keep_up(self) -> None:
        for room in list(self.sessions.rooms.values()):
            if room.connections:
                await self.calls.run(touch, self.service.parts, room.id, list(room.connections), now())
                await self.sio.emit("presence", {"people": room.devices()}, room=str(room.id))
        connections = list(self.sessions.by_sid.values())
        alive = await self.calls.run(self._alive, {one.session_id for one in connections})
        for one in connections:
            one.last_seen = now()
            if one.session_id not in alive:
                await self.farewell(one, "signed_out")

    def _alive(self, session_ids: set[UUID]) -> set[UUID]:
        with self.service.parts.store.read() as reader:
            return {one for one in session_ids if tokens.session_alive(reader, one)}

    async def _find_lost(self) -> None:
        """People whose server died, this one before its restart or another: nobody has heard them for the grace."""
        while True:
            await asyncio.sleep(GRACE)
            try:
                for consilium, seat, last_seen in await self.calls.run(self._unheard):
                    room = self.sessions.rooms.get(consilium)
                    if room is None or (seat not in room.connections and seat not in room.leaving):
                        await self._lose(consilium, seat, last_seen)
            except Exception:
                log.exception("looking for the lost failed")

    def _unheard(self) -> list[tuple[UUID, UUID, datetime]]:
        """Seats the database calls present or waiting without a heartbeat in the grace, from any server."""
        at = now()
        query = sa.select(seats.c.consilium_id, seats.c.id, seats.c.last_seen).where(
            sa.or_(seats.c.online, seats.c.admission == Admission.WAITING),
            sa.or_(seats.c.last_seen.is_(None), seats.c.last_seen < at - timedelta(seconds=GRACE)),
        )
        with self.service.parts.store.read() as reader:
            rows = reader.connection.execute(query).all()
        return [(consilium, seat, last_seen or at) for consilium, seat, last_seen in rows]

    async def _dial(self, client: MediaClient) -> None:
        """The client goes on trying by itself; this only says once that the first attempt failed."""
        try:
            await client.connect()
        except MediaError as error:
            log.warning("media worker not reached yet", extra={"reason": error.code})

    def _media_clients(self, settings: Settings) -> dict[str, MediaClient]:
        key = settings.media_key_file.read_text().strip() if settings.media_key_file else ""
        return {
            address: MediaClient(address, self._listener(address), key=key)
            for address in settings.media_controls
        }

    def _listener(self, address: str) -> Any:
        def heard(event: Any) -> None:
            if event.get("event") == "summary":
                self._own(self.summaries.keep(event), "summary")
            elif not self.recordings.worker_event(event):
                self.rtc.worker_event(address, event)
            if event.get("event") == "worker.up":
                self._own(self.recordings.fetch_left(self._clients[address]), "recordings-left")

        return heard

    def _own(self, work: Any, name: str) -> None:
        task = asyncio.ensure_future(work)
        task.set_name(name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _plain(message: wire.ViewerMove) -> dict[str, Any]:
    pointer = {"x": message.pointer.x, "y": message.pointer.y} if message.pointer else None
    return {
        "document": str(message.document),
        "page": message.page,
        "zoom": message.zoom,
        "x": message.x,
        "y": message.y,
        "pointer": pointer,
    }
