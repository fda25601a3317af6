"""A referral sends a patient with a question to an organisation, by guide 185."""

from __future__ import annotations

import dataclasses
from datetime import date
from pathlib import Path
from uuid import UUID

import pytest
from lxml import etree

from consilium.documents import referral
from consilium.documents.conformance import check
from consilium.documents.editions import REFERRALS, edition, referral_edition
from consilium.documents.facts import Coded, Organisation, ProtocolFacts, ProtocolKind
from consilium.documents.guides import Official
from consilium.documents.referral import Destination
from consilium.documents.required import missing_for_edition
from consilium.documents.view import read_document
from consilium.errors import Invalid
from tests.consilium.documents.protocols import CENTRE, PEOPLE, REGION, facts

NS = {"h": "urn:hl7-org:v3"}
EDITION = referral_edition(date(2026, 11, 23), frozenset({"185"}))
SENDER = dataclasses.replace(REGION, okpo="00000002", place=CENTRE.place)
TO = Destination(organisation=CENTRE, service=Coded(code="", name="Консилиум врачей"))
CODED = Destination(
    organisation=REGION,
    service=Coded(code="B01.027.001", name="Прием (осмотр, консультация) врача-онколога первичный"),
    comment="До 1 декабря",
)


def sent(**changes: object) -> ProtocolFacts:
    whole = facts()
    made = referral.case_facts(
        document_id=UUID(int=1),
        set_id=UUID(int=2),
        number="Н-1",
        at=whole.frozen_at,
        organisation=SENDER,
        patient=whole.patient,
        diagnosis=whole.diagnosis,
        question=whole.question,
        goal=whole.goal,
        urgency=whole.urgency,
        consent=whole.consent,
        doctor=PEOPLE[3],
        head=PEOPLE[0],
        payment=whole.payment,
        case_number="Т-2026-0042",
    )
    return dataclasses.replace(made, **changes)


@pytest.fixture(scope="module")
def official(semd_dir: Path) -> Official:
    found = Official.load(semd_dir)
    assert found is not None
    return found


@pytest.mark.needs_semd
@pytest.mark.parametrize("to", [TO, CODED])
@pytest.mark.parametrize(
    "made",
    [
        sent(),
        sent(payment=None),
        sent(question=""),
        sent(patient=dataclasses.replace(facts().patient, paper=None)),
    ],
)
def test_a_referral_meets_schema_and_rules(official: Official, made: ProtocolFacts, to: Destination) -> None:
    assert missing_for_edition(made, EDITION) == []
    report = check(referral.render(made, EDITION, to), official)
    assert (report.guide, report.xsd, report.errors) == ("185", True, ())
    assert report.rules_fired > 150


@pytest.mark.needs_semd
@pytest.mark.parametrize("code", ["8038", "833"])
def test_a_broken_referral_is_found(official: Official, code: str) -> None:
    document = etree.fromstring(referral.render(sent(), EDITION, TO))
    for one in document.xpath(f"//h:entry[h:*/h:code/@code='{code}']", namespaces=NS):
        one.getparent().remove(one)
    assert not check(bytes(etree.tostring(document)), official).conformant


def test_it_says_where_the_patient_is_sent_for_what_and_by_whom() -> None:
    document = etree.fromstring(referral.render(sent(), EDITION, TO))
    ids = document.xpath("//h:act//h:representedOrganization/h:id/@root", namespaces=NS)
    assert ids == [CENTRE.oid]
    assert document.findtext(".//h:originalText", "", NS) == "Консилиум врачей"
    comment = document.xpath("//h:observation[h:code/@code='10000']/h:value/text()", namespaces=NS)
    assert comment == ["Показана ли адъювантная терапия?"]
    assert document.xpath("h:author//h:family/text()", namespaces=NS) == ["Лечащева"]
    assert document.xpath("h:legalAuthenticator//h:family/text()", namespaces=NS) == ["Чайкина"]
    assert document.find("h:componentOf", NS) is None


def test_a_reader_sees_it_too() -> None:
    (destination, diagnoses) = read_document(referral.render(sent(), EDITION, CODED)).chapters
    rows = dict(destination.parts[0].rows)
    assert rows["Направлен в"] == REGION.name
    assert rows["Услуга"].startswith("B01.027.001")
    assert [part.text for part in destination.parts[1:]] == [facts().question, "До 1 декабря"]
    assert diagnoses.parts[0].rows[0][1] == "C18.7"


def test_only_an_edition_of_referrals_will_do() -> None:
    with pytest.raises(Invalid) as refused:
        referral.render(sent(), edition(ProtocolKind.GENERAL, date(2026, 11, 23)), TO)
    assert refused.value.code == "unknown_code"


@pytest.mark.parametrize(
    "to, code, field",
    [
        (dataclasses.replace(TO, comment="a\u202eb"), "text_refused", "to.comment"),
        (
            dataclasses.replace(TO, organisation=Organisation(oid="1.2.066", name="X")),
            "invalid_field",
            "to.organisation.oid",
        ),
    ],
)
def test_a_destination_that_cannot_be_written_is_refused(to: Destination, code: str, field: str) -> None:
    with pytest.raises(Invalid) as refused:
        referral.render(sent(), EDITION, to)
    assert (refused.value.code, refused.value.details["field"]) == (code, field)


def test_the_doctor_answers_himself_where_nobody_else_does() -> None:
    alone = referral.case_facts(
        **{
            name: getattr(sent(), name)
            for name in (
                "document_id",
                "set_id",
                "number",
                "organisation",
                "patient",
                "diagnosis",
                "question",
                "goal",
                "urgency",
                "consent",
            )
        },
        at=sent().frozen_at,
        doctor=PEOPLE[3],
        head=PEOPLE[3],
    )
    assert alone.participants == (PEOPLE[3],)
    assert alone.authenticator_id == alone.author_id == "p4"


def test_the_older_edition_is_still_named_in_the_table() -> None:
    assert [row.registry_kind for row in REFERRALS] == ["85", "185"]
