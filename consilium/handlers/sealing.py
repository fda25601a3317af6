"""The worker's words about a seal that is not there yet: look up, let the rules decide, journal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from consilium import commands as c
from consilium.handlers import turns
from consilium.handlers.asker import Table, require_system
from consilium.handlers.protocol import record
from consilium.rules import sealing as rules

if TYPE_CHECKING:
    from consilium.context import Context


def record_seal_wait(context: Context, command: c.RecordSealWait) -> dict[str, Any]:
    """Shown on the protocol's page and in lists until the seal is there."""
    require_system(context)
    protocol = context.tx.protocol(command.protocol)
    happened = rules.delay(protocol, command.version, command.waits_for, command.reason, context.at)
    record(context, protocol, happened)
    return {"waits_for": protocol.waits_for}


def record_lapse(context: Context, command: c.RecordLapse) -> dict[str, Any]:
    """Back to the signer's desk: the same bytes, the same version, everybody else's signature."""
    require_system(context)
    protocol = context.tx.protocol(command.protocol)
    record(context, protocol, rules.lapse(protocol, command.version, command.signature, command.reason))
    turns.open_turns(context, protocol)
    # His notices were given once already, for the signature that lapsed: they begin anew.
    context.tx.again(turns.REMIND, str(command.signature))
    return {"status": str(protocol.status)}


HANDLERS: Table = {
    c.RecordSealWait: record_seal_wait,
    c.RecordLapse: record_lapse,
}
