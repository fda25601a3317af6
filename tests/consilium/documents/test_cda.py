"""A protocol becomes the same bytes every time, complete, escaped and readable."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import subprocess
import sys
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from consilium.documents.cda import render
from consilium.documents.draft import draft_sections
from consilium.documents.editions import DICTIONARIES, EDITIONS, ROLES, SEXES, edition, registry_kinds
from consilium.documents.facts import (
    Coded,
    Interval,
    PersonName,
    ProtocolFacts,
    ProtocolKind,
    Recorded,
    RecordingGap,
    Sections,
)
from consilium.documents.text import refused_character
from consilium.documents.validate import Missing, check_xml, missing_items
from consilium.documents.view import read_document, render_html
from consilium.errors import ConsiliumError, Invalid
from tests.consilium.documents.protocols import PEOPLE, WORDING, facts

V3 = {"h": "urn:hl7-org:v3"}


def changed(**sections: str) -> ProtocolFacts:
    return facts(sections=dataclasses.replace(facts().sections, **sections))


def chapters(data: bytes) -> dict[str, str]:
    """What a reader sees under each heading."""
    found = {}
    for chapter in read_document(data).chapters:
        rows = [cell for part in chapter.parts for row in (part.head, *part.rows) for cell in row]
        prose = [f"{part.caption} {part.text}" for part in chapter.parts]
        found[chapter.key] = " ".join(" ".join((*prose, *rows)).split())
    return found


def words(data: bytes, path: str) -> list[str]:
    found = etree.fromstring(data).xpath(path, namespaces=V3)
    return [" ".join("".join(one.itertext()).split()) for one in found]


# Refusals


@pytest.mark.parametrize(
    "incomplete, missing",
    [
        (changed(reasons=" \n"), Missing("reasons_missing", "reasons")),
        (changed(course=""), Missing("course_missing", "course")),
        (changed(state=""), Missing("state_missing", "state")),
        (changed(decision=""), Missing("decision_missing", "decision")),
        (facts(participants=(PEOPLE[0], PEOPLE[4]), author_id="p1", resolutions=(), dissents=()),
         Missing("members_missing", "participants")),
        (facts(goal=Coded(code="10", name="Иные цели")), Missing("goal_text_missing", "goal_text")),
    ],
)  # fmt: skip
def test_a_protocol_without_a_statutory_item_is_not_rendered(
    incomplete: ProtocolFacts, missing: Missing
) -> None:
    assert missing_items(incomplete) == [missing]
    with pytest.raises(Invalid) as refused:
        render(incomplete)
    assert refused.value.code == "protocol_incomplete"
    assert refused.value.details["missing"] == [{"code": missing.code, "field": missing.field}]


@pytest.mark.parametrize(
    "char", ["\x00", "\x1b", "\r", "\u202e", "\u2066", "\u200b", "\ufeff", "\ud800", "\ue000", "\u2028"]
)
def test_a_character_that_hides_something_is_refused(char: str) -> None:
    with pytest.raises(Invalid) as refused:
        render(changed(state=f"Состояние{char} тяжёлое"))
    assert refused.value.code == "text_refused"
    assert refused.value.details == {
        "field": "sections.state",
        "position": 9,
        "character": f"U+{ord(char):04X}",
    }


@pytest.mark.parametrize(
    "field, wrong",
    [
        ("author_id", facts(author_id="nobody")),
        ("authenticator_id", facts(authenticator_id="nobody")),
        ("participants", facts(participants=(*PEOPLE, PEOPLE[0]))),
        ("resolutions.votes", facts(participants=(*PEOPLE[:2], PEOPLE[3]), dissents=())),
        ("started_at", facts(started_at=datetime(2026, 11, 23, 9, 0))),  # noqa: DTZ001  the point of the test
        ("organisation.oid", facts(organisation=dataclasses.replace(facts().organisation, oid="1.2.066.1"))),
    ],
)
def test_facts_that_contradict_themselves_are_refused(field: str, wrong: ProtocolFacts) -> None:
    with pytest.raises(Invalid) as refused:
        render(wrong)
    assert (refused.value.code, refused.value.details["field"]) == ("invalid_field", field)


# Bytes


def test_the_same_facts_give_the_same_bytes_in_another_process() -> None:
    script = (
        "import hashlib; from consilium.documents.cda import render;"
        "from tests.consilium.documents.protocols import facts; print(hashlib.sha256(render(facts())).hexdigest())"
    )
    environment = {**os.environ, "PYTHONHASHSEED": "4711", "TZ": "America/New_York", "LC_ALL": "C"}
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, env=environment
    )
    assert done.stdout.strip() == hashlib.sha256(render(facts())).hexdigest()


def test_any_changed_fact_changes_the_bytes() -> None:
    original = render(facts())
    for other in (
        facts(version=2),
        facts(number="2026-18"),
        changed(decision="Иное."),
        facts(telemedicine=False),
    ):
        assert render(other) != original


def test_nothing_in_the_document_says_when_it_was_signed() -> None:
    document = etree.fromstring(render(facts()))
    for path in ("h:author/h:time", "h:legalAuthenticator/h:time", "h:legalAuthenticator/h:signatureCode"):
        (found,) = document.xpath(path, namespaces=V3)
        assert dict(found.attrib) == {"nullFlavor": "NI"}


def test_what_was_rendered_passes_the_gate_before_signing() -> None:
    check_xml(render(facts()))


# Content


def test_the_five_statutory_items_are_in_the_document() -> None:
    data = render(facts())
    names = words(data, "//h:serviceEvent/h:performer//h:family")
    assert names == ["Чайкина", "Секретарёва", "Членова", "Лечащева"]
    found = chapters(data)
    assert found["reasons"].startswith("Определение тактики после операции.")
    assert found["course"] == "Болеет с марта 2026 года. Оперирован 12.10.2026."
    assert "КТ: без признаков диссеминации" in found["state"]
    assert found["decision"] == WORDING


def test_every_vote_is_named_and_the_dissent_is_recorded() -> None:
    data = render(facts())
    (table,) = [
        part.rows
        for one in read_document(data).chapters
        for part in one.parts
        if one.key == "questions" and part.rows
    ]
    assert table == (
        ("Чайкина Анна Сергеевна", "за"),
        ("Секретарёва Анна Сергеевна", "за"),
        ("Членова Анна Сергеевна", "против"),
    )
    assert "Членова" in chapters(data)["dissent"]
    assert facts().resolutions[0].wording_digest in chapters(data)["questions"]


def test_attendance_is_written_from_joins_and_leaves_on_the_local_clock() -> None:
    rows = words(render(facts(utc_offset_minutes=300)), "//h:tbody/h:tr")
    assert "Членова Анна Сергеевна 14:00:00–14:30:00" in rows
    assert "Отсутствующая Анна Сергеевна не присутствовал(а)" in rows


def test_a_recording_is_named_with_its_consent_and_everything_that_is_missing() -> None:
    start = facts().started_at
    gap = RecordingGap(
        reason="worker",
        stay=Interval(joined=start + timedelta(minutes=10), left=start + timedelta(minutes=11)),
    )
    stay = Interval(joined=start + timedelta(minutes=5), left=start + timedelta(minutes=30))
    made = render(facts(recordings=(Recorded(stay=stay, ground="подписано 23.11.2026", gaps=(gap,)),)))
    section = chapters(made)["attendance"]
    for said in ("С согласия всех присутствующих", "подписано 23.11.2026", "медиасервер не отвечал"):
        assert said in section
    assert "Аудио- и видеозапись" not in " ".join(words(render(facts()), "//h:section"))


def test_remote_presence_and_role_are_coded_per_performer() -> None:
    document = etree.fromstring(render(facts()))
    found = [
        (
            one.findtext(".//{*}family"),
            one.find("{*}functionCode").get("code"),
            one.find(".//{*}serviceRemote").get("value"),
        )
        for one in document.iterfind(".//{*}serviceEvent/{*}performer")
    ]
    assert found == [
        ("Чайкина", "CHAIRMAN", "false"),
        ("Секретарёва", "SECRETARY", "false"),
        ("Членова", "COMMISSIONER", "false"),
        ("Лечащева", "ATTENDING_PHYSICIAN", "true"),
    ]


def test_a_pseudonym_travels_without_number_and_address() -> None:
    person = dataclasses.replace(
        facts().patient, pseudonym=True, name=PersonName(surname="Пациент", given="А-17")
    )
    data = render(facts(patient=person))
    assert b"11223344595" not in data
    assert "Дальняя".encode() not in data


def test_a_new_version_names_the_one_it_replaces() -> None:
    previous = facts().document_id
    for kind in (ProtocolKind.CONSULTATION, ProtocolKind.COMMISSION):
        data = render(facts(kind=kind, version=2, document_id=UUID(int=7), replaces=previous))
        related = etree.fromstring(data).find("{*}relatedDocument")
        assert related.get("typeCode") == "RPLC"
        assert related.find(".//{*}id").get("extension") == str(previous)


def test_where_the_schema_has_no_place_for_it_the_reader_is_told_what_is_replaced() -> None:
    previous = facts().document_id
    data = render(facts(version=2, document_id=UUID(int=7), replaces=previous))
    assert etree.fromstring(data).find("{*}relatedDocument") is None
    assert f"Взамен документа {previous}" in chapters(data)["particulars"]


@settings(max_examples=40, deadline=None)
@given(st.text(min_size=1, max_size=200))
def test_any_text_is_either_refused_or_found_again_unchanged(text: str) -> None:
    wanted = " ".join(f"- {text}".split())
    try:
        data = render(changed(state=f"- {text}"))
    except ConsiliumError as refusal:
        outcome = refusal.code
    else:
        outcome = " ".join(words(data, "//h:text[@ID='state']/h:paragraph[not(h:content)]"))
    assert outcome == (wanted if refused_character(text) is None else "text_refused")


# Editions


@pytest.mark.parametrize("kind", list(ProtocolKind))
def test_every_kind_has_an_edition_for_today(kind: ProtocolKind) -> None:
    data = render(facts(kind=kind))
    row = edition(kind, date(2026, 11, 23))
    document = etree.fromstring(data)
    assert document.find("{*}templateId").get("root") == row.template
    assert document.find("{*}code").get("code") == row.code.code
    assert document.findtext("{*}title") == f"{row.title} № 2026-17"


def test_a_commission_protocol_is_not_filed_and_the_others_are() -> None:
    assert EDITIONS[ProtocolKind.COMMISSION][0].registry_kind is None
    assert registry_kinds() == {"307", "190", "40", "99", "158", "312", "334", "85", "185"}


# Draft and view


def test_a_draft_reuses_the_request_and_the_adopted_wording() -> None:
    empty = facts(sections=Sections(reasons="", course="Из запроса.", state="", decision=""))
    draft = draft_sections(empty)
    assert "Показана ли адъювантная терапия?" in draft["reasons"]
    assert draft["course"] == "Из запроса."
    assert draft["state"] == ""
    assert draft["decision"] == WORDING
    assert "Членова Анна Сергеевна – против" in draft["votes"]
    assert "12:00:00–12:30:00" in draft["attendance"]


def test_an_edited_section_is_kept_by_the_draft() -> None:
    assert draft_sections(changed(decision="Отложить."))["decision"] == "Отложить."


def test_the_view_is_made_from_the_bytes_and_says_it_is_a_copy() -> None:
    data = render(facts())
    page = render_html(data)
    assert hashlib.sha256(data).hexdigest() in page
    assert "Копия для чтения" in page
    assert WORDING in page
    assert "A reading copy" in render_html(data, "en")


def test_a_document_of_the_first_issues_is_still_read_with_its_headings() -> None:
    old = (
        b"<ClinicalDocument xmlns='urn:hl7-org:v3'><title>T</title><component><structuredBody><component>"
        b"<section ID='decision'><title>D</title><text><paragraph>Yes</paragraph></text></section>"
        b"</component></structuredBody></component></ClinicalDocument>"
    )
    (chapter,) = read_document(old).chapters
    assert (chapter.key, chapter.title, chapter.parts[0].text) == ("decision", "D", "Yes")


def test_markup_in_a_text_is_shown_not_run() -> None:
    page = render_html(render(changed(state="<script>alert(1)</script> & \"x\" <b onclick='y'>")))
    assert "<script" not in page
    assert "<b onclick" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page


@pytest.mark.parametrize("data", [b"<a/>", b"", b"<ClinicalDocument/>", b"<!DOCTYPE a><a/>"])
def test_the_view_refuses_what_is_no_clinical_document(data: bytes) -> None:
    with pytest.raises(Invalid) as refused:
        render_html(data)
    assert refused.value.code == "file_refused"


# The base schema


def without_extensions(data: bytes) -> etree._Element:
    """CDA R2 1.4: local markup stands in other namespaces and is taken out before the base schema is asked."""
    document = etree.fromstring(data)
    for one in list(document.iter()):
        parent = one.getparent()
        if parent is not None and not str(one.tag).startswith("{urn:hl7-org:v3}"):
            parent.remove(one)
    return document


@pytest.mark.needs_semd
@pytest.mark.parametrize("kind", list(ProtocolKind))
def test_the_document_is_valid_by_the_base_cda_schema(semd_dir: Path, kind: ProtocolKind) -> None:
    """What is checked: structure and data types of HL7 CDA R2; not the state's guides and their Schematron."""
    schema = etree.XMLSchema(etree.parse(str(semd_dir / "guides" / "99" / "CDA.xsd")))
    for data in (render(facts(kind=kind)), render(facts(kind=kind, version=2, replaces=UUID(int=9)))):
        schema.assertValid(without_extensions(data))


@pytest.mark.needs_semd
def test_the_schema_that_was_asked_can_say_no(semd_dir: Path) -> None:
    schema = etree.XMLSchema(etree.parse(str(semd_dir / "guides" / "99" / "CDA.xsd")))
    document = without_extensions(render(facts()))
    document.find("{*}recordTarget").getparent().remove(document.find("{*}recordTarget"))
    assert not schema.validate(document)


@pytest.mark.needs_semd
def test_names_and_versions_of_dictionaries_are_the_published_ones(semd_dir: Path) -> None:
    for key, (version, name) in DICTIONARIES.items():
        path = semd_dir / "nsi" / f"{key}.json"
        if path.exists():  # 99.2.1079 is published nowhere; its row is marked as inferred
            known = json.loads(path.read_text())
            assert (known["version"], known["fullName"]) == (version, name)
    roles = json.loads((semd_dir / "nsi" / "99.2.368.json").read_text())["rows"]
    assert {row["CODE_ROLE"]: row["NAME_ROLE"] for row in roles}.items() >= ROLES.items()
    sexes = json.loads((semd_dir / "nsi" / "11.1040.json").read_text())["rows"]
    assert {row["ID"]: row["NAME"] for row in sexes} == SEXES


def test_times_are_written_as_the_guides_want_them() -> None:
    document = etree.fromstring(render(facts(frozen_at=datetime(2026, 1, 1, 22, 30, tzinfo=UTC))))
    assert document.find("{*}effectiveTime").get("value") == "202601020130+0300"
