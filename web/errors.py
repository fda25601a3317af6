"""The one funnel of this edge: what went wrong -> one answer, JSON for scripts, a page for people.

    ConsiliumError       its status, `{"ok": false, "error": {"code", "message", "details"}}`
    HTTPException 4xx    the code that means the same: not_found, too_large, invalid_message …
    anything else        500 `internal`; the stack goes to the log under the reference shown to the person

A page shows what happened, what is safe and what to do; the code and the reference stand in small print.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from typing import Any
from urllib.parse import quote

from aiohttp import web

from consilium import log as logs
from consilium.errors import ConsiliumError, Forbidden, Invalid, NotFound, TooMany, Unavailable
from web.i18n import Texts
from web.remedies import remedy
from web.render import page
from web.site import CALLER, REFERENCE, language_of, texts_of

log = logging.getLogger(__name__)

JSON_PATHS = ("/api/", "/registry/", "/files/", "/packages/", "/health", "/authority/", "/socket.io")
HTML_PATHS = ("/health.page",)
MOST = 5
"""Findings a sentence names; the page lists all of them."""
WORD = ("not_found", "not_signed_in", "forbidden", "rate_limited", "busy", "storage_full", "internal")


@web.middleware
async def funnel(request: web.Request, handler: Any) -> web.StreamResponse:
    """Outermost middleware: gives the request its reference and answers every failure."""
    request[REFERENCE] = secrets.token_hex(6)
    with logs.bound(request[REFERENCE]):
        try:
            response: web.StreamResponse = await handler(request)
        except asyncio.CancelledError:
            raise
        except Exception as error:  # noqa: BLE001 - the funnel: everything is translated, the unexpected logged
            return answer(request, error)
        return response


def answer(request: web.Request, error: Exception) -> web.StreamResponse:
    """The response for a failure. Redirects and other answers raised as exceptions pass unchanged."""
    if isinstance(error, web.HTTPException) and error.status < 400:
        return redirect(error.headers["Location"], error.status)
    refused, status, headers = _translated(error)
    if refused.code == "internal":
        log.error("request.failed", extra={"path": _route_name(request)}, exc_info=error)
        refused.details["ref"] = request[REFERENCE]
    if wants_json(request):
        body = {"ok": False, "error": wire_error(request, refused)}
        return web.json_response(body, status=status, headers=headers)
    return _error_page(request, refused, status, headers)


def redirect(target: str, status: int = 303) -> web.Response:
    """To another page of ours."""
    return web.Response(status=status, headers={"Location": target})


def wire_error(request: web.Request, error: ConsiliumError) -> dict[str, Any]:
    """The one wire shape of a refusal, its sentence in the asker's language."""
    return {"code": error.code, "message": sentence(request, error), "details": _plain(error.details)}


def sentence(request: web.Request, error: ConsiliumError) -> str:
    """What to tell the person: the most particular sentence the catalogue has for the details.

    A field is called by its label; the strict verifier's own sentence (details.sentence) is added to ours, so are
    the things a document lacks (details.missing) and what the state's rules have against it (details.findings).
    """
    t, told = texts_of(request), _plain(error.details)
    keys = [
        f"error.{error.code}.{told[name]}" for name in ("rule", "reason", "field", "status") if name in told
    ]
    key = next((one for one in keys if t.has(one)), f"error.{error.code}")
    if t.has(label := f"field.{str(told.get('field', '')).rpartition('.')[2]}"):
        told["label"] = t(label)
    try:
        said = t(key, **told) if told else t(key).format()
    except (KeyError, IndexError):
        said = t(f"error.{error.code}.plain")
    more = [str(told["sentence"])] if "sentence" in told else []
    if error.code == "signature_refused" and (way := remedy(t, str(told.get("reason", "")))):
        more.append(way)
    return " ".join([said, *more, *_listed(t, told)])


def _listed(t: Texts, told: dict[str, Any]) -> list[str]:
    """`Не хватает: …` of a protocol, and the findings that keep a document from being signed."""
    missing = [t(f"room.missing.{one['code']}") for one in told.get("missing", [])]
    found = [str(one.get(t.language, "")) for one in told.get("findings", [])][:MOST]
    return ([t("error.missing", items="; ".join(missing))] if missing else []) + found


def wants_json(request: web.Request) -> bool:
    """Whether a script asks."""
    path = request.path
    return path.startswith(JSON_PATHS) and not path.startswith(HTML_PATHS)


def _translated(error: Exception) -> tuple[ConsiliumError, int, dict[str, str]]:
    if isinstance(error, ConsiliumError):
        headers = (
            {"Retry-After": str(error.details.get("retry_after", 5))} if error.status in (429, 503) else {}
        )
        return error, error.status, headers
    if isinstance(error, web.HTTPException):
        headers = {"Allow": error.headers["Allow"]} if "Allow" in error.headers else {}
        return _of_status(error.status), error.status, headers
    if isinstance(error, OSError) and error.errno == 28:  # ENOSPC
        return Unavailable("storage_full"), 503, {}
    return Unavailable("internal"), 500, {}


def _of_status(status: int) -> ConsiliumError:
    if status == 404:
        return NotFound()
    by_status: dict[int, ConsiliumError] = {
        403: Forbidden("forbidden"),
        413: Invalid("too_large"),
        429: TooMany("rate_limited"),
    }
    return by_status.get(status) or Invalid("invalid_message")


def _error_page(
    request: web.Request, error: ConsiliumError, status: int, headers: dict[str, str]
) -> web.StreamResponse:
    if error.code in ("not_signed_in", "session_expired"):
        return redirect(f"/sign-in?next={quote(request.rel_url.raw_path, safe='/')}")
    word = error.code if error.code in WORD else "other"
    response = page(
        request,
        "error.html",
        {"error": error, "word": word, "sentence": sentence(request, error), "reference": request[REFERENCE]},
    )
    response.set_status(status)
    response.headers.update(headers)
    return response


def _plain(details: dict[str, Any]) -> dict[str, Any]:
    return {key: value if isinstance(value, str | int | float | bool | list | dict) or value is None else str(value)
            for key, value in details.items()}  # fmt: skip


def _route_name(request: web.Request) -> str:
    resource = request.match_info.route.resource
    return resource.canonical if resource is not None else "unknown"


__all__ = ["CALLER", "answer", "funnel", "language_of", "sentence", "wants_json", "wire_error"]
