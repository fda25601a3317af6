"""Work to be done, written in the transaction that caused it; leased, run, ended `done` or `dead`.

A row is `waiting` until its effect is there. A lease is a random token with an end: who holds the token may
run and end the row, everybody else's word about it is ignored, so a message delivered three times runs once
and a worker that was thought dead cannot end what another has taken over.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import NAMESPACE_URL, UUID, uuid5

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from consilium.store.tables import outbox

BACK_OFF = (timedelta(seconds=5), timedelta(minutes=30))
MAX_ATTEMPTS = 30
_ERROR_LENGTH = 500
_random = secrets.SystemRandom()


@dataclass(frozen=True, slots=True, kw_only=True)
class Leased:
    """A row somebody may run while `lease` is still its token."""

    id: int
    lease: str
    kind: str
    key: str
    payload: dict[str, Any]
    attempts: int


def command_id(kind: str, key: str, step: str = "") -> UUID:
    """The id of a command that a task gives: the same for every run of the same row, so done once."""
    return uuid5(NAMESPACE_URL, f"consilium:outbox:{kind}:{key}:{step}")


def enqueue(
    connection: sa.Connection,
    kind: str,
    key: str,
    payload: dict[str, Any],
    at: datetime,
    not_before: datetime | None = None,
) -> bool:
    """Add a row; the same (kind, key) twice is one row. Returns whether it is new."""
    insert = (postgresql if connection.dialect.name == "postgresql" else sqlite).insert(outbox)
    statement = insert.values(
        kind=kind,
        key=key,
        payload=payload,
        status="waiting",
        created_at=at,
        not_before=not_before or at,
        attempts=0,
        last_error="",
    ).on_conflict_do_nothing(index_elements=["kind", "key"])
    return connection.execute(statement.returning(outbox.c.id)).first() is not None


def again(
    connection: sa.Connection, kind: str, key: str, at: datetime, not_before: datetime | None = None
) -> bool:
    """Put an ended row (or one that waits for its next attempt) to work anew. False: there is none."""
    values = {"status": "waiting", "attempts": 0, "not_before": not_before or at, "ended_at": None}
    where = (outbox.c.kind == kind, outbox.c.key == key, outbox.c.lease_until.is_(None))
    return connection.execute(sa.update(outbox).where(*where).values(values)).rowcount == 1


def revive(connection: sa.Connection, at: datetime) -> list[tuple[str, str, str]]:
    """Put what ran out of attempts to work anew: (kind, key, last error) of each."""
    dead = outbox.c.status == "dead"
    query = sa.select(outbox.c.kind, outbox.c.key, outbox.c.last_error).where(dead).order_by(outbox.c.id)
    found = [(row[0], row[1], row[2]) for row in connection.execute(query)]
    values = {"status": "waiting", "attempts": 0, "not_before": at, "ended_at": None}
    connection.execute(sa.update(outbox).where(dead).values(values))
    return found


def lease_due(connection: sa.Connection, at: datetime, lease: timedelta, limit: int = 20) -> list[Leased]:
    """Take rows that are due and free, or whose lease ran out; those out of attempts become dead."""
    query = (
        sa.select(outbox)
        .where(*_due(at))
        .order_by(outbox.c.not_before, outbox.c.id)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    taken = []
    for row in connection.execute(query).mappings().all():
        if row["attempts"] >= MAX_ATTEMPTS:
            _end(connection, row["id"], "dead", at, row["last_error"] or "the worker ended in mid-task")
            continue
        token = secrets.token_hex(8)
        _set(connection, row["id"], lease=token, lease_until=at + lease)
        taken.append(_leased(row, token))
    return taken


def start(connection: sa.Connection, row_id: int, lease: str, at: datetime, hold: timedelta) -> Leased | None:
    """Begin to run: exchange the token for one's own and count the attempt. None: not (any more) ours."""
    token = secrets.token_hex(8)
    values = {"lease": token, "lease_until": at + hold, "attempts": outbox.c.attempts + 1}
    if not connection.execute(sa.update(outbox).where(*_held(row_id, lease)).values(values)).rowcount:
        return None
    row = connection.execute(sa.select(outbox).where(outbox.c.id == row_id)).mappings().one()
    return _leased(row, token)


def renew(connection: sa.Connection, row_id: int, lease: str, until: datetime) -> bool:
    """Keep the row while a long task runs. False: another has taken it over."""
    statement = sa.update(outbox).where(*_held(row_id, lease)).values(lease_until=until)
    return connection.execute(statement).rowcount == 1


def done(connection: sa.Connection, row: Leased, at: datetime) -> bool:
    """The effect is there. False: another holds the row now (and will find the effect)."""
    return _release(connection, row, status="done", ended_at=at, last_error="")


def later(connection: sa.Connection, row: Leased, not_before: datetime) -> bool:
    """Not a failure: the task asks to be run again then; its attempts start anew."""
    return _release(connection, row, not_before=not_before, attempts=0, last_error="")


def failed(connection: sa.Connection, row: Leased, at: datetime, error: str) -> bool:
    """Wait and try again, or give up after MAX_ATTEMPTS."""
    if row.attempts >= MAX_ATTEMPTS:
        return _release(connection, row, status="dead", ended_at=at, last_error=error[:_ERROR_LENGTH])
    return _release(connection, row, not_before=at + back_off(row.attempts), last_error=error[:_ERROR_LENGTH])


def back_off(attempts: int) -> timedelta:
    """Between the first step and a ceiling that doubles, at random: a herd does not come back together."""
    first, longest = BACK_OFF
    ceiling = min(longest.total_seconds(), first.total_seconds() * 2 ** min(attempts, 20))
    return timedelta(seconds=_random.uniform(first.total_seconds(), ceiling))


def any_due(connection: sa.Connection, at: datetime) -> bool:
    """Whether `lease_due` would find anything: a look that takes no write lock."""
    return connection.execute(sa.select(outbox.c.id).where(*_due(at)).limit(1)).first() is not None


def unstarted(connection: sa.Connection, leases: Mapping[int, str]) -> dict[int, str]:
    """Which of these (row, token) still wait to be started."""
    query = sa.select(outbox.c.id, outbox.c.lease).where(
        outbox.c.status == "waiting", outbox.c.id.in_(leases)
    )
    return {row: lease for row, lease in connection.execute(query) if leases[row] == lease}


def forget(connection: sa.Connection, kind: str, before: datetime) -> None:
    """Drop rows of a recurring kind that are done."""
    where = (outbox.c.kind == kind, outbox.c.status == "done", outbox.c.ended_at < before)
    connection.execute(sa.delete(outbox).where(*where))


def counts(connection: sa.Connection) -> dict[str, int]:
    """How many rows wait, are done, are dead: for the health page."""
    query = sa.select(outbox.c.status, sa.func.count()).group_by(outbox.c.status)
    return {row[0]: row[1] for row in connection.execute(query)}


def _due(at: datetime) -> tuple[sa.ColumnElement[bool], ...]:
    free = sa.or_(outbox.c.lease_until.is_(None), outbox.c.lease_until <= at)
    return (outbox.c.status == "waiting", outbox.c.not_before <= at, free)


def _held(row_id: int, lease: str) -> tuple[sa.ColumnElement[bool], ...]:
    return (outbox.c.id == row_id, outbox.c.lease == lease, outbox.c.status == "waiting")


def _release(connection: sa.Connection, row: Leased, **values: Any) -> bool:
    statement = sa.update(outbox).where(*_held(row.id, row.lease))
    return connection.execute(statement.values(values | {"lease": None, "lease_until": None})).rowcount == 1


def _set(connection: sa.Connection, row_id: int, **values: Any) -> None:
    connection.execute(sa.update(outbox).where(outbox.c.id == row_id).values(values))


def _end(connection: sa.Connection, row_id: int, status: str, at: datetime, error: str) -> None:
    _set(connection, row_id, status=status, ended_at=at, last_error=error, lease=None, lease_until=None)


def _leased(row: Any, lease: str) -> Leased:
    return Leased(
        id=row["id"],
        lease=lease,
        kind=row["kind"],
        key=row["key"],
        payload=row["payload"],
        attempts=row["attempts"],
    )
