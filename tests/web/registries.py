"""A product and a registry simulator as two real servers in one loop, and the worker's steps between them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from uuid import UUID

from aiohttp.test_utils import TestServer, unused_port

from consilium import bootstrap, registering
from consilium.filing.registries import proof_of
from consilium.model import FilingStatus
from consilium.settings import Settings
from tests.people import World, authority_beside, loaded
from web.app import make_app
from web.simulator.authority_desk import Desk as AuthorityDesk
from web.simulator.desk import Desk
from web.simulator.doors import DESK
from web.simulator.modes import parse_mode
from web.simulator.server import SimulatorSettings, create_app

WITHIN = 30.0


@dataclass
class Pair:
    """Both sides. `file` is one step of the product's worker."""

    world: World
    desk: Desk
    product: TestServer
    registry: TestServer

    async def file(self, protocol: UUID) -> Any:
        payload = {"protocol": str(protocol)}
        return await asyncio.to_thread(registering.file_protocol, self.world.parts, payload)

    async def settled(self) -> None:
        """The registry has nothing left to do now."""
        self.desk.wake()
        await asyncio.wait_for(self.desk.idle.wait(), WITHIN)

    async def status(self, protocol: UUID) -> FilingStatus:
        return (await asyncio.to_thread(self.world.protocol, protocol)).filing


def addressed(settings: Settings, **changes: Any) -> tuple[Settings, int]:
    """Settings whose product and registry are on free ports; the second is the product's."""
    product, registry = unused_port(), unused_port()
    made = replace(
        settings,
        public_origin=f"http://127.0.0.1:{product}",
        registry_url=f"http://127.0.0.1:{registry}",
        registry_port=registry,
        **changes,
    )
    return made, product


@asynccontextmanager
async def pair(settings: Settings, folder: Path, mode: str = "ok", **changes: Any) -> AsyncIterator[Pair]:
    """Both servers running on `settings`; `changes` are the product's further settings."""
    with authority_beside(settings) as (proven, authority):
        own, port = addressed(proven, **changes)
        async with _both(own, port, folder, mode, authority) as both:
            yield both


@asynccontextmanager
async def _both(
    own: Settings, port: int, folder: Path, mode: str, authority: AuthorityDesk
) -> AsyncIterator[Pair]:
    parts = await asyncio.to_thread(bootstrap.build, own)
    world = await asyncio.to_thread(loaded, parts, authority)
    told = SimulatorSettings(
        data_dir=folder / "registry",
        secret=proof_of(own).secret,
        token=own.registry_token or "",
        product_bases=(own.public_origin,),
        mode=parse_mode(mode),
    )
    app = create_app(told)
    product, registry = (
        TestServer(make_app(world.service, own), port=port),
        TestServer(app, port=own.registry_port),
    )
    await product.start_server()
    await registry.start_server()
    try:
        yield Pair(world, app[DESK], product, registry)
    finally:
        await registry.close()
        await product.close()
        await asyncio.to_thread(parts.close)
