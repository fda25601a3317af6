"""The web part: one list of routes, three middlewares, every page and every API address of the product.

    make_app(service, settings)  ->  aiohttp Application, ready for `serving.run`

`ROUTES` is the whole surface; tests walk it against every role and fail when a route is not in their table.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import NamedTuple

from aiohttp import web

from consilium.service import Service
from consilium.settings import Settings
from web import errors, guard, render
from web.api import (
    calendar,
    checking,
    commands,
    documents,
    files,
    finding,
    health,
    metrics,
    nsi,
    particulars,
    recordings,
    registry,
    session,
)
from web.limits import Limits
from web.pages import (
    authenticity,
    consilia,
    day,
    directory,
    exchange,
    filings,
    own,
    protocols,
    quality,
    register,
    requests,
    room,
    signing,
)
from web.pool import Pool
from web.site import SESSIONS_SEEN, SITE, Site

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

BODY_LIMIT = 512 * 1024


class Route(NamedTuple):
    """One address."""

    method: str
    path: str
    handler: Handler


ROUTES: tuple[Route, ...] = (
    # pages
    Route("GET", "/", day.my_day),
    Route("GET", "/sign-in", own.sign_in),
    Route("GET", "/settings", own.settings),
    Route("GET", "/requests", requests.inbox),
    Route("GET", "/requests/new", requests.new),
    Route("GET", "/requests/{id}", requests.one),
    Route("GET", "/journal/{id}", requests.journal),
    Route("GET", "/consilia", consilia.all_of_mine),
    Route("GET", "/consilia/new", consilia.new),
    Route("GET", "/consilia/{id}", consilia.one),
    Route("GET", "/consilia/{id}/check", room.check),
    Route("GET", "/room/{id}", room.room),
    Route("GET", "/protocols/{id}", protocols.one),
    Route("GET", "/signing", signing.desk),
    Route("GET", "/check/{id}", authenticity.one),
    Route("GET", "/bodies", directory.bodies),
    Route("GET", "/register", register.one),
    Route("GET", "/register/export.{format}", register.export),
    Route("GET", "/exchange", exchange.one),
    Route("GET", "/filings", filings.all_of_ours),
    Route("GET", "/filings/{id}", filings.one),
    Route("GET", "/people", directory.people),
    Route("GET", "/health.page", own.health),
    Route("GET", "/quality", quality.media),
    # commands and questions of scripts
    Route("POST", "/api/session.begin", session.begin),
    Route("POST", "/api/session.end", session.end),
    Route("POST", "/api/room.ticket", session.ticket),
    Route("POST", "/api/document.upload", files.upload),
    Route("GET", "/api/find", finding.find),
    Route("GET", "/api/protocol.document/{id}", documents.protocol_document),
    Route("GET", "/api/protocol.status/{id}", documents.protocol_status),
    Route("GET", "/api/dissent.document/{id}/{dissent}", documents.dissent_document),
    Route("POST", "/api/protocol.check", checking.check),
    Route("GET", "/api/nsi/{dictionary}", nsi.search),
    Route("GET", "/api/protocol.particulars/{id}", particulars.shown),
    Route("POST", "/api/{name}", commands.command),
    # files
    Route("GET", "/files/{case}/{document}", files.download),
    Route("GET", "/requests/{id}/referral.xml", documents.referral_document),
    Route("GET", "/packages/{id}.asice", documents.package),
    Route("GET", "/recordings/{id}/{segment}", recordings.download),
    Route("GET", "/consilium/{id}.ics", calendar.invitation),
    # machines
    Route("GET", "/health", health.health_json),
    Route("GET", "/metrics", metrics.metrics_text),
    Route("POST", "/registry/callback", registry.callback),
    Route("POST", "/registry/soap", registry.soap_message),
    Route("GET", "/registry/documents/{local_uid}", registry.document),
    Route("GET", "/authority/crl", documents.revocation_list),
    Route("GET", "/favicon.ico", own.icon),
)


def make_app(service: Service, settings: Settings) -> web.Application:
    """The application. Whoever serves it closes the service; the app closes its own pool."""
    app = web.Application(
        middlewares=[errors.funnel, guard.admission], client_max_size=BODY_LIMIT, client_max_fields=64
    )
    pool = Pool(settings.db_pool)
    app[SITE] = Site(
        settings=settings, service=service, pool=pool, limits=Limits(), templates=render.environment()
    )
    app[SESSIONS_SEEN] = {}
    app[metrics.SOURCES] = []
    app[checking.CHECKING] = checking.Checks()
    for route in ROUTES:
        app.router.add_route(route.method, route.path, route.handler)
        if route.method == "GET":
            app.router.add_route("HEAD", route.path, route.handler)
    render.STATIC.joinpath("dist").mkdir(parents=True, exist_ok=True)
    app.router.add_static("/static", render.STATIC, follow_symlinks=False, append_version=False)
    app.on_response_prepare.append(guard.set_headers)
    app.on_response_prepare.append(guard.keep_static)
    app.on_cleanup.append(_close)
    return app


async def _close(app: web.Application) -> None:
    await app[checking.CHECKING].close()
    app[SITE].pool.close()
