"""Signatures, release, replacement, seal, filing: what moves a frozen paper on (SG-01, SG-02, SG-09, SG-12).

What a signature is worth is decided by `seal.verify`; here is only who signs what, when, and what follows.
"""

from __future__ import annotations

import hmac
from collections.abc import Collection
from datetime import datetime, timedelta
from uuid import UUID, uuid4

from consilium.errors import Conflict, Forbidden, Invalid, NotFound
from consilium.events import (
    DissentReleased,
    DissentSigned,
    DocumentOpenedForSigning,
    Event,
    FilingQueued,
    ProtocolSealed,
    SignatureAttached,
    SignerReleased,
    SignerReplaced,
    SigningCompleted,
)
from consilium.model import (
    AgendaItem,
    Body,
    Consilium,
    DissentPaper,
    FilingStatus,
    Protocol,
    ProtocolStatus,
    Seat,
    Signature,
    SignatureStatus,
)
from consilium.rules import kinds
from consilium.rules.protocol import (
    Row,
    leads,
    require_awaited,
    require_signing,
    rows_of,
    signature_of,
    stays,
)
from consilium.rules.turns import ahead_of, require_turn

CHALLENGE_LIFE = timedelta(minutes=10)
DECIDED = frozenset({SignatureStatus.SIGNED, SignatureStatus.RELEASED})
STANDS_IN: dict[str, frozenset[str]] = {
    "chair": frozenset({"deputy"}),
    "consultant": frozenset(),
    "deputy": frozenset({"member"}),
    "secretary": frozenset({"deputy", "member", "expert", "attending"}),
    "member": frozenset({"deputy", "member", "expert"}),
}
"""Role that cannot sign -> roles of those who took part that may stand in (SG-09).

323-ФЗ ст. 48 ч. 4: participants sign, each for himself. So nobody signs in another's name: the stand-in attended,
signs as himself and does what the role was for (180н: the deputy in the chair's absence).
"""


def begin(protocol: Protocol, person_id: UUID, challenge: str, at: datetime) -> list[Event]:
    """Give the person one fresh challenge for everything he has still to sign; note that he opened it.

    `at` is the signing time he must state: whole seconds, as CMS keeps no more.
    """
    for row in signable_of(protocol, person_id):
        row.challenge = challenge
        row.challenge_at = at.replace(microsecond=0)
    return _opened(protocol, person_id, at)


def open_document(protocol: Protocol, person_id: UUID, digest: str, at: datetime) -> list[Event]:
    """The signer has read on his screen what these bytes say; signing it may wait (SG-07)."""
    require_signing(protocol)
    signature_of(protocol, person_id)
    require_digest(digest, protocol.digest)
    return _opened(protocol, person_id, at)


def _opened(protocol: Protocol, person_id: UUID, at: datetime) -> list[Event]:
    mine = next((one for one in protocol.current_signatures() if one.person_id == person_id), None)
    if mine is None or mine.opened_at is not None:
        return []
    mine.opened_at = at
    return [DocumentOpenedForSigning(person=person_id, version=protocol.version)]


def awaited_of(protocol: Protocol, person_id: UUID) -> list[Row]:
    """The person's rows of the current version that wait for him."""
    return [
        one
        for one in rows_of(protocol)
        if one.person_id == person_id and one.status is SignatureStatus.AWAITED
    ]


def signable_of(protocol: Protocol, person_id: UUID) -> list[Row]:
    """The person's rows whose turn it is. Raises not_a_signer, already_decided, not_your_turn, wrong_step."""
    require_signing(protocol)
    waiting = awaited_of(protocol, person_id)
    if not waiting:
        raise _nothing_to_sign(protocol, person_id)
    ready = [one for one in waiting if not ahead_of(protocol, one)]
    if not ready:
        require_turn(protocol, waiting[0])
    return ready


def _nothing_to_sign(protocol: Protocol, person_id: UUID) -> Forbidden | Conflict:
    if not any(one.person_id == person_id for one in rows_of(protocol)):
        return Forbidden("not_a_signer")
    return Conflict("already_decided")


def dissent_of(protocol: Protocol, paper_id: UUID, person_id: UUID | None = None) -> DissentPaper:
    """The paper of the current version, by its own id or its opinion's; one's own when `person_id` is given."""
    for one in protocol.current_dissents():
        if paper_id in {one.id, one.dissent_id}:
            if person_id is not None and one.person_id != person_id:
                raise Forbidden("not_a_signer")
            return one
    raise NotFound


def require_challenge(row: Row, challenge: str, digest: str, expected: str, at: datetime) -> datetime:
    """The signing time that was given out. Raises Conflict: challenge_expired, digest_mismatch."""
    given = row.challenge_at
    known = bool(row.challenge) and hmac.compare_digest(row.challenge.encode(), challenge.encode())
    if given is None or not known or at - given > CHALLENGE_LIFE:
        raise Conflict("challenge_expired")
    require_digest(digest, expected)
    return given


def require_digest(digest: str, expected: str) -> None:
    """What the signer had before him are these bytes. Raises Conflict digest_mismatch."""
    if not hmac.compare_digest(digest, expected):
        raise Conflict("digest_mismatch", expected=expected)


def require_uploaded_moment(
    protocol: Protocol, signing_time: datetime, at: datetime, skew: timedelta
) -> None:
    """When a desktop program may have signed: no challenge was given, so the bytes' own life bounds it.

    Not before they were frozen (nobody had them: their id is new with each version), not after they came here;
    `skew` forgives a wrong clock both ways. Raises Conflict signature_refused with SIGNED_BEFORE_FREEZE or
    SIGNING_TIME_SKEW.
    """
    frozen_at = protocol.frozen_at
    if frozen_at is None or signing_time < frozen_at.replace(microsecond=0) - skew:
        raise Conflict("signature_refused", reason="SIGNED_BEFORE_FREEZE")
    if signing_time > at + skew:
        raise Conflict("signature_refused", reason="SIGNING_TIME_SKEW")


def require_may_sign(protocol: Protocol, person_id: UUID | None) -> Signature:
    """The person's awaited row, when its turn has come."""
    require_signing(protocol)
    mine = signature_of(protocol, person_id)
    require_awaited(mine)
    require_turn(protocol, mine)
    return mine


def attach(
    protocol: Protocol,
    row: Signature,
    cms: bytes,
    certificate: bytes,
    certificate_sha256: str,
    signed_at: datetime,
    provider: str = "browser",
) -> list[Event]:
    """A verified signature; with the last one the signing is complete."""
    _sign(row, cms, certificate, signed_at)
    row.provider = provider
    protocol.revision += 1
    attached = SignatureAttached(
        person=row.person_id,
        version=protocol.version,
        certificate_sha256=certificate_sha256,
        signing_time=signed_at,
    )
    return [attached, *_complete(protocol)]


def attach_dissent(
    protocol: Protocol,
    row: DissentPaper,
    cms: bytes,
    certificate: bytes,
    certificate_sha256: str,
    signed_at: datetime,
) -> list[Event]:
    """A verified signature over one's own dissenting opinion."""
    _sign(row, cms, certificate, signed_at)
    protocol.revision += 1
    signed = DissentSigned(
        person=row.person_id,
        version=protocol.version,
        dissent=row.dissent_id,
        certificate_sha256=certificate_sha256,
    )
    return [signed, *_complete(protocol)]


def _sign(row: Row, cms: bytes, certificate: bytes, signed_at: datetime) -> None:
    row.status = SignatureStatus.SIGNED
    row.cms = cms
    row.certificate = certificate
    row.signed_at = signed_at
    row.challenge = ""


def release(protocol: Protocol, signature_id: UUID, by: UUID, reason: str, at: datetime) -> list[Event]:
    """The wait for somebody else ends, with a reason; one signature at least must remain."""
    row = _missing(protocol, signature_id, by, reason)
    others = [one for one in protocol.current_signatures() if one is not row]
    if all(one.status is SignatureStatus.RELEASED for one in others):
        raise Conflict("wrong_step", status="last_signer")
    _excuse(protocol, row, by, reason, at)
    released = SignerReleased(person=row.person_id, version=protocol.version, by=by, reason=reason)
    return [released, *_complete(protocol)]


def _missing(protocol: Protocol, signature_id: UUID, by: UUID, reason: str) -> Signature:
    """The awaited row of another whose signature is no longer waited for."""
    require_signing(protocol)
    _require_reason(reason)
    row = next((one for one in protocol.current_signatures() if one.id == signature_id), None)
    if row is None:
        raise NotFound
    if row.person_id == by:
        raise Forbidden("forbidden")
    require_awaited(row)
    return row


def _excuse(protocol: Protocol, row: Signature, by: UUID, reason: str, at: datetime) -> None:
    row.status = SignatureStatus.RELEASED
    row.reason = reason
    row.decided_by = by
    row.signed_at = at
    protocol.revision += 1


def require_excuser(consilium: Consilium, protocol: Protocol, signature_id: UUID, person_id: UUID) -> Seat:
    """Who may release or replace: the chair; for the chair himself his deputy who signs, else the secretary.

    Raises NotFound for strangers, Forbidden not_your_role for other seats.
    """
    seat = consilium.seat_of(person_id)
    if seat is None:
        raise NotFound
    row = next((one for one in protocol.current_signatures() if one.id == signature_id), None)
    about = consilium.seat(row.seat_id) if row else None
    if leads(consilium, seat) or (about and leads(consilium, about) and _acts_for_chair(protocol, seat)):
        return seat
    raise Forbidden("not_your_role", need="chair")


def _acts_for_chair(protocol: Protocol, seat: Seat) -> bool:
    roles = {one.role for one in protocol.current_signatures()}
    signs = any(one.seat_id == seat.id for one in protocol.current_signatures())
    return signs and seat.role == ("deputy" if "deputy" in roles else "secretary")


def stand_ins(
    consilium: Consilium, item: AgendaItem, row: Signature, body: Body | None, at: datetime
) -> list[Seat]:
    """Who may take the place of this signer: took part in the item, did not recuse himself, role or order allow it."""
    return [
        seat
        for seat in sorted(consilium.seats, key=lambda one: one.order)
        if seat.id != row.seat_id
        and (
            seat.role in STANDS_IN.get(row.role, ()) or _named_deputy(body, row.person_id, seat.person_id, at)
        )
        and kinds.KINDS[consilium.kind].allowed_roles >= {seat.role}
        # Who only watched is not named in the document, whatever the body's order says of him.
        and seat.role != "observer"
        and not consilium.recused(seat.id, item.id)
        and stays(consilium, seat.id, item, at)
    ]


def _named_deputy(body: Body | None, absent: UUID, other: UUID, at: datetime) -> bool:
    """Whether the body's order says that one deputises for the other on this day (AD-01)."""
    return any(
        one.person_id == other
        and one.deputises_for == absent
        and one.since <= at.date()
        and (one.until is None or at.date() <= one.until)
        for one in (body.members if body else [])
    )


def replace(
    protocol: Protocol,
    signature_id: UUID,
    stand_in: Seat,
    allowed: Collection[Seat],
    by: UUID,
    reason: str,
    at: datetime,
) -> list[Event]:
    """Another signs in his own name instead; every other signature stays as it is (SG-09).

    Somebody who signs this version anyway does not sign it twice: it is noted whose place he takes.
    """
    row = _missing(protocol, signature_id, by, reason)
    if all(one.id != stand_in.id for one in allowed):
        raise Forbidden("cannot_stand_in")
    known = next((one for one in protocol.current_signatures() if one.person_id == stand_in.person_id), None)
    if known is not None and known.status not in {SignatureStatus.AWAITED, SignatureStatus.SIGNED}:
        raise Forbidden("cannot_stand_in")
    _excuse(protocol, row, by, reason, at)
    row.stand_in = stand_in.id
    if known is None:
        protocol.signatures.append(_row_of(protocol, row, stand_in))
    replaced = SignerReplaced(
        person=row.person_id, version=protocol.version, by=by, stand_in=stand_in.person_id, reason=reason
    )
    return [replaced, *_complete(protocol)]


def _row_of(protocol: Protocol, absent: Signature, seat: Seat) -> Signature:
    return Signature(
        id=uuid4(),
        version=protocol.version,
        seat_id=seat.id,
        person_id=seat.person_id,
        role=seat.role,
        order=max(one.order for one in protocol.current_signatures()) + 1,
        step=absent.step,
    )


def release_dissent(protocol: Protocol, paper_id: UUID, by: UUID, reason: str, at: datetime) -> list[Event]:
    """The wait for a dissent's own signature ends; its text stays in the protocol."""
    require_signing(protocol)
    _require_reason(reason)
    row = dissent_of(protocol, paper_id)
    require_awaited(row)
    row.status = SignatureStatus.RELEASED
    row.reason = reason
    row.signed_at = at
    protocol.revision += 1
    released = DissentReleased(
        person=row.person_id, version=protocol.version, dissent=row.dissent_id, by=by, reason=reason
    )
    return [released, *_complete(protocol)]


def _require_reason(reason: str) -> None:
    if not reason.strip():
        raise Invalid("reason_required", field="reason")


def _complete(protocol: Protocol) -> list[Event]:
    signed = any(one.status is SignatureStatus.SIGNED for one in protocol.current_signatures())
    if not signed or any(one.status not in DECIDED for one in rows_of(protocol)):
        return []
    protocol.status = ProtocolStatus.SEALING
    return [SigningCompleted(version=protocol.version)]


def seal(
    protocol: Protocol,
    seal_cms: bytes,
    seal_certificate: bytes,
    certificate_sha256: str,
    package_digest: str,
    package_name: str,
    at: datetime,
) -> list[Event]:
    """The organisation's signature and the package are there. Told twice, it happened once."""
    if protocol.status is ProtocolStatus.SEALED:
        return []
    if protocol.status is not ProtocolStatus.SEALING:
        raise Conflict("wrong_step", status=str(protocol.status))
    protocol.status = ProtocolStatus.SEALED
    protocol.sealed_at = at
    protocol.seal_cms = seal_cms
    protocol.seal_certificate = seal_certificate
    protocol.package_digest = package_digest
    protocol.package_name = package_name
    protocol.revision += 1
    return [
        ProtocolSealed(
            version=protocol.version,
            seal_certificate_sha256=certificate_sha256,
            package_digest=package_digest,
        )
    ]


def queue(protocol: Protocol, key: str) -> list[Event]:
    """Filing begins: under one key for the life of this version (FX-04)."""
    protocol.filing = FilingStatus.QUEUED
    protocol.filing_message = ""
    protocol.filing_error_codes = []
    protocol.filing_next_try = None
    protocol.revision += 1
    return [FilingQueued(key=key)]


def require_refilable(protocol: Protocol) -> None:
    """Only what the registry refused, or what was given up, is sent again."""
    if protocol.filing not in {FilingStatus.REJECTED, FilingStatus.DEAD}:
        raise Conflict("wrong_step", status=str(protocol.filing))
