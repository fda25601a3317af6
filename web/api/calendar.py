"""The invitation for a calendar: time and kind, never the patient."""

from __future__ import annotations

from uuid import UUID

from aiohttp import web

from consilium.model import Person
from consilium.queries import consilia
from consilium.store import Reader
from web.pages.asking import ask
from web.site import identifier, site


async def invitation(request: web.Request) -> web.StreamResponse:
    """RFC 5545; for those who see the consilium."""
    wanted, origin = identifier(request), site(request).settings.public_origin

    def written(reader: Reader, person: Person, consilium: UUID) -> bytes:
        return consilia.ics(reader, person, consilium, origin)

    response = web.Response(body=await ask(request, written, wanted), content_type="text/calendar")
    response.charset = "utf-8"
    response.headers["Content-Disposition"] = f'attachment; filename="consilium-{str(wanted)[:8]}.ics"'
    return response
