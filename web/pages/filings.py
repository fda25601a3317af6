"""The registrar's screen: what the registry refused or never answered, why, who acts, and "send again"."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from consilium.directory.installed import folder_of
from consilium.filing import codes
from consilium.queries import filings
from web.pages.asking import ask
from web.pages.told import filing_told
from web.render import page
from web.site import identifier, site, texts_of


async def all_of_ours(request: web.Request) -> web.StreamResponse:
    """A filter's page; without one what waits for a person."""
    number = request.query.get("page", "")
    wanted = int(number) if number.isascii() and number.isdecimal() and len(number) < 7 else 1
    found = await ask(request, filings.filings_page, request.query.get("show", "attention"), wanted)
    t = texts_of(request)
    rows = [{**row, "told": filing_told(t, row)} for row in found["rows"]]
    return page(request, "pages/filings.html", {**found, "rows": rows, "filters": tuple(filings.FILTERS)})


async def one(request: web.Request) -> web.StreamResponse:
    """One filing: what is wrong in our words and the registry's, and every attempt."""
    found = await ask(request, filings.filing_page, identifier(request, "id"))
    official = await site(request).pool.call(codes.official_texts, folder_of(site(request).settings))
    told = filing_told(texts_of(request), found)
    faults = [{**fault, "official": _words(fault["code"], found, official)} for fault in told["faults"]]
    values: dict[str, Any] = {"one": found, "told": {**told, "faults": faults}}
    return page(request, "pages/filing.html", values)


def _words(code: str, found: dict[str, Any], official: dict[str, str]) -> str:
    """What the registry itself said, else what its dictionary says about the code."""
    return str(found["words"].get(code, "") or official.get(code, ""))
