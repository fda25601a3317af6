"""Model objects for table tests of rules: no store, no clock."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from consilium.model import (
    AgendaItem,
    Attendance,
    Body,
    BodyMember,
    Case,
    CaseStatus,
    Consent,
    Consilium,
    ConsiliumStatus,
    ItemStatus,
    Organisation,
    Patient,
    Person,
    Protocol,
    ProtocolStatus,
    Seat,
    Signature,
)
from consilium.model.meeting import Admission
from consilium.rules.schedule import Plan, Sitting

AT = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
SENDER, RECEIVER, THIRD = UUID(int=1), UUID(int=2), UUID(int=3)


def person(organisation: UUID = RECEIVER, *duties: str, **changes: Any) -> Person:
    values: dict[str, Any] = {
        "id": uuid4(),
        "organisation_id": organisation,
        "login": "someone",
        "password_hash": "",
        "surname": "Иванова",
        "given": "Мария",
        "patronymic": "Петровна",
        "snils": "11223344595",
        "position": "врач",
        "position_code": "",
        "speciality": "",
        "duties": list(duties or ("doctor",)),
    }
    return Person(**(values | changes))


def organisation(key: UUID = RECEIVER) -> Organisation:
    return Organisation(
        id=key, oid="1.2.3", name="НМИЦ", short_name="НМИЦ", ogrn="1", inn="1", address="Москва"
    )


AUTHOR = person(SENDER, "doctor")
COORDINATOR = person(RECEIVER, "coordinator")
STRANGER = person(THIRD, "doctor", "coordinator", "registrar", "admin")


def case(status: CaseStatus = CaseStatus.DRAFT, **changes: Any) -> Case:
    """A complete request of AUTHOR to RECEIVER in some status."""
    values: dict[str, Any] = {
        "id": uuid4(),
        "number": "" if status is CaseStatus.DRAFT else "ТМК-2026-000001",
        "status": status,
        "author_id": AUTHOR.id,
        "sender_id": SENDER,
        "receiver_id": RECEIVER,
        "profile": "онкология",
        "created_at": AT,
        "patient": Patient(surname="Образцов", given="Иван", birth_date=date(1961, 2, 10), sex="1"),
        "consent": Consent(basis="consent", given_on=date(2026, 11, 20)),
        "diagnosis_code": "C34.1",
        "diagnosis_name": "ЗНО лёгкого",
        "question": "Тактика?",
        "goal_code": "25",
        "course": "С августа.",
        "condition": "Удовлетворительное.",
        "sent_at": None if status is CaseStatus.DRAFT else AT,
    }
    return Case(**(values | changes))


def seat(role: str, order: int = 1, who: Person | None = None, **changes: Any) -> Seat:
    who = who or person()
    values: dict[str, Any] = {
        "id": uuid4(),
        "person_id": who.id,
        "role": role,
        "order": order,
        "name": who.full_name,
        "position": who.position,
        "organisation_id": who.organisation_id,
        "organisation_name": "НМИЦ",
        "admission": Admission.ADMITTED,
    }
    return Seat(**(values | changes))


def consilium(*seats: Seat, kind: str = "general", **changes: Any) -> Consilium:
    """A running consilium over one decided item, open from AT to AT + 30 minutes."""
    item = AgendaItem(
        id=uuid4(),
        case_id=uuid4(),
        order=1,
        status=ItemStatus.DECIDED,
        opened_at=AT,
        closed_at=AT + timedelta(minutes=30),
    )
    values: dict[str, Any] = {
        "id": uuid4(),
        "number": "КС-2026-000001",
        "kind": kind,
        "status": ConsiliumStatus.OPEN,
        "organisation_id": RECEIVER,
        "organiser_id": RECEIVER,
        "coordinator_id": COORDINATOR.id,
        "scheduled_at": AT,
        "duration_minutes": 30,
        "created_at": AT - timedelta(days=1),
        "chair_seat_id": seats[0].id if seats else None,
        "seats": list(seats),
        "agenda": [item],
    }
    return Consilium(**(values | changes))


def stay(one: Seat, start: float, stop: float | None) -> Attendance:
    """In the room from `start` to `stop` minutes after AT; None: still inside."""
    left = None if stop is None else AT + timedelta(minutes=stop)
    return Attendance(id=uuid4(), seat_id=one.id, joined_at=AT + timedelta(minutes=start), left_at=left)


def signature(who: UUID, version: int = 1, **changes: Any) -> Signature:
    values: dict[str, Any] = {
        "id": uuid4(),
        "version": version,
        "seat_id": uuid4(),
        "person_id": who,
        "role": "member",
        "order": 1,
    }
    return Signature(**(values | changes))


def protocol(*rows: Signature, status: ProtocolStatus = ProtocolStatus.SIGNING, **changes: Any) -> Protocol:
    values: dict[str, Any] = {
        "id": uuid4(),
        "set_id": uuid4(),
        "number": "2026-00001",
        "consilium_id": uuid4(),
        "item_id": uuid4(),
        "case_id": uuid4(),
        "organisation_id": RECEIVER,
        "status": status,
        "created_at": AT,
        "document": b"<xml/>",
        "digest": "ab" * 32,
        "document_id": uuid4(),
        "signatures": list(rows),
    }
    return Protocol(**(values | changes))


def sitting(role: str, who: Person | None = None, case_ids: tuple[UUID, ...] = ()) -> Sitting:
    who = who or person()
    return Sitting(person=who, organisation=organisation(who.organisation_id), role=role, case_ids=case_ids)


def plan(kind: str, *sittings: Sitting, **changes: Any) -> Plan:
    values: dict[str, Any] = {
        "kind": kind,
        "organisation_id": RECEIVER,
        "scheduled_at": AT + timedelta(hours=1),
        "duration_minutes": 30,
        "cases": [case(CaseStatus.ACCEPTED)],
        "sittings": list(sittings),
        "body": None,
    }
    return Plan(**(values | changes))


def member(
    who: Person,
    role: str = "member",
    since: int = -100,
    until: int | None = None,
    instead: Person | None = None,
) -> BodyMember:
    """Days counted from AT."""
    return BodyMember(
        id=uuid4(),
        person_id=who.id,
        role=role,
        since=(AT + timedelta(days=since)).date(),
        until=None if until is None else (AT + timedelta(days=until)).date(),
        deputises_for=instead.id if instead else None,
    )


def body(*members: BodyMember) -> Body:
    return Body(
        id=uuid4(),
        organisation_id=RECEIVER,
        name="ВК",
        order_number="117",
        order_date=date(2026, 1, 12),
        members=list(members),
    )
