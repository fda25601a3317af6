"""Model dataclass -> columns of the same names, so that a row and an object never drift apart.

A field of a plain type is one column; a dataclass inside (Patient of a Case) is columns with its name as
prefix; a list of ids or strings is JSON; a list of dataclasses is a table of its own (`mapping.py`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from datetime import UTC, date, datetime
from enum import StrEnum
from functools import cache
from types import NoneType
from typing import Any, get_args, get_origin, get_type_hints
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql


class Moment(sa.TypeDecorator[datetime]):
    """Aware UTC. SQLite keeps it as sortable text without a zone, PostgreSQL as timestamptz."""

    impl = sa.DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: sa.Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a time without a zone reached the store")
        value = value.astimezone(UTC)
        return value if dialect.name == "postgresql" else value.replace(tzinfo=None)

    def process_result_value(self, value: datetime | None, dialect: sa.Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class Word(sa.TypeDecorator[StrEnum]):
    """One word of a StrEnum, kept as text; a CHECK names the words (see `checks_of`)."""

    impl = sa.Text
    cache_ok = True

    def __init__(self, words: type[StrEnum]) -> None:
        super().__init__()
        self.words = words

    def process_bind_param(self, value: StrEnum | str | None, dialect: sa.Dialect) -> str | None:
        return None if value is None else str(self.words(value))

    def process_result_value(self, value: str | None, dialect: sa.Dialect) -> StrEnum | None:
        return None if value is None else self.words(value)


JSON = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")


class Ids(sa.TypeDecorator[list[UUID]]):
    """A list of ids, in its order, as JSON text values."""

    impl = JSON
    cache_ok = True

    def process_bind_param(self, value: list[UUID] | None, dialect: sa.Dialect) -> Any:
        return None if value is None else [str(one) for one in value]

    def process_result_value(self, value: Any, dialect: sa.Dialect) -> list[UUID] | None:
        return None if value is None else [UUID(one) for one in value]


PLAIN: dict[Any, Any] = {
    str: sa.Text,
    int: sa.Integer,
    bool: sa.Boolean,
    bytes: sa.LargeBinary,
    date: sa.Date,
    datetime: Moment,
    UUID: sa.Uuid,
    list[str]: JSON,
    list[UUID]: Ids,
}


@cache
def children_of(model: Any) -> dict[str, type]:
    """Fields that are lists of dataclasses: field name -> class."""
    found: dict[str, type] = {}
    for name, hint in _hints(model):
        inside = get_args(hint)
        if get_origin(hint) is list and isinstance(inside[0], type) and is_dataclass(inside[0]):
            found[name] = inside[0]
    return found


@cache
def parts_of(model: Any) -> dict[str, type]:
    """Fields that are themselves dataclasses (kept as prefixed columns): field name -> class."""
    return {name: hint for name, hint in _hints(model) if isinstance(hint, type) and is_dataclass(hint)}


@cache
def plain_of(model: Any) -> tuple[str, ...]:
    """Names of the fields that are one column each."""
    skip = children_of(model).keys() | parts_of(model).keys()
    return tuple(one.name for one in fields(model) if one.name not in skip)


@cache
def lists_of(model: Any) -> frozenset[str]:
    """Fields that are one column holding a list of ids or strings."""
    return (
        frozenset(name for name, hint in _hints(model) if get_origin(hint) is list)
        - children_of(model).keys()
    )


def columns_of(model: type) -> list[sa.Column[Any]]:
    """Fresh columns in the order of the fields; `id` is the primary key."""
    return [
        sa.Column(name, kind, primary_key=name == "id", nullable=nullable)
        for name, kind, nullable in _shapes(model)
    ]


def checks_of(model: type) -> list[sa.CheckConstraint]:
    """One CHECK per enumerated column: the database knows the words too."""
    return [
        one_of(name, [str(word) for word in kind.words])
        for name, kind, _ in _shapes(model)
        if isinstance(kind, Word)
    ]


def one_of(column: str, words: list[str]) -> sa.CheckConstraint:
    """CHECK that a text column holds one of `words` (our own constants, never input)."""
    listed = ", ".join(f"'{word}'" for word in words)
    return sa.CheckConstraint(f'"{column}" IN ({listed})', name=column)


def _shapes(model: type) -> Iterator[tuple[str, Any, bool]]:
    for name, hint in _hints(model):
        if name in children_of(model):
            continue
        if name in parts_of(model):
            for inner, kind, nullable in _shapes(parts_of(model)[name]):
                yield f"{name}_{inner}", kind, nullable
            continue
        yield name, *_shape(hint)


def _shape(hint: Any) -> tuple[Any, bool]:
    options = get_args(hint)
    nullable = NoneType in options
    if nullable:
        (hint,) = (one for one in options if one is not NoneType)
    if isinstance(hint, type) and issubclass(hint, StrEnum):
        return Word(hint), nullable
    kind = PLAIN[hint]
    return (kind() if isinstance(kind, type) else kind), nullable


def _hints(model: type) -> list[tuple[str, Any]]:
    hints = get_type_hints(model)
    return [(one.name, hints[one.name]) for one in fields(model)]
