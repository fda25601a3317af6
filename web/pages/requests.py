"""Requests: the folders, a new one, one request with its documents, the journal of its case."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aiohttp import web

from consilium import clock
from consilium.queries import cases, directory
from consilium.rules import codes, kinds
from consilium.rules.request import REQUIRED_TO_SEND
from web.i18n import Texts
from web.pages.asking import ask
from web.pages.told import journal_line
from web.render import page
from web.site import identifier, site, texts_of


async def inbox(request: web.Request) -> web.StreamResponse:
    """Incoming by deadline and completeness, outgoing, closed."""
    found = await ask(request, cases.requests_inbox, request.query.get("box", ""))
    return page(request, "pages/requests.html", found)


async def new(request: web.Request) -> web.StreamResponse:
    """Open routes of the sender's organisation: one press makes the draft."""
    routes = await ask(request, directory.open_routes)
    return page(request, "pages/request-new.html", {"routes": routes})


async def one(request: web.Request) -> web.StreamResponse:
    """One request: the form while it is a draft or returned, the record afterwards."""
    view = await ask(request, cases.request_page, identifier(request), clock.now())
    return page(request, "pages/request.html", {"view": view, **_form(request)})


async def journal(request: web.Request) -> web.StreamResponse:
    """Who did what when to this case."""
    t = texts_of(request)
    view = await ask(request, cases.case_journal, identifier(request))
    for entry in view["entries"]:
        entry["line"] = journal_line(t, entry["data"])
    return page(request, "pages/journal.html", {"view": view})


CHOICES = {"severities": codes.SEVERITIES, "cards": codes.CARDS, "payments": codes.PAYMENTS}


def _form(request: web.Request) -> dict[str, Any]:
    t = texts_of(request)
    return {
        "required": REQUIRED_TO_SEND,
        "kinds": list(kinds.KINDS),
        "goals": directory.code_lists(t.language, site(request).settings.semd_dir)["goals"],
        "urgencies": [
            {"code": code, "name": t(f"urgency.{code}"), "within": t.lasting(codes.DEADLINES[code])}
            for code in codes.URGENCY_ORDER
        ],
        **{name: _terms(t, table) for name, table in CHOICES.items()},
        "refusal_reasons": list(codes.REFUSAL_REASONS),
        "upload_limit": site(request).settings.upload_limit_bytes,
    }


def _terms(t: Texts, table: Mapping[str, codes.Term]) -> list[dict[str, str]]:
    """Rows of a short dictionary in the reader's language; the document is written with the Russian name."""
    return [{"code": one.code, "name": one.ru if t.language == "ru" else one.en} for one in table.values()]
