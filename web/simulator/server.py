"""The registry simulator's HTTP: a registry for this product, and a page for whoever wants to watch it.

POST /register         metadata and signatures in, {messageId} out; idempotent by the Idempotency-Key header
GET  /documents/{key}  what is known under a key (signed like a registration)
POST /soap             РЭМД's own dialect (soap_door.py); POST /api/smd, GET /api/smd/{id}: a proxy's (proxy_door.py)
GET  /documents.json   what it holds, for tests: no patient data
GET  /                 the same for people; POST /mode changes the behaviour, in JSON also a plan and its shares
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msgspec
from aiohttp import web
from aiohttp.typedefs import Handler

from consilium import clock
from consilium.filing import wire
from consilium.filing.profile import Profile
from web.simulator import proxy_door, soap_door
from web.simulator.archive import Archive, DuplicateError, Entry
from web.simulator.desk import Desk, answer_of
from web.simulator.doors import ARCHIVE, DESK, PROFILE, PROOF, hang_up, misbehave
from web.simulator.modes import Mode, UnknownModeError, parse_mode
from web.simulator.page import render_page
from web.simulator.plan import SHARES, Plan, UnknownShareError, checked_shares
from web.simulator.product import Product
from web.simulator.signatures import error

SECURITY_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; base-uri 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}
BODY_LIMIT = 32 * 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulatorSettings:
    """What the simulator is told. `product_bases` are the only addresses it pulls from and calls back."""

    data_dir: Path
    secret: bytes = field(repr=False)
    product_bases: tuple[str, ...]
    mode: Mode = field(default_factory=lambda: Mode("ok"))
    own_signers_only: bool = False
    token: str = field(default="", repr=False)
    profile: Profile = field(default_factory=Profile)


def create_app(settings: SimulatorSettings) -> web.Application:
    """The application; its desk works from start-up to clean-up."""
    app = web.Application(client_max_size=BODY_LIMIT, middlewares=[_safe_headers])
    app[ARCHIVE] = Archive(settings.data_dir / "filings.sqlite3")
    app[PROOF] = wire.Proof(settings.secret, settings.token)
    app[PROFILE] = settings.profile
    app[DESK] = Desk(
        archive=app[ARCHIVE],
        product=Product(app[PROOF], settings.product_bases, settings.profile),
        mode=settings.mode,
        own_signers_only=settings.own_signers_only,
    )
    _set(app[DESK], settings.mode)
    app.add_routes(
        [
            web.get("/", show),
            web.get("/documents.json", listing),
            web.get("/documents/{key:[0-9a-f]{64}}", find),
            web.post("/register", register),
            web.post(settings.profile.path, soap_door.answer),
            web.post(settings.profile.proxy_path, proxy_door.register),
            web.get(settings.profile.proxy_path + "/{uid:[0-9a-f-]{36}}", proxy_door.find),
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
    body = await request.read()
    key = request.headers.get(wire.KEY_HEADER, "")
    ordered = desk.behaviour("register", key)
    if early := await misbehave(ordered):
        return early
    if ordered.name == "refuse":
        return _refuse(422, ordered.value, 0, "Отказ по заказу испытателя")
    try:
        request.app[PROOF].check(request.headers, "register", key, body, clock.now())
        if len(body) > wire.MAX_REGISTRATION_BYTES:
            return _refuse(400, "VALIDATION_ERROR", 49, "Запрос слишком велик")
        one = msgspec.json.decode(body, type=wire.Registration)
    except wire.WireError as refused:
        return _refuse(401, "ACCESS_DENIED", 1, refused.code)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return _refuse(400, "VALIDATION_ERROR", 49, "Запрос не соответствует схеме")
    if key != one.idempotency_key:
        return _refuse(400, "VALIDATION_ERROR", 49, "Ключ в заголовке отличается от ключа в запросе")
    for url in (one.pull_url, one.callback_url):
        if not wire.under_allowed_base(url, desk.product.bases):
            return _refuse(422, "NO_RMIS", 19, "Адрес системы не зарегистрирован в реестре")
    if ordered.name == "forget":
        return _json(wire.Ack(message_id=f"forgotten-{key[:16]}"), 202)
    try:
        entry = await asyncio.to_thread(request.app[ARCHIVE].receive, one, clock.now())
    except DuplicateError:
        desk.strangers += 1
        return _refuse(409, "NOT_UNIQUE_PROVIDED_ID", 25, "Документ с указанным идентификатором уже есть")
    desk.wake()
    if ordered.name == "drop":
        return hang_up(request)
    return _json(wire.Ack(message_id=entry.message_id), 202)


async def find(request: web.Request) -> web.Response:
    """What is known under a key; 404 when nothing is."""
    desk, key = request.app[DESK], request.match_info["key"]
    ordered = desk.when_asked(key)
    if early := await misbehave(ordered):
        return early
    try:
        request.app[PROOF].check(request.headers, "find", key, b"", clock.now())
    except wire.WireError as refused:
        return _refuse(401, "ACCESS_DENIED", 1, refused.code)
    entry = await asyncio.to_thread(request.app[ARCHIVE].find, key)
    if entry is None or ordered.name == "forget":
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
    """The latest it holds, without patient data; `?limit=` for more than two hundred."""
    limit = request.query.get("limit", "")
    entries = await asyncio.to_thread(request.app[ARCHIVE].entries, int(limit) if limit.isdigit() else 200)
    desk = request.app[DESK]
    told: dict[str, Any] = {"mode": str(desk.mode), "documents": [_line(one) for one in entries]}
    if desk.plan is not None:
        told |= {"shares": dict(desk.plan.shares), "told": dict(desk.plan.told)}
    return web.json_response(told | {"counts": await asyncio.to_thread(request.app[ARCHIVE].counts)})


def _line(entry: Entry) -> dict[str, object]:
    one = entry.registration
    return {
        "key": entry.key,
        "localUid": str(one.local_uid),
        "version": one.version,
        "dialect": entry.dialect,
        "kind": one.kind.code,
        "number": one.document_number,
        "organization": one.organization,
        "sha256": one.document_digest,
        "signatures": len(one.personal_signatures),
        "replaces": next((str(tie.target) for tie in one.associations), ""),
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
    """Change the behaviour: JSON {"mode": "...", "shares": {...}} from tests, a form from the page.

    Foreign pages are refused.
    """
    origin = request.headers.get("Origin")
    if origin and urlsplit(origin).netloc != request.host:
        return web.Response(status=403, text="bad_origin")
    form = request.content_type != "application/json"
    try:
        given: dict[str, Any] = dict(await request.post()) if form else dict(await request.json())
        mode = parse_mode(str(given.get("mode", "")))
        shares = checked_shares(given["shares"]) if "shares" in given and not form else SHARES
    except (UnknownModeError, UnknownShareError, ValueError, TypeError, AttributeError) as refused:
        return web.Response(status=422, text=str(refused))
    _set(request.app[DESK], mode, shares)
    request.app[DESK].wake()
    if form:
        raise web.HTTPSeeOther("/")
    return web.json_response({"mode": str(mode)})


def _set(desk: Desk, mode: Mode, shares: dict[str, float] = SHARES) -> None:
    desk.mode = mode
    desk.plan = Plan(int(mode.value or 1), shares) if mode.name == "plan" else None
