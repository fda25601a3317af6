"""Cost and latency of a forwarded packet, ours beside Janus in the same interleaved rounds."""

import asyncio
import contextlib
import hashlib
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from bench.media.client import ConnectionLost, Crowd
from bench.media.generator import Numbers
from bench.media.relay import Relay, cpu_seconds
from bench.media.rows import Sheet, median

WARM, WINDOW = (
    1.2,
    2.5,
)  # the first reports of receivers come within a second: until then the relay sends carefully
TOO_LATE = 0.05  # share of packets the generator itself sent late: the machine was busy, the window is void
MORE = 2  # rounds of the load that five rows are taken from
AGAIN = 2  # windows repeated for that, at most
CALIBRATION = bytes(16 << 20)


@dataclass(frozen=True, slots=True)
class Load:
    """Rooms of publishers and receivers who receive all of them, the trace `speed` times faster than real time."""

    name: str
    rooms: int
    publishers: int
    receivers: int
    speed: float
    profile: str = "AES-GCM"


LARGE = Load("8x15", 1, 8, 15, 2)  # 39k packets/s to the receivers
SMALL = Load("16x3", 4, 4, 3, 4)  # four rooms of four cameras each, 31k packets/s
LARGE_CM = Load("8x15-cm", 1, 8, 15, 2, "AES-CM")


@dataclass(frozen=True, slots=True)
class Round:
    """One window of one relay. `cpu`: microseconds of the whole relay per packet that reached a receiver."""

    relay: str
    cpu: float
    load: float  # share of a core
    loss: float
    rate: float  # packets/s delivered
    p50: float
    p99: float
    late: float
    broken: int


@contextlib.asynccontextmanager
async def crowd(relay: Relay, load: Load) -> AsyncIterator[Crowd]:
    people = Crowd(relay, load.name, load.rooms, load.publishers, load.receivers, load.profile)
    try:
        await people.connect()
        yield people
    finally:
        await people.close()


async def play(relay: Relay, people: Crowd, speed: float, window: float = WINDOW) -> Round:
    """One window in which the generator kept to its schedule, if there is one."""
    result = await _play(relay, people, speed, window)
    for _ in range(AGAIN):
        if result.late <= TOO_LATE:
            break
        result = await _play(relay, people, speed, window)
    return result


async def _play(relay: Relay, people: Crowd, speed: float, window: float) -> Round:
    attending = asyncio.create_task(people.attend())
    try:
        async with people.generator.playing(speed, WARM):
            numbers, cpu = await people.generator.record(window, lambda: cpu_seconds(relay.pid))
    finally:
        attending.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await attending
    return _round(relay.name, numbers, cpu)


def _round(name: str, numbers: Numbers, cpu: float) -> Round:
    return Round(
        relay=name,
        cpu=cpu * 1e6 / max(1, numbers.received),
        load=cpu / numbers.seconds,
        loss=numbers.loss,
        rate=numbers.received / numbers.seconds,
        p50=numbers.p50,
        p99=numbers.p99,
        late=numbers.late,
        broken=numbers.broken,
    )


async def interleaved(relays: Sequence[Relay], load: Load, rounds: int) -> list[list[Round]]:
    """All relays in every round, each round beginning with another."""
    found: list[list[Round]] = []
    for attempt in range(1 + AGAIN):
        try:
            await _rounds(relays, load, rounds, found)
            break
        except ConnectionLost as error:  # the machine was too busy to keep idle connections alive
            print(f"  {error}: connected again", flush=True)
            if attempt == AGAIN:
                raise
    return found


async def _rounds(relays: Sequence[Relay], load: Load, rounds: int, found: list[list[Round]]) -> None:
    async with contextlib.AsyncExitStack() as stack:
        crowds = [await stack.enter_async_context(crowd(relay, load)) for relay in relays]
        while len(found) < rounds:
            order = [(len(found) + step) % len(relays) for step in range(len(relays))]
            results = {index: await play(relays[index], crowds[index], load.speed) for index in order}
            found.append([results[index] for index in range(len(relays))])
            _show(load, found[-1])


def _show(load: Load, results: list[Round]) -> None:
    cells = (
        f"{r.relay} {r.cpu:.2f} us p50 {r.p50:.0f} p99 {r.p99:.0f} loss {100 * r.loss:.3f} %" for r in results
    )
    print(
        f"  {load.name} {results[0].rate:.0f}/s: {' | '.join(cells)} | calibration {calibration():.1f} ms",
        flush=True,
    )


def calibration() -> float:
    """Milliseconds for the same work; rounds with very different ones do not compare."""
    started = time.thread_time()
    hashlib.sha256(CALIBRATION).digest()
    return (time.thread_time() - started) * 1e3


def steal() -> int:
    """Ticks that the machine under this one took, since it started."""
    return int(Path("/proc/stat").read_text().split("\n", 1)[0].split()[8])


async def measure(sheet: Sheet, ours: Relay, python: Relay, januses: Sequence[Relay], rounds: int) -> None:
    """Rows large, small, cm, p50, p99, python."""
    stolen = steal()
    found = await interleaved([ours, *januses, python], LARGE, rounds + MORE)
    sheet.keep("8x15", [[asdict(r) for r in results] for results in found])
    rivals = slice(1, 1 + len(januses))
    _ratio(sheet, "large", found, rivals)
    for name in ("p50", "p99"):
        ratios = [getattr(r[0], name) / min(getattr(j, name) for j in r[rivals]) for r in found]
        values = {
            f"{r.relay}, us": median(getattr(x[i], name) for x in found) for i, r in enumerate(found[0])
        }
        sheet.put(name, median(ratios), {"spread": [min(ratios), max(ratios)], **values})
    ratios = [results[-1].cpu / results[1].cpu for results in found]
    sheet.put("python", median(ratios), {"spread": [min(ratios), max(ratios)], "loss": _loss(found, -1)})
    for name, load in (("small", SMALL), ("cm", LARGE_CM)):
        found = await interleaved([ours, *januses], load, rounds)
        sheet.keep(load.name, [[asdict(r) for r in results] for results in found])
        _ratio(sheet, name, found, rivals)
    print(f"  stolen by the machine below: {steal() - stolen} ticks", flush=True)


def _ratio(sheet: Sheet, name: str, found: list[list[Round]], rivals: slice) -> None:
    """CPU per packet of the first relay, by that of its best rival in the same round; median over rounds."""
    ratios = [results[0].cpu / min(rival.cpu for rival in results[rivals]) for results in found]
    costs = {
        f"{relay.relay}, us": round(median(r[i].cpu for r in found), 2) for i, relay in enumerate(found[0])
    }
    loss = _loss(found, 0)
    lossless = loss <= 1e-4
    rate = round(median(results[0].rate for results in found))
    extra = {"spread": [min(ratios), max(ratios)], "loss": loss, "rate": rate, **costs}
    sheet.put(name, median(ratios), extra, also=lossless)


def _loss(found: list[list[Round]], relay: int) -> float:
    """Of the middle round: one burst of another program's work is not the relay's loss."""
    return median(results[relay].loss for results in found)
