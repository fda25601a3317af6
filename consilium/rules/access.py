"""Who may do what in a consilium: rights come from the seat, never from who came first (RM-03)."""

from __future__ import annotations

from uuid import UUID

from consilium.errors import Conflict, Forbidden, NotFound
from consilium.model import Admission, AgendaItem, Consilium, ConsiliumStatus, ItemStatus, Seat
from consilium.rules import kinds

OFFICERS = frozenset({"deputy", "secretary"})
"""Beside the presiding role, these enter the room without being admitted."""


def seat_of(consilium: Consilium, person_id: UUID | None) -> Seat:
    """The person's seat. Without one the consilium does not exist for him."""
    seat = consilium.seat_of(person_id) if person_id else None
    if seat is None:
        raise NotFound
    return seat


def seat_by_id(consilium: Consilium, seat_id: UUID) -> Seat:
    seat = consilium.seat(seat_id)
    if seat is None:
        raise NotFound(what="seat")
    return seat


def inside(consilium: Consilium, person_id: UUID | None) -> Seat:
    """The seat of somebody admitted to an open room."""
    seat = seat_of(consilium, person_id)
    if seat.admission is not Admission.ADMITTED:
        raise Forbidden("not_admitted")
    if consilium.status is not ConsiliumStatus.OPEN:
        raise Conflict("wrong_step", status=consilium.status)
    return seat


def enters_directly(consilium: Consilium, seat: Seat) -> bool:
    return seat.role in OFFICERS or seat.role == kinds.KINDS[consilium.kind].presiding_role


def presides(consilium: Consilium, seat: Seat) -> bool:
    return seat.id == consilium.chair_seat_id


def may_admit(consilium: Consilium, seat: Seat) -> bool:
    return presides(consilium, seat) or seat.role == "secretary"


def must_preside(consilium: Consilium, person_id: UUID | None) -> Seat:
    seat = inside(consilium, person_id)
    if not presides(consilium, seat):
        raise Forbidden("not_your_role", need="chair")
    return seat


def must_be_officer(consilium: Consilium, person_id: UUID | None) -> Seat:
    """Acting chair or secretary."""
    seat = inside(consilium, person_id)
    if not may_admit(consilium, seat):
        raise Forbidden("not_your_role", need="chair, secretary")
    return seat


def must_speak(consilium: Consilium, person_id: UUID | None) -> Seat:
    """Anyone admitted but an observer."""
    seat = inside(consilium, person_id)
    if seat.role == "observer":
        raise Forbidden("not_your_role", need="participant")
    return seat


def presenters(consilium: Consilium) -> frozenset[UUID]:
    """Who may lead the view: the acting chair, and whom he made presenter."""
    named = (consilium.presenter_seat_id, consilium.chair_seat_id)
    return frozenset(one for one in named if one is not None)


def may_present(consilium: Consilium, seat: Seat) -> bool:
    return seat.id in presenters(consilium)


def may_propose(consilium: Consilium, seat: Seat) -> bool:
    return presides(consilium, seat) or seat.role == "secretary" or kinds.is_voting(consilium.kind, seat.role)


def may_dissent(consilium: Consilium, seat: Seat) -> bool:
    """Every doctor of the consilium (323-ФЗ ст. 48 ч. 4): not the secretary, experts or observers."""
    return kinds.is_voting(consilium.kind, seat.role) or seat.role in {"attending", "consultant"}


def sees_item(seat: Seat, item: AgendaItem) -> bool:
    """Who is invited to certain cases sees these only (SC-03)."""
    return sees(seat, item.id)


def sees(seat: Seat, item_id: UUID | None) -> bool:
    """The same by id; what belongs to no item is everybody's."""
    return not seat.invited_items or item_id is None or item_id in seat.invited_items


def open_item(consilium: Consilium, item_id: UUID) -> AgendaItem:
    """The item, which must be the one on the table."""
    item = consilium.item(item_id)
    if item is None:
        raise NotFound(what="item")
    if item.status is not ItemStatus.OPEN or consilium.current_item_id != item.id:
        raise Conflict("wrong_step", status=item.status)
    return item


def capabilities(consilium: Consilium, seat: Seat) -> list[str]:
    """What the room offers this seat now; every command checks again for itself."""
    if seat.admission is not Admission.ADMITTED or consilium.status is not ConsiliumStatus.OPEN:
        return ["take_chair"] if _may_take_chair(consilium, seat) else []
    chair, officer = presides(consilium, seat), may_admit(consilium, seat)
    voting = kinds.is_voting(consilium.kind, seat.role)
    rights = {
        "admit": officer,
        "layout": chair,
        "agenda": chair,
        "pass_presenter": chair,
        "give_floor": chair,
        "open_vote": chair,
        "close_vote": chair,
        "close_room": chair,
        "record": chair,
        "present": may_present(consilium, seat),
        "chat": seat.role != "observer",
        "hand": seat.role != "observer",
        "publish": seat.role != "observer",
        "share": seat.role != "observer",
        "propose": may_propose(consilium, seat),
        "vote": voting and not consilium.recused(seat.id, consilium.current_item_id),
        "recuse": voting,
        "dissent": may_dissent(consilium, seat),
        "edit_protocol": officer,
        "freeze": officer,
        "take_chair": _may_take_chair(consilium, seat),
    }
    return [name for name, granted in rights.items() if granted]


def _may_take_chair(consilium: Consilium, seat: Seat) -> bool:
    if presides(consilium, seat) or consilium.status is ConsiliumStatus.CANCELLED:
        return False
    appointed = seat.role == kinds.KINDS[consilium.kind].presiding_role
    return seat.admission is Admission.ADMITTED and (appointed or consilium.chair_offered_to == seat.id)
