"""Where each signer stands: his turn, his time, and who may take his place (SG-03, SG-09, SG-10)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from consilium.errors import ConsiliumError
from consilium.model import AgendaItem, Body, Consilium, Person, Protocol, ProtocolStatus, SignatureStatus
from consilium.model import Signature as Row
from consilium.queries.shown import moment
from consilium.rules import signing, turns


def turn_line(protocol: Protocol, row: Row, names: Mapping[UUID | None, str], at: datetime) -> dict[str, Any]:
    """{turn, waits_for, due_at, overdue, reminders}: `turn` is whether he may sign now."""
    waits = row.status is SignatureStatus.AWAITED and protocol.status is ProtocolStatus.SIGNING
    ahead = turns.ahead_of(protocol, row) if waits else []
    return {
        "turn": waits and not ahead,
        "waits_for": [names.get(one.person_id, "") for one in ahead],
        "due_at": moment(row.due_at) if waits else None,
        "overdue": waits and turns.overdue(row, at),
        "reminders": row.reminders,
    }


def place_line(
    protocol: Protocol,
    consilium: Consilium,
    item: AgendaItem,
    body: Body | None,
    row: Row,
    person: Person,
    at: datetime,
) -> dict[str, Any]:
    """{excuse, stand_ins, stand_in, means}: whether the asker may release or replace him, and by whom."""
    waits = row.status is SignatureStatus.AWAITED and protocol.status is ProtocolStatus.SIGNING
    excuse = waits and row.person_id != person.id and _may_excuse(protocol, consilium, row, person)
    found = signing.stand_ins(consilium, item, row, body, at) if excuse else []
    taken = consilium.seat(row.stand_in) if row.stand_in else None
    return {
        "excuse": excuse,
        "stand_ins": [{"id": str(one.id), "name": one.name, "role": one.role} for one in found],
        "stand_in": taken.name if taken else "",
        "means": row.provider,
    }


def _may_excuse(protocol: Protocol, consilium: Consilium, row: Row, person: Person) -> bool:
    try:
        signing.require_excuser(consilium, protocol, row.id, person.id)
    except ConsiliumError:
        return False
    return True
