"""What a case says, as documents want it: organisation, patient, consent, encounter, payer.

Shared by every document that is made from a case: protocols, extracts, referrals.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, time

from consilium.documents import facts
from consilium.model import Case, Organisation
from consilium.model.case import Choice, IdentityPaper, Place, Policy
from consilium.rules import codes


def organisation_facts(one: Organisation) -> facts.Organisation:
    """An organisation with its address as the guides want it."""
    place = None
    if one.region and one.address:
        region = facts.Coded(code=one.region, name=one.region_name)
        place = facts.Address(text=one.address, region=region, postal_code=one.postal_code)
    return facts.Organisation(
        oid=one.oid,
        name=one.name,
        ogrn=one.ogrn,
        inn=one.inn,
        address=one.address,
        okpo=one.okpo,
        phone=one.phone,
        place=place,
        licence=facts.Licence(number=one.licence, issuer=one.licence_issuer) if one.licence else None,
    )


def patient_facts(case: Case) -> facts.Patient:
    """The patient with papers, policy and address."""
    patient = case.patient
    return facts.Patient(
        local_id=patient.record_number or str(case.id),
        name=facts.PersonName(surname=patient.surname, given=patient.given, patronymic=patient.patronymic),
        birth_date=patient.birth_date,
        sex=patient.sex,
        snils=patient.snils,
        address=patient.place.text,
        paper=_paper(patient.paper),
        policy=_policy(patient.policy),
        places=_places(patient.place),
    )


def _paper(one: IdentityPaper) -> facts.IdentityPaper | None:
    kind = _chosen(one.kind)
    if kind is None or not one.number or one.issued_on is None:
        return None
    return facts.IdentityPaper(
        kind=kind,
        series=one.series,
        number=one.number,
        issuer=one.issuer,
        issuer_code=one.issuer_code,
        issued_on=one.issued_on,
    )


def _policy(one: Policy) -> facts.Policy | None:
    kind = _chosen(one.kind)
    if kind is None or not one.number:
        return None
    return facts.Policy(
        kind=kind, number=one.number, series=one.series, valid_from=one.valid_from, valid_to=one.valid_to
    )


def _places(one: Place) -> tuple[facts.Address, ...]:
    region = _chosen(one.region)
    if region is None or not one.text:
        return ()
    return (facts.Address(text=one.text, region=region, postal_code=one.postal_code),)


def _chosen(one: Choice) -> facts.Coded | None:
    return facts.Coded(code=one.code, name=one.name) if one.code else None


def coded_facts(table: Mapping[str, codes.Term], code: str) -> facts.Coded | None:
    """A row of a short dictionary; None for a code it does not hold."""
    return facts.Coded(code=code, name=table[code].ru) if code in table else None


def encounter_facts(case: Case) -> facts.Encounter | None:
    """The record the case belongs to; a case of care whose first day nobody named began with the request."""
    kind = coded_facts(codes.CARDS, case.card_code)
    if kind is None:
        return None
    opened = case.card_opened_on
    return facts.Encounter(
        card_number=case.patient.record_number or case.number,
        kind=kind,
        started_at=datetime.combine(opened, time(), UTC) if opened else case.created_at,
    )


def payment_facts(case: Case) -> facts.Payment | None:
    """Who pays; None where nobody said."""
    source = coded_facts(codes.PAYMENTS, case.payment_code)
    return facts.Payment(source=source) if source else None


def consent_facts(case: Case) -> facts.Consent:
    """The consent, or the ground that replaces it."""
    if case.consent.basis == "consent":
        return facts.Consent(
            basis=facts.ConsentBasis.CONSENT,
            given_on=case.consent.given_on,
            reference=case.consent.reference,
        )
    return facts.Consent(basis=facts.ConsentBasis.STATUTORY, ground=case.consent.reference)
