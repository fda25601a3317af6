"""Hours of rooms with people who come and go: does anything grow?

    python -m bench.soak [--minutes 60] [--rooms 2] [--people 4]

A whole installation runs (`consilium serve --demo`, two media workers); everybody sends his tone, the first room
colours too, and every TURN_EVERY seconds somebody closes his tab and comes back. Every SAMPLE_EVERY seconds the
resident memory, the open descriptors and the CPU of every process are read. Prints `name value unit`, PART being
media-1, media-2, edge and worker:
  soak.PART.memory, .memory.slope        MB, and KB an hour, over the time after WARM
  soak.PART.descriptors, .descriptors.slope
  soak.PART.cpu.first, .cpu.last         % of a core in the first and in the last quarter of that time
  soak.returns                           how often somebody came back; everybody hears everybody again
  soak.failed                            how often that took longer than a participant waits
  soak.rebuilt                           connections the participants themselves gave up and built anew
  soak.strangers                         tones heard under a wrong name
and writes the samples to var/bench/soak.json.
"""

import argparse
import asyncio
import json
import os
import statistics
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from socketio.exceptions import SocketIOError

from bench.restore import installation
from consilium.settings import Settings
from signaling.bots.crowd import Crowd
from signaling.bots.person import BotGaveUp, BotRefused

WARM = 0.2
"""Share of the time after which things should no longer grow: pools are full, caches warm."""
SAMPLE_EVERY = 15.0
TURN_EVERY = 20.0
TICKS = os.sysconf("SC_CLK_TCK")
RESULT = Path("var/bench/soak.json")


@dataclass(frozen=True, slots=True)
class Sample:
    """One process at one moment: seconds since the start, bytes, descriptors, CPU seconds since its own start."""

    part: str
    at: float
    memory: int
    descriptors: int
    cpu: float


def main() -> int:
    """Print one line per figure."""
    parser = argparse.ArgumentParser(prog="bench.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--rooms", type=int, default=2)
    parser.add_argument("--people", type=int, default=4)
    given = parser.parse_args()
    with installation() as (settings, url):
        crowd = Crowd(url, given.rooms, given.people)
        samples, returns, rebuilt, failed = asyncio.run(soaked(settings, crowd, given.minutes * 60))
    keep(samples)
    for part in sorted({one.part for one in samples}):
        tell(part, [one for one in samples if one.part == part])
    print(f"soak.returns {returns}")
    print(f"soak.failed {failed}")
    print(f"soak.rebuilt {rebuilt}")
    print(f"soak.strangers {len(crowd.strangers())}")
    return 0


def keep(samples: list[Sample]) -> None:
    """Also while it runs: a soak that is cut short has measured something."""
    RESULT.parent.mkdir(parents=True, exist_ok=True)
    RESULT.write_text(json.dumps([asdict(one) for one in samples]))


def tell(part: str, samples: list[Sample]) -> None:
    end = samples[-1].at
    warm = [one for one in samples if one.at >= end * WARM]
    memory, descriptors = [one.memory / 1024 for one in warm], [float(one.descriptors) for one in warm]
    hours = [one.at / 3600 for one in warm]
    print(f"soak.{part}.memory {memory[-1] / 1024:.1f} MB")
    print(f"soak.{part}.memory.slope {slope(hours, memory):.0f} KB/h")
    print(f"soak.{part}.descriptors {descriptors[-1]:.0f}")
    print(f"soak.{part}.descriptors.slope {slope(hours, descriptors):.1f} /h")
    quarter = max(2, len(warm) // 4)
    print(f"soak.{part}.cpu.first {load(warm[:quarter]):.1f} %")
    print(f"soak.{part}.cpu.last {load(warm[-quarter:]):.1f} %")


def slope(at: list[float], values: list[float]) -> float:
    """By least squares."""
    return statistics.linear_regression(at, values).slope if len(set(at)) > 1 else 0.0


def load(samples: list[Sample]) -> float:
    first, last = samples[0], samples[-1]
    return 100 * (last.cpu - first.cpu) / (last.at - first.at)


async def soaked(settings: Settings, crowd: Crowd, seconds: float) -> tuple[list[Sample], int, int, int]:
    """Samples of every process, how often somebody has come back, and how often somebody had to build anew."""
    samples: list[Sample] = []
    began = time.monotonic()
    async with crowd.there():
        await speak(crowd)
        await crowd.hear()
        watching = asyncio.create_task(watch(settings, samples, began))
        returns = rebuilt = failed = 0
        while time.monotonic() - began < seconds:
            await asyncio.sleep(TURN_EVERY)
            try:
                rebuilt += await come_back(crowd, returns)
            except (BotGaveUp, BotRefused, SocketIOError, TimeoutError, OSError) as error:
                print(f"# {type(error).__name__}: {error}", flush=True)
                failed += 1
            returns += 1
            keep(samples)
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)
    return samples, returns, rebuilt, failed


async def speak(crowd: Crowd) -> None:
    for place, room in enumerate(crowd.rooms):
        await asyncio.gather(*(bot.start_media(number, video=place == 0) for number, bot in enumerate(room)))


async def come_back(crowd: Crowd, turn: int) -> int:
    """A tab is closed and opened again; then everybody in all rooms hears everybody anew."""
    place = turn % len(crowd.rooms)
    room = crowd.rooms[place]
    number = turn // len(crowd.rooms) % len(room)
    bot = room[number]
    await bot.disconnect()
    await bot.connect(bot.consilium)
    await bot.start_media(number, video=place == 0)
    crowd.forget()
    try:
        await crowd.hear()
    except BotGaveUp:
        return await build_anew(crowd)
    return 0


async def build_anew(crowd: Crowd) -> int:
    """aiortc gives a connection up after half a minute without an answer in half a second, which a busy machine can
    do to it; a browser builds a new one then, and so do we. Answers how many people had to."""
    count = 0
    for place, room in enumerate(crowd.rooms):
        for number, bot in enumerate(room):
            if bot.media is None or not bot.media.standing:
                await bot.start_media(number, video=place == 0)
                count += 1
    await crowd.hear()
    return count


async def watch(settings: Settings, samples: list[Sample], began: float) -> None:
    while True:
        for part, process in parts(settings).items():
            samples.append(sample(part, process, time.monotonic() - began))
        await asyncio.sleep(SAMPLE_EVERY)


def parts(settings: Settings) -> dict[str, int]:
    """Processes of the installation by what they are, found by its data folder in their environment or arguments."""
    found: dict[str, int] = {}
    mark = str(settings.data_dir)
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and (name := part_of(entry, mark)):
            found[name] = int(entry.name)
    return found


def part_of(process: Path, mark: str) -> str:
    try:
        words = process.joinpath("cmdline").read_bytes().decode().split("\0")
        inside = mark in process.joinpath("environ").read_bytes().decode(errors="replace")
    except OSError:
        return ""
    if not inside or "-m" not in words:
        return ""
    module = words[words.index("-m") + 1]
    named = words[words.index("--name") + 1] if "--name" in words else ""
    return {"media": named, "web.edge": "edge", "consilium.tasks": "worker"}.get(module, "")


def sample(part: str, process: int, at: float) -> Sample:
    folder = Path(f"/proc/{process}")
    pages = int(folder.joinpath("statm").read_text().split()[1])
    times = folder.joinpath("stat").read_text().rsplit(")", 1)[1].split()
    return Sample(
        part,
        round(at, 1),
        pages * os.sysconf("SC_PAGE_SIZE"),
        len(list(folder.joinpath("fd").iterdir())),
        (int(times[11]) + int(times[12])) / TICKS,
    )


if __name__ == "__main__":
    sys.exit(main())
