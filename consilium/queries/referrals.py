"""The referral of a sent request (guide 185): the bytes its doctor signs, and before that the draft of them.

Once the paper is made (`handlers.referrals`) its frozen bytes are all there is. Before, the draft is made anew whenever
somebody asks: the same case and the same dictionaries give the same bytes.
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
from consilium.documents.terms import Terms
from consilium.documents.wording import local
from consilium.errors import Conflict, Invalid
from consilium.model import Case, Organisation, Paper, Person, Protocol
from consilium.queries.case_facts import (
    coded_facts,
    consent_facts,
    organisation_facts,
    patient_facts,
    payment_facts,
)
from consilium.queries.cases import seen_case
from consilium.queries.papers import referrals_of
from consilium.rules import codes
from consilium.rules.papers import standing
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
# What a meeting's document asks of its officers is asked of the doctor here.
DOCTORS = {"author_snils_missing": "doctor_snils_missing"}
# The payer of a referral is optional: one that the guide would not take is left out.
PAYER = frozenset({"payment_missing", "policy_missing", "policy_dates_missing"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """A referral: the draft under the case's number, or the paper's frozen bytes under its own."""

    content: bytes
    number: str


def made(parts: Parts, person: Person, case_id: UUID, at: datetime) -> Made:
    """The referral of a case this person may see.

    The paper's frozen bytes where it stands, else the draft. Raises NotFound, Conflict("wrong_step") before the request is sent, Invalid referral_incomplete (missing) and
    document_refused (findings).
    """
    with parts.store.read(at) as reader:
        case, _ = seen_case(reader, person, case_id)
        paper = standing(referrals_of(reader, case.id), Paper.REFERRAL)
        if paper is not None:
            return Made(content=paper.document, number=paper.number)
        if case.sent_at is None:
            raise Conflict("wrong_step", status=str(case.status))
        said, to = _facts(reader, case, case.sent_at), _destination(reader, case)
        terms = parts.terms(reader)
    return Made(content=_document(parts, said, to, terms)[0], number=case.number)


def rendered(
    parts: Parts,
    reader: Reader,
    case: Case,
    paper: Protocol,
    document_id: UUID,
    at: datetime,
    replaced: Protocol | None,
) -> tuple[bytes, str]:
    """The bytes of a paper that is being made, and the template of their edition.

    Raises Invalid referral_incomplete (missing) and document_refused (findings).
    """
    said = replace(
        _facts(reader, case, at),
        document_id=document_id,
        set_id=paper.set_id,
        version=paper.version,
        number=paper.number,
        replaces=replaced.document_id if replaced else None,
    )
    return _document(parts, said, _destination(reader, case), parts.terms(reader))


def _destination(reader: Reader, case: Case) -> referral.Destination:
    if case.receiver_id is None:
        raise Conflict("wrong_step", status=str(case.status))
    return referral.Destination(
        organisation=organisation_facts(reader.organisation(case.receiver_id)),
        service=facts.Coded(code="", name=SERVICES[case.wants_kind]),
    )


def _document(
    parts: Parts, said: facts.ProtocolFacts, to: referral.Destination, terms: Terms
) -> tuple[bytes, str]:
    """Rendered in the edition of its day, and held against the state's rules."""
    files = parts.official()
    day = local(said.frozen_at, said.utc_offset_minutes).date()
    row = referral_edition(day, frozenset(files.guides) if files else frozenset())
    document = referral.render(_complete(said, row), row, to, terms)
    require_conformant(document, files, terms)
    return document, row.template


def _complete(said: facts.ProtocolFacts, row: Edition) -> facts.ProtocolFacts:
    """Without a payer that the guide would refuse. Raises Invalid("referral_incomplete")."""
    missing = missing_for_edition(said, row)
    rest = [one for one in missing if one.code not in PAYER]
    if rest:
        lacking = [{"code": DOCTORS.get(one.code, one.code), "field": one.field} for one in rest]
        raise Invalid("referral_incomplete", missing=lacking)
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
