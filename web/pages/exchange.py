"""Where results go by themselves: the organisation's own system, and the log of what it was sent."""

from __future__ import annotations

from aiohttp import web

from consilium.queries import exchange
from web.pages.asking import ask
from web.render import page
from web.site import site


async def one(request: web.Request) -> web.StreamResponse:
    """Address, secret to be set anew, the latest deliveries."""
    found = await ask(request, exchange.exchange_page)
    hosts = ", ".join(site(request).settings.webhook_hosts)
    return page(request, "pages/exchange.html", {**found, "hosts": hosts})
