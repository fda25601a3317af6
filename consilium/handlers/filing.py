"""Where a sealed protocol stands with the registry: the state machine's words, kept and journaled (FX-04).

Worker and callback only say what happened; what follows is decided here, under the protocol's lock, so
that an answer faster than its acknowledgement, a late one or a second one does no harm.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

import msgspec
import sqlalchemy as sa

from consilium import commands as c
from consilium.errors import Conflict, Forbidden, Invalid, NotFound
from consilium.events import (
    CaseRegistered,
    Event,
    FilingAcknowledged,
    FilingDead,
    FilingDelayed,
    FilingRejected,
    ProtocolRegistered,
)
from consilium.filing import states
from consilium.filing.compose import registry_kind
from consilium.filing.port import (
    Acknowledgement,
    FilingError,
    Pending,
    Registered,
    RegistryBroken,
    RegistryError,
    RegistryRefused,
    RegistryUnavailable,
    Rejected,
    idempotency_key,
)
from consilium.filing.states import FilingState, Status
from consilium.handlers import exchange
from consilium.handlers.asker import Table, person_of, require_system
from consilium.handlers.requests import record as record_case
from consilium.model import Case, CaseStatus, FilingStatus, Paper, Protocol
from consilium.rules import signing
from consilium.store.tables import protocols

if TYPE_CHECKING:
    from consilium.context import Context

NUMBER_TAKEN = RegistryBroken("The registry gave one number to two documents.", "registry_number_taken")
SHOWN: dict[Status, FilingStatus] = {
    Status.QUEUED: FilingStatus.QUEUED,
    Status.REGISTERING: FilingStatus.QUEUED,
    Status.WAITING: FilingStatus.WAITING,
    Status.REGISTERED: FilingStatus.REGISTERED,
    Status.REJECTED: FilingStatus.REJECTED,
    Status.DEAD: FilingStatus.DEAD,
}


def begin(context: Context, protocol: Protocol, case: Case) -> None:
    """A sealed paper is exported; one that is registered enters the queue, under one key for its life."""
    _begin(context, protocol)
    exchange.tell(context, case, protocol, "document.sealed")


def _begin(context: Context, protocol: Protocol) -> None:
    key = f"{protocol.id}:{protocol.version}"
    context.tx.enqueue("protocol.export", key, {"protocol": str(protocol.id)})
    if not _is_filed(context, protocol):
        return
    _record(context, protocol, signing.queue(protocol, _key(protocol)))
    _keep(protocol, states.queued(context.at))
    context.tx.enqueue("protocol.file", key, {"protocol": str(protocol.id)})


def _is_filed(context: Context, protocol: Protocol) -> bool:
    """A commission's protocol stays with the organisation (kind 87), an act of annulment unless it is set otherwise."""
    if protocol.paper is Paper.ANNULMENT and not context.parts.settings.registry_acts:
        return False
    return registry_kind(protocol.document) is not None


def _key(protocol: Protocol) -> str:
    assert protocol.document_id is not None
    return idempotency_key(protocol.document_id, protocol.version)


def file_again(context: Context, command: c.FileAgain) -> dict[str, Any]:
    """By a registrar or coordinator of the organisation that registers, after a refusal or a dead letter."""
    person = person_of(context)
    protocol = context.tx.protocol(command.protocol)
    if protocol.organisation_id != person.organisation_id:
        raise NotFound
    if {"registrar", "coordinator"}.isdisjoint(person.duties):
        raise Forbidden("forbidden")
    if protocol.annulled_at is not None:
        raise Conflict("annulled")
    signing.require_refilable(protocol)
    state = states.send_again(_state(protocol), context.at)
    _record(context, protocol, signing.queue(protocol, _key(protocol)))
    _keep(protocol, state)
    key = f"{protocol.id}:{protocol.version}"
    if not context.tx.again("protocol.file", key):
        # The old row is being worked on this very moment; another one looks after it.
        again = f"{key}:{context.at.timestamp():.0f}"
        context.tx.enqueue("protocol.file", again, {"protocol": str(protocol.id)})
    return {"filing": str(protocol.filing)}


def record_filing(context: Context, command: c.RecordFiling) -> dict[str, Any]:
    """Apply what the worker or the callback says; what changes nothing is taken without a word."""
    require_system(context)
    case = context.tx.case(context.tx.peek(Protocol, command.protocol).case_id)
    protocol = context.tx.protocol(command.protocol)
    if not protocol.filing_state:
        raise Conflict("wrong_step", status=str(protocol.status))
    before = _state(protocol)
    if _is_anothers(context, protocol, command.registry_number):
        after = states.failed(before, NUMBER_TAKEN, context.at, command.jitter)
    else:
        after = _next(before, command, context.at)
    if after is not before:
        _keep(protocol, after)
        _record(context, protocol, _happened(before, after, command))
        _registered(context, protocol, case)
        if after.final and after.status is not before.status:
            exchange.tell(context, case, protocol, f"document.{after.status}")
    return {
        "filing": str(protocol.filing),
        "next_try": after.next_try.isoformat() if after.next_try else None,
    }


def _is_anothers(context: Context, protocol: Protocol, number: str) -> bool:
    """A registry gives a number once; told the same of two documents, it has answered about neither."""
    query = sa.select(protocols.c.id).where(
        protocols.c.registry_number == number, protocols.c.id != protocol.id
    )
    return bool(number) and context.tx.connection.execute(query).first() is not None


def _next(state: FilingState, command: c.RecordFiling, at: datetime) -> FilingState:
    match command.step:
        case "started":
            return states.started(state, at)
        case "acknowledged":
            return states.acknowledged(state, Acknowledgement(message_id=command.message_id), at)
        case "failed":
            return states.failed(state, _failure(command), at, command.jitter)
        case "answered":
            answer = _answer(command)
            if not isinstance(answer, Registered | Rejected):
                raise Invalid("invalid_field", field="registry_number")
            return states.answered(state, answer, command.message_id, at, command.jitter)
        case "asked":
            return states.asked(state, _answer(command), at, command.jitter)


def _failure(command: c.RecordFiling) -> FilingError:
    if command.failure == "refused":
        return RegistryRefused(command.reason, command.reason, _errors(command))
    if command.failure == "broken":
        return RegistryBroken(command.reason, command.reason)
    return RegistryUnavailable(command.reason, command.reason, command.retry_after)


def _answer(command: c.RecordFiling) -> Registered | Rejected | Pending | None:
    if command.registry_number and command.registered_at is not None:
        return Registered(emdr_id=command.registry_number, at=command.registered_at)
    if command.faults:
        return Rejected(errors=_errors(command))
    return Pending(message_id=command.message_id) if command.message_id else None


def _errors(command: c.RecordFiling) -> tuple[RegistryError, ...]:
    return tuple(
        RegistryError(code=one.code, number=one.number, message=one.message) for one in command.faults
    )


def _happened(before: FilingState, after: FilingState, command: c.RecordFiling) -> list[Event]:
    """One event per step that somebody may ask about later."""
    if after.status is Status.REGISTERED:
        assert after.registered_at is not None
        return [ProtocolRegistered(registry_number=after.emdr_id, registered_at=after.registered_at)]
    if after.status is Status.REJECTED:
        return [FilingRejected(codes=[one.code for one in after.errors])]
    if after.status is Status.DEAD:
        return [FilingDead(attempt=after.attempts)]
    if command.step == "acknowledged":
        return [FilingAcknowledged(attempt=after.attempts)]
    delayed = after.next_try is not None and after.reason and after.reason != before.reason
    if delayed or command.step == "failed":
        assert after.next_try is not None
        return [FilingDelayed(attempt=after.attempts, next_try=after.next_try, cause=after.reason)]
    return []


def _registered(context: Context, protocol: Protocol, case: Case) -> None:
    # A referral's number, and that of the act about one, say nothing of the decision.
    if protocol.consilium_id is None:
        return
    annulled = protocol.annulled_at is not None
    if protocol.filing is FilingStatus.REGISTERED and not annulled and case.status is CaseStatus.SEALED:
        case.status = CaseStatus.REGISTERED
        case.revision += 1
        told = CaseRegistered(protocol=protocol.id, registry_number=protocol.registry_number)
        record_case(context, case, [told])


def _state(protocol: Protocol) -> FilingState:
    return msgspec.json.decode(protocol.filing_state, type=FilingState)


def _keep(protocol: Protocol, state: FilingState) -> None:
    """The whole state, and beside it what people see and search."""
    protocol.filing_state = msgspec.json.encode(state).decode()
    protocol.filing = SHOWN[state.status]
    protocol.filing_attempts = state.attempts
    protocol.filing_message = state.reason
    protocol.filing_error_codes = [one.code for one in state.errors]
    protocol.filing_next_try = state.next_try
    protocol.registry_number = state.emdr_id
    protocol.registered_at = state.registered_at
    protocol.revision += 1


def _record(context: Context, protocol: Protocol, happened: list[Event]) -> None:
    for event in happened:
        context.tx.record(event, protocol.id, protocol.organisation_id, context.actor)


HANDLERS: Table = {
    c.FileAgain: file_again,
    c.RecordFiling: record_filing,
}
