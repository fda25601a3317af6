"""Which sections a protocol of each kind has, in order, and the entries that are a consilium's own.

190 follows its guide. 307 has no published guide: its body is that of 190 without what only oncology knows; that is
configuration to be confirmed. 40 uses the fields НСИ 99.2.166 gives to guide 15.15.1; the commission's protocol is a
local form and borrows the fields of its extract.
"""

from __future__ import annotations

from collections.abc import Callable

from lxml import etree

from consilium.documents import clinical, narrative
from consilium.documents.editions import Layout
from consilium.documents.facts import Coded
from consilium.documents.markup import (
    Form,
    add,
    coded_value,
    entry,
    field,
    field_code,
    flag_value,
    moment,
    observation,
    text_value,
)
from consilium.documents.people import speaker
from consilium.documents.sections import Group, Section

ONCOLOGICAL_TYPE = "2"  # 99.2.780
REMOTE_PLACE = "8"  # 11.1008


def sections(form: Form) -> tuple[Section, ...]:
    """The body of a protocol."""
    return _LAYOUTS[form.edition.layout](form)


def _consilium(form: Form) -> tuple[Section, ...]:
    return (
        Section("ANAM", (narrative.course(form),), _course),
        Section("PATOBJ", (narrative.state(form),), _state),
        Section("PROC", (clinical.results(form),), parts=clinical.result_parts(form)),
        Section("CONSILIUM", _consilium_groups(form), _consilium_entries),
        Section("DGN", (clinical.diagnoses(form),), clinical.diagnosis_entries),
        *_follow_up(form),
        Section("REGIME", (clinical.recommendations(form),), parts=clinical.recommendation_parts(form)),
        Section("SERVICES", (clinical.services(form),), clinical.service_entries),
        *_links(form),
    )


def _consilium_groups(form: Form) -> tuple[Group, ...]:
    return (
        narrative.particulars(form),
        narrative.composition(form),
        narrative.attendance(form),
        narrative.reasons(form),
        narrative.questions(form),
        narrative.decision(form),
        narrative.dissent(form),
        narrative.statements(form),
        *_unlinked(form),
        narrative.notes(form),
    )


def _follow_up(form: Form) -> tuple[Section, ...]:
    if not clinical.follows_up(form):
        return ()
    return (Section("DISPENSOBS", (clinical.follow_up(form),), clinical.follow_up_entries),)


def _links(form: Form) -> tuple[Section, ...]:
    """The documents as a section of their own, when one of them can be named by code."""
    if not clinical.linked(form):
        return ()
    return (Section("LINKDOCS", (narrative.documents(form),), clinical.link_entries),)


def _unlinked(form: Form) -> tuple[Group, ...]:
    return () if clinical.linked(form) else (narrative.documents(form),)


def _course(section: etree._Element, form: Form) -> None:
    text_value(field(entry(section), form, "4102"), form.facts.sections.course)


def _state(section: etree._Element, form: Form) -> None:
    made = observation(entry(section))
    field_code(made, form, "804")
    add(made, "text", form.facts.sections.state.strip())
    coded_value(made, form, form.facts.severity or Coded(code="", name="не указана"), "11.1006")


def _consilium_entries(section: etree._Element, form: Form) -> None:
    facts = form.facts
    flag_value(field(entry(section), form, "12389"), yes=facts.telemedicine)
    if form.edition.layout is Layout.ONCOLOGICAL:
        kind = form.terms.coded("99.2.780", ONCOLOGICAL_TYPE)
        coded_value(field(entry(section), form, "9058"), form, kind, "99.2.780")
    else:
        # The number stands here in the published sample of the general consilium (ВИМИС SMSV6, kind 349).
        text_value(field(entry(section), form, "11003"), facts.number)
        if facts.consilium_type:
            coded_value(field(entry(section), form, "9058"), form, facts.consilium_type, "99.2.780")
    coded_value(field(entry(section), form, "6057"), form, facts.form, "11.1508")
    text_value(field(entry(section), form, "9059"), facts.sections.reasons)
    _goal(section, form, "6026")
    text_value(field(entry(section), form, "6030"), facts.sections.decision)
    _dissents(section, form)


def _goal(section: etree._Element, form: Form, code: str) -> None:
    made = field(entry(section), form, code)
    if form.facts.goal_text.strip():
        add(made, "text", form.facts.goal_text.strip())
    coded_value(made, form, form.facts.goal, "11.1506")


def _dissents(section: etree._Element, form: Form) -> None:
    """Each opinion with its author, without his СНИЛС (У3-16)."""
    for one in form.facts.dissents:
        author = form.facts.person(one.author_id)
        if author is None:  # check_facts has refused this before
            raise LookupError(one.author_id)
        made = field(entry(section), form, "9060")
        text_value(made, one.text)
        speaker(made, form, author.person_id, author.post, author.name)


def _consultation(form: Form) -> tuple[Section, ...]:
    about = (
        narrative.particulars(form),
        narrative.composition(form),
        narrative.attendance(form),
        narrative.reasons(form),
    )
    said = (
        narrative.questions(form),
        clinical.recommendations(form),
        narrative.dissent(form),
        narrative.statements(form),
        narrative.documents(form),
        narrative.notes(form),
    )
    return (
        Section("DOCINFO", about, _consultation_entries),
        Section("AMBS", _findings(form), _findings_entries),
        Section("RESCONS", (clinical.diagnoses(form), clinical.results(form), *said), _pathology_entries),
        Section("RESINFO", (narrative.decision(form),), _conclusion_entries),
    )


def _findings(form: Form) -> tuple[Group, ...]:
    complaints = narrative.prose(form.facts.complaints, "complaints", "Жалобы")
    return (complaints, narrative.course(form), narrative.state(form))


def _consultation_entries(section: etree._Element, form: Form) -> None:
    facts = form.facts
    goal = facts.consultation_goal or Coded(code="", name=facts.goal.name or facts.question)
    if goal.name or goal.code:
        coded_value(field(entry(section), form, "4067"), form, goal, "99.2.46")
    moment(field(entry(section), form, "4068"), form, facts.started_at)
    if facts.consultation_type:
        coded_value(field(entry(section), form, "4071"), form, facts.consultation_type, "99.2.555")
    place = form.terms.coded("11.1008", REMOTE_PLACE)
    if facts.telemedicine:
        coded_value(field(entry(section), form, "801"), form, place, "11.1008")


def _findings_entries(section: etree._Element, form: Form) -> None:
    facts = form.facts
    if facts.complaints.strip():
        text_value(field(entry(section), form, "835"), facts.complaints)
    text_value(field(entry(section), form, "4069"), facts.sections.course)
    text_value(field(entry(section), form, "836"), facts.sections.state)
    if facts.severity:
        coded_value(field(entry(section), form, "804"), form, facts.severity, "11.1006")


def _pathology_entries(section: etree._Element, form: Form) -> None:
    facts = form.facts
    for one in clinical.settled(facts):
        text_value(
            field(entry(section), form, "808"), one.text or form.name(one.code, "11.1005") or one.code.code
        )
        if one.code.code:
            coded_value(field(entry(section), form, "809"), form, one.code, "11.1005")
    advice = [facts.recommendations.examinations, facts.recommendations.other]
    advice += [one.text for one in facts.recommendations.treatments]
    for text in advice:
        if text.strip():
            text_value(field(entry(section), form, "807"), text)


def _conclusion_entries(section: etree._Element, form: Form) -> None:
    text_value(field(entry(section), form, "806"), form.facts.sections.decision)


def _commission(form: Form) -> tuple[Section, ...]:
    return (
        Section("DOCINFO", _consilium_groups(form), _commission_entries),
        Section("ANAM", (narrative.course(form),), _course),
        Section("PATOBJ", (narrative.state(form),), _state),
        Section("PROC", (clinical.results(form),)),
        Section("DGN", (clinical.diagnoses(form),), clinical.diagnosis_entries),
        Section("REGIME", (clinical.recommendations(form),), parts=clinical.recommendation_parts(form)),
        *_links(form),
    )


def _commission_entries(section: etree._Element, form: Form) -> None:
    facts = form.facts
    text_value(field(entry(section), form, "6080"), facts.number)
    moment(field(entry(section), form, "8033"), form, facts.started_at)
    _goal(section, form, "12475")
    for one in facts.resolutions:
        text_value(field(entry(section), form, "12477"), one.wording)
    text_value(field(entry(section), form, "12173"), facts.sections.decision)
    _dissents(section, form)


_LAYOUTS: dict[Layout, Callable[[Form], tuple[Section, ...]]] = {
    Layout.ONCOLOGICAL: _consilium,
    Layout.GENERAL: _consilium,
    Layout.CONSULTATION: _consultation,
    Layout.COMMISSION: _commission,
}
