"""A referral for consultation (kind 57, guide 185): who sends whom where, for what service, with what question.

Made from a case before any consilium sat: `case_facts` gives the facts their protocol shape, with the referring doctor
as the only participant.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from lxml import etree

from consilium.documents import clinical, narrative, wording
from consilium.documents.cda import finish
from consilium.documents.editions import Edition, Layout, wrong_edition
from consilium.documents.facts import (
    Coded,
    Consent,
    Diagnosis,
    Organisation,
    Participant,
    Patient,
    Payment,
    ProtocolFacts,
    ProtocolKind,
    Sections,
)
from consilium.documents.markup import (
    Form,
    act,
    add,
    coded_value,
    entry,
    field,
    field_code,
    observation,
    text_value,
)
from consilium.documents.people import organisation
from consilium.documents.sections import Group, Paragraph, Section
from consilium.documents.terms import BUILT_IN, Terms
from consilium.documents.validate import check_facts, check_values

IN_ABSENTIA = "2"  # 11.1508


@dataclass(frozen=True, slots=True, kw_only=True)
class Destination:
    """Where the patient is sent and what for; `service` is 11.1070 or words alone (empty code)."""

    organisation: Organisation
    service: Coded
    comment: str = ""


def case_facts(
    *,
    document_id: UUID,
    set_id: UUID,
    number: str,
    at: datetime,
    organisation: Organisation,
    patient: Patient,
    diagnosis: Coded,
    question: str,
    goal: Coded,
    urgency: Coded,
    consent: Consent,
    doctor: Participant,
    head: Participant | None = None,
    version: int = 1,
    case_number: str = "",
    diagnoses: tuple[Diagnosis, ...] = (),
    payment: Payment | None = None,
    confidentiality: str = "R",
    utc_offset_minutes: int = 180,
) -> ProtocolFacts:
    """The facts of a referral. `doctor` refers, `head` answers for it (the doctor himself when there is nobody)."""
    people = (doctor,) if head is None or head.person_id == doctor.person_id else (doctor, head)
    return ProtocolFacts(
        document_id=document_id,
        set_id=set_id,
        version=version,
        number=number,
        kind=ProtocolKind.GENERAL,
        form=Coded(code=IN_ABSENTIA, name=""),
        telemedicine=True,
        started_at=at,
        ended_at=at,
        frozen_at=at,
        organisation=organisation,
        patient=patient,
        diagnosis=diagnosis,
        question=question,
        goal=goal,
        urgency=urgency,
        consent=consent,
        participants=people,
        sections=Sections(reasons=question, course="", state="", decision=""),
        author_id=doctor.person_id,
        authenticator_id=people[-1].person_id,
        case_number=case_number,
        diagnoses=diagnoses,
        payment=payment,
        confidentiality=confidentiality,
        utc_offset_minutes=utc_offset_minutes,
    )


def render(facts: ProtocolFacts, edition: Edition, to: Destination, terms: Terms = BUILT_IN) -> bytes:
    """The referral as UTF-8 XML. Raises Invalid: unknown_code, text_refused, invalid_field."""
    if edition.layout is not Layout.REFERRAL:
        raise wrong_edition(edition.registry_kind)
    check_facts(facts)
    check_values(to, "to")
    form = Form(facts, edition, terms)

    def asked(section: etree._Element, form: Form) -> None:
        _entries(section, form, to)

    body = (
        Section("SCOPORG", (_destination(form, to),), asked),
        Section("DGN", (clinical.diagnoses(form),), clinical.diagnosis_entries),
    )
    return finish(form, body)


def _destination(form: Form, to: Destination) -> Group:
    facts = form.facts
    rows = [
        ("Номер направления", facts.number),
        ("Взамен документа", str(facts.replaces) if facts.replaces else ""),
        ("Номер случая", facts.case_number),
        ("Направившая организация", facts.organisation.name),
        ("Направлен в", to.organisation.name),
        ("Услуга", f"{to.service.code} {form.name(to.service, '11.1070')}".strip()),
        ("Форма оказания помощи", form.name(facts.urgency, "11.1551")),
        ("Цель", wording.goal_line(facts, form.name(facts.goal, "11.1506"))),
        ("Основание обработки сведений", wording.consent_line(facts.consent)),
    ]
    said = (Paragraph(facts.question, "Вопрос"), Paragraph(to.comment, "Комментарий"))
    kept = tuple(one for one in said if one.text.strip())
    return Group("destination", "Куда и для чего направлен", (narrative.pairs(rows), *kept))


def _entries(section: etree._Element, form: Form, to: Destination) -> None:
    sent = act(entry(section), "RQO")
    field_code(sent, form, "8038")
    entity = add(add(sent, "performer"), "assignedEntity")
    add(entity, "id", nullFlavor="NI")
    organisation(entity, form, "representedOrganization", to.organisation)
    wanted = observation(entry(section), "RQO")
    field_code(wanted, form, "833")
    coded_value(wanted, form, to.service, "11.1070")
    comment = "\n".join(text.strip() for text in (form.facts.question, to.comment) if text.strip())
    if comment:
        text_value(field(entry(section), form, "10000"), comment)
