"""Command -> handler. One file a topic; each exports its own `HANDLERS`, joined here."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from consilium.commands import Command
from consilium.handlers import (
    archive,
    decision,
    directory,
    exchange,
    meeting,
    papers,
    particulars,
    protocol,
    readiness,
    recording,
    referrals,
    requests,
    schedule,
    sealing,
    signing,
    turns,
)

if TYPE_CHECKING:
    from consilium.context import Context

Handler = Callable[["Context", Any], dict[str, Any]]

HANDLERS: dict[type[Command], Handler] = {
    **directory.HANDLERS,
    **requests.HANDLERS,
    **schedule.HANDLERS,
    **exchange.HANDLERS,
    **meeting.HANDLERS,
    **decision.HANDLERS,
    **protocol.HANDLERS,
    **particulars.HANDLERS,
    **papers.HANDLERS,
    **referrals.HANDLERS,
    **signing.HANDLERS,
    **sealing.HANDLERS,
    **archive.HANDLERS,
    **turns.HANDLERS,
    **readiness.HANDLERS,
    **recording.HANDLERS,
}
