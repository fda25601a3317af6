"""The one wrapper around every message a socket may send: limit, parse, run, acknowledge.

python-socketio sends no acknowledgement when a handler raises (the caller would only time out), so
nothing may escape from here: an expected refusal answers its code, anything else is logged with its
stack and answers `internal`.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import uuid4

from consilium.clock import now
from consilium.commands import WIRE
from consilium.errors import ConsiliumError, Forbidden, Invalid, TooMany, Unauthenticated, Unavailable
from consilium.service import Service
from signaling import wire
from signaling.calls import Calls
from signaling.session import Connection, Sessions

log = logging.getLogger(__name__)

Answer = Callable[[Connection, Any], Awaitable[dict[str, Any]]]
Follow = Callable[[Connection, wire.Parsed, dict[str, Any]], Awaitable[None]]

QUIET = frozenset({"viewer.move"})
"""Volatile messages: over the limit they are dropped, the newest one is all that matters."""


class Dispatch:
    """Routes parsed messages: commands to the service, wire messages to `answers`."""

    def __init__(self, service: Service, calls: Calls, sessions: Sessions) -> None:
        self._service = service
        self._calls = calls
        self._sessions = sessions
        self.outcomes: Counter[tuple[str, str]] = Counter()
        self.answers: dict[str, Answer] = {}
        self.follow: dict[str, Follow] = {}

    async def handle(self, name: str, sid: str, *arguments: object) -> dict[str, Any]:
        """Never raises; the returned dict is the acknowledgement."""
        try:
            answer = wire.ok(await self._run(name, sid, arguments))
        except ConsiliumError as error:
            self._count(name, error.code)
            return wire.refusal(error)
        except Exception:
            ref = uuid4().hex[:12]
            self._count(name, "internal")
            log.exception("message failed", extra={"message_name": name[:60], "ref": ref})
            return wire.refusal(Unavailable("internal", ref=ref))

        self._count(name, "ok")
        return answer

    def _count(self, name: str, outcome: str) -> None:
        """Names are the wire's own; what a client makes up is counted as one."""
        self.outcomes[name if name in WIRE or name in self.answers else "unknown", outcome] += 1

    async def _run(self, name: str, sid: str, arguments: tuple[object, ...]) -> dict[str, Any]:
        connection = self._sessions.by_sid.get(sid)
        if connection is None or connection.gone:
            raise Unauthenticated("not_signed_in")
        if not connection.limits.allows(name):
            raise TooMany("rate_limited")
        if len(arguments) > 1:
            raise Invalid("invalid_message", reason="one argument is expected")
        parsed = wire.parse(name, arguments[0] if arguments else None, connection.consilium)
        connection.last_seen = now()
        if parsed.command is None:
            return await self.answers[name](connection, parsed.message)
        return await self._command(connection, parsed)

    async def _command(self, connection: Connection, parsed: wire.Parsed) -> dict[str, Any]:
        if parsed.command is None or parsed.command_id is None:
            raise Invalid("invalid_message", reason="command id is missing")
        if connection.consilium is None and "consilium" in type(parsed.command).__annotations__:
            raise Forbidden("not_a_member")
        reply = await self._calls.run(
            self._service.handle, parsed.command, connection.actor, parsed.command_id, now()
        )
        follow = self.follow.get(parsed.name)
        if follow is not None:
            await follow(connection, parsed, reply.result)
        return reply.result
