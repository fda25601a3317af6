"""Consilia in memory for the rules' tests: a board of five, an attending doctor, an expert, an observer."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

from consilium.model import (
    Admission,
    AgendaItem,
    Attendance,
    Case,
    CaseDocument,
    CaseStatus,
    Consilium,
    ConsiliumStatus,
    ItemStatus,
    Seat,
)

NOON = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
ROLES = ("chair", "deputy", "secretary", "member", "member", "attending", "expert", "observer")


def later(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


def consilium(*roles: str, kind: str = "general", items: int = 2) -> Consilium:
    """Planned for noon, nobody has come yet."""
    organisation = uuid4()
    seats = [
        Seat(
            id=uuid4(),
            person_id=uuid4(),
            role=role,
            order=order,
            name=f"{role} {order}",
            position="врач",
            organisation_id=organisation,
            organisation_name="НМИЦ",
        )
        for order, role in enumerate(roles or ROLES)
    ]
    presiding = "consultant" if kind == "consultation" else "chair"
    return Consilium(
        id=uuid4(),
        chair_seat_id=next(each.id for each in seats if each.role == presiding),
        number="К-2026-000001",
        kind=kind,
        status=ConsiliumStatus.PLANNED,
        organisation_id=organisation,
        organiser_id=organisation,
        coordinator_id=uuid4(),
        scheduled_at=NOON,
        duration_minutes=30,
        created_at=NOON,
        seats=seats,
        agenda=[AgendaItem(id=uuid4(), case_id=uuid4(), order=order) for order in range(items)],
    )


def seat(one: Consilium, role: str, nth: int = 0) -> Seat:
    return [each for each in one.seats if each.role == role][nth]


def meeting(*roles: str, kind: str = "general", items: int = 2) -> Consilium:
    """Open, everybody admitted and present, the first case on the table."""
    one = consilium(*roles, kind=kind, items=items)
    one.status, one.opened_at = ConsiliumStatus.OPEN, NOON
    for each in one.seats:
        each.admission, each.online = Admission.ADMITTED, True
        one.attendance.append(Attendance(id=uuid4(), seat_id=each.id, joined_at=NOON))
    one.agenda[0].status, one.agenda[0].opened_at = ItemStatus.OPEN, NOON
    one.current_item_id = one.agenda[0].id
    return one


def away(one: Seat) -> None:
    one.online = False


def case(document: UUID | None = None) -> Case:
    documents = []
    if document is not None:
        documents = [
            CaseDocument(
                id=document,
                title="КТ",
                kind="image",
                dated=None,
                digest="0" * 64,
                size=1,
                media_type="image/png",
                added_by=uuid4(),
                added_at=NOON,
            )
        ]
    return Case(
        id=uuid4(),
        number="ТМК-2026-000001",
        status=CaseStatus.SCHEDULED,
        author_id=uuid4(),
        sender_id=uuid4(),
        receiver_id=uuid4(),
        profile="онкология",
        created_at=NOON,
        documents=documents,
    )


def names(happened: list[object]) -> list[str]:
    return [type(event).__name__ for event in happened]
