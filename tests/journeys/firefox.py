"""Firefox ESR driven by WebDriver BiDi over its own websocket: no geckodriver, no Selenium.

    async with Firefox("http://127.0.0.1:8080/") as page:
        await page.click("#enter")
        await page.type("input[name=login]", "petrova")
        await page.press("Enter")
        assert await page.evaluate("document.title") == "..."

https://w3c.github.io/webdriver-bidi/
"""

import asyncio
import base64
import contextlib
import json
import os
import re
import shutil
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Any

import aiohttp

PREFERENCES: dict[str, object] = {
    # Synthetic camera and microphone, granted without a question.
    "media.navigator.streams.fake": True,
    "media.navigator.permission.disabled": True,
    # A server that is only on 127.0.0.1 can be reached, and sees addresses instead of `.local` names.
    "media.peerconnection.ice.obfuscate_host_addresses": False,
    "media.peerconnection.ice.loopback": True,
    "media.autoplay.default": 0,
    # Nothing leaves the machine.
    "app.update.enabled": False,
    "app.normandy.enabled": False,
    "browser.safebrowsing.malware.enabled": False,
    "browser.safebrowsing.phishing.enabled": False,
    "browser.safebrowsing.downloads.remote.enabled": False,
    "browser.search.update": False,
    "browser.shell.checkDefaultBrowser": False,
    "browser.startup.homepage_override.mstone": "ignore",
    "datareporting.policy.dataSubmissionEnabled": False,
    "extensions.update.enabled": False,
    "extensions.getAddons.cache.enabled": False,
    "media.gmp-manager.updateEnabled": False,
    "media.gmp-manager.url": "",
    "network.captive-portal-service.enabled": False,
    "network.connectivity-service.enabled": False,
    "services.settings.server": "http://127.0.0.1:9/",
    "toolkit.telemetry.enabled": False,
    "toolkit.telemetry.server": "",
}

KEYS = {  # https://www.w3.org/TR/webdriver2/#keyboard-actions
    "Backspace": "\ue003",
    "Tab": "\ue004",
    "Enter": "\ue007",
    "Shift": "\ue008",
    "Control": "\ue009",
    "Alt": "\ue00a",
    "Escape": "\ue00c",
    "Space": " ",
    "PageUp": "\ue00e",
    "PageDown": "\ue00f",
    "End": "\ue010",
    "Home": "\ue011",
    "ArrowLeft": "\ue012",
    "ArrowUp": "\ue013",
    "ArrowRight": "\ue014",
    "ArrowDown": "\ue015",
    "Delete": "\ue017",
}

START_WITHIN = 30.0
ANSWER_WITHIN = 30.0
_LISTENING = re.compile(rb"WebDriver BiDi listening on (ws://\S+)")


class FirefoxError(Exception):
    """Firefox refused a command, or a script threw; the message is Firefox's own."""


class Page:
    """One tab. Selectors are CSS; scripts are expressions, awaited if they give a promise."""

    def __init__(self, browser: "Firefox", context: str) -> None:
        self._browser = browser
        self._context = context

    async def goto(self, url: str) -> None:
        """Open an address and wait until it has loaded."""
        await self._browser.command(
            "browsingContext.navigate", context=self._context, url=url, wait="complete"
        )

    async def reload(self) -> None:
        await self._browser.command("browsingContext.reload", context=self._context, wait="complete")

    async def evaluate(self, expression: str) -> Any:
        """The JSON value of a JavaScript expression; raises FirefoxError with the text of an exception."""
        answer = await self._browser.command(
            "script.evaluate",
            expression=f"(async () => JSON.stringify(await ({expression})))()",
            target={"context": self._context},
            awaitPromise=True,
            userActivation=True,
        )
        if answer["type"] == "exception":
            raise FirefoxError(answer["exceptionDetails"]["text"])
        value = answer["result"].get("value")
        return json.loads(value) if value is not None else None

    async def wait_for(self, expression: str, timeout: float = 10.0) -> Any:
        """Until an expression is truthy; returns its value, raises TimeoutError."""
        async with asyncio.timeout(timeout):
            while not (value := await self.evaluate(expression)):
                await asyncio.sleep(0.05)
            return value

    async def click(self, selector: str) -> None:
        """A real pointer click in the middle of the first matching element."""
        x, y = await self._middle(selector)
        await self._act(
            "pointer",
            [
                {"type": "pointerMove", "x": x, "y": y},
                {"type": "pointerDown", "button": 0},
                {"type": "pointerUp", "button": 0},
            ],
        )

    async def type(self, selector: str, text: str) -> None:
        """Put the focus into an element and type, key by key."""
        await self.evaluate(f"document.querySelector({json.dumps(selector)}).focus()")
        strokes = [{"type": kind, "value": key} for key in text for kind in ("keyDown", "keyUp")]
        await self._act("key", strokes)

    async def press(self, keys: str) -> None:
        """A key or a chord by name: `Enter`, `Shift+Tab`, `Control+a`."""
        values = [KEYS.get(key, key) for key in keys.split("+")]
        downs = [{"type": "keyDown", "value": value} for value in values]
        ups = [{"type": "keyUp", "value": value} for value in reversed(values)]
        await self._act("key", downs + ups)

    async def screenshot(self, path: str | Path) -> None:
        answer = await self._browser.command("browsingContext.captureScreenshot", context=self._context)
        await asyncio.to_thread(Path(path).write_bytes, base64.b64decode(answer["data"]))

    async def resize(self, width: int, height: int) -> None:
        await self._browser.command(
            "browsingContext.setViewport",
            context=self._context,
            viewport={"width": width, "height": height},
        )

    async def _middle(self, selector: str) -> tuple[int, int]:
        found = await self.evaluate(
            f"""(() => {{
              const element = document.querySelector({json.dumps(selector)});
              if (!element) return null;
              element.scrollIntoView({{block: "center", inline: "center"}});
              const box = element.getBoundingClientRect();
              return [Math.floor(box.x + box.width / 2), Math.floor(box.y + box.height / 2)];
            }})()"""
        )
        if found is None:
            raise FirefoxError(f"no element {selector}")
        return found[0], found[1]

    async def _act(self, kind: str, actions: list[dict[str, Any]]) -> None:
        source: dict[str, Any] = {"type": kind, "id": kind, "actions": actions}
        await self._browser.command("input.performActions", context=self._context, actions=[source])


class Firefox:
    """A headless Firefox with a profile of its own; entering it gives its first tab."""

    def __init__(self, url: str | None = None, preferences: dict[str, object] | None = None) -> None:
        self._url = url
        self._preferences = {**PREFERENCES, **(preferences or {})}
        self._process: asyncio.subprocess.Process | None = None
        self._profile = ""
        self._session: aiohttp.ClientSession | None = None
        self._socket: aiohttp.ClientWebSocketResponse | None = None
        self._reader: asyncio.Task[None] | None = None
        self._output: asyncio.Task[None] | None = None
        self._pending: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._next_id = 0

    async def __aenter__(self) -> Page:
        try:
            return await self._start()
        except BaseException:
            await self.close()
            raise

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    async def new_page(self, url: str | None = None) -> Page:
        answer = await self.command("browsingContext.create", type="tab")
        page = Page(self, answer["context"])
        if url:
            await page.goto(url)
        return page

    async def command(self, method: str, **params: Any) -> dict[str, Any]:
        """One BiDi command; raises FirefoxError."""
        assert self._socket is not None
        self._next_id += 1
        number = self._next_id
        future: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        self._pending[number] = future
        await self._socket.send_str(json.dumps({"id": number, "method": method, "params": params}))
        async with asyncio.timeout(ANSWER_WITHIN):
            answer = await future
        if answer["type"] == "error":
            raise FirefoxError(f"{method}: {answer['error']}: {answer['message']}")
        result: dict[str, Any] = answer["result"]
        return result

    async def close(self) -> None:
        for task in (self._reader, self._output):
            if task is not None:
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await task
        if self._socket is not None:
            await self._socket.close()
        if self._session is not None:
            await self._session.close()
        if self._process is not None and self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, 15)
            try:
                async with asyncio.timeout(5):
                    await self._process.wait()
            except TimeoutError:
                os.killpg(self._process.pid, 9)
                await self._process.wait()
        await asyncio.to_thread(shutil.rmtree, self._profile, ignore_errors=True)

    async def _start(self) -> Page:
        self._profile = await asyncio.to_thread(self._write_profile)
        self._process = await asyncio.create_subprocess_exec(
            shutil.which("firefox-esr") or "firefox",
            "--headless",
            "--no-remote",
            "--profile",
            self._profile,
            "--remote-debugging-port=0",
            "about:blank",
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
            start_new_session=True,
            env={**os.environ, "HOME": self._profile, "MOZ_DISABLE_AUTO_SAFE_MODE": "1"},
        )
        async with asyncio.timeout(START_WITHIN):
            address = await self._listening()
        self._output = asyncio.create_task(self._drain())
        self._session = aiohttp.ClientSession()
        self._socket = await self._session.ws_connect(f"{address}/session", max_msg_size=0)
        self._reader = asyncio.create_task(self._read())
        await self.command("session.new", capabilities={"alwaysMatch": {"acceptInsecureCerts": True}})
        tree = await self.command("browsingContext.getTree")
        page = Page(self, tree["contexts"][0]["context"])
        if self._url:
            await page.goto(self._url)
        return page

    def _write_profile(self) -> str:
        profile = tempfile.mkdtemp(prefix="firefox-")
        lines = [f"user_pref({json.dumps(k)}, {json.dumps(v)});" for k, v in self._preferences.items()]
        (Path(profile) / "user.js").write_text("\n".join(lines))
        return profile

    async def _listening(self) -> str:
        assert self._process is not None
        assert self._process.stderr is not None
        while line := await self._process.stderr.readline():
            if match := _LISTENING.search(line):
                return match.group(1).decode()
        raise FirefoxError("Firefox ended before it listened")

    async def _drain(self) -> None:
        """Keep reading what Firefox prints, so that its pipe never fills."""
        assert self._process is not None
        assert self._process.stderr is not None
        while await self._process.stderr.read(65536):
            pass

    async def _read(self) -> None:
        assert self._socket is not None
        async for message in self._socket:
            answer = json.loads(message.data)
            future = self._pending.pop(answer.get("id"), None)
            if future is not None and not future.done():
                future.set_result(answer)
        for future in self._pending.values():
            if not future.done():
                future.set_exception(FirefoxError("Firefox is gone"))
