"""Sign in, sign out, and the ticket that opens one socket."""

from __future__ import annotations

from uuid import UUID

from aiohttp import web

from consilium import clock
from consilium.errors import Invalid
from consilium.store.sessions import TICKET_LIFE
from web import auth, limits
from web.api import parsing
from web.site import LANGUAGE_COOKIE, caller, site

LONGEST = 300


async def begin(request: web.Request) -> web.StreamResponse:
    """`{login, password}` -> a session with a new id; what was signed in before in this browser ends."""
    parts = site(request)
    address = request.remote or "unknown"
    parts.limits.take("sign-in", address, limits.SIGN_IN)
    body = await parsing.body_of(request)
    login, password = body.get("login"), body.get("password")
    if (
        not isinstance(login, str)
        or not isinstance(password, str)
        or max(len(login), len(password)) > LONGEST
    ):
        raise Invalid("invalid_message")
    user_agent = request.headers.get("User-Agent", "")
    attempt = auth.SignIn(
        login=login.strip().lower(), password=password, address=address, user_agent=user_agent
    )
    store = parts.service.parts.store
    former = await auth.caller_of(request)
    token = await parts.pool.call(auth.sign_in, store, attempt, parts.settings, clock.now())
    if former is not None:
        await parts.pool.call(auth.sign_out, store, former, clock.now())
    response = web.json_response({"ok": True})
    response.del_cookie(LANGUAGE_COOKIE, path="/")
    _keep(response, request, token)
    return response


async def end(request: web.Request) -> web.StreamResponse:
    """Sign out."""
    parts = site(request)
    await parts.pool.call(auth.sign_out, parts.service.parts.store, caller(request), clock.now())
    response = web.json_response({"ok": True})
    response.headers["Clear-Site-Data"] = '"cache"'
    secure = auth.secure(parts.settings)
    response.del_cookie(
        auth.cookie_name(parts.settings), path="/", secure=secure, httponly=True, samesite="Lax"
    )
    return response


async def ticket(request: web.Request) -> web.StreamResponse:
    """`{consilium?}` -> `{ticket, expires_in, person, organisation}` for one connection of this person."""
    parts, who = site(request), caller(request)
    parts.limits.take("command", str(who.person.id), limits.COMMANDS)
    consilium = _consilium(await parsing.body_of(request))
    token = await parts.pool.call(auth.new_ticket, parts.service.parts.store, who, consilium, clock.now())
    answer = {
        "ticket": token,
        "expires_in": int(TICKET_LIFE.total_seconds()),
        "person": str(who.person.id),
        "organisation": str(who.person.organisation_id),
    }
    return web.json_response({"ok": True, **answer})


def _consilium(body: dict[str, object]) -> UUID | None:
    wanted = body.get("consilium")
    if wanted is None:
        return None
    try:
        return UUID(str(wanted))
    except ValueError:
        raise Invalid("invalid_field", field="consilium") from None


def _keep(response: web.Response, request: web.Request, token: str) -> None:
    settings = site(request).settings
    response.set_cookie(
        auth.cookie_name(settings),
        token,
        max_age=settings.session_hours * 3600,
        path="/",
        httponly=True,
        secure=auth.secure(settings),
        samesite="Lax",
    )
