"""Whatever a hospital brings, the gate before freezing and the state's own rules are of one mind, and say it plainly."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from uuid import UUID

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from consilium.directory import nsi
from consilium.documents import cda, extract, referral
from consilium.documents.conformance import check
from consilium.documents.editions import EDITIONS, EXTRACTS, REFERRALS, Edition, Layout
from consilium.documents.facts import Coded, ProtocolFacts, ProtocolKind
from consilium.documents.finding import Finding
from consilium.documents.finding_words import LACKS, PLACES
from consilium.documents.guides import Official
from consilium.documents.preview import preview
from consilium.documents.required import missing_for_edition, registry_alone_asks
from consilium.documents.terms import BUILT_IN, Terms
from consilium.documents.validate import missing_items
from consilium.errors import Invalid
from tests.consilium.documents.any_protocol import referred
from tests.consilium.documents.hospital import ODD_TEXTS, SITUATIONS, replaced, whole
from tests.consilium.documents.protocols import REGION

PROTOCOLS = {row.registry_kind or "87": kind for kind, rows in EDITIONS.items() for row in rows}
KINDS = (*PROTOCOLS, *(str(row.registry_kind) for row in EXTRACTS), "185")
REFUSALS = {"text_refused", "invalid_field", "protocol_incomplete"}
SPARINGLY = settings(
    max_examples=25,
    deadline=None,
    phases=(Phase.explicit, Phase.reuse, Phase.generate),  # shrinking a whole protocol takes minutes
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
# A finding that names an element or a path tells a doctor nothing.
_TECHNICAL = re.compile(r"элемент|[@/\[\]{}]|\bQ\{|ClinicalDocument|nullFlavor")


class State:
    """The state's guides and dictionaries; hypothesis tells every argument of a failing test, these are megabytes."""

    def __init__(self, folder: Path) -> None:
        found = Official.load(folder)
        assert found is not None
        self.guides = found
        self.terms = nsi.terms_of(nsi._dictionary(one) for one in nsi.of_folder(folder)[0])

    def __repr__(self) -> str:
        return "State()"


@pytest.fixture(scope="module")
def state(semd_dir: Path) -> State:
    return State(semd_dir)


def of_kind(
    kind: str, made: ProtocolFacts
) -> tuple[ProtocolFacts, Edition, Callable[[ProtocolFacts, Terms], bytes]]:
    """The facts as this kind takes them, its edition, and how it is rendered."""
    if kind in PROTOCOLS:
        return replace(made, kind=PROTOCOLS[kind]), EDITIONS[PROTOCOLS[kind]][0], cda.render
    if kind == "185":
        sent = replace(referred(made), payment=made.payment, case_number=made.case_number)
        to = referral.Destination(organisation=REGION, service=Coded(code="", name="Консилиум"))
        return sent, REFERRALS[1], lambda facts, terms: referral.render(facts, REFERRALS[1], to, terms)
    row = next(one for one in EXTRACTS if one.registry_kind == kind)
    source = extract.ParentDocument(document_id=UUID(int=1), number="1", version=1, held_at=made.started_at)
    taken = replace(made, kind=ProtocolKind.COMMISSION)
    return taken, row, lambda facts, terms: extract.render(facts, row, source, terms)


def disagreement(
    kind: str, made: ProtocolFacts, official: Official, terms: Terms
) -> tuple[list[str], list[Finding]]:
    """What the rules refuse although our gate would let it pass; and what our gate says.

    Our gate is asked without any official file: what it lets pass must hold where they are installed as well.
    """
    facts, row, render = of_kind(kind, made)
    lacking = missing_for_edition(facts, row) + (
        [] if row.layout is Layout.REFERRAL else missing_items(facts)
    )
    assert {one.code for one in lacking} <= set(LACKS)
    try:
        xml = render(facts, terms)
    except Invalid as refused:
        return ([] if refused.code in REFUSALS else [refused.code]), []
    own, whole = check(xml, None, terms).errors, check(xml, official, terms)
    if own or not all(registry_alone_asks(one, row) for one in lacking):
        return [], [*own, *whole.errors]
    if whole.guide and "rules" not in whole.unchecked:
        assert whole.rules_fired > 100
    return [f"{one.rule} {one.ru} {one.path}" for one in whole.errors], []


def _ours(words: str) -> str:
    """Without what is quoted from the document."""
    return re.sub(r"«.*»", "", words)


def unreadable(findings: list[Finding]) -> list[str]:
    """Findings that do not lead a doctor to a field."""
    return [
        f"{one.code} {one.field} {one.ru}"
        for one in findings
        if one.field not in PLACES or _TECHNICAL.search(_ours(one.ru)) or not re.search(r"[а-яё]{4}", one.ru)
    ]


@pytest.mark.needs_semd
@pytest.mark.parametrize("kind", KINDS)
def test_what_the_gate_lets_pass_the_rules_accept_in_every_situation(state: State, kind: str) -> None:
    found = {
        name: disagreement(kind, change(whole()), state.guides, BUILT_IN)
        for name, change in SITUATIONS.items()
    }
    assert {name: refused for name, (refused, _) in found.items() if refused} == {}
    assert {name: bad for name, (_, told) in found.items() if (bad := unreadable(told))} == {}


@pytest.mark.needs_semd
@pytest.mark.parametrize("kind", ["190", "40", "99", "185"])
@SPARINGLY
@given(
    names=st.lists(st.sampled_from(list(SITUATIONS)), max_size=5),
    at=st.integers(0, 260),
    text=st.sampled_from(list(ODD_TEXTS)),
)
def test_so_they_do_when_everything_comes_together(
    state: State, kind: str, names: list[str], at: int, text: str
) -> None:
    made = whole()
    for name in names:
        made = SITUATIONS[name](made)
    odd = replaced(made, [at, 0], ODD_TEXTS[text])
    assert isinstance(odd, ProtocolFacts)
    refused, told = disagreement(kind, odd, state.guides, state.terms)
    assert refused == []
    assert unreadable(told) == []


@pytest.mark.needs_semd
@pytest.mark.parametrize("kind", list(ProtocolKind))
def test_a_draft_in_any_situation_is_told_in_plain_words_what_the_freeze_would_refuse(
    state: State, kind: ProtocolKind
) -> None:
    for name, change in SITUATIONS.items():
        facts = replace(change(whole()), kind=kind)
        report = preview(facts, state.guides, BUILT_IN)
        assert unreadable(list(report.errors)) == [], name
        lacking = [*missing_items(facts), *missing_for_edition(facts, EDITIONS[kind][0])]
        told = {one.code for one in report.findings}
        assert {one.code for one in lacking} <= told, name


@pytest.mark.needs_semd
def test_no_odd_text_goes_unnoticed_in_a_draft(state: State) -> None:
    """In the text, in a name, in a dissent: written as it is, or refused with the field that holds it."""
    for name, text in ODD_TEXTS.items():
        for number in range(0, 260, 23):
            made = replaced(whole(), [number, 0], text)
            assert isinstance(made, ProtocolFacts)
            report = preview(made, state.guides, BUILT_IN)
            assert unreadable(list(report.errors)) == [], (name, number)


# Without any official file


@pytest.mark.parametrize(
    "made, field, words",
    [
        (
            SITUATIONS["guest who came, of an organisation without a number"](whole()),
            "participants",
            "Участники (Гостева Анна Сергеевна): не заполнено: имя или название",
        ),
        (
            SITUATIONS["year of three digits"](whole()),
            "patient.birth_date",
            "неверный вид значения: дата и время",
        ),
        (
            SITUATIONS["a diagnosis by code alone"](whole()),
            "diagnosis",
            "не заполнено: название по справочнику",
        ),
        (SITUATIONS["asked by an organisation without a number"](whole()), "request", "идентификатор"),
        (
            SITUATIONS["organisation without a name"](whole()),
            "organisation",
            "не заполнено: имя или название",
        ),
    ],
)
def test_what_no_guide_takes_is_told_for_every_kind_though_nothing_is_installed(
    made: ProtocolFacts, field: str, words: str
) -> None:
    for kind in ProtocolKind:
        errors = check(cda.render(replace(made, kind=kind)), None).errors
        assert [one for one in errors if one.field == field and words in one.ru], kind


def test_a_whole_document_of_every_kind_has_nothing_of_the_sort() -> None:
    for kind in ProtocolKind:
        assert check(cda.render(replace(whole(), kind=kind)), None).errors == ()


def test_a_word_of_two_alphabets_is_pointed_out_where_it_stands() -> None:
    made = whole()
    sections = replace(made.sections, course="Получала Аvastin, HЕR2 отрицательный, Аvastin отменён")
    opinion = replace(made.dissents[0], text="Против Сisplatin")
    report = preview(replace(made, sections=sections, dissents=(opinion,)), None, BUILT_IN)
    told = {one.field: one.ru for one in report.findings if one.code == "mixed_script"}
    assert set(told) == {"course", "dissents"}
    assert told["course"].endswith("проверьте: «Аvastin», «HЕR2».")
    assert "«Сisplatin»" in told["dissents"]
    assert [one for one in preview(made, None, BUILT_IN).findings if one.code == "mixed_script"] == []
