"""What was annulled goes to no registry, and a number that comes too late is not the successor's."""

from uuid import UUID, uuid4

from consilium import commands as c
from consilium import registering
from consilium.actor import SYSTEM
from consilium.commands import RegistryFault
from consilium.filing.callback import CallbackResult
from consilium.filing.port import Registered
from consilium.model import CaseStatus, FilingStatus, Protocol
from tests.consilium.test_papers_path import annulled, sealed, signed_and_sealed
from tests.people import World

NUMBER = "77.26.01.000000931"


def tell(world: World, protocol: Protocol, step: str, **more) -> None:
    world.service.handle(c.RecordFiling(protocol=protocol.id, step=step, **more), SYSTEM, uuid4(), world.now)


def test_an_annulled_document_that_was_not_sent_is_never_sent(world: World):
    protocol = annulled(world, sealed(world))
    assert registering.file_protocol(world.parts, {"protocol": str(protocol.id)}) is None
    found = world.protocol(protocol.id)
    assert (found.filing, found.filing_message) == (FilingStatus.DEAD, "annulled")
    assert registering.file_protocol(world.parts, {"protocol": str(protocol.id)}) is None


def test_an_annulled_document_is_not_filed_again_by_hand(world: World):
    protocol = sealed(world)
    tell(world, protocol, "started")
    tell(
        world,
        protocol,
        "failed",
        failure="refused",
        reason="x",
        faults=[RegistryFault(code="INVALID_DOCTOR_NAME", number=1, message="")],
    )
    protocol = annulled(world, protocol)
    assert protocol.filing is FilingStatus.REJECTED
    assert world.refusal("nmic.admin", c.FileAgain(protocol=protocol.id)).code == "annulled"
    assert world.protocol(protocol.id).filing is FilingStatus.REJECTED


def test_a_number_that_comes_late_registers_the_annulled_version_and_not_the_case(world: World):
    old = sealed(world)
    tell(world, old, "started")
    tell(world, old, "acknowledged", message_id="m1")
    annulled(world, old)
    new_id = UUID(world.do("chair", c.ReplaceProtocol(protocol=old.id))["protocol"])
    world.do("chair", c.FreezeProtocol(protocol=new_id))
    successor = signed_and_sealed(world, new_id)
    assert world.case(old.case_id).status is CaseStatus.SEALED
    late = CallbackResult(
        local_uid=old.document_id, message_id="m1", answer=Registered(emdr_id=NUMBER, at=world.now)
    )
    registering.registry_answered(world.service, late)
    assert world.protocol(old.id).registry_number == NUMBER
    assert world.protocol(successor.id).registry_number == ""
    assert world.case(old.case_id).status is CaseStatus.SEALED
