"""From the press of "enter" to the first picture and sound of somebody who is already there.

    python -m bench.join

Prints `name value unit`; wall clock on loopback, medians of twenty entries (.p95: nineteen of twenty are faster):
  join.N.snapshot  ms  ticket, websocket, room.enter, first snapshot
  join.N.connected ms  the same, and both offers answered
  join.N.audio     ms  until the first sound of another was decoded
  join.N.video     ms  until the first picture of another was decoded
N people are in the room, the newcomer included. A whole installation of its own runs (`consilium serve --demo`);
the participants are synthetic, aiortc in this one process, five frames a second: waiting for a sender's next key
frame is in the figure, and so is the decoding. Not measured: browsers, TURN, a real network, the chair's admission.
"""

import asyncio
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from consilium import supervise
from consilium.settings import Settings
from signaling.bots.demo import BOARD, Demonstration
from signaling.bots.person import Bot

ENTRIES = 20
ROOMS = (2, 5)
KINDS = ("audio", "video")


def main() -> int:
    """Print one line per figure."""
    with tempfile.TemporaryDirectory(dir=os.environ.get("TMPDIR")) as folder:
        environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("CONSILIUM_")},
            "CONSILIUM_DEMO": "1",
            "CONSILIUM_DATA_DIR": f"{folder}/var",
            "CONSILIUM_PORT": str(supervise.free_port()),
            "CONSILIUM_REGISTRY_PORT": str(supervise.free_port()),
            "CONSILIUM_AUTHORITY_PORT": str(supervise.free_port()),
            "CONSILIUM_MEDIA_ADDRESSES": "127.0.0.1",
        }
        url = supervise.local_url(Settings.from_environment(environment), "")
        server = started(Path(folder), environment)
        try:
            answering(url)
            asyncio.run(show(url, Path(folder) / "package.asice"))
        finally:
            server.terminate()
            server.wait(20)
    return 0


async def show(url: str, package: Path) -> None:
    """Fill the room to each size and let the last one enter again and again."""
    meeting = Demonstration(url, package, lambda _: None)
    async with meeting.people():
        for step in (meeting.sign_in, meeting.ask, meeting.schedule, meeting.lobby):
            await step()
        inside = 0
        for size in ROOMS:
            for login in BOARD[inside : size - 1]:
                await meeting[login].start_media(inside)
                inside += 1
            newcomer = meeting[BOARD[-1]]
            entries = [await entered(newcomer, meeting.consilium) for _ in range(ENTRIES)]
            for name in entries[0]:
                values = sorted(entry[name] * 1e3 for entry in entries)
                print(f"join.{size}.{name} {statistics.median(values):.0f} ms")
                print(f"join.{size}.{name}.p95 {values[int(len(values) * 0.95) - 1]:.0f} ms")


async def entered(newcomer: Bot, consilium: str) -> dict[str, float]:
    """Seconds from the wish to enter to each stage."""
    await newcomer.disconnect()
    loop = asyncio.get_running_loop()
    started_at = loop.time()
    await newcomer.connect(consilium)
    snapshot = loop.time() - started_at
    await newcomer.start_media(len(BOARD))
    connected = loop.time() - started_at
    assert newcomer.media is not None
    first = newcomer.media.first
    async with asyncio.timeout(20):
        while not all(kind in first for kind in KINDS):
            await asyncio.sleep(0.005)
    stages = {kind: first[kind] - started_at for kind in KINDS}
    return {"snapshot": snapshot, "connected": connected, **stages}


def started(folder: Path, environment: dict[str, str]) -> subprocess.Popen[bytes]:
    with (folder / "log").open("ab") as log:
        command = [sys.executable, "-m", "consilium.cli", "serve", "--demo"]
        return subprocess.Popen(command, env=environment, stdout=log, stderr=log)


def answering(url: str) -> None:
    end = time.monotonic() + 180
    while not supervise.answers(f"{url}/health"):
        if time.monotonic() > end:
            raise TimeoutError("the server does not answer")
        time.sleep(0.1)


if __name__ == "__main__":
    sys.exit(main())
