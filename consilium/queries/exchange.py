"""Where the organisation has results sent, and what became of the latest deliveries."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from consilium.errors import Forbidden
from consilium.model import Person
from consilium.queries.shown import moment
from consilium.store import Reader, webhooks


def exchange_page(reader: Reader, person: Person) -> dict[str, Any]:
    """For the organisation's administrator. The secret is shown to nobody. Raises Forbidden."""
    if "admin" not in person.duties:
        raise Forbidden("forbidden")
    endpoint = webhooks.endpoint_of(reader.connection, person.organisation_id)
    return {
        "endpoint": {
            "url": endpoint.url,
            "host": urlsplit(endpoint.url).netloc,
            "set_at": moment(endpoint.set_at),
        }
        if endpoint
        else None,
        "deliveries": [
            {
                "id": str(one.id),
                "event": one.event,
                "at": moment(one.at),
                "case": one.body["case"]["number"],
                "document": one.body["document"]["number"],
                "status": one.status,
                "attempts": one.attempts,
                "answer": one.answer,
            }
            for one in webhooks.log(reader.connection, person.organisation_id)
        ],
    }
