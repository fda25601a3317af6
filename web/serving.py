"""Serve an application until SIGTERM or SIGINT, and be gone within two seconds.

aiohttp waits up to a minute for connections by default, which leaves web sockets on a dying process while clients
believe that they are live: one second is all they get.
"""

from __future__ import annotations

import asyncio
import logging
import signal
import ssl

from aiohttp import web

from consilium.settings import Settings

log = logging.getLogger(__name__)

SHUTDOWN = 1.0


def serve(app: web.Application, settings: Settings) -> None:
    """Block until told to end. Raises OSError when the address is taken."""
    asyncio.run(_serve(app, settings))


async def _serve(app: web.Application, settings: Settings) -> None:
    ending = asyncio.Event()
    loop = asyncio.get_running_loop()
    for each in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(each, ending.set)
    runner = web.AppRunner(
        app, access_log=None, shutdown_timeout=SHUTDOWN, keepalive_timeout=75.0, handler_cancellation=False
    )
    await runner.setup()
    try:
        site = web.TCPSite(
            runner, settings.host, settings.port, ssl_context=tls(settings), backlog=512, reuse_address=True
        )
        await site.start()
        log.info("serving.started", extra={"host": settings.host, "port": settings.port})
        await ending.wait()
    finally:
        await runner.cleanup()
        log.info("serving.ended")


def tls(settings: Settings) -> ssl.SSLContext | None:
    """TLS 1.2 and newer with the installation's certificate, or None for plain HTTP."""
    if settings.tls_cert is None or settings.tls_key is None:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(settings.tls_cert, settings.tls_key)
    return context
