"""The extract of a commission's protocol, by real commands: refused, made, filed, annulled and made again."""

from dataclasses import replace
from pathlib import Path
from uuid import UUID

import pytest
from lxml import etree

from consilium import commands as c
from consilium import sealing
from consilium.documents.conformance import check
from consilium.documents.guides import Official
from consilium.filing.compose import registry_kind
from consilium.model import CaseStatus, FilingStatus, Protocol, ProtocolStatus
from consilium.seal.report import verify_package
from consilium.service import Service
from tests.consilium.test_papers_path import act_about, seal, signed_and_sealed
from tests.people import World

COMMISSION = ("deputy", "secretary", "member1", "member2")
ASKED = "Заявление пациента"


def commission(world: World, **options) -> Protocol:
    return seal(world, world.signed(*COMMISSION, kind="commission", **options).id)


def extract_of(world: World, protocol: Protocol, by: str = "secretary") -> Protocol:
    wanted = c.MakeExtract(protocol=protocol.id, reason=ASKED, addressee="Поликлиника")
    return world.protocol(UUID(world.do(by, wanted)["protocol"]))


def forced(world: World, edition: str) -> World:
    """The same world under an operator's choice of the edition."""
    settings = replace(world.parts.settings, extract_edition=edition)
    return World(Service(replace(world.parts, settings=settings)), world.desk, world.keys)


# --- refused --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "login,code",
    [
        ("deputy", "not_your_role"),
        ("member1", "not_your_role"),
        ("nmic.admin", "not_found"),
        ("outsider", "not_found"),
    ],
)
def test_only_chair_and_secretary_make_an_extract(shared: World, login: str, code: str):
    protocol = commission(shared)
    assert shared.refusal(login, c.MakeExtract(protocol=protocol.id)).code == code


def test_before_the_seal_there_is_nothing_to_extract_from(shared: World):
    protocol = shared.signed(*COMMISSION, kind="commission")
    assert shared.refusal("chair", c.MakeExtract(protocol=protocol.id)).code == "wrong_step"


def test_a_second_extract_and_an_annulment_over_its_head_are_refused(shared: World):
    protocol = commission(shared)
    extract_of(shared, protocol)
    assert shared.refusal("chair", c.MakeExtract(protocol=protocol.id)).code == "already_extracted"
    wanted = c.AnnulProtocol(protocol=protocol.id, reason="Описка")
    assert shared.refusal("chair", wanted).code == "extract_stands"


def test_an_operator_cannot_force_an_edition_of_another_document(shared: World):
    protocol = commission(shared)
    refused = forced(shared, "190").refusal("chair", c.MakeExtract(protocol=protocol.id))
    assert (refused.code, refused.details["field"]) == ("unknown_code", "edition")


# --- done -----------------------------------------------------------------------------------------


def test_an_extract_is_signed_sealed_and_filed_like_any_paper(world: World):
    protocol = commission(world)
    extract = extract_of(world, protocol)
    assert world.signer_logins(extract.id) == ["chair", "secretary"]
    assert extract.document_id != protocol.document_id
    done = signed_and_sealed(world, extract.id)
    assert (done.status, done.filing) == (ProtocolStatus.SEALED, FilingStatus.QUEUED)
    assert world.protocol(protocol.id).filing is FilingStatus.NONE
    content = (sealing.packages(world.parts) / done.package_name).read_bytes()
    assert verify_package(content, roots=world.parts.trust(), at=world.now).held
    said = " ".join(etree.fromstring(done.document).itertext())
    assert "Рекомендовать оперативное лечение." in said
    assert protocol.number in said


def test_an_extract_says_nothing_of_the_other_cases_of_the_meeting(shared: World):
    other = shared.accepted(surname="Посторонний", given="Пётр")
    cases = [shared.accepted(), other]
    document = extract_of(shared, commission(shared, cases=cases)).document.decode()
    assert "Образцов" in document
    assert "Посторонн" not in document
    assert shared.case(other).number not in document


def test_an_annulled_extract_is_made_again_in_the_same_set_with_the_next_version(shared: World):
    protocol = commission(shared)
    first = signed_and_sealed(shared, extract_of(shared, protocol).id)
    signed_and_sealed(shared, act_about(shared, first))
    assert shared.protocol(first.id).annulled_at is not None
    assert shared.case(protocol.case_id).status is CaseStatus.SEALED
    second = extract_of(shared, protocol)
    assert (second.set_id, second.version, second.replaces_id) == (first.set_id, 2, first.id)
    assert int(second.number[-5:]) == int(first.number[-5:]) + 1
    assert str(first.document_id) in second.document.decode()


def test_a_withdrawn_extract_leaves_its_number_and_makes_room(shared: World):
    protocol = commission(shared)
    first = extract_of(shared, protocol)
    shared.do("chair", c.DeclineSignature(protocol=first.id, reason="Не тот адресат"))
    assert shared.protocol(first.id).status is ProtocolStatus.WITHDRAWN
    second = extract_of(shared, protocol)
    assert (second.version, second.replaces_id) == (1, None)
    assert int(second.number[-5:]) == int(first.number[-5:]) + 1


@pytest.mark.needs_semd
def test_the_extract_of_a_real_meeting_holds_before_the_states_rules(shared: World, semd_dir: Path):
    world = forced(shared, "99")
    extract = extract_of(world, commission(world))
    assert registry_kind(extract.document) == "99"
    report = check(extract.document, Official.load(semd_dir))
    assert report.errors == ()
    assert report.rules_fired > 0
