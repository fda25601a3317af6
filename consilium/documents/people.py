"""Patients, workers and organisations as CDA elements, as all guides share them.

What the guides demand and the facts do not know is marked as unknown (nullFlavor), never made up; whether that is
enough is said beforehand by required.py.
"""

from __future__ import annotations

import re
from dataclasses import replace

from lxml import etree

from consilium.documents.editions import SEXES, Layout
from consilium.documents.facts import (
    Address,
    Coded,
    Guardian,
    IdentityPaper,
    Organisation,
    Participant,
    Patient,
    PersonName,
    Policy,
)
from consilium.documents.markup import (
    ADDRESS,
    FIAS,
    IDENTITY,
    PATIENT_ARC,
    PERSON_ARC,
    Form,
    add,
    coded,
    day_stamp,
    identifier,
    snils,
)
from consilium.documents.record import snils_digits
from consilium.documents.required import known_policy

LICENCE_ROOT = "1.2.643.5.1.13.2.1.1.1504.101"
# These schemas want the ministry's own elements, even if only to hear that nothing is known.
STRICT = frozenset({Layout.ONCOLOGICAL, Layout.GENERAL, Layout.EXTRACT, Layout.REFERRAL})
_PHONE = re.compile(r"\+?[0-9]{5,15}")
_POSTAL_CODE = re.compile(r"[0-9]{6}")
_UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


def plain(form: Form) -> bool:
    """Whether the schema is HL7's base alone, without the ministry's elements (guide 40, of 2019)."""
    return form.edition.layout is Layout.CONSULTATION


def person_name(parent: etree._Element, form: Form, name: PersonName) -> None:
    """`name` with the Russian patronymic; where there is no element for it, as the second given name."""
    element = add(parent, "name")
    add(element, "family", name.surname)
    add(element, "given", name.given)
    if name.patronymic and plain(form):
        add(element, "given", name.patronymic)
    elif name.patronymic:
        add(element, "Patronymic", name.patronymic, IDENTITY)


def _known(parent: etree._Element, name: str, text: str, namespace: str) -> None:
    if text:
        add(parent, name, text, namespace)
    else:
        add(parent, name, namespace=namespace, nullFlavor="NI")


def address(parent: etree._Element, form: Form, one: Address, *, typed: bool = False) -> None:
    """A structured address; `typed` adds its kind, which the guides want of patients."""
    element = add(parent, "addr")
    if plain(form):
        _plain_address(element, form, one)
        return
    if typed:
        coded(element, form, "Type", form.terms.coded("11.1504", one.kind), "11.1504", ADDRESS)
    add(element, "streetAddressLine", one.text)
    coded(element, form, "stateCode", one.region, "99.2.206", ADDRESS)
    postal = one.postal_code if _POSTAL_CODE.fullmatch(one.postal_code) else ""
    _known(element, "postalCode", postal, element.nsmap[None])
    _fias(element, one)


def _plain_address(element: etree._Element, form: Form, one: Address) -> None:
    add(element, "streetAddressLine", one.text)
    add(element, "state", form.name(one.region, "99.2.206"))
    if one.postal_code:
        add(element, "postalCode", one.postal_code)


def _fias(parent: etree._Element, one: Address) -> None:
    if not _UUID.fullmatch(one.object_id):
        add(parent, "Address", namespace=FIAS, nullFlavor="NI")
        return
    element = add(parent, "Address", namespace=FIAS)
    add(element, "AOGUID", one.object_id, FIAS)
    _known(element, "HOUSEGUID", one.house_id if _UUID.fullmatch(one.house_id) else "", FIAS)


def organisation(
    parent: etree._Element, form: Form, name: str, one: Organisation, *, located: bool = True
) -> etree._Element:
    """An organisation by its ФРМО id, with phone and address where they are known."""
    element = add(parent, name, classCode="ORG")
    add(element, "id", root=one.oid)
    add(element, "name", one.name)
    _contacts(element, form, one if located else replace(one, place=None))
    return element


def provider(parent: etree._Element, form: Form) -> None:
    """The organisation that gives the care, with its licence and requisites."""
    one = form.facts.organisation
    element = add(parent, "providerOrganization")
    add(element, "id", root=one.oid)
    if one.licence and one.licence.number and one.licence.issuer:
        add(
            element,
            "id",
            root=LICENCE_ROOT,
            extension=one.licence.number,
            assigningAuthorityName=one.licence.issuer,
        )
    _requisites(element, form, one)
    add(element, "name", one.name)
    _contacts(element, form, one)


def _requisites(parent: etree._Element, form: Form, one: Organisation) -> None:
    if plain(form) or not (one.ogrn or one.okpo):
        return
    props = add(parent, "Props", namespace=IDENTITY)
    if one.ogrn:
        add(props, "Ogrn", one.ogrn, IDENTITY)
    if one.okpo:
        add(props, "Okpo", one.okpo, IDENTITY)


def _contacts(element: etree._Element, form: Form, one: Organisation) -> None:
    if _PHONE.fullmatch(one.phone):
        add(element, "telecom", value=f"tel:{one.phone}")
    if one.place and one.place.whole:
        address(element, form, one.place)
    elif one.address and form.edition.layout not in STRICT:
        add(add(element, "addr"), "streetAddressLine", one.address)


def record_target(document: etree._Element, form: Form) -> None:
    """The patient. A pseudonym must not travel together with the numbers that undo it."""
    patient = form.facts.patient
    shown = not patient.pseudonym
    role = add(add(document, "recordTarget"), "patientRole")
    add(role, "id", root=form.root(PATIENT_ARC), extension=patient.local_id)
    snils(role, patient.snils if shown else "")
    _identity(role, form, patient.paper if shown else None)
    _policy(role, form, known_policy(form.facts) if shown else None)
    _addresses(role, form, patient)
    person = add(role, "patient")
    person_name(person, form, patient.name)
    _sex_and_birth(person, form, patient)
    if shown and patient.guardian and patient.guardian.name.surname and patient.guardian.name.given:
        _guardian(person, form, patient.guardian)
    provider(role, form)


def _identity(role: etree._Element, form: Form, paper: IdentityPaper | None) -> None:
    if plain(form):
        return
    if paper is not None and paper.whole and (form.edition.layout is not Layout.EXTRACT or _whole(paper)):
        _paper(add(role, "IdentityDoc", namespace=IDENTITY), form, paper, "99.2.48")
    elif form.edition.layout in STRICT:
        add(role, "IdentityDoc", namespace=IDENTITY, nullFlavor="NI")


def _whole(paper: IdentityPaper) -> bool:
    """Guide 99 takes a paper with all of its details or none (У1-12)."""
    return bool(paper.series and paper.issuer and paper.issuer_code)


def _paper(element: etree._Element, form: Form, paper: IdentityPaper, dictionary: str) -> None:
    coded(element, form, "IdentityCardType", paper.kind, dictionary, IDENTITY)
    _known(element, "Series", paper.series, IDENTITY)
    add(element, "Number", paper.number, IDENTITY)
    _known(element, "IssueOrgName", paper.issuer, IDENTITY)
    if dictionary == "99.2.48":
        _known(element, "IssueOrgCode", paper.issuer_code, IDENTITY)
    add(element, "IssueDate", namespace=IDENTITY, value=day_stamp(paper.issued_on))


def _policy(role: etree._Element, form: Form, policy: Policy | None) -> None:
    if plain(form):
        return
    if policy is not None and policy.whole:
        element = add(role, "InsurancePolicy", namespace=IDENTITY)
        coded(element, form, "InsurancePolicyType", policy.kind, "11.1035", IDENTITY)
        if policy.series:
            add(element, "Series", policy.series, IDENTITY)
        add(element, "Number", policy.number, IDENTITY)
    elif form.edition.layout in STRICT:
        add(role, "InsurancePolicy", namespace=IDENTITY, nullFlavor="NI")


def _addresses(role: etree._Element, form: Form, patient: Patient) -> None:
    places = () if patient.pseudonym else [one for one in patient.places if one.whole][:2]
    for one in places:
        address(role, form, one, typed=True)
    if places:
        return
    if form.edition.layout in STRICT:
        add(role, "addr", nullFlavor="NI")
    elif patient.address and not patient.pseudonym:
        add(add(role, "addr"), "streetAddressLine", patient.address)


def _sex_and_birth(person: etree._Element, form: Form, patient: Patient) -> None:
    if patient.sex in SEXES:
        coded(person, form, "administrativeGenderCode", form.terms.coded("11.1040", patient.sex), "11.1040")
    else:
        add(person, "administrativeGenderCode", nullFlavor="NI")
    if patient.birth_date:
        add(person, "birthTime", value=day_stamp(patient.birth_date))
    else:
        add(person, "birthTime", nullFlavor="NI")


def _guardian(person: etree._Element, form: Form, one: Guardian) -> None:
    element = add(person, "guardian", classCode="GUARD")
    if snils_digits(one.snils):
        snils(element, one.snils)
    if one.authority and one.authority.whole and not plain(form):
        _paper(add(element, "AuthorityDoc", namespace=IDENTITY), form, one.authority, "99.2.313")
    if one.relation and one.relation.code:
        coded(element, form, "code", one.relation, "99.2.14")
    person_name(add(element, "guardianPerson"), form, one.name)


def worker(parent: etree._Element, form: Form, name: str, one: Participant) -> etree._Element:
    """A participant in a role of the header: both ids, post, name, organisation."""
    element = add(parent, name)
    add(element, "id", root=form.root(PERSON_ARC), extension=one.person_id)
    snils(element, one.snils)
    coded(element, form, "code", one.post, "11.1002")
    person_name(add(element, "assignedPerson"), form, one.name)
    # Guide 99 takes a worker's address with its postal code or none; nobody asks for it.
    located = form.edition.layout is not Layout.EXTRACT
    organisation(element, form, "representedOrganization", one.organisation, located=located)
    return element


def speaker(parent: etree._Element, form: Form, person_id: str, post: Coded, name: PersonName) -> None:
    """Somebody who said or made something in the body: one id, post and name (guide 190, У3-16)."""
    entity = add(add(parent, "performer"), "assignedEntity")
    identifier(entity, form.root(PERSON_ARC), person_id)
    coded(entity, form, "code", post, "11.1002")
    person_name(add(entity, "assignedPerson"), form, name)
