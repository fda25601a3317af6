"""Where the organisation's papers stand with the registry: the list a registrar works through, and one's history."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
import sqlalchemy as sa

from consilium.errors import Forbidden, NotFound
from consilium.events import FilingRejected
from consilium.filing.states import FilingState
from consilium.model import FilingStatus, Person
from consilium.queries.shown import moment
from consilium.store import Reader
from consilium.store.tables import cases, protocols

PER_PAGE = 50
WATCHERS = frozenset({"registrar", "coordinator", "admin"})
SENDERS = frozenset({"registrar", "coordinator"})
FILTERS: dict[str, tuple[FilingStatus, ...]] = {
    "attention": (FilingStatus.REJECTED, FilingStatus.DEAD),
    "queued": (FilingStatus.QUEUED,),
    "waiting": (FilingStatus.WAITING,),
    "registered": (FilingStatus.REGISTERED,),
}
STEPS = frozenset(
    {
        "FilingQueued",
        "FilingAcknowledged",
        "FilingDelayed",
        "FilingRejected",
        "FilingDead",
        "ProtocolRegistered",
    }
)


def may_watch(person: Person) -> bool:
    """Who sees where papers stand with the registry: no patient is shown there."""
    return not WATCHERS.isdisjoint(person.duties)


def may_send(person: Person) -> bool:
    """Who sends again."""
    return not SENDERS.isdisjoint(person.duties)


def filings_page(reader: Reader, person: Person, chosen: str, page: int) -> dict[str, Any]:
    """One page of a filter, the oldest first where somebody has to act. Raises Forbidden."""
    _require(person)
    chosen = chosen if chosen in FILTERS else "attention"
    counts = _counts(reader, person)
    pages = max(1, -(-counts[chosen] // PER_PAGE))
    page = min(max(page, 1), pages)
    order = protocols.c.sealed_at.asc() if chosen == "attention" else protocols.c.sealed_at.desc()
    query = (
        _query()
        .where(_own(person), protocols.c.filing.in_(FILTERS[chosen]))
        .order_by(order, protocols.c.id)
        .limit(PER_PAGE)
        .offset((page - 1) * PER_PAGE)
    )
    rows = [_line(dict(row), person) for row in reader.connection.execute(query).mappings()]
    return {"chosen": chosen, "counts": counts, "page": page, "pages": pages, "rows": rows}


def filing_page(reader: Reader, person: Person, protocol_id: UUID) -> dict[str, Any]:
    """One paper's filing with every step that was journaled. Raises Forbidden, NotFound."""
    _require(person)
    query = _query().add_columns(protocols.c.filing_state).where(_own(person), protocols.c.id == protocol_id)
    row = reader.connection.execute(query).mappings().one_or_none()
    if row is None or row["filing"] == FilingStatus.NONE:
        raise NotFound
    state = msgspec.json.decode(row["filing_state"], type=FilingState)
    return {
        **_line(dict(row), person),
        "words": {one.code: one.message for one in state.errors if one.message},
        "steps": _steps(reader, protocol_id),
    }


def _require(person: Person) -> None:
    if not may_watch(person):
        raise Forbidden("forbidden")


def _own(person: Person) -> sa.ColumnElement[bool]:
    return protocols.c.organisation_id == person.organisation_id


def _query() -> sa.Select[Any]:
    table = protocols.c
    columns = (
        table.id, table.number, table.paper, table.filing, table.filing_attempts, table.filing_message,
        table.filing_error_codes, table.filing_next_try, table.registry_number, table.registered_at,
        table.sealed_at, table.annulled_at,
    )  # fmt: skip
    return sa.select(*columns, cases.c.number.label("case_number"), cases.c.id.label("case_id")).join(
        cases, cases.c.id == table.case_id
    )


def _counts(reader: Reader, person: Person) -> dict[str, int]:
    query = sa.select(protocols.c.filing, sa.func.count()).where(_own(person)).group_by(protocols.c.filing)
    found: dict[str, int] = {str(row[0]): row[1] for row in reader.connection.execute(query)}
    return {name: sum(found.get(str(one), 0) for one in words) for name, words in FILTERS.items()}


def _line(row: dict[str, Any], person: Person) -> dict[str, Any]:
    status = FilingStatus(row["filing"])
    stuck = status in FILTERS["attention"]
    return {
        "id": str(row["id"]),
        "number": row["number"],
        "paper": str(row["paper"]),
        "case": {"id": str(row["case_id"]), "number": row["case_number"]},
        "status": str(status),
        "attempts": row["filing_attempts"],
        "message": row["filing_message"],
        "error_codes": list(row["filing_error_codes"]),
        "next_try": _when(row["filing_next_try"]),
        "registry_number": row["registry_number"],
        "registered_at": _when(row["registered_at"]),
        "sealed_at": _when(row["sealed_at"]),
        "annulled": row["annulled_at"] is not None,
        "can_send": stuck and may_send(person) and row["annulled_at"] is None,
    }


def _when(value: datetime | None) -> str | None:
    return moment(value)


def _steps(reader: Reader, protocol_id: UUID) -> list[dict[str, Any]]:
    """The newest first; a filing that was away for long has many."""
    found: list[dict[str, Any]] = []
    after = 0
    while entries := reader.events("protocol", protocol_id, after):
        after = entries[-1].seq
        found += [
            {
                "name": one.name,
                "at": moment(one.at),
                "codes": one.event.codes if isinstance(one.event, FilingRejected) else [],
                "cause": getattr(one.event, "cause", ""),
                "next_try": moment(getattr(one.event, "next_try", None)),
                "attempt": getattr(one.event, "attempt", 0),
            }
            for one in entries
            if one.name in STEPS
        ]
    return found[::-1]
