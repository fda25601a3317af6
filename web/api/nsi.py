"""`GET /api/nsi/{dictionary}`: rows of a national dictionary by a few letters, for a field that suggests (AD-03)."""

from __future__ import annotations

import re

from aiohttp import web

from consilium import clock
from consilium.directory import nsi
from consilium.directory.nsi import Dictionary
from consilium.parts import Parts
from web import limits
from web.site import caller, site

DICTIONARY = re.compile(r"[0-9]{1,2}\.[0-9.]{1,12}")
MOST, LONGEST = 50, 200


async def search(request: web.Request) -> web.StreamResponse:
    """`?q=&limit=` -> `{dictionary, version, title, installed, rows: [{code, name}]}`.

    Rows that ended are not offered. A dictionary nobody installed answers `installed: false` and no rows: the field
    is then typed.
    """
    site(request).limits.take("command", str(caller(request).person.id), limits.COMMANDS)
    number = request.match_info["dictionary"]
    if not DICTIONARY.fullmatch(number):
        raise web.HTTPNotFound
    said = request.query.get("limit", "20")
    limit = min(int(said), MOST) if said.isascii() and said.isdigit() and len(said) < 4 else 20
    found = await site(request).pool.call(_of, site(request).service.parts, number)
    words = request.query.get("q", "")[:LONGEST]
    rows = found.search(words, max(1, limit), clock.now().date()) if found else []
    return web.json_response(
        {
            "ok": True,
            "dictionary": number,
            "version": found.version if found else "",
            "title": found.title if found else "",
            "installed": found is not None,
            "rows": [{"code": code, "name": name} for code, name in rows],
        }
    )


def _of(parts: Parts, number: str) -> Dictionary | None:
    """What is in force, then the short tables of our own."""
    known = parts.installed.dictionaries().get(number)
    if known is None and number in nsi.OWN:
        return nsi.dictionary(number, None)
    return known
