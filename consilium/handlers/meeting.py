"""Lobby, presence, agenda, stage, floor, chat: what happens in the room besides the decision."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

from consilium import commands as c
from consilium import events
from consilium.errors import Conflict, Forbidden, Invalid
from consilium.events import Event
from consilium.handlers import protocol
from consilium.handlers.asker import Table, tidied
from consilium.model import (
    Admission,
    Case,
    CaseStatus,
    ChatMessage,
    Consilium,
    ItemStatus,
    Layout,
)
from consilium.rules import access, agenda, floor, lobby

if TYPE_CHECKING:
    from consilium.context import Context
    from consilium.parts import Parts


def enter(context: Context, command: c.EnterConsilium) -> dict[str, Any]:
    consilium = context.tx.consilium(command.consilium)
    seat = access.seat_of(consilium, context.actor.person_id)
    record(context, consilium, lobby.enter(consilium, seat, context.at))
    return {"seat": str(seat.id), "admission": seat.admission}


def leave(context: Context, command: c.LeaveConsilium) -> dict[str, Any]:
    consilium = context.tx.consilium(command.consilium)
    seat = access.seat_of(consilium, context.actor.person_id)
    record(context, consilium, lobby.leave(consilium, seat, context.at, lost=False))
    return {}


def lose_presence(context: Context, command: c.LosePresence) -> dict[str, Any]:
    """Only the system says that somebody is lost."""
    _must_be_system(context)
    consilium = context.tx.consilium(command.consilium)
    seat = access.seat_by_id(consilium, command.seat)
    record(context, consilium, lobby.leave(consilium, seat, command.last_seen, lost=True))
    return {}


def admit(context: Context, command: c.Admit) -> dict[str, Any]:
    consilium = context.tx.consilium(command.consilium)
    officer = access.must_be_officer(consilium, context.actor.person_id)
    seat = access.seat_by_id(consilium, command.seat)
    record(context, consilium, lobby.admit(consilium, officer, seat, context.at))
    return {}


def admit_all(context: Context, command: c.AdmitAll) -> dict[str, Any]:
    consilium = context.tx.consilium(command.consilium)
    officer = access.must_be_officer(consilium, context.actor.person_id)
    happened = lobby.admit_all(consilium, officer, context.at)
    record(context, consilium, happened)
    return {"admitted": sum(isinstance(event, events.SeatAdmitted) for event in happened)}


def deny(context: Context, command: c.Deny) -> dict[str, Any]:
    consilium = context.tx.consilium(command.consilium)
    officer = access.must_be_officer(consilium, context.actor.person_id)
    seat = access.seat_by_id(consilium, command.seat)
    record(
        context, consilium, lobby.deny(consilium, officer, seat, tidied(command.reason, "reason"), context.at)
    )
    return {}


def take_chair(context: Context, command: c.TakeChair) -> dict[str, Any]:
    consilium = context.tx.consilium(command.consilium)
    seat = access.seat_of(consilium, context.actor.person_id)
    record(context, consilium, lobby.take_chair(consilium, seat, context.at))
    return {}


def close_consilium(context: Context, command: c.CloseConsilium) -> dict[str, Any]:
    """Cases not reached go back to accepted, each with its own event."""
    cases = _locked_cases(context, command.consilium)
    consilium = context.tx.consilium(command.consilium)
    access.must_preside(consilium, context.actor.person_id)
    agenda.may_close(consilium)
    for item in consilium.agenda:
        if item.status is ItemStatus.WAITING:
            item.status, item.closed_at = ItemStatus.POSTPONED, context.at
            record(context, consilium, [events.ItemClosed(item=item.id, outcome="postponed")])
            _postpone(context, consilium, cases[item.case_id])
    record(context, consilium, lobby.close(consilium, context.at))
    return {}


def set_layout(context: Context, command: c.SetLayout) -> dict[str, Any]:
    consilium = context.tx.consilium(command.consilium)
    access.must_preside(consilium, context.actor.person_id)
    record(context, consilium, agenda.set_layout(consilium, Layout(command.layout)))
    return {}


def open_item(context: Context, command: c.OpenItem) -> dict[str, Any]:
    consilium = context.tx.consilium(command.consilium)
    access.must_preside(consilium, context.actor.person_id)
    item = consilium.item(command.item)
    if item is None:
        raise Conflict("wrong_step", status="no_item")
    record(context, consilium, agenda.open_item(consilium, item, context.at))
    return {}


def close_item(context: Context, command: c.CloseItem) -> dict[str, Any]:
    """A decided item starts its protocol in the same transaction (PR-01)."""
    cases = _locked_cases(context, command.consilium)
    consilium = context.tx.consilium(command.consilium)
    access.must_preside(consilium, context.actor.person_id)
    item = access.open_item(consilium, command.item)
    if command.outcome == "postponed" and not command.reason.strip():
        raise Invalid("reason_required")
    case = cases[item.case_id]
    happened = agenda.close_item(consilium, item, command.outcome, context.at)
    if command.outcome == "postponed":
        record(context, consilium, happened)
        _postpone(context, consilium, case)
        return {}
    started = protocol.start_protocol(context, consilium, item, case)
    item.protocol_id = started.id
    case.status = CaseStatus.DECIDED
    record(context, consilium, happened)
    decided = events.CaseDecided(consilium=consilium.id, protocol=started.id)
    context.tx.record(decided, case.id, case.sender_id, context.actor)
    return {"protocol": str(started.id)}


def show_document(context: Context, command: c.ShowDocument) -> dict[str, Any]:
    consilium = context.tx.consilium(command.consilium)
    seat = access.must_speak(consilium, context.actor.person_id)
    item = consilium.item(consilium.current_item_id)
    if item is None:
        raise Conflict("wrong_step", status="no_item")
    case = context.tx.peek(Case, item.case_id)
    record(context, consilium, agenda.show(consilium, seat, case, command.document, command.page))
    return {}


def pass_presenter(context: Context, command: c.PassPresenter) -> dict[str, Any]:
    consilium = context.tx.consilium(command.consilium)
    access.must_preside(consilium, context.actor.person_id)
    seat = access.seat_by_id(consilium, command.seat) if command.seat else None
    record(context, consilium, agenda.pass_presenter(consilium, seat))
    return {}


def raise_hand(context: Context, command: c.RaiseHand) -> dict[str, Any]:
    consilium = context.tx.consilium(command.consilium)
    seat = access.must_speak(consilium, context.actor.person_id)
    record(
        context,
        consilium,
        floor.raise_hand(consilium, seat, context.at, point_of_order=command.point_of_order),
    )
    return {}


def lower_hand(context: Context, command: c.LowerHand) -> dict[str, Any]:
    consilium = context.tx.consilium(command.consilium)
    asker = access.inside(consilium, context.actor.person_id)
    seat = access.seat_by_id(consilium, command.seat) if command.seat else asker
    if seat.id != asker.id and not access.presides(consilium, asker):
        raise Forbidden("not_your_role", need="chair")
    record(context, consilium, floor.lower_hand(consilium, seat))
    return {}


def give_floor(context: Context, command: c.GiveFloor) -> dict[str, Any]:
    consilium = context.tx.consilium(command.consilium)
    access.must_preside(consilium, context.actor.person_id)
    seat = access.seat_by_id(consilium, command.seat) if command.seat else None
    record(context, consilium, floor.give(consilium, seat, context.at))
    return {}


def release_floor(context: Context, command: c.ReleaseFloor) -> dict[str, Any]:
    """By the chair, or by the one who has it."""
    consilium = context.tx.consilium(command.consilium)
    seat = access.inside(consilium, context.actor.person_id)
    if not access.presides(consilium, seat) and consilium.floor_seat_id != seat.id:
        raise Forbidden("not_your_role", need="chair")
    record(context, consilium, floor.release(consilium))
    return {}


def send_chat(context: Context, command: c.SendChat) -> dict[str, Any]:
    consilium = context.tx.consilium(command.consilium)
    seat = access.must_speak(consilium, context.actor.person_id)
    text = tidied(command.text, "text")
    if not text:
        raise Invalid("field_required", field="text")
    message = ChatMessage(
        id=uuid4(), seat_id=seat.id, text=text, at=context.at, item_id=consilium.current_item_id
    )
    consilium.chat.append(message)
    record(context, consilium, [events.ChatSent(message=message.id, seat=seat.id)])
    return {"message": str(message.id)}


def touch(parts: Parts, consilium_id: UUID, seats: Iterable[UUID], at: datetime) -> None:
    """Persist heartbeats, so that a stay ends at its last one even if the edge itself dies."""
    wanted = set(seats)
    with parts.store.write(at) as tx:
        for seat in tx.consilium(consilium_id).seats:
            if seat.id in wanted and (seat.online or seat.admission is Admission.WAITING):
                seat.last_seen = at
        tx.commit()


def record(context: Context, consilium: Consilium, happened: list[Event]) -> None:
    """Journal to the consilium's stream and raise its revision once per command."""
    if happened:
        consilium.revision += 1
    for event in happened:
        context.tx.record(event, consilium.id, consilium.organisation_id, context.actor)


def _locked_cases(context: Context, consilium_id: UUID) -> dict[UUID, Case]:
    """Cases are locked before their consilium: the order of every command (house plan, 1.2)."""
    case_ids = sorted({item.case_id for item in context.tx.peek(Consilium, consilium_id).agenda})
    return {case_id: context.tx.case(case_id) for case_id in case_ids}


def _postpone(context: Context, consilium: Consilium, case: Case) -> None:
    case.status, case.consilium_id = CaseStatus.ACCEPTED, None
    postponed = events.CasePostponed(consilium=consilium.id)
    context.tx.record(postponed, case.id, case.sender_id, context.actor)


def _must_be_system(context: Context) -> None:
    if "system" not in context.actor.duties:
        raise Forbidden("forbidden")


HANDLERS: Table = {
    c.EnterConsilium: enter,
    c.LeaveConsilium: leave,
    c.LosePresence: lose_presence,
    c.Admit: admit,
    c.AdmitAll: admit_all,
    c.Deny: deny,
    c.TakeChair: take_chair,
    c.CloseConsilium: close_consilium,
    c.SetLayout: set_layout,
    c.OpenItem: open_item,
    c.CloseItem: close_item,
    c.ShowDocument: show_document,
    c.PassPresenter: pass_presenter,
    c.RaiseHand: raise_hand,
    c.LowerHand: lower_hand,
    c.GiveFloor: give_floor,
    c.ReleaseFloor: release_floor,
    c.SendChat: send_chat,
}
