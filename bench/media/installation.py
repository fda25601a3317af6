"""The whole product on loopback: what `bench.join` and `bench.media.killed` print becomes rows here."""

import asyncio
import os
import sys

from bench.media import place
from bench.media.rows import Sheet

KILLS = 3


async def first_audio(sheet: Sheet) -> None:
    """Row first: the worse of a room of two and a room of five."""
    figures = await _figures("bench.join")
    audio = {name: value for name, value in figures.items() if ".audio" in name or ".snapshot" in name}
    worst = max(value for name, value in audio.items() if name.endswith(".audio.p95"))
    print(f"  first audio, p95: {worst:.0f} ms", flush=True)
    sheet.put("first", worst, {"unit": "ms", **audio})


async def worker_killed(sheet: Sheet) -> None:
    """Row killed: all rooms are on the worker that dies; every death counts every pair of hearer and speaker."""
    figures = await _figures("bench.media.killed", str(KILLS))
    p95 = figures["restore.kill.audio.p95"] / 1000
    print(f"  audio back, p95: {p95:.2f} s", flush=True)
    right = figures["restore.kill.strangers"] == 0
    sheet.put("killed", p95, {"unit": "s", "kills": KILLS, **figures}, also=right)


async def _figures(module: str, *arguments: str) -> dict[str, float]:
    """What another file of figures prints: `name value unit`. It has all cores, as an installation has."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", module, *arguments),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    os.sched_setaffinity(process.pid, range(os.cpu_count() or 1))
    ahead = asyncio.create_task(_keep_ahead())
    out, err = await process.communicate()
    ahead.cancel()
    if process.returncode != 0:
        lines = err.decode(errors="replace").strip().splitlines()
        raise RuntimeError(f"{module}: {lines[-1] if lines else process.returncode}")
    words = (line.split() for line in out.decode().splitlines())
    return {word[0]: float(word[1]) for word in words if len(word) >= 2}


async def _keep_ahead() -> None:
    """Parts of an installation begin sessions of their own, which compete with others for the machine anew."""
    while True:
        place.before_other_work()
        await asyncio.sleep(0.5)
