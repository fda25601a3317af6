"""What a guide demands beyond the law's five items, named in plain words before any schema is asked.

Pure: facts and an edition in, a list of codes and fields out; `missing_items` (validate.py) keeps the statutory part.
Sources: schematron 190, 99, 185, 215; НСИ 11.1520 (PATIENT_INFO).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from consilium.documents.editions import SEXES, Edition, Layout
from consilium.documents.facts import Coded, Participant, Policy, ProtocolFacts, SeatKind
from consilium.documents.record import snils_digits
from consilium.documents.validate import Missing

MIN_PERFORMERS = 3  # guide 190, У1-18
POLICY_SOURCE = "1"  # 11.1039: compulsory insurance
OLD_POLICY, UNLIMITED_POLICY = "1", "2"  # 11.1035; only the old form has a series


def performers(facts: ProtocolFacts) -> tuple[Participant, ...]:
    """Those who are named as having taken part: everybody who came and did more than watch."""
    return tuple(one for one in facts.attended() if one.seat is not SeatKind.OBSERVER)


# What a guide's rules do not ask for and the registry does (11.1520): a child of yesterday or a foreigner is decided on
# today; the paper is signed and sealed, and the registry's refusal says why it was not taken (NO_SNILS).
FOR_THE_REGISTRY = frozenset({(Layout.ONCOLOGICAL, "patient_snils_missing")})


def registry_alone_asks(missing: Missing, edition: Edition) -> bool:
    """Whether the edition's own rules take a document without it."""
    return (edition.layout, missing.code) in FOR_THE_REGISTRY


def stops_freezing(missing: Missing, edition: Edition) -> bool:
    """Whether this lack keeps a draft from being frozen.

    A guide nobody could read stops nobody: a patient without papers is helped today, what may be lacking is shown.
    """
    return not edition.inferred and not registry_alone_asks(missing, edition)


def missing_for_edition(facts: ProtocolFacts, edition: Edition) -> list[Missing]:
    """What this edition still lacks; empty for a document that can be rendered and should pass its rules."""
    return list(dict.fromkeys(_RULES[edition.layout](facts)))


def _nothing(facts: ProtocolFacts) -> Iterator[Missing]:
    del facts
    yield from ()


def _oncological(facts: ProtocolFacts) -> Iterator[Missing]:
    if len(performers(facts)) < MIN_PERFORMERS:
        yield Missing("performers_too_few", "participants")
    yield from _consilium(facts)


def _consilium(facts: ProtocolFacts) -> Iterator[Missing]:
    yield from _patient(facts)
    yield from _organisation(facts)
    yield from _names(facts)
    yield from _posts(facts)
    yield from _signers(facts)
    yield from _encounter(facts)
    yield from _coded(facts.severity, "severity_missing", "severity")
    yield from _coded(facts.form, "form_missing", "form")
    yield from _coded(facts.goal, "goal_missing", "goal")
    yield from _coded(facts.urgency, "urgency_missing", "urgency")
    yield from _diagnosis(facts)


def _extract(facts: ProtocolFacts) -> Iterator[Missing]:
    yield from _patient(facts)
    yield from _organisation(facts)
    yield from _names(facts)
    yield from _posts(facts)
    yield from _everybody_has_a_number(facts)
    yield from _coded(facts.urgency, "urgency_missing", "urgency")
    yield from _diagnosis(facts)
    yield from _payment(facts, needed=True)


def _referral(facts: ProtocolFacts) -> Iterator[Missing]:
    yield from _patient(facts)
    yield from _organisation(facts)
    yield from _names(facts)
    yield from _signers(facts)
    yield from _coded(facts.urgency, "urgency_missing", "urgency")
    yield from _diagnosis(facts)
    yield from _payment(facts, needed=False)


def _patient(facts: ProtocolFacts) -> Iterator[Missing]:
    patient = facts.patient
    if patient.pseudonym:
        yield Missing("patient_pseudonym", "patient")
        return
    if not snils_digits(patient.snils):
        yield Missing("patient_snils_missing", "patient.snils")
    if patient.sex not in SEXES:
        yield Missing("patient_sex_missing", "patient.sex")
    if patient.birth_date is None:
        yield Missing("patient_birth_date_missing", "patient.birth_date")


def _organisation(facts: ProtocolFacts) -> Iterator[Missing]:
    if not facts.organisation.okpo.strip():
        yield Missing("organisation_okpo_missing", "organisation.okpo")
    place = facts.organisation.place
    if place is None or not place.whole:
        yield Missing("organisation_place_missing", "organisation.place")


def _named(facts: ProtocolFacts) -> list[Participant]:
    """Everybody who stands in the header: those who took part, the author, who answers for the document."""
    answering = (facts.person(facts.author_id), facts.person(facts.authenticator_id))
    return [*performers(facts), *(one for one in answering if one is not None)]


def _names(facts: ProtocolFacts) -> Iterator[Missing]:
    names = [facts.patient.name, *(one.name for one in _named(facts))]
    if any(not (one.surname.strip() and one.given.strip()) for one in names):
        yield Missing("name_incomplete", "participants.name")


def _posts(facts: ProtocolFacts) -> Iterator[Missing]:
    if any(not one.post.code.strip() for one in performers(facts)):
        yield Missing("post_code_missing", "participants.post")


def _signers(facts: ProtocolFacts) -> Iterator[Missing]:
    answering = [facts.person(facts.author_id), facts.person(facts.authenticator_id)]
    if any(one is not None and not snils_digits(one.snils) for one in answering):
        yield Missing("author_snils_missing", "participants.snils")
    if any(one is not None and not one.post.code.strip() for one in answering):
        yield Missing("post_code_missing", "participants.post")


def _everybody_has_a_number(facts: ProtocolFacts) -> Iterator[Missing]:
    if any(not snils_digits(one.snils) for one in performers(facts)):
        yield Missing("performer_snils_missing", "participants.snils")


def _encounter(facts: ProtocolFacts) -> Iterator[Missing]:
    known = facts.encounter
    if known is None or known.started_at is None or not known.kind.code.strip():
        yield Missing("encounter_missing", "encounter.started_at")
    elif known.kind.code == "3" and not (known.card and known.card.code.strip()):
        yield Missing("encounter_card_missing", "encounter.card")


def _diagnosis(facts: ProtocolFacts) -> Iterator[Missing]:
    codes = [one.code for one in facts.diagnoses] or [facts.diagnosis]
    if any(not one.code.strip() for one in codes):
        yield Missing("diagnosis_missing", "diagnosis")
    if any(not one.kind.code.strip() for one in facts.diagnoses):
        yield Missing("diagnosis_kind_missing", "diagnoses")


def known_policy(facts: ProtocolFacts) -> Policy | None:
    """The policy the care is paid by, else the one in the patient's record."""
    paid = facts.payment.policy if facts.payment else None
    return paid or facts.patient.policy


def _payment(facts: ProtocolFacts, *, needed: bool) -> Iterator[Missing]:
    """Guide 99 wants a payer and a policy of every patient, whoever pays; guide 185 what is said to be right."""
    source = facts.payment.source.code if facts.payment else ""
    if needed and not source.strip():
        yield Missing("payment_missing", "payment")
    elif needed and source != POLICY_SOURCE:
        yield Missing("payer_unsupported", "payment")
    if needed or source == POLICY_SOURCE:
        yield from _policy(known_policy(facts), dated=source == POLICY_SOURCE)


def _policy(policy: Policy | None, *, dated: bool) -> Iterator[Missing]:
    """Guide 99 wants both ends of a policy's validity; only the unlimited one has no end."""
    if policy is None or not policy.whole or (policy.kind.code == OLD_POLICY and not policy.series.strip()):
        yield Missing("policy_missing", "patient.policy")
    elif dated and not _bounded(policy):
        yield Missing("policy_dates_missing", "patient.policy")


def _bounded(policy: Policy) -> bool:
    endless = policy.kind.code == UNLIMITED_POLICY
    return policy.valid_from is not None and (endless or policy.valid_to is not None)


def _coded(value: Coded | None, code: str, field: str) -> Iterator[Missing]:
    if value is None or not value.code.strip():
        yield Missing(code, field)


_RULES: dict[Layout, Callable[[ProtocolFacts], Iterator[Missing]]] = {
    Layout.ONCOLOGICAL: _oncological,
    Layout.GENERAL: _consilium,
    Layout.CONSULTATION: _nothing,
    Layout.COMMISSION: _nothing,
    Layout.EXTRACT: _extract,
    Layout.REFERRAL: _referral,
}
