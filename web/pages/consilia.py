"""Consilia: mine, a new one, one with its agenda and people."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

from aiohttp import web

from consilium import clock
from consilium.queries import consilia, signing
from consilium.rules import kinds
from web.i18n import ZONE, Texts
from web.pages.asking import ask
from web.pages.told import meeting_rules, rule_lines
from web.render import page
from web.site import identifier, texts_of

QUARTER = timedelta(minutes=15)


async def all_of_mine(request: web.Request) -> web.StreamResponse:
    """Where the person sits, and what his organisation planned."""
    found = await ask(request, consilia.consilia_list, clock.now())
    groups = [
        ("consilia.next", "consilia.next.none", found["next"]),
        ("consilia.past", "consilia.past.none", found["past"]),
    ]
    return page(request, "pages/consilia.html", {"groups": groups})


async def new(request: web.Request) -> web.StreamResponse:
    """The plan of a consilium, or (`change`) the composition of one that is planned."""
    t = texts_of(request)
    case, change = _given(request, "case"), _given(request, "change")
    plan = await ask(request, consilia.planning_page, case, change, clock.now())
    plan |= {
        "kinds": {code: _kind(t, code) for code in kinds.KINDS},
        "seats": plan["change"]["seats"] if plan["change"] else [],
        "proposed": _proposed(),
    }
    return page(request, "pages/consilium-new.html", {"plan": plan, "roles": list(kinds.ROLES)})


async def one(request: web.Request) -> web.StreamResponse:
    """One consilium: agenda, people, rules, what may be done with it."""
    t = texts_of(request)
    view = await ask(request, consilia.consilium_page, identifier(request), clock.now())
    values = {
        "view": view,
        "ready": await ask(request, signing.board_readiness, identifier(request), clock.now()),
        "rules": meeting_rules(t, view["kind"]),
        "local_time": t.form_moment(view["scheduled_at"]),
    }
    return page(request, "pages/consilium.html", values)


def _given(request: web.Request, name: str) -> UUID | None:
    try:
        return UUID(request.query[name]) if request.query.get(name) else None
    except ValueError:
        raise web.HTTPNotFound from None


def _kind(t: Texts, code: str) -> dict[str, Any]:
    """The rules of a kind for the page's script, and their words."""
    rules = kinds.KINDS[code]
    return {
        "minimum": rules.minimum,
        "required": sorted(rules.required_roles, key=kinds.ROLES.index),
        "allowed": sorted(rules.allowed_roles, key=kinds.ROLES.index),
        "single": [role for role in kinds.ROLES if role in rules.allowed_roles and kinds.single(code, role)],
        "counted": sorted(rules.quorum_roles, key=kinds.ROLES.index),
        "quorum": {
            "numerator": rules.quorum.share_numerator,
            "denominator": rules.quorum.share_denominator,
            "floor": rules.quorum.floor,
            "strict": rules.quorum.strict,
        },
        "needs_body": rules.needs_body,
        "lines": rule_lines(t, code),
    }


def _proposed() -> str:
    """The next quarter of an hour in the installation's zone, for a form's field."""
    local = clock.now().astimezone(ZONE) + QUARTER
    return (local - timedelta(minutes=local.minute % 15)).strftime("%Y-%m-%dT%H:%M")
