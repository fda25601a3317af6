""" "My day": what waits for this person, and nothing else."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from consilium.model import Case, CaseStatus, Consilium, ConsiliumStatus, Person, Protocol, ProtocolStatus
from consilium.queries.consilia import consilium_line
from consilium.queries.shown import case_line, organisation_names
from consilium.queries.signing import late_signers, own_readiness, waiting_protocols
from consilium.rules.protocol import may_edit
from consilium.store import Reader
from consilium.store.tables import cases, consilia, protocols, seats

AHEAD = timedelta(days=14)
BEHIND = timedelta(hours=12)
MOST = 50


def my_day(reader: Reader, person: Person, at: datetime) -> dict[str, Any]:
    """{consilia, requests, signing, late, readiness, protocols}. `wait` is the code of what is waited for."""
    return {
        "consilia": _consilia(reader, person, at),
        "requests": _requests(reader, person),
        "signing": waiting_protocols(reader, person, at),
        "late": late_signers(reader, person, at),
        "readiness": _not_ready(reader, person, at),
        "protocols": _protocols(reader, person),
    }


def _not_ready(reader: Reader, person: Person, at: datetime) -> dict[str, Any] | None:
    """What to set right before one's next session; None when nothing is (SG-06)."""
    found = own_readiness(reader, person, at)
    return found if found["needed_at"] and found["state"] != "ready" else None


def _consilia(reader: Reader, person: Person, at: datetime) -> list[dict[str, Any]]:
    """Running ones, and planned ones from twelve hours ago (late is not lost) to two weeks ahead."""
    mine = sa.select(seats.c.consilium_id).where(seats.c.person_id == person.id)
    found = reader.all(
        Consilium,
        consilia.c.id.in_(mine),
        sa.or_(
            consilia.c.status == str(ConsiliumStatus.OPEN),
            sa.and_(
                consilia.c.status == str(ConsiliumStatus.PLANNED),
                consilia.c.scheduled_at.between(at - BEHIND, at + AHEAD),
            ),
        ),
        order=(consilia.c.scheduled_at,),
    )
    return [consilium_line(reader, one, person) for one in found]


def _requests(reader: Reader, person: Person) -> list[dict[str, Any]]:
    waits = [
        sa.and_(
            cases.c.author_id == person.id,
            cases.c.status.in_([str(CaseStatus.DRAFT), str(CaseStatus.RETURNED)]),
        )
    ]
    if "coordinator" in person.duties:
        mine = cases.c.receiver_id == person.organisation_id
        turn = cases.c.status.in_([str(CaseStatus.SENT), str(CaseStatus.ACCEPTED)])
        waits.append(sa.and_(mine, turn))
    found = reader.all(Case, sa.or_(*waits))
    found.sort(key=lambda one: (one.deadline is None, one.deadline or one.created_at))
    names = organisation_names(reader, {one for case in found for one in (case.sender_id, case.receiver_id)})
    return [
        {
            **case_line(
                case,
                names[case.receiver_id if case.sender_id == person.organisation_id else case.sender_id],
            ),
            "wait": str(case.status),
        }
        for case in found[:MOST]
    ]


def _protocols(reader: Reader, person: Person) -> list[dict[str, Any]]:
    """Drafts this person writes, and filings and seals his organisation must look at."""
    lines = [_line(one, "drafting") for one in _drafts(reader, person)]
    if not {"registrar", "coordinator"}.isdisjoint(person.duties):
        stuck = reader.all(
            Protocol,
            protocols.c.organisation_id == person.organisation_id,
            protocols.c.filing.in_(["rejected", "dead"]),
        )
        lines += [_line(one, f"filing.{one.filing}") for one in stuck]
        held = reader.all(
            Protocol, protocols.c.organisation_id == person.organisation_id, protocols.c.waits_for != ""
        )
        lines += [_line(one, f"held.{one.waits_for}") for one in held]
    return lines[:MOST]


def _drafts(reader: Reader, person: Person) -> list[Protocol]:
    mine = sa.select(seats.c.consilium_id).where(seats.c.person_id == person.id)
    drafting = protocols.c.status == str(ProtocolStatus.DRAFTING)
    found = reader.all(Protocol, protocols.c.consilium_id.in_(mine), drafting)
    return [one for one in found if _edits(reader, one, person)]


def _edits(reader: Reader, protocol: Protocol, person: Person) -> bool:
    if protocol.consilium_id is None:
        return False
    consilium = reader.consilium(protocol.consilium_id)
    seat = consilium.seat_of(person.id)
    return seat is not None and may_edit(consilium, seat)


def _line(protocol: Protocol, wait: str) -> dict[str, Any]:
    return {
        "id": str(protocol.id),
        "paper": str(protocol.paper),
        "number": protocol.number,
        "status": str(protocol.status),
        "wait": wait,
    }
