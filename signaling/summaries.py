"""How somebody's media was, told by the worker when he leaves: into the database, for reports (AN-04)."""

from __future__ import annotations

import logging
from uuid import UUID

from consilium.clock import now
from consilium.errors import ConsiliumError
from consilium.store import Store
from consilium.store import summaries as rows
from media.control import Message
from signaling.calls import Calls

log = logging.getLogger(__name__)

ENVELOPE = frozenset({"event", "room", "peer"})


class Summaries:
    """Keeps what workers tell; a loss is a gap in a report and nothing else, so it is logged and forgotten."""

    def __init__(self, store: Store, calls: Calls) -> None:
        self._store = store
        self._calls = calls

    async def keep(self, event: Message) -> None:
        try:
            room, seat = UUID(str(event.get("room"))), UUID(str(event.get("peer")))
            await self._calls.run(self._keep, room, seat, event)
        except (ValueError, ConsiliumError) as error:
            log.info("media summary not kept", extra={"reason": type(error).__name__})

    def _keep(self, room: UUID, seat: UUID, event: Message) -> None:
        data = {name: value for name, value in event.items() if name not in ENVELOPE}
        with self._store.write(now()) as tx:
            rows.keep(tx.connection, room, seat, data, tx.at)
