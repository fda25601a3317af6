"""The hand queue and the floor: one order, the server's, the same for everybody (DL-02)."""

from __future__ import annotations

from datetime import datetime
from uuid import uuid4

from consilium import events
from consilium.errors import Conflict
from consilium.events import Event
from consilium.model import Consilium, Hand, Seat


def queue(consilium: Consilium) -> list[Hand]:
    """Points of order first, then by arrival at the server."""
    return sorted(consilium.hands, key=lambda hand: (not hand.point_of_order, hand.order))


def raise_hand(consilium: Consilium, seat: Seat, at: datetime, *, point_of_order: bool) -> list[Event]:
    """Raising twice keeps the place; a later point of order moves an ordinary hand up."""
    raised = _hand(consilium, seat)
    if raised is not None and (raised.point_of_order or not point_of_order):
        return []
    if raised is not None:
        raised.point_of_order = True
    else:
        order, consilium.next_order = consilium.next_order, consilium.next_order + 1
        consilium.hands.append(
            Hand(id=uuid4(), seat_id=seat.id, raised_at=at, order=order, point_of_order=point_of_order)
        )
    return [events.HandRaised(seat=seat.id, point_of_order=point_of_order)]


def lower_hand(consilium: Consilium, seat: Seat) -> list[Event]:
    raised = _hand(consilium, seat)
    if raised is None:
        return []
    consilium.hands.remove(raised)
    return [events.HandLowered(seat=seat.id)]


def give(consilium: Consilium, seat: Seat | None, at: datetime) -> list[Event]:
    """To the named seat, or to the first present person of the queue; his hand goes down."""
    receiver = seat or _next(consilium)
    if not receiver.online:
        raise Conflict("wrong_step", status="away")
    happened: list[Event] = []
    if consilium.floor_seat_id not in (None, receiver.id):
        happened.append(events.FloorReleased(seat=consilium.floor_seat_id))
    happened += lower_hand(consilium, receiver)
    consilium.floor_seat_id, consilium.floor_since = receiver.id, at
    return [*happened, events.FloorGiven(seat=receiver.id)]


def release(consilium: Consilium) -> list[Event]:
    if consilium.floor_seat_id is None:
        return []
    released = events.FloorReleased(seat=consilium.floor_seat_id)
    consilium.floor_seat_id = consilium.floor_since = None
    return [released]


def _hand(consilium: Consilium, seat: Seat) -> Hand | None:
    return next((hand for hand in consilium.hands if hand.seat_id == seat.id), None)


def _next(consilium: Consilium) -> Seat:
    for hand in queue(consilium):
        seat = consilium.seat(hand.seat_id)
        if seat is not None and seat.online:
            return seat
    raise Conflict("wrong_step", status="empty_queue")
