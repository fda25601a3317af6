"""Papers made at once: the commission's extract, the act that annuls, the version that takes its place.

Correction is only by annulling and replacing, with both to be seen (PR-08, SG-15; 947н п. 21: on correction
earlier versions are kept). What is made here is frozen at birth: nobody edits an extract or an act, whoever
does not agree declines and the paper is withdrawn, keeping its number. `docs/rules.md` lists the steps.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID, uuid4

from consilium.errors import Conflict, Invalid
from consilium.events import (
    AnnulmentMade,
    Event,
    ExtractMade,
    PaperWithdrawn,
    ProtocolAnnulled,
    ProtocolDrafted,
    ProtocolFrozen,
    ProtocolReplaced,
    ReferralMade,
)
from consilium.model import (
    AgendaItem,
    Consilium,
    Paper,
    Protocol,
    ProtocolStatus,
    Seat,
    Signature,
)
from consilium.rules.protocol import UNDER_WAY, leads, signers, withdrawn

EXTRACTED = frozenset({"commission"})
"""Kinds whose protocol stays with the organisation and of which an extract is filed (11.1522: 87, 347)."""

# Who signs what was made. The extract is signed by those who answer for the protocol it is taken from (guide 99,
# roles CHAIRMAN and SECRETARY). The act changes no word that anybody signed, so it needs those who answer for the
# annulled paper and not everybody who signed it: a member who has left could otherwise keep an error in force.
# The version that takes its place is signed by all participants anew.
EXTRACT_ROLES = frozenset({"chair", "secretary"})
ACT_ROLES = frozenset({"chair", "consultant", "secretary"})

STANDS = frozenset({*UNDER_WAY, ProtocolStatus.SEALED})


# --- who signs ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Signer:
    """Who signs a paper that is frozen at birth; without a seat where no consilium sat."""

    person_id: UUID
    role: str
    position: str
    seat_id: UUID | None = None


def seated(seats: Sequence[Seat]) -> list[Signer]:
    """The same people as signers."""
    return [
        Signer(person_id=one.person_id, role=one.role, position=one.position, seat_id=one.id) for one in seats
    ]


def extract_signers(consilium: Consilium, item: AgendaItem, at: datetime) -> list[Seat]:
    """Chair and secretary of those who signed the protocol; who presided in the chair's absence, for him."""
    return _answering(consilium, signers(consilium, item, at), EXTRACT_ROLES)


def act_signers(consilium: Consilium, item: AgendaItem, by: Seat, at: datetime) -> list[Seat]:
    """Who annuls, and the secretary who kept the minutes."""
    answering = _answering(consilium, signers(consilium, item, at), ACT_ROLES)
    return [by, *(seat for seat in answering if seat.id != by.id and not leads(consilium, seat))]


def _answering(consilium: Consilium, signed: Sequence[Seat], roles: frozenset[str]) -> list[Seat]:
    found = [seat for seat in signed if seat.role in roles]
    if any(leads(consilium, seat) for seat in found):
        return found
    acting = [seat for seat in signed if seat.id == consilium.chair_seat_id]
    return [*acting, *found]


# --- what may be made -----------------------------------------------------------------------------


def require_extractable(protocol: Protocol, kind: str, made: Sequence[Protocol]) -> None:
    """An extract is taken from a commission's sealed protocol that counts; one of it stands at a time.

    `made`: every paper whose parent the protocol is. Raises Conflict: wrong_step, annulled, already_extracted.
    """
    if protocol.paper is not Paper.PROTOCOL or kind not in EXTRACTED:
        raise Conflict("wrong_step", status=str(protocol.paper))
    require_sealed(protocol)
    if standing(made, Paper.ANNULMENT):
        raise Conflict("annulled")
    if standing(made, Paper.EXTRACT):
        raise Conflict("already_extracted")


def require_annullable(protocol: Protocol, made: Sequence[Protocol], reason: str) -> None:
    """What was sealed, except an act, once, and not before the extract that was taken from it.

    Raises Conflict: wrong_step, annulled, already_annulled, extract_stands; Invalid reason_required.
    """
    if protocol.paper is Paper.ANNULMENT:
        raise Conflict("wrong_step", status=str(protocol.paper))
    require_sealed(protocol)
    if standing(made, Paper.ANNULMENT):
        raise Conflict("already_annulled")
    if standing(made, Paper.EXTRACT):
        raise Conflict("extract_stands")
    _require_reason(reason)


def require_replaceable(protocol: Protocol, successor: Protocol | None) -> None:
    """Only what its sealed act has annulled gets a successor, and one.

    Raises Conflict: wrong_step (not annulled, or no protocol), already_replaced.
    """
    if protocol.paper is not Paper.PROTOCOL or protocol.annulled_at is None:
        raise Conflict("wrong_step", status=str(protocol.status))
    if successor is not None:
        raise Conflict("already_replaced")


def require_withdrawable(made: Protocol) -> None:
    """An extract, referral or act before its seal; a protocol is taken back to drafting instead."""
    if made.paper is Paper.PROTOCOL or made.status not in UNDER_WAY:
        raise Conflict("wrong_step", status=str(made.status))


def require_sealed(protocol: Protocol) -> None:
    """What is not sealed is still corrected by taking it back; what was annulled is done with."""
    if protocol.status is not ProtocolStatus.SEALED:
        raise Conflict("wrong_step", status=str(protocol.status))
    if protocol.annulled_at is not None:
        raise Conflict("annulled")


def standing(made: Sequence[Protocol], paper: Paper) -> Protocol | None:
    """The paper of this sort that counts or is under way."""
    return next(
        (one for one in made if one.paper is paper and one.status in STANDS and one.annulled_at is None),
        None,
    )


def _require_reason(reason: str) -> None:
    if not reason.strip():
        raise Invalid("reason_required", field="reason")


# --- steps ----------------------------------------------------------------------------------------


def born(
    paper: Paper, parent: Protocol, series: str, number: str, at: datetime, replaced: Protocol | None = None
) -> Protocol:
    """A paper of its own about `parent`; in the place of an annulled one it carries its set on."""
    return Protocol(
        id=uuid4(),
        set_id=replaced.set_id if replaced else uuid4(),
        series=series,
        number=number,
        consilium_id=parent.consilium_id,
        item_id=parent.item_id,
        case_id=parent.case_id,
        organisation_id=parent.organisation_id,
        status=ProtocolStatus.DRAFTING,
        created_at=at,
        paper=paper,
        parent_id=parent.id,
        replaces_id=replaced.id if replaced else None,
        version=replaced.version + 1 if replaced else 1,
        particulars=parent.particulars,
    )


def freeze(
    made: Protocol,
    document_id: UUID,
    document: bytes,
    digest: str,
    signing: Sequence[Signer],
    by: UUID,
    at: datetime,
) -> list[Event]:
    """The paper's only bytes, and who signs them."""
    if made.status is not ProtocolStatus.DRAFTING:
        raise Conflict("draft_frozen", status=str(made.status))
    if not signing:
        raise Invalid("protocol_incomplete", missing=[{"code": "signers_missing", "field": "participants"}])
    made.status = ProtocolStatus.SIGNING
    made.document_id = document_id
    made.document = document
    made.digest = digest
    made.frozen_at = at
    made.frozen_by = by
    made.signatures = [
        Signature(
            id=uuid4(),
            version=made.version,
            seat_id=one.seat_id,
            person_id=one.person_id,
            role=one.role,
            order=order,
        )
        for order, one in enumerate(signing, 1)
    ]
    made.revision += 1
    frozen = ProtocolFrozen(version=made.version, digest=digest, size=len(document), signers=len(signing))
    return [_announced(made, by), frozen]


def _announced(made: Protocol, by: UUID) -> Event:
    if made.paper is Paper.REFERRAL:
        return ReferralMade(case=made.case_id, number=made.number, version=made.version, by=by)
    assert made.parent_id is not None
    if made.paper is Paper.EXTRACT:
        return ExtractMade(
            protocol=made.parent_id, number=made.number, version=made.version, by=by, addressee=made.addressee
        )
    return AnnulmentMade(annuls=made.parent_id, number=made.number, by=by, reason=made.reason)


def withdraw(made: Protocol, by: UUID, reason: str, at: datetime) -> list[Event]:
    """An extract, referral or act is given up before its seal; its number stays in the journal."""
    require_withdrawable(made)
    _require_reason(reason)
    fallen = withdrawn(made, by, reason, at)
    return [PaperWithdrawn(version=made.version, by=by, reason=reason, fallen=fallen)]


def annul(protocol: Protocol, act: Protocol, at: datetime) -> list[Event]:
    """The act is sealed: the paper stops to count. Told twice, it happened once. Its bytes stay."""
    if protocol.annulled_at is not None:
        return []
    protocol.annulled_at = at
    protocol.annulled_by = act.id
    protocol.annul_reason = act.reason
    protocol.revision += 1
    return [ProtocolAnnulled(act=act.id, number=act.number, reason=act.reason)]


def replace(
    protocol: Protocol, series: str, number: str, at: datetime
) -> tuple[Protocol, list[Event], list[Event]]:
    """The draft that takes an annulled protocol's place, its events and those of the old one."""
    new = born(Paper.PROTOCOL, protocol, series, number, at, protocol)
    new.parent_id = None
    assert new.item_id is not None
    drafted = ProtocolDrafted(item=new.item_id, case=new.case_id, number=number)
    return new, [drafted], [ProtocolReplaced(by=new.id, number=number, version=new.version)]
