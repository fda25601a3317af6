"""`python -m signaling.bots demo --url http://127.0.0.1:8080 --package PATH [--kind 190|307|40|99] [--keys gost256]`."""

from __future__ import annotations

import argparse
import asyncio
import sys
from pathlib import Path

import aiohttp
from socketio.exceptions import SocketIOError

from signaling.bots.demo import Demonstration
from signaling.bots.person import BotGaveUp, BotRefused
from signaling.bots.scenario import SCENARIOS


def main() -> int:
    parser = argparse.ArgumentParser(prog="signaling.bots", description=__doc__)
    parser.add_argument("play", choices=("demo",))
    parser.add_argument("--url", required=True)
    parser.add_argument("--package", type=Path, required=True)
    parser.add_argument(
        "--kind", choices=sorted(SCENARIOS), default="190", help="code of НСИ 11.1520 to be filed"
    )
    parser.add_argument("--keys", choices=("p256", "gost256", "gost512"), default="p256")
    options = parser.parse_args()
    scenario = SCENARIOS[options.kind]
    print(f"  {scenario.title}", flush=True)
    demonstration = Demonstration(
        options.url,
        options.package,
        lambda line: print(line, flush=True),
        scenario=scenario,
        keys=options.keys,
    )
    try:
        asyncio.run(demonstration.play())
    except (BotGaveUp, BotRefused, SocketIOError, aiohttp.ClientError) as error:
        print(f"  не удалось / failed: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
