"""The signing desk: what waits, one document at a time, the means of signing, what to do when they fail."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from aiohttp import web

from consilium import clock
from consilium.queries import signing
from consilium.queries.protocols import frozen_document
from consilium.seal.algorithms import hashed
from consilium.seal.errors import SignatureRefused
from web.pages.asking import ask
from web.pages.protocols import document_of
from web.render import page
from web.site import site

STREEBOG = "streebog256"


async def desk(request: web.Request) -> web.StreamResponse:
    """Papers on the left, one of them at a time, its digest and signers, one button."""
    parts = site(request).service.parts
    found = await ask(request, signing.signing_desk, _chosen(request), clock.now(), parts)
    view = found["view"]
    values = {
        "desk": found["rows"],
        "view": view,
        "mine": _mine(view, found["rows"]),
        "document": await document_of(request, view) if view else "",
        "streebog": await _streebog(request, view) if view else "",
        "dissents": found["dissents"],
        "readiness": found["readiness"],
        "certificates": [
            {"sha256": one["sha256"], "until": one["not_after"], "state": one["state"]}
            for one in found["certificates"]
        ],
    }
    return page(request, "pages/signing.html", values)


def _chosen(request: web.Request) -> UUID | None:
    try:
        return UUID(request.query["protocol"]) if request.query.get("protocol") else None
    except ValueError:
        raise web.HTTPNotFound from None


def _mine(view: dict[str, Any] | None, rows: list[dict[str, Any]]) -> dict[str, Any] | None:
    """The asker's line of the paper that is shown, while it waits for him."""
    return next((one for one in rows if view and one["id"] == view["id"]), None)


async def _streebog(request: web.Request, view: dict[str, Any]) -> str:
    """ГОСТ Р 34.11-2012, which desktop programs show; empty where this machine cannot compute it."""
    if not view["digest"]:
        return ""
    frozen = await ask(request, frozen_document, UUID(view["id"]))
    try:
        return (await site(request).pool.call(hashed, STREEBOG, frozen)).hex()
    except SignatureRefused:
        return ""
