"""Recordings of the rooms with people here: wished by the database, done by a media worker, watched by this file.

Every LOOK_EVERY seconds, and at once after a word of the journal, each room's worker is told whether to record; it
is told so again after a room has moved, because telling twice changes nothing. Its answer is the proof of bytes
written: when it does not come, or says that bytes stopped reaching the disk, a gap is written down and everybody is
told; files that are done come as events and are stored with their digests.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any, Literal
from uuid import NAMESPACE_URL, UUID, uuid4, uuid5

import sqlalchemy as sa

from consilium.actor import SYSTEM
from consilium.clock import now
from consilium.commands import Command, ReportRecording, StoreSegment
from consilium.errors import ConsiliumError
from consilium.model import RecordingStatus
from consilium.service import Service
from consilium.store.tables import recording_answers, recordings
from media.control import Message
from signaling.calls import Calls
from signaling.placement import Placements
from signaling.session import Sessions

Reason = Literal["worker", "disk", "codec"]
log = logging.getLogger(__name__)

LOOK_EVERY = 2.0
ALARM_AFTER = 10.0
"""Seconds bytes may be on their way to the disk before everybody is told."""
WAITING = 1_000

Emit = Callable[[str, dict[str, Any], UUID], Awaitable[None]]
"""(event, data, room)."""


class Recordings:
    """One per signaling server."""

    def __init__(
        self, service: Service, calls: Calls, sessions: Sessions, placements: Placements, emit: Emit
    ) -> None:
        self._service = service
        self._calls = calls
        self._sessions = sessions
        self._placements = placements
        self._emit = emit
        self._on: dict[UUID, object] = {}  # rooms told to record, and which recorder answered last
        self._ill: dict[UUID, Reason] = {}  # rooms whose gap this server has written down, and its reason
        self._wake = asyncio.Event()
        self._events: asyncio.Queue[Message] = asyncio.Queue(WAITING)
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        self._tasks = [
            asyncio.create_task(self._forever(), name="recordings"),
            asyncio.create_task(self._store(), name="recording-files"),
        ]

    async def close(self) -> None:
        """Idempotent."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks = []

    def wake(self) -> None:
        """The journal has news of a recording."""
        self._wake.set()

    def worker_event(self, event: Message) -> bool:
        """Called in order of arrival; True when the event is one of a recording."""
        if not str(event.get("event")).startswith("record."):
            return False
        try:
            self._events.put_nowait(event)
        except asyncio.QueueFull:  # the files lie on the worker's disk, `sweep` and `record.left` find them
            log.warning("recording event dropped")
        return True

    async def fetch_left(self, client: Any) -> None:
        """Files that a worker which came back found half written."""
        answer = await client.request("record.left")
        for event in answer.get("files", []):
            self.worker_event(event)

    # --- telling the workers ------------------------------------------------------------------------

    async def _forever(self) -> None:
        while True:
            try:
                await self._look()
            except Exception:
                log.exception("recordings not looked after")
            try:
                async with asyncio.timeout(LOOK_EVERY):
                    await self._wake.wait()
            except TimeoutError:
                continue
            self._wake.clear()

    async def _look(self) -> None:
        rooms = {room for room, one in self._sessions.rooms.items() if one.connections}
        wished = await self._calls.run(self._running, rooms) if rooms else {}
        for room, seats in wished.items():
            await self._record(room, seats)
        for room in self._on.keys() - wished.keys():
            self._on.pop(room)
            self._ill.pop(room, None)
            await self._tell(room, on=False)

    def _running(self, rooms: set[UUID]) -> dict[UUID, list[str]]:
        """Rooms whose recording runs, and the seats that have agreed to it: nobody else is ever recorded."""
        query = (
            sa.select(recordings.c.consilium_id, recording_answers.c.seat_id)
            .join(recording_answers, recording_answers.c.recording_id == recordings.c.id)
            .where(
                recordings.c.consilium_id.in_(rooms),
                recordings.c.status == RecordingStatus.RUNNING,
                recording_answers.c.agrees,
            )
        )
        found: dict[UUID, list[str]] = {}
        with self._service.parts.store.read() as reader:
            for room, seat in reader.connection.execute(query):
                found.setdefault(room, []).append(str(seat))
        return found

    async def _record(self, room: UUID, seats: list[str]) -> None:
        before = self._on.setdefault(room, None)
        answer = await self._tell(room, on=True, peers=seats)
        behind = answer.get("behind") if answer else None
        if isinstance(behind, (int, float)) and behind < ALARM_AFTER:
            self._on[room] = answer.get("recorder")
            if before not in {None, self._on[room]}:  # another one than before: what lay between is missing
                await self._health(room, "worker")
            await self._health(room, None)
            proof = {"bytes": answer.get("bytes"), "at": now().isoformat()}
            await self._emit("recording.health", proof, room)
        else:
            await self._health(room, "worker" if behind is None else "disk")

    async def _tell(self, room: UUID, **wish: Any) -> Message:
        """The worker's answer {bytes, behind}; empty when there was none."""
        try:
            return await self._placements.request(room, "record", **wish)
        except ConsiliumError as error:
            log.warning("recording not told", extra={"room": str(room), "reason": error.code})
            return {}

    async def _health(self, room: UUID, reason: Reason | None) -> None:
        """Open a gap once, close it once."""
        before = self._ill.get(room)
        if before and before != reason:
            del self._ill[room]
            await self._do(ReportRecording(consilium=room, reason=before, healthy=True), uuid4())
        if reason and before != reason:
            self._ill[room] = reason
            await self._do(ReportRecording(consilium=room, reason=reason, healthy=False), uuid4())

    # --- what the workers say -----------------------------------------------------------------------

    async def _store(self) -> None:
        while True:
            event = await self._events.get()
            try:
                await self._heard(event)
            except Exception:
                log.exception("recording event failed")

    async def _heard(self, event: Message) -> None:
        room = UUID(str(event["room"]))
        if event["event"] == "record.gap":
            reason = event.get("reason")
            if reason == "disk" or reason == "codec":  # noqa: PLR1714 - this form tells the checker the word
                await self._health(room, reason)
            return
        file = str(event["file"])
        command = StoreSegment(
            consilium=room,
            seat=UUID(str(event["peer"])),
            what=str(event["what"]),
            number=int(str(event["number"])),
            file=file,
            began_at=datetime.fromtimestamp(float(str(event["began"])), UTC),
            milliseconds=int(float(str(event["seconds"])) * 1000),
            bytes=int(str(event["bytes"])),
            digest=str(event["digest"]),
            lost=int(str(event["lost"])),
            cut=event["reason"] == "cut",
        )
        await self._do(command, uuid5(NAMESPACE_URL, f"recording/{file}"))

    async def _do(self, command: Command, command_id: UUID) -> None:
        try:
            await self._calls.run(self._service.handle, command, SYSTEM, command_id, now())
        except ConsiliumError as error:
            log.warning(
                "recording not written down", extra={"command": type(command).__name__, "code": error.code}
            )
