"""`python -m web.simulator --port 8090 --data DIR --product http://127.0.0.1:8080 [--mode ok]`.

The secret shared with the product comes from CONSILIUM_REGISTRY_SECRET, or is derived from CONSILIUM_SECRET_KEY as
the product derives it; never from the command line, where every user of the machine could read it.
"""

from __future__ import annotations

import argparse
import logging
import os
import sys
from pathlib import Path

from aiohttp import web

from consilium.filing import wire
from consilium.filing.port import FilingError
from consilium.filing.profile import load
from web.simulator.modes import NAMES, UnknownModeError, parse_mode
from web.simulator.server import SimulatorSettings, create_app

LOG = logging.getLogger(__name__)


def main(arguments: list[str] | None = None) -> int:
    """Serve until interrupted."""
    parser = argparse.ArgumentParser(
        prog="python -m web.simulator", description="A registry that can misbehave."
    )
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8090)
    parser.add_argument("--data", type=Path, required=True, help="folder for its own database")
    parser.add_argument(
        "--product",
        action="append",
        default=[],
        help="base address documents may be pulled from and answers sent to; may be repeated",
    )
    parser.add_argument("--mode", default="ok", help="; ".join(NAMES))
    parser.add_argument(
        "--own-signers-only", action="store_true", help="refuse signers of other organisations"
    )
    options = parser.parse_args(arguments)
    secret = shared_secret()
    if not secret:
        parser.error("set CONSILIUM_REGISTRY_SECRET (at least 16 characters) or CONSILIUM_SECRET_KEY")
    try:
        mode = parse_mode(options.mode)
    except UnknownModeError as unknown:
        parser.error(str(unknown))
    try:
        profile = load(Path(named) if (named := os.environ.get("CONSILIUM_REGISTRY_PROFILE")) else None)
    except FilingError as refused:
        parser.error(refused.message)
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s %(message)s")
    settings = SimulatorSettings(
        data_dir=options.data,
        secret=secret,
        product_bases=tuple(options.product or ["http://127.0.0.1:8080"]),
        mode=mode,
        own_signers_only=options.own_signers_only,
        token=os.environ.get("CONSILIUM_REGISTRY_TOKEN", ""),
        profile=profile,
    )
    web.run_app(
        create_app(settings),
        host=options.host,
        port=options.port,
        print=lambda _: LOG.info("registry.ready"),
        access_log=None,
    )
    return 0


def shared_secret() -> bytes:
    """The secret from the environment; empty when there is none worth the name."""
    direct = os.environ.get("CONSILIUM_REGISTRY_SECRET", "")
    if len(direct) >= 16:
        return direct.encode()
    own = os.environ.get("CONSILIUM_SECRET_KEY", "")
    return wire.partner_secret(own) if own else b""


if __name__ == "__main__":
    sys.exit(main())
