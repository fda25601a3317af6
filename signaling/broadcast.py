"""Committed events on their way to the screens: the journal is read in order, hints only wake the reader.

Every 250 ms at the latest the tail of the journal is read; for each consilium somebody here is connected
to, the scene is loaded once and every viewer gets the events as he may see them, with the sections that
changed. A reader that was slow or a hint that was lost costs time, never an event: the client compares
numbers and asks `room.sync`.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import defaultdict
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any
from uuid import UUID

from consilium import events, snapshot
from consilium.clock import now
from consilium.errors import NotFound
from consilium.model import Admission, Case, Seat
from consilium.rules import access
from consilium.service import Service
from signaling.calls import Calls
from signaling.session import Connection, Room, Sessions

if TYPE_CHECKING:
    from consilium.store import Reader
    from consilium.store.journal import Entry

log = logging.getLogger(__name__)

TAIL_EVERY = 0.25
HEAD_EVERY = 3.0
BATCH = 500
TRIES = 3

Emit = Callable[[str, dict[str, Any], str], Awaitable[None]]
Farewell = Callable[[Connection, str], Awaitable[None]]


class Broadcast:
    """Owns the tail and the head task; `emit(name, data, sid)` sends to one socket of this process."""

    def __init__(
        self, service: Service, calls: Calls, sessions: Sessions, emit: Emit, farewell: Farewell
    ) -> None:
        self._store = service.parts.store
        self._hints = service.parts.hints
        self._calls = calls
        self._sessions = sessions
        self._emit = emit
        self._farewell = farewell
        self._position = 0
        self._wake = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self._unsubscribe: Callable[[], None] = lambda: None
        self.on_admitted: Callable[[Connection], Awaitable[None]] | None = None
        self.on_draft: Callable[[UUID, list[int], str | None], Awaitable[None]] | None = None
        self.on_draft_closed: Callable[[UUID, str], Awaitable[None]] | None = None

    async def start(self) -> None:
        loop = asyncio.get_running_loop()
        self._position = await self._calls.run(self._store.last_position)
        self._unsubscribe = self._hints.subscribe(lambda: _wake(loop, self._wake))
        self._tasks = [
            asyncio.create_task(self._forever(self._tail, TAIL_EVERY), name="journal-tail"),
            asyncio.create_task(self._forever(self._heads, HEAD_EVERY), name="heads"),
        ]

    async def close(self) -> None:
        self._unsubscribe()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks = []

    async def _forever(self, step: Callable[[], Awaitable[None]], pause: float) -> None:
        """A failed step is logged and tried again: the position moves only after it was spoken."""
        while True:
            try:
                await step()
            except Exception:
                log.exception("broadcast step failed")
            try:
                async with asyncio.timeout(pause):
                    await self._wake.wait()
            except TimeoutError:
                continue
            if pause == TAIL_EVERY:
                self._wake.clear()
            else:
                await asyncio.sleep(pause)

    async def _tail(self) -> None:
        while rows := await self._calls.run(self._store.journal_after, self._position, BATCH):
            by_room: dict[UUID, list[Entry]] = defaultdict(list)
            for row in rows:
                if row.stream_kind == "consilium" and row.stream_id in self._sessions.rooms:
                    by_room[row.stream_id].append(row)
            for room_id, room_rows in by_room.items():
                await self._speak_apart(room_id, room_rows)
            await self._speak_of_protocols([row for row in rows if row.stream_kind == "protocol"])
            await self._hint_pages(rows)
            self._position = rows[-1].position

    async def _speak_apart(self, room_id: UUID, rows: list[Entry]) -> None:
        """One room's trouble is its own: after three tries its people find the gap by `head` and pull."""
        for attempt in range(1, TRIES + 1):
            room = self._sessions.rooms.get(room_id)
            if room is None:
                return
            try:
                await self._speak(room, rows)
            except Exception:
                log.exception("room not told", extra={"room": str(room_id), "attempt": attempt})
            else:
                return

    async def _speak(self, room: Room, rows: list[Entry]) -> None:
        """All rows of one consilium; the last carries the patch of everything they touched."""
        names = _touched(rows)
        scene = await self._calls.run(self._load, room.id, names)
        room.presenters = access.presenters(scene.consilium)
        for connection in list(room.connections.values()):
            seat = scene.consilium.seat(connection.seat)
            if seat is None:
                await self._farewell(connection, "removed")
                continue
            await self._follow_admission(connection, admitted=seat.admission is Admission.ADMITTED)
            await self._tell(connection, seat, scene, rows, names)
        await self._farewells(room, rows)

    async def _tell(
        self,
        connection: Connection,
        seat: Seat,
        scene: snapshot.Scene,
        rows: list[Entry],
        names: frozenset[str],
    ) -> None:
        may_admit = access.may_admit(scene.consilium, seat)
        for row in rows:
            admitted = seat.admission is Admission.ADMITTED
            data = None
            if admitted and row.event is not None:
                data = snapshot.public(row.event, seat, may_admit=may_admit)
            last = row is rows[-1]
            message = {
                "seq": row.seq,
                "at": row.at.isoformat(),
                "name": row.name if data is not None else "",
                "data": data or {},
                "by": _seat_of(scene, row.actor_id) if admitted else None,
                "patch": snapshot.sections(scene, seat, names) if last else {},
            }
            await self._emit("event", message, connection.sid)

    async def _follow_admission(self, connection: Connection, *, admitted: bool) -> None:
        if admitted and not connection.admitted and self.on_admitted is not None:
            await self.on_admitted(connection)
        connection.admitted = admitted

    async def _farewells(self, room: Room, rows: list[Entry]) -> None:
        for row in rows:
            match row.event:
                case events.SeatDenied(seat=seat) if seat in room.connections:
                    await self._farewell(room.connections[seat], "denied")
                case events.ConsiliumClosed() | events.ConsiliumCancelled():
                    for connection in list(room.connections.values()):
                        await self._farewell(connection, "closed")
                case _:
                    pass

    async def _speak_of_protocols(self, rows: list[Entry]) -> None:
        """Events of a protocol go to the rooms of its consilium; their own numbers are not the room's."""
        for protocol_id in {row.stream_id for row in rows}:
            mine = [row for row in rows if row.stream_id == protocol_id]
            await self._speak_of_draft(protocol_id, mine)
            names = _touched(mine)
            room_id = await self._calls.run(self._consilium_of, protocol_id)
            room = self._sessions.rooms.get(room_id) if names and room_id else None
            if room is None:
                continue
            scene = await self._calls.run(self._load, room.id, names)
            for connection in list(room.connections.values()):
                seat = scene.consilium.seat(connection.seat)
                if seat is None or not connection.admitted:
                    continue
                message = {
                    "protocol": str(protocol_id),
                    "at": mine[-1].at.isoformat(),
                    "name": mine[-1].name,
                    "data": {},
                    "patch": snapshot.sections(scene, seat, names),
                }
                await self._emit("protocol.event", message, connection.sid)

    async def _speak_of_draft(self, protocol_id: UUID, rows: list[Entry]) -> None:
        written = [row.event.update for row in rows if isinstance(row.event, events.DraftWritten)]
        if written and self.on_draft is not None:
            await self.on_draft(protocol_id, written, None)
        frozen = any(isinstance(row.event, events.ProtocolFrozen) for row in rows)
        if frozen and self.on_draft_closed is not None:
            await self.on_draft_closed(protocol_id, "frozen")

    async def _hint_pages(self, rows: list[Entry]) -> None:
        """Tell page sockets of the people concerned that something changed: kind and id, no content."""
        pages = [one for one in self._sessions.by_sid.values() if one.consilium is None]
        if not pages:
            return
        for kind, stream_id in {(row.stream_kind, row.stream_id) for row in rows}:
            people, organisations = await self._calls.run(self._concerned, kind, stream_id)
            for one in pages:
                if one.actor.person_id in people or one.actor.organisation_id in organisations:
                    await self._emit("page.changed", {"kind": kind, "id": str(stream_id)}, one.sid)

    async def _heads(self) -> None:
        """Numbers are spoken half a second after they were read: by then the tail has told what they count,
        and who still lacks an event has lost it.
        """
        rooms = [room for room in self._sessions.rooms.values() if room.connections]
        heads = [(room, await self._calls.run(self._head, room.id)) for room in rooms]
        await asyncio.sleep(2 * TAIL_EVERY)
        for room, head in heads:
            for connection in list(room.connections.values()):
                await self._emit("head", {"seq": head}, connection.sid)

    def _load(self, consilium_id: UUID, names: frozenset[str]) -> snapshot.Scene:
        with self._store.read() as reader:
            return snapshot.load(reader, consilium_id, now(), names)

    def _head(self, consilium_id: UUID) -> int:
        with self._store.read() as reader:
            return reader.head("consilium", consilium_id)

    def _consilium_of(self, protocol_id: UUID) -> UUID | None:
        with self._store.read() as reader:
            try:
                return reader.protocol(protocol_id).consilium_id
            except NotFound:
                return None

    def _concerned(self, kind: str, stream_id: UUID) -> tuple[set[UUID], set[UUID]]:
        """(people, organisations) that may see the thing at all."""
        with self._store.read() as reader:
            match kind:
                case "case":
                    return _concerned_by_case(reader, reader.case(stream_id))
                case "consilium":
                    consilium = reader.consilium(stream_id)
                    return {seat.person_id for seat in consilium.seats}, {consilium.organiser_id}
                case "protocol":
                    protocol = reader.protocol(stream_id)
                    if protocol.consilium_id is None:
                        return _concerned_by_case(reader, reader.case(protocol.case_id))
                    seats = reader.consilium(protocol.consilium_id).seats
                    return {seat.person_id for seat in seats}, {protocol.organisation_id}
                case _:
                    return set(), set()


def _concerned_by_case(reader: Reader, case: Case) -> tuple[set[UUID], set[UUID]]:
    receiver = {case.receiver_id} if case.receiver_id and case.sent_at else set()
    people: set[UUID] = set()
    if case.consilium_id:
        people = {seat.person_id for seat in reader.consilium(case.consilium_id).seats}
    return people, {case.sender_id} | receiver


def _wake(loop: asyncio.AbstractEventLoop, event: asyncio.Event) -> None:
    """From any thread; a hint that comes while the loop ends is of no use to anybody."""
    with contextlib.suppress(RuntimeError):  # the loop closed between any check and this
        loop.call_soon_threadsafe(event.set)


def _touched(rows: list[Entry]) -> frozenset[str]:
    """Sections to send again after these events."""
    named = [snapshot.SECTIONS.get(type(row.event), frozenset()) for row in rows if row.event is not None]
    return frozenset[str]().union(*named)


def _seat_of(scene: snapshot.Scene, person_id: UUID | None) -> str | None:
    seat = scene.consilium.seat_of(person_id) if person_id else None
    return str(seat.id) if seat else None
