"""Resolutions, quorum, ballots, recusal (DL-05 … DL-12). The digest binds every vote to the wording.

A ballot freezes the wording, the list of those entitled and the list of those present. A vote counts
once per seat, may be changed until the close, and never after it.
"""

from __future__ import annotations

import hashlib
import unicodedata
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID, uuid4

from consilium import events
from consilium.errors import Conflict, Forbidden, Invalid
from consilium.events import Event
from consilium.model import (
    Admission,
    AgendaItem,
    Ballot,
    Choice,
    Consilium,
    Recusal,
    Resolution,
    ResolutionStatus,
    Seat,
    Vote,
)
from consilium.rules import kinds


@dataclass(frozen=True, slots=True)
class Quorum:
    """`present` of `total` countable seats; reached from `need` (DL-08)."""

    present: int
    need: int
    total: int

    @property
    def reached(self) -> bool:
        return self.present >= self.need


def wording_digest(wording: str) -> str:
    """sha256 (hex) of the NFC form in UTF-8: what the browser computes over what it shows."""
    return hashlib.sha256(unicodedata.normalize("NFC", wording).encode()).hexdigest()


def quorum(consilium: Consilium, item_id: UUID | None) -> Quorum:
    """By the kind's rule, without those recused from the item."""
    countable = [
        seat
        for seat in consilium.seats
        if kinds.counts_for_quorum(consilium.kind, seat.role) and not consilium.recused(seat.id, item_id)
    ]
    present = [seat for seat in countable if _present(seat)]
    need = kinds.quorum_need(consilium.kind, len(countable))
    return Quorum(present=len(present), need=need, total=len(countable))


def propose(
    consilium: Consilium, item: AgendaItem, seat: Seat, wording: str
) -> tuple[Resolution, list[Event]]:
    number = 1 + sum(one.item_id == item.id for one in consilium.resolutions)
    resolution = Resolution(
        id=uuid4(), item_id=item.id, number=number, wording=_clean(wording), author_seat_id=seat.id
    )
    consilium.resolutions.append(resolution)
    return resolution, [events.ResolutionProposed(resolution=resolution.id, item=item.id, number=number)]


def reword(resolution: Resolution, wording: str, revision: int) -> list[Event]:
    _must_be_draft(resolution)
    if resolution.revision != revision:
        raise Conflict("stale_revision", current=resolution.wording, revision=resolution.revision)
    resolution.wording = _clean(wording)
    resolution.revision += 1
    return [events.ResolutionReworded(resolution=resolution.id, revision=resolution.revision)]


def withdraw(resolution: Resolution) -> list[Event]:
    _must_be_draft(resolution)
    resolution.status = ResolutionStatus.WITHDRAWN
    return [events.ResolutionWithdrawn(resolution=resolution.id)]


def open_vote(
    consilium: Consilium, resolution: Resolution, revision: int, by: Seat, at: datetime
) -> tuple[Ballot, list[Event]]:
    """Freeze the wording and open the ballot; refused without quorum, or over another ballot."""
    if consilium.open_ballot is not None:
        raise Conflict("already_open", what="ballot")
    _must_be_draft(resolution)
    if resolution.revision != revision:
        raise Conflict("stale_revision", current=resolution.wording, revision=resolution.revision)
    state = quorum(consilium, resolution.item_id)
    if not state.reached:
        raise Conflict("no_quorum", have=state.present, need=state.need)
    resolution.status = ResolutionStatus.VOTING
    resolution.digest = wording_digest(resolution.wording)
    entitled = _entitled(consilium, resolution.item_id)
    ballot = Ballot(
        id=uuid4(),
        resolution_id=resolution.id,
        item_id=resolution.item_id,
        digest=resolution.digest,
        opened_at=at,
        opened_by=by.id,
        entitled=[seat.id for seat in entitled],
        present=[seat.id for seat in entitled if _present(seat)],
        quorum_need=state.need,
    )
    consilium.ballots.append(ballot)
    opened = events.VoteOpened(
        ballot=ballot.id,
        resolution=resolution.id,
        digest=ballot.digest,
        entitled=len(ballot.entitled),
        present=len(ballot.present),
        need=state.need,
    )
    return ballot, [opened]


def cast(
    consilium: Consilium, ballot: Ballot, seat: Seat, choice: Choice, digest: str, at: datetime
) -> tuple[Vote, list[Event]]:
    """One vote per seat; casting again changes it. The receipt is new each time (DL-10)."""
    if ballot.closed_at is not None:
        raise Conflict("already_closed", at=ballot.closed_at.isoformat())
    if consilium.recused(seat.id, ballot.item_id):
        raise Forbidden("recused")
    if seat.id not in ballot.entitled:
        raise Forbidden("not_entitled")
    if digest != ballot.digest:
        raise Conflict("wording_changed")
    vote = next((v for v in consilium.votes if v.ballot_id == ballot.id and v.seat_id == seat.id), None)
    changed = vote is not None
    receipt = _receipt(ballot, seat, choice, at)
    if vote is None:
        vote = Vote(
            id=uuid4(),
            ballot_id=ballot.id,
            seat_id=seat.id,
            choice=choice,
            digest=digest,
            cast_at=at,
            receipt=receipt,
        )
        consilium.votes.append(vote)
    else:
        vote.choice, vote.cast_at, vote.receipt = choice, at, receipt
        vote.changes += 1
    cast_event = events.VoteCast(
        ballot=ballot.id, seat=seat.id, choice=choice, receipt=receipt, changed=changed
    )
    return vote, [cast_event]


def close_vote(consilium: Consilium, ballot: Ballot, by: Seat, at: datetime) -> list[Event]:
    """Count by the kind's rule (DL-09) and fix the outcome. There is one close, ever."""
    if ballot.closed_at is not None:
        raise Conflict("already_closed", at=ballot.closed_at.isoformat())
    votes = votes_of(consilium, ballot)
    took_part = set(ballot.present) | {vote.seat_id for vote in votes}
    ballot.votes_for, ballot.votes_against, ballot.votes_abstain = (
        sum(vote.choice is choice for vote in votes) for choice in Choice
    )
    ballot.majority_need = kinds.majority_need(consilium.kind, len(took_part), len(ballot.entitled))
    ballot.adopted = _adopted(consilium, ballot, votes)
    ballot.closed_at, ballot.closed_by = at, by.id
    resolution = consilium.resolution(ballot.resolution_id)
    if resolution is None:
        raise Conflict("wrong_step", status="no_resolution")
    resolution.status = ResolutionStatus.ADOPTED if ballot.adopted else ResolutionStatus.REJECTED
    closed = events.VoteClosed(
        ballot=ballot.id,
        resolution=resolution.id,
        votes_for=ballot.votes_for,
        votes_against=ballot.votes_against,
        votes_abstain=ballot.votes_abstain,
        adopted=ballot.adopted,
    )
    return [closed]


def recuse(consilium: Consilium, item: AgendaItem, seat: Seat, reason: str, at: datetime) -> list[Event]:
    """A conflict of interest takes the seat off the item: off an open ballot too, and its vote with it."""
    if not kinds.is_voting(consilium.kind, seat.role):
        raise Forbidden("not_entitled")
    if not reason.strip():
        raise Invalid("reason_required")
    if consilium.recused(seat.id, item.id):
        return []
    consilium.recusals.append(Recusal(id=uuid4(), item_id=item.id, seat_id=seat.id, reason=reason, at=at))
    ballot = consilium.open_ballot
    if ballot is not None and ballot.item_id == item.id:
        ballot.entitled = [one for one in ballot.entitled if one != seat.id]
        ballot.present = [one for one in ballot.present if one != seat.id]
        ballot.quorum_need = quorum(consilium, item.id).need
        consilium.votes[:] = [v for v in consilium.votes if v.ballot_id != ballot.id or v.seat_id != seat.id]
    return [events.MemberRecused(item=item.id, seat=seat.id)]


def votes_of(consilium: Consilium, ballot: Ballot) -> list[Vote]:
    return [vote for vote in consilium.votes if vote.ballot_id == ballot.id]


def _adopted(consilium: Consilium, ballot: Ballot, votes: list[Vote]) -> bool:
    took_part = set(ballot.present) | {vote.seat_id for vote in votes}
    quorate = {
        seat.id
        for seat in consilium.seats
        if kinds.counts_for_quorum(consilium.kind, seat.role)
        and not consilium.recused(seat.id, ballot.item_id)
        and (seat.id in took_part or _present(seat))
    }
    if len(quorate) < ballot.quorum_need:
        return False
    if ballot.votes_for >= ballot.majority_need:
        return True
    tied = ballot.votes_for == ballot.votes_against and ballot.votes_for > 0
    return tied and kinds.KINDS[consilium.kind].casting_vote and _chair_is_for(consilium, votes)


def _chair_is_for(consilium: Consilium, votes: list[Vote]) -> bool:
    return any(v.seat_id == consilium.chair_seat_id and v.choice is Choice.FOR for v in votes)


def _entitled(consilium: Consilium, item_id: UUID) -> list[Seat]:
    """Voting seats that have been admitted: one who drops out for a moment may come back and vote."""
    return [
        seat
        for seat in consilium.seats
        if kinds.is_voting(consilium.kind, seat.role) and not consilium.recused(seat.id, item_id)
    ]


def _present(seat: Seat) -> bool:
    return seat.online and seat.admission is Admission.ADMITTED


def _must_be_draft(resolution: Resolution) -> None:
    if resolution.status is not ResolutionStatus.DRAFT:
        raise Conflict("wrong_step", status=resolution.status)


def _clean(wording: str) -> str:
    text = unicodedata.normalize("NFC", wording).strip()
    if not text:
        raise Invalid("field_required", field="wording")
    return text


def _receipt(ballot: Ballot, seat: Seat, choice: Choice, at: datetime) -> str:
    """Sixteen hex digits a voter can compare with the protocol; not a secret."""
    body = f"{ballot.id}|{seat.id}|{choice}|{ballot.digest}|{at.isoformat()}"
    return hashlib.sha256(body.encode()).hexdigest()[:16]
