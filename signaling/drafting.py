"""The shared text of a protocol: read it, hear its updates; writing is the command `protocol.write`.

The update is in the database before its acknowledgement (house plan, 1.8); only then it is spread to the
other screens. Updates are idempotent, so one that arrives twice, or again after a reconnect, harms nobody.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID

from consilium import drafts
from consilium.errors import NotFound
from consilium.model import Admission, ProtocolStatus
from consilium.rules import access
from consilium.service import Service
from signaling import wire
from signaling.calls import Calls
from signaling.session import Connection, Sessions

Emit = Callable[[str, dict[str, Any], str], Awaitable[None]]
MAX_OPEN = 8


class Drafting:
    """Who has which draft open, and the spreading of updates among them."""

    def __init__(self, service: Service, calls: Calls, sessions: Sessions, emit: Emit) -> None:
        self._store = service.parts.store
        self._calls = calls
        self._sessions = sessions
        self._emit = emit

    async def open(self, connection: Connection, message: wire.DraftOpen) -> dict[str, Any]:
        """The whole text as one update. Raises NotFound when the protocol is not this person's."""
        state = await self._calls.run(self._state, message.protocol, connection)
        if len(connection.drafts) < MAX_OPEN:
            connection.drafts.add(message.protocol)
        return state

    async def close(self, connection: Connection, message: wire.DraftClose) -> dict[str, Any]:
        connection.drafts.discard(message.protocol)
        return {}

    async def spread(self, protocol: UUID, numbers: list[int], by: str | None) -> None:
        """Committed updates go to every screen with this draft open, their author's own included."""
        listeners = [one for one in self._sessions.by_sid.values() if protocol in one.drafts]
        if not listeners:
            return
        for update in await self._calls.run(self._updates, protocol, numbers):
            message = {"protocol": str(protocol), "update": update, "by": by}
            for one in listeners:
                await self._emit("draft.update", message, one.sid)

    async def closed(self, protocol: UUID, reason: str) -> None:
        for other in list(self._sessions.by_sid.values()):
            if protocol in other.drafts:
                await self._emit("draft.closed", {"protocol": str(protocol), "reason": reason}, other.sid)

    def _state(self, protocol_id: UUID, connection: Connection) -> dict[str, Any]:
        with self._store.read() as reader:
            protocol = reader.protocol(protocol_id)
            if protocol.consilium_id is None:
                raise NotFound
            seat = access.seat_of(reader.consilium(protocol.consilium_id), connection.actor.person_id)
            if seat.admission is not Admission.ADMITTED:
                raise NotFound
            updates = [update for _, update in reader.draft_updates(protocol_id)]
        return {
            "update": drafts.encoded(drafts.merged(updates)),
            "frozen": protocol.status is not ProtocolStatus.DRAFTING,
            "sections": list(drafts.SECTIONS),
        }

    def _updates(self, protocol_id: UUID, numbers: list[int]) -> list[str]:
        """By number; one that a compaction has swallowed stands in the update it went into."""
        with self._store.read() as reader:
            stored = reader.draft_updates(protocol_id, min(numbers) - 1)
        return [drafts.encoded(update) for _, update in stored]
