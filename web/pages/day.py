"""My day: what waits for me, the nearest deadline first."""

from __future__ import annotations

from aiohttp import web

from consilium import clock
from consilium.queries import day
from web.pages.asking import ask
from web.render import page


async def my_day(request: web.Request) -> web.StreamResponse:
    """Requests that wait for this person, consilia, protocols to sign and protocols on their way."""
    found = await ask(request, day.my_day, clock.now())
    return page(request, "pages/day.html", {"day": found})
