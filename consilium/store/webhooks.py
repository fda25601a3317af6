"""Where an organisation wants its results, and the log of what was sent there."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from consilium.store.tables import webhook_deliveries, webhooks

KEPT = 500
"""Ended deliveries an organisation's log holds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """`secret` is sealed (`filing.webhooks`)."""

    organisation_id: UUID
    url: str
    secret: bytes
    set_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """One message. `answer`: an HTTP status or a code of ours."""

    id: UUID
    organisation_id: UUID
    event: str
    body: dict[str, Any]
    at: datetime
    status: str
    attempts: int
    answer: str
    ended_at: datetime | None


def put(connection: sa.Connection, endpoint: Endpoint, by: UUID) -> None:
    """Set or replace an organisation's endpoint."""
    insert = (postgresql if connection.dialect.name == "postgresql" else sqlite).insert(webhooks)
    values = {"url": endpoint.url, "secret": endpoint.secret, "set_at": endpoint.set_at, "set_by": by}
    statement = insert.values(organisation_id=endpoint.organisation_id, **values)
    connection.execute(statement.on_conflict_do_update(index_elements=["organisation_id"], set_=values))


def remove(connection: sa.Connection, organisation_id: UUID, at: datetime) -> bool:
    """Forget the endpoint, and give up what was on its way there; whether there was one."""
    where = webhooks.c.organisation_id == organisation_id
    table = webhook_deliveries
    waiting = (table.c.organisation_id == organisation_id, table.c.status == "waiting")
    given_up = {"status": "dead", "answer": "webhook_removed", "ended_at": at}
    connection.execute(sa.update(table).where(*waiting).values(given_up))
    return connection.execute(sa.delete(webhooks).where(where)).rowcount == 1


def endpoint_of(connection: sa.Connection, organisation_id: UUID) -> Endpoint | None:
    """Where the organisation wants its results."""
    table = webhooks.c
    query = sa.select(table.organisation_id, table.url, table.secret, table.set_at)
    row = connection.execute(query.where(table.organisation_id == organisation_id)).mappings().one_or_none()
    return Endpoint(**row) if row else None


def add(
    connection: sa.Connection,
    key: UUID,
    organisation_id: UUID,
    event: str,
    body: dict[str, Any],
    at: datetime,
) -> None:
    """A delivery to be made."""
    row = {
        "id": key, "organisation_id": organisation_id, "event": event, "body": body, "at": at,
        "status": "waiting", "attempts": 0, "answer": "",
    }  # fmt: skip
    connection.execute(sa.insert(webhook_deliveries), row)


def delivery(connection: sa.Connection, key: UUID) -> Delivery | None:
    """One delivery as it stands."""
    query = sa.select(webhook_deliveries).where(webhook_deliveries.c.id == key)
    row = connection.execute(query).mappings().one_or_none()
    return Delivery(**row) if row else None


def tried(connection: sa.Connection, key: UUID, answer: str, ended: str | None, at: datetime) -> None:
    """An attempt was made; `ended`: delivered or dead, None to be tried again."""
    table = webhook_deliveries
    values: dict[str, Any] = {"attempts": table.c.attempts + 1, "answer": answer[:200]}
    if ended is not None:
        values |= {"status": ended, "ended_at": at}
    connection.execute(sa.update(table).where(table.c.id == key, table.c.status == "waiting").values(values))


def log(connection: sa.Connection, organisation_id: UUID, limit: int = 50) -> list[Delivery]:
    """The latest deliveries, newest first."""
    table = webhook_deliveries
    query = (
        sa.select(table)
        .where(table.c.organisation_id == organisation_id)
        .order_by(table.c.at.desc(), table.c.id)
        .limit(limit)
    )
    return [Delivery(**row) for row in connection.execute(query).mappings()]


def prune(connection: sa.Connection, organisation_id: UUID) -> None:
    """Keep the log bounded: the oldest ended deliveries go."""
    table = webhook_deliveries
    ended = sa.and_(table.c.organisation_id == organisation_id, table.c.status != "waiting")
    kept = sa.select(table.c.id).where(ended).order_by(table.c.at.desc(), table.c.id).limit(KEPT)
    connection.execute(sa.delete(table).where(ended, table.c.id.not_in(kept)))
