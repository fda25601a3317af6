"""The worker's talk with the registry: one exchange when one is due, and the registry's own answer.

Each task is `(parts, payload) -> datetime | None` as `tasks` wants it. Killed at any point and run again it ends the
same: what happened is told by commands that take a second telling without harm, and the registry knows the document
by one key.
"""

from __future__ import annotations

import contextlib
import random
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

import msgspec

from consilium import clock
from consilium.actor import SYSTEM
from consilium.commands import RecordFiling, RegistryFault
from consilium.filing.callback import CallbackResult
from consilium.filing.compose import compose
from consilium.filing.port import (
    Filing,
    FilingError,
    Pending,
    Registered,
    Registry,
    RegistryBroken,
    RegistryError,
    RegistryRefused,
    RegistryUnavailable,
    Rejected,
)
from consilium.filing.registries import registry_of
from consilium.filing.states import BACK_OFF_LAST, NOT_SET, FilingState, Status
from consilium.model import Protocol, SignatureStatus
from consilium.parts import Parts
from consilium.queries.protocols import protocol_by_document
from consilium.service import Service
from consilium.store.failpoint import failpoint

_random = random.SystemRandom()
ANNULLED = RegistryRefused("The document was annulled before the registry had it.", "annulled")


def file_protocol(parts: Parts, payload: dict[str, Any]) -> datetime | None:
    """One exchange with the registry when one is due; answers when to come back, None at the end."""
    at = clock.now()
    with parts.store.read(at) as reader:
        protocol = reader.protocol(UUID(payload["protocol"]))
        replaced = reader.find(Protocol, protocol.replaces_id)
    state = state_of(protocol)
    if state is None or state.next_try is None:
        return None
    if not state.due(at):
        return state.next_try
    if protocol.annulled_at is not None and not state.attempts:
        return _said(parts, _failed(protocol, ANNULLED))
    try:
        registry = registry_of(parts.settings, lambda _: protocol.document)
    except FilingError as error:
        return _said(parts, _failed(protocol, error))
    if registry is None:
        return _not_set(parts, protocol, state)
    with contextlib.closing(registry):
        return _exchange(parts, registry, protocol, state, replaced.document_id if replaced else None)


def _not_set(parts: Parts, protocol: Protocol, state: FilingState) -> datetime | None:
    """Nothing is sent and nothing is lost: the export has the document, and this is said once."""
    if state.reason == NOT_SET:
        return clock.now() + BACK_OFF_LAST
    word = RecordFiling(protocol=protocol.id, step="failed", failure="unavailable", reason=NOT_SET)
    return _said(parts, word)


def check_filing(parts: Parts, payload: dict[str, Any]) -> datetime | None:
    """The same step: what is overdue is asked about."""
    return file_protocol(parts, payload)


def _exchange(
    parts: Parts, registry: Registry, protocol: Protocol, state: FilingState, replaces: UUID | None
) -> datetime | None:
    """Ask about what waits, register what does not; every outcome is told before anything else is done."""
    try:
        filing = filing_of(parts, protocol, replaces)
        if state.status is Status.WAITING:
            return _said(parts, _asked(protocol, registry.find(filing)))
        if protocol.annulled_at is not None:
            return _said(parts, _given_up(protocol, registry.find(filing)))
        _said(parts, RecordFiling(protocol=protocol.id, step="started"))
        message = registry.register(filing).message_id
        failpoint("registering.registered")
        return _said(parts, RecordFiling(protocol=protocol.id, step="acknowledged", message_id=message))
    except FilingError as error:
        return _said(parts, _failed(protocol, error))


def filing_of(parts: Parts, protocol: Protocol, replaces: UUID | None = None) -> Filing:
    """What is told to the registry, read from the frozen bytes; `replaces`: the annulled version's document id.

    Raises FilingError.
    """
    origin = parts.settings.public_origin
    signed = [one for one in protocol.current_signatures() if one.status is SignatureStatus.SIGNED]
    return compose(
        protocol.document,
        number=protocol.number,
        signatures={str(one.person_id): one.cms for one in signed},
        seal=protocol.seal_cms,
        pull_url=f"{origin}/registry/documents/{protocol.document_id}",
        callback_url=f"{origin}/registry/callback",
        own_signers_only=parts.settings.registry_signers == "own",
        replaces=replaces,
    )


def state_of(protocol: Protocol) -> FilingState | None:
    """Where the filing stands, None when it has not begun."""
    if not protocol.filing_state:
        return None
    return msgspec.json.decode(protocol.filing_state, type=FilingState)


def _asked(protocol: Protocol, found: Registered | Rejected | Pending | None) -> RecordFiling:
    if isinstance(found, Registered):
        return RecordFiling(
            protocol=protocol.id, step="asked", registry_number=found.emdr_id, registered_at=found.at
        )
    if isinstance(found, Rejected):
        return RecordFiling(protocol=protocol.id, step="asked", faults=_faults(found.errors))
    return RecordFiling(protocol=protocol.id, step="asked", message_id=found.message_id if found else "")


def _given_up(protocol: Protocol, found: Registered | Rejected | Pending | None) -> RecordFiling:
    """Annulled while it was being sent: what came through is written down, and nothing is sent again."""
    if isinstance(found, Registered):
        return RecordFiling(
            protocol=protocol.id, step="answered", registry_number=found.emdr_id, registered_at=found.at
        )
    pending = RegistryUnavailable("The registry has not decided yet.", "registry_unavailable")
    return _failed(protocol, pending if isinstance(found, Pending) else ANNULLED)


def _failed(protocol: Protocol, error: FilingError) -> RecordFiling:
    retry_after = error.retry_after if isinstance(error, RegistryUnavailable) else None
    errors = error.errors if isinstance(error, RegistryRefused) else ()
    broken = isinstance(error, RegistryBroken)
    waits = isinstance(error, RegistryUnavailable)
    return RecordFiling(
        protocol=protocol.id,
        step="failed",
        failure="unavailable" if waits else "broken" if broken else "refused",
        reason=error.code,
        faults=_faults(errors),
        retry_after=retry_after,
        jitter=_random.random(),
    )


def _faults(errors: tuple[RegistryError, ...]) -> list[RegistryFault]:
    return [RegistryFault(code=one.code, number=one.number, message=one.message[:4000]) for one in errors]


def _said(parts: Parts, command: RecordFiling) -> datetime | None:
    """Tell it under a new id: the same words may be said again later and mean another attempt."""
    reply = Service(parts).handle(command, SYSTEM, uuid4(), clock.now())
    moment = reply.result["next_try"]
    return datetime.fromisoformat(moment) if moment else None


def registry_answered(service: Service, result: CallbackResult) -> dict[str, Any]:
    """The registry's proven answer (`filing.callback.parse_callback`). Raises NotFound for a foreign document.

    Twice, late or out of order: the state machine takes it without harm.
    """
    at = clock.now()
    with service.parts.store.read(at) as reader:
        protocol = protocol_by_document(reader, result.local_uid)
    number = result.answer.emdr_id if isinstance(result.answer, Registered) else ""
    command = RecordFiling(
        protocol=protocol.id,
        step="answered",
        message_id=result.message_id,
        registry_number=number,
        registered_at=result.answer.at if isinstance(result.answer, Registered) else None,
        faults=_faults(result.answer.errors) if isinstance(result.answer, Rejected) else [],
        jitter=_random.random(),
    )
    return service.handle(command, SYSTEM, uuid4(), at).result
