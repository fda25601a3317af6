"""The agenda and the stage: which case is on the table and what everybody is shown (IM-01, IM-06)."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from consilium import events
from consilium.errors import Conflict, Forbidden, NotFound
from consilium.events import Event
from consilium.model import AgendaItem, Case, Consilium, ItemStatus, Layout, ResolutionStatus, Seat
from consilium.rules import access, floor


def open_item(consilium: Consilium, item: AgendaItem, at: datetime) -> list[Event]:
    """Put a case on the table. The previous patient leaves the stage in the same breath (IM-01)."""
    if item.status in (ItemStatus.DECIDED, ItemStatus.POSTPONED):
        raise Conflict("wrong_step", status=item.status)
    if consilium.open_ballot is not None:
        raise Conflict("already_open", what="ballot")
    if consilium.current_item_id == item.id:
        return []
    happened = clear_stage(consilium)
    for other in consilium.agenda:
        if other.status is ItemStatus.OPEN:
            other.status = ItemStatus.WAITING
    item.status = ItemStatus.OPEN
    item.opened_at = item.opened_at or at
    consilium.current_item_id = item.id
    return [*happened, events.ItemOpened(item=item.id, case=item.case_id)]


def close_item(consilium: Consilium, item: AgendaItem, outcome: str, at: datetime) -> list[Event]:
    """Decided needs a voted resolution; postponed does not. No ballot may be running."""
    if consilium.open_ballot is not None:
        raise Conflict("already_open", what="ballot")
    if outcome == "decided" and not _voted(consilium, item.id):
        raise Conflict("nothing_decided")
    happened = clear_stage(consilium)
    item.status = ItemStatus(outcome)
    item.closed_at = at
    consilium.current_item_id = None
    return [*happened, events.ItemClosed(item=item.id, outcome=outcome)]


def clear_stage(consilium: Consilium) -> list[Event]:
    """Nothing of the case stays: document, presenter, floor, hands."""
    happened = floor.release(consilium)
    consilium.hands.clear()
    consilium.shown_document_id, consilium.shown_page = None, 1
    consilium.presenter_seat_id = None
    return happened


def show(consilium: Consilium, seat: Seat, case: Case, document: UUID | None, page: int) -> list[Event]:
    """Only the presenter, only a document of the case that is on the table."""
    if not access.may_present(consilium, seat):
        raise Forbidden("not_your_role", need="presenter")
    if document is not None and all(one.id != document for one in case.documents):
        raise NotFound(what="document")
    consilium.shown_document_id, consilium.shown_page = document, page
    return [events.DocumentShown(document=document, page=page, presenter=seat.id)]


def pass_presenter(consilium: Consilium, seat: Seat | None) -> list[Event]:
    if seat is not None and (not seat.online or seat.role == "observer"):
        raise Conflict("wrong_step", status="away")
    consilium.presenter_seat_id = seat.id if seat else None
    return [events.PresenterPassed(seat=consilium.presenter_seat_id)]


def set_layout(consilium: Consilium, layout: Layout) -> list[Event]:
    if consilium.layout is layout:
        return []
    consilium.layout = layout
    return [events.LayoutSet(layout=layout)]


def may_close(consilium: Consilium) -> None:
    """The meeting cannot end over an open case or a running ballot."""
    if consilium.open_ballot is not None:
        raise Conflict("already_open", what="ballot")
    if any(item.status is ItemStatus.OPEN for item in consilium.agenda):
        raise Conflict("already_open", what="item")


def _voted(consilium: Consilium, item_id: UUID) -> bool:
    decided = (ResolutionStatus.ADOPTED, ResolutionStatus.REJECTED)
    return any(one.item_id == item_id and one.status in decided for one in consilium.resolutions)
