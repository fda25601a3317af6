"""How our column types are written in a revision: as what the database sees, not as our classes."""

from __future__ import annotations

from typing import Any, Literal

import sqlalchemy as sa

from consilium.store.columns import JSON, Ids, Moment, Word
from consilium.store.tables import Position


def item(kind: str, value: Any, context: Any) -> str | Literal[False]:
    """Alembic's `render_item`; False leaves the rendering to Alembic."""
    if kind != "type":
        return False
    if isinstance(value, Moment):
        return "sa.DateTime(timezone=True)"
    if isinstance(value, Word):
        return "sa.Text()"
    if isinstance(value, Ids) or value is JSON:
        context.imports.add("from sqlalchemy.dialects import postgresql")
        return 'sa.JSON().with_variant(postgresql.JSONB(), "postgresql")'
    if value is Position:
        return 'sa.BigInteger().with_variant(sa.Integer(), "sqlite")'
    return False


def same_type(context: Any, inspected: Any, column: sa.Column[Any], found: Any, wanted: Any) -> bool | None:
    """Alembic's `compare_type`: whether a type differs. SQLite's word for BigInteger and UUID says nothing."""
    if context.dialect.name == "sqlite":
        return False
    plain = wanted.impl if isinstance(wanted, sa.TypeDecorator) else wanted
    if plain is JSON:
        return False
    return None
