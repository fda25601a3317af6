"""Who decides and who works here: bodies, routes, kinds with their rules; people of the organisation."""

from __future__ import annotations

from aiohttp import web

from consilium import clock
from consilium.errors import Forbidden
from consilium.queries import directory as queries
from consilium.rules import kinds
from web.pages.asking import ask
from web.pages.told import rule_lines
from web.render import page
from web.site import caller, texts_of


async def bodies(request: web.Request) -> web.StreamResponse:
    """Standing commissions, the rules of every kind, routes in and out."""
    t = texts_of(request)
    found = await ask(request, queries.bodies_page, clock.now())
    rules = [(code, [line["text"] for line in rule_lines(t, code)]) for code in kinds.KINDS]
    return page(request, "pages/bodies.html", {**found, "kinds": rules})


async def people(request: web.Request) -> web.StreamResponse:
    """People of the own organisation; administrators add them."""
    if not caller(request).has("admin"):
        raise Forbidden("forbidden")
    found = await ask(request, queries.people_page, clock.now())
    own = await ask(request, queries.own_organisation)
    return page(request, "pages/people.html", {"people": found, "organisation": own})
