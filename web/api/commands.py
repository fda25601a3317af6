"""`POST /api/<noun>.<verb>`: every command that is not the room's, by its wire name."""

from __future__ import annotations

from aiohttp import web

from consilium import clock, commands
from consilium.errors import Invalid
from web import auth, limits
from web.api import parsing
from web.site import caller, site

# `document.open` travels both ways: a page outside the room opens documents too.
BY_POST = {
    name: shape
    for name, shape in commands.WIRE.items()
    if name not in commands.ROOM or name == "document.open"
}


async def command(request: web.Request) -> web.StreamResponse:
    """Do it once; the answer repeats for the same command id."""
    who = caller(request)
    site(request).limits.take("command", str(who.person.id), limits.COMMANDS)
    shape = BY_POST.get(request.match_info["name"])
    if shape is None:
        raise Invalid("unknown_command")
    body = await parsing.body_of(request)
    wanted, wanted_id = parsing.command_of(body, shape), parsing.command_id(body)
    parts = site(request)
    reply = await parts.pool.call(parts.service.handle, wanted, who.actor, wanted_id, clock.now())
    if isinstance(wanted, commands.ChangePassword) and not reply.repeated:
        await parts.pool.call(auth.sign_out_elsewhere, parts.service.parts.store, who, clock.now())
    return web.json_response({"ok": True, **reply.result})
