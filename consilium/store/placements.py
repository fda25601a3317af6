"""Which media worker serves a room, and under which epoch: one row a room, moved by compare-and-set.

The epoch only grows. A worker refuses anything under an older one, so two signaling servers that both
believe the worker dead end with one winner and one room (house plan, 1.5).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from consilium.store.tables import placements


@dataclass(frozen=True, slots=True)
class Placement:
    worker: str
    epoch: int


def find(connection: sa.Connection, room_id: UUID) -> Placement | None:
    query = sa.select(placements.c.worker, placements.c.epoch).where(placements.c.room_id == room_id)
    row = connection.execute(query).one_or_none()
    return Placement(row.worker, row.epoch) if row else None


def place(connection: sa.Connection, room_id: UUID, worker: str, at: datetime) -> Placement:
    """The first placement of a room; whoever came first wins."""
    insert = (postgresql if connection.dialect.name == "postgresql" else sqlite).insert(placements)
    row = {"room_id": room_id, "worker": worker, "epoch": 1, "at": at}
    connection.execute(insert.values(row).on_conflict_do_nothing(index_elements=["room_id"]))
    found = find(connection, room_id)
    if found is None:
        raise LookupError(f"placement of {room_id} vanished inside its own transaction")
    return found


def move(connection: sa.Connection, room_id: UUID, old: Placement, worker: str, at: datetime) -> Placement:
    """Raise the epoch and change the worker, unless somebody did it before; answers what holds now."""
    same = (placements.c.room_id == room_id, placements.c.epoch == old.epoch)
    values = {"worker": worker, "epoch": old.epoch + 1, "at": at}
    connection.execute(sa.update(placements).where(*same).values(values))
    return find(connection, room_id) or old
