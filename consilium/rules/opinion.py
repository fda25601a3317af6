"""The dissenting opinion (особое мнение, 323-ФЗ ст. 48 ч. 4): its author's alone (DL-13)."""

from __future__ import annotations

import unicodedata
from datetime import datetime
from uuid import UUID, uuid4

from consilium import events
from consilium.errors import Conflict, Forbidden, Invalid, NotFound
from consilium.events import Event
from consilium.model import AgendaItem, Consilium, Dissent, Seat
from consilium.rules import access


def own(consilium: Consilium, item_id: UUID, seat: Seat) -> Dissent | None:
    return next((d for d in consilium.dissents if d.item_id == item_id and d.seat_id == seat.id), None)


def write(
    consilium: Consilium,
    item: AgendaItem,
    seat: Seat,
    text: str,
    revision: int,
    ballot: UUID | None,
    at: datetime,
) -> tuple[Dissent, list[Event]]:
    """Begin, change, or take up again after a withdrawal."""
    if not access.may_dissent(consilium, seat):
        raise Forbidden("not_entitled")
    if ballot is not None and consilium.ballot(ballot) is None:
        raise NotFound(what="ballot")
    clean = unicodedata.normalize("NFC", text).strip()
    if not clean:
        raise Invalid("field_required", field="text")
    dissent = own(consilium, item.id, seat)
    if dissent is None:
        dissent = Dissent(
            id=uuid4(), item_id=item.id, seat_id=seat.id, ballot_id=ballot, text=clean, written_at=at
        )
        consilium.dissents.append(dissent)
    else:
        _change(dissent, clean, revision, at)
    written = events.DissentWritten(dissent=dissent.id, item=item.id, seat=seat.id, revision=dissent.revision)
    return dissent, [written]


def withdraw(consilium: Consilium, item: AgendaItem, seat: Seat) -> list[Event]:
    dissent = own(consilium, item.id, seat)
    if dissent is None:
        raise NotFound(what="dissent")
    if dissent.withdrawn:
        return []
    dissent.withdrawn = True
    dissent.revision += 1
    return [events.DissentWithdrawn(dissent=dissent.id, item=item.id, seat=seat.id)]


def _change(dissent: Dissent, text: str, revision: int, at: datetime) -> None:
    if dissent.revision != revision:
        raise Conflict("stale_revision", current=dissent.text, revision=dissent.revision)
    dissent.text, dissent.written_at = text, at
    dissent.withdrawn = False
    dissent.revision += 1
