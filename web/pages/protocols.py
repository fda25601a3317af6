"""The protocol as it is read."""

from __future__ import annotations

import hashlib
import logging
from typing import Any
from uuid import UUID

from aiohttp import web
from markupsafe import Markup

from consilium import clock, sealing
from consilium.documents.view import render_html
from consilium.queries import protocols
from consilium.seal.errors import SealError
from consilium.seal.package import read_package
from web.i18n import Texts
from web.pages.asking import ask
from web.pages.papers import family
from web.pages.told import filing_told
from web.render import page
from web.site import identifier, site, texts_of

log = logging.getLogger(__name__)


async def one(request: web.Request) -> web.StreamResponse:
    """Reading view, signatures with their checks, where the filing stands, how to verify by oneself."""
    t = texts_of(request)
    view = await _view(request, identifier(request))
    values = {
        "view": view,
        "document": await document_of(request, view),
        "draft": _draft(t, view),
        "family": family(view["papers"]),
        "next": _next(t, view),
        "filing": filing_told(t, view["filing"]),
        "verify": await _instructions(request, view),
    }
    return page(request, "pages/protocol.html", values)


async def _view(request: web.Request, protocol: UUID) -> dict[str, Any]:
    parts = site(request).service.parts
    return await ask(request, protocols.protocol_page, protocol, clock.now(), parts)


async def document_of(request: web.Request, view: dict[str, Any]) -> Markup:
    """The reading view made from the frozen bytes; escaped by `documents.view`."""
    if not view["digest"]:
        return Markup()
    frozen = await ask(request, protocols.frozen_document, UUID(view["id"]))
    html = await site(request).pool.call(render_html, frozen, texts_of(request).language)
    return Markup(html)  # noqa: S704 - made by our own autoescaping template from the signed bytes


def _draft(t: Texts, view: dict[str, Any]) -> list[dict[str, str]]:
    sections: dict[str, str] = view["draft"] or {}
    return [
        {
            "key": key,
            "title": t(f"protocol.section.{key}"),
            "text": text,
            "digest": hashlib.sha256(text.encode()).hexdigest(),
        }
        for key, text in sections.items()
    ]


def _next(t: Texts, view: dict[str, Any]) -> str:
    if view["waits"]:
        return t(f"protocol.next.held.{view['waits']['for']}", since=t.moment(view["waits"]["since"]))
    papers, dissents = (
        sum(one["status"] == "awaited" for one in view[name]) for name in ("signatures", "dissents")
    )
    line = t(f"protocol.next.{view['state']}", count=papers + dissents)
    return f"{line} {t('protocol.next.dissents', count=dissents)}" if papers and dissents else line


async def _instructions(request: web.Request, view: dict[str, Any]) -> str:
    """The package's own VERIFY.txt: the openssl commands that need nothing of ours."""
    if not view["package"]:
        return ""
    parts, name = site(request), view["package"]["name"]
    try:
        members = await parts.pool.call(read_package, sealing.packages(parts.service.parts) / name)
    except SealError as error:
        # A disk lost or spoilt it: the page of a medical document is read all the same.
        log.error("protocol.package_unreadable", extra={"protocol": view["id"], "cause": error.code})
        return ""
    return members["VERIFY.txt"].decode()
