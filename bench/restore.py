"""From the death of a media worker to the moment when everybody hears everybody again.

    python -m bench.restore [--kills 5] [--rooms 8] [--people 4] [--how kill|stop|term]

Prints `name value unit`: over all kills and all pairs of hearer and speaker, wall clock on loopback:
  restore.HOW.told      ms  from the signal until `media.moved` had reached a participant
  restore.HOW.answered  ms  until both his offers were answered
  restore.HOW.audio     ms  until he had decoded the other's tone and told it from all others
with .p95 and .max, and restore.HOW.strangers: tones heard under a wrong name.
`kill` is SIGKILL, `stop` SIGSTOP (SIGCONT once everybody hears again), `term` SIGTERM.

A whole installation of its own runs (`consilium serve --demo`, two media workers); one worker has all the rooms and
dies, then the other, in turn. The participants are aiortc without pictures, all in this one process on the same cores as
everything else, and building both connections costs each of them some 70 ms of CPU: of 32 the last waits for more
than two seconds for his own process. A browser has cores of its own; `told` is what the server alone needs.
"""

import argparse
import asyncio
import os
import signal
import statistics
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

from bench.join import answering, started
from consilium import supervise
from consilium.settings import Settings
from consilium.store import Store
from consilium.store.placements import find_all
from media.control import MediaClient, Message
from media.errors import MediaError
from signaling.bots.crowd import Crowd

SIGNALS = {"kill": signal.SIGKILL, "stop": signal.SIGSTOP, "term": signal.SIGTERM}
STAGES = ("told", "answered", "audio")
SETTLED = 2.0
"""Seconds for signaling to have heard of a worker that came back."""


@dataclass(frozen=True, slots=True)
class Recovery:
    """Seconds of every pair (audio) and every participant (told, answered), all kills together."""

    told: list[float]
    answered: list[float]
    audio: list[float]
    strangers: list[str]


def main() -> int:
    """Print one line per figure."""
    parser = argparse.ArgumentParser(prog="bench.restore", description=__doc__)
    parser.add_argument("--kills", type=int, default=5)
    parser.add_argument("--rooms", type=int, default=8)
    parser.add_argument("--people", type=int, default=4)
    parser.add_argument("--how", choices=SIGNALS, default="kill")
    given = parser.parse_args()
    recovery = measured(given.kills, given.rooms, given.people, given.how)
    for stage in STAGES:
        values = sorted(1e3 * one for one in getattr(recovery, stage))
        name = f"restore.{given.how}.{stage}"
        print(f"{name} {statistics.median(values):.0f} ms")
        print(f"{name}.p95 {values[int(len(values) * 0.95) - 1]:.0f} ms")
        print(f"{name}.max {values[-1]:.0f} ms")
    print(f"restore.{given.how}.strangers {len(recovery.strangers)}")
    return 0


def measured(kills: int, rooms: int, people: int, how: str) -> Recovery:
    """Everything in an installation of its own, which is gone afterwards."""
    with installation() as (settings, url):
        return asyncio.run(killed(settings, url, kills, Crowd(url, rooms, people), how))


@contextmanager
def installation() -> Iterator[tuple[Settings, str]]:
    """`consilium serve --demo` with two media workers."""
    with tempfile.TemporaryDirectory(dir=os.environ.get("TMPDIR")) as folder:
        environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("CONSILIUM_")},
            "CONSILIUM_DEMO": "1",
            "CONSILIUM_DATA_DIR": f"{folder}/var",
            "CONSILIUM_PORT": str(supervise.free_port()),
            "CONSILIUM_REGISTRY_PORT": str(supervise.free_port()),
            "CONSILIUM_AUTHORITY_PORT": str(supervise.free_port()),
            "CONSILIUM_MEDIA_ADDRESSES": "127.0.0.1",
            "CONSILIUM_MEDIA_WORKERS": "2",
        }
        settings = Settings.from_environment(environment)
        url = supervise.local_url(settings, "")
        server = started(Path(folder), environment)
        try:
            answering(url)
            yield settings, url
        finally:
            server.terminate()
            server.wait(20)


async def killed(settings: Settings, url: str, kills: int, crowd: Crowd, how: str) -> Recovery:
    """The worker with the most rooms dies, again and again; the first time, when it has only half, is not counted."""
    recovery, store = Recovery([], [], [], []), Store(settings.database_url)
    async with crowd.there():
        await crowd.speak()
        await crowd.hear()
        for number in range(kills + 1):
            await everybody_up(settings, store, crowd)
            times = await one_death(store, crowd, how)
            recovery.strangers.extend(times.strangers)
            if number:
                recovery.told.extend(times.told)
                recovery.answered.extend(times.answered)
                recovery.audio.extend(times.audio)
    store.close()
    return recovery


async def one_death(store: Store, crowd: Crowd, how: str) -> Recovery:
    worker, touched = await asyncio.to_thread(busiest, store, crowd)
    process = int(str((await introduced(worker))["pid"]))
    crowd.forget()
    moment = asyncio.get_running_loop().time()
    os.kill(process, SIGNALS[how])
    try:
        await crowd.moved(touched, moment)
        await crowd.hear()
    finally:
        if how == "stop":
            os.kill(process, signal.SIGCONT)
    stages = [bot.media.stages for bot in crowd.bots(touched) if bot.media is not None]
    return Recovery(
        [one["moved"] - moment for one in stages],
        [one["answered"] - moment for one in stages],
        crowd.heard_since(moment, touched),
        crowd.strangers(),
    )


def busiest(store: Store, crowd: Crowd) -> tuple[str, set[str]]:
    """The worker with the most rooms, and which they are."""
    on: dict[str, set[str]] = defaultdict(set)
    for room, worker in places(store, crowd).items():
        on[worker].add(room)
    return max(on.items(), key=lambda one: len(one[1]))


def places(store: Store, crowd: Crowd) -> dict[str, str]:
    with store.read() as reader:
        found = find_all(reader.connection, [UUID(room[0].consilium) for room in crowd.rooms])
    return {str(room): placement.worker for room, placement in found.items()}


async def everybody_up(settings: Settings, store: Store, crowd: Crowd) -> None:
    """Until every worker answers and has no room that lives elsewhere."""
    async with asyncio.timeout(90):
        for worker in settings.media_controls:
            while not await clean(worker, await asyncio.to_thread(places, store, crowd)):
                await asyncio.sleep(0.1)
    await asyncio.sleep(SETTLED)


async def clean(worker: str, rooms: dict[str, str]) -> bool:
    try:
        held = (await introduced(worker))["rooms"]
    except MediaError:
        return False
    return isinstance(held, dict) and all(rooms.get(room, worker) == worker for room in held)


async def introduced(worker: str) -> Message:
    """The worker's answer to `hello`."""
    client = MediaClient(worker, lambda _: None)
    try:
        return await client.connect(20.0)
    finally:
        await client.close()


if __name__ == "__main__":
    sys.exit(main())
