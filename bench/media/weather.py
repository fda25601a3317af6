"""How much of what a browser plays it had to make up, behind a link that loses and delays.

Two people in two Chromiums, our relay between them. One is behind the link, the other beside the relay, so that one
hears through losses on the way down and is heard through losses on the way up. Conditions hold for both directions
of the link; the delay is one-way. A cell is the worse of the two ears.
"""

import array
import asyncio
import contextlib
import math
import tempfile
import wave
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from playwright.async_api import Browser, Page, async_playwright

from bench.media.ours import our_relay
from bench.media.rows import Sheet
from bench.network import Conditions, Link
from bench.network.link import Side

PAGE = Path(__file__).with_name("weather.js")
ROOM = "weather"
SIDES: tuple[Side, Side] = ("near", "far")
LOSSES, DELAYS = (1, 5, 10, 20), (20, 200)
DROP_LOSS = 30
WARM, WINDOW = 3.0, 15.0
DROP_WINDOW = 8.0
LONG = 60.0  # FULL=1
SPEECH, RATE = 12, 48_000
CHROMIUM = "/usr/bin/chromium"
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--autoplay-policy=no-user-gesture-required",
    "--use-fake-ui-for-media-stream",
    "--use-fake-device-for-media-stream",
    "--disable-renderer-backgrounding",
    "--disable-background-timer-throttling",
]

Heard = dict[str, Any]


async def measure(sheet: Sheet, *, full: bool) -> None:
    """Row weather."""
    window = LONG if full else WINDOW
    cells: dict[str, dict[str, float]] = {}
    with tempfile.TemporaryDirectory() as name, Link(Conditions(delay_ms=20)) as link:
        async with _call(link, Path(name)) as people:
            for delay in DELAYS:
                for loss in LOSSES:
                    link.set(Conditions(loss=loss / 100, delay_ms=delay))
                    cells[f"{loss} % {delay} ms"] = await _cell(link, people, window)
                    _show(f"{loss} % {delay} ms", cells)
            dropped = False
            for delay in DELAYS:
                link.set(Conditions(loss=DROP_LOSS / 100, delay_ms=delay))
                cells[f"{DROP_LOSS} % {delay} ms"] = await _cell(link, people, DROP_WINDOW)
                _show(f"{DROP_LOSS} % {delay} ms", cells)
                dropped = dropped or not await _alive(people)
    at = {loss: max(cells[f"{loss} % {delay} ms"]["worst"] for delay in DELAYS) for loss in LOSSES}
    grid = {name: {ear: round(value, 3) for ear, value in cell.items()} for name, cell in cells.items()}
    extra = {"unit": "%", "worst_at_20": at[20], "dropped_at_30": dropped, "grid": grid}
    sheet.put("weather", at[5], extra, also=at[20] < 10 and not dropped)


def _show(name: str, cells: dict[str, dict[str, float]]) -> None:
    cell = cells[name]
    print(
        f"  {name}: down {cell['down']:.2f} %, up {cell['up']:.2f} % made up ({cell['lost']:.1f} % lost)",
        flush=True,
    )


async def _cell(link: Link, people: dict[Side, Page], window: float) -> dict[str, float]:
    """Shares in percent, after the ears have got used to it. `down`: heard behind the link; `up`: beside the relay.

    `lost` is what the link really lost.
    """
    await asyncio.sleep(WARM)
    link.counts(reset=True)
    before = {side: await _heard(page) for side, page in people.items()}
    await asyncio.sleep(window)
    after = {side: await _heard(page) for side, page in people.items()}
    down, up = (_share(before[side], after[side]) for side in SIDES)
    crossed = link.counts()
    lost = 100 * crossed.lost / max(1, crossed.lost + crossed.passed)
    return {"worst": max(down, up), "down": down, "up": up, "lost": lost}


def _share(before: Heard, after: Heard) -> float:
    """All of it when nothing was played: a silent ear is no good ear."""
    samples = after["samples"] - before["samples"]
    packets = after["packets"] - before["packets"]
    return 100 * (after["concealed"] - before["concealed"]) / samples if samples and packets else 100.0


async def _heard(page: Page) -> Heard:
    found: Heard = await page.evaluate("person.heard()")
    return found


async def _alive(people: dict[Side, Page]) -> bool:
    """Every connection stands and every ear hears."""
    before = {side: await _heard(page) for side, page in people.items()}
    await asyncio.sleep(2.0)
    after = {side: await _heard(page) for side, page in people.items()}
    return all(
        after[side]["packets"] > before[side]["packets"] and set(after[side]["states"]) == {"connected"}
        for side in people
    )


@contextlib.asynccontextmanager
async def _call(link: Link, folder: Path) -> AsyncIterator[dict[Side, Page]]:
    """Both people connected and hearing each other."""
    voice = folder / "voice.wav"
    _speech(voice)
    async with contextlib.AsyncExitStack() as stack:
        with link.inside("far"):
            relay = await stack.enter_async_context(our_relay("weather", link.far_address, folder))
        await relay.open_room(ROOM)
        people: dict[Side, Page] = {}
        for side in SIDES:
            page = await stack.enter_async_context(_browser(link, side, voice))
            people[side] = page
            answer = await relay.publish(ROOM, side, await page.evaluate("person.publish()"))
            await page.evaluate("sdp => person.answered(sdp)", answer)
        for side, page in people.items():
            offer = await relay.offer(ROOM, side, 2)
            await relay.answer(ROOM, side, await page.evaluate("sdp => person.subscribe(sdp)", offer))
        await _until_heard(people)
        yield people


@contextlib.asynccontextmanager
async def _browser(link: Link, side: Side, voice: Path) -> AsyncIterator[Page]:
    async with contextlib.AsyncExitStack() as stack:
        with link.inside(side):
            playwright = await stack.enter_async_context(async_playwright())
        arguments = [*FLAGS, f"--use-file-for-fake-audio-capture={voice}"]
        browser: Browser = await playwright.chromium.launch(
            executable_path=CHROMIUM, headless=True, args=arguments
        )
        stack.push_async_callback(browser.close)
        page = await browser.new_page()
        script = PAGE.read_text()
        await page.route("**/*", lambda route: route.fulfill(body=_html(script), content_type="text/html"))
        await page.goto("http://localhost/")  # never asked for: a secure context without a server
        yield page


def _html(script: str) -> str:
    return f"<!doctype html><body><script>{script}</script>"


async def _until_heard(people: dict[Side, Page]) -> None:
    async with asyncio.timeout(20):
        while not all([(await _heard(page))["packets"] > 50 for page in people.values()]):
            await asyncio.sleep(0.2)


def _speech(path: Path) -> None:
    """A hum with harmonics whose loudness follows syllables and never becomes silence: made-up sound is counted."""
    samples = array.array("h")
    phase = 0.0
    for number in range(SPEECH * RATE):
        time = number / RATE
        phase += (120 + 25 * math.sin(2.1 * time)) / RATE
        loudness = 0.25 + 0.75 * abs(math.sin(math.pi * 3.5 * time))
        voice = sum(math.sin(2 * math.pi * phase * harmonic) / harmonic for harmonic in (1, 2, 3, 5, 8))
        samples.append(int(6000 * loudness * voice))
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes(samples.tobytes())
