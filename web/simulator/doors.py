"""What the registry's doors share: where its parts lie in the application, and how a door misbehaves."""

from __future__ import annotations

import asyncio

from aiohttp import web

from consilium.filing import wire
from consilium.filing.profile import Profile
from web.simulator.archive import Archive
from web.simulator.desk import Desk
from web.simulator.modes import Mode

DESK = web.AppKey("desk", Desk)
ARCHIVE = web.AppKey("archive", Archive)
PROOF = web.AppKey("proof", wire.Proof)
PROFILE = web.AppKey("profile", Profile)


def hang_up(request: web.Request) -> web.Response:
    """End the connection without a word: what was taken stays taken."""
    if request.transport is not None:
        request.transport.abort()
    return web.Response(status=500)


async def misbehave(mode: Mode) -> web.Response | None:
    """What a registry does before it has read anything."""
    if mode.name == "down":
        return web.Response(status=503, headers={"Retry-After": "1"})
    if mode.name == "garbage":
        return web.Response(text="<html><body>It works!</body></html>", content_type="text/html")
    if mode.name == "slow":
        await asyncio.sleep(mode.seconds)
    return None
