"""Diagnoses, earlier results, recommendations, services: groups for the eye and entries for machines, side by side.

Entry structure: guide 190 (У3-4 ff., У3-17 ff., У2-10..12); other guides use the same fields where they have them.
"""

from __future__ import annotations

from lxml import etree

from consilium.documents import wording
from consilium.documents.editions import Layout
from consilium.documents.facts import CaseDocument, Coded, Diagnosis, ProtocolFacts, Result, Service
from consilium.documents.markup import (
    ENTRY_ARC,
    TYPE,
    Form,
    act,
    add,
    coded,
    coded_value,
    document_reference,
    entry,
    field,
    field_code,
    moment,
    number_value,
    observation,
    related,
    text_value,
)
from consilium.documents.people import speaker
from consilium.documents.record import ResultAuthor, ResultKind, Tnm, Treatment
from consilium.documents.sections import Block, Entries, Group, Paragraph, Section, Table

MAIN_DIAGNOSIS = "1"  # 11.1077
# Extracts and referrals name a diagnosis without an identifier and without attributes.
DETAILED = frozenset({Layout.ONCOLOGICAL, Layout.GENERAL, Layout.COMMISSION})
ELECTRONIC, ON_PAPER = "1", "2"  # 99.2.1008
CONSILIUM_HELD = "Проведение консилиума врачей"

# Section of 99.2.197 and field of 99.2.166 for each sort of result.
RESULTS: dict[ResultKind, tuple[str, str, str]] = {
    ResultKind.CONSULTATION: ("RESCONS", "806", "Консультация"),
    ResultKind.INSTRUMENTAL: ("RESINSTR", "1806", "Инструментальное исследование"),
    ResultKind.LABORATORY: ("RESLAB", "901", "Лабораторное исследование"),
    ResultKind.HISTOLOGY: ("GISTRESULT", "4020", "Морфологическое исследование"),
}
STUDIES = {ResultKind.INSTRUMENTAL: "11.1471", ResultKind.LABORATORY: "11.1476"}


def settled(facts: ProtocolFacts) -> tuple[Diagnosis, ...]:
    """The diagnoses the document states: what the consilium settled on, else what the patient was sent with."""
    if facts.diagnoses or not (facts.diagnosis.code or facts.diagnosis.name):
        return facts.diagnoses
    return (Diagnosis(code=facts.diagnosis, kind=Coded(code=MAIN_DIAGNOSIS, name="Основное заболевание")),)


def diagnoses(form: Form) -> Group:
    """Code, words and attributes of each diagnosis."""
    rows = tuple(
        (
            form.name(one.kind, "11.1077"),
            one.code.code,
            one.text.strip() or form.name(one.code, "11.1005"),
            "; ".join(_attributes(form, one)) or "–",
        )
        for one in settled(form.facts)
    )
    table = Table(("Вид", "Код МКБ-10", "Диагноз", "Уточнения"), rows)
    blocks = (*_whose_diagnosis(form), table, *(() if follows_up(form) else _clinical_group(form)))
    return Group("diagnoses", "Диагноз", blocks if rows else ())


def _whose_diagnosis(form: Form) -> tuple[Block, ...]:
    """Whether it was settled on here or came with the patient; a referral has its own only."""
    if form.edition.layout is Layout.REFERRAL:
        return ()
    return (Paragraph(wording.diagnosis_origin(form.facts.kind, settled=bool(form.facts.diagnoses))),)


def _attributes(form: Form, one: Diagnosis) -> list[str]:
    found = [form.name(one.certainty, "99.2.795")] if one.certainty else []
    found += [form.name(one.nature, "11.1049")] if one.nature else []
    found += [f"стадия: {one.stage}"] if one.stage.strip() else []
    found += [_tnm_line(form, one.tnm)] if one.tnm else []
    return found


def _tnm_line(form: Form, one: Tnm) -> str:
    parts = (one.tumour, one.node, one.metastasis)
    return "TNM: " + " ".join(form.name(part, "99.2.547") for part in parts if part and part.name)


def _clinical_group(form: Form) -> tuple[Block, ...]:
    group = form.facts.clinical_group
    return (Paragraph(form.name(group, "99.2.146"), "Клиническая группа"),) if group else ()


def follows_up(form: Form) -> bool:
    """Whether the clinical group goes into a section of its own: by code, in the guide that has one (У3-18)."""
    group = form.facts.clinical_group
    known = group is not None and bool(group.code) and form.terms.knows("99.2.146")
    return known and form.edition.layout is Layout.ONCOLOGICAL


def follow_up(form: Form) -> Group:
    """The clinical group in words, as the section of follow-up shows it."""
    return Group("follow_up", "Диспансерное наблюдение", _clinical_group(form))


def follow_up_entries(section: etree._Element, form: Form) -> None:
    """The clinical group by code (У3-18)."""
    if form.facts.clinical_group:
        coded_value(field(entry(section), form, "12399"), form, form.facts.clinical_group, "99.2.146")


def diagnosis_id(form: Form, at: int) -> str:
    """The identifier of a diagnosis: recommendations point at it."""
    return f"{form.facts.set_id}-{at}"


def diagnosis_entries(section: etree._Element, form: Form) -> None:
    """One observation per diagnosis (У3-17)."""
    for at, one in enumerate(settled(form.facts), 1):
        made = observation(entry(section))
        if form.edition.layout in DETAILED:
            add(made, "id", root=form.root(ENTRY_ARC), extension=diagnosis_id(form, at))
        coded(made, form, "code", one.kind, "11.1077")
        add(made, "text", one.text.strip() or form.name(one.code, "11.1005") or one.code.code)
        coded_value(made, form, one.code, "11.1005")
        if form.edition.layout in DETAILED:
            _attribute(made, form, "7026", one.certainty, "99.2.795")
            _attribute(made, form, "12014", one.nature, "11.1049")
        if one.tnm and _classified(one.tnm) and form.edition.layout is Layout.ONCOLOGICAL:
            _tnm(made, form, one.tnm)


def _attribute(parent: etree._Element, form: Form, code: str, value: Coded | None, dictionary: str) -> None:
    if value and value.code and form.terms.knows(dictionary):
        coded_value(field(related(parent), form, code), form, value, dictionary)


def _classified(one: Tnm) -> bool:
    """Whether the guide takes it (У3-17): primary tumour and metastases by code; else it stands in words."""
    return bool(one.tumour.code and one.metastasis.code)


def _tnm(parent: etree._Element, form: Form, one: Tnm) -> None:
    outer = field(related(parent), form, "9062")
    for code, value in (("6047", one.tumour), ("6048", one.node), ("6049", one.metastasis)):
        if value and value.code:
            inner = field(related(outer), form, code)
            coded_value(inner, form, value, "99.2.547")
            basis = field(related(inner), form, "9063")
            # Whether it is clinical or pathological is not asked for.
            add(basis, "value", **{TYPE: "CD"}, nullFlavor="NI")


def results(form: Form) -> Group:
    """Every earlier result, whether it fits a coded section or not."""
    rows = tuple(
        (
            RESULTS[one.kind][2] + (f": {one.study.name}" if one.study and one.study.name else ""),
            wording.moment(one.at, form.facts.utc_offset_minutes),
            one.conclusion,
            f"{one.author.name.full()}, {one.author.post.name}" if one.author else "–",
            one.document.registry_number or one.document.local_id or "–",
        )
        for one in form.facts.results
    )
    table = Table(("Что", "Когда", "Заключение", "Кто", "Документ"), rows)
    return Group("results", "Результаты исследований и консультаций", (table,) if rows else ())


def result_parts(form: Form) -> tuple[Section, ...]:
    """A coded section per sort of result that has what the guide demands of it."""
    found = []
    for kind, (code, _, _) in RESULTS.items():
        rows = [one for one in form.facts.results if one.kind is kind and _fits(form, one)]
        if rows:
            found.append(Section(code, entries=_results_of(rows)))
    return tuple(found)


def _fits(form: Form, one: Result) -> bool:
    if not one.conclusion.strip() or (one.author and not _signed(one.author)):
        return False
    if one.kind is ResultKind.CONSULTATION:
        return one.author is not None
    return one.kind is not ResultKind.LABORATORY or _study(form, one) is not None


def _signed(author: ResultAuthor) -> bool:
    name = author.name
    return bool(author.post.code.strip() and name.surname.strip() and name.given.strip())


def _study(form: Form, one: Result) -> tuple[Coded, str] | None:
    dictionary = STUDIES.get(one.kind)
    if dictionary and one.study and one.study.code and form.terms.knows(dictionary):
        return one.study, dictionary
    return None


def _results_of(rows: list[Result]) -> Entries:
    def write(section: etree._Element, form: Form) -> None:
        for one in rows:
            _result(section, form, one)

    return write


def _result(section: etree._Element, form: Form, one: Result) -> None:
    made = observation(entry(section))
    known = _study(form, one)
    if known:
        coded(made, form, "code", *known)
    else:
        add(made, "code", nullFlavor="NI")
    moment(made, form, one.at)
    if one.author:
        speaker(made, form, one.author.person_id, one.author.post, one.author.name)
    text_value(field(related(made), form, RESULTS[one.kind][1]), one.conclusion)
    document_reference(made, form, one.document.local_id, one.document.registry_number)


def recommendations(form: Form) -> Group:
    """Treatment, examinations and whatever else was recommended."""
    given = form.facts.recommendations
    rows = tuple(
        (
            str(one.stage),
            wording.day(one.planned_on) if one.planned_on else "–",
            form.name(one.method, "11.1518") or "–",
            one.text,
        )
        for one in given.treatments
    )
    blocks: list[Block] = [Table(("Этап", "Срок", "Метод", "Лечение"), rows)] if rows else []
    if given.examinations.strip():
        blocks.append(Paragraph(given.examinations, "Обследования"))
    if given.other.strip():
        blocks.append(Paragraph(given.other, "Прочее"))
    return Group("recommendations", "Режим и рекомендации", tuple(blocks))


def recommendation_parts(form: Form) -> tuple[Section, ...]:
    """Coded sections of what was recommended; treatment by stages is what the oncological guide alone knows."""
    given = form.facts.recommendations
    found = []
    if _stages(form.facts) and form.edition.layout is Layout.ONCOLOGICAL:
        found.append(Section("RECTREAT", entries=_treatments))
    if given.examinations.strip():
        found.append(Section("RECEXAM", entries=_recommended(given.examinations)))
    if given.other.strip():
        found.append(Section("RECOTHER", entries=_recommended(given.other)))
    return tuple(found)


def _treatments(section: etree._Element, form: Form) -> None:
    for one in _stages(form.facts):
        _treatment(section, form, one)


def _stages(facts: ProtocolFacts) -> list[Treatment]:
    """Treatments with words, a day and a method by code; others stand in the narrative alone."""
    given = facts.recommendations.treatments
    return [one for one in given if one.method.code and one.planned_on and one.text.strip()]


def _treatment(section: etree._Element, form: Form, one: Treatment) -> None:
    made = observation(entry(section))
    add(made, "id", root=form.root(ENTRY_ARC), extension=diagnosis_id(form, 1))
    field_code(made, form, "807")
    moment(made, form, one.planned_on)
    text_value(made, one.text)
    coded_value(field(related(made), form, "12419"), form, one.method, "11.1518")
    number_value(field(related(made), form, "9057"), one.stage)


def _recommended(text: str) -> Entries:
    def write(section: etree._Element, form: Form) -> None:
        text_value(field(entry(section), form, "807"), text)

    return write


def given_services(facts: ProtocolFacts) -> tuple[Service, ...]:
    """What was done: at least the consilium itself."""
    named = tuple(one for one in facts.services if one.what.code or one.what.name.strip())
    return named or (Service(what=Coded(code="", name=CONSILIUM_HELD), at=facts.ended_at),)


def services(form: Form) -> Group:
    """The services as a table."""
    rows = tuple(
        (
            one.what.code or "–",
            form.name(one.what, "11.1070"),
            wording.moment(one.at, form.facts.utc_offset_minutes),
        )
        for one in given_services(form.facts)
    )
    return Group("services", "Оказанные услуги", (Table(("Код", "Услуга", "Когда"), rows),))


def service_entries(section: etree._Element, form: Form) -> None:
    """The number of services with an act for each (У3-22)."""
    done = given_services(form.facts)
    counted = field(entry(section), form, "6035")
    number_value(counted, len(done))
    for one in done:
        made = act(related(counted))
        if one.what.code:
            coded(made, form, "code", one.what, "11.1070")
        else:
            add(made, "code", nullFlavor="OTH")
            add(made, "text", one.what.name)
        moment(made, form, one.at)


def linked(form: Form) -> tuple[tuple[CaseDocument, Coded], ...]:
    """Documents with a sort that has a name (11.1522) and a date: those can be named by code."""
    return tuple(
        (one, one.kind)
        for one in form.facts.documents
        if one.kind and one.kind.code.strip() and form.name(one.kind, "11.1522").strip() and one.dated
    )


def link_entries(section: etree._Element, form: Form) -> None:
    """An act per document that can be named by code (У2-12)."""
    for one, kind in linked(form):
        made = act(entry(section))
        coded(made, form, "code", kind, "11.1522")
        add(made, "text", one.title.strip() or form.name(kind, "11.1522"))
        moment(made, form, one.dated)
        paper_details(made, form, series=one.series, number=one.number, paper=one.paper)
        document_reference(made, form, one.reference.local_id, one.reference.registry_number)


def paper_details(made: etree._Element, form: Form, *, series: str, number: str, paper: bool) -> None:
    """Series, number and form of a document named in LINKDOCS."""
    if series.strip():
        text_value(field(related(made), form, "11002"), series)
    if number.strip():
        text_value(field(related(made), form, "11003"), number)
    shape = form.terms.coded("99.2.1008", ON_PAPER if paper else ELECTRONIC)
    coded_value(field(related(made), form, "6058"), form, shape, "99.2.1008")
