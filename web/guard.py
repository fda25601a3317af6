"""What stands before every route: security headers, the origin check, limits, the session.

Headers are set when a response is prepared, so that errors and static files carry them too.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from aiohttp import hdrs, web

from consilium.errors import Forbidden, Unauthenticated
from web import auth, limits
from web.site import CALLER, site

SAFE = frozenset({hdrs.METH_GET, hdrs.METH_HEAD})
OWN_HEADER = "X-Consilium"
PERMISSIONS = (
    "camera=(self), microphone=(self), display-capture=(self), fullscreen=(self), speaker-selection=(self), "
    "geolocation=(), payment=(), usb=(), serial=(), midi=(), browsing-topics=()"
)
# Routes anybody may ask without a session; everything else is for signed-in people. A socket proves itself by
# its single-use ticket (signaling/server.py), which only a session gets.
PUBLIC = frozenset(
    {"/sign-in", "/api/session.begin", "/health", "/metrics", "/authority/crl", "/registry/callback", "/registry/soap",
     "/favicon.ico", "/registry/documents/{local_uid}", "/check/{id}", "/static", "/socket.io/"}
)  # fmt: skip
# Machines authenticate these by HMAC over the body; there is no browser and no cookie.
MACHINES = frozenset({"/registry/callback", "/registry/soap"})
DOORS = MACHINES | {"/registry/documents/{local_uid}"}


def policy(origin: str) -> str:
    """The content security policy: scripts and styles from our own files alone, sockets to ourselves."""
    parts = urlsplit(origin)
    socket = f"{'wss' if parts.scheme == 'https' else 'ws'}://{parts.netloc}"
    return (
        "default-src 'self'; script-src 'self'; style-src 'self'; font-src 'self'; "
        f"img-src 'self' blob: data:; media-src 'self' blob:; connect-src 'self' {socket}; "
        "worker-src 'self'; object-src 'none'; frame-src 'none'; base-uri 'none'; form-action 'self'; "
        "frame-ancestors 'none'"
    )


async def set_headers(request: web.Request, response: web.StreamResponse) -> None:
    """on_response_prepare: on every response, whoever made it. A stricter policy already set stays."""
    settings = site(request).settings
    headers = response.headers
    headers.setdefault("Content-Security-Policy", policy(settings.public_origin))
    headers["X-Content-Type-Options"] = "nosniff"
    headers["Referrer-Policy"] = "no-referrer"
    headers["Cross-Origin-Opener-Policy"] = "same-origin"
    headers["Cross-Origin-Resource-Policy"] = "same-origin"
    headers["Permissions-Policy"] = PERMISSIONS
    headers["X-Frame-Options"] = "DENY"
    headers.setdefault("Cache-Control", "no-store")
    if settings.public_origin.startswith("https://"):
        headers["Strict-Transport-Security"] = "max-age=31536000"
    headers.popall("Server", None)


@web.middleware
async def admission(request: web.Request, handler: Any) -> web.StreamResponse:
    """Limits, origin, session: in this order, the cheapest first."""
    pattern = route_pattern(request)
    who = request.remote or "unknown"
    if pattern in DOORS:
        site(request).limits.take("machine", who, limits.MACHINES)
    elif pattern != "/static":
        site(request).limits.take("page", who, limits.PAGES)
    if request.method not in SAFE and pattern not in MACHINES:
        check_origin(request)
    # Files of ours and sockets need no session: no query is spent on them.
    found = None if pattern in {"/static", "/socket.io/"} else await auth.caller_of(request)
    if found is not None:
        request[CALLER] = found
    elif pattern is not None and pattern not in PUBLIC:
        raise Unauthenticated("not_signed_in")
    response: web.StreamResponse = await handler(request)
    return response


def check_origin(request: web.Request) -> None:
    """A change comes from our own pages: exact Origin, and a header no foreign form can set (S12)."""
    own = site(request).settings.public_origin
    if request.headers.get(hdrs.ORIGIN) != own or request.headers.get(OWN_HEADER) != "1":
        raise Forbidden("bad_origin")


def route_pattern(request: web.Request) -> str | None:
    """The pattern of the matched route (`/requests/{id}`), None when nothing matched."""
    resource = request.match_info.route.resource
    return None if resource is None else resource.canonical


async def keep_static(request: web.Request, response: web.StreamResponse) -> None:
    """on_response_prepare: files asked for by digest never change; others are asked for again each time."""
    if route_pattern(request) != "/static" or response.status >= 400:
        return
    kept = "v" in request.query or request.path.startswith("/static/dist/chunks/")
    response.headers["Cache-Control"] = "public, max-age=31536000, immutable" if kept else "no-cache"
