"""Windows of real browsers, and what a person does in them.

A `Window` is one person's tab, in Chromium (Playwright) or in Firefox (WebDriver BiDi), with the same few verbs.
Selectors are CSS; scripts are JavaScript expressions. Every wait ends in an event of the page or in a sentence.
"""

from __future__ import annotations

import json
import os
import time
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Literal, Self

from playwright.async_api import Browser, Page, async_playwright

from tests.journeys import firefox

PASSWORD = "demonstration"
PATIENCE = 20.0
"""Seconds any single wait may take on a busy machine of two cores."""

PICTURES = Path(os.environ["CONSILIUM_PICTURES"]) if "CONSILIUM_PICTURES" in os.environ else None
"""Folder for pictures of the journey's steps; nothing is drawn without it."""

CHROMIUM_FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--autoplay-policy=no-user-gesture-required",
    "--use-fake-ui-for-media-stream",
    "--use-fake-device-for-media-stream=fps=10",
]

DEVICES = {"micOn": True, "cameraOn": True, "quality": "low"}
"""What the person chose before the room, as the product keeps it: 320x180 at 10 frames a second."""

# Before any script of the page: remembers its peer connections, so that what they received can be counted.
PEERS = """
  const Kept = globalThis.RTCPeerConnection;
  globalThis.peersOfThePage = [];
  globalThis.RTCPeerConnection = class extends Kept {
    constructor(...given) { super(...given); globalThis.peersOfThePage.push(this); }
  };
  if (!localStorage.getItem("consilium.devices")) localStorage.setItem("consilium.devices", DEVICES);
""".replace("DEVICES", json.dumps(json.dumps(DEVICES)))

# Seat -> frames decoded from it so far, by the statistics of the connection behind the picture on the screen.
FRAMES = """(async () => {
  const decoded = {};
  for (const peer of globalThis.peersOfThePage.filter((one) => one.connectionState !== "closed"))
    (await peer.getStats()).forEach((one) => {
      if (one.type === "inbound-rtp" && one.kind === "video") decoded[one.trackIdentifier] = one.framesDecoded ?? 0;
    });
  const seats = {};
  for (const tile of document.querySelectorAll("[data-testid=tile][data-own=false]")) {
    const track = tile.querySelector("video")?.srcObject?.getVideoTracks()[0];
    if (track) seats[tile.dataset.seat] = decoded[track.id] ?? 0;
  }
  return seats;
})()"""


class Window(ABC):
    """One person's tab. `name` is who sits there."""

    def __init__(self, name: str, url: str) -> None:
        self.name = name
        self.url = url.rstrip("/")
        self.errors: list[str] = []

    @abstractmethod
    async def goto(self, path: str) -> None:
        """Open a path of the installation and wait until it has loaded."""

    @abstractmethod
    async def reload(self) -> None:
        """F5."""

    @abstractmethod
    async def evaluate(self, expression: str) -> Any:
        """The JSON value of an expression; a promise is awaited."""

    @abstractmethod
    async def click(self, selector: str) -> None:
        """Wait until the first match can be pressed, and press it with the pointer."""

    @abstractmethod
    async def write(self, selector: str, text: str) -> None:
        """Put `text` into a field in place of what was there."""

    @abstractmethod
    async def press(self, keys: str) -> None:
        """A key or a chord by name: `Enter`, `Shift+Tab`."""

    @abstractmethod
    async def resize(self, width: int, height: int) -> None:
        """Another size of the window's inside, in CSS pixels."""

    @abstractmethod
    async def photograph(self, path: Path) -> None:
        """What the person sees now, as PNG."""

    async def until(self, expression: str, what: str, seconds: float = PATIENCE) -> Any:
        """Wait until an expression is truthy; answers its value, or fails with `what`."""
        end = time.monotonic() + seconds
        while True:
            try:
                value = await self.evaluate(expression)
            except LoadingAnotherPage:
                value = None
            if value:
                return value
            if time.monotonic() > end:
                raise AssertionError(f"{self.name} waited {seconds:.0f} s for: {what}\n{await self._seen()}")

    async def see(self, selector: str, seconds: float = PATIENCE) -> None:
        """Wait until something is shown."""
        shown = f"[...document.querySelectorAll({json.dumps(selector)})].some((one) => one.checkVisibility())"
        await self.until(shown, selector, seconds)

    async def miss(self, selector: str) -> None:
        """Wait until nothing of it is shown."""
        shown = f"[...document.querySelectorAll({json.dumps(selector)})].some((one) => one.checkVisibility())"
        await self.until(f"!{shown}", f"no {selector}")

    async def text(self, selector: str) -> str:
        """Wait for an element, and read it."""
        found = f"document.querySelector({json.dumps(selector)})"
        return str(await self.until(f"{found} && {found}.textContent.trim()", selector))

    async def attribute(self, selector: str, name: str) -> str:
        """Wait for an element, and read its attribute."""
        found = f"document.querySelector({json.dumps(selector)})?.getAttribute({json.dumps(name)})"
        return str(await self.until(found, f"{selector} [{name}]"))

    async def path(self, start: str) -> str:
        """Wait until the window is at an address that begins so; answers the last part of its path."""
        await self.until(
            f"location.pathname.startsWith({json.dumps(start)}) && document.readyState === 'complete'", start
        )
        return str(await self.evaluate("location.pathname")).rsplit("/", 1)[-1]

    async def picture(self, name: str) -> None:
        """Keep what is seen now, when pictures were asked for."""
        if PICTURES:
            PICTURES.mkdir(parents=True, exist_ok=True)
            await self.photograph(PICTURES / f"{name}-{self.name}.png")

    async def frames(self) -> dict[str, int]:
        """Seat -> video frames decoded from it."""
        return dict(await self.evaluate(FRAMES))

    async def _seen(self) -> str:
        if PICTURES:
            await self.photograph(PICTURES / f"failed-{self.name}.png")
        words = await self.evaluate(
            "`${location.pathname}: ${document.querySelector('main, #room').innerText}`"
        )
        return f"{words[:1500]}\n...\n{words[-1000:]}\nerrors of the page: {self.errors}"

    # --- what everybody does ------------------------------------------------------------------------

    async def sign_in(self, login: str, language: Literal["ru", "en"] = "ru") -> None:
        """By the form, with the keyboard."""
        await self.goto(f"/sign-in?language={language}")
        await self.write("#login", login)
        await self.write("#password", PASSWORD)
        await self.press("Enter")
        await self.until("location.pathname === '/' && document.readyState === 'complete'", "my day")

    async def choose(self, selector: str, value: str) -> None:
        """Choose an option of a list and tell the page."""
        found = f"document.querySelector({json.dumps(selector)})"
        value_is_there = f"{found} && [...{found}.options].some((one) => one.value === {json.dumps(value)})"
        await self.until(value_is_there, f"{value} in {selector}")
        await self.evaluate(
            f"(() => {{ const one = {found}; one.value = {json.dumps(value)};"
            " for (const name of ['input', 'change']) one.dispatchEvent(new Event(name, {bubbles: true})); })()"
        )


class LoadingAnotherPage(Exception):
    """The page changed under the question."""


class ChromiumWindow(Window):
    """A tab of a Chromium context of its own: cookies and storage are this person's alone."""

    def __init__(self, name: str, url: str, page: Page) -> None:
        super().__init__(name, url)
        self.page = page
        page.set_default_timeout(PATIENCE * 1000)
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on("console", lambda line: self.errors.append(line.text) if line.type == "error" else None)

    @classmethod
    async def open(cls, browser: Browser, url: str, name: str, **more: Any) -> Self:
        size = {"width": 1366, "height": 768}
        context = await browser.new_context(**{"locale": "ru-RU", "viewport": size, **more})
        await context.add_init_script(PEERS)
        return cls(name, url, await context.new_page())

    async def goto(self, path: str) -> None:
        await self.page.goto(self.url + path)

    async def reload(self) -> None:
        await self.page.reload()

    async def evaluate(self, expression: str) -> Any:
        try:
            return await self.page.evaluate(expression)
        except Exception as error:
            if "context was destroyed" in str(error) or "navigation" in str(error):
                raise LoadingAnotherPage from error
            raise

    async def click(self, selector: str) -> None:
        await self.page.locator(selector).locator("visible=true").first.click()

    async def write(self, selector: str, text: str) -> None:
        await self.page.locator(selector).first.fill(text)

    async def press(self, keys: str) -> None:
        await self.page.keyboard.press(keys)

    async def resize(self, width: int, height: int) -> None:
        await self.page.set_viewport_size({"width": width, "height": height})

    async def photograph(self, path: Path) -> None:
        await self.page.screenshot(path=path)

    async def attach(self, selector: str, name: str, media_type: str, content: bytes) -> None:
        """Choose a file in a file field."""
        await self.page.locator(selector).set_input_files(
            {"name": name, "mimeType": media_type, "buffer": content}
        )

    async def download(self, selector: str, path: Path) -> None:
        """Press a link that downloads, and keep the file."""
        async with self.page.expect_download() as started:
            await self.click(selector)
        await (await started.value).save_as(path)

    async def close(self) -> None:
        await self.page.context.close()


class FirefoxWindow(Window):
    """The tab of a Firefox of its own."""

    def __init__(self, name: str, url: str, page: firefox.Page) -> None:
        super().__init__(name, url)
        self.page = page

    async def goto(self, path: str) -> None:
        await self.page.goto(self.url + path)

    async def reload(self) -> None:
        await self.page.reload()

    async def evaluate(self, expression: str) -> Any:
        try:
            return await self.page.evaluate(expression)
        except firefox.FirefoxError as error:
            if any(
                word in str(error) for word in ("no such frame", "discarded", "destroyed", "no such node")
            ):
                raise LoadingAnotherPage from error
            raise

    async def click(self, selector: str) -> None:
        """As a person: only what is seen, enabled, and not under something else."""
        await self.until(f"({_PRESSABLE})({json.dumps(selector)})", f"{selector} that can be pressed")
        await self.page.click(selector)

    async def write(self, selector: str, text: str) -> None:
        await self.see(selector)
        await self.evaluate(
            f"(() => {{ const one = document.querySelector({json.dumps(selector)}); one.focus(); one.select(); }})()"
        )
        await self.page.type(selector, text)

    async def press(self, keys: str) -> None:
        await self.page.press(keys)

    async def resize(self, width: int, height: int) -> None:
        await self.page.resize(width, height)

    async def photograph(self, path: Path) -> None:
        await self.page.screenshot(path)


_PRESSABLE = """(selector) => {
  const one = document.querySelector(selector);
  if (!one || one.disabled || !one.checkVisibility()) return false;
  one.scrollIntoView({block: "center", inline: "center"});
  const box = one.getBoundingClientRect();
  const top = document.elementFromPoint(box.x + box.width / 2, box.y + box.height / 2);
  return Boolean(top && (one.contains(top) || top.contains(one)));
}"""


@asynccontextmanager
async def chromium(path: str) -> AsyncIterator[Browser]:
    """One Chromium; each person gets a context of his own in it."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=path, headless=True, args=CHROMIUM_FLAGS)
        try:
            yield browser
        finally:
            await browser.close()


@asynccontextmanager
async def firefox_window(url: str, name: str) -> AsyncIterator[FirefoxWindow]:
    """A Firefox with one window of the size of a ward PC."""
    browser = firefox.Firefox(None)
    async with browser as page:
        await browser.command("script.addPreloadScript", functionDeclaration=f"() => {{ {_QUIETLY} }}")
        await page.resize(1366, 768)
        yield FirefoxWindow(name, url, page)


# about:blank has no storage.
_QUIETLY = "try {" + PEERS + "} catch (error) { console.log(String(error)); }"
