"""The journal: every committed event, numbered and hash-chained per stream; anchors over all streams.

A row's hash covers its predecessor's hash and the digest of its payload, not the payload: a payload may be
shredded and the chain still holds. `journal_heads` repeats each stream's last row; every ten minutes an
anchor, chained per organisation, lists the heads that moved. So an edited, swapped, inserted or deleted
row, a cut tail and a missing stream all show. Somebody who rewrites journal, heads and anchors together
shows only against a hash kept elsewhere: each anchor's hash also goes to the log (`journal.anchored`).
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

import msgspec
import sqlalchemy as sa

from consilium.events import EVENTS, Event
from consilium.store.tables import journal, journal_heads

if TYPE_CHECKING:
    from consilium.actor import Actor

log = logging.getLogger(__name__)

GENESIS = "0" * 64
# One pair of numbers for the whole installation; any will do as long as nobody else takes it.
_LOCK = sa.text("SELECT pg_advisory_xact_lock(20023, 1)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One row as read back. `event` is None once its payload has been shredded."""

    position: int
    organisation_id: UUID
    stream_kind: str
    stream_id: UUID
    seq: int
    at: datetime
    name: str
    actor_id: UUID | None
    command_id: UUID | None
    event: Event | None
    hash: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Pending:
    """An event that waits for the end of its transaction."""

    event: Event
    stream_id: UUID
    organisation_id: UUID
    actor_id: UUID | None


Committed = tuple[str, UUID, int, Event]


def lock(connection: sa.Connection) -> None:
    """Make the order of positions the order of commits.

    A reader tails the journal by position: `WHERE position > n`. On PostgreSQL a sequence hands out
    numbers when rows are inserted, and a transaction with a smaller number may commit later: the reader
    would already be past it and would never see it. Holding one advisory lock from the assignment of
    positions to the commit (PostgreSQL frees it only after the commit is visible) rules that out: whoever
    sees position p sees every smaller one that will ever exist. The price: commits that write the journal
    queue up behind one another's fsync. It is taken last, after every row lock, so it closes no circle.
    SQLite has one writer at a time; there the two orders are the same anyway.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(_LOCK)


def append(
    connection: sa.Connection, pending: Sequence[Pending], at: datetime, command_id: UUID | None
) -> tuple[Committed, ...]:
    """Write the events in their order and move the heads. The caller holds `lock`."""
    heads: dict[tuple[str, UUID], dict[str, Any]] = {}
    done: list[Committed] = []
    for one in pending:
        key = (one.event.stream, one.stream_id)
        before = heads.get(key) or _head_row(connection, *key)
        row = _chained(one, before, at, command_id)
        position = connection.execute(sa.insert(journal), row).inserted_primary_key
        assert position is not None
        heads[key] = row | {"position": position[0], "known": before is not None and before["known"]}
        done.append((*key, row["seq"], one.event))
    for row in heads.values():
        _move_head(connection, row)
    return tuple(done)


def _head_row(connection: sa.Connection, kind: str, stream_id: UUID) -> dict[str, Any] | None:
    where = (journal_heads.c.stream_kind == kind, journal_heads.c.stream_id == stream_id)
    row = connection.execute(sa.select(journal_heads).where(*where)).mappings().one_or_none()
    return None if row is None else {**row, "known": True}


def _chained(
    one: Pending, before: dict[str, Any] | None, at: datetime, command_id: UUID | None
) -> dict[str, Any]:
    payload = msgspec.json.encode(one.event).decode()
    row: dict[str, Any] = {
        "organisation_id": one.organisation_id,
        "stream_kind": one.event.stream,
        "stream_id": one.stream_id,
        "seq": before["seq"] + 1 if before else 1,
        # Two commands may take their time in one order and get the lock in the other.
        "at": max(at, before["at"]) if before else at,
        "name": type(one.event).__name__,
        "actor_id": one.actor_id,
        "command_id": command_id,
        "payload": payload,
        "payload_digest": hashlib.sha256(payload.encode()).hexdigest(),
        "prev_hash": before["hash"] if before else GENESIS,
    }
    return row | {"hash": row_hash(row)}


def row_hash(row: Any) -> str:
    """sha256 over a JSON array (so that no two rows share a spelling) of everything but the payload."""
    body = [
        row["prev_hash"],
        str(row["organisation_id"]),
        row["stream_kind"],
        str(row["stream_id"]),
        row["seq"],
        row["at"].isoformat(timespec="microseconds"),
        row["name"],
        str(row["actor_id"] or ""),
        str(row["command_id"] or ""),
        row["payload_digest"],
    ]
    return hashlib.sha256(msgspec.json.encode(body)).hexdigest()


def _move_head(connection: sa.Connection, row: dict[str, Any]) -> None:
    values = {name: row[name] for name in ("organisation_id", "seq", "at", "hash", "position")}
    key = {"stream_kind": row["stream_kind"], "stream_id": row["stream_id"]}
    if not row["known"]:
        connection.execute(sa.insert(journal_heads), key | values)
        return
    where = (journal_heads.c.stream_kind == key["stream_kind"], journal_heads.c.stream_id == key["stream_id"])
    connection.execute(sa.update(journal_heads).where(*where).values(values))


def events(
    connection: sa.Connection, kind: str, stream_id: UUID, after_seq: int = 0, limit: int = 1000
) -> list[Entry]:
    """A stream's events after a number, oldest first."""
    query = (
        sa.select(journal)
        .where(journal.c.stream_kind == kind, journal.c.stream_id == stream_id, journal.c.seq > after_seq)
        .order_by(journal.c.seq)
        .limit(limit)
    )
    return list(_entries(connection, query))


def head(connection: sa.Connection, kind: str, stream_id: UUID) -> int:
    """The number of a stream's last event; 0 for an empty stream."""
    row = _head_row(connection, kind, stream_id)
    return int(row["seq"]) if row else 0


def after(connection: sa.Connection, position: int, limit: int = 1000) -> list[Entry]:
    """All events after a position, in the order of their commits; safe to tail (see `lock`)."""
    query = sa.select(journal).where(journal.c.position > position).order_by(journal.c.position).limit(limit)
    return list(_entries(connection, query))


def last_position(connection: sa.Connection) -> int:
    """Where a reader that wants only what comes starts."""
    return connection.execute(sa.select(sa.func.max(journal.c.position))).scalar() or 0


def _entries(connection: sa.Connection, query: sa.Select[Any]) -> Iterator[Entry]:
    for row in connection.execute(query).mappings():
        payload = row["payload"]
        event = None if payload is None else msgspec.json.decode(payload, type=EVENTS[row["name"]])
        yield Entry(
            position=row["position"],
            organisation_id=row["organisation_id"],
            stream_kind=row["stream_kind"],
            stream_id=row["stream_id"],
            seq=row["seq"],
            at=row["at"],
            name=row["name"],
            actor_id=row["actor_id"],
            command_id=row["command_id"],
            event=event,
            hash=row["hash"],
        )


def pending(event: Event, stream_id: UUID, organisation_id: UUID, actor: Actor) -> Pending:
    """The event with its stream and its actor, ready for `append`."""
    return Pending(
        event=event, stream_id=stream_id, organisation_id=organisation_id, actor_id=actor.person_id
    )
