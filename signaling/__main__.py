"""`python -m signaling`: the Socket.IO server as a process of its own (the production shape)."""

from __future__ import annotations

import asyncio
import os
import signal

from aiohttp import web

from consilium import bootstrap, log, metrics
from consilium.settings import Settings
from signaling.metrics import collect
from signaling.server import attach

SHUTDOWN = 1.0


def main() -> None:
    settings = Settings.from_environment()
    log.configure(settings.log_level)
    app = web.Application()
    app.router.add_get("/health", _health)
    signaling = attach(app, bootstrap.service(settings), settings)

    async def figures(request: web.Request) -> web.Response:
        if not metrics.allowed(settings, request.remote, request.headers):
            raise web.HTTPNotFound
        found = metrics.text(await collect(signaling))
        return web.Response(body=found.encode(), headers={"Content-Type": metrics.CONTENT_TYPE})

    app.router.add_get("/metrics", figures)
    asyncio.run(_serve(app, settings))


async def _health(request: web.Request) -> web.Response:
    return web.json_response({"ok": True})


async def _serve(app: web.Application, settings: Settings) -> None:
    """Until SIGTERM; sockets are not waited for (default 60 s would strand them)."""
    ending = asyncio.Event()
    for each in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(each, ending.set)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=SHUTDOWN)
    await runner.setup()
    try:
        port = int(os.environ.get("PORT") or settings.port + 1)
        await web.TCPSite(runner, settings.host, port).start()
        await ending.wait()
    finally:
        await runner.cleanup()


if __name__ == "__main__":
    main()
