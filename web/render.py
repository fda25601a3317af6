"""Pages: Jinja2 with autoescape, the asker's language and theme, and the digests of static files."""

from __future__ import annotations

import hashlib
import json
import re
from datetime import timedelta
from functools import lru_cache
from pathlib import Path
from typing import Any

from aiohttp import web
from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape
from markupsafe import Markup, escape

from consilium import clock
from web.i18n import ZONE
from web.site import CALLER, site, texts_of

HERE = Path(__file__).parent
STATIC = HERE / "static"
SCRIPT_TEXTS = ("script.", "client.findings.", "client.outcome.")
_NUMBER = re.compile(r"((?:№|No\.) )(?=\S+$)")


def environment() -> Environment:
    """Templates of this edge: every value is escaped, an unknown name is an error."""
    made = Environment(
        loader=FileSystemLoader(HERE / "templates"),
        autoescape=select_autoescape(default=True, default_for_string=True),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    made.globals.update(static=static, script=script, built=built, timedelta=timedelta)
    made.filters.update(initials=initials, groups=groups, data=data, snils=snils, whole=whole)
    return made


def page(request: web.Request, template: str, values: dict[str, Any]) -> web.Response:
    """Render a page for who asks. Values come from queries; nothing in them is trusted as HTML."""
    t, found, parts = texts_of(request), request.get(CALLER), site(request)
    at = clock.now()
    body = parts.templates.get_template(template).render(
        **values,
        t=t,
        at=at,
        me=found,
        path=request.path,
        demo=parts.settings.demo,
        theme=found.person.theme if found else request.cookies.get("consilium-theme", "auto"),
        near=lambda moment: t.near(moment, at),
        page_data=_page_data(t.language, t.part(SCRIPT_TEXTS), found),
    )
    return web.Response(text=body, content_type="text/html", charset="utf-8")


def _page_data(language: str, texts: dict[str, Any], found: Any) -> dict[str, Any]:
    person = found.person if found else None
    return {
        "language": language,
        "person": str(person.id) if person else None,
        "name": person.full_name if person else None,
        "offset": _offset(),
        "texts": texts,
    }


def _offset() -> str:
    """Of the installation's wall clock, as `+03:00`."""
    plain = clock.now().astimezone(ZONE).strftime("%z")
    return f"{plain[:3]}:{plain[3:]}"


def data(value: Any) -> Markup:
    """JSON for a `<script type="application/json">`: nothing in it can end the element."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=str)
    return Markup(text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029"))  # noqa: S704 - escaped above


def static(path: str) -> str:
    """Address of a static file with its digest, so that it may be kept for ever."""
    return f"/static/{path}?v={_digest(path, _stamp(STATIC / path))}"


def script(name: str) -> str:
    """Address of a bundle made from web/client: `pages/request`, `room`, `check`."""
    return static(f"dist/{name}.js")


def built(name: str) -> bool:
    """Whether the bundler made this file."""
    return (STATIC / "dist" / name).is_file()


@lru_cache(maxsize=256)
def _digest(path: str, stamp: tuple[int, int]) -> str:
    if stamp == (0, 0):
        return "0"
    return hashlib.sha256((STATIC / path).read_bytes()).hexdigest()[:12]


def _stamp(path: Path) -> tuple[int, int]:
    try:
        found = path.stat()
    except FileNotFoundError:
        return (0, 0)
    return (found.st_mtime_ns, found.st_size)


def initials(name: str) -> str:
    """«Иванова Мария Петровна» -> «ИМ»: for the circle beside a name."""
    return "".join(part[0] for part in name.split()[:2]).upper()


def snils(digits: str) -> str:
    """`12345678901` -> `123-456-789 01`."""
    if len(digits or "") != 11:
        return digits or ""
    return f"{digits[:3]}-{digits[3:6]}-{digits[6:9]} {digits[9:]}"


def whole(words: str) -> Markup:
    """«Протокол № 2026-00003» with its number on one line: a browser breaks lines after a hyphen."""
    head, sign, number = _NUMBER.split(words, maxsplit=1) if _NUMBER.search(words) else (words, "", "")
    return Markup('{}<span class="nowrap">{}{}</span>').format(head, sign, number) if sign else escape(head)


def groups(digest: str, size: int = 8) -> str:
    """A digest in groups people can compare."""
    return " ".join(digest[at : at + size] for at in range(0, len(digest), size))
