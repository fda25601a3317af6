"""A migrated store on both databases and a small world in it: one organisation, people, one consilium."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest

from consilium.model import (
    AgendaItem,
    Case,
    CaseStatus,
    Consilium,
    ConsiliumStatus,
    Organisation,
    Person,
    Protocol,
    ProtocolStatus,
    Resolution,
    Seat,
)
from consilium.store import Store

AT = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)


@dataclass(frozen=True)
class World:
    """Ids of what `world` has put into the store."""

    store: Store
    organisation: UUID
    people: tuple[UUID, ...]
    case: UUID
    consilium: UUID
    seats: tuple[UUID, ...]
    item: UUID
    resolution: UUID
    protocol: UUID


@pytest.fixture
def store(database_url: str) -> Iterator[Store]:
    made = Store(database_url)
    made.migrate()
    yield made
    made.close()


@pytest.fixture
def world(store: Store) -> World:
    return make_world(store)


def make_world(store: Store) -> World:
    organisation = an_organisation()
    people = [a_person(organisation.id, f"member{n}") for n in range(3)]
    case = a_case(people[0])
    consilium = a_consilium(organisation, people, case)
    protocol = Protocol(
        id=uuid4(),
        set_id=uuid4(),
        number="П-1",
        consilium_id=consilium.id,
        item_id=consilium.agenda[0].id,
        case_id=case.id,
        organisation_id=organisation.id,
        status=ProtocolStatus.DRAFTING,
        created_at=AT,
    )
    with store.write(AT) as tx:
        for one in (organisation, *people, case, consilium, protocol):
            tx.add(one)
    return World(
        store=store,
        organisation=organisation.id,
        people=tuple(one.id for one in people),
        case=case.id,
        consilium=consilium.id,
        seats=tuple(one.id for one in consilium.seats),
        item=consilium.agenda[0].id,
        resolution=consilium.resolutions[0].id,
        protocol=protocol.id,
    )


def an_organisation() -> Organisation:
    return Organisation(
        id=uuid4(),
        oid="1.2.643.5.1.13.13.12.2.77.1",
        name="НМИЦ (демонстрация)",
        short_name="НМИЦ",
        ogrn="1027700132195",
        inn="7707083893",
        address="Москва",
    )


def a_person(organisation_id: UUID, login: str) -> Person:
    return Person(
        id=uuid4(),
        organisation_id=organisation_id,
        login=login,
        password_hash="",
        surname="Иванова",
        given="Анна",
        patronymic="Петровна",
        snils="11223344595",
        position="врач-онколог",
        position_code="",
        speciality="",
        duties=["doctor"],
    )


def a_case(author: Person) -> Case:
    return Case(
        id=uuid4(),
        number="",
        status=CaseStatus.SCHEDULED,
        author_id=author.id,
        sender_id=author.organisation_id,
        receiver_id=author.organisation_id,
        profile="онкология",
        created_at=AT,
    )


def a_consilium(organisation: Organisation, people: list[Person], case: Case) -> Consilium:
    roles = ("chair", "secretary", "member")
    seats = [
        Seat(
            id=uuid4(),
            person_id=person.id,
            role=role,
            order=order,
            name=person.full_name,
            position=person.position,
            organisation_id=organisation.id,
            organisation_name=organisation.short_name,
        )
        for order, (person, role) in enumerate(zip(people, roles, strict=True))
    ]
    item = AgendaItem(id=uuid4(), case_id=case.id, order=1)
    wording = Resolution(
        id=uuid4(), item_id=item.id, number=1, wording="Показано лечение", author_seat_id=seats[0].id
    )
    return Consilium(
        id=uuid4(),
        number="К-1",
        kind="general",
        status=ConsiliumStatus.OPEN,
        organisation_id=organisation.id,
        organiser_id=organisation.id,
        coordinator_id=people[0].id,
        scheduled_at=AT + timedelta(hours=1),
        duration_minutes=30,
        created_at=AT,
        seats=seats,
        agenda=[item],
        resolutions=[wording],
    )
