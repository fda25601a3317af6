"""The shells of the room and of the check before it; everything inside is the browser client's."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from consilium import clock
from consilium.errors import NotFound
from consilium.queries import consilia
from web.pages.asking import ask
from web.render import page
from web.site import identifier


async def room(request: web.Request) -> web.StreamResponse:
    """The room of one consilium, for those who have a seat in it."""
    return page(request, "pages/room.html", await _seat(request))


async def check(request: web.Request) -> web.StreamResponse:
    """Preview, level, devices and a test of the media path, before entering."""
    return page(request, "pages/check.html", await _seat(request))


async def _seat(request: web.Request) -> dict[str, Any]:
    view = await ask(request, consilia.consilium_page, identifier(request), clock.now())
    if not view["role"]:
        raise NotFound
    return {"consilium": view["id"], "number": view["number"], "kind": view["kind"]}
