"""Resolutions, ballots, recusal, dissent: the decision itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import UUID

from consilium import commands as c
from consilium.errors import Conflict, Forbidden, NotFound
from consilium.handlers.asker import Table, tidied
from consilium.handlers.meeting import record
from consilium.model import AgendaItem, Ballot, Choice, Consilium, ItemStatus, ProtocolStatus, Resolution
from consilium.rules import access, opinion, voting

if TYPE_CHECKING:
    from consilium.context import Context


def propose(context: Context, command: c.ProposeResolution) -> dict[str, Any]:
    consilium = context.tx.consilium(command.consilium)
    seat = access.inside(consilium, context.actor.person_id)
    _must_propose(granted=access.may_propose(consilium, seat))
    item = access.open_item(consilium, command.item)
    resolution, happened = voting.propose(consilium, item, seat, tidied(command.wording, "wording"))
    record(context, consilium, happened)
    return {"resolution": str(resolution.id), "revision": resolution.revision}


def reword(context: Context, command: c.RewordResolution) -> dict[str, Any]:
    consilium = context.tx.consilium(command.consilium)
    seat = access.inside(consilium, context.actor.person_id)
    _must_propose(granted=access.may_propose(consilium, seat))
    resolution = _resolution(consilium, command.resolution)
    record(
        context, consilium, voting.reword(resolution, tidied(command.wording, "wording"), command.revision)
    )
    return {"revision": resolution.revision}


def withdraw(context: Context, command: c.WithdrawResolution) -> dict[str, Any]:
    consilium = context.tx.consilium(command.consilium)
    seat = access.inside(consilium, context.actor.person_id)
    resolution = _resolution(consilium, command.resolution)
    _must_propose(granted=access.presides(consilium, seat) or resolution.author_seat_id == seat.id)
    record(context, consilium, voting.withdraw(resolution))
    return {}


def open_vote(context: Context, command: c.OpenVote) -> dict[str, Any]:
    consilium = context.tx.consilium(command.consilium)
    chair = access.must_preside(consilium, context.actor.person_id)
    resolution = _resolution(consilium, command.resolution)
    access.open_item(consilium, resolution.item_id)
    ballot, happened = voting.open_vote(consilium, resolution, command.revision, chair, context.at)
    record(context, consilium, happened)
    return {"ballot": str(ballot.id), "digest": ballot.digest}


def cast(context: Context, command: c.CastVote) -> dict[str, Any]:
    consilium = context.tx.consilium(command.consilium)
    seat = access.inside(consilium, context.actor.person_id)
    ballot = _ballot(consilium, command.ballot)
    vote, happened = voting.cast(consilium, ballot, seat, Choice(command.choice), command.digest, context.at)
    record(context, consilium, happened)
    return {"receipt": vote.receipt, "choice": vote.choice, "cast_at": vote.cast_at.isoformat()}


def close_vote(context: Context, command: c.CloseVote) -> dict[str, Any]:
    consilium = context.tx.consilium(command.consilium)
    chair = access.must_preside(consilium, context.actor.person_id)
    ballot = _ballot(consilium, command.ballot)
    record(context, consilium, voting.close_vote(consilium, ballot, chair, context.at))
    return {"adopted": ballot.adopted}


def recuse(context: Context, command: c.Recuse) -> dict[str, Any]:
    consilium = context.tx.consilium(command.consilium)
    seat = access.inside(consilium, context.actor.person_id)
    item = _item(consilium, command.item)
    if item.status in (ItemStatus.DECIDED, ItemStatus.POSTPONED):
        raise Conflict("wrong_step", status=item.status)
    record(
        context, consilium, voting.recuse(consilium, item, seat, tidied(command.reason, "reason"), context.at)
    )
    return {}


def write_dissent(context: Context, command: c.WriteDissent) -> dict[str, Any]:
    """In the room, and after it until the protocol freezes."""
    consilium = context.tx.consilium(command.consilium)
    seat = access.seat_of(consilium, context.actor.person_id)
    item = _still_open_to_dissent(context, consilium, command.item)
    dissent, happened = opinion.write(
        consilium, item, seat, tidied(command.text, "text"), command.revision, command.ballot, context.at
    )
    record(context, consilium, happened)
    return {"dissent": str(dissent.id), "revision": dissent.revision}


def withdraw_dissent(context: Context, command: c.WithdrawDissent) -> dict[str, Any]:
    consilium = context.tx.consilium(command.consilium)
    seat = access.seat_of(consilium, context.actor.person_id)
    item = _still_open_to_dissent(context, consilium, command.item)
    record(context, consilium, opinion.withdraw(consilium, item, seat))
    return {}


def _still_open_to_dissent(context: Context, consilium: Consilium, item_id: UUID) -> AgendaItem:
    """The consilium is locked first and the protocol after it, so a freeze cannot slip between."""
    item = _item(consilium, item_id)
    if item.status not in (ItemStatus.OPEN, ItemStatus.DECIDED):
        raise Conflict("wrong_step", status=item.status)
    if item.protocol_id is not None:
        protocol = context.tx.protocol(item.protocol_id)
        if protocol.status is not ProtocolStatus.DRAFTING:
            raise Conflict("draft_frozen")
    return item


def _must_propose(*, granted: bool) -> None:
    if not granted:
        raise Forbidden("not_your_role", need="chair, secretary, voting member")


def _item(consilium: Consilium, item_id: UUID) -> AgendaItem:
    item = consilium.item(item_id)
    if item is None:
        raise NotFound(what="item")
    return item


def _resolution(consilium: Consilium, resolution_id: UUID) -> Resolution:
    resolution = consilium.resolution(resolution_id)
    if resolution is None:
        raise NotFound(what="resolution")
    return resolution


def _ballot(consilium: Consilium, ballot_id: UUID) -> Ballot:
    ballot = consilium.ballot(ballot_id)
    if ballot is None:
        raise NotFound(what="ballot")
    return ballot


HANDLERS: Table = {
    c.ProposeResolution: propose,
    c.RewordResolution: reword,
    c.WithdrawResolution: withdraw,
    c.OpenVote: open_vote,
    c.CastVote: cast,
    c.CloseVote: close_vote,
    c.Recuse: recuse,
    c.WriteDissent: write_dissent,
    c.WithdrawDissent: withdraw_dissent,
}
