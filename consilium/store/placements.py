"""Which media worker serves a room, and under which epoch: one row a room, moved by compare-and-set.

The epoch only grows. A worker refuses anything under an older one, so two signaling servers that both
believe the worker dead end with one winner and one room (house plan, 1.5). `holder` is the worker's process
(its boot): another process at the same address has none of the rooms.

A worker that answers a server's heartbeats has a lease from that server. Who hears nothing from a worker leaves its
rooms alone while another server's lease runs; when the process itself is gone, nobody waits for leases to end.
Leases are times of the servers' clocks: a skew moves rooms early or late, and the epoch keeps either harmless.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from consilium.store.tables import media_leases, placements

AT_ONCE = 500  # rooms in one question
FORGOTTEN = timedelta(minutes=1)  # leases of servers that are gone are kept so long


@dataclass(frozen=True, slots=True)
class Placement:
    worker: str
    epoch: int
    holder: str


@dataclass(frozen=True, slots=True)
class Lease:
    """One signaling process (`server`) hears the worker's process (`boot`)."""

    worker: str
    server: str
    boot: str
    expires_at: datetime


def find(connection: sa.Connection, room_id: UUID) -> Placement | None:
    return find_all(connection, [room_id]).get(room_id)


def find_all(connection: sa.Connection, room_ids: Collection[UUID]) -> dict[UUID, Placement]:
    """Rooms that are nowhere are left out."""
    wanted, found = list(room_ids), {}
    for first in range(0, len(wanted), AT_ONCE):
        query = sa.select(placements).where(placements.c.room_id.in_(wanted[first : first + AT_ONCE]))
        for row in connection.execute(query):
            found[row.room_id] = Placement(row.worker, row.epoch, row.holder)
    return found


def place(connection: sa.Connection, room_id: UUID, worker: str, holder: str, at: datetime) -> Placement:
    """The first placement of a room; whoever came first wins."""
    row = {"room_id": room_id, "worker": worker, "holder": holder, "epoch": 1, "at": at}
    insert = _insert(connection, placements).values(row)
    connection.execute(insert.on_conflict_do_nothing(index_elements=["room_id"]))
    found = find(connection, room_id)
    if found is None:
        raise LookupError(f"placement of {room_id} vanished inside its own transaction")
    return found


def move(
    connection: sa.Connection, moves: Mapping[UUID, tuple[Placement, str, str]], at: datetime
) -> dict[UUID, Placement]:
    """Raise the epoch of each room and change its worker, unless somebody did it before.

    `moves` says {room: (as it was, new worker, its boot)}; the answer says what holds now.
    """
    for room_id in sorted(moves):  # in one order everywhere, so that two servers never wait for each other
        old, worker, holder = moves[room_id]
        same = (placements.c.room_id == room_id, placements.c.epoch == old.epoch)
        values = {"worker": worker, "holder": holder, "epoch": old.epoch + 1, "at": at}
        connection.execute(sa.update(placements).where(*same).values(values))
    return find_all(connection, moves)


def renew(connection: sa.Connection, boots: Mapping[str, str], server: str, expires_at: datetime) -> None:
    """`server` hears these workers {address: boot}: nobody else may take them for dead until then."""
    for worker in sorted(boots):
        row = {"worker": worker, "server": server, "boot": boots[worker], "expires_at": expires_at}
        insert = _insert(connection, media_leases).values(row)
        connection.execute(insert.on_conflict_do_update(index_elements=["worker", "server"], set_=row))
    ended = media_leases.c.expires_at < expires_at - FORGOTTEN
    connection.execute(sa.delete(media_leases).where(ended))


def withdraw(connection: sa.Connection, workers: Collection[str], server: str) -> None:
    """`server` hears these no more: nobody need wait for its leases to end."""
    mine = (media_leases.c.server == server, media_leases.c.worker.in_(list(workers)))
    connection.execute(sa.delete(media_leases).where(*mine))


def leases(connection: sa.Connection) -> list[Lease]:
    """All, those that ran out too."""
    rows = connection.execute(sa.select(media_leases))
    return [Lease(row.worker, row.server, row.boot, row.expires_at) for row in rows]


def _insert(connection: sa.Connection, table: sa.Table) -> postgresql.Insert | sqlite.Insert:
    if connection.dialect.name == "postgresql":
        return postgresql.insert(table)
    return sqlite.insert(table)
