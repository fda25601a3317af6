"""The worker's part of the deadlines for signing: a notice when it is due, until the signer has decided (SG-10).

What a notice is to people is the line on their own day's page and on the chair's; nothing here leaves the house.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from consilium import clock
from consilium.actor import SYSTEM
from consilium.commands import RemindSigner
from consilium.model import DissentPaper, Protocol, ProtocolStatus, Signature, SignatureStatus
from consilium.parts import Parts
from consilium.rules.protocol import rows_of
from consilium.rules.turns import next_notice
from consilium.service import Service
from consilium.store import outbox


def remind(parts: Parts, payload: dict[str, Any]) -> datetime | None:
    """Give the notice that is due; answers when the next one is, None when nobody is waited for any more."""
    at = clock.now()
    protocol_id, row_id = UUID(payload["protocol"]), UUID(payload["signature"])
    row = _awaited(parts, protocol_id, row_id, at)
    if row is None or row.due_at is None:
        return None
    when = next_notice(row.due_at, row.reminders)
    if when is None or when > at:
        return when
    command = RemindSigner(protocol=protocol_id, signature=row_id, number=row.reminders)
    told = outbox.command_id("signing.remind", payload["signature"], str(row.reminders))
    Service(parts).handle(command, SYSTEM, told, at)
    return next_notice(row.due_at, row.reminders + 1)


def _awaited(parts: Parts, protocol_id: UUID, row_id: UUID, at: datetime) -> Signature | DissentPaper | None:
    with parts.store.read(at) as reader:
        protocol: Protocol = reader.protocol(protocol_id)
    waits = protocol.status is ProtocolStatus.SIGNING
    rows = (one for one in rows_of(protocol) if waits and one.status is SignatureStatus.AWAITED)
    return next((one for one in rows if one.id == row_id), None)
