"""The page a paper copy's QR code leads to: no sign-in, no patient, the file stays in the browser (SG-13)."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from aiohttp import web

from consilium.errors import NotFound
from consilium.queries.authenticity import authenticity
from web.pages.own import kept_language
from web.render import page
from web.site import CALLER, site


async def one(request: web.Request) -> web.StreamResponse:
    """What is known of one sealed document, and a place to drop the file on."""
    if request.get(CALLER) is None and (response := kept_language(request, request.path)):
        return response
    found = await _found(request)
    response = page(request, "pages/authenticity.html", {"found": found})
    if found is None:
        response.set_status(404)
    return response


async def _found(request: web.Request) -> dict[str, Any] | None:
    parts = site(request)

    def run() -> dict[str, Any]:
        with parts.service.parts.store.read() as reader:
            return authenticity(reader, UUID(request.match_info["id"]))

    try:
        return await parts.pool.call(run)
    except (NotFound, ValueError):
        return None
