"""The worker's word about a package that was renewed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from consilium import commands as c
from consilium.handlers.asker import Table, require_system
from consilium.handlers.protocol import record
from consilium.rules import archive as rules

if TYPE_CHECKING:
    from consilium.context import Context


def record_renewal(context: Context, command: c.RecordRenewal) -> dict[str, Any]:
    """The renewed package takes the place of the one it grew from, and is exported like it."""
    require_system(context)
    protocol = context.tx.protocol(command.protocol)
    happened = rules.renew(
        protocol,
        before=command.before,
        digest=command.package_digest,
        name=command.package_name,
        number=command.number,
        stamped_at=command.stamped_at,
        good_until=command.good_until,
    )
    if happened:
        record(context, protocol, happened)
        key = f"renewed:{protocol.id}:{command.number}"
        context.tx.enqueue("protocol.export", key, {"protocol": str(protocol.id)})
    return {"package_digest": protocol.package_digest}


HANDLERS: Table = {
    c.RecordRenewal: record_renewal,
}
