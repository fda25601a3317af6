"""What is known of the packages' timestamps, so that the renewal opens only those whose end is near."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from consilium.store.tables import archive_looks, protocols

__all__ = ["Sealed", "due", "keep", "unread"]


@dataclass(frozen=True, slots=True)
class Sealed:
    """A sealed paper's package: whose, its digest, its file."""

    protocol_id: UUID
    digest: str
    name: str


def unread(connection: sa.Connection, limit: int) -> list[Sealed]:
    """Packages nobody has read as they are now."""
    return _sealed(connection, archive_looks.c.protocol_id.is_(None), limit)


def due(connection: sa.Connection, by: datetime, weakening: Iterable[str], limit: int) -> list[Sealed]:
    """Packages whose newest timestamp ends by then, or rests on one of these digests."""
    ends = archive_looks.c.good_until <= by
    return _sealed(connection, sa.or_(ends, archive_looks.c.weakest.in_(list(weakening))), limit)


def keep(
    connection: sa.Connection, package: Sealed, good_until: datetime | None, weakest: str, at: datetime
) -> None:
    """Remember what was read. A package of the first layout has no end: there is nothing to prolong."""
    insert = (postgresql if connection.dialect.name == "postgresql" else sqlite).insert(archive_looks)
    facts = {"package_digest": package.digest, "good_until": good_until, "weakest": weakest, "at": at}
    statement = insert.values(protocol_id=package.protocol_id, **facts)
    connection.execute(statement.on_conflict_do_update(index_elements=["protocol_id"], set_=facts))


def _sealed(connection: sa.Connection, wanted: sa.ColumnElement[bool], limit: int) -> list[Sealed]:
    same = sa.and_(
        archive_looks.c.protocol_id == protocols.c.id,
        archive_looks.c.package_digest == protocols.c.package_digest,
    )
    query = (
        sa.select(protocols.c.id, protocols.c.package_digest, protocols.c.package_name)
        .select_from(protocols.outerjoin(archive_looks, same))
        .where(protocols.c.status == "sealed", protocols.c.package_name != "", wanted)
        .order_by(protocols.c.sealed_at, protocols.c.id)
        .limit(limit)
    )
    return [Sealed(*row) for row in connection.execute(query)]
