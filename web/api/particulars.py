"""`GET /api/protocol.particulars/{id}`: what was settled on, for the form that enters it; `protocol.particulars` writes."""

from __future__ import annotations

from aiohttp import web

from consilium.queries import particulars
from web.pages.asking import ask
from web.site import identifier


async def shown(request: web.Request) -> web.StreamResponse:
    """`{ok, digest, particulars, may_edit, places, referral, choices}`."""
    found = await ask(request, particulars.outcome, identifier(request))
    return web.json_response({"ok": True, **found})
