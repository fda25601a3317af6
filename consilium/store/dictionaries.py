"""The national dictionaries, edition by edition: only ever added, so that an old document keeps its words (AD-03)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from consilium.store.faults import translated
from consilium.store.tables import nsi_dictionaries, nsi_entries

AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class Imported:
    """One edition as it was taken in."""

    oid: str
    version: str
    name: str
    digest: str
    imported_at: datetime


def editions(connection: sa.Connection, oid: str | None = None) -> list[Imported]:
    """Every edition here, or those of one dictionary, in the order they came."""
    table = nsi_dictionaries
    query = sa.select(table).order_by(table.c.imported_at, table.c.oid)
    if oid is not None:
        query = query.where(table.c.oid == oid)
    with translated():
        return [Imported(**row) for row in connection.execute(query).mappings()]


def add(connection: sa.Connection, edition: Imported, entries: Sequence[Mapping[str, Any]]) -> None:
    """One more edition with its rows (code, name, position, ended, extra). Raises Conflict("duplicate")."""
    key = {"oid": edition.oid, "version": edition.version}
    row = {
        **key,
        "name": edition.name,
        "digest": edition.digest,
        "imported_at": edition.imported_at,
    }
    with translated():
        connection.execute(sa.insert(nsi_dictionaries), row)
        for start in range(0, len(entries), AT_ONCE):
            rows = [{**key, **one} for one in entries[start : start + AT_ONCE]]
            connection.execute(sa.insert(nsi_entries), rows)


def entries(connection: sa.Connection, oid: str, version: str) -> list[dict[str, Any]]:
    """Rows of one edition in their order: code, name, position, ended."""
    table = nsi_entries
    query = (
        sa.select(table.c.code, table.c.name, table.c.position, table.c.ended)
        .where(table.c.oid == oid, table.c.version == version)
        .order_by(table.c.position, table.c.code)
    )
    with translated():
        return [dict(row) for row in connection.execute(query).mappings()]


def state(connection: sa.Connection) -> tuple[int, datetime | None]:
    """How many editions, and when the last one came: changes with every import, whoever made it."""
    table = nsi_dictionaries
    query = sa.select(sa.func.count(), sa.func.max(table.c.imported_at)).select_from(table)
    with translated():
        count, last = connection.execute(query).one()
    return int(count), last
