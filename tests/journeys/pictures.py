"""Pictures of every page in both languages, both themes and three widths, for people to look at.

    python -m tests.journeys.pictures [words of page names ...]

They come into var/pictures/<language>-<theme>-<width>/<page>.png. The README's docs/room.png
is `room-doctor.png` of the journey in browsers, run with CONSILIUM_PICTURES naming a folder.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Literal

from playwright.async_api import Browser

from signaling.bots.demo import Demonstration
from tests.conftest import ROOT
from tests.journeys.browsers import ChromiumWindow
from tests.journeys.table import frozen, opened, put_to_vote, scheduled

Language = Literal["ru", "en"]
LANGUAGES: tuple[Language, ...] = ("ru", "en")
THEMES = ("light", "dark")
SIZES = {360: 740, 1366: 768, 1920: 1080}
FOLDER = ROOT / "var/pictures"
LAYOUTS = ("discussion", "record", "images")

PAGES: tuple[tuple[str, str, str], ...] = (
    ("day", "coordinator", "/"),
    ("requests", "coordinator", "/requests?box=incoming"),
    ("request-new", "ivanova", "/requests/new"),
    ("request", "ivanova", "/requests/{request}"),
    ("request-coordinator", "coordinator", "/requests/{request}"),
    ("consilia", "coordinator", "/consilia"),
    ("consilium-new", "coordinator", "/consilia/new"),
    ("consilium", "member2", "/consilia/{consilium}"),
    ("check", "member2", "/consilia/{consilium}/check"),
    ("journal", "coordinator", "/journal/{request}"),
    ("bodies", "nmic.admin", "/bodies"),
    ("people", "nmic.admin", "/people"),
    ("health", "nmic.admin", "/health.page"),
    ("settings", "ivanova", "/settings"),
    ("nothing-here", "ivanova", "/nowhere"),
)
AFTERWARDS: tuple[tuple[str, str, str], ...] = (
    ("signing", "member1", "/signing"),
    ("protocol", "member1", "/protocols/{protocol}"),
    ("day-to-sign", "member1", "/"),
)


def wanted(name: str) -> bool:
    """Whether the command line asks for this page; all when it names none."""
    words = sys.argv[1:]
    return not words or any(word in name for word in words)


async def draw(window: ChromiumWindow, name: str, language: Language, whole: bool = False) -> None:
    """One page as it is now, in every theme and width. `whole`: as long as the page is."""
    for width, height in SIZES.items():
        await window.resize(width, height)
        right = "off" if width < 1000 else "on"  # on a small screen the panel lies over the stage
        panel = f"[data-testid=people-toggle]:not([data-state={right}])"
        await window.evaluate(f"document.querySelector('{panel}')?.click()")
        for theme in THEMES:
            await window.evaluate(f"document.documentElement.dataset.theme = '{theme}'")
            await window.evaluate("Promise.all(document.getAnimations().map((one) => one.finished))")
            folder = FOLDER / f"{language}-{theme}-{width}"
            folder.mkdir(parents=True, exist_ok=True)
            await window.page.screenshot(path=folder / f"{name}.png", full_page=whole)
        if overflow := await window.evaluate(
            "document.documentElement.scrollWidth - document.documentElement.clientWidth"
        ):
            print(f"  {name}, {language}, {width}: {overflow} px too wide")


async def enter(browser: Browser, play: Demonstration, login: str, language: Language) -> ChromiumWindow:
    window = await ChromiumWindow.open(browser, play.url, f"{login}-{language}")
    await window.sign_in(login, language)
    return window


async def pages(
    browser: Browser, play: Demonstration, every: tuple[tuple[str, str, str], ...], language: Language
) -> None:
    """Pages that stand still, person by person."""
    for login in dict.fromkeys(login for name, login, _ in every if wanted(name)):
        window = await enter(browser, play, login, language)
        for name, whose, path in every:
            if whose == login and wanted(name):
                known = {key: getattr(play, key) for key in ("request", "consilium", "protocol")}
                await window.goto(path.format(**known))
                await window.evaluate("new Promise((done) => setTimeout(done, 300))")
                await draw(window, name, language, whole=True)
        await window.close()


async def sign_in(browser: Browser, play: Demonstration) -> None:
    for language in LANGUAGES:
        window = await ChromiumWindow.open(browser, play.url, "nobody")
        await window.goto(f"/sign-in?language={language}")
        await draw(window, "sign-in", language, whole=True)
        await window.close()


async def room(browser: Browser, play: Demonstration) -> None:
    """Two in the room, one in each language; the chair is a bot who leads them from layout to layout."""
    windows = {
        "ru": await enter(browser, play, "member1", "ru"),
        "en": await enter(browser, play, "member2", "en"),
    }
    await windows["ru"].goto(f"/room/{play.consilium}")
    await windows["ru"].see("[data-testid=lobby]")
    await draw(windows["ru"], "room-lobby", "ru")
    doctor = await enter(browser, play, "ivanova", "ru")
    item = await opened(play, windows["ru"], windows["en"], doctor)
    chair = play["chair"]

    async def both(name: str) -> None:
        for language in LANGUAGES:
            await draw(windows[language], f"room-{name}", language)

    for window in windows.values():
        await window.until("document.querySelectorAll('[data-testid=tile] video').length > 2", "faces")
    for layout in LAYOUTS:
        if chair.state["consilium"]["layout"] != layout:
            await chair.room("layout.set", layout=layout)
        for window in windows.values():
            await window.see(f"[data-testid=stage][data-layout={layout}]")
            await window.evaluate("new Promise((done) => setTimeout(done, 500))")
        await both(layout)
    await decide(play, item, windows["ru"], both)
    for window in (*windows.values(), doctor):
        await window.close()


async def decide(
    play: Demonstration, item: str, voter: ChromiumWindow, both: Callable[[str], Awaitable[None]]
) -> None:
    ballot = await put_to_vote(play, item, "Рекомендовать хирургическое лечение в объёме лобэктомии.")
    await voter.click("[data-testid=vote-for]")
    await voter.see("[data-testid=receipt]")
    await both("vote")
    await play["chair"].room("vote.close", ballot=ballot)
    await voter.see("[data-testid=result]")
    await both("result")
    await frozen(play, item)
    await voter.see("[data-testid=frozen]")
    await both("protocol")


async def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        async with scheduled("/usr/bin/chromium", Path(folder)) as (browser, play):
            if wanted("sign-in"):
                await sign_in(browser, play)
            for language in LANGUAGES:
                await pages(browser, play, PAGES, language)
            if any(wanted(name) for name in ("room", *(name for name, _, _ in AFTERWARDS))):
                await room(browser, play)
                for language in LANGUAGES:
                    await pages(browser, play, AFTERWARDS, language)


if __name__ == "__main__":
    asyncio.run(main())
