"""The one door to change anything: load, decide, save, journal, commit; then speak.

`Service.handle` runs in a plain thread (the async edges use their own pool). Handlers live in
`handlers/<topic>.py`; each is a function `(context, command) -> result dict` that locks its aggregates
through `context.tx` in the order Case, Consilium, Protocol, calls rules, and records events.
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

import msgspec

from consilium import handlers
from consilium.actor import Actor
from consilium.commands import Command
from consilium.context import Context
from consilium.errors import Conflict

if TYPE_CHECKING:
    from consilium.events import Event
    from consilium.parts import Parts
    from consilium.store.transaction import Transaction


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What the asker gets. `events` is what was committed: (stream kind, stream id, seq, event)."""

    result: dict[str, Any]
    events: tuple[tuple[str, UUID, int, Event], ...] = ()
    repeated: bool = False


class Service:
    """Holds the store and the parts; stateless otherwise, safe to call from many threads."""

    def __init__(self, parts: Parts) -> None:
        self.parts = parts

    def handle(self, command: Command, actor: Actor, command_id: UUID, at: datetime) -> Reply:
        """Do it once. The same id again answers the same result (and `repeated`).

        Raises ConsiliumError when refused: nothing was changed, and the same id may be tried again.
        """
        fingerprint = self._fingerprint(command)

        def work(tx: Transaction) -> Reply:
            known = tx.command_reply(command_id, actor.person_id)
            if known is not None:
                return _repeat(known, fingerprint)
            context = Context(tx=tx, actor=actor, at=at, parts=self.parts)
            result = handlers.HANDLERS[type(command)](context, command)
            tx.remember_command(command_id, actor.person_id, fingerprint, result)
            return Reply(result=result, events=tx.commit())

        reply = self.parts.store.run(at, work)
        if not reply.repeated:
            self.parts.hints.wake()
        return reply

    def _fingerprint(self, command: Command) -> str:
        """Keyed: some commands carry passwords, and a bare digest of a short one can be guessed."""
        body = msgspec.json.encode({"name": type(command).__name__, "command": command})
        return hmac.new(self.parts.settings.secret_key.encode(), body, hashlib.sha256).hexdigest()


def _repeat(known: tuple[str, dict[str, Any]], fingerprint: str) -> Reply:
    remembered, result = known
    if remembered != fingerprint:
        raise Conflict("command_id_reused")
    return Reply(result=result, repeated=True)
