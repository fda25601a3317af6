"""How a page asks: a query of `consilium.queries` with a reader of its own, in a thread."""

from __future__ import annotations

from collections.abc import Callable
from typing import Concatenate, ParamSpec, TypeVar

from aiohttp import web

from consilium.model import Person
from consilium.store import Reader
from web.site import caller, site

P = ParamSpec("P")
T = TypeVar("T")


async def ask(
    request: web.Request,
    query: Callable[Concatenate[Reader, Person, P], T],
    *args: P.args,
    **kwargs: P.kwargs,
) -> T:
    """`query(reader, person, ...)`. Raises NotFound for what this person may not see."""
    parts, person = site(request), caller(request).person

    def run() -> T:
        with parts.service.parts.store.read() as reader:
            return query(reader, person, *args, **kwargs)

    return await parts.pool.call(run)
