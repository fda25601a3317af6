"""Turns of a frozen paper's signers: given at the freezing, opened one after another, reminded of (SG-03, SG-10)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from consilium import commands as c
from consilium.handlers.asker import Table, require_system
from consilium.model import Body, Consilium, Protocol
from consilium.rules import turns
from consilium.rules.protocol import rows_of

if TYPE_CHECKING:
    from consilium.context import Context

REMIND = "signing.remind"


def arrange(context: Context, protocol: Protocol, consilium: Consilium, order: str = "") -> None:
    """Right after any freezing: steps, the first turns, their deadlines and reminders."""
    body = body_of(context, consilium)
    chosen, days = turns.order_of(consilium, body, order), turns.days_of(consilium, body)
    turns.arrange(protocol, consilium, chosen, days)
    open_turns(context, protocol)


def arrange_alone(context: Context, protocol: Protocol, days: int) -> None:
    """The same where one person signs: the case's own doctor."""
    protocol.signing_days = days
    open_turns(context, protocol)


def open_turns(context: Context, protocol: Protocol) -> None:
    """After every signature, release and replacement: whoever's turn has come gets his time."""
    fresh, happened = turns.open_turns(protocol, context.at)
    for event in happened:
        context.tx.record(event, protocol.id, protocol.organisation_id, context.actor)
    for row in fresh:
        assert row.due_at is not None
        payload = {"protocol": str(protocol.id), "signature": str(row.id)}
        context.tx.enqueue(REMIND, str(row.id), payload, turns.next_notice(row.due_at, 0))


def body_of(context: Context, consilium: Consilium) -> Body | None:
    return context.tx.body(consilium.body_id) if consilium.body_id else None


def remind(context: Context, command: c.RemindSigner) -> dict[str, Any]:
    """The worker's word that a notice is due; told twice, early or too late it changes nothing."""
    require_system(context)
    protocol = context.tx.protocol(command.protocol)
    row = next((one for one in rows_of(protocol) if one.id == command.signature), None)
    happened = turns.remind(protocol, row, command.number, context.at) if row else []
    for event in happened:
        context.tx.record(event, protocol.id, protocol.organisation_id, context.actor)
    return {"reminded": bool(happened)}


HANDLERS: Table = {c.RemindSigner: remind}
