"""Where an organisation wants results sent, and what is sent there when a paper's state changes (FX-02)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit
from uuid import UUID, uuid4

from consilium import commands as c
from consilium.errors import Forbidden, Invalid, NotFound
from consilium.events import DirectoryEvent, WebhookRemoved, WebhookSet
from consilium.filing import webhooks as rules
from consilium.handlers.asker import Table, person_of
from consilium.model import Case, Person, Protocol
from consilium.store import webhooks

if TYPE_CHECKING:
    from consilium.context import Context


def set_webhook(context: Context, command: c.SetWebhook) -> dict[str, Any]:
    """By the organisation's administrator, to a host the operator allowed. A new secret replaces the old one at once."""
    person = _administrator(context)
    if not rules.allowed(command.url, context.parts.settings):
        raise Invalid("invalid_field", field="url")
    if not (command.secret.isascii() and command.secret.isprintable()):
        raise Invalid("invalid_field", field="secret")
    endpoint = webhooks.Endpoint(
        organisation_id=person.organisation_id,
        url=command.url,
        secret=rules.sealed(command.secret, context.parts.settings),
        set_at=context.at,
    )
    webhooks.put(context.tx.connection, endpoint, person.id)
    _record(context, WebhookSet(host=urlsplit(command.url).netloc), person.organisation_id)
    return {}


def remove_webhook(context: Context, command: c.RemoveWebhook) -> dict[str, Any]:
    """What was not delivered by then is given up."""
    person = _administrator(context)
    if not webhooks.remove(context.tx.connection, person.organisation_id, context.at):
        raise NotFound
    _record(context, WebhookRemoved(), person.organisation_id)
    return {}


def tell(context: Context, case: Case, protocol: Protocol, event: str) -> None:
    """The requesting organisation's system learns it, in the transaction in which it happened: ids and states alone."""
    connection = context.tx.connection
    if webhooks.endpoint_of(connection, case.sender_id) is None:
        return
    key = uuid4()
    body = {
        "delivery": str(key),
        "event": event,
        "at": context.at.isoformat(),
        "case": {"id": str(case.id), "number": case.number, "status": str(case.status)},
        "document": {
            "id": str(protocol.document_id),
            "set": str(protocol.set_id),
            "version": protocol.version,
            "paper": str(protocol.paper),
            "number": protocol.number,
            "sha256": protocol.digest,
            "filing": str(protocol.filing),
            "registry_number": protocol.registry_number,
            "codes": list(protocol.filing_error_codes),
        },
    }
    webhooks.add(connection, key, case.sender_id, event, body, context.at)
    context.tx.enqueue("webhook.deliver", str(key), {"delivery": str(key)})


def _administrator(context: Context) -> Person:
    person = person_of(context)
    if "admin" not in person.duties:
        raise Forbidden("forbidden")
    return person


def _record(context: Context, event: DirectoryEvent, organisation_id: UUID) -> None:
    context.tx.record(event, organisation_id, organisation_id, context.actor)


HANDLERS: Table = {
    c.SetWebhook: set_webhook,
    c.RemoveWebhook: remove_webhook,
}
