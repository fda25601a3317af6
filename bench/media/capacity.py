"""What one core carries without loss, and what it still carries in time while Python is busy in the same worker."""

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

from bench.media.client import Crowd
from bench.media.forwarding import LARGE, Load, Round, crowd, play
from bench.media.ours import our_relay
from bench.media.relay import Relay
from bench.media.rows import Sheet, median

LOSSLESS = 1e-4
WINDOW = 2.5
SPEEDS = (8, 10.5, 12, 13.5, 15, 17, 19, 21)  # of the trace; ten is about 195 000 packets/s to the receivers
MEETING = Load("4x10", 1, 4, 10, 1)
STALL_ROUNDS = 3
REALTIME: dict[str, Mapping[str, str]] = {
    "with": {"CONSILIUM_MEDIA_REALTIME": "1"},
    "without": {"CONSILIUM_MEDIA_REALTIME": "0"},
}


async def highest_lossless(sheet: Sheet, ours: Relay) -> None:
    """Row capacity: faster and faster until something is lost twice at the same rate."""
    runs: list[Round] = []
    async with crowd(ours, LARGE) as people:
        for speed in SPEEDS:
            runs.append(await _without_loss(ours, people, speed))
            _show(runs[-1])
            if not _is_whole(runs[-1]):
                break
        sheet.keep("capacity", [asdict(run) for run in runs])
        steps = [(round(run.rate), round(run.loss, 6)) for run in runs]
        sheet.put(
            "capacity", max((run.rate for run in runs if _is_whole(run)), default=0.0), {"tried": steps}
        )


def _is_whole(run: Round) -> bool:
    return run.loss <= LOSSLESS and not run.broken


def _show(run: Round) -> None:
    print(f"  {run.rate:.0f}/s loss {100 * run.loss:.4f} % at {100 * run.load:.0f} %", flush=True)


async def _without_loss(ours: Relay, people: Crowd, speed: float) -> Round:
    first = await play(ours, people, speed, WINDOW)
    return first if _is_whole(first) else await play(ours, people, speed, WINDOW)


async def busy_python(sheet: Sheet, address: str, folder: Path) -> None:
    """Row stalls: `bench.media.stalls` is the worker, with 20 ms of Python work every 120 ms."""
    found = {name: await _stalled(name, address, folder) for name in REALTIME}
    sheet.keep("stalls", {name: [asdict(run) for run in runs] for name, runs in found.items()})
    p99 = {name: median(run.p99 for run in runs) / 1000 for name, runs in found.items()}
    sheet.put("stalls", p99["with"], {"unit": "ms", **p99}, also=p99["without"] <= 8)


async def _stalled(name: str, address: str, folder: Path) -> list[Round]:
    environment = REALTIME[name]
    program = "bench.media.stalls"
    async with (
        our_relay(f"stalls-{name}", address, folder, program=program, environment=environment) as relay,
        crowd(relay, MEETING) as people,
    ):
        runs = [await play(relay, people, MEETING.speed) for _ in range(STALL_ROUNDS)]
    cells = ", ".join(f"{run.p99 / 1000:.2f}" for run in runs)
    print(f"  Python busy, {name} realtime priority: p99 {cells} ms", flush=True)
    return runs
