"""All rows of the table of the media relay.

    python -m bench.media [ROW ...]

Without names every row; with names the others stay as an earlier run left them. FULL=1 adds rounds and makes cells
longer. Names: forwarding capacity stalls joining memory first killed weather.
Writes var/bench/media.json after each row, and every round to var/bench/media-runs.json.
"""

import asyncio
import contextlib
import os
import signal
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from bench.media import capacity, client, forwarding, installation, janus, joining, place, weather
from bench.media.generator import CannotCompile, compiled
from bench.media.ours import our_relay
from bench.media.rows import TARGETS, Sheet

FULL = os.environ.get("FULL", "") not in {"", "0"}
FORWARDING = ("large", "small", "cm", "p50", "p99", "python")
PYTHON = {"CONSILIUM_MEDIA_FORWARDER": "python"}


class Run:
    """One pass over the table."""

    def __init__(self, wanted: list[str], folder: Path) -> None:
        self.sheet = Sheet(go_on=bool(wanted))
        self._wanted = wanted
        self._folder = folder

    async def all(self) -> None:
        await self._part("forwarding", self._forwarding, FORWARDING)
        await self._part("capacity", self._capacity, ("capacity",))
        await self._part("stalls", self._stalls, ("stalls",))
        await self._part("joining", self._joining, ("join",))
        await self._part("memory", self._memory, ("memory",))
        await self._part("first", self._first, ("first",))
        await self._part("killed", self._killed, ("killed",))
        await self._part("weather", self._weather, ("weather",))

    async def _part(self, name: str, measure: Callable[[], Awaitable[None]], rows: tuple[str, ...]) -> None:
        """One group of rows; what fails there leaves the others alone and says why."""
        if self._wanted and name not in self._wanted:
            return
        print(f"{name}", flush=True)
        for row in rows:
            self.sheet.begin(row)
        started = time.monotonic()
        try:
            await measure()
        except Exception as error:  # noqa: BLE001 - told in the rows
            reason = f"{type(error).__name__}: {error}".strip(": ")
            print(f"  not measured: {reason}", flush=True)
            for row in rows:
                if self.sheet.is_missing(row):
                    self.sheet.missing(row, reason)
        print(f"  {time.monotonic() - started:.0f} s", flush=True)

    async def _forwarding(self) -> None:
        async with contextlib.AsyncExitStack() as stack:
            ours = await stack.enter_async_context(our_relay("ours", place.RELAY, self._folder))
            python = our_relay("ours, Python", place.RELAY, self._folder, environment=PYTHON)
            fallback = await stack.enter_async_context(python)
            rivals = [
                await stack.enter_async_context(janus.janus_relay(setting, place.RELAY, self._folder))
                for setting in janus.PORTS
            ]
            await forwarding.measure(self.sheet, ours, fallback, rivals, 7 if FULL else 3)

    async def _capacity(self) -> None:
        async with our_relay("alone", place.RELAY, self._folder) as ours:
            await capacity.highest_lossless(self.sheet, ours)

    async def _stalls(self) -> None:
        await capacity.busy_python(self.sheet, place.RELAY, self._folder)

    async def _joining(self) -> None:
        async with contextlib.AsyncExitStack() as stack:
            ours = await stack.enter_async_context(our_relay("joined", place.RELAY, self._folder))
            rival = janus.janus_relay("one loop", place.RELAY, self._folder / "joining")
            await joining.measure(self.sheet, ours, [await stack.enter_async_context(rival)])

    async def _memory(self) -> None:
        async with our_relay("idle", place.RELAY, self._folder) as ours:
            await joining.memory(self.sheet, ours)

    async def _first(self) -> None:
        await installation.first_audio(self.sheet)

    async def _killed(self) -> None:
        await installation.worker_killed(self.sheet)

    async def _weather(self) -> None:
        await weather.measure(self.sheet, full=FULL)


def main() -> int:
    """0 when every row could be measured and is met, 1 when not."""
    if not os.environ.get(place.INSIDE):
        obstacle = janus.install()
        if obstacle:
            print(obstacle, file=sys.stderr)
        compiled_or_told()
    obstacle = place.go_inside("bench.media")
    if obstacle:
        sheet = Sheet()
        for name in TARGETS:
            sheet.missing(name, obstacle)
        sheet.show()
        return 1
    return inside()


def compiled_or_told() -> None:
    try:
        compiled()
    except CannotCompile as error:
        print(f"the generator cannot be compiled (gcc, libssl-dev): {error}", file=sys.stderr)


def inside() -> int:
    client.live_at(place.GENERATOR)
    client.be_like_a_browser()
    cores = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, set(cores[1:]) or set(cores))
    place.before_other_work()
    with tempfile.TemporaryDirectory(dir=os.environ.get("TMPDIR")) as folder:
        (Path(folder) / "joining").mkdir()
        run = Run(sys.argv[1:], Path(folder))
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        try:
            asyncio.run(run.all())
        except KeyboardInterrupt:
            print("interrupted", file=sys.stderr)
        run.sheet.show()
        return int(not run.sheet.all_met())


if __name__ == "__main__":
    sys.exit(main())
