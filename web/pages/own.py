"""Sign-in, one's own settings, and the state of the installation."""

from __future__ import annotations

from collections import defaultdict
from typing import Any
from urllib.parse import quote

from aiohttp import web

from consilium import clock
from consilium.errors import Forbidden
from consilium.queries import directory
from web import health as looks
from web.errors import redirect
from web.i18n import Texts, known
from web.pages.asking import ask
from web.render import page
from web.site import CALLER, LANGUAGE_COOKIE, caller, site, texts_of

YEAR = 365 * 24 * 3600


async def sign_in(request: web.Request) -> web.StreamResponse:
    """The form; `?language=` is kept in a cookie until somebody has signed in, and becomes his own."""
    target = local_path(request.query.get("next", "/"))
    if request.get(CALLER) is not None:
        raise web.HTTPSeeOther(target)
    keep = f"&next={quote(target, safe='/')}" if target != "/" else ""
    if response := kept_language(request, f"/sign-in?{keep.lstrip('&')}" if keep else "/sign-in"):
        return response
    accounts, password = _demonstration(request)
    chosen = known(request.cookies.get(LANGUAGE_COOKIE))
    values = {"next": target, "keep": keep, "chosen": chosen, "accounts": accounts, "password": password}
    return page(request, "sign-in.html", values)


def kept_language(request: web.Request, target: str) -> web.Response | None:
    """To `target`, with the language of `?language=` kept for who has not signed in; None where none is asked."""
    chosen = known(request.query.get("language"))
    if chosen is None:
        return None
    response = redirect(target)
    secure = site(request).settings.public_origin.startswith("https://")
    response.set_cookie(
        LANGUAGE_COOKIE, chosen, max_age=YEAR, path="/", httponly=True, samesite="Lax", secure=secure
    )
    return response


def local_path(wanted: str) -> str:
    """A path of our own site, or the start page: never an address somebody else chose (S17)."""
    plain = wanted.isprintable() and wanted.startswith("/") and not wanted.startswith(("//", "/\\"))
    return wanted if plain and len(wanted) < 500 and "\\" not in wanted else "/"


def _demonstration(request: web.Request) -> tuple[list[tuple[str, list[dict[str, str]]]], str]:
    """Accounts by organisation, in demonstration mode alone."""
    if not site(request).settings.demo:
        return [], ""
    from consilium import demo

    russian = texts_of(request).language == "ru"
    grouped: dict[str, list[dict[str, str]]] = defaultdict(list)
    for one in demo.ACCOUNTS:
        duty = one.duty.partition(" / ")[0 if russian else 2]
        line = {"login": one.login, "name": one.name, "position": duty or one.duty}
        grouped[demo.ORGANISATIONS[one.organisation].name].append(line)
    return list(grouped.items()), demo.PASSWORD


async def settings(request: web.Request) -> web.StreamResponse:
    """Language, theme, certificates, password."""
    certificates = await ask(request, directory.own_certificates, clock.now())
    return page(request, "pages/settings.html", {"certificates": certificates})


async def health(request: web.Request) -> web.StreamResponse:
    """What is wrong with the installation, in words, for operators and administrators."""
    who = caller(request)
    if not (who.has("operator") or who.has("admin")):
        raise Forbidden("forbidden")
    report = await looks.report(site(request))
    parts = site(request)
    official = await parts.pool.call(parts.service.parts.installed.official)
    guides = ", ".join(official.guides) if official else ""
    values = {"report": report, "looks": _told(texts_of(request), report), "guides": guides}
    return page(request, "pages/health.html", values)


def _told(t: Texts, report: dict[str, Any]) -> list[tuple[str, bool, str]]:
    lines = []
    for name in ("database", "media", "worker", "registry", "disk"):
        look = report.get(name)
        if look is not None:
            lines.append((name, bool(look["ok"]), _line(t, name, look)))
    return lines


def _line(t: Texts, name: str, look: dict[str, Any]) -> str:
    if name == "database":
        return t("health.database.line", kind=look["kind"]) if look["ok"] else t("health.database.down")
    if name == "media":
        state = t("health.media.line" if look["ok"] else "health.media.down")
        return " ".join([state, *(_relay(t, one) for one in look["relays"])])
    if name == "worker":
        return t("health.worker.line", waiting=look["waiting"], late=look["late_seconds"], dead=look["dead"])
    if name == "disk":
        return t("health.disk.line", free=t.size(look["free_bytes"]))
    filings = dict.fromkeys(("queued", "waiting", "registered", "rejected", "dead"), 0) | look["filings"]
    return t("health.registry.line", **filings)


def _relay(t: Texts, one: dict[str, Any]) -> str:
    if not one["ok"]:
        return t("health.media.silent", worker=one["worker"])
    path = "python" if one["forwarder"] != "compiled" else "realtime" if one["realtime"] else "compiled"
    forwarder = t(f"health.forwarder.{path}")
    return t(
        "health.media.worker",
        worker=one["worker"],
        forwarder=forwarder,
        rooms=one["rooms"],
        people=one["people"],
        capacity=one["capacity"],
    )


async def icon(request: web.Request) -> web.StreamResponse:
    """Browsers ask for it unasked."""
    raise web.HTTPMovedPermanently("/static/icons/mark.svg")
