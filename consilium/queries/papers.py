"""The papers of one case as a family: what was made from what, what took whose place."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from consilium.errors import ConsiliumError
from consilium.model import Case, Consilium, Paper, Person, Protocol, ProtocolStatus
from consilium.queries.shown import moment
from consilium.rules import papers, referrals
from consilium.rules import protocol as rules
from consilium.store import Reader
from consilium.store.tables import protocols


def made_from(reader: Reader, protocol_id: UUID) -> list[Protocol]:
    """Extracts and acts about a paper, in the order they were made."""
    found = reader.all(Protocol, protocols.c.parent_id == protocol_id)
    return sorted(found, key=lambda one: one.created_at)


def referrals_of(reader: Reader, case_id: UUID) -> list[Protocol]:
    """Every referral that was ever made of a case, oldest first."""
    mine = (protocols.c.case_id == case_id, protocols.c.paper == str(Paper.REFERRAL))
    return sorted(reader.all(Protocol, *mine), key=lambda one: one.created_at)


def successor_of(reader: Reader, protocol_id: UUID) -> Protocol | None:
    """The paper that takes its place, None while there is none."""
    return next(iter(reader.all(Protocol, protocols.c.replaces_id == protocol_id)), None)


def annulled_extract(reader: Reader, protocol: Protocol) -> Protocol | None:
    """The annulled extract whose set the next one carries on: of this protocol, or of those it took the place of."""
    seen: Protocol | None = protocol
    while seen is not None:
        gone = [one for one in made_from(reader, seen.id) if one.paper is Paper.EXTRACT and one.annulled_at]
        free = [one for one in gone if successor_of(reader, one.id) is None]
        if free:
            return free[-1]
        seen = reader.find(Protocol, seen.replaces_id)
    return None


def rights(
    reader: Reader, protocol: Protocol, consilium: Consilium | None, case: Case, person: Person
) -> list[str]:
    """Subset of extract, annul, replace, withdraw: what the commands of the same names would not refuse now."""
    if consilium is None:
        return _doctors_rights(reader, protocol, case, person)
    seat = consilium.seat_of(person.id)
    if seat is None or not rules.may_edit(consilium, seat):
        return []
    made = made_from(reader, protocol.id)
    granted: dict[str, Callable[[], object]] = {
        "extract": lambda: papers.require_extractable(protocol, consilium.kind, made),
        "replace": lambda: papers.require_replaceable(protocol, successor_of(reader, protocol.id)),
        "withdraw": lambda: papers.require_withdrawable(protocol),
    }
    if rules.leads(consilium, seat):
        granted["annul"] = lambda: papers.require_annullable(protocol, made, "?")
    return [name for name, require in granted.items() if _passes(require)]


def _doctors_rights(reader: Reader, protocol: Protocol, case: Case, person: Person) -> list[str]:
    """Over a referral and the act about one: its doctor's alone."""
    if not _passes(lambda: referrals.require_doctor(case, person)):
        return []
    granted: dict[str, Callable[[], object]] = {
        "withdraw": lambda: papers.require_withdrawable(protocol),
        "annul": lambda: papers.require_annullable(protocol, made_from(reader, protocol.id), "?"),
    }
    return [name for name, require in granted.items() if _passes(require)]


def _passes(require: Callable[[], object]) -> bool:
    try:
        require()
    except ConsiliumError:
        return False
    return True


def referral_card(reader: Reader, person: Person, case: Case) -> dict[str, Any] | None:
    """{may, stands, older, paper}: may this person make one now, does one count, is it older than the last sending.

    `paper` is the newest; None before the first sending.

    `paper`: {id, number, version, state, made_at, sealed_at, mine, filing, registry_number, package}; `mine`: it waits
    for this person's signature.
    """
    made = referrals_of(reader, case.id)
    if case.sent_at is None and not made:
        return None
    standing = papers.standing(made, Paper.REFERRAL)
    return {
        "may": _passes(lambda: referrals.require_referable(case, person, made)),
        "stands": standing is not None,
        "older": bool(standing and case.sent_at and standing.created_at < case.sent_at),
        "paper": _referral_line(made[-1], person) if made else None,
    }


def _referral_line(paper: Protocol, person: Person) -> dict[str, Any]:
    signing = paper.status is ProtocolStatus.SIGNING
    return {
        "id": str(paper.id),
        "number": paper.number,
        "version": paper.version,
        "state": state_of(paper),
        "made_at": moment(paper.created_at),
        "sealed_at": moment(paper.sealed_at),
        "mine": signing and any(one.person_id == person.id for one in paper.current_signatures()),
        "filing": str(paper.filing),
        "registry_number": paper.registry_number,
        "package": bool(paper.package_name),
    }


def state_of(protocol: Protocol) -> str:
    """The word people read: the status, or that it was annulled, or that its seal waits for somebody outside."""
    return state(str(protocol.status), protocol.annulled_at, protocol.waits_for)


def state(status: str, annulled_at: datetime | None, waits_for: str = "") -> str:
    """The same from a row's columns."""
    if annulled_at:
        return "annulled"
    return "held" if waits_for and status == ProtocolStatus.SEALING else status


def papers_of(reader: Reader, item_id: UUID) -> list[dict[str, Any]]:
    """Every paper of one agenda item from the first draft on, in time: what a timeline shows (`_lines`)."""
    return _lines(reader, protocols.c.item_id == item_id)


def referral_papers_of(reader: Reader, case_id: UUID) -> list[dict[str, Any]]:
    """The referrals of a case and the acts about them, as `papers_of`."""
    return _lines(reader, protocols.c.case_id == case_id, protocols.c.consilium_id.is_(None))


def _lines(reader: Reader, *where: sa.ColumnElement[bool]) -> list[dict[str, Any]]:
    """Papers in time.

    Lines are {id, paper, number, version, status, state, made_at, sealed_at, annulled_at, parent, replaces, replaced_by,
    annulled_by, reason, filing, registry_number}; ids are those of `protocols`.
    """
    table = protocols.c
    columns = (
        table.id,
        table.paper,
        table.number,
        table.version,
        table.status,
        table.waits_for,
        table.created_at,
        table.sealed_at,
        table.annulled_at,
        table.parent_id,
        table.replaces_id,
        table.annulled_by,
        table.reason,
        table.withdrawn_reason,
        table.filing,
        table.registry_number,
    )
    query = sa.select(*columns).where(*where).order_by(table.created_at, table.id)
    rows = reader.connection.execute(query).all()
    heirs = {row.replaces_id: row.id for row in rows if row.replaces_id}
    return [
        {
            "id": str(row.id),
            "paper": str(row.paper),
            "number": row.number,
            "version": row.version,
            "status": str(row.status),
            "state": state(str(row.status), row.annulled_at, row.waits_for),
            "made_at": moment(row.created_at),
            "sealed_at": moment(row.sealed_at),
            "annulled_at": moment(row.annulled_at),
            "parent": _text(row.parent_id),
            "replaces": _text(row.replaces_id),
            "replaced_by": _text(heirs.get(row.id)),
            "annulled_by": _text(row.annulled_by),
            "reason": row.withdrawn_reason or row.reason,
            "filing": str(row.filing),
            "registry_number": row.registry_number,
        }
        for row in rows
    ]


def _text(value: UUID | None) -> str | None:
    return str(value) if value else None
