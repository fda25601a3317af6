"""Consilia as pages show them, the form to plan one, and the calendar file."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from icalendar import Calendar, Event

from consilium.errors import NotFound
from consilium.model import (
    AgendaItem,
    Body,
    Case,
    CaseStatus,
    Consilium,
    ConsiliumStatus,
    Person,
    Protocol,
    RecordingSegment,
    Seat,
)
from consilium.queries.papers import papers_of
from consilium.queries.shown import case_line, moment, names_of, organisation_names
from consilium.rules import kinds, protocol, recording, request, schedule
from consilium.store import Reader
from consilium.store.tables import bodies, cases, consilia, people, protocols, recording_segments, seats

PAGE = 200
LIVING = frozenset({ConsiliumStatus.PLANNED, ConsiliumStatus.OPEN})


# --- lists ----------------------------------------------------------------------------------------


def consilia_list(reader: Reader, person: Person, at: datetime) -> dict[str, list[dict[str, Any]]]:
    """{next, past}: those the person sits in, and (coordinator, registrar) those of the organisation."""
    found = reader.all(Consilium, consilia.c.id.in_(_visible_ids(reader, person)))
    found.sort(key=lambda one: one.scheduled_at)
    ahead = [one for one in found if one.status in LIVING]
    past = [one for one in reversed(found) if one.status not in LIVING]
    return {
        "next": [consilium_line(reader, one, person) for one in ahead],
        "past": [consilium_line(reader, one, person) for one in past],
    }


def _visible_ids(reader: Reader, person: Person) -> list[UUID]:
    sits = sa.select(seats.c.consilium_id).where(seats.c.person_id == person.id)
    where: sa.ColumnElement[bool] = consilia.c.id.in_(sits)
    if oversees(person):
        own = sa.or_(
            consilia.c.organiser_id == person.organisation_id,
            consilia.c.organisation_id == person.organisation_id,
        )
        where = sa.or_(where, own)
    query = sa.select(consilia.c.id).where(where).order_by(consilia.c.scheduled_at.desc()).limit(PAGE)
    return list(reader.connection.execute(query).scalars())


def oversees(person: Person) -> bool:
    """Coordinators and registrars see all consilia their organisation holds or registers."""
    return not {"coordinator", "registrar"}.isdisjoint(person.duties)


def consilium_line(reader: Reader, consilium: Consilium, person: Person) -> dict[str, Any]:
    """One row of a list. No clinical words in it."""
    seat = consilium.seat_of(person.id)
    return {
        "id": str(consilium.id),
        "number": consilium.number,
        "kind": consilium.kind,
        "status": str(consilium.status),
        "scheduled_at": consilium.scheduled_at.isoformat(),
        "duration_minutes": consilium.duration_minutes,
        "organisation": organisation_names(reader, {consilium.organisation_id})[consilium.organisation_id],
        "role": seat.role if seat else None,
        "cases": len(consilium.agenda),
    }


# --- one consilium --------------------------------------------------------------------------------


def seen_consilium(reader: Reader, person: Person, consilium_id: UUID) -> Consilium:
    """Raises NotFound for whom it does not exist."""
    consilium = reader.consilium(consilium_id)
    own = person.organisation_id in {consilium.organiser_id, consilium.organisation_id}
    if consilium.seat_of(person.id) is None and not (own and oversees(person)):
        raise NotFound
    return consilium


def consilium_page(reader: Reader, person: Person, consilium_id: UUID, at: datetime) -> dict[str, Any]:
    """Time, people, rules and agenda; what a case is about only for whom it is open."""
    consilium = seen_consilium(reader, person, consilium_id)
    seat = consilium.seat_of(person.id)
    body = reader.find(Body, consilium.body_id)
    return {
        **consilium_line(reader, consilium, person),
        "revision": consilium.revision,
        "opened_at": moment(consilium.opened_at),
        "closed_at": moment(consilium.closed_at),
        "cancelled_reason": consilium.cancelled_reason,
        "coordinator": names_of(reader, {consilium.coordinator_id})[consilium.coordinator_id],
        "body": {"id": str(body.id), "name": body.name, "order_number": body.order_number} if body else None,
        "admission": str(seat.admission) if seat else None,
        "can": allowed(consilium, person),
        "recordings": _recordings(reader, person, consilium),
        "quorum": _quorum(consilium),
        "agenda": [_agenda_line(reader, person, consilium, item) for item in consilium.agenda],
        "seats": [_seat_line(consilium, one) for one in sorted(consilium.seats, key=lambda one: one.order)],
    }


def allowed(consilium: Consilium, person: Person) -> list[str]:
    """Subset of reschedule, cancel, seats, enter."""
    organises = schedule.is_organiser(consilium, person)
    planned = consilium.status is ConsiliumStatus.PLANNED
    living = consilium.status in LIVING
    rights = {
        "reschedule": organises and planned,
        "cancel": organises and planned,
        "seats": organises and living,
        "enter": consilium.seat_of(person.id) is not None and living,
    }
    return [name for name, granted in rights.items() if granted]


def _recordings(reader: Reader, person: Person, consilium: Consilium) -> list[dict[str, Any]]:
    """Every recording with its gaps; its files for whoever may open them."""
    files = reader.all(
        RecordingSegment,
        recording_segments.c.consilium_id == consilium.id,
        order=(recording_segments.c.began_at, recording_segments.c.file),
    )
    opens = recording.may_open(consilium, person)
    return [
        {
            "status": str(one.status),
            "asked_at": one.asked_at.isoformat(),
            "started_at": moment(one.started_at),
            "stopped_at": moment(one.stopped_at),
            "ground": one.ground,
            "gaps": [
                {
                    "reason": str(gap.reason),
                    "began_at": moment(gap.began_at),
                    "ended_at": moment(gap.ended_at),
                }
                for gap in recording.gaps(consilium, one)
            ],
            "bytes": sum(file.bytes for file in files if file.recording_id == one.id),
            "files": [_file_line(consilium, file) for file in files if opens and file.recording_id == one.id],
        }
        for one in sorted(consilium.recordings, key=lambda one: one.asked_at)
        if one.started_at is not None
    ]


def _file_line(consilium: Consilium, file: RecordingSegment) -> dict[str, Any]:
    seat = consilium.seat(file.seat_id)
    return {
        "id": str(file.id),
        "name": seat.name if seat else "",
        "what": file.what,
        "began_at": file.began_at.isoformat(),
        "seconds": round(file.milliseconds / 1000),
        "bytes": file.bytes,
        "digest": file.digest,
        "lost": file.lost,
        "cut": file.cut,
    }


def _quorum(consilium: Consilium) -> dict[str, int]:
    total = sum(kinds.counts_for_quorum(consilium.kind, seat.role) for seat in consilium.seats)
    return {"need": kinds.quorum_need(consilium.kind, total), "total": total}


def _seat_line(consilium: Consilium, seat: Seat) -> dict[str, Any]:
    return {
        "id": str(seat.id),
        "person": str(seat.person_id),
        "name": seat.name,
        "position": seat.position,
        "organisation": seat.organisation_name,
        "role": seat.role,
        "voting": kinds.is_voting(consilium.kind, seat.role),
        "signs": kinds.signs(consilium.kind, seat.role),
        "items": [str(item) for item in seat.invited_items],
        "admission": str(seat.admission),
    }


def _agenda_line(reader: Reader, person: Person, consilium: Consilium, item: AgendaItem) -> dict[str, Any]:
    case = reader.case(item.case_id)
    opened = request.sees_case(case, person, consilium)
    return {
        "item": str(item.id),
        "order": item.order,
        "status": str(item.status),
        "number": case.number,
        "case": str(case.id) if opened else None,
        "patient": case.patient.full_name if opened else "",
        "birth_date": moment(case.patient.birth_date) if opened else None,
        "question": case.question if opened else "",
        "protocol": _protocol_line(reader, person, consilium, item, case),
        "papers": _paper_lines(reader, person, consilium, item, case),
    }


def _paper_lines(
    reader: Reader, person: Person, consilium: Consilium, item: AgendaItem, case: Case
) -> list[dict[str, Any]]:
    """Protocol, extract, acts and versions of one case, for those who may read them."""
    return papers_of(reader, item.id) if protocol.sees_protocol(consilium, item, case, person) else []


def _protocol_line(
    reader: Reader, person: Person, consilium: Consilium, item: AgendaItem, case: Case
) -> dict[str, Any] | None:
    found = reader.find(Protocol, item.protocol_id)
    if found is None or not protocol.sees_protocol(consilium, item, case, person):
        return None
    return {"id": str(found.id), "number": found.number, "status": str(found.status)}


# --- planning -------------------------------------------------------------------------------------


def planning_page(
    reader: Reader, person: Person, case: UUID | None, change: UUID | None, at: datetime
) -> dict[str, Any]:
    """What the form to plan (or, with `change`, to reseat) a consilium chooses from; `case` is preselected.

    People: one's own organisation's and those of the organisations that sent the accepted cases. Raises
    NotFound for whoever is not a coordinator.
    """
    if "coordinator" not in person.duties:
        raise NotFound
    accepted = reader.all(
        Case,
        cases.c.receiver_id == person.organisation_id,
        cases.c.status == str(CaseStatus.ACCEPTED),
        order=(cases.c.deadline,),
    )
    changed = seen_consilium(reader, person, change) if change else None
    near = {person.organisation_id, *(one.sender_id for one in accepted)}
    if changed is not None:
        near |= {seat.organisation_id for seat in changed.seats}
    names = organisation_names(reader, near)
    authors = names_of(reader, {one.author_id for one in accepted})
    chosen = next((one for one in accepted if one.id == case), None)
    return {
        "case": str(case) if case else None,
        "kind": changed.kind if changed else chosen.wants_kind if chosen else "general",
        "change": _changed(changed) if changed else None,
        "organisations": [
            {"id": str(one), "name": names[one]} for one in sorted(near, key=lambda one: names[one])
        ],
        "organisation": str(person.organisation_id),
        "people": _people(reader, near, names, person.organisation_id),
        "bodies": [
            _body(one, at) for one in reader.all(Body, bodies.c.organisation_id == person.organisation_id)
        ],
        "kinds": {code: kind_rules(code) for code in kinds.KINDS},
        "cases": [
            {
                **case_line(one, names[one.sender_id]),
                "author": authors[one.author_id],
                "author_id": str(one.author_id),
                "sender": names[one.sender_id],
                "wants_kind": one.wants_kind,
                "goal_code": one.goal_code,
            }
            for one in accepted
        ],
    }


def _changed(consilium: Consilium) -> dict[str, Any]:
    order = {item.id: at for at, item in enumerate(consilium.agenda)}
    return {
        "id": str(consilium.id),
        "number": consilium.number,
        "kind": consilium.kind,
        "status": str(consilium.status),
        "revision": consilium.revision,
        "seats": [
            {
                "person": str(seat.person_id),
                "role": seat.role,
                "items": [order[item] for item in seat.invited_items],
            }
            for seat in consilium.seats
        ],
    }


def _people(
    reader: Reader, near: set[UUID], names: dict[UUID | None, str], own: UUID
) -> dict[str, list[dict[str, str]]]:
    found = reader.all(
        Person, people.c.organisation_id.in_(near), people.c.active, order=(people.c.surname, people.c.given)
    )
    ordered = sorted(near, key=lambda one: (one != own, names[one]))
    return {
        names[organisation]: [
            {"id": str(one.id), "name": one.full_name, "position": one.position}
            for one in found
            if one.organisation_id == organisation and "doctor" in one.duties
        ]
        for organisation in ordered
    }


def _body(body: Body, at: datetime) -> dict[str, Any]:
    return {
        "id": str(body.id),
        "name": body.name,
        "order_number": body.order_number,
        "order_date": moment(body.order_date),
        "members": [
            {
                "person": str(one.person_id),
                "role": one.role,
                "deputises_for": str(one.deputises_for) if one.deputises_for else None,
            }
            for one in schedule.members_on(body, at.date())
        ],
    }


def kind_rules(code: str) -> dict[str, Any]:
    """One kind's rules as data, for a page that explains and forecasts."""
    rules = kinds.KINDS[code]
    return {
        "code": code,
        "minimum": rules.minimum,
        "required_roles": sorted(rules.required_roles),
        "allowed_roles": [role for role in kinds.ROLES if role in rules.allowed_roles],
        "presiding_role": rules.presiding_role,
        "voting_roles": [role for role in kinds.ROLES if role in rules.voting_roles],
        "quorum_roles": [role for role in kinds.ROLES if role in rules.quorum_roles],
        "signer_roles": [role for role in kinds.ROLES if role in rules.signer_roles],
        "quorum": {
            "numerator": rules.quorum.share_numerator,
            "denominator": rules.quorum.share_denominator,
            "floor": rules.quorum.floor,
            "strict": rules.quorum.strict,
        },
        "majority": {
            "numerator": rules.majority.numerator,
            "denominator": rules.majority.denominator,
            "strict": rules.majority.strict,
            "base": rules.majority.base,
        },
        "casting_vote": rules.casting_vote,
        "needs_body": rules.needs_body,
    }


# --- calendar -------------------------------------------------------------------------------------

KIND_NAMES: dict[str, dict[str, str]] = {
    "ru": {
        "general": "Консилиум врачей",
        "oncological": "Онкологический консилиум",
        "consultation": "Телемедицинская консультация",
        "commission": "Врачебная комиссия",
    },
    "en": {
        "general": "Consilium",
        "oncological": "Oncological consilium",
        "consultation": "Consultation",
        "commission": "Medical commission",
    },
}


def ics(reader: Reader, person: Person, consilium_id: UUID, origin: str = "") -> bytes:
    """The meeting for a calendar (RFC 5545). No patient, no question: calendars travel anywhere."""
    consilium = seen_consilium(reader, person, consilium_id)
    kind = KIND_NAMES[person.language][consilium.kind]
    entry = Event()
    entry.add("uid", f"{consilium.id}@consilium")
    entry.add("summary", f"{kind} № {consilium.number}")
    entry.add("dtstamp", consilium.created_at)
    entry.add("dtstart", consilium.scheduled_at)
    entry.add("dtend", consilium.scheduled_at + timedelta(minutes=consilium.duration_minutes))
    entry.add("sequence", consilium.revision)
    cancelled = consilium.status is ConsiliumStatus.CANCELLED
    entry.add("status", "CANCELLED" if cancelled else "CONFIRMED")
    entry.add("class", "CONFIDENTIAL")
    if origin:
        entry.add("url", f"{origin}/consilia/{consilium.id}")
    calendar = Calendar()
    calendar.add("prodid", "-//Consilium//RU")
    calendar.add("version", "2.0")
    calendar.add("method", "CANCEL" if cancelled else "PUBLISH")
    calendar.add_component(entry)
    return bytes(calendar.to_ical())


def protocols_of(reader: Reader, consilium_id: UUID) -> list[UUID]:
    """Ids of the protocols a consilium has made."""
    query = sa.select(protocols.c.id).where(protocols.c.consilium_id == consilium_id)
    return list(reader.connection.execute(query).scalars())
