"""Signatures, release, seal, filing: what moves a frozen protocol on (SG-01, SG-02, SG-12).

What a signature is worth is decided by `seal.verify`; here is only who signs what, when, and what follows.
"""

from __future__ import annotations

import hmac
from datetime import datetime, timedelta
from uuid import UUID

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
    SigningCompleted,
)
from consilium.model import DissentPaper, FilingStatus, Protocol, ProtocolStatus, Signature, SignatureStatus
from consilium.rules.protocol import Row, require_awaited, require_signing, rows_of, signature_of

CHALLENGE_LIFE = timedelta(minutes=10)
DECIDED = frozenset({SignatureStatus.SIGNED, SignatureStatus.RELEASED})


def begin(protocol: Protocol, person_id: UUID, challenge: str, at: datetime) -> list[Event]:
    """Give the person one fresh challenge for everything he has still to sign; note that he opened it.

    `at` is the signing time he must state: whole seconds, as CMS keeps no more.
    """
    require_signing(protocol)
    waiting = awaited_of(protocol, person_id)
    if not waiting:
        raise _nothing_to_sign(protocol, person_id)
    for row in waiting:
        row.challenge = challenge
        row.challenge_at = at.replace(microsecond=0)
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
    if not hmac.compare_digest(digest, expected):
        raise Conflict("digest_mismatch", expected=expected)
    return given


def require_may_sign(protocol: Protocol, person_id: UUID | None) -> Signature:
    """The person's awaited row."""
    require_signing(protocol)
    mine = signature_of(protocol, person_id)
    require_awaited(mine)
    return mine


def attach(
    protocol: Protocol,
    row: Signature,
    cms: bytes,
    certificate: bytes,
    certificate_sha256: str,
    signed_at: datetime,
) -> list[Event]:
    """A verified signature; with the last one the signing is complete."""
    _sign(row, cms, certificate, signed_at)
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
    """The chair ends the wait for somebody else, with a reason; one signature at least must remain."""
    require_signing(protocol)
    _require_reason(reason)
    row = next((one for one in protocol.current_signatures() if one.id == signature_id), None)
    if row is None:
        raise NotFound
    if row.person_id == by:
        raise Forbidden("forbidden")
    require_awaited(row)
    others = [one for one in protocol.current_signatures() if one is not row]
    if all(one.status is SignatureStatus.RELEASED for one in others):
        raise Conflict("wrong_step", status="last_signer")
    row.status = SignatureStatus.RELEASED
    row.reason = reason
    row.decided_by = by
    row.signed_at = at
    protocol.revision += 1
    released = SignerReleased(person=row.person_id, version=protocol.version, by=by, reason=reason)
    return [released, *_complete(protocol)]


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
