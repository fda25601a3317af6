"""What may happen to one filing: a pure state machine.

    queued -> registering -> waiting -> registered
       ^          |             |
       +----------+- rejected / dead (an operator may send again, with the same key)

Every function takes the state and what happened and returns the next state; an event that changes nothing returns
the same object, so callers compare with `is`. Duplicates, late answers to an earlier message and answers that arrive
before the acknowledgement is stored are all covered here. Jitter is passed in (0 <= jitter < 1), as is the time.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from consilium.filing.codes import Remedy, remedy_of_all
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
)

BACK_OFF_FIRST = timedelta(seconds=5)
BACK_OFF_LAST = timedelta(minutes=30)
ASK_FIRST = timedelta(seconds=30)
LOST_AFTER = timedelta(days=15)  # callbacks arrive up to about ten days late (regulation 5.1)
REGISTERING_LIMIT = timedelta(minutes=5)  # a worker that died after "registering" is not waited for longer
BROKEN_LIMIT = 5
NOT_SET = "registry_not_set"
KNOWN_THERE = "NOT_UNIQUE_PROVIDED_ID"
"""What a registry without idempotency keys says to a document that came through before: it is asked, not told."""
KNOWN_LIMIT = 10
TOLD_KEPT = 20


class Status(StrEnum):
    QUEUED = "queued"
    REGISTERING = "registering"
    WAITING = "waiting"
    REGISTERED = "registered"
    REJECTED = "rejected"
    DEAD = "dead"


@dataclass(frozen=True, slots=True, kw_only=True)
class FilingState:
    """Where one document version stands. `next_try` is when to act again; None when nothing is to be done.

    `reason` is the code of the last failure; `answered` the last message id that got a final answer, `told` those
    before it; `asked` counts questions after a missing callback; `broken` answers that were no answers.
    """

    status: Status
    queued_at: datetime
    next_try: datetime | None
    attempts: int = 0
    asked: int = 0
    broken: int = 0
    message_id: str = ""
    answered: str = ""
    told: tuple[str, ...] = ()
    emdr_id: str = ""
    registered_at: datetime | None = None
    errors: tuple[RegistryError, ...] = ()
    reason: str = ""

    @property
    def final(self) -> bool:
        """Nothing more happens of itself."""
        return self.status in {Status.REGISTERED, Status.REJECTED, Status.DEAD}

    def due(self, at: datetime) -> bool:
        """Whether it is time to act."""
        return self.next_try is not None and self.next_try <= at


def queued(at: datetime) -> FilingState:
    """A new filing, due at once."""
    return FilingState(status=Status.QUEUED, queued_at=at, next_try=at)


def back_off(attempts: int, jitter: float, first: timedelta = BACK_OFF_FIRST) -> timedelta:
    """Exponential with full jitter between `first` and half an hour."""
    ceiling = min(BACK_OFF_LAST, first * (1 << min(attempts, 12)))
    return first + (ceiling - first) * jitter


def started(state: FilingState, at: datetime) -> FilingState:
    """An attempt to register begins."""
    if state.status not in {Status.QUEUED, Status.REGISTERING}:
        return state
    return replace(
        state, status=Status.REGISTERING, attempts=state.attempts + 1, next_try=at + REGISTERING_LIMIT
    )


def acknowledged(state: FilingState, ack: Acknowledgement, at: datetime) -> FilingState:
    """The registry took the registration and will answer."""
    if state.status not in {Status.QUEUED, Status.REGISTERING}:
        return state  # the answer was faster than this acknowledgement
    if ack.message_id == state.answered:
        # A registry that answers a resend with the old message has nothing new to say: it must be asked.
        return replace(state, status=Status.WAITING, message_id=ack.message_id, next_try=at + ASK_FIRST)
    return replace(
        state,
        status=Status.WAITING,
        message_id=ack.message_id,
        next_try=at + ASK_FIRST,
        asked=0,
        broken=0,
        reason="",
        errors=(),
    )


def failed(state: FilingState, error: FilingError, at: datetime, jitter: float) -> FilingState:
    """An attempt to register or to ask did not succeed."""
    if state.final:
        return state
    if isinstance(error, RegistryRefused):
        return _refused(state, error, at, jitter)
    if error.code == NOT_SET:
        state = replace(state, queued_at=at)  # nothing was sent, so nothing can be lost
    broken = state.broken + 1 if isinstance(error, RegistryBroken) else 0
    if broken >= BROKEN_LIMIT or at - state.queued_at > LOST_AFTER:
        return _dead(state, error.code)
    tries = state.asked + 1 if state.status is Status.WAITING else state.attempts
    pause = back_off(tries, jitter)
    if isinstance(error, RegistryUnavailable) and error.retry_after is not None:
        pause = min(max(pause, timedelta(seconds=error.retry_after)), BACK_OFF_LAST)
    return _again(state, at + pause, error.code, broken)


def _again(state: FilingState, when: datetime, reason: str, broken: int) -> FilingState:
    asking = state.status is Status.WAITING
    return replace(
        state,
        status=Status.WAITING if asking else Status.QUEUED,
        asked=state.asked + asking,
        next_try=when,
        reason=reason,
        broken=broken,
    )


def _refused(state: FilingState, error: RegistryRefused, at: datetime, jitter: float) -> FilingState:
    if not error.errors:
        return _dead(state, error.code)
    return _rejected(state, error.errors, at, jitter)


def _dead(state: FilingState, reason: str) -> FilingState:
    return replace(state, status=Status.DEAD, next_try=None, reason=reason)


def answered(
    state: FilingState, answer: Registered | Rejected, message_id: str, at: datetime, jitter: float
) -> FilingState:
    """The registry's final answer to a message, from a callback or from asking.

    A registration always counts: the document is in the registry whatever we thought. A rejection counts only for
    the message that is being waited for (or while the acknowledgement has not been stored yet).
    """
    if state.status is Status.REGISTERED:
        return state
    if isinstance(answer, Registered):
        return replace(
            state,
            status=Status.REGISTERED,
            emdr_id=answer.emdr_id,
            registered_at=answer.at,
            next_try=None,
            answered=message_id,
            errors=(),
            reason="",
        )
    stale = state.message_id not in {"", message_id} or message_id in {state.answered, *state.told}
    if stale or state.status is Status.REJECTED:
        return state
    return _rejected(_answered(state, message_id), answer.errors, at, jitter)


def _answered(state: FilingState, message_id: str) -> FilingState:
    """That message has had its answer: the same one, told again weeks later, is not the next one's."""
    told = (*state.told, state.answered) if state.answered else state.told
    return replace(state, answered=message_id, told=told[-TOLD_KEPT:], message_id="")


def _rejected(
    state: FilingState, errors: tuple[RegistryError, ...], at: datetime, jitter: float
) -> FilingState:
    if {one.code for one in errors} == {KNOWN_THERE}:
        return _known_there(state, errors, at, jitter)
    if remedy_of_all(errors) is Remedy.RETRY and at - state.queued_at <= LOST_AFTER:
        when = at + back_off(state.attempts, jitter)
        return replace(state, status=Status.QUEUED, errors=errors, reason=errors[0].code, next_try=when)
    return replace(state, status=Status.REJECTED, errors=errors, reason=errors[0].code, next_try=None)


def _known_there(
    state: FilingState, errors: tuple[RegistryError, ...], at: datetime, jitter: float
) -> FilingState:
    """It came through before and its number has not reached us: ask, up to a limit, then somebody must look."""
    times = state.asked + 1 if state.reason == KNOWN_THERE else 0
    if times >= KNOWN_LIMIT:
        return replace(state, status=Status.REJECTED, errors=errors, next_try=None)
    return replace(
        state,
        status=Status.WAITING,
        errors=errors,
        reason=KNOWN_THERE,
        asked=times,
        next_try=at + back_off(times, jitter, ASK_FIRST),
    )


def asked(
    state: FilingState, found: Registered | Rejected | Pending | None, at: datetime, jitter: float
) -> FilingState:
    """What the registry said when its callback was overdue; None: it knows nothing, so register again."""
    if state.status is not Status.WAITING:
        return state
    if isinstance(found, Registered):
        return answered(state, found, state.message_id, at, jitter)
    if isinstance(found, Rejected):
        # Its word of now: it counts even when it is about a message that was answered before.
        return _rejected(_answered(state, state.message_id), found.errors, at, jitter)
    if at - state.queued_at > LOST_AFTER:
        return _dead(state, "registry_silent")
    if state.reason == KNOWN_THERE:
        return _known_there(state, state.errors, at, jitter)
    if found is None:
        return replace(state, status=Status.QUEUED, message_id="", next_try=at, reason="registry_forgot")
    pause = back_off(state.asked + 1, jitter, ASK_FIRST)
    return replace(state, asked=state.asked + 1, next_try=at + pause)


def send_again(state: FilingState, at: datetime) -> FilingState:
    """An operator's decision after a rejection or a dead letter; the key stays the same."""
    if state.status not in {Status.REJECTED, Status.DEAD}:
        return state
    return replace(
        state,
        status=Status.QUEUED,
        queued_at=at,
        next_try=at,
        attempts=0,
        asked=0,
        broken=0,
        message_id="",
        reason="",
    )
