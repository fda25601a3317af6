"""The registry simulator's HTTP: a registry for this product, and a page for whoever wants to watch it.

POST /register         metadata and signatures in, {messageId} out; idempotent by the Idempotency-Key header
GET  /documents/{key}  what is known under a key (signed like a registration)
GET  /documents.json   what it holds, for tests: no patient data
GET  /                 the same for people; POST /mode changes the behaviour
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import msgspec
from aiohttp import web
from aiohttp.typedefs import Handler

from consilium.clock import now
from consilium.filing import wire
from web.simulator.archive import Archive, DuplicateError, Entry
from web.simulator.checks import error
from web.simulator.desk import Desk, answer_of
from web.simulator.modes import Mode, UnknownModeError, parse_mode
from web.simulator.page import render_page

SECURITY_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; base-uri 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulatorSettings:
    """What the simulator is told. `product_bases` are the only addresses it pulls from and calls back."""

    data_dir: Path
    secret: bytes = field(repr=False)
    product_bases: tuple[str, ...]
    mode: Mode = field(default_factory=lambda: Mode("ok"))
    own_signers_only: bool = False


DESK = web.AppKey("desk", Desk)
ARCHIVE = web.AppKey("archive", Archive)


def create_app(settings: SimulatorSettings) -> web.Application:
    """The application; its desk works from start-up to clean-up."""
    app = web.Application(client_max_size=wire.MAX_REGISTRATION_BYTES, middlewares=[_safe_headers])
    app[ARCHIVE] = Archive(settings.data_dir / "registry.sqlite3")
    app[DESK] = Desk(
        archive=app[ARCHIVE],
        secret=settings.secret,
        product_bases=settings.product_bases,
        mode=settings.mode,
        own_signers_only=settings.own_signers_only,
    )
    app.add_routes(
        [
            web.get("/", show),
            web.get("/documents.json", listing),
            web.get("/documents/{key:[0-9a-f]{64}}", find),
            web.post("/register", register),
            web.post("/mode", change_mode),
        ]
    )
    app.on_startup.append(_start)
    app.on_cleanup.append(_stop)
    return app


async def _start(app: web.Application) -> None:
    app[DESK].start()


async def _stop(app: web.Application) -> None:
    await app[DESK].close()
    app[ARCHIVE].close()


@web.middleware
async def _safe_headers(request: web.Request, handler: Handler) -> web.StreamResponse:
    response = await handler(request)
    response.headers.update(SECURITY_HEADERS)
    return response


def _json(message: msgspec.Struct, status: int = 200) -> web.Response:
    return web.Response(body=wire.encode(message), status=status, content_type="application/json")


def _refuse(status: int, code: str, number: int, message: str) -> web.Response:
    return _json(wire.Refusal(errors=[error(code, number, message)]), status)


async def register(request: web.Request) -> web.Response:
    """Take a registration, or behave as the mode says."""
    desk = request.app[DESK]
    if early := await _misbehave(desk.mode):
        return early
    body = await request.read()
    key = request.headers.get(wire.KEY_HEADER, "")
    try:
        wire.check(request.headers, desk.secret, "register", key, body, now())
        one = msgspec.json.decode(body, type=wire.Registration)
    except wire.WireError as refused:
        return _refuse(401, "ACCESS_DENIED", 1, refused.code)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return _refuse(400, "VALIDATION_ERROR", 49, "Запрос не соответствует схеме")
    if key != one.idempotency_key:
        return _refuse(400, "VALIDATION_ERROR", 49, "Ключ в заголовке отличается от ключа в запросе")
    for url in (one.pull_url, one.callback_url):
        if not wire.under_allowed_base(url, desk.product_bases):
            return _refuse(422, "NO_RMIS", 19, "Адрес системы не зарегистрирован в реестре")
    try:
        entry = await asyncio.to_thread(request.app[ARCHIVE].receive, one, now())
    except DuplicateError:
        return _refuse(409, "NOT_UNIQUE_PROVIDED_ID", 25, "Документ с указанным идентификатором уже есть")
    desk.wake()
    return _json(wire.Ack(message_id=entry.message_id), 202)


async def _misbehave(mode: Mode) -> web.Response | None:
    if mode.name == "down":
        return web.Response(status=503, headers={"Retry-After": "1"})
    if mode.name == "garbage":
        return web.Response(text="<html><body>It works!</body></html>", content_type="text/html")
    if mode.name == "refuse":
        return _refuse(422, mode.value, 0, "Отказ по заказу испытателя")
    if mode.name == "slow":
        await asyncio.sleep(mode.seconds)
    return None


async def find(request: web.Request) -> web.Response:
    """What is known under a key; 404 when nothing is."""
    desk, key = request.app[DESK], request.match_info["key"]
    if desk.mode.name == "down":
        return web.Response(status=503, headers={"Retry-After": "1"})
    try:
        wire.check(request.headers, desk.secret, "find", key, b"", now())
    except wire.WireError as refused:
        return _refuse(401, "ACCESS_DENIED", 1, refused.code)
    entry = await asyncio.to_thread(request.app[ARCHIVE].find, key)
    if entry is None:
        return _refuse(404, "REGISTRY_ITEM_NOT_FOUND", 37, "Запись не найдена")
    if entry.status == "received":
        return _json(wire.Found(status="pending", message_id=entry.message_id))
    answer = answer_of(entry)
    return _json(
        wire.Found(
            status=answer.status,
            message_id=entry.message_id,
            registry_item=answer.registry_item,
            errors=answer.errors,
        )
    )


async def listing(request: web.Request) -> web.Response:
    """Everything held, without patient data."""
    entries = await asyncio.to_thread(request.app[ARCHIVE].entries)
    return web.json_response(
        {"mode": str(request.app[DESK].mode), "documents": [_line(one) for one in entries]}
    )


def _line(entry: Entry) -> dict[str, object]:
    one = entry.registration
    return {
        "key": entry.key,
        "localUid": str(one.local_uid),
        "version": one.version,
        "kind": one.kind.code,
        "number": one.document_number,
        "organization": one.organization,
        "sha256": one.document_digest,
        "signatures": len(one.personal_signatures),
        "status": entry.status,
        "emdrId": entry.emdr_id,
        "errors": [found.code for found in entry.errors],
        "callbacks": entry.callbacks,
        "size": entry.size,
    }


async def show(request: web.Request) -> web.Response:
    """The page for people."""
    entries = await asyncio.to_thread(request.app[ARCHIVE].entries)
    language = "en" if request.query.get("lang") == "en" else "ru"
    page = render_page([_line(one) for one in entries], str(request.app[DESK].mode), language)
    return web.Response(text=page, content_type="text/html")


async def change_mode(request: web.Request) -> web.Response:
    """Change the behaviour: JSON {"mode": "..."} from tests, a form from the page. Foreign pages are refused."""
    origin = request.headers.get("Origin")
    if origin and urlsplit(origin).netloc != request.host:
        return web.Response(status=403, text="bad_origin")
    form = request.content_type != "application/json"
    try:
        text = str((await request.post()).get("mode", "")) if form else str((await request.json())["mode"])
        mode = parse_mode(text)
    except (UnknownModeError, ValueError, TypeError, KeyError) as refused:
        return web.Response(status=422, text=str(refused))
    request.app[DESK].mode = mode
    request.app[DESK].wake()
    if form:
        raise web.HTTPSeeOther("/")
    return web.json_response({"mode": str(mode)})
