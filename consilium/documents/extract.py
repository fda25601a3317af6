"""An extract from a commission's protocol (kind 347): the decision and what it is about, for those who act on it.

Rendered from the facts of the protocol with the extract's own identity. Edition 1 follows guide 99; later editions
have the fields НСИ 99.2.166 gives to guide 15.75.2, no schema of theirs being published: they are marked inferred.
Names of votes and the words of a dissent stay in the protocol; that there was one is said.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from lxml import etree

from consilium.documents import clinical, narrative, wording
from consilium.documents.cda import finish
from consilium.documents.editions import Edition, Layout, wrong_edition
from consilium.documents.facts import Coded, ProtocolFacts, SeatKind
from consilium.documents.markup import (
    Form,
    act,
    add,
    coded,
    coded_value,
    document_reference,
    entry,
    field,
    moment,
    related,
    text_value,
)
from consilium.documents.sections import Group, Paragraph, Section, Table
from consilium.documents.terms import BUILT_IN, Terms
from consilium.documents.text import check_text
from consilium.documents.validate import check_facts, check_values, require_complete

PROTOCOL_OF_COMMISSION = "87"  # 11.1522


@dataclass(frozen=True, slots=True, kw_only=True)
class ParentDocument:
    """The protocol an extract is made from; `registry_number` is empty where it was not filed."""

    document_id: UUID
    number: str
    version: int
    held_at: datetime
    registry_number: str = ""


def render(
    facts: ProtocolFacts,
    edition: Edition,
    source: ParentDocument,
    terms: Terms = BUILT_IN,
    *,
    addressee: str = "",
) -> bytes:
    """The extract as UTF-8 XML.

    `facts`: the protocol's, with document_id, set_id, version, number and frozen_at of the extract; `addressee`: to
    whom it is given, where that was said. Raises Invalid as
    `cda.render`, and Invalid("unknown_code") for an edition of another document.
    """
    if edition.layout is not Layout.EXTRACT:
        raise wrong_edition(edition.registry_kind)
    check_facts(facts)
    require_complete(facts)
    check_values(source, "source")
    check_text(addressee, "addressee")
    form = Form(facts, edition, terms)
    return finish(form, _sections(form, source, addressee))


def _sections(form: Form, source: ParentDocument, addressee: str) -> tuple[Section, ...]:
    def decided(section: etree._Element, form: Form) -> None:
        _decision_entries(section, form, source)

    def linked(section: etree._Element, form: Form) -> None:
        _source_entry(section, form, source)

    first = form.edition.number == 1
    return (
        Section("DOCINFO", _groups(form, source, addressee), decided),
        Section("DGN", (clinical.diagnoses(form),), clinical.diagnosis_entries),
        *(() if first else (Section("LINKDOCS", (_source_group(form, source),), linked),)),
    )


def _groups(form: Form, source: ParentDocument, addressee: str) -> tuple[Group, ...]:
    return (
        _particulars(form, source, addressee),
        _commission(form),
        _asked(form),
        narrative.decision(form),
        clinical.recommendations(form),
        narrative.notes(form),
    )


def _particulars(form: Form, source: ParentDocument, addressee: str) -> Group:
    facts = form.facts
    order = facts.commission
    dated = f" от {wording.day(order.order_date)}" if order and order.order_date else ""
    rows = [
        ("Номер выписки", facts.number),
        ("Взамен документа", str(facts.replaces) if facts.replaces else ""),
        ("Для кого", addressee),
        ("Протокол", f"№ {source.number} от {_day(form, source.held_at)}, версия {source.version}"),
        ("Регистрационный номер протокола", source.registry_number),
        ("Медицинская организация", facts.organisation.name),
        ("Врачебная комиссия", order.name if order else ""),
        ("Вид подкомиссии", order.subcommission.name if order and order.subcommission else ""),
        ("Приказ", f"№ {order.order_number}{dated}" if order else ""),
        ("Форма проведения", form.name(facts.form, "11.1508")),
        ("Особые мнения", f"{len(facts.dissents)}, изложены в протоколе" if facts.dissents else ""),
    ]
    return Group("particulars", "Сведения о документе", (narrative.pairs(rows),))


def _day(form: Form, at: datetime) -> str:
    return wording.day(wording.local(at, form.facts.utc_offset_minutes).date())


def _commission(form: Form) -> Group:
    rows = tuple(
        (one.name.full(), one.post.name, wording.seat(form.facts.kind, one.seat))
        for one in form.facts.attended()
        if one.seat is not SeatKind.OBSERVER
    )
    table = Table(("Фамилия, имя, отчество", "Должность", "Роль"), rows)
    return Group("composition", "Состав комиссии", (table,) if rows else ())


def _asked(form: Form) -> Group:
    facts = form.facts
    blocks = [Paragraph(wording.goal_line(facts, form.name(facts.goal, "11.1506")), "Цель")]
    for one in facts.resolutions:
        blocks.append(Paragraph(one.wording, f"Вопрос {one.number}"))
        blocks.append(Paragraph(f"{wording.tally_line(one.tally)}. {wording.outcome_line(one)}", "Итог"))
    return Group("questions", "Рассмотренные вопросы", tuple(one for one in blocks if one.text.strip()))


def _source_group(form: Form, source: ParentDocument) -> Group:
    row = (f"Протокол № {source.number}", _day(form, source.held_at), source.registry_number or "–")
    return Group("documents", "Связанные документы", (Table(("Документ", "Дата", "Номер в РЭМД"), (row,)),))


def _decision_entries(section: etree._Element, form: Form, source: ParentDocument) -> None:
    facts = form.facts
    if form.edition.number > 1:
        _later_fields(section, form, source)
    decided = field(entry(section), form, "12173")
    text_value(decided, facts.sections.decision)
    _hospitalisation(decided, form)
    text_value(field(entry(section), form, "6080"), source.number)


def _later_fields(section: etree._Element, form: Form, source: ParentDocument) -> None:
    """What editions after the first add (НСИ 99.2.166, guide 15.75.2)."""
    facts = form.facts
    for one in facts.resolutions:
        text_value(field(entry(section), form, "12477"), one.wording)
    sort = facts.commission.subcommission if facts.commission else None
    if sort:
        # The dictionary of subcommissions is published nowhere: the words alone.
        coded_value(field(entry(section), form, "12476"), form, Coded(code="", name=sort.name), "")
    goal = field(entry(section), form, "12475")
    if facts.goal_text.strip():
        add(goal, "text", facts.goal_text.strip())
    coded_value(goal, form, facts.goal, "11.1506")
    held = field(entry(section), form, "8033")
    moment(held, form, source.held_at)


def _hospitalisation(decided: etree._Element, form: Form) -> None:
    found = form.facts.hospitalisation
    if found is None:
        return
    for code, value, dictionary in (
        ("6079", found.decision, "11.1512"),
        ("12140", found.refusal, "11.1497"),
    ):
        if value and value.code and form.terms.knows(dictionary):
            coded_value(field(related(decided), form, code), form, value, dictionary)
    if found.planned_on:
        moment(field(related(decided), form, "6025"), form, found.planned_on)


def _source_entry(section: etree._Element, form: Form, source: ParentDocument) -> None:
    made = act(entry(section))
    coded(made, form, "code", form.terms.coded("11.1522", PROTOCOL_OF_COMMISSION), "11.1522")
    add(made, "text", f"Протокол врачебной комиссии № {source.number}")
    moment(made, form, source.held_at)
    clinical.paper_details(made, form, series="", number=source.number, paper=False)
    document_reference(made, form, str(source.document_id), source.registry_number)
