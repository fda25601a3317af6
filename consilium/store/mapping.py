"""Aggregates <-> rows: load a whole one, save only what changed, always in the same order.

Saving compares with the rows as they were at loading: deletions first (children before parents), then the
root, then updates, then insertions, so that a place under a UNIQUE index is free before it is taken.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from consilium import model
from consilium.store import tables
from consilium.store.columns import children_of, parts_of, plain_of

Row = dict[str, Any]


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


@dataclass(slots=True)
class Kept:
    """One object of a transaction and its rows as the database has them (root None: not yet there)."""

    mapping: Mapping
    value: Any
    root: Row | None = None
    lists: dict[str, dict[UUID, Row]] = field(default_factory=dict)


def load(connection: sa.Connection, mapping: Mapping, key: UUID, *, lock: bool) -> Kept | None:
    """The object with all its lists, or None. With `lock` its root row is held until the transaction ends."""
    query = sa.select(mapping.table).where(mapping.table.c.id == key)
    if lock:
        query = query.with_for_update()
    row = connection.execute(query).mappings().one_or_none()
    return None if row is None else _assemble(connection, mapping, dict(row))


def load_where(
    connection: sa.Connection, mapping: Mapping, where: Iterable[Any], order: Iterable[Any]
) -> list[Kept]:
    """All objects that meet the conditions, unlocked."""
    query = sa.select(mapping.table).where(*where).order_by(*order, mapping.table.c.id)
    found = connection.execute(query).mappings().all()
    return [_assemble(connection, mapping, dict(row)) for row in found]


def _assemble(connection: sa.Connection, mapping: Mapping, root: Row) -> Kept:
    lists = {child.field: _rows(connection, mapping, child, root["id"]) for child in mapping.children}
    value = _object(mapping.kind, root)
    for name, inner in children_of(mapping.kind).items():
        setattr(value, name, [_object(inner, row) for row in lists[name].values()])
    return Kept(mapping, value, root, lists)


def _rows(connection: sa.Connection, mapping: Mapping, child: Child, parent: UUID) -> dict[UUID, Row]:
    table = child.table
    query = sa.select(table).where(table.c[mapping.parent] == parent).order_by(table.c.place)
    return {row["id"]: dict(row) for row in connection.execute(query).mappings()}


def _object(kind: Any, row: Row, prefix: str = "") -> Any:
    values = {name: _fresh(row[prefix + name]) for name in plain_of(kind)}
    values |= {name: _object(inner, row, f"{prefix}{name}_") for name, inner in parts_of(kind).items()}
    return kind(**values)


def _row(value: Any, prefix: str = "") -> Row:
    kind: Any = type(value)
    row = {prefix + name: _fresh(getattr(value, name)) for name in plain_of(kind)}
    for name in parts_of(kind):
        row |= _row(getattr(value, name), f"{prefix}{name}_")
    return row


def _fresh(value: Any) -> Any:
    """A list of its own, so that a change in place is seen as a change."""
    return list(value) if isinstance(value, list) else value


def save(connection: sa.Connection, kept: Kept) -> bool:
    """Write the difference; the object may be changed and saved again. Returns whether anything changed."""
    root = _row(kept.value)
    lists = {child.field: _placed(kept, child, root["id"]) for child in kept.mapping.children}
    changed = _delete(connection, kept, lists) | _save_root(connection, kept, root)
    for child in kept.mapping.children:
        changed |= _save_list(connection, child, kept.lists.get(child.field, {}), lists[child.field])
    kept.root, kept.lists = root, lists
    return changed


def _placed(kept: Kept, child: Child, parent: UUID) -> dict[UUID, Row]:
    """Rows of the list with ascending places; a row keeps its place unless the list was reordered."""
    known = kept.lists.get(child.field, {})
    free = max((row["place"] for row in known.values()), default=0)
    last, placed = 0, {}
    for item in getattr(kept.value, child.field):
        place = known[item.id]["place"] if item.id in known else 0
        if place <= last:
            place = max(last, free) + 1
        last = place
        placed[item.id] = _row(item) | {kept.mapping.parent: parent, "place": place}
    return placed


def _delete(connection: sa.Connection, kept: Kept, lists: dict[str, dict[UUID, Row]]) -> bool:
    changed = False
    for child in reversed(kept.mapping.children):
        gone = [key for key in kept.lists.get(child.field, {}) if key not in lists[child.field]]
        for key in gone:
            connection.execute(sa.delete(child.table).where(child.table.c.id == key))
        changed |= bool(gone)
    return changed


def _save_root(connection: sa.Connection, kept: Kept, root: Row) -> bool:
    if kept.root is None:
        connection.execute(sa.insert(kept.mapping.table), root)
        return True
    return _update(connection, kept.mapping.table, kept.root, root)


def _save_list(
    connection: sa.Connection, child: Child, before: dict[UUID, Row], after: dict[UUID, Row]
) -> bool:
    known = [row for key, row in after.items() if key in before]
    changed = False
    for row in sorted(known, key=lambda row: _takes(child, row)):
        changed |= _update(connection, child.table, before[row["id"]], row)
    new = [row for key, row in after.items() if key not in before]
    if new:
        connection.execute(sa.insert(child.table), new)
    return changed or bool(new)


def _takes(child: Child, row: Row) -> bool:
    return child.holds is not None and row[child.holds[0]] == child.holds[1]


def _update(connection: sa.Connection, table: sa.Table, before: Row, after: Row) -> bool:
    changes = {name: value for name, value in after.items() if before[name] != value}
    if changes:
        connection.execute(sa.update(table).where(table.c.id == after["id"]).values(changes))
    return bool(changes)
