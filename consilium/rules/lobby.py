"""Lobby, presence and the chair's succession (RM-01, RM-02, RM-04; attendance feeds SG-01)."""

from __future__ import annotations

from datetime import datetime
from uuid import uuid4

from consilium import events
from consilium.errors import Conflict, Forbidden, Invalid
from consilium.events import Event
from consilium.model import Admission, Attendance, Consilium, ConsiliumStatus, Seat
from consilium.rules import access, kinds, recording


def enter(consilium: Consilium, seat: Seat, at: datetime) -> list[Event]:
    """Knock or come back. Only the presiding seat, deputy and secretary enter without admission.

    Coming early is never turned into being admitted: the chair's entry changes nobody else's state.
    """
    if consilium.status in (ConsiliumStatus.CLOSED, ConsiliumStatus.CANCELLED):
        raise Conflict("wrong_step", status=consilium.status)
    happened: list[Event] = []
    if seat.admission is not Admission.ADMITTED and access.enters_directly(consilium, seat):
        happened += _admit(seat, None)
    if seat.admission is not Admission.ADMITTED:
        return happened + _wait(seat, at)
    happened += _join(consilium, seat, at)
    if access.presides(consilium, seat):
        happened += _open(consilium, at)
        consilium.chair_offered_to = None
        consilium.chair_lost_at = None
    return happened + offer_chair(consilium, at) + recording.settle(consilium, at)


def admit(consilium: Consilium, by: Seat, seat: Seat, at: datetime) -> list[Event]:
    """Who waits is connected: being let in begins his stay."""
    if seat.admission is Admission.ADMITTED:
        return []
    if seat.admission is not Admission.WAITING:
        raise Conflict("wrong_step", status=seat.admission)
    happened = [*_admit(seat, by), *_join(consilium, seat, at), *offer_chair(consilium, at)]
    return happened + recording.settle(consilium, at)


def admit_all(consilium: Consilium, by: Seat, at: datetime) -> list[Event]:
    waiting = [seat for seat in consilium.seats if seat.admission is Admission.WAITING]
    return [event for seat in waiting for event in admit(consilium, by, seat, at)]


def deny(consilium: Consilium, by: Seat, seat: Seat, reason: str, at: datetime) -> list[Event]:
    """Turn a waiting person away, or remove a present one. Officers cannot be removed."""
    if not reason.strip():
        raise Invalid("reason_required")
    if access.enters_directly(consilium, seat) or access.presides(consilium, seat):
        raise Forbidden("not_your_role", need="another seat")
    if seat.admission in (Admission.OUTSIDE, Admission.DENIED):
        raise Conflict("wrong_step", status=seat.admission)
    happened = leave(consilium, seat, at, lost=False) if seat.online else []
    seat.admission = Admission.DENIED
    seat.waiting_since = None
    seat.denied_reason = reason
    return [*happened, events.SeatDenied(seat=seat.id, reason=reason)]


def leave(consilium: Consilium, seat: Seat, at: datetime, *, lost: bool) -> list[Event]:
    """End a stay. A lost person keeps seat, role, hand and ballot; one who leaves lowers his hand."""
    if lost and _seen_since(seat, at):
        return []
    if seat.admission is Admission.WAITING:
        seat.admission = Admission.OUTSIDE
        seat.waiting_since = None
        return [events.ParticipantLeft(seat=seat.id, left_at=at, lost=lost)]
    if not seat.online:
        return []
    seat.online = False
    seat.last_seen = at
    _end_stay(consilium, seat, at)
    happened: list[Event] = [events.ParticipantLeft(seat=seat.id, left_at=at, lost=lost)]
    if not lost:
        happened += _lower_hand(consilium, seat)
    if consilium.floor_seat_id == seat.id:
        consilium.floor_seat_id, consilium.floor_since = None, None
        happened.append(events.FloorReleased(seat=seat.id))
    return happened + offer_chair(consilium, at) + recording.settle(consilium, at)


def offer_chair(consilium: Consilium, at: datetime) -> list[Event]:
    """When the acting chair is away from an open (or due) consilium, offer the chair to the next in order.

    The deputy comes first, then voting members in the order of their seats (RM-04). A running ballot
    goes on: nothing here touches it.
    """
    chair = consilium.seat(consilium.chair_seat_id)
    due = consilium.status is ConsiliumStatus.OPEN or at >= consilium.scheduled_at
    if chair is None or chair.online or not due:
        return []
    consilium.chair_lost_at = consilium.chair_lost_at or at
    heir = next(iter(_succession(consilium)), None)
    if heir is None:
        consilium.chair_offered_to = None
        return []
    if consilium.chair_offered_to == heir.id:
        return []
    consilium.chair_offered_to = heir.id
    return [events.ChairOffered(seat=heir.id, lost_seat=chair.id)]


def take_chair(consilium: Consilium, seat: Seat, at: datetime) -> list[Event]:
    """By whom it is offered to while the chair is away, or by the appointed chair who came back."""
    chair = consilium.seat(consilium.chair_seat_id)
    appointed = seat.role == kinds.KINDS[consilium.kind].presiding_role
    if seat.admission is not Admission.ADMITTED or not seat.online:
        raise Forbidden("not_admitted")
    if access.presides(consilium, seat):
        return []
    if not appointed:
        if chair is not None and chair.online:
            raise Conflict("chair_present")
        if consilium.chair_offered_to != seat.id:
            raise Forbidden("not_your_role", need="the one the chair is offered to")
    consilium.chair_seat_id = seat.id
    consilium.chair_offered_to = None
    consilium.chair_lost_at = None
    consilium.presenter_seat_id = None
    taken = events.ChairTaken(seat=seat.id, from_seat=chair.id if chair else None)
    return [taken, *_open(consilium, at)]


def close(consilium: Consilium, at: datetime) -> list[Event]:
    """End the meeting: everybody's stay ends now."""
    happened: list[Event] = recording.stop(consilium, at)
    for seat in consilium.seats:
        if seat.online:
            seat.online = False
            seat.last_seen = at
            _end_stay(consilium, seat, at)
            happened.append(events.ParticipantLeft(seat=seat.id, left_at=at, lost=False))
    consilium.hands.clear()
    consilium.floor_seat_id = consilium.floor_since = None
    consilium.shown_document_id = consilium.presenter_seat_id = None
    consilium.chair_offered_to = consilium.chair_lost_at = None
    consilium.current_item_id = None
    consilium.status, consilium.closed_at = ConsiliumStatus.CLOSED, at
    return [*happened, events.ConsiliumClosed()]


def _succession(consilium: Consilium) -> list[Seat]:
    present = [
        seat
        for seat in consilium.seats
        if seat.online and seat.admission is Admission.ADMITTED and seat.id != consilium.chair_seat_id
    ]
    heirs = [s for s in present if s.role == "deputy" or kinds.is_voting(consilium.kind, s.role)]
    return sorted(heirs, key=lambda seat: (seat.role != "deputy", seat.order))


def _admit(seat: Seat, by: Seat | None) -> list[Event]:
    seat.admission = Admission.ADMITTED
    seat.waiting_since = None
    seat.denied_reason = ""
    return [events.SeatAdmitted(seat=seat.id, by=by.id if by else None)]


def _wait(seat: Seat, at: datetime) -> list[Event]:
    if seat.admission is Admission.WAITING:
        return []
    seat.admission = Admission.WAITING
    seat.waiting_since = seat.last_seen = at
    return [events.SeatWaiting(seat=seat.id)]


def _join(consilium: Consilium, seat: Seat, at: datetime) -> list[Event]:
    seat.last_seen = at
    if seat.online:
        return []
    seat.online = True
    consilium.attendance.append(Attendance(id=uuid4(), seat_id=seat.id, joined_at=at))
    return [events.ParticipantJoined(seat=seat.id)]


def _seen_since(seat: Seat, at: datetime) -> bool:
    """Another connection of the same person, perhaps on another server, gave a sign of life later."""
    return seat.last_seen is not None and seat.last_seen > at


def _end_stay(consilium: Consilium, seat: Seat, at: datetime) -> None:
    for stay in consilium.attendance:
        if stay.seat_id == seat.id and stay.left_at is None:
            stay.left_at = max(at, stay.joined_at)


def _lower_hand(consilium: Consilium, seat: Seat) -> list[Event]:
    raised = [hand for hand in consilium.hands if hand.seat_id == seat.id]
    for hand in raised:
        consilium.hands.remove(hand)
    return [events.HandLowered(seat=seat.id)] if raised else []


def _open(consilium: Consilium, at: datetime) -> list[Event]:
    if consilium.status is not ConsiliumStatus.PLANNED:
        return []
    consilium.status, consilium.opened_at = ConsiliumStatus.OPEN, at
    return [events.ConsiliumOpened()]
