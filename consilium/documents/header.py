"""The CDA header, element by element, in the order the guides demand.

Order and content follow regulation table 4.3 (guide 190); what the base schema does not know stands in the
urn:hl7-ru:* namespaces. There is no signing time and no signature anywhere in it, so that all participants can
sign the same frozen bytes: author/time, legalAuthenticator/time and /signatureCode are nullFlavor NI. Guide 99 alone
wants times there: it gets the time at which the document was made, the same for everybody.
"""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from lxml import etree

from consilium.documents.editions import MINISTRY_NAME, MINISTRY_ROOT, Layout
from consilium.documents.facts import Coded, Organisation, Participant
from consilium.documents.markup import (
    CARD_ARC,
    DOCUMENT_ARC,
    ENCOUNTER_ARC,
    INPATIENT_ARC,
    MEDSERVICE,
    NAMESPACES,
    PII,
    SET_ARC,
    V3,
    Form,
    add,
    coded,
    identifier,
)
from consilium.documents.payment import payer
from consilium.documents.people import organisation, plain, record_target, worker
from consilium.documents.required import performers

OTHER_CARD, INPATIENT_CARD = "3", "2"
# Guides whose schema has a place for it; in the others setId and versionNumber say the same.
_RELATED = frozenset({Layout.CONSULTATION, Layout.COMMISSION})
_PAID = frozenset({Layout.EXTRACT, Layout.REFERRAL})


def document_element() -> etree._Element:
    """ClinicalDocument with what is the same in every document."""
    document = etree.Element(f"{{{V3}}}ClinicalDocument", nsmap=NAMESPACES)  # type: ignore[arg-type]  # the stubs do not know the default namespace
    add(document, "realmCode", code="RU")
    add(document, "typeId", root="2.16.840.1.113883.1.3", extension="POCD_MT000040")
    return document


def header(form: Form) -> etree._Element:
    """Everything before the body."""
    facts, row = form.facts, form.edition
    document = document_element()
    add(document, "templateId", root=row.template)
    _identify(document, form, facts.document_id)
    code = coded(document, form, "code", row.code, row.dictionary)
    if row.translation:
        coded(code, form, "translation", row.translation, "99.2.1079")
    _describe(document, form)
    record_target(document, form)
    _people(document, form)
    if row.layout in _PAID and facts.payment and facts.payment.source.code.strip():
        payer(document, form, facts.payment)
    _service_event(document, form)
    if facts.replaces and row.layout in _RELATED:
        parent = add(add(document, "relatedDocument", typeCode="RPLC"), "parentDocument")
        _identify(parent, form, facts.replaces)
    if row.layout is not Layout.REFERRAL:
        _component_of(document, form)
    return document


def _must(form: Form, person_id: str) -> Participant:
    one = form.facts.person(person_id)
    if one is None:  # check_facts has refused this before
        raise LookupError(person_id)
    return one


def _identify(parent: etree._Element, form: Form, uid: UUID) -> None:
    add(parent, "id", root=form.root(DOCUMENT_ARC), extension=str(uid))


def _describe(document: etree._Element, form: Form) -> None:
    facts = form.facts
    add(document, "title", f"{form.edition.title} № {facts.number}")
    add(document, "effectiveTime", value=form.stamp(facts.frozen_at))
    level = Coded(code=facts.confidentiality, name="")
    coded(document, form, "confidentialityCode", level, "99.2.285")
    add(document, "languageCode", code="ru-RU")
    add(document, "setId", root=form.root(SET_ARC), extension=str(facts.set_id))
    add(document, "versionNumber", value=str(facts.version))


def _people(document: etree._Element, form: Form) -> None:
    element = add(document, "author")
    _time(element, form)
    worker(element, form, "assignedAuthor", _must(form, form.facts.author_id))
    custodian = add(add(document, "custodian"), "assignedCustodian")
    organisation(custodian, form, "representedCustodianOrganization", form.facts.organisation)
    _recipients(document, form)
    element = add(document, "legalAuthenticator")
    _time(element, form)
    if _timed(form):
        add(element, "signatureCode", code="S")
    else:
        add(element, "signatureCode", nullFlavor="NI")
    worker(element, form, "assignedEntity", _must(form, form.facts.authenticator_id))


def _timed(form: Form) -> bool:
    return form.edition.layout is Layout.EXTRACT and form.edition.number == 1


def _time(element: etree._Element, form: Form) -> None:
    made: datetime = form.facts.frozen_at
    if _timed(form):
        add(element, "time", value=form.stamp(made))
    else:
        add(element, "time", nullFlavor="NI")


def _recipients(document: etree._Element, form: Form) -> None:
    ministry = Organisation(oid=MINISTRY_ROOT, name=MINISTRY_NAME)
    asked = form.facts.requesting_organisation
    # Guide 99 allows the ministry alone.
    more = (asked,) if asked and form.edition.layout is not Layout.EXTRACT else ()
    for one in (ministry, *more):
        intended = add(add(document, "informationRecipient"), "intendedRecipient")
        received = add(intended, "receivedOrganization")
        add(received, "id", root=one.oid)
        add(received, "name", one.name)


def _service_event(document: etree._Element, form: Form) -> None:
    facts, layout = form.facts, form.edition.layout
    event = add(add(document, "documentationOf"), "serviceEvent")
    coded(event, form, "code", form.edition.event, "99.2.726")
    if layout in {Layout.ONCOLOGICAL, Layout.REFERRAL}:
        add(event, "effectiveTime", value=form.stamp(facts.started_at))
    else:
        interval = add(event, "effectiveTime")
        add(interval, "low", value=form.stamp(facts.started_at))
        add(interval, "high", value=form.stamp(facts.ended_at))
    if not plain(form):
        _care(event, form)
    if layout is not Layout.REFERRAL:
        for one in performers(facts):
            _performer(event, form, one)


def _care(event: etree._Element, form: Form) -> None:
    facts = form.facts
    coded(event, form, "serviceForm", facts.urgency, "11.1551", MEDSERVICE)
    if facts.service_type and facts.service_type.code:
        coded(event, form, "serviceType", facts.service_type, "11.1034", MEDSERVICE)
    if facts.service_conditions and facts.service_conditions.code:
        coded(event, form, "serviceCond", facts.service_conditions, "99.2.322", MEDSERVICE)


def _performer(event: etree._Element, form: Form, one: Participant) -> None:
    primary = one.person_id == form.facts.authenticator_id
    performer = add(event, "performer", typeCode="PPRF" if primary else "SPRF")
    coded(performer, form, "functionCode", Coded(code=one.role_code, name=one.role_code), "99.2.368")
    entity = worker(performer, form, "assignedEntity", one)
    if form.edition.layout is Layout.EXTRACT or plain(form):
        return
    remote = etree.Element(f"{{{MEDSERVICE}}}serviceRemote", value="true" if one.remote else "false")
    entity.insert(3, remote)  # after the two ids and the post (guide 190, Main08-1)
    if one.qualification.strip():
        words = etree.Element(f"{{{PII}}}Qualification")
        words.text = one.qualification.strip()
        entity.insert(4, words)


def _component_of(document: etree._Element, form: Form) -> None:
    facts = form.facts
    encounter = add(add(document, "componentOf"), "encompassingEncounter")
    known = facts.encounter
    case = facts.case_number or str(facts.set_id)
    add(encounter, "id", root=form.root(ENCOUNTER_ARC), extension=case)
    if known is None:
        identifier(encounter, form.root(CARD_ARC), "")
        add(encounter, "code", nullFlavor="NI")
        add(add(encounter, "effectiveTime"), "low", nullFlavor="NI")
        return
    arc = INPATIENT_ARC if known.kind.code == INPATIENT_CARD else CARD_ARC
    identifier(encounter, form.root(arc), known.card_number)
    coded(encounter, form, "code", known.kind, "99.2.723")
    if known.kind.code == OTHER_CARD and known.card and not plain(form):
        coded(encounter, form, "DocType", known.card, "11.1522", MEDSERVICE)
    interval = add(encounter, "effectiveTime")
    if known.started_at:
        add(interval, "low", value=form.stamp(known.started_at))
    else:
        add(interval, "low", nullFlavor="NI")
