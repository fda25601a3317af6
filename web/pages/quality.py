"""How the media of the organisation's meetings was, for its administrator."""

from __future__ import annotations

from aiohttp import web

from consilium import clock
from consilium.errors import Forbidden
from consilium.queries import quality
from web.pages.asking import ask
from web.render import page
from web.site import caller


async def media(request: web.Request) -> web.StreamResponse:
    """The last thirty days, a line a meeting; `?json` gives the same to a program."""
    who = caller(request)
    if not (who.has("admin") or who.has("operator")):
        raise Forbidden("forbidden")
    found = await ask(request, quality.media_page, clock.now())
    if "json" in request.query:
        return web.json_response({"ok": True, **found})
    return page(request, "pages/quality.html", found)
