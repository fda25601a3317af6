"""The registrar, the worker and the registry at once: one outcome, one row of work, one number."""

import threading
from collections.abc import Callable
from typing import Any
from uuid import UUID, uuid4

import sqlalchemy as sa

from consilium import commands as c
from consilium import registering, sealing
from consilium.actor import SYSTEM
from consilium.errors import ConsiliumError
from consilium.filing.callback import CallbackResult
from consilium.filing.port import Registered, RegistryError, Rejected
from consilium.filing.states import BROKEN_LIMIT
from consilium.model import FilingStatus, Protocol
from consilium.store.tables import outbox
from tests.people import World

ALL = ("deputy", "secretary", "member1", "ivanova")
FAULT = RegistryError(code="NO_SNILS", number=0, message="")


def together(*asked: Callable[[], Any]) -> list[str]:
    """All at one moment; "done" or the code of the refusal."""
    line, said = threading.Barrier(len(asked)), [""] * len(asked)

    def run(place: int) -> None:
        line.wait(20)
        try:
            asked[place]()
            said[place] = "done"
        except ConsiliumError as refused:
            said[place] = refused.code

    threads = [threading.Thread(target=run, args=(place,)) for place in range(len(asked))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return said


def sealed(world: World) -> Protocol:
    protocol = world.signed(*ALL)
    sealing.seal_protocol(world.parts, {"protocol": str(protocol.id)})
    return world.protocol(protocol.id)


def tell(world: World, protocol: Protocol, step: str, **more: Any) -> None:
    wanted = c.RecordFiling(protocol=protocol.id, step=step, **more)
    world.service.handle(wanted, SYSTEM, uuid4(), world.now)


def answer(world: World, protocol: Protocol, said: Registered | Rejected, message: str = "m1") -> None:
    assert protocol.document_id is not None
    result = CallbackResult(local_uid=protocol.document_id, message_id=message, answer=said)
    registering.registry_answered(world.service, result)


def work_of(world: World, protocol: Protocol) -> int:
    """Rows of the queue that would send it."""
    with world.parts.store.read() as reader:
        query = sa.select(outbox.c.payload).where(
            outbox.c.kind == "protocol.file", outbox.c.status == "waiting"
        )
        rows = reader.connection.execute(query).scalars()
        return sum(one["protocol"] == str(protocol.id) for one in rows)


def test_a_dead_letter_sent_again_by_two_at_once_is_sent_once(world: World):
    protocol = sealed(world)
    tell(world, protocol, "failed", failure="refused", reason="registry_access_denied")
    assert world.protocol(protocol.id).filing is FilingStatus.DEAD
    before = world.journal("protocol", protocol.id).count("FilingQueued")
    again = c.FileAgain(protocol=protocol.id)
    said = together(*[lambda: world.do("nmic.admin", again)] * 3)
    assert sorted(said) == ["done", "wrong_step", "wrong_step"]
    assert world.journal("protocol", protocol.id).count("FilingQueued") == before + 1
    assert work_of(world, protocol) == 1


def test_two_numbers_at_once_and_a_rejection_leave_one_number(world: World):
    for turn in range(3):
        protocol = sealed(world)
        tell(world, protocol, "started")
        tell(world, protocol, "acknowledged", message_id="m1")
        numbers = [Registered(emdr_id=f"77.26.11.23.0000000{turn}{n}", at=world.now) for n in (1, 2)]
        said = together(
            lambda one=numbers[0], what=protocol: answer(world, what, one),
            lambda one=numbers[1], what=protocol: answer(world, what, one),
            lambda what=protocol: answer(world, what, Rejected(errors=(FAULT,))),
        )
        assert said == ["done"] * 3
        found = world.protocol(protocol.id)
        assert found.filing is FilingStatus.REGISTERED
        assert found.registry_number in {one.emdr_id for one in numbers}
        assert world.journal("protocol", protocol.id).count("ProtocolRegistered") == 1
        answer(world, protocol, numbers[0])
        answer(world, protocol, numbers[1])
        assert world.protocol(protocol.id).registry_number == found.registry_number


def test_what_is_annulled_while_its_number_comes_keeps_both(world: World):
    """The act is sealed and the registry answers in the same moment: the number is written, and it counts no more."""
    protocol = sealed(world)
    tell(world, protocol, "started")
    tell(world, protocol, "acknowledged", message_id="m1")
    made = world.do("chair", c.AnnulProtocol(protocol=protocol.id, reason="Ошибка в диагнозе"))
    act = world.protocol(UUID(made["protocol"]))
    for login in world.signer_logins(act.id):
        world.sign(login, act.id)
    number = Registered(emdr_id="77.26.11.23.000000003", at=world.now)
    said = together(
        lambda: sealing.seal_protocol(world.parts, {"protocol": str(act.id)}),
        lambda: answer(world, protocol, number),
    )
    assert said == ["done", "done"]
    found = world.protocol(protocol.id)
    assert (found.registry_number, found.filing) == (number.emdr_id, FilingStatus.REGISTERED)
    assert found.annulled_at is not None
    assert str(world.case(found.case_id).status) == "decided"


def test_a_number_given_to_two_documents_is_the_first_ones_and_the_other_ends_before_somebodys_eyes(
    world: World,
):
    first, second = sealed(world), sealed(world)
    number = Registered(emdr_id="77.26.11.23.000000009", at=world.now)
    for protocol in (first, second):
        tell(world, protocol, "started")
        tell(world, protocol, "acknowledged", message_id="m1")
    answer(world, first, number)
    for _ in range(BROKEN_LIMIT):
        assert world.protocol(second.id).filing is FilingStatus.WAITING
        answer(world, second, number)
    found = world.protocol(second.id)
    assert (found.filing, found.filing_message, found.registry_number) == (
        FilingStatus.DEAD,
        "registry_number_taken",
        "",
    )
    assert world.protocol(first.id).registry_number == number.emdr_id
    world.do("nmic.admin", c.FileAgain(protocol=second.id))
    answer(world, second, Registered(emdr_id="77.26.11.23.000000010", at=world.now))
    assert world.protocol(second.id).filing is FilingStatus.REGISTERED
