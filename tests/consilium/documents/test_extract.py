"""An extract carries the decision in the edition the day accepts, by the guide where one is published."""

from __future__ import annotations

import dataclasses
from datetime import date
from pathlib import Path
from uuid import UUID

import pytest
from lxml import etree

from consilium.documents import extract
from consilium.documents.conformance import check
from consilium.documents.editions import (
    EXTRACTS,
    Edition,
    edition,
    edition_of,
    every_edition,
    extract_edition,
    referral_edition,
)
from consilium.documents.facts import (
    Coded,
    CommissionOrder,
    Hospitalisation,
    IdentityPaper,
    Payment,
    Policy,
    ProtocolFacts,
    ProtocolKind,
)
from consilium.documents.guides import Official
from consilium.documents.terms import Terms
from consilium.documents.view import read_document, render_html
from consilium.errors import Invalid
from tests.consilium.documents.protocols import START, WORDING, facts

NS = {"h": "urn:hl7-org:v3"}
SOURCE = extract.ParentDocument(document_id=UUID(int=5), number="ВК-17", version=2, held_at=START)
TODAY = date(2026, 11, 23)


def extracted(**changes: object) -> ProtocolFacts:
    """The protocol's facts with the extract's own identity."""
    own = {"document_id": UUID(int=9), "set_id": UUID(int=10), "version": 1, "number": "ВК-17/1"}
    return facts(kind=ProtocolKind.COMMISSION, **{**own, **changes})


def values(data: bytes, field: str) -> list[etree._Element]:
    path = f"//h:observation[h:code/@code='{field}']/h:value"
    return list(etree.fromstring(data).xpath(path, namespaces=NS))


@pytest.fixture(scope="module")
def official(semd_dir: Path) -> Official:
    found = Official.load(semd_dir)
    assert found is not None
    return found


# Guide 99


@pytest.mark.needs_semd
@pytest.mark.parametrize(
    "made",
    [
        pytest.param(extracted(), id="as usual"),
        pytest.param(
            extracted(
                patient=dataclasses.replace(facts().patient, paper=None, policy=None, places=()),
                payment=Payment(
                    source=Coded(code="1", name=""),
                    policy=Policy(
                        kind=Coded(code="1", name=""),
                        series="АБ",
                        number="77",
                        valid_from=date(2020, 1, 1),
                        valid_to=date(2030, 1, 1),
                    ),
                ),
            ),
            id="a patient of whom little is known, an old policy",
        ),
        pytest.param(
            extracted(
                patient=dataclasses.replace(
                    facts().patient,
                    paper=IdentityPaper(
                        kind=Coded(code="1", name="Паспорт гражданина Российской Федерации"),
                        series="65 00",
                        number="1",
                        issuer="Отдел",
                        issuer_code="660-001",
                        issued_on=date(2010, 1, 1),
                    ),
                )
            ),
            id="a paper with all of its details",
        ),
        pytest.param(extracted(resolutions=(), dissents=(), documents=(), diagnoses=()), id="without votes"),
    ],
)
def test_an_extract_of_the_first_edition_meets_schema_and_rules(
    official: Official, made: ProtocolFacts
) -> None:
    report = check(extract.render(made, EXTRACTS[0], SOURCE), official)
    assert (report.guide, report.xsd, report.errors) == ("99", True, ())
    assert report.rules_fired > 100


@pytest.mark.needs_semd
def test_a_broken_extract_is_found(official: Official) -> None:
    document = etree.fromstring(extract.render(extracted(), EXTRACTS[0], SOURCE))
    for one in document.xpath("//h:entry[h:observation/h:code/@code='12173']", namespaces=NS):
        one.getparent().remove(one)
    assert not check(bytes(etree.tostring(document)), official).conformant


def test_guide_99_alone_gets_times_and_they_are_those_of_the_document() -> None:
    for row in EXTRACTS:
        document = etree.fromstring(extract.render(extracted(), row, SOURCE))
        times = [document.find(path, NS) for path in ("h:author/h:time", "h:legalAuthenticator/h:time")]
        said = {(one.get("value"), one.get("nullFlavor")) for one in times if one is not None}
        assert said == ({("202611231300+0300", None)} if row.number == 1 else {(None, "NI")})


# What it says


@pytest.mark.parametrize("row", EXTRACTS, ids=lambda row: row.registry_kind)
def test_every_edition_carries_decision_and_number_of_the_protocol(row: Edition) -> None:
    data = extract.render(extracted(), row, SOURCE)
    assert [one.text for one in values(data, "12173")] == [WORDING]
    assert [one.text for one in values(data, "6080")] == ["ВК-17"]
    assert edition_of(str(etree.fromstring(data).find("h:templateId", NS).get("root"))) == row
    page = {one.key: one for one in read_document(data).chapters}
    assert ("Протокол", "№ ВК-17 от 23.11.2026, версия 2") in page["particulars"].parts[0].rows
    assert page["decision"].parts[0].text == WORDING


def test_an_extract_says_for_whom_it_is_made() -> None:
    made = extract.render(extracted(), EXTRACTS[0], SOURCE, addressee="Министерство здравоохранения")
    page = {one.key: one for one in read_document(made).chapters}
    assert ("Для кого", "Министерство здравоохранения") in page["particulars"].parts[0].rows


def test_an_extract_made_anew_names_the_one_it_replaces() -> None:
    made = extract.render(extracted(replaces=UUID(int=3), version=2), EXTRACTS[0], SOURCE)
    page = {one.key: one for one in read_document(made).chapters}
    assert ("Взамен документа", str(UUID(int=3))) in page["particulars"].parts[0].rows


@pytest.mark.parametrize("row", EXTRACTS[1:], ids=lambda row: row.registry_kind)
def test_later_editions_add_questions_goal_subcommission_and_date(row: Edition) -> None:
    order = CommissionOrder(name="ВК", order_number="1", subcommission=Coded(code="", name="По ВМП"))
    data = extract.render(extracted(commission=order), row, SOURCE)
    assert [one.text for one in values(data, "12477")] == [WORDING]
    assert [one.get("code") for one in values(data, "12475")] == ["5"]
    assert [one.findtext("h:originalText", "", NS) for one in values(data, "12476")] == ["По ВМП"]
    held = etree.fromstring(data).xpath(
        "//h:observation[h:code/@code='8033']/h:*[local-name()='value' or local-name()='effectiveTime']/@value",
        namespaces=NS,
    )
    assert held == ["202611231200+0300"]
    assert [one.text for one in values(data, "11003")] == ["ВК-17"]


def test_an_extract_names_neither_votes_nor_the_words_of_a_dissent_but_says_that_there_is_one() -> None:
    page = render_html(extract.render(extracted(), EXTRACTS[0], SOURCE))
    assert "Считаю риск невропатии" not in page
    assert "против</td>" not in page
    assert "1, изложены в протоколе" in page


def test_an_admission_is_coded_where_the_dictionary_is_known() -> None:
    admitted = extracted(
        hospitalisation=Hospitalisation(
            decision=Coded(code="1", name="Показана"), planned_on=date(2026, 12, 1)
        )
    )
    known = Terms(versions={"11.1512": ("1.0", "Решения")}, names={"11.1512": {"1": "Показана"}})
    assert values(extract.render(admitted, EXTRACTS[0], SOURCE), "6079") == []
    (coded,) = values(extract.render(admitted, EXTRACTS[0], SOURCE, known), "6079")
    assert coded.get("displayName") == "Показана"


def test_an_extract_is_made_in_an_edition_of_extracts_only() -> None:
    with pytest.raises(Invalid) as refused:
        extract.render(extracted(), edition(ProtocolKind.ONCOLOGICAL, TODAY), SOURCE)
    assert refused.value.code == "unknown_code"


def test_treacherous_text_in_the_source_is_refused() -> None:
    with pytest.raises(Invalid) as refused:
        extract.render(extracted(), EXTRACTS[0], dataclasses.replace(SOURCE, number="17\u202e"))
    assert (refused.value.code, refused.value.details["field"]) == ("text_refused", "source.number")


def test_the_same_facts_give_the_same_bytes() -> None:
    for row in EXTRACTS:
        assert extract.render(extracted(), row, SOURCE) == extract.render(extracted(), row, SOURCE)


# The table of editions


@pytest.mark.parametrize(
    "on, installed, chosen",
    [
        (date(2022, 1, 1), frozenset(), "99"),
        (date(2026, 11, 23), frozenset({"99"}), "99"),
        (date(2026, 11, 23), frozenset({"99", "158"}), "158"),
        (date(2026, 11, 23), frozenset({"99", "158", "312", "334"}), "334"),
        (date(2026, 8, 9), frozenset({"99", "158", "312", "334"}), "312"),
        (date(2026, 11, 23), frozenset(), "99"),
        (date(2021, 11, 4), frozenset({"334"}), "99"),
    ],
)
def test_the_newest_accepted_edition_whose_guide_is_installed_is_taken(
    on: date, installed: frozenset[str], chosen: str
) -> None:
    assert extract_edition(on, installed).registry_kind == chosen


def test_an_operator_can_force_an_edition_that_is_accepted() -> None:
    assert extract_edition(TODAY, frozenset({"99"}), "334").registry_kind == "334"
    assert referral_edition(TODAY, frozenset({"185"}), "85").registry_kind == "85"


@pytest.mark.parametrize(
    "on, forced, code",
    [
        (date(2026, 8, 9), "334", "invalid_field"),
        (date(2026, 8, 10), "190", "unknown_code"),
        (date(2020, 1, 1), None, "invalid_field"),
    ],
)
def test_an_edition_that_is_not_accepted_is_refused(on: date, forced: str | None, code: str) -> None:
    with pytest.raises(Invalid) as refused:
        extract_edition(on, frozenset({"99"}), forced)
    assert refused.value.code == code


def test_an_edition_stays_accepted_until_its_end() -> None:
    row = dataclasses.replace(EXTRACTS[0], ends=date(2026, 12, 31))
    assert row.valid_on(date(2026, 12, 30))
    assert not row.valid_on(date(2026, 12, 31))


def test_every_row_of_the_table_is_told_apart() -> None:
    rows = every_edition()
    assert len({row.template for row in rows}) == len(rows)
    filed = [row.registry_kind for row in rows if row.registry_kind]
    assert len(set(filed)) == len(filed)


@pytest.mark.needs_semd
def test_starts_and_guides_are_those_of_the_published_table(semd_dir: Path) -> None:
    """НСИ 11.1520 as saved, and the newer rows of the registry's own list of kinds."""
    import msgspec

    old = msgspec.json.decode((semd_dir / "nsi" / "11.1520.json").read_bytes())["rows"]
    newer = msgspec.json.decode((semd_dir / "nsi" / "1520_relevant_newest.json").read_bytes())["rows"]
    starts = {row["OID"]: "-".join(reversed(row["START_DATE"].split("."))) for row in old}
    starts |= {row["code"]: row["start_date"] for row in newer}
    ends = {row["code"]: row["end_date"] for row in newer}
    kinds = {row["code"]: row["kind_1522"] for row in newer}
    for row in every_edition():
        if row.registry_kind:
            assert (row.registry_kind, row.starts.isoformat()) == (
                row.registry_kind,
                starts[row.registry_kind],
            )
            assert ends.get(row.registry_kind) is None
        if row.dictionary == "11.1522" and row.registry_kind in kinds:
            assert row.code.code == kinds[row.registry_kind]
