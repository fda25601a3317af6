"""Everything one protocol says, gathered from consilium, case, attendance, ballots and opinions (PR-01).

The same facts make the first draft, the list of what is missing and the frozen document, so that they
cannot differ. Source of the content: 323-ФЗ ст. 48 ч. 4.
"""

from __future__ import annotations

from datetime import datetime
from uuid import UUID, uuid4

from consilium.documents import facts
from consilium.documents.text import tidy_text
from consilium.model import (
    AgendaItem,
    Ballot,
    Body,
    Case,
    Consilium,
    Dissent,
    Organisation,
    Person,
    Protocol,
    Resolution,
    ResolutionStatus,
    Seat,
    Signature,
    SignatureStatus,
)
from consilium.model.particulars import read_particulars
from consilium.queries.case_facts import (
    coded_facts,
    consent_facts,
    encounter_facts,
    organisation_facts,
    patient_facts,
    payment_facts,
)
from consilium.queries.settled_facts import (
    settled_diagnoses,
    settled_group,
    settled_recommendations,
    settled_services,
)
from consilium.rules import access, codes, kinds, recording
from consilium.rules.protocol import leads, signers, standing_dissents, stays
from consilium.store import Reader

# Members meet over the record, the patient is not before them: 11.1508 says "Заочно"; the video is a fact
# of its own.
FORM_BY_RECORD = "2"

RULE_NAMES: dict[str, str] = {
    "general": "простое большинство присутствующих",
    "oncological": "простое большинство присутствующих",
    "consultation": "решение консультанта",
    "commission": "две трети всех членов комиссии",
}
OUTCOMES: dict[ResolutionStatus, facts.Outcome] = {
    ResolutionStatus.ADOPTED: facts.Outcome.ADOPTED,
    ResolutionStatus.REJECTED: facts.Outcome.REJECTED,
    ResolutionStatus.WITHDRAWN: facts.Outcome.WITHDRAWN,
}
NOTES: dict[SignatureStatus, facts.SigningNoteKind] = {
    SignatureStatus.DECLINED: facts.SigningNoteKind.DECLINED,
    SignatureStatus.RELEASED: facts.SigningNoteKind.RELEASED,
}


def protocol_facts(
    reader: Reader,
    protocol: Protocol,
    consilium: Consilium,
    case: Case,
    sections: dict[str, str],
    at: datetime,
    document_id: UUID | None = None,
) -> facts.ProtocolFacts:
    """The facts of one version. `sections` is the prose of the shared draft.

    `document_id` is given when the document is frozen; a preview makes one up.
    """
    item = consilium.item(protocol.item_id)
    assert item is not None
    seated = _seated(consilium, item)
    people = {seat.id: reader.person(seat.person_id) for seat in seated}
    organisations = {seat.organisation_id: reader.organisation(seat.organisation_id) for seat in seated}
    registering = reader.organisation(consilium.organisation_id)
    sender = reader.organisation(case.sender_id)
    participants = tuple(
        _participant(consilium, item, seat, people[seat.id], organisations[seat.organisation_id], at)
        for seat in seated
    )
    authenticator = _authenticator(consilium, item, seated, at)
    settled = read_particulars(protocol.particulars)
    return facts.ProtocolFacts(
        document_id=document_id or uuid4(),
        set_id=protocol.set_id,
        version=protocol.version,
        number=protocol.number,
        replaces=_replaced(reader, protocol),
        kind=facts.ProtocolKind(consilium.kind),
        form=facts.Coded(code=FORM_BY_RECORD, name=codes.FORMS[FORM_BY_RECORD].ru),
        telemedicine=True,
        started_at=item.opened_at or at,
        ended_at=item.closed_at or at,
        frozen_at=at,
        organisation=organisation_facts(registering),
        patient=patient_facts(case),
        diagnosis=facts.Coded(code=case.diagnosis_code, name=case.diagnosis_name),
        question=case.question,
        goal=facts.Coded(code=case.goal_code, name=codes.GOALS[case.goal_code].ru),
        urgency=facts.Coded(code=case.urgency_code, name=codes.URGENCIES[case.urgency_code].ru),
        consent=consent_facts(case),
        participants=participants,
        sections=facts.Sections(**{name: tidy_text(text) for name, text in sections.items()}),
        author_id=str(_author(consilium, item, seated, authenticator, at).person_id),
        authenticator_id=str(authenticator.person_id),
        goal_text=case.goal_text,
        case_number=case.number,
        agenda_number=item.order,
        resolutions=_resolutions(consilium, item, at),
        dissents=_dissents(consilium, item),
        documents=tuple(
            facts.CaseDocument(title=one.title, media_type=one.media_type, digest=one.digest, dated=one.dated)
            for one in case.documents
        ),
        signing_notes=_signing_notes(protocol, at),
        recordings=_recordings(consilium, item, at),
        commission=_commission(reader.find(Body, consilium.body_id)),
        requesting_organisation=organisation_facts(sender) if sender.id != registering.id else None,
        severity=coded_facts(codes.SEVERITIES, case.severity_code),
        encounter=encounter_facts(case),
        payment=payment_facts(case),
        diagnoses=settled_diagnoses(settled),
        clinical_group=settled_group(settled),
        recommendations=settled_recommendations(settled),
        services=settled_services(settled, item.closed_at or at),
        complaints=settled.complaints,
    )


def _replaced(reader: Reader, protocol: Protocol) -> UUID | None:
    """The document whose place this one takes (relatedDocument RPLC where the edition has it)."""
    annulled = reader.find(Protocol, protocol.replaces_id)
    return annulled.document_id if annulled else None


def _recordings(consilium: Consilium, item: AgendaItem, at: datetime) -> tuple[facts.Recorded, ...]:
    """What was recorded while the case was on the table, and what of it is missing."""
    found = []
    for one in sorted(consilium.recordings, key=lambda one: one.asked_at):
        stay = _within(item, one.started_at, one.stopped_at, at)
        if stay is None:
            continue
        gaps = tuple(
            facts.RecordingGap(reason=str(gap.reason), stay=inside)
            for gap in recording.gaps(consilium, one)
            if (inside := _within(item, gap.began_at, gap.ended_at, at)) is not None
        )
        found.append(facts.Recorded(stay=stay, ground=one.ground, gaps=gaps))
    return tuple(found)


def _within(
    item: AgendaItem, began: datetime | None, ended: datetime | None, at: datetime
) -> facts.Interval | None:
    """The part of a time that the case was on the table; None when there is none, or it never began."""
    if began is None:
        return None
    first, last = max(began, item.opened_at or at), min(ended or at, item.closed_at or at)
    return facts.Interval(joined=first, left=last) if first < last else None


def _seated(consilium: Consilium, item: AgendaItem) -> list[Seat]:
    ordered = sorted(consilium.seats, key=lambda one: one.order)
    return [seat for seat in ordered if access.sees_item(seat, item)]


def _participant(
    consilium: Consilium, item: AgendaItem, seat: Seat, person: Person, works_at: Organisation, at: datetime
) -> facts.Participant:
    recusal = next(
        (one for one in consilium.recusals if one.seat_id == seat.id and one.item_id == item.id), None
    )
    ballots = {one.id for one in consilium.ballots if one.item_id == item.id}
    return facts.Participant(
        person_id=str(person.id),
        name=facts.PersonName(surname=person.surname, given=person.given, patronymic=person.patronymic),
        post=facts.Coded(code=person.position_code, name=seat.position),
        organisation=organisation_facts(works_at),
        role_code=codes.SIGNER_ROLES[seat.role].code,
        seat=facts.SeatKind(seat.role),
        speciality=facts.Coded(code="", name=person.speciality) if person.speciality else None,
        snils=person.snils,
        remote=works_at.id != consilium.organisation_id,
        attendance=tuple(
            facts.Interval(joined=joined, left=left) for joined, left in stays(consilium, seat.id, item, at)
        ),
        voted=any(one.seat_id == seat.id and one.ballot_id in ballots for one in consilium.votes),
        recused=recusal is not None,
        recusal_reason=recusal.reason if recusal else "",
    )


def _authenticator(consilium: Consilium, item: AgendaItem, seated: list[Seat], at: datetime) -> Seat:
    """Who answers for the document: the acting chair who signs, the appointed one, the first signer."""
    signing = signers(consilium, item, at) or seated
    acting = [seat for seat in signing if seat.id == consilium.chair_seat_id]
    return next(iter([*acting, *(seat for seat in signing if leads(consilium, seat)), *signing]))


def _author(
    consilium: Consilium, item: AgendaItem, seated: list[Seat], authenticator: Seat, at: datetime
) -> Seat:
    """The secretary who was there keeps the minutes; without one, whoever answers for the document."""
    return next(
        (seat for seat in seated if seat.role == "secretary" and stays(consilium, seat.id, item, at)),
        authenticator,
    )


def _resolutions(consilium: Consilium, item: AgendaItem, at: datetime) -> tuple[facts.Resolution, ...]:
    mine = [one for one in consilium.resolutions if one.item_id == item.id and one.status in OUTCOMES]
    return tuple(_resolution(consilium, item, one, at) for one in sorted(mine, key=lambda one: one.number))


def _resolution(consilium: Consilium, item: AgendaItem, one: Resolution, at: datetime) -> facts.Resolution:
    ballot = next((each for each in consilium.ballots if each.resolution_id == one.id), None)
    return facts.Resolution(
        number=one.number,
        wording=one.wording,
        wording_digest=one.digest,
        rule_name=RULE_NAMES[consilium.kind] if ballot else "",
        quorum_line=_quorum_line(consilium, item, ballot, at) if ballot else "",
        tally=_tally(consilium, ballot),
        votes=_votes(consilium, ballot),
        outcome=OUTCOMES[one.status],
        closed_at=ballot.closed_at if ballot else None,
    )


def _quorum_line(consilium: Consilium, item: AgendaItem, ballot: Ballot, at: datetime) -> str:
    countable = [
        seat
        for seat in consilium.seats
        if kinds.counts_for_quorum(consilium.kind, seat.role) and not consilium.recused(seat.id, item.id)
    ]
    there = [
        seat
        for seat in countable
        if any(joined <= ballot.opened_at <= left for joined, left in stays(consilium, seat.id, item, at))
    ]
    return f"присутствуют {len(there)} из {len(countable)}, требуется {ballot.quorum_need}"


def _tally(consilium: Consilium, ballot: Ballot | None) -> facts.Tally:
    if ballot is None:
        return facts.Tally(in_favour=0, against=0, abstained=0)
    voted = {vote.seat_id for vote in consilium.votes if vote.ballot_id == ballot.id}
    return facts.Tally(
        in_favour=ballot.votes_for,
        against=ballot.votes_against,
        abstained=ballot.votes_abstain,
        not_voted=len(set(ballot.present) - voted),
    )


def _votes(consilium: Consilium, ballot: Ballot | None) -> tuple[facts.Vote, ...]:
    if ballot is None:
        return ()
    persons = {seat.id: str(seat.person_id) for seat in consilium.seats}
    return tuple(
        facts.Vote(person_id=persons[vote.seat_id], choice=facts.Choice(vote.choice))
        for vote in consilium.votes
        if vote.ballot_id == ballot.id
    )


def _dissents(consilium: Consilium, item: AgendaItem) -> tuple[facts.Dissent, ...]:
    persons = {seat.id: str(seat.person_id) for seat in consilium.seats}
    return tuple(
        facts.Dissent(
            number=number, author_id=persons[one.seat_id], text=dissent_text(one), at=one.written_at
        )
        for number, one in enumerate(standing_dissents(consilium, item), 1)
    )


def dissent_text(dissent: Dissent) -> str:
    """The words as they stand in the protocol and in the author's own paper."""
    return tidy_text(dissent.text)


def _signing_notes(protocol: Protocol, at: datetime) -> tuple[facts.SigningNote, ...]:
    """What became of earlier versions; this version's own notes come after its bytes are frozen."""
    earlier = [one for one in protocol.signatures if one.version < protocol.version and one.status in NOTES]
    return tuple(_note(one, at) for one in earlier)


def _note(one: Signature, at: datetime) -> facts.SigningNote:
    return facts.SigningNote(
        kind=NOTES[one.status], person_id=str(one.person_id), reason=one.reason, at=one.signed_at or at
    )


def _commission(body: Body | None) -> facts.CommissionOrder | None:
    if body is None:
        return None
    return facts.CommissionOrder(name=body.name, order_number=body.order_number, order_date=body.order_date)


__all__ = ["dissent_text", "protocol_facts"]
