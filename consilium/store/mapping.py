"""Aggregates <-> rows: load a whole one, save only what changed, always in the same order.

Saving compares with the rows as they were at loading: deletions first (children before parents), then the
root, then updates, then insertions, so that a place under a UNIQUE index is free before it is taken.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import cache
from operator import attrgetter
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from consilium import model
from consilium.store import tables
from consilium.store.columns import children_of, lists_of, parts_of, plain_of

Values = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Child:
    """One list of an aggregate. `holds`: rows that take the one place of a partial UNIQUE index."""

    field: str
    table: sa.Table
    holds: tuple[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Mapping:
    """How one class is kept. `parent` is the column of its children that holds its id.

    `locked`: an aggregate root, whose row is locked before a command may see it.
    """

    kind: type
    table: sa.Table
    parent: str = ""
    children: tuple[Child, ...] = ()
    locked: bool = False


MAPPINGS: dict[type, Mapping] = {
    one.kind: one
    for one in (
        Mapping(model.Organisation, tables.organisations),
        Mapping(model.Person, tables.people),
        Mapping(model.Route, tables.routes),
        Mapping(model.Body, tables.bodies, "body_id", (Child("members", tables.body_members),)),
        Mapping(model.Certificate, tables.certificates),
        Mapping(model.Readiness, tables.readiness),
        Mapping(model.RecordingSegment, tables.recording_segments),
        Mapping(
            model.Case,
            tables.cases,
            "case_id",
            (Child("documents", tables.case_documents), Child("missing", tables.missing_items)),
            locked=True,
        ),
        Mapping(
            model.Consilium,
            tables.consilia,
            "consilium_id",
            (
                Child("seats", tables.seats, ("role", "chair")),
                Child("agenda", tables.agenda_items),
                Child("attendance", tables.attendance, ("left_at", None)),
                Child("hands", tables.hands),
                Child("resolutions", tables.resolutions),
                Child("ballots", tables.ballots, ("closed_at", None)),
                Child("votes", tables.votes),
                Child("recusals", tables.recusals),
                Child("dissents", tables.dissents),
                Child("chat", tables.chat_messages),
                Child("recordings", tables.recordings, ("stopped_at", None)),
                Child("recording_answers", tables.recording_answers),
                Child("recording_gaps", tables.recording_gaps, ("ended_at", None)),
            ),
            locked=True,
        ),
        Mapping(
            model.Protocol,
            tables.protocols,
            "protocol_id",
            (Child("signatures", tables.signatures), Child("dissents", tables.dissent_papers)),
            locked=True,
        ),
    )
}


@dataclass(frozen=True, slots=True)
class Shape:
    """How objects of one class become tuples of column values and back: made once, used for every row."""

    kind: Any
    columns: tuple[str, ...]
    paths: tuple[str, ...]
    get: Callable[[Any], Values]
    lists: frozenset[int]
    plain: tuple[str, ...]
    parts: tuple[tuple[str, Any], ...]

    def values(self, item: Any) -> Values:
        """A copy, so that a list changed in place is seen as a change."""
        found = self.get(item)
        if not self.lists:
            return found
        return tuple(list(one) if place in self.lists else one for place, one in enumerate(found))

    def build(self, values: Sequence[Any]) -> Any:
        """The object of one row; the row keeps lists of its own."""
        own = [list(one) if place in self.lists else one for place, one in enumerate(values)]
        fields = dict(zip(self.plain, own, strict=False))
        start = len(self.plain)
        for name, inner in self.parts:
            end = start + len(shape(inner).columns)
            fields[name] = shape(inner).build(own[start:end])
            start = end
        return self.kind(**fields)


@cache
def shape(kind: Any) -> Shape:
    """The class' shape; columns of parts follow its own, named `part_field`."""
    plain, parts = plain_of(kind), tuple(parts_of(kind).items())
    columns = (*plain, *(f"{name}_{one}" for name, inner in parts for one in shape(inner).columns))
    paths = (*plain, *(f"{name}.{one}" for name, inner in parts for one in shape(inner).paths))
    lists = frozenset(place for place, name in enumerate(plain) if name in lists_of(kind))
    return Shape(kind, columns, paths, attrgetter(*paths), lists, plain, parts)


@dataclass(frozen=True, slots=True)
class Placed:
    """One row of a list as the database has it."""

    place: int
    values: Values


@dataclass(slots=True)
class Kept:
    """One object of a transaction and its rows as the database has them (root None: not yet there)."""

    mapping: Mapping
    value: Any
    root: Values | None = None
    lists: dict[str, dict[UUID, Placed]] = field(default_factory=dict)


def load(connection: sa.Connection, mapping: Mapping, key: UUID, *, lock: bool) -> Kept | None:
    """The object with all its lists, or None. With `lock` its root row is held until the transaction ends."""
    row = connection.execute(_root_query(mapping, lock=lock), {"key": key}).one_or_none()
    return None if row is None else _assemble(connection, mapping, tuple(row))


def load_where(
    connection: sa.Connection, mapping: Mapping, where: Iterable[Any], order: Iterable[Any]
) -> list[Kept]:
    """All objects that meet the conditions, unlocked."""
    query = _root_query(mapping, lock=False, whole=True).where(*where).order_by(*order, mapping.table.c.id)
    found = connection.execute(query).all()
    return [_assemble(connection, mapping, tuple(row)) for row in found]


@cache
def _root_query(mapping: Mapping, *, lock: bool, whole: bool = False) -> sa.Select[Any]:
    columns = [mapping.table.c[name] for name in shape(mapping.kind).columns]
    query = sa.select(*columns)
    if not whole:
        query = query.where(mapping.table.c.id == sa.bindparam("key"))
    return query.with_for_update() if lock else query


@cache
def _list_query(mapping: Mapping, child: Child) -> sa.Select[Any]:
    table = child.table
    columns = [table.c[name] for name in shape(_inner(mapping, child)).columns]
    parent = table.c[mapping.parent] == sa.bindparam("key")
    return sa.select(table.c.place, *columns).where(parent).order_by(table.c.place)


def _inner(mapping: Mapping, child: Child) -> Any:
    return children_of(mapping.kind)[child.field]


def _assemble(connection: sa.Connection, mapping: Mapping, root: Values) -> Kept:
    whole = shape(mapping.kind)
    value = whole.build(root)
    kept = Kept(mapping, value, root)
    key = {"key": value.id}
    for child in mapping.children:
        inner = shape(_inner(mapping, child))
        rows = connection.execute(_list_query(mapping, child), key).all()
        items = [inner.build(row[1:]) for row in rows]
        setattr(value, child.field, items)
        found = zip(items, rows, strict=True)
        kept.lists[child.field] = {item.id: Placed(row[0], inner.values(item)) for item, row in found}
    return kept


def save(connection: sa.Connection, kept: Kept) -> bool:
    """Write the difference; the object may be changed and saved again. Returns whether anything changed."""
    root = shape(kept.mapping.kind).values(kept.value)
    lists = {child.field: _placed(kept, child) for child in kept.mapping.children}
    changed = _delete(connection, kept, lists) | _save_root(connection, kept, root)
    for child in kept.mapping.children:
        changed |= _save_list(connection, kept, child, lists[child.field])
    kept.root, kept.lists = root, lists
    return changed


def _placed(kept: Kept, child: Child) -> dict[UUID, Placed]:
    """Rows of the list with ascending places; a row keeps its place unless the list was reordered."""
    known = kept.lists.get(child.field, {})
    values = shape(_inner(kept.mapping, child)).values
    free = max((row.place for row in known.values()), default=0)
    last, placed = 0, {}
    for item in getattr(kept.value, child.field):
        place = known[item.id].place if item.id in known else 0
        if place <= last:
            place = max(last, free) + 1
        last = place
        placed[item.id] = Placed(place, values(item))
    return placed


def _delete(connection: sa.Connection, kept: Kept, lists: dict[str, dict[UUID, Placed]]) -> bool:
    changed = False
    for child in reversed(kept.mapping.children):
        gone = [key for key in kept.lists.get(child.field, {}) if key not in lists[child.field]]
        for key in gone:
            connection.execute(sa.delete(child.table).where(child.table.c.id == key))
        changed |= bool(gone)
    return changed


def _save_root(connection: sa.Connection, kept: Kept, root: Values) -> bool:
    table, columns = kept.mapping.table, shape(kept.mapping.kind).columns
    if kept.root is None:
        connection.execute(sa.insert(table), dict(zip(columns, root, strict=True)))
        return True
    return _update(connection, table, kept.value.id, _changes(columns, kept.root, root))


def _save_list(connection: sa.Connection, kept: Kept, child: Child, after: dict[UUID, Placed]) -> bool:
    columns = shape(_inner(kept.mapping, child)).columns
    before = kept.lists.get(child.field, {})
    moved = [(key, row) for key, row in after.items() if key in before and row != before[key]]
    changed = False
    for key, row in sorted(moved, key=lambda one: _takes(child, columns, one[1])):
        changes = _changes(columns, before[key].values, row.values)
        if row.place != before[key].place:
            changes["place"] = row.place
        changed |= _update(connection, child.table, key, changes)
    own = {kept.mapping.parent: kept.value.id}
    new = [
        dict(zip(columns, row.values, strict=True)) | own | {"place": row.place}
        for key, row in after.items()
        if key not in before
    ]
    if new:
        connection.execute(sa.insert(child.table), new)
    return changed or bool(new)


def _takes(child: Child, columns: tuple[str, ...], row: Placed) -> bool:
    return child.holds is not None and row.values[columns.index(child.holds[0])] == child.holds[1]


def _changes(columns: tuple[str, ...], before: Values, after: Values) -> dict[str, Any]:
    pairs = zip(columns, before, after, strict=True)
    return {name: new for name, old, new in pairs if old is not new and old != new}


def _update(connection: sa.Connection, table: sa.Table, key: UUID, changes: dict[str, Any]) -> bool:
    if changes:
        connection.execute(sa.update(table).where(table.c.id == key).values(changes))
    return bool(changes)
