"""The referral of a sent request (guide 185): a file for the sender's own system, made anew whenever it is asked for.

The same case and the same dictionaries give the same bytes. It is not signed here: the referring doctor's own system
signs and files it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING
from uuid import UUID, uuid5

from consilium.documents import facts, referral
from consilium.documents.conformance import require_conformant
from consilium.documents.editions import Edition, referral_edition
from consilium.documents.required import missing_for_edition
from consilium.documents.wording import local
from consilium.errors import Conflict, Invalid
from consilium.model import Case, Organisation, Person
from consilium.queries.case_facts import (
    coded_facts,
    consent_facts,
    organisation_facts,
    patient_facts,
    payment_facts,
)
from consilium.queries.cases import seen_case
from consilium.rules import codes
from consilium.store import Reader

if TYPE_CHECKING:
    from consilium.parts import Parts

UTC_OFFSET_MINUTES = 180
SERVICES: dict[str, str] = {
    "general": "Консилиум врачей",
    "oncological": "Онкологический консилиум",
    "consultation": "Телемедицинская консультация врач – врач",
    "commission": "Рассмотрение врачебной комиссией",
}
# The payer of a referral is optional: one that the guide would not take is left out.
PAYER = frozenset({"payment_missing", "policy_missing", "policy_dates_missing"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """A referral and the number of the case in its name."""

    content: bytes
    number: str


def made(parts: Parts, person: Person, case_id: UUID, at: datetime) -> Made:
    """The referral of a case this person may see.

    Raises NotFound, Conflict("wrong_step") before the request is sent, Invalid protocol_incomplete (missing) and
    document_refused (findings).
    """
    with parts.store.read(at) as reader:
        case, _ = seen_case(reader, person, case_id)
        if case.sent_at is None or case.receiver_id is None:
            raise Conflict("wrong_step", status=str(case.status))
        said = _facts(reader, case, case.sent_at)
        to = referral.Destination(
            organisation=organisation_facts(reader.organisation(case.receiver_id)),
            service=facts.Coded(code="", name=SERVICES[case.wants_kind]),
        )
        terms = parts.terms(reader)
    files = parts.official()
    day = local(case.sent_at, said.utc_offset_minutes).date()
    row = referral_edition(day, frozenset(files.guides) if files else frozenset())
    document = referral.render(_complete(said, row), row, to, terms)
    require_conformant(document, files, terms)
    return Made(content=document, number=case.number)


def _complete(said: facts.ProtocolFacts, row: Edition) -> facts.ProtocolFacts:
    """Without a payer that the guide would refuse. Raises Invalid("protocol_incomplete")."""
    missing = missing_for_edition(said, row)
    rest = [one for one in missing if one.code not in PAYER]
    if rest:
        raise Invalid("protocol_incomplete", missing=[{"code": one.code, "field": one.field} for one in rest])
    return replace(said, payment=None) if missing else said


def _facts(reader: Reader, case: Case, at: datetime) -> facts.ProtocolFacts:
    sender, author = reader.organisation(case.sender_id), reader.person(case.author_id)
    unknown = facts.Coded(code="", name="")
    return referral.case_facts(
        document_id=uuid5(case.id, f"referral {case.revision}"),
        set_id=uuid5(case.id, "referral"),
        version=max(1, case.revision),
        number=case.number,
        at=at,
        organisation=organisation_facts(sender),
        patient=patient_facts(case),
        diagnosis=facts.Coded(code=case.diagnosis_code, name=case.diagnosis_name),
        question=case.question,
        goal=coded_facts(codes.GOALS, case.goal_code) or unknown,
        urgency=coded_facts(codes.URGENCIES, case.urgency_code) or unknown,
        consent=consent_facts(case),
        doctor=_doctor(author, sender),
        case_number=case.number,
        payment=payment_facts(case),
        utc_offset_minutes=UTC_OFFSET_MINUTES,
    )


def _doctor(person: Person, works_at: Organisation) -> facts.Participant:
    return facts.Participant(
        person_id=str(person.id),
        name=facts.PersonName(surname=person.surname, given=person.given, patronymic=person.patronymic),
        post=facts.Coded(code=person.position_code, name=person.position),
        organisation=organisation_facts(works_at),
        role_code=codes.SIGNER_ROLES["attending"].code,
        seat=facts.SeatKind.ATTENDING,
        snils=person.snils,
    )
