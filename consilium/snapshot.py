"""What one participant may see of a consilium right now, and what changes of it after an event.

A snapshot is a dict of sections. After an event the client gets the sections named in `SECTIONS`
whole and replaces them: old snapshot + patches == new snapshot by construction, and a test holds it.
Nothing a seat may not see ever leaves here: clinical text before admission, another one's case for an
expert invited to one, who voted how before the close, somebody's dissent before the protocol.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, cast
from uuid import UUID

from consilium import events
from consilium.events import Event
from consilium.model import (
    Admission,
    AgendaItem,
    Ballot,
    Case,
    Consilium,
    DissentPaper,
    Protocol,
    ProtocolStatus,
    Seat,
    Signature,
    SignatureStatus,
)
from consilium.model.particulars import digest_of
from consilium.rules import access, floor, kinds, recording, voting

if TYPE_CHECKING:
    from consilium.store.transaction import Reader

Section = dict[str, Any] | list[dict[str, Any]] | None

ALL = frozenset(
    {
        "consilium",
        "me",
        "people",
        "lobby",
        "agenda",
        "case",
        "view",
        "floor",
        "quorum",
        "decision",
        "chat",
        "protocols",
        "recording",
    }
)
_ROOM = frozenset({"consilium", "me", "people", "lobby", "quorum", "recording"})
_RECORDING = frozenset({"recording"})
_STAGE = ALL - {"lobby", "chat"}

_OF_CASES = frozenset({"lobby", "agenda", "case"})

SECTIONS: dict[type[Event], frozenset[str]] = {
    events.ConsiliumScheduled: ALL,
    events.ConsiliumRescheduled: frozenset({"consilium"}),
    events.SeatsChanged: ALL,
    events.ConsiliumCancelled: ALL,
    events.ConsiliumOpened: ALL,
    events.SeatWaiting: frozenset({"me", "lobby"}),
    events.SeatAdmitted: ALL,
    events.SeatDenied: ALL,
    events.ParticipantJoined: _ROOM,
    events.ParticipantLeft: _ROOM | {"floor"},
    events.ChairOffered: frozenset({"consilium", "me", "people"}),
    events.ChairTaken: frozenset({"consilium", "me", "people", "lobby", "view"}),
    events.LayoutSet: frozenset({"consilium"}),
    events.ItemOpened: _STAGE,
    events.ItemClosed: _STAGE,
    events.DocumentShown: frozenset({"view"}),
    events.PresenterPassed: frozenset({"view", "me"}),
    events.HandRaised: frozenset({"floor"}),
    events.HandLowered: frozenset({"floor"}),
    events.FloorGiven: frozenset({"floor"}),
    events.FloorReleased: frozenset({"floor"}),
    events.ChatSent: frozenset({"chat"}),
    events.ResolutionProposed: frozenset({"decision"}),
    events.ResolutionReworded: frozenset({"decision"}),
    events.ResolutionWithdrawn: frozenset({"decision"}),
    events.VoteOpened: frozenset({"decision", "me"}),
    events.VoteCast: frozenset({"decision", "me"}),
    events.VoteClosed: frozenset({"decision", "me"}),
    events.MemberRecused: frozenset({"me", "people", "quorum", "decision"}),
    events.DissentWritten: frozenset({"me", "decision"}),
    events.DissentWithdrawn: frozenset({"me", "decision"}),
    events.RecordingAsked: _RECORDING,
    events.RecordingAnswered: _RECORDING,
    events.RecordingStarted: _RECORDING,
    events.RecordingPaused: _RECORDING,
    events.RecordingResumed: _RECORDING,
    events.RecordingRefused: _RECORDING,
    events.RecordingInterrupted: _RECORDING,
    events.RecordingRestored: _RECORDING,
    events.RecordingStopped: _RECORDING,
    events.ConsiliumClosed: ALL,
    events.ProtocolDrafted: frozenset({"protocols", "agenda"}),
    events.ParticularsWritten: frozenset({"protocols"}),
    events.ProtocolFrozen: frozenset({"protocols"}),
    events.SignatureAttached: frozenset({"protocols"}),
    events.SignatureDeclined: frozenset({"protocols"}),
    events.DissentSigned: frozenset({"protocols"}),
    events.DissentReleased: frozenset({"protocols"}),
    events.SignerReleased: frozenset({"protocols"}),
    events.SignerReplaced: frozenset({"protocols"}),
    events.ProtocolReopened: frozenset({"protocols"}),
    events.SigningCompleted: frozenset({"protocols"}),
    events.SealDelayed: frozenset({"protocols"}),
    events.SignatureLapsed: frozenset({"protocols"}),
    events.ProtocolSealed: frozenset({"protocols"}),
    events.ExtractMade: frozenset({"protocols"}),
    events.AnnulmentMade: frozenset({"protocols"}),
    events.PaperWithdrawn: frozenset({"protocols"}),
    events.ProtocolAnnulled: frozenset({"protocols"}),
    events.ProtocolReplaced: frozenset({"protocols"}),
    events.ProtocolRegistered: frozenset({"protocols"}),
}
"""Event -> sections to send again. An event that is not here changes nothing on a room's screen."""

CHAT_LIMIT = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """Everything a snapshot is made from, read in one transaction: shared by all viewers of an event."""

    consilium: Consilium
    cases: dict[UUID, Case]
    protocols: list[Protocol]
    papers: list[Protocol]
    seq: int
    at: datetime


def load(reader: Reader, consilium_id: UUID, at: datetime, names: frozenset[str] = ALL) -> Scene:
    """Read what the named sections are made from. The number is read first: a later event is sent again."""
    seq = reader.head("consilium", consilium_id)
    consilium = reader.consilium(consilium_id)
    agenda = consilium.agenda
    cases = {item.case_id: reader.case(item.case_id) for item in agenda} if names & _OF_CASES else {}
    protocols = (
        [reader.protocol(item.protocol_id) for item in agenda if item.protocol_id is not None]
        if "protocols" in names
        else []
    )
    known = {one.id for one in protocols}
    papers = [one for one in reader.papers(consilium_id) if one.id not in known] if protocols else []
    return Scene(consilium=consilium, cases=cases, protocols=protocols, papers=papers, seq=seq, at=at)


def snapshot(scene: Scene, seat: Seat) -> dict[str, Section]:
    return sections(scene, seat, ALL)


def sections(scene: Scene, seat: Seat, names: frozenset[str]) -> dict[str, Section]:
    """The named sections as this seat may see them."""
    if seat.admission is not Admission.ADMITTED:
        return {name: _outside(name, scene, seat) for name in sorted(names)}
    return {name: _MAKERS[name](scene, seat) for name in sorted(names)}


def public(event: Event, seat: Seat, *, may_admit: bool) -> dict[str, Any] | None:
    """An event's facts as this seat may see them; None when it is none of his business."""
    data = {name: _plain(value) for name, value in asdict(cast(Any, event)).items()}
    own = data.get("seat") == str(seat.id)
    match event:
        case events.VoteCast():
            return data if own else {"ballot": data["ballot"], "seat": data["seat"]}
        case events.DissentWritten() | events.DissentWithdrawn():
            return data if own else {}
        case events.RecordingAnswered():  # who refuses is named to nobody
            return data if own else {"recording": data["recording"]}
        case events.RecordingSegmentStored() | events.RecordingOpened():
            return None
        case events.SeatWaiting() | events.SeatDenied():
            return data if own or may_admit else None
        case _:
            return data


def _outside(name: str, scene: Scene, seat: Seat) -> Section:
    """Before admission: that the consilium exists, who I am, nothing else."""
    if name == "consilium":
        return _consilium(scene, seat)
    if name == "me":
        return _me(scene, seat)
    return None if name in {"case", "view", "floor", "quorum", "decision", "recording"} else []


def _consilium(scene: Scene, seat: Seat) -> dict[str, Any]:
    consilium = scene.consilium
    return {
        "id": str(consilium.id),
        "number": consilium.number,
        "kind": consilium.kind,
        "status": consilium.status,
        "scheduled_at": _plain(consilium.scheduled_at),
        "opened_at": _plain(consilium.opened_at),
        "organisation": str(consilium.organisation_id),
        "layout": consilium.layout,
        "chair": _plain(consilium.chair_seat_id),
        "server_time": _plain(scene.at),
    }


def _me(scene: Scene, seat: Seat) -> dict[str, Any]:
    consilium = scene.consilium
    return {
        "seat": str(seat.id),
        "person": str(seat.person_id),
        "name": seat.name,
        "role": seat.role,
        "admission": seat.admission,
        "denied_reason": seat.denied_reason,
        "can": access.capabilities(consilium, seat),
        "vote": _my_vote(consilium, seat),
        "dissents": [
            {
                "id": str(one.id),
                "item": str(one.item_id),
                "text": one.text,
                "revision": one.revision,
                "withdrawn": one.withdrawn,
            }
            for one in consilium.dissents
            if one.seat_id == seat.id
        ],
        "chair_offer": consilium.chair_offered_to == seat.id,
        "recused": [str(one.item_id) for one in consilium.recusals if one.seat_id == seat.id],
    }


def _my_vote(consilium: Consilium, seat: Seat) -> dict[str, Any] | None:
    ballot = consilium.open_ballot or _last_closed(consilium)
    if ballot is None:
        return None
    mine = next((v for v in voting.votes_of(consilium, ballot) if v.seat_id == seat.id), None)
    if mine is None:
        return None
    return {
        "ballot": str(ballot.id),
        "choice": mine.choice,
        "receipt": mine.receipt,
        "cast_at": _plain(mine.cast_at),
        "changes": mine.changes,
    }


def _last_closed(consilium: Consilium) -> Ballot | None:
    closed = [b for b in consilium.ballots if b.item_id == consilium.current_item_id and b.closed_at]
    return max(closed, key=lambda ballot: ballot.opened_at, default=None)


def _people(scene: Scene, seat: Seat) -> list[dict[str, Any]]:
    consilium = scene.consilium
    return [
        {
            "seat": str(one.id),
            "person": str(one.person_id),
            "name": one.name,
            "position": one.position,
            "organisation": one.organisation_name,
            "role": one.role,
            "admitted": one.admission is Admission.ADMITTED,
            "online": one.online,
            "chair": access.presides(consilium, one),
            "voting": kinds.is_voting(consilium.kind, one.role),
            "recused": consilium.recused(one.id, consilium.current_item_id),
        }
        for one in sorted(consilium.seats, key=lambda one: one.order)
    ]


def _lobby(scene: Scene, seat: Seat) -> list[dict[str, Any]]:
    consilium = scene.consilium
    if not access.may_admit(consilium, seat):
        return []
    waiting = [one for one in consilium.seats if one.admission is Admission.WAITING]
    return [
        {
            "seat": str(one.id),
            "name": one.name,
            "position": one.position,
            "organisation": one.organisation_name,
            "role": one.role,
            "items": [str(item) for item in one.invited_items],
            "case_number": _invited_to(scene, one),
            "waiting_since": _plain(one.waiting_since),
        }
        for one in sorted(waiting, key=lambda one: (one.waiting_since or scene.at, one.order))
    ]


def _invited_to(scene: Scene, seat: Seat) -> str:
    items = [scene.consilium.item(one) for one in seat.invited_items]
    return ", ".join(scene.cases[item.case_id].number for item in items if item)


def _agenda(scene: Scene, seat: Seat) -> list[dict[str, Any]]:
    return [
        _agenda_line(scene, item, visible=access.sees_item(seat, item))
        for item in sorted(scene.consilium.agenda, key=lambda item: item.order)
    ]


def _agenda_line(scene: Scene, item: AgendaItem, *, visible: bool) -> dict[str, Any]:
    case = scene.cases[item.case_id]
    return {
        "item": str(item.id),
        "order": item.order,
        "status": item.status,
        "opened_at": _plain(item.opened_at),
        "closed_at": _plain(item.closed_at),
        "protocol": _plain(item.protocol_id) if visible else None,
        "case": str(case.id) if visible else None,
        "case_number": case.number if visible else "",
        "patient": case.patient.full_name if visible else "",
        "birth_date": _plain(case.patient.birth_date) if visible else None,
        "question": case.question if visible else "",
    }


def _case(scene: Scene, seat: Seat) -> dict[str, Any] | None:
    item = scene.consilium.item(scene.consilium.current_item_id)
    if item is None or not access.sees_item(seat, item):
        return None
    case = scene.cases[item.case_id]
    return {
        "id": str(case.id),
        "item": str(item.id),
        "number": case.number,
        "patient": {
            "name": case.patient.full_name,
            "birth_date": _plain(case.patient.birth_date),
            "sex": case.patient.sex,
            "record_number": case.patient.record_number,
        },
        "diagnosis_code": case.diagnosis_code,
        "diagnosis_name": case.diagnosis_name,
        "question": case.question,
        "goal_code": case.goal_code,
        "urgency_code": case.urgency_code,
        "course": case.course,
        "condition": case.condition,
        "documents": [
            {
                "id": str(one.id),
                "title": one.title,
                "kind": one.kind,
                "dated": _plain(one.dated),
                "media_type": one.media_type,
                "size": one.size,
                "digest": one.digest,
                "added_at": _plain(one.added_at),
            }
            for one in case.documents
        ],
    }


def _view(scene: Scene, seat: Seat) -> dict[str, Any]:
    consilium = scene.consilium
    item = consilium.item(consilium.current_item_id)
    visible = item is not None and access.sees_item(seat, item)
    return {
        "document": _plain(consilium.shown_document_id) if visible else None,
        "page": consilium.shown_page,
        "presenter": _plain(consilium.presenter_seat_id or consilium.chair_seat_id),
    }


def _floor(scene: Scene, seat: Seat) -> dict[str, Any]:
    consilium = scene.consilium
    return {
        "seat": _plain(consilium.floor_seat_id),
        "since": _plain(consilium.floor_since),
        "hands": [
            {
                "seat": str(hand.seat_id),
                "raised_at": _plain(hand.raised_at),
                "point_of_order": hand.point_of_order,
            }
            for hand in floor.queue(consilium)
        ],
    }


def _quorum(scene: Scene, seat: Seat) -> dict[str, Any]:
    state = voting.quorum(scene.consilium, scene.consilium.current_item_id)
    return {
        "present": state.present,
        "need": state.need,
        "total": state.total,
        "reached": state.reached,
    }


def _decision(scene: Scene, seat: Seat) -> dict[str, Any] | None:
    consilium = scene.consilium
    item = consilium.item(consilium.current_item_id)
    if item is None or not access.sees_item(seat, item):
        return None
    resolutions = [one for one in consilium.resolutions if one.item_id == item.id]
    ballots = [one for one in consilium.ballots if one.item_id == item.id]
    return {
        "item": str(item.id),
        "resolutions": [
            {
                "id": str(one.id),
                "number": one.number,
                "wording": one.wording,
                "status": one.status,
                "digest": one.digest,
                "revision": one.revision,
                "author": str(one.author_seat_id),
            }
            for one in resolutions
        ],
        "ballot": next((_open(consilium, one) for one in ballots if one.closed_at is None), None),
        "results": [_result(consilium, one) for one in ballots if one.closed_at is not None],
        "dissents": [
            {"seat": str(one.seat_id), "item": str(one.item_id), "written_at": _plain(one.written_at)}
            for one in consilium.dissents
            if one.item_id == item.id and not one.withdrawn and one.seat_id == seat.id
        ],
    }


def _wording(consilium: Consilium, ballot: Ballot) -> dict[str, Any]:
    resolution = consilium.resolution(ballot.resolution_id)
    return {
        "id": str(ballot.id),
        "resolution": str(ballot.resolution_id),
        "number": resolution.number if resolution else 0,
        "wording": resolution.wording if resolution else "",
        "digest": ballot.digest,
        "opened_at": _plain(ballot.opened_at),
    }


def _open(consilium: Consilium, ballot: Ballot) -> dict[str, Any]:
    """While it runs everybody sees who has voted, nobody sees how (DL-06, hidden until the close)."""
    return {
        **_wording(consilium, ballot),
        "entitled": [str(one) for one in ballot.entitled],
        "voted": [str(vote.seat_id) for vote in voting.votes_of(consilium, ballot)],
        "closed": False,
    }


def _result(consilium: Consilium, ballot: Ballot) -> dict[str, Any]:
    return {
        **_wording(consilium, ballot),
        "votes_for": ballot.votes_for,
        "votes_against": ballot.votes_against,
        "votes_abstain": ballot.votes_abstain,
        "majority_need": ballot.majority_need,
        "adopted": ballot.adopted,
        "votes": [
            {"seat": str(vote.seat_id), "choice": vote.choice} for vote in voting.votes_of(consilium, ballot)
        ],
        "closed_at": _plain(ballot.closed_at),
    }


def _chat(scene: Scene, seat: Seat) -> list[dict[str, Any]]:
    """Who is invited to certain cases reads what was said on them, and what was said outside any case."""
    consilium = scene.consilium
    visible = [
        one for one in sorted(consilium.chat, key=lambda one: one.at) if access.sees(seat, one.item_id)
    ]
    return [
        {"id": str(one.id), "seat": str(one.seat_id), "text": one.text, "at": _plain(one.at)}
        for one in visible[-CHAT_LIMIT:]
    ]


def _protocols(scene: Scene, seat: Seat) -> list[dict[str, Any]]:
    return [
        {
            "id": str(one.id),
            "item": str(one.item_id),
            "number": one.number,
            "status": one.status,
            "version": one.version,
            "digest": one.digest,
            "particulars": digest_of(one.particulars),
            "awaits_me": _awaits(one, seat),
            "annulled": one.annulled_at is not None,
            "papers": [_paper(paper, seat) for paper in scene.papers if paper.item_id == one.item_id],
        }
        for one in scene.protocols
        if access.sees(seat, one.item_id)
    ]


def _paper(one: Protocol, seat: Seat) -> dict[str, Any]:
    """An extract, an act, a version whose place was taken: what the protocol of the item has beside it."""
    return {
        "id": str(one.id),
        "paper": one.paper,
        "number": one.number,
        "status": one.status,
        "annulled": one.annulled_at is not None,
        "awaits_me": _awaits(one, seat),
    }


def _awaits(protocol: Protocol, seat: Seat) -> bool:
    """Whether this seat's signature, on the protocol or on its own dissent, is still to come."""
    papers: list[Signature | DissentPaper] = [*protocol.current_signatures(), *protocol.current_dissents()]
    return protocol.status is ProtocolStatus.SIGNING and any(
        one.seat_id == seat.id and one.status is SignatureStatus.AWAITED for one in papers
    )


def _recording(scene: Scene, seat: Seat) -> dict[str, Any] | None:
    """The newest recording: everybody sees its state and whose answer is missing, nobody who refused."""
    consilium = scene.consilium
    newest = recording.newest(consilium)
    if newest is None:
        return None
    return {
        "id": str(newest.id),
        "status": newest.status,
        "asked_by": str(newest.asked_by),
        "ground": newest.ground,
        "started_at": _plain(newest.started_at),
        "stopped_at": _plain(newest.stopped_at),
        "awaited": [str(one.id) for one in recording.awaited(consilium, newest)],
        "agreed": recording.agreed(consilium, newest, seat.id),
        "gaps": [
            {"reason": gap.reason, "began_at": _plain(gap.began_at), "ended_at": _plain(gap.ended_at)}
            for gap in recording.gaps(consilium, newest)
        ],
    }


_MAKERS: dict[str, Callable[[Scene, Seat], Section]] = {
    "consilium": _consilium,
    "me": _me,
    "people": _people,
    "lobby": _lobby,
    "agenda": _agenda,
    "case": _case,
    "view": _view,
    "floor": _floor,
    "quorum": _quorum,
    "decision": _decision,
    "chat": _chat,
    "protocols": _protocols,
    "recording": _recording,
}


def _plain(value: Any) -> Any:
    """JSON-ready: ids and times as text, None as it is."""
    if isinstance(value, UUID):
        return str(value)
    if isinstance(value, list):
        return [_plain(one) for one in value]
    isoformat = getattr(value, "isoformat", None)
    return isoformat() if isoformat else value
