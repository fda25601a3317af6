"""What the seal of a protocol has obtained so far, kept until it is there.

A timestamp and a signature by a key in a token cannot be made the same twice, and an authority may be asked no
more than needed. They are rows and not files, because the worker that goes on may run on another machine.
"""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from consilium.store.tables import seal_works

__all__ = ["all_kept", "forget", "keep", "kept"]


def kept(connection: sa.Connection, protocol_id: UUID, name: str) -> bytes | None:
    """What lies under that name."""
    where = (seal_works.c.protocol_id == protocol_id, seal_works.c.name == name)
    return connection.execute(sa.select(seal_works.c.content).where(*where)).scalar()


def all_kept(connection: sa.Connection, protocol_id: UUID) -> dict[str, bytes]:
    """Everything that protocol's seal has obtained, by name."""
    query = sa.select(seal_works.c.name, seal_works.c.content).where(seal_works.c.protocol_id == protocol_id)
    return {row.name: row.content for row in connection.execute(query)}


def keep(connection: sa.Connection, protocol_id: UUID, name: str, content: bytes, at: datetime) -> bytes:
    """Keep it, and answer what is kept: the first of two that did the same work wins."""
    insert = (postgresql if connection.dialect.name == "postgresql" else sqlite).insert(seal_works)
    row = {"protocol_id": protocol_id, "name": name, "content": content, "at": at}
    unless_known = insert.values(row).on_conflict_do_nothing(index_elements=["protocol_id", "name"])
    written: bytes | None = connection.execute(unless_known.returning(seal_works.c.content)).scalar()
    return written or kept(connection, protocol_id, name) or content


def forget(connection: sa.Connection, protocol_id: UUID, name: str | None = None) -> None:
    """Drop one thing, or everything of a protocol whose seal is there."""
    where = [seal_works.c.protocol_id == protocol_id]
    connection.execute(sa.delete(seal_works).where(*where, *([seal_works.c.name == name] if name else [])))
