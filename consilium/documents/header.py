"""The CDA header, element by element, in the order the guides demand.

Order and content follow regulation table 4.3 (guide 190); what the base schema does not know stands in the
urn:hl7-ru:* namespaces. There is no signing time and no signature anywhere in it, so that all participants can
sign the same frozen bytes: author/time, legalAuthenticator/time and /signatureCode are nullFlavor NI.
"""

from __future__ import annotations

from datetime import date, datetime
from uuid import UUID

from lxml import etree

from consilium.documents.editions import (
    BASE,
    DICTIONARIES,
    MINISTRY_NAME,
    MINISTRY_ROOT,
    ROLES,
    SEXES,
    SNILS_ROOT,
    Edition,
)
from consilium.documents.facts import (
    Coded,
    Organisation,
    Participant,
    Patient,
    PersonName,
    ProtocolFacts,
    SeatKind,
)
from consilium.documents.vocabulary import NAMES
from consilium.documents.wording import local

CONFIDENTIALITY = NAMES["99.2.285"]
OTHER_CARD = Coded(code="3", name=NAMES["99.2.723"]["3"])
V3 = "urn:hl7-org:v3"
IDENTITY = "urn:hl7-ru:identity"
ADDRESS = "urn:hl7-ru:address"
MEDSERVICE = "urn:hl7-ru:medService"
NAMESPACES = {None: V3, "address": ADDRESS, "identity": IDENTITY, "medService": MEDSERVICE}
# Local identifiers below <organisation>.100.<system>.<instance>: patient, encounter, card, set, document, person.
PATIENT_ARC, ENCOUNTER_ARC, CARD_ARC, SET_ARC, DOCUMENT_ARC, PERSON_ARC = "10", "15", "17", "50", "51", "70"


def add(
    parent: etree._Element, name: str, text: str | None = None, namespace: str = V3, **attributes: str
) -> etree._Element:
    """Append a child element with text and attributes in the given order."""
    child = etree.SubElement(parent, f"{{{namespace}}}{name}", attributes)
    child.text = text
    return child


def root_oid(facts: ProtocolFacts, arc: str) -> str:
    """The root of this installation's identifiers of one sort."""
    return f"{facts.organisation.oid}.100.{facts.mis_number}.{facts.instance_number}.{arc}"


def stamp(value: datetime, offset_minutes: int) -> str:
    """`202611231405+0300`, the time format of the guides."""
    sign = "-" if offset_minutes < 0 else "+"
    hours, minutes = divmod(abs(offset_minutes), 60)
    return f"{local(value, offset_minutes):%Y%m%d%H%M}{sign}{hours:02}{minutes:02}"


def day_stamp(value: date) -> str:
    """`20261123`."""
    return f"{value:%Y%m%d}"


def coded(
    parent: etree._Element, name: str, value: Coded, dictionary: str, namespace: str = V3
) -> etree._Element:
    """A coded element with the five attributes РЭМД compares with its dictionaries.

    A value that was typed and has no code keeps its words and says OTH (not in the dictionary).
    """
    version, title = DICTIONARIES[dictionary]
    if not value.code:
        return add(parent, name, namespace=namespace, nullFlavor="OTH", displayName=value.name)
    return add(
        parent,
        name,
        namespace=namespace,
        code=value.code,
        codeSystem=f"{BASE}.{dictionary}",
        codeSystemVersion=version,
        codeSystemName=title,
        displayName=value.name,
    )


def document_element() -> etree._Element:
    """ClinicalDocument with what is the same in every document."""
    document = etree.Element(f"{{{V3}}}ClinicalDocument", nsmap=NAMESPACES)  # type: ignore[arg-type]  # the stubs do not know the default namespace
    add(document, "realmCode", code="RU")
    add(document, "typeId", root="2.16.840.1.113883.1.3", extension="POCD_MT000040")
    return document


def protocol_header(facts: ProtocolFacts, row: Edition) -> etree._Element:
    """Everything before the body of a protocol."""
    document = document_element()
    add(document, "templateId", root=row.template)
    _identify(document, facts, facts.document_id)
    code = coded(document, "code", row.code, row.dictionary)
    if row.translation:
        coded(code, "translation", row.translation, "99.2.1079")
    _describe(document, facts, f"{row.title} № {facts.number}", facts.frozen_at, facts.confidentiality)
    _version(document, facts, facts.set_id, facts.version)
    _record_target(document, facts)
    _people(document, facts, _must(facts, facts.author_id), _must(facts, facts.authenticator_id))
    _service_event(document, facts, row)
    if facts.replaces:
        related = add(document, "relatedDocument", typeCode="RPLC")
        parent = add(related, "parentDocument")
        _identify(parent, facts, facts.replaces)
    _component_of(document, facts)
    return document


def _must(facts: ProtocolFacts, person_id: str) -> Participant:
    one = facts.person(person_id)
    if one is None:  # check_facts has refused this before
        raise LookupError(person_id)
    return one


def _identify(parent: etree._Element, facts: ProtocolFacts, uid: UUID) -> None:
    add(parent, "id", root=root_oid(facts, DOCUMENT_ARC), extension=str(uid))


def _describe(document: etree._Element, facts: ProtocolFacts, title: str, at: datetime, level: str) -> None:
    add(document, "title", title)
    add(document, "effectiveTime", value=stamp(at, facts.utc_offset_minutes))
    coded(document, "confidentialityCode", Coded(code=level, name=CONFIDENTIALITY[level]), "99.2.285")
    add(document, "languageCode", code="ru-RU")


def _version(document: etree._Element, facts: ProtocolFacts, set_id: UUID, version: int) -> None:
    add(document, "setId", root=root_oid(facts, SET_ARC), extension=str(set_id))
    add(document, "versionNumber", value=str(version))


def _name(parent: etree._Element, name: PersonName) -> None:
    element = add(parent, "name")
    add(element, "family", name.surname)
    add(element, "given", name.given)
    if name.patronymic:
        add(element, "Patronymic", name.patronymic, IDENTITY)


def _snils(parent: etree._Element, snils: str) -> None:
    digits = "".join(char for char in snils if char in "0123456789")
    if digits:
        add(parent, "id", root=SNILS_ROOT, extension=digits)
    else:
        add(parent, "id", nullFlavor="NI")


def _address(parent: etree._Element, text: str) -> None:
    if text:
        element = add(parent, "addr")
        add(element, "streetAddressLine", text)


def _organisation(parent: etree._Element, name: str, one: Organisation) -> etree._Element:
    element = add(parent, name, classCode="ORG")
    add(element, "id", root=one.oid)
    if one.ogrn and name == "providerOrganization":  # the guides know the requisites here only
        props = add(element, "Props", namespace=IDENTITY)
        add(props, "Ogrn", one.ogrn, IDENTITY)
    add(element, "name", one.name)
    _address(element, one.address)
    return element


def _record_target(document: etree._Element, facts: ProtocolFacts) -> None:
    role = add(add(document, "recordTarget"), "patientRole")
    patient: Patient = facts.patient
    add(role, "id", root=root_oid(facts, PATIENT_ARC), extension=patient.local_id)
    # A pseudonym must not travel together with the number that undoes it.
    _snils(role, "" if patient.pseudonym else patient.snils)
    _address(role, "" if patient.pseudonym else patient.address)
    person = add(role, "patient")
    _name(person, patient.name)
    if patient.sex in SEXES:
        coded(person, "administrativeGenderCode", Coded(code=patient.sex, name=SEXES[patient.sex]), "11.1040")
    else:
        add(person, "administrativeGenderCode", nullFlavor="NI")
    if patient.birth_date:
        add(person, "birthTime", value=day_stamp(patient.birth_date))
    else:
        add(person, "birthTime", nullFlavor="NI")
    _organisation(role, "providerOrganization", facts.organisation)


def _assigned(parent: etree._Element, name: str, facts: ProtocolFacts, one: Participant) -> etree._Element:
    element = add(parent, name)
    add(element, "id", root=root_oid(facts, PERSON_ARC), extension=one.person_id)
    _snils(element, one.snils)
    coded(element, "code", one.post, "11.1002")
    _name(add(element, "assignedPerson"), one.name)
    _organisation(element, "representedOrganization", one.organisation)
    return element


def _people(
    document: etree._Element, facts: ProtocolFacts, author: Participant, authenticator: Participant
) -> None:
    element = add(document, "author")
    add(element, "time", nullFlavor="NI")
    _assigned(element, "assignedAuthor", facts, author)
    custodian = add(add(document, "custodian"), "assignedCustodian")
    _organisation(custodian, "representedCustodianOrganization", facts.organisation)
    _recipients(document, facts)
    element = add(document, "legalAuthenticator")
    add(element, "time", nullFlavor="NI")
    add(element, "signatureCode", nullFlavor="NI")
    _assigned(element, "assignedEntity", facts, authenticator)


def _recipients(document: etree._Element, facts: ProtocolFacts) -> None:
    ministry = Organisation(oid=MINISTRY_ROOT, name=MINISTRY_NAME)
    asked = (facts.requesting_organisation,) if facts.requesting_organisation else ()
    for one in (ministry, *asked):
        intended = add(add(document, "informationRecipient"), "intendedRecipient")
        received = add(intended, "receivedOrganization")
        add(received, "id", root=one.oid)
        add(received, "name", one.name)


def _service_event(document: etree._Element, facts: ProtocolFacts, row: Edition) -> None:
    event = add(add(document, "documentationOf"), "serviceEvent")
    coded(event, "code", row.event, "99.2.726")
    interval = add(event, "effectiveTime")
    add(interval, "low", value=stamp(facts.started_at, facts.utc_offset_minutes))
    add(interval, "high", value=stamp(facts.ended_at, facts.utc_offset_minutes))
    coded(event, "serviceForm", facts.urgency, "11.1551", MEDSERVICE)
    for one in facts.attended():
        if one.seat is not SeatKind.OBSERVER:
            _performer(event, facts, one)


def _performer(event: etree._Element, facts: ProtocolFacts, one: Participant) -> None:
    primary = one.person_id == facts.authenticator_id
    performer = add(event, "performer", typeCode="PPRF" if primary else "SPRF")
    role = Coded(code=one.role_code, name=ROLES.get(one.role_code, one.role_code))
    coded(performer, "functionCode", role, "99.2.368")
    entity = _assigned(performer, "assignedEntity", facts, one)
    remote = etree.Element(f"{{{MEDSERVICE}}}serviceRemote", value="true" if one.remote else "false")
    entity.insert(3, remote)  # after the two ids and the post (guide 190, Main08-1)


def _component_of(document: etree._Element, facts: ProtocolFacts) -> None:
    encounter = add(add(document, "componentOf"), "encompassingEncounter")
    known = facts.encounter
    add(
        encounter, "id", root=root_oid(facts, ENCOUNTER_ARC), extension=facts.case_number or str(facts.set_id)
    )
    card = known.card_number if known else facts.case_number or str(facts.set_id)
    add(encounter, "id", root=root_oid(facts, CARD_ARC), extension=card)
    coded(encounter, "code", known.kind if known else OTHER_CARD, "99.2.723")
    interval = add(encounter, "effectiveTime")
    started = known.started_at if known else None
    if started:
        add(interval, "low", value=stamp(started, facts.utc_offset_minutes))
    else:
        add(interval, "low", nullFlavor="NI")
