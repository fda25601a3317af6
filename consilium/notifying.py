"""The worker's delivery of a result to the requester's own system; see `filing.webhooks`.

Run twice or killed anywhere it delivers the same id again, which a receiver knows by then.
"""

from __future__ import annotations

import contextlib
import logging
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec

from consilium import clock
from consilium.filing import webhooks as rules
from consilium.filing import wire
from consilium.filing.line import Line, LineSettings
from consilium.filing.port import FilingError
from consilium.parts import Parts
from consilium.store import outbox, webhooks

log = logging.getLogger(__name__)

GIVEN_UP = timedelta(days=3)


def deliver(parts: Parts, payload: dict[str, Any]) -> datetime | None:
    """One attempt; answers when to come back, None when it was delivered or given up."""
    at, key = clock.now(), UUID(payload["delivery"])
    with parts.store.read(at) as reader:
        one = webhooks.delivery(reader.connection, key)
        endpoint = webhooks.endpoint_of(reader.connection, one.organisation_id) if one else None
    if one is None or one.status != "waiting":
        return None
    answer, fatal = ("webhook_removed", True) if endpoint is None else _sent(parts, one, endpoint)
    delivered = answer.startswith("2")
    over = fatal or at - one.at > GIVEN_UP
    ended = "delivered" if delivered else "dead" if over else None

    def written(tx: Any) -> None:
        webhooks.tried(tx.connection, key, answer, ended, at)
        if ended:
            webhooks.prune(tx.connection, one.organisation_id)

    parts.store.run(at, written)
    log.info("webhook.tried", extra={"delivery": str(key), "answer": answer, "ended": ended or ""})
    return None if ended else at + outbox.back_off(one.attempts + 1)


def _sent(parts: Parts, one: webhooks.Delivery, endpoint: webhooks.Endpoint) -> tuple[str, bool]:
    """An HTTP status or a code of ours, and whether trying again is of no use."""
    secret = rules.opened(endpoint.secret, parts.settings)
    if secret is None:
        return "webhook_secret_lost", True
    if not rules.allowed(endpoint.url, parts.settings):
        return "webhook_not_allowed", True
    body = msgspec.json.encode(one.body)
    headers = wire.sign(secret, "webhook", str(one.id), body, clock.now())
    headers |= {"Content-Type": "application/json", rules.DELIVERY_HEADER: str(one.id)}
    try:
        line = Line(
            LineSettings(
                base_url=endpoint.url,
                proof=wire.Proof(secret),
                allowed_bases=(endpoint.url,),
                read_timeout=10.0,
                total_timeout=15.0,
                max_answer_bytes=64 * 1024,
            )
        )
        with contextlib.closing(line):
            status, _ = line.ask("POST", "", headers, body)
    except FilingError as error:
        return error.code.replace("registry_", "webhook_"), False
    return str(status), False
