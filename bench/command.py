"""From a command to its durable acknowledgement, through the whole `Service.handle`.

    python -m bench.command [POSTGRESQL_ADDRESS]

Prints `name value unit`; DB is sqlite (WAL, synchronous=FULL), or postgres when an empty database's address is given:
  command.DB.cpu        us  CPU of this process per command (on PostgreSQL the server's own comes on top)
  command.DB.ack        ms  wall clock until the answer, median; .ack.p99: 99 of 100 are faster
  command.DB.repeated   us  CPU for a command id that was done before (the remembered answer)
  command.DB.chat_200.cpu   the same as .cpu in a consilium with 200 chat messages, which are loaded with it
  fsync                 ms  one 4 KiB write and fsync on the same disk, median: the floor of every acknowledgement
Medians of five interleaved rounds. A command is RaiseHand or LowerHand in an open consilium of ten seats and three
cases: lock, load, decide, save one row, journal one event, remember the answer, commit. One client, nobody else writes.
Not measured: the socket, JSON, many clients at once.
"""

import os
import statistics
import sys
import tempfile
import time
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from uuid import UUID, uuid4

from consilium import clock
from consilium.actor import Actor
from consilium.bootstrap import build
from consilium.commands import Command, LowerHand, RaiseHand
from consilium.model import (
    Admission,
    AgendaItem,
    Case,
    CaseStatus,
    ChatMessage,
    Consilium,
    ConsiliumStatus,
    Organisation,
    Person,
    Seat,
)
from consilium.service import Service
from consilium.settings import Settings
from consilium.store import Transaction

ROUNDS, COMMANDS = 5, 100
SEATS, CASES = 10, 3


@dataclass
class Figures:
    cpu: float
    waits: list[float]


def main(addresses: list[str]) -> int:
    """Print one line per figure."""
    with tempfile.TemporaryDirectory(dir=os.environ.get("TMPDIR")) as folder:
        for name, address in [("sqlite", ""), *(("postgres", one) for one in addresses)]:
            show(name, Service(build(settings(Path(folder) / name, address))))
        print(f"fsync {statistics.median(fsyncs(Path(folder))) * 1e3:.3f} ms")
    return 0


def settings(folder: Path, address: str) -> Settings:
    """A throwaway installation; its folder is on the disk that is measured."""
    return Settings.from_environment(
        {"CONSILIUM_DEMO": "1", "CONSILIUM_DATA_DIR": str(folder), "CONSILIUM_DATABASE_URL": address}
    )


def show(name: str, service: Service) -> None:
    """All figures of one database."""
    quiet, chatty = (a_consilium(service, messages) for messages in (0, 200))
    rounds = [(measured(service, *quiet), measured(service, *chatty)) for _ in range(ROUNDS)]
    waits = sorted(wait for short, _ in rounds for wait in short.waits)
    print(f"command.{name}.cpu {statistics.median(short.cpu for short, _ in rounds):.0f} us")
    print(f"command.{name}.ack {statistics.median(waits) * 1e3:.3f} ms")
    print(f"command.{name}.ack.p99 {waits[int(len(waits) * 0.99)] * 1e3:.3f} ms")
    print(f"command.{name}.chat_200.cpu {statistics.median(long.cpu for _, long in rounds):.0f} us")
    print(f"command.{name}.repeated {repeated(service, *quiet):.0f} us")
    service.parts.close()


def measured(service: Service, consilium: UUID, actor: Actor) -> Figures:
    """CPU microseconds per command and each command's seconds."""
    waits = []
    before = time.process_time()
    for number in range(COMMANDS):
        wish: Command = LowerHand(consilium=consilium) if number % 2 else RaiseHand(consilium=consilium)
        started = time.perf_counter()
        service.handle(wish, actor, uuid4(), clock.now())
        waits.append(time.perf_counter() - started)
    return Figures((time.process_time() - before) / COMMANDS * 1e6, waits)


def repeated(service: Service, consilium: UUID, actor: Actor) -> float:
    wish, known = RaiseHand(consilium=consilium), uuid4()
    service.handle(wish, actor, known, clock.now())
    before = time.process_time()
    for _ in range(COMMANDS):
        assert service.handle(wish, actor, known, clock.now()).repeated
    return (time.process_time() - before) / COMMANDS * 1e6


def fsyncs(folder: Path) -> list[float]:
    """Seconds of a small write that has reached the disk."""
    found = []
    with (folder / "probe").open("wb", buffering=0) as file:
        for _ in range(ROUNDS * COMMANDS):
            started = time.perf_counter()
            file.write(b"x" * 4096)
            os.fsync(file.fileno())
            found.append(time.perf_counter() - started)
    return found


def a_consilium(service: Service, messages: int) -> tuple[UUID, Actor]:
    """An open consilium with everybody in it, and somebody who may raise his hand."""
    at = clock.now()

    def work(tx: Transaction) -> Consilium:
        organisation = an_organisation()
        people = [a_person(organisation, number) for number in range(SEATS)]
        cases = [a_case(people[0], at) for _ in range(CASES)]
        made = a_meeting(organisation, people, cases, messages)
        for one in (organisation, *people, *cases, made):
            tx.add(one)
        return made

    made = service.parts.store.run(at, work)
    member = made.seats[-1]
    return made.id, Actor(person_id=member.person_id, organisation_id=made.organisation_id)


def an_organisation() -> Organisation:
    return Organisation(
        id=uuid4(), oid=str(uuid4()), name="НМИЦ", short_name="НМИЦ", ogrn="", inn="", address=""
    )


def a_person(organisation: Organisation, number: int) -> Person:
    return Person(
        id=uuid4(),
        organisation_id=organisation.id,
        login=uuid4().hex,
        password_hash="",
        surname=f"Врач{number}",
        given="Анна",
        patronymic="",
        snils="",
        position="врач-онколог",
        position_code="",
        speciality="",
        duties=["doctor"],
    )


def a_case(author: Person, at: datetime) -> Case:
    return Case(
        id=uuid4(),
        number=uuid4().hex,
        status=CaseStatus.SCHEDULED,
        author_id=author.id,
        sender_id=author.organisation_id,
        receiver_id=author.organisation_id,
        profile="онкология",
        created_at=at,
    )


def a_meeting(
    organisation: Organisation, people: list[Person], cases: list[Case], messages: int
) -> Consilium:
    at = clock.now()
    roles = ["chair", "secretary", *["member"] * (len(people) - 2)]
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
            admission=Admission.ADMITTED,
            online=True,
        )
        for order, (person, role) in enumerate(zip(people, roles, strict=True))
    ]
    return Consilium(
        id=uuid4(),
        number=uuid4().hex,
        kind="general",
        status=ConsiliumStatus.OPEN,
        organisation_id=organisation.id,
        organiser_id=organisation.id,
        coordinator_id=people[0].id,
        scheduled_at=at,
        duration_minutes=60,
        created_at=at - timedelta(days=1),
        opened_at=at,
        chair_seat_id=seats[0].id,
        seats=seats,
        agenda=[AgendaItem(id=uuid4(), case_id=case.id, order=order) for order, case in enumerate(cases)],
        chat=[ChatMessage(id=uuid4(), seat_id=seats[0].id, text="x" * 80, at=at) for _ in range(messages)],
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
