"""Rules of the time between the last signature and the seal: what it waits for, and whose signature lapses."""

from __future__ import annotations

import hashlib
from datetime import datetime
from uuid import UUID

from consilium.errors import Conflict
from consilium.events import Event, SealDelayed, SignatureLapsed
from consilium.model import DissentPaper, Protocol, ProtocolStatus, Signature, SignatureStatus


def delay(protocol: Protocol, version: int, waits_for: str, reason: str, at: datetime) -> list[Event]:
    """The seal waits. Told the same again, nothing new happened. Raises Conflict wrong_step when it is not its time."""
    _require_sealing(protocol, version)
    if (protocol.waits_for, protocol.waits_reason) == (waits_for, reason):
        return []
    if protocol.waits_for != waits_for or protocol.waits_since is None:
        protocol.waits_since = at
    protocol.waits_for, protocol.waits_reason = waits_for, reason
    protocol.revision += 1
    return [SealDelayed(version=version, waits_for=waits_for, reason=reason)]


def clear(protocol: Protocol) -> None:
    """Whatever it waited for is there."""
    protocol.waits_for, protocol.waits_reason, protocol.waits_since = "", "", None


def signed(protocol: Protocol) -> str:
    """SHA-256 (hex) of the personal signatures as they stand: a package of others is not this protocol's."""
    held = sorted((str(one.id), one.cms) for one in _rows(protocol) if one.status is SignatureStatus.SIGNED)
    return hashlib.sha256(
        b"".join(hashlib.sha256(name.encode() + cms).digest() for name, cms in held)
    ).hexdigest()


def lapse(protocol: Protocol, version: int, signature: UUID, reason: str) -> list[Event]:
    """A signature whose time nobody can prove any more is asked for anew; the others stay (63-ФЗ, art. 11, 2).

    Raises Conflict wrong_step when the protocol is not being sealed or the row holds no signature.
    """
    _require_sealing(protocol, version)
    row = next((one for one in _rows(protocol) if one.id == signature), None)
    if row is None or row.status is not SignatureStatus.SIGNED:
        raise Conflict("wrong_step", status=str(protocol.status))
    certificate_sha256 = hashlib.sha256(row.certificate).hexdigest()
    row.status = SignatureStatus.AWAITED
    row.cms = row.certificate = b""
    row.signed_at = row.challenge_at = row.due_at = None
    row.challenge, row.reminders = "", 0
    if isinstance(row, Signature):
        row.opened_at = None
    protocol.status = ProtocolStatus.SIGNING
    clear(protocol)
    protocol.revision += 1
    return [
        SignatureLapsed(
            version=version,
            signature=row.id,
            person=row.person_id,
            certificate_sha256=certificate_sha256,
            reason=reason,
        )
    ]


def _rows(protocol: Protocol) -> list[Signature | DissentPaper]:
    return [*protocol.current_signatures(), *protocol.current_dissents()]


def _require_sealing(protocol: Protocol, version: int) -> None:
    if protocol.status is not ProtocolStatus.SEALING or protocol.version != version:
        raise Conflict("wrong_step", status=str(protocol.status))
