"""Documents of every kind are what the state's own rules demand; broken ones are found."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path
from uuid import UUID

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from lxml import etree

from consilium.directory import nsi
from consilium.documents import extract, referral
from consilium.documents.cda import render
from consilium.documents.conformance import check
from consilium.documents.editions import EDITIONS, EXTRACTS, REFERRALS, edition
from consilium.documents.facts import (
    Coded,
    Diagnosis,
    Encounter,
    Payment,
    PersonName,
    Policy,
    ProtocolFacts,
    ProtocolKind,
    SeatKind,
)
from consilium.documents.finding_words import LACKS
from consilium.documents.guides import Official
from consilium.documents.judge import judge
from consilium.documents.record import Result, ResultAuthor, ResultKind
from consilium.documents.required import missing_for_edition
from consilium.documents.terms import BUILT_IN, Terms
from consilium.documents.validate import check_xml
from consilium.documents.view import read_document
from consilium.errors import Invalid
from tests.consilium.documents.any_protocol import any_protocol, of_commission, referred
from tests.consilium.documents.hospital import replaced
from tests.consilium.documents.protocols import PEOPLE, REGION, START, facts, participant

NS = {"h": "urn:hl7-org:v3"}
DAY = date(2026, 11, 23)
POLICY = Policy(kind=Coded(code="2", name=""), number="1", valid_from=date(2020, 1, 1))


FEW = settings(
    max_examples=15,
    deadline=None,
    phases=(Phase.explicit, Phase.reuse, Phase.generate),  # shrinking a whole protocol takes minutes
    suppress_health_check=[
        HealthCheck.function_scoped_fixture,
        HealthCheck.too_slow,
        HealthCheck.data_too_large,
    ],
)


@pytest.fixture(scope="module")
def official(semd_dir: Path) -> Official:
    found = Official.load(semd_dir)
    assert found is not None
    return found


@pytest.fixture(scope="module")
def published(semd_dir: Path) -> Terms:
    """Every saved dictionary, whole."""
    found, _ = nsi.of_folder(semd_dir)
    return nsi.terms_of(nsi._dictionary(one) for one in found)


def found_in(data: bytes, path: str) -> list[str]:
    return [str(one) for one in etree.fromstring(data).xpath(path, namespaces=NS)]


# Rules of the state


@pytest.mark.needs_semd
@pytest.mark.parametrize("terms", ["built in", "published"])
def test_an_oncological_protocol_meets_schema_rules_and_dictionaries(
    official: Official, published: Terms, terms: str
) -> None:
    known = published if terms == "published" else BUILT_IN
    report = check(render(facts(), known), official, known)
    assert (report.guide, report.xsd, report.errors) == ("190", True, ())
    assert report.rules_fired > 300


@pytest.mark.needs_semd
@FEW
@given(made=any_protocol())
def test_whatever_is_said_in_whichever_words_an_oncological_protocol_conforms(
    official: Official, made: ProtocolFacts
) -> None:
    assert missing_for_edition(made, edition(made.kind, DAY)) == []
    report = check(render(made), official)
    assert (report.xsd, report.errors) == (True, ())
    assert report.rules_fired > 300


@pytest.mark.needs_semd
@FEW
@given(made=any_protocol())
def test_so_do_consultations_extracts_and_referrals(official: Official, made: ProtocolFacts) -> None:
    source = extract.ParentDocument(
        document_id=UUID(int=1), number=made.number, version=1, held_at=made.started_at
    )
    to = referral.Destination(organisation=REGION, service=Coded(code="", name=made.goal_text))
    commission, sent = of_commission(made), referred(made)
    assert missing_for_edition(commission, EXTRACTS[0]) == []
    assert missing_for_edition(sent, REFERRALS[1]) == []
    rendered = {
        "40": render(dataclasses.replace(made, kind=ProtocolKind.CONSULTATION)),
        "99": extract.render(commission, EXTRACTS[0], source),
        "185": referral.render(sent, REFERRALS[1], to),
    }
    for guide, data in rendered.items():
        report = check(data, official)
        assert (report.guide, report.xsd, report.errors) == (guide, True, ())


@pytest.mark.needs_semd
def test_a_consultation_is_valid_by_its_schema_as_it_lies(official: Official, published: Terms) -> None:
    report = check(render(facts(kind=ProtocolKind.CONSULTATION), published), official, published)
    assert (report.guide, report.xsd, report.errors) == ("40", True, ())


@pytest.mark.needs_semd
def test_the_general_protocols_header_is_that_of_the_newest_published_generation(official: Official) -> None:
    """Guide 204 is the nearest published header; what differs are the numbers of the kind itself."""
    rules = official.guides["204"].rules
    assert rules is not None
    verdict = judge().judge(rules, render(facts(kind=ProtocolKind.GENERAL)))
    heading = [one.path for one in verdict.hits if "structuredBody" not in one.path]
    assert verdict.fired > 200
    assert heading
    own = re.compile(r"ClinicalDocument(\[1\])?/\S*(templateId|translation|code)(\[1\])?$")
    assert [one for one in heading if not own.search(one)] == []


@pytest.mark.needs_semd
@pytest.mark.parametrize("kind", list(ProtocolKind))
def test_every_name_and_version_is_the_published_one(
    official: Official, published: Terms, kind: ProtocolKind
) -> None:
    report = check(render(facts(kind=kind), published), official, published)
    named = [one for one in report.findings if one.code in {"name_differs", "version_unknown"}]
    assert named == []


# Broken documents


def without(path: str) -> Callable[[bytes], bytes]:
    """Takes every element of a path out of a rendered document."""

    def cut(data: bytes) -> bytes:
        document = etree.fromstring(data)
        found = document.xpath(path, namespaces=NS)
        assert found
        for one in found:
            one.getparent().remove(one)
        return bytes(etree.tostring(document))

    return cut


def with_attribute(path: str, name: str, value: str) -> Callable[[bytes], bytes]:
    """Sets an attribute of every element of a path."""

    def write(data: bytes) -> bytes:
        document = etree.fromstring(data)
        found = document.xpath(path, namespaces=NS)
        assert found
        for one in found:
            one.set(name, value)
        return bytes(etree.tostring(document))

    return write


CONSILIUM = "//h:section[h:code/@code='CONSILIUM']"
GOAL = f"{CONSILIUM}/h:entry/h:observation[h:code/@code='6026']"


@pytest.mark.needs_semd
@pytest.mark.parametrize(
    "break_it",
    [
        pytest.param(without("//h:performer[position()>2]"), id="two performers"),
        pytest.param(without(f"{CONSILIUM}/h:entry[h:observation/h:code/@code='9059']"), id="no reason"),
        pytest.param(without(f"{CONSILIUM}/h:entry[h:observation/h:code/@code='6030']"), id="no decision"),
        pytest.param(without("//h:section[h:code/@code='DGN']/.."), id="no diagnosis"),
        pytest.param(without("//h:section[h:code/@code='SERVICES']/.."), id="no services"),
        pytest.param(with_attribute(f"{GOAL}/h:value", "code", "10"), id="goal 10 without words"),
        pytest.param(with_attribute(f"{GOAL}/h:value", "displayName", "Иная цель"), id="another name"),
        pytest.param(with_attribute("//h:functionCode", "codeSystemVersion", "1.0"), id="an old version"),
        pytest.param(with_attribute("/h:ClinicalDocument/h:id", "root", "1.2.3"), id="an id that is none"),
    ],
)
def test_a_broken_protocol_is_found(
    official: Official, published: Terms, break_it: Callable[[bytes], bytes]
) -> None:
    whole = render(facts(), published)
    assert check(whole, official, published).conformant
    assert not check(break_it(whole), official, published).conformant


@pytest.mark.needs_semd
def test_facts_that_lack_something_are_named_before_the_schema_refuses_them(official: Official) -> None:
    few = facts(participants=PEOPLE[:2], resolutions=(), dissents=())
    assert [one.code for one in missing_for_edition(few, edition(few.kind, DAY))] == ["performers_too_few"]
    assert not check(render(few), official).xsd


# What a guide lacks, in plain words


def patient(**changes: object) -> ProtocolFacts:
    return facts(patient=dataclasses.replace(facts().patient, **changes))


def organisation(**changes: object) -> ProtocolFacts:
    return facts(organisation=dataclasses.replace(facts().organisation, **changes))


ONCOLOGICAL = EDITIONS[ProtocolKind.ONCOLOGICAL][0]
MISSING = {
    "performers_too_few": facts(participants=PEOPLE[:2], resolutions=(), dissents=()),
    "patient_pseudonym": patient(pseudonym=True),
    "patient_snils_missing": patient(snils="112-233"),
    "patient_sex_missing": patient(sex=""),
    "patient_birth_date_missing": patient(birth_date=None),
    "organisation_okpo_missing": organisation(okpo=" "),
    "organisation_place_missing": organisation(place=None),
    "name_incomplete": patient(name=PersonName(surname="Ким", given="")),
    "post_code_missing": facts(
        participants=(dataclasses.replace(PEOPLE[0], post=Coded(code="", name="врач")), *PEOPLE[1:])
    ),
    "author_snils_missing": facts(
        participants=(PEOPLE[0], dataclasses.replace(PEOPLE[1], snils=""), *PEOPLE[2:])
    ),
    "encounter_missing": facts(encounter=None),
    "encounter_card_missing": facts(
        encounter=Encounter(card_number="1", kind=Coded(code="3", name=""), started_at=START)
    ),
    "severity_missing": facts(severity=None),
    "form_missing": facts(form=Coded(code="", name="очно")),
    "goal_missing": facts(goal=Coded(code="", name="решить")),
    "urgency_missing": facts(urgency=Coded(code="", name="")),
    "diagnosis_missing": facts(diagnosis=Coded(code="", name="Рак")),
    "diagnosis_kind_missing": facts(
        diagnoses=(Diagnosis(code=Coded(code="C20", name=""), kind=Coded(code="", name="основное")),)
    ),
}


@pytest.mark.parametrize("code", list(MISSING))
def test_what_the_guide_demands_is_named_one_by_one(code: str) -> None:
    assert [one.code for one in missing_for_edition(MISSING[code], ONCOLOGICAL)] == [code]


@pytest.mark.parametrize(
    "code, lacking",
    [
        ("payment_missing", facts(payment=None)),
        ("payer_unsupported", facts(payment=Payment(source=Coded(code="3", name="ДМС")))),
        ("policy_missing", patient(policy=None)),
        ("policy_dates_missing", patient(policy=dataclasses.replace(POLICY, valid_from=None))),
        (
            "policy_dates_missing",
            facts(
                payment=Payment(
                    source=Coded(code="1", name=""),
                    policy=dataclasses.replace(POLICY, kind=Coded(code="3", name="")),
                )
            ),
        ),
        (
            "performer_snils_missing",
            facts(participants=(*PEOPLE[:2], dataclasses.replace(PEOPLE[2], snils=""), *PEOPLE[3:])),
        ),
    ],
)
def test_what_an_extract_demands_is_named_one_by_one(code: str, lacking: ProtocolFacts) -> None:
    assert [one.code for one in missing_for_edition(lacking, EXTRACTS[0])] == [code]


def test_everything_that_can_be_missing_has_words_for_people() -> None:
    codes = {
        *MISSING,
        "payment_missing",
        "payer_unsupported",
        "policy_missing",
        "policy_dates_missing",
        "performer_snils_missing",
    }
    assert codes - set(LACKS) == set()


def test_whole_facts_lack_nothing_for_any_edition() -> None:
    rows = [row for rows in EDITIONS.values() for row in rows]
    for row in (*rows, *EXTRACTS, *REFERRALS):
        assert missing_for_edition(facts(), row) == []


def test_kinds_without_rules_of_their_own_demand_nothing_more() -> None:
    bare = facts(encounter=None, severity=None, patient=dataclasses.replace(facts().patient, snils=""))
    for kind in (ProtocolKind.CONSULTATION, ProtocolKind.COMMISSION):
        assert missing_for_edition(bare, EDITIONS[kind][0]) == []


# Words and entries


def test_words_and_coded_entries_say_the_same() -> None:
    data = render(facts(goal=Coded(code="10", name="?"), goal_text="Отбор в программу"))
    coded = {
        str(one.find("h:code", NS).get("code")): one
        for one in etree.fromstring(data).xpath(f"{CONSILIUM}/h:entry/h:observation", namespaces=NS)
    }
    assert coded["9059"].findtext("h:value", "", NS) == facts().sections.reasons
    assert coded["6030"].findtext("h:value", "", NS) == facts().sections.decision
    assert coded["6026"].findtext("h:text", "", NS) == "Отбор в программу"
    assert coded["6026"].find("h:value", NS).get("displayName") == "Решение по иным медицинским вопросам"
    assert coded["12389"].find("h:value", NS).get("value") == "true"
    page = {one.key: one for one in read_document(data).chapters}
    goal = next(part for part in page["reasons"].parts if part.caption == "Цель:")
    assert goal.text == "Решение по иным медицинским вопросам: Отбор в программу"


def test_a_dissent_is_an_entry_with_its_author_and_no_number_of_his() -> None:
    (made,) = etree.fromstring(render(facts())).xpath(
        f"{CONSILIUM}/h:entry/h:observation[h:code/@code='9060']", namespaces=NS
    )
    assert made.findtext("h:value", "", NS) == "Считаю риск невропатии высоким."
    ids = made.findall(".//h:assignedEntity/h:id", NS)
    assert [one.get("extension") for one in ids] == ["p3"]
    assert made.findtext(".//h:family", "", NS) == "Членова"


def test_a_code_is_called_what_the_dictionary_calls_it_and_a_person_what_he_is_called() -> None:
    data = render(facts(severity=Coded(code="3", name="очень плохо")))
    assert found_in(data, "//h:section[h:code/@code='PATOBJ']//h:value/@displayName") == ["Тяжелое"]
    assert "врач-онколог" in data.decode()  # the post as its holder writes it


def test_a_conclusion_by_somebody_without_a_name_is_readable_and_not_coded() -> None:
    nameless = ResultAuthor(
        name=PersonName(surname="Рентгенова", given=""), post=Coded(code="91", name="врач")
    )
    seen = Result(kind=ResultKind.INSTRUMENTAL, conclusion="Без динамики", at=START, author=nameless)
    data = render(facts(results=(seen,)))
    assert found_in(data, "//h:section[h:code/@code='RESINSTR']") == []
    (shown,) = [one for one in read_document(data).chapters if one.key == "results"]
    assert [row[2] for row in shown.parts[0].rows] == ["Без динамики"]


def test_a_referring_doctor_needs_a_name_though_he_sat_in_no_consilium() -> None:
    sent = referred(facts())
    doctor = dataclasses.replace(sent.participants[0], name=PersonName(surname="Ли", given=" "))
    lacking = missing_for_edition(dataclasses.replace(sent, participants=(doctor,)), REFERRALS[1])
    assert [one.code for one in lacking] == ["name_incomplete"]


def test_results_that_have_what_the_guide_wants_are_coded_and_all_are_readable() -> None:
    author = ResultAuthor(
        name=PersonName(surname="Рентгенова", given="Ольга"), post=Coded(code="91", name="врач")
    )

    def result(kind: ResultKind, text: str, by: ResultAuthor | None = None) -> Result:
        return Result(kind=kind, conclusion=text, at=START, author=by)

    data = render(
        facts(
            results=(
                result(ResultKind.CONSULTATION, "Осмотрен хирургом", author),
                result(ResultKind.CONSULTATION, "Осмотрен неизвестно кем"),
                result(ResultKind.INSTRUMENTAL, "КТ без динамики"),
                result(ResultKind.LABORATORY, "Анализ без кода"),
                result(ResultKind.HISTOLOGY, "Аденокарцинома G2"),
            )
        )
    )
    inner = "//h:section[h:code/@code='PROC']/h:component/h:section"
    assert found_in(data, f"{inner}/h:code/@code") == ["RESCONS", "RESINSTR", "GISTRESULT"]
    assert found_in(data, f"{inner}//h:value/text()") == [
        "Осмотрен хирургом",
        "КТ без динамики",
        "Аденокарцинома G2",
    ]
    (shown,) = [one for one in read_document(data).chapters if one.key == "results"]
    assert [row[2] for row in shown.parts[0].rows] == [
        "Осмотрен хирургом",
        "Осмотрен неизвестно кем",
        "КТ без динамики",
        "Анализ без кода",
        "Аденокарцинома G2",
    ]


def test_the_general_protocol_is_not_marked_oncological() -> None:
    general = render(facts(kind=ProtocolKind.GENERAL))
    assert found_in(general, f"{CONSILIUM}//h:observation[h:code/@code='11003']/h:value/text()") == [
        "2026-17"
    ]
    assert found_in(general, f"{CONSILIUM}//h:code[@code='9058']/@code") == []
    assert found_in(render(facts()), f"{CONSILIUM}//h:observation[h:code/@code='9058']/h:value/@code") == [
        "2"
    ]


@settings(max_examples=150, deadline=None)
@given(
    number=st.integers(0, 214),
    text=st.one_of(
        st.text(max_size=40), st.sampled_from(["", " ", "\x00", "]]>", "<a>", "\u202e", "1.2.066", "\ud800"])
    ),
    kind=st.sampled_from(list(ProtocolKind)),
)
def test_whatever_stands_in_any_field_is_written_down_or_refused_by_a_code(
    number: int, text: str, kind: ProtocolKind
) -> None:
    seen = [number, 0]
    hostile = replaced(facts(kind=kind), seen, text)
    assert isinstance(hostile, ProtocolFacts)
    try:
        check_xml(render(hostile))
        outcome = "written"
    except Invalid as refused:
        outcome = refused.code
    assert outcome in {"written", "text_refused", "invalid_field", "protocol_incomplete"}


def test_a_reader_finds_every_heading_of_every_kind() -> None:
    wanted = {"particulars", "composition", "attendance", "reasons", "course", "state"}
    wanted |= {"questions", "decision", "dissent", "diagnoses", "documents"}
    for kind in ProtocolKind:
        chapters = read_document(render(facts(kind=kind))).chapters
        keys = [one.key for one in chapters]
        assert wanted <= set(keys)
        assert len(keys) == len(set(keys))
        assert all(one.title and one.parts for one in chapters)


def test_what_the_reasons_already_say_is_not_said_again() -> None:
    said = "Цель: Определение тактики лечения.\nВопрос к консилиуму: Показана ли адъювантная терапия?"
    prose = dataclasses.replace(facts().sections, reasons=said)
    page = {one.key: one for one in read_document(render(facts(sections=prose))).chapters}
    assert len(page["reasons"].parts) == 2
    assert len({one.key: one for one in read_document(render(facts())).chapters}["reasons"].parts) == 3


def test_a_commission_has_members_and_a_consilium_participants() -> None:
    for kind, word in (
        (ProtocolKind.COMMISSION, "член комиссии"),
        (ProtocolKind.GENERAL, "участник консилиума"),
    ):
        page = {one.key: one for one in read_document(render(facts(kind=kind))).chapters}
        assert word in {row[4] for row in page["composition"].parts[0].rows}


# Dictionaries that change


def test_a_new_edition_of_a_dictionary_changes_new_documents_only() -> None:
    before = render(facts())
    newer = Terms(versions={"11.1006": ("9.9", "Степень тяжести")}, names={"11.1006": {"1": "Хорошее"}})
    after = render(facts(), newer)
    assert render(facts()) == before
    path = "//h:section[h:code/@code='PATOBJ']//h:value"
    assert found_in(after, f"{path}/@displayName") == ["Хорошее"]
    assert found_in(after, f"{path}/@codeSystemVersion") == ["9.9"]
    assert found_in(after, f"{path}/@codeSystemName") == ["Степень тяжести"]
    assert found_in(before, f"{path}/@displayName") == ["Удовлетворительное"]


def test_a_name_of_an_older_edition_is_not_written_beside_a_newer_version() -> None:
    newer = Terms(versions={"11.1006": ("9.9", "Степень тяжести")}, names={"11.1006": {}})
    assert newer.name("11.1006", "1", "как сказано") == "как сказано"
    assert newer.name("11.1040", "1") == "Мужской"


def test_the_same_facts_give_the_same_bytes_for_every_kind() -> None:
    for kind in ProtocolKind:
        assert render(facts(kind=kind)) == render(facts(kind=kind))


def test_somebody_who_only_watched_is_not_a_performer() -> None:
    seen = (*PEOPLE, participant(7, "Смотрящая", seat=SeatKind.OBSERVER))
    assert "p7" not in found_in(render(facts(participants=seen)), "//h:performer//h:id/@extension")


def test_a_time_is_written_on_the_clock_of_the_organisation() -> None:
    data = render(facts(frozen_at=datetime(2026, 1, 1, 22, 30, tzinfo=UTC), utc_offset_minutes=600))
    assert found_in(data, "/h:ClinicalDocument/h:effectiveTime/@value") == ["202601020830+1000"]
