"""`python -m web`: pages and API alone; signaling is a process of its own behind the same address."""

from __future__ import annotations

from consilium import bootstrap, log
from consilium.settings import Settings
from web import serving
from web.app import make_app


def main() -> None:
    """Read the settings, build the service, serve."""
    settings = Settings.from_environment()
    log.configure(settings.log_level)
    service = bootstrap.service(settings)
    try:
        serving.serve(make_app(service, settings), settings)
    finally:
        service.parts.close()


if __name__ == "__main__":
    main()
