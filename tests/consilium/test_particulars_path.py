"""What the consilium settled on, from its entry to the frozen bytes and the state's own rules. Refusals first."""

import json
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from lxml import etree

from consilium import commands as c
from consilium import sealing
from consilium.demo_settled import settled
from consilium.directory import nsi, nsi_files
from consilium.documents.conformance import check
from consilium.documents.guides import Official
from consilium.documents.terms import BUILT_IN
from consilium.model import Advice, Particulars, Picked, Protocol, ProtocolStatus, SettledDiagnosis
from consilium.model.particulars import digest_of, read_particulars
from consilium.rules import papers
from consilium.rules.particulars import PLACES
from tests.people import World

ALL = ("deputy", "secretary", "member1", "ivanova")
V3 = {"v": "urn:hl7-org:v3"}
MAIN = SettledDiagnosis(code="C50.4", kind="1", text="Рак левой молочной железы")
GIVEN = Particulars(diagnoses=(MAIN,), advice=(Advice(kind="regime", text="Щадящий"),))


def writing(protocol: Protocol, given: Particulars, seen: str = "") -> c.WriteParticulars:
    return c.WriteParticulars(protocol=protocol.id, before=digest_of(seen), particulars=given)


def entry_values(document: bytes, section: str) -> list[etree._Element]:
    found = etree.fromstring(document).xpath(
        f"//v:section[v:code/@code='{section}']/v:entry/v:observation", namespaces=V3
    )
    assert isinstance(found, list)
    return found  # type: ignore[return-value]  # the path leads to elements


def words(document: bytes) -> str:
    return " ".join(" ".join(etree.fromstring(document).itertext()).split())


@pytest.mark.parametrize(
    "login,code",
    [
        ("member1", "not_your_role"),
        ("deputy", "not_your_role"),
        ("ivanova", "not_your_role"),
        ("nmic.admin", "not_found"),
        ("outsider", "not_found"),
    ],
)
def test_only_chair_and_secretary_enter_what_was_settled_on(shared: World, login: str, code: str):
    protocol = shared.decided(*ALL)
    assert shared.refusal(login, writing(protocol, GIVEN)).code == code
    assert shared.protocol(protocol.id).particulars == ""


def test_treacherous_text_is_refused_with_its_place(shared: World):
    protocol = shared.decided(*ALL)
    given = Particulars(advice=(Advice(kind="other", text="слева \u202e направо"),))
    refused = shared.refusal("chair", writing(protocol, given))
    assert (refused.code, refused.details["field"]) == ("text_refused", "advice.0.text")


def test_what_was_settled_on_is_entered_by_who_may_write_and_journaled(world: World):
    protocol = world.decided(*ALL)
    answer = world.do("secretary", writing(protocol, GIVEN))
    kept = world.protocol(protocol.id).particulars
    assert answer == {"digest": digest_of(kept)}
    assert read_particulars(kept) == GIVEN
    assert world.journal("protocol", protocol.id)[-1] == "ParticularsWritten"


def test_what_somebody_else_entered_meanwhile_is_not_overwritten(world: World):
    protocol = world.decided(*ALL)
    world.do("chair", writing(protocol, GIVEN))
    refused = world.refusal("secretary", writing(protocol, Particulars()))
    assert refused.code == "stale_revision"
    json.dumps(refused.details["current"])  # it travels
    assert refused.details["current"]["diagnoses"][0]["text"] == MAIN.text
    assert world.do("secretary", writing(protocol, Particulars(), world.protocol(protocol.id).particulars))


def test_after_the_freeze_nothing_is_entered_and_after_reopening_it_is_still_there(world: World):
    protocol = world.decided(*ALL)
    world.do("chair", writing(protocol, GIVEN))
    world.do("secretary", c.FreezeProtocol(protocol=protocol.id))
    kept = world.protocol(protocol.id).particulars
    assert world.refusal("chair", writing(protocol, Particulars(), kept)).code == "draft_frozen"
    world.do("chair", c.ReopenProtocol(protocol=protocol.id, reason="опечатка"))
    assert world.protocol(protocol.id).particulars == kept


def test_a_code_typed_with_russian_letters_is_the_code(world: World):
    protocol = world.decided(*ALL)
    typed = SettledDiagnosis(code="с50,4", kind="1", text="Рак")
    world.do("chair", writing(protocol, Particulars(diagnoses=(typed,))))
    assert read_particulars(world.protocol(protocol.id).particulars).diagnoses[0].code == "C50.4"


def test_without_an_entry_the_referrals_diagnosis_stands_and_the_document_says_so(world: World):
    protocol = world.frozen(*ALL)
    (stated,) = entry_values(protocol.document, "DGN")
    assert stated.find("v:value", V3).get("code") == world.case(protocol.case_id).diagnosis_code  # type: ignore[union-attr]  # the guide wants it
    assert "Диагноз приведён по направлению, иной не записан." in words(protocol.document)


def test_what_was_settled_on_takes_the_place_of_the_referrals_diagnosis(world: World):
    protocol = world.decided(*ALL)
    beside = SettledDiagnosis(code="I10", kind="3", text="Гипертоническая болезнь")
    world.do("chair", writing(protocol, Particulars(diagnoses=(beside, MAIN))))
    world.do("secretary", c.FreezeProtocol(protocol=protocol.id))
    document = world.protocol(protocol.id).document
    stated = entry_values(document, "DGN")
    assert [one.find("v:value", V3).get("code") for one in stated] == ["C50.4", "I10"]  # type: ignore[union-attr]  # the guide wants it
    assert "Диагноз установлен консилиумом." in words(document)
    assert "Диагноз при направлении" in words(document)


SETTLED = {kind: settled(kind, date(2026, 11, 23)) for kind in PLACES}


@pytest.mark.needs_semd
@pytest.mark.parametrize("kind", list(PLACES))
def test_everything_that_can_be_entered_holds_before_the_states_rules(
    world: World, semd_dir: Path, kind: str
):
    official = Official.load(semd_dir)
    protocol = decided(world, kind)
    by = "member1" if kind == "consultation" else "chair"
    world.do(by, writing(protocol, SETTLED[kind]))
    world.do(by, c.FreezeProtocol(protocol=protocol.id))
    frozen = world.protocol(protocol.id)
    assert frozen.status is ProtocolStatus.SIGNING
    report = check(frozen.document, official, BUILT_IN)
    assert [one.official for one in report.errors] == []
    for text in texts(SETTLED[kind]):
        assert text in words(frozen.document)


def decided(world: World, kind: str) -> Protocol:
    if kind == "consultation":
        return world.decided("ivanova", kind=kind)
    return world.decided(*ALL, kind=kind)


def texts(given: Particulars) -> list[str]:
    """Every word somebody typed."""
    found: list[Any] = [given.complaints, given.clinical_group.name]
    for one in given.diagnoses:
        found += [one.text, one.stage, one.tumour.name, one.node.name, one.metastasis.name]
    for line in given.advice:
        found += [line.text, line.method.name]
    return [text for text in (*found, *(one.name for one in given.services)) if text]


@pytest.mark.needs_semd
def test_the_treatment_of_an_oncological_consilium_is_coded_by_stage_method_and_day(
    world: World, semd_dir: Path
):
    protocol = decided(world, "oncological")
    line = Advice(
        kind="treatment",
        text="4 курса AC",
        method=Picked(name="Химиотерапия", code="41"),
        planned_on=date(2026, 12, 1),
    )
    world.do("chair", writing(protocol, Particulars(advice=(line,))))
    world.do("chair", c.FreezeProtocol(protocol=protocol.id))
    document = world.protocol(protocol.id).document
    (treatment,) = entry_values(document, "RECTREAT")
    assert treatment.find("v:value", V3).text == "4 курса AC"  # type: ignore[union-attr]  # the guide wants it
    assert treatment.find("v:effectiveTime", V3).get("value") == "20261201"  # type: ignore[union-attr]  # likewise
    inner = treatment.findall("v:entryRelationship/v:observation/v:value", V3)
    assert [one.get("code") or one.get("value") for one in inner] == ["41", "1"]


@pytest.mark.needs_semd
def test_categories_and_clinical_group_by_code_have_their_places_in_the_oncological_document(
    world: World, semd_dir: Path, tmp_path: Path
):
    """Codes are written where the dictionary of groups was imported; TNM's are known from published samples."""
    groups = {"oid": f"{nsi_files.BASE}99.2.146", "version": "1.1", "fullName": "Клинические группы"}
    path = tmp_path / "99.2.146.json"
    path.write_text(json.dumps(groups | {"rows": [{"ID": "2", "NAME": "II клиническая группа"}]}))
    with world.parts.store.write(world.now) as tx:
        nsi.keep(tx, nsi_files.read(path), world.now)
    protocol = decided(world, "oncological")
    category = Picked(name="G1", code="8442")
    tumour = replace(MAIN, tumour=category, node=Picked(name="N0 словами"), metastasis=category)
    given = Particulars(diagnoses=(tumour,), clinical_group=Picked(name="II", code="2"))
    world.do("chair", writing(protocol, given))
    world.do("chair", c.FreezeProtocol(protocol=protocol.id))
    document = world.protocol(protocol.id).document
    (group,) = entry_values(document, "DISPENSOBS")
    assert group.find("v:value", V3).get("displayName") == "II клиническая группа"  # type: ignore[union-attr]  # the guide wants it
    (stated,) = entry_values(document, "DGN")
    assert len(stated.findall(".//v:value[@code='8442']", V3)) == 2
    assert "TNM: G1 N0 словами G1" in words(document)
    assert check(document, Official.load(semd_dir), BUILT_IN).errors == ()


def test_the_extract_says_what_the_commission_settled_on(world: World):
    protocol = decided(world, "commission")
    world.do("chair", writing(protocol, SETTLED["commission"]))
    world.do("chair", c.FreezeProtocol(protocol=protocol.id))
    for login in world.signer_logins(protocol.id):
        world.sign(login, protocol.id)
    sealing.seal_protocol(world.parts, {"protocol": str(protocol.id)})
    made = world.do("secretary", c.MakeExtract(protocol=protocol.id, reason="Заявление", addressee=""))
    extract = world.protocol(UUID(made["protocol"])).document
    assert [one.find("v:value", V3).get("code") for one in entry_values(extract, "DGN")] == ["C34.1", "J44.8"]  # type: ignore[union-attr]  # the guide wants it
    assert "Диагноз установлен врачебной комиссией." in words(extract)
    assert "Верхняя лобэктомия справа" in words(extract)


def test_a_replacement_begins_with_what_was_settled_on(world: World):
    protocol = world.decided(*ALL)
    world.do("chair", writing(protocol, GIVEN))
    draft, _, _ = papers.replace(world.protocol(protocol.id), "S", "N", world.now)
    assert read_particulars(draft.particulars) == GIVEN
