"""The signing desk: what waits for this person, in which order, with which means (SG-05, SG-06, SG-07, SG-10)."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

import sqlalchemy as sa

from consilium.documents.record import PersonName
from consilium.model import (
    Certificate,
    Consilium,
    ConsiliumStatus,
    Patient,
    Person,
    Protocol,
    ProtocolStatus,
    Readiness,
    Signature,
    SignatureStatus,
)
from consilium.queries.directory import own_certificates
from consilium.queries.protocols import protocol_page
from consilium.queries.shown import moment, names_of
from consilium.queries.turns import turn_line
from consilium.rules import kinds, schedule, turns
from consilium.rules import readiness as rules
from consilium.rules.protocol import leads
from consilium.store import Reader
from consilium.store.tables import (
    certificates,
    consilia,
    dissent_papers,
    protocols,
    readiness,
    seats,
    signatures,
)

if TYPE_CHECKING:
    from consilium.parts import Parts


def signing_desk(
    reader: Reader, person: Person, chosen: UUID | None, at: datetime, parts: Parts | None = None
) -> dict[str, Any]:
    """{rows, view, dissents, certificates, readiness}: what waits for this signature, and one of it.

    `chosen` may also be a protocol that no longer waits: its page says what became of it.
    """
    rows = waiting_protocols(reader, person, at)
    shown = chosen or (UUID(rows[0]["id"]) if rows else None)
    view = protocol_page(reader, person, shown, at, parts) if shown else None
    return {
        "rows": rows,
        "view": view,
        "dissents": [one for one in view["my_dissents"] if one["status"] == "awaited"] if view else [],
        "certificates": own_certificates(reader, person, at),
        "readiness": own_readiness(reader, person, at),
    }


# --- what waits -----------------------------------------------------------------------------------


def waiting_protocols(reader: Reader, person: Person, at: datetime) -> list[dict[str, Any]]:
    """Papers that wait for this person's signature: those he may sign now first, oldest first (SG-07)."""
    found = reader.all(
        Protocol, protocols.c.id.in_(_waiting_ids(reader, person)), order=(protocols.c.frozen_at,)
    )
    names = names_of(reader, {row.person_id for one in found for row in one.current_signatures()})
    lines = [
        {**_desk_line(one, person, names, at), "patient": _short(reader.case(one.case_id).patient)}
        for one in found
    ]
    return sorted(lines, key=lambda one: not one["turn"])


def _waiting_ids(reader: Reader, person: Person) -> list[UUID]:
    ids: set[UUID] = set()
    for table in (signatures, dissent_papers):
        query = (
            sa.select(protocols.c.id)
            .join(table, table.c.protocol_id == protocols.c.id)
            .where(
                protocols.c.status == str(ProtocolStatus.SIGNING),
                table.c.version == protocols.c.version,
                table.c.person_id == person.id,
                table.c.status == str(SignatureStatus.AWAITED),
            )
        )
        ids |= set(reader.connection.execute(query).scalars())
    return list(ids)


def _desk_line(
    protocol: Protocol, person: Person, names: dict[UUID | None, str], at: datetime
) -> dict[str, Any]:
    rows = protocol.current_signatures()
    mine = next((one for one in rows if one.person_id == person.id), None)
    papers = [
        one
        for one in protocol.current_dissents()
        if one.person_id == person.id and one.status is SignatureStatus.AWAITED
    ]
    # A dissent alone has no turn to wait for.
    turn = turn_line(protocol, mine, names, at) if mine else NO_TURN
    return {
        "id": str(protocol.id),
        "number": protocol.number,
        "paper": str(protocol.paper),
        "version": protocol.version,
        "digest": protocol.digest,
        "role": mine.role if mine else "",
        "opened_at": moment(mine.opened_at) if mine else None,
        "frozen_at": moment(protocol.frozen_at),
        "signed": _signed(rows),
        "total": len(rows),
        "dissents": len(papers),
        **turn,
        "turn": bool(papers) or turn["turn"],
    }


def _short(patient: Patient) -> str:
    """Whose paper it is: several numbers of a day look alike."""
    return PersonName(surname=patient.surname, given=patient.given, patronymic=patient.patronymic).short()


NO_TURN: dict[str, Any] = {
    "turn": True,
    "waits_for": [],
    "due_at": None,
    "overdue": False,
    "reminders": 0,
}


def _signed(rows: Iterable[Signature]) -> int:
    return sum(one.status is SignatureStatus.SIGNED for one in rows)


def late_signers(reader: Reader, person: Person, at: datetime) -> list[dict[str, Any]]:
    """For whom leads: protocols whose signers let their time pass, named once the notice was given (SG-10)."""
    mine = sa.select(seats.c.consilium_id).where(seats.c.person_id == person.id)
    found = reader.all(
        Protocol,
        protocols.c.consilium_id.in_(mine),
        protocols.c.status == str(ProtocolStatus.SIGNING),
        order=(protocols.c.frozen_at,),
    )
    led = [
        one
        for one in found
        if one.consilium_id is not None and _leads(reader.consilium(one.consilium_id), person)
    ]
    late = {one.id: [row for row in turns.waiting_for(one) if turns.overdue(row, at)] for one in led}
    names = names_of(reader, {row.person_id for rows in late.values() for row in rows})
    return [
        {
            "id": str(one.id),
            "number": one.number,
            "paper": str(one.paper),
            "names": sorted({names[row.person_id] for row in late[one.id]}),
        }
        for one in led
        if late[one.id]
    ]


def _leads(consilium: Consilium, person: Person) -> bool:
    seat = consilium.seat_of(person.id)
    return seat is not None and leads(consilium, seat)


# --- readiness ------------------------------------------------------------------------------------


def own_readiness(reader: Reader, person: Person, at: datetime) -> dict[str, Any]:
    """{state, code, means, until, checked_at, needed_at}: judged by the next session where one signs."""
    needed = next_signing(reader, person, at)
    found = readiness_of(reader, [person.id], needed or at, at)[person.id]
    return {**found, "needed_at": moment(needed)}


def next_signing(reader: Reader, person: Person, at: datetime) -> datetime | None:
    """When the person next sits in a role that signs."""
    query = (
        sa.select(consilia.c.kind, consilia.c.scheduled_at, seats.c.role)
        .join(seats, seats.c.consilium_id == consilia.c.id)
        .where(
            seats.c.person_id == person.id,
            consilia.c.status.in_([str(ConsiliumStatus.PLANNED), str(ConsiliumStatus.OPEN)]),
        )
        .order_by(consilia.c.scheduled_at)
    )
    planned = reader.connection.execute(query).all()
    return next((max(one.scheduled_at, at) for one in planned if kinds.signs(one.kind, one.role)), None)


def board_readiness(
    reader: Reader, person: Person, consilium_id: UUID, at: datetime
) -> dict[str, dict[str, Any]]:
    """By person id, for those who will sign; chair, secretary and the organiser see it, others nothing (SG-06)."""
    consilium = reader.consilium(consilium_id)
    seat = consilium.seat_of(person.id)
    officer = seat is not None and (leads(consilium, seat) or seat.role == "secretary")
    planned = consilium.status in {ConsiliumStatus.PLANNED, ConsiliumStatus.OPEN}
    if not planned or not (officer or schedule.is_organiser(consilium, person)):
        return {}
    signers = [one.person_id for one in consilium.seats if kinds.signs(consilium.kind, one.role)]
    found = readiness_of(reader, signers, consilium.scheduled_at, at)
    return {str(one): line for one, line in found.items()}


def readiness_of(
    reader: Reader, people: Iterable[UUID], needed_at: datetime, at: datetime
) -> dict[UUID, dict[str, Any]]:
    """How ready each of these people is for `needed_at`, by person id."""
    ids = list(people)
    rows: dict[UUID, list[Readiness]] = defaultdict(list)
    for row in reader.all(Readiness, readiness.c.person_id.in_(ids)):
        rows[row.person_id].append(row)
    revoked = _revoked(reader, ids)
    return {one: _readiness_line(rules.best(rows[one]), needed_at, at, revoked) for one in ids}


def _readiness_line(
    row: Readiness | None, needed_at: datetime, at: datetime, revoked: frozenset[str]
) -> dict[str, Any]:
    return {
        "state": rules.state(row, needed_at, at, revoked),
        "code": row.code if row else "",
        "means": row.provider if row else "",
        "until": moment(row.certificate_until) if row else None,
        "checked_at": moment(row.checked_at) if row else None,
    }


def _revoked(reader: Reader, ids: list[UUID]) -> frozenset[str]:
    found = reader.all(Certificate, certificates.c.person_id.in_(ids), certificates.c.revoked_at.is_not(None))
    return frozenset(hashlib.sha256(one.der).hexdigest() for one in found)
