"""One step of one filing against a registry: register what is queued, ask about what is overdue.

The caller (a Celery task) holds the outbox row, stores the state before and after, and decides when to come back by
`next_try`. Called twice for the same state it does no harm: the key is the same.
"""

from __future__ import annotations

from datetime import datetime

from consilium.filing import states
from consilium.filing.port import Filing, FilingError, Registry
from consilium.filing.states import FilingState, Status


def attempt(
    state: FilingState, filing: Filing, registry: Registry, at: datetime, jitter: float
) -> FilingState:
    """The state after at most one exchange with the registry. Never raises FilingError; a bug still raises."""
    if not state.due(at):
        return state
    try:
        if state.status is Status.WAITING:
            return states.asked(state, registry.find(filing.idempotency_key), at, jitter)
        state = states.started(state, at)
        return states.acknowledged(state, registry.register(filing), at)
    except FilingError as error:
        return states.failed(state, error, at, jitter)
