"""`python -m web.edge`: pages, API and signaling on one port, for one machine. The one file that imports both."""

from __future__ import annotations

from aiohttp import web

from consilium import bootstrap, log
from consilium.service import Service
from consilium.settings import Settings
from signaling import server
from signaling.metrics import collect
from web import serving
from web.api.metrics import SOURCES
from web.app import make_app


def make_edge(service: Service, settings: Settings) -> web.Application:
    """The web application with the Socket.IO server on `/socket.io`."""
    app = make_app(service, settings)
    signaling = server.attach(app, service, settings)
    app[SOURCES].append(lambda: collect(signaling))
    return app


def main() -> None:
    """Read the settings, build the service, serve."""
    settings = Settings.from_environment()
    log.configure(settings.log_level)
    service = bootstrap.service(settings)
    try:
        serving.serve(make_edge(service, settings), settings)
    finally:
        service.parts.close()


if __name__ == "__main__":
    main()
