"""Ctrl-K: places, requests, consilia and people by a few letters; only what the asker may see anyway."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from aiohttp import web

from consilium import clock
from consilium.model import Person
from consilium.queries import cases, consilia, directory
from consilium.store import Reader
from web import limits
from web.i18n import Texts
from web.pages.asking import ask
from web.site import caller, site, texts_of

MOST = 12
PLACES = (
    ("/", "nav.day"),
    ("/requests", "nav.requests"),
    ("/consilia", "nav.consilia"),
    ("/signing", "nav.signing"),
    ("/bodies", "nav.bodies"),
    ("/settings", "nav.settings"),
)


async def find(request: web.Request) -> web.StreamResponse:
    """`?words=` -> `{found: [{title, note, href}]}`."""
    site(request).limits.take("command", str(caller(request).person.id), limits.COMMANDS)
    words = request.query.get("words", "")[:100].lower().split()
    t = texts_of(request)
    found = [{"title": t(key), "note": t("finder.page"), "href": href} for href, key in PLACES]
    if words:
        found += await ask(request, _things, t, clock.now())
    matching = [
        one for one in found if all(word in f"{one['title']} {one['note']}".lower() for word in words)
    ]
    return web.json_response({"ok": True, "found": matching[:MOST]})


def _things(reader: Reader, person: Person, t: Texts, at: datetime) -> list[dict[str, Any]]:
    boxes = [cases.requests_inbox(reader, person, box)["rows"] for box in cases.boxes_of(person)]
    lines = {row["id"]: row for rows in boxes for row in rows}
    found = [
        {
            "title": f"{row['number'] or t('request.draft')} · {row['patient']}".strip(" ·"),
            "note": t("finder.case"),
            "href": f"/requests/{row['id']}",
        }
        for row in lines.values()
    ]
    found += [
        {
            "title": f"{t('kind.' + row['kind'])} № {row['number']}",
            "note": f"{t('finder.consilium')}, {t.moment(row['scheduled_at'])}",
            "href": f"/consilia/{row['id']}",
        }
        for rows in consilia.consilia_list(reader, person, at).values()
        for row in rows
    ]
    if "admin" in person.duties:
        found += [
            {"title": one["name"], "note": f"{t('finder.person')}, {one['position']}", "href": "/people"}
            for one in directory.people_page(reader, person, at)
        ]
    return found
