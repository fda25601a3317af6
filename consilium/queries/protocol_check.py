"""The draft as it stands now, judged as if it were frozen: for the page that shows findings while people type."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING
from uuid import UUID

from consilium import drafts
from consilium.documents.conformance import Report
from consilium.documents.preview import preview
from consilium.errors import NotFound
from consilium.model import Person, ProtocolStatus
from consilium.queries.protocol_facts import protocol_facts
from consilium.queries.protocols import seen_protocol
from consilium.store import Reader

if TYPE_CHECKING:
    from consilium.parts import Parts


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """`report` is None once the draft is frozen: its bytes were judged then. `update`: the newest one it saw."""

    protocol_id: UUID
    status: ProtocolStatus
    case_id: UUID
    consilium_id: UUID
    update: int
    report: Report | None


def seen(reader: Reader, person: Person, protocol_id: UUID) -> None:
    """Raises NotFound for whom the protocol does not exist."""
    seen_protocol(reader, person, protocol_id)


def checked(parts: Parts, protocol_id: UUID, at: datetime) -> Checked:
    """Whoever asks was let through by `seen`: the findings are the same for everybody who sees the draft.

    The connection is given back before the document is judged.
    """
    with parts.store.read(at) as reader:
        protocol = reader.protocol(protocol_id)
        if protocol.consilium_id is None:
            raise NotFound
        consilium, case = reader.consilium(protocol.consilium_id), reader.case(protocol.case_id)
        updates = reader.draft_updates(protocol_id)
        facts = None
        if protocol.status is ProtocolStatus.DRAFTING:
            prose = drafts.texts(update for _, update in updates)
            facts = protocol_facts(reader, protocol, consilium, case, prose, at)
        terms = parts.terms(reader)
    return Checked(
        protocol_id=protocol_id,
        status=protocol.status,
        case_id=case.id,
        consilium_id=consilium.id,
        update=max((number for number, _ in updates), default=0),
        report=None if facts is None else preview(facts, parts.official(), terms),
    )
