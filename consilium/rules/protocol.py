"""The protocol until it is frozen: who writes it, who attended, who will sign (PR-01, PR-06, SG-01, SG-08).

323-ФЗ ст. 48 ч. 4: the protocol is signed by the participants; who took part is what the journal of joins
and leaves says, not what was planned.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID, uuid4

from consilium.errors import Conflict, Forbidden, Invalid, NotFound
from consilium.events import Event, ProtocolDrafted, ProtocolFrozen, ProtocolReopened, SignatureDeclined
from consilium.model import (
    Admission,
    AgendaItem,
    Case,
    Consilium,
    ConsiliumStatus,
    Dissent,
    DissentPaper,
    Paper,
    Person,
    Protocol,
    ProtocolStatus,
    Seat,
    Signature,
    SignatureStatus,
)
from consilium.rules import access, kinds, sealing

Stay = tuple[datetime, datetime]
Row = Signature | DissentPaper
UNDER_WAY = frozenset({ProtocolStatus.SIGNING, ProtocolStatus.SEALING})


# --- who attended ---------------------------------------------------------------------------------


def stays(consilium: Consilium, seat_id: UUID, item: AgendaItem, at: datetime) -> list[Stay]:
    """When the seat was in the room while the item was on the table; touching stays are joined.

    Somebody still inside counts as present until the item closed (or until `at`).
    """
    if item.opened_at is None:
        return []
    end = item.closed_at or at
    found = sorted(
        (max(one.joined_at, item.opened_at), min(one.left_at or end, end))
        for one in consilium.attendance
        if one.seat_id == seat_id
    )
    return _joined([(start, stop) for start, stop in found if start < stop])


def _joined(found: list[Stay]) -> list[Stay]:
    merged: list[Stay] = []
    for start, stop in found:
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(stop, merged[-1][1]))
        else:
            merged.append((start, stop))
    return merged


def signers(consilium: Consilium, item: AgendaItem, at: datetime) -> list[Seat]:
    """Seats whose role signs, that really attended the item and did not recuse themselves from it."""
    return [
        seat
        for seat in sorted(consilium.seats, key=lambda one: one.order)
        if kinds.signs(consilium.kind, seat.role)
        and not consilium.recused(seat.id, item.id)
        and stays(consilium, seat.id, item, at)
    ]


def standing_dissents(consilium: Consilium, item: AgendaItem) -> list[Dissent]:
    """Dissenting opinions on the item that were not withdrawn, in the order of their authors' seats."""
    order = {seat.id: seat.order for seat in consilium.seats}
    standing = [one for one in consilium.dissents if one.item_id == item.id and not one.withdrawn]
    return sorted(standing, key=lambda one: order[one.seat_id])


# --- who may --------------------------------------------------------------------------------------


def leads(consilium: Consilium, seat: Seat) -> bool:
    """The acting chair, or the one appointed to preside."""
    return seat.id == consilium.chair_seat_id or kinds.presides(consilium.kind, seat.role)


def may_edit(consilium: Consilium, seat: Seat) -> bool:
    """Chair (appointed or acting) and secretary write the protocol; others watch (PR-03)."""
    return seat.admission is Admission.ADMITTED and (leads(consilium, seat) or seat.role == "secretary")


def took_part(consilium: Consilium, item: AgendaItem, person_id: UUID) -> bool:
    """Whether the person's seat was admitted to the room and may see this item."""
    seat = consilium.seat_of(person_id)
    if seat is None or not access.sees_item(seat, item):
        return False
    was_inside = any(stay.seat_id == seat.id for stay in consilium.attendance)
    return seat.admission is Admission.ADMITTED or was_inside


def sees_protocol(consilium: Consilium, item: AgendaItem, case: Case, person: Person) -> bool:
    """Who took part, the doctor who asked, and those who register at the organisation that seals."""
    if took_part(consilium, item, person.id) or case.author_id == person.id:
        return True
    registers = person.organisation_id in {consilium.organisation_id, consilium.organiser_id}
    return registers and not {"coordinator", "registrar"}.isdisjoint(person.duties)


def require_editor(consilium: Consilium, person_id: UUID | None) -> Seat:
    """The seat that may write and freeze. NotFound for strangers, Forbidden for other seats."""
    seat = consilium.seat_of(person_id) if person_id else None
    if seat is None:
        raise NotFound
    if not may_edit(consilium, seat):
        raise Forbidden("not_your_role", need="chair, secretary")
    return seat


def require_chair(consilium: Consilium, person_id: UUID | None) -> Seat:
    """The seat that may release signers."""
    seat = consilium.seat_of(person_id) if person_id else None
    if seat is None:
        raise NotFound
    if seat.admission is not Admission.ADMITTED or not leads(consilium, seat):
        raise Forbidden("not_your_role", need="chair")
    return seat


# --- steps ----------------------------------------------------------------------------------------


def start(
    consilium: Consilium, item: AgendaItem, case: Case, series: str, number: str, at: datetime
) -> tuple[Protocol, list[Event]]:
    """An empty draft for a decided item; the caller fills its text (PR-01)."""
    protocol = Protocol(
        id=uuid4(),
        set_id=uuid4(),
        series=series,
        number=number,
        consilium_id=consilium.id,
        item_id=item.id,
        case_id=case.id,
        organisation_id=consilium.organisation_id,
        status=ProtocolStatus.DRAFTING,
        created_at=at,
    )
    return protocol, [ProtocolDrafted(item=item.id, case=case.id, number=number)]


def require_room_closed(consilium: Consilium) -> None:
    """While the meeting goes on, the text is written in its room, where everybody sees it."""
    if consilium.status is not ConsiliumStatus.CLOSED:
        raise Conflict("wrong_step", status=str(consilium.status))


def require_drafting(protocol: Protocol) -> None:
    """Nothing is written into frozen bytes."""
    if protocol.status is not ProtocolStatus.DRAFTING:
        raise Conflict("draft_frozen", status=str(protocol.status))


def freeze(
    protocol: Protocol,
    document_id: UUID,
    document: bytes,
    digest: str,
    signing: Sequence[Seat],
    papers: Sequence[DissentPaper],
    by: UUID,
    at: datetime,
) -> list[Event]:
    """These bytes and no others from now on (PR-06). Needs somebody to sign them."""
    require_drafting(protocol)
    if not signing:
        raise Invalid("protocol_incomplete", missing=[{"code": "signers_missing", "field": "participants"}])
    protocol.status = ProtocolStatus.SIGNING
    protocol.document_id = document_id
    protocol.document = document
    protocol.digest = digest
    protocol.frozen_at = at
    protocol.frozen_by = by
    protocol.signatures += [
        Signature(
            id=uuid4(),
            version=protocol.version,
            seat_id=seat.id,
            person_id=seat.person_id,
            role=seat.role,
            order=order,
        )
        for order, seat in enumerate(signing, 1)
    ]
    protocol.dissents += papers
    protocol.revision += 1
    return [ProtocolFrozen(version=protocol.version, digest=digest, size=len(document), signers=len(signing))]


def decline(protocol: Protocol, person_id: UUID, reason: str, at: datetime) -> list[Event]:
    """A signer refuses: back to drafting, every signature of the version falls (SG-08).

    What was made of a protocol is not edited: declined, it is withdrawn.
    """
    require_signing(protocol)
    if not reason.strip():
        raise Invalid("reason_required", field="reason")
    mine = signature_of(protocol, person_id)
    require_awaited(mine)
    mine.status = SignatureStatus.DECLINED
    mine.reason = reason
    mine.decided_by = person_id
    mine.signed_at = at
    version = protocol.version
    if protocol.paper is Paper.PROTOCOL:
        fallen = _back_to_drafting(protocol)
    else:
        fallen = withdrawn(protocol, person_id, reason, at)
    return [SignatureDeclined(person=person_id, version=version, reason=reason, fallen=fallen)]


def reopen(protocol: Protocol, by: UUID, reason: str) -> list[Event]:
    """Chair or secretary take it back before it is sealed."""
    if protocol.paper is not Paper.PROTOCOL or protocol.status not in UNDER_WAY:
        raise Conflict("wrong_step", status=str(protocol.status))
    if not reason.strip():
        raise Invalid("reason_required", field="reason")
    version, fallen = protocol.version, _back_to_drafting(protocol)
    return [ProtocolReopened(version=version, by=by, reason=reason, fallen=fallen)]


def _back_to_drafting(protocol: Protocol) -> int:
    """The number of signatures that fell. Their rows stay with the version they belong to."""
    fallen = sum(one.status is SignatureStatus.SIGNED for one in rows_of(protocol))
    protocol.status = ProtocolStatus.DRAFTING
    protocol.version += 1
    protocol.document_id = None
    protocol.document = b""
    protocol.digest = ""
    protocol.frozen_at = None
    protocol.frozen_by = None
    sealing.clear(protocol)
    protocol.revision += 1
    return fallen


def withdrawn(made: Protocol, by: UUID, reason: str, at: datetime) -> int:
    """An extract or act is given up; the number of signatures that fell with it."""
    fallen = sum(one.status is SignatureStatus.SIGNED for one in rows_of(made))
    made.status = ProtocolStatus.WITHDRAWN
    sealing.clear(made)
    made.withdrawn_at = at
    made.withdrawn_by = by
    made.withdrawn_reason = reason
    made.revision += 1
    return fallen


def require_signing(protocol: Protocol) -> None:
    """Signatures are taken, declined and released in this status alone."""
    if protocol.status is not ProtocolStatus.SIGNING:
        raise Conflict("wrong_step", status=str(protocol.status))


def signature_of(protocol: Protocol, person_id: UUID | None) -> Signature:
    """The person's row of the current version. Nobody signs for another."""
    mine = next((one for one in protocol.current_signatures() if one.person_id == person_id), None)
    if mine is None:
        raise Forbidden("not_a_signer")
    return mine


def rows_of(protocol: Protocol) -> list[Row]:
    """Everything the current version needs a signature on."""
    return [*protocol.current_signatures(), *protocol.current_dissents()]


def require_awaited(row: Row) -> None:
    """Once signed, declined or released it stays so."""
    if row.status is SignatureStatus.SIGNED:
        raise Conflict("already_signed")
    if row.status is not SignatureStatus.AWAITED:
        raise Conflict("already_decided", status=str(row.status))
