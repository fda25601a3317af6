"""One synthetic doctor at his browser."""

from __future__ import annotations

import asyncio
import base64
import hashlib
from collections.abc import Callable
from datetime import datetime
from types import TracebackType
from typing import Any, Self
from uuid import uuid4

import aiohttp
import socketio

from consilium.seal.providers import new_key
from signaling.bots.media import Media
from signaling.wire import PROTOCOL_VERSION

STEP = 15.0
"""Seconds any single wait may take before the bot gives up: a journey must fail, not hang."""


PASSWORD = "demonstration"  # noqa: S105 - public on purpose: the demonstration's accounts have no other


class BotRefused(Exception):
    """The server refused; `code` is its code."""

    def __init__(self, name: str, error: dict[str, Any]) -> None:
        self.code = str(error.get("code"))
        self.details = error.get("details", {})
        super().__init__(f"{name}: {self.code} {self.details}")


class BotGaveUp(Exception):
    """What was waited for did not come."""


class Bot:
    """Use as `async with Bot(url, login) as bot`. `state` is the snapshot, kept up to date by patches."""

    def __init__(
        self, url: str, login: str, password: str = PASSWORD, socket_url: str = "", keys: str = "p256"
    ) -> None:
        self.url = url.rstrip("/")
        self.socket_url = socket_url or self.url
        self.login = login
        self.password = password
        self.me: dict[str, Any] = {}
        self.state: dict[str, Any] = {}
        self.seq = 0
        self.gaps = 0
        self.events: list[dict[str, Any]] = []
        self.drafts: list[dict[str, Any]] = []
        self.gone: str | None = None
        self.media: Media | None = None
        self.key = new_key(keys)
        self.certificate = b""
        self.consilium = ""
        self._http: aiohttp.ClientSession | None = None
        self._borrowed = False
        self._sio: socketio.AsyncClient | None = None
        self._changed = asyncio.Condition()

    def another_tab(self) -> Bot:
        """The same person in one more room; signed in while he is at this desk."""
        tab = Bot(self.url, self.login, self.password, self.socket_url)
        tab.me, tab._http, tab._borrowed = self.me, self._http, True
        return tab

    async def __aenter__(self) -> Self:
        if self._borrowed:
            return self
        jar = aiohttp.CookieJar(unsafe=True)  # cookies for an address without a name: 127.0.0.1
        headers = {"Origin": self.url, "X-Consilium": "1"}
        self._http = aiohttp.ClientSession(cookie_jar=jar, headers=headers)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.disconnect()
        if self._http is not None and not self._borrowed:
            await self._http.close()

    # --- HTTP ---------------------------------------------------------------------------------------

    async def sign_in(self) -> None:
        await self.post("session.begin", login=self.login, password=self.password)
        self.me = await self.post("room.ticket")

    async def api(self, name: str, *, command: str | None = None, **fields: Any) -> dict[str, Any]:
        """A command over HTTP. Raises BotRefused."""
        return await self.post(name, command=command or str(uuid4()), **fields)

    async def post(self, name: str, **fields: Any) -> dict[str, Any]:
        async with self._session.post(f"{self.url}/api/{name}", json=fields) as answer:
            body = await answer.json()
        return _unwrap(name, body)

    async def get(self, path: str) -> bytes:
        async with self._session.get(self.url + path) as answer:
            body = await answer.read()
            if answer.status != 200:
                raise BotRefused(
                    path, {"code": f"http_{answer.status}", "details": body[:200].decode("utf-8", "replace")}
                )
            return body

    async def upload(self, request: str, title: str, content: bytes, kind: str = "extract") -> dict[str, Any]:
        parameters = {"request": request, "title": title, "kind": kind, "command": str(uuid4())}
        url = f"{self.url}/api/document.upload"
        async with self._session.post(url, params=parameters, data=content) as answer:
            return _unwrap("document.upload", await answer.json())

    # --- socket -------------------------------------------------------------------------------------

    async def connect(self, consilium: str) -> None:
        """A socket to the room, knock, and the first snapshot."""
        await self.disconnect()
        self.consilium, self.gone = consilium, None
        ticket = (await self.post("room.ticket", consilium=consilium))["ticket"]
        self._sio = socketio.AsyncClient(reconnection=False)
        for name, handler in (
            ("event", self._on_event),
            ("protocol.event", self._on_protocol),
            ("head", self._on_head),
            ("draft.update", self._on_draft),
            ("room.gone", self._on_gone),
            ("media.slots", self._on_slots),
            ("media.moved", self._on_moved),
        ):
            self._sio.on(name, handler)
        auth = {"ticket": ticket, "protocol": PROTOCOL_VERSION}
        await self._sio.connect(self.socket_url, auth=auth, transports=["websocket"], wait_timeout=STEP)
        await self.room("room.enter")
        await self.sync()

    async def disconnect(self) -> None:
        """As when a browser tab closes: no farewell."""
        if self.media is not None:
            await self.media.close()
            self.media = None
        if self._sio is not None:
            await self._sio.disconnect()
            self._sio = None

    async def room(self, name: str, *, command: str | None = None, **fields: Any) -> dict[str, Any]:
        """A message over the socket, acknowledged. Raises BotRefused."""
        if self._sio is None:
            raise BotGaveUp(f"{self.login} has no socket for {name}")
        message = {"command": command or str(uuid4()), **fields}
        body = await self._sio.call(name, message, timeout=STEP)
        return _unwrap(name, body)

    async def sync(self) -> list[dict[str, Any]]:
        answer = await self.room("room.sync", since=self.seq)
        self.seq = answer["seq"]
        self.state = answer["snapshot"]
        await self._notify()
        return list(answer["missed"])

    async def until(self, holds: Callable[[dict[str, Any]], Any], what: str, seconds: float = STEP) -> Any:
        """Wait until the snapshot satisfies `holds`; answers its truthy value."""
        async with self._changed:
            try:
                async with asyncio.timeout(seconds):
                    while not (value := self._holds(holds)):
                        await self._changed.wait()
            except TimeoutError:
                raise BotGaveUp(f"{self.login} waited {seconds:.0f} s for: {what}") from None
        return value

    # --- media --------------------------------------------------------------------------------------

    async def start_media(self, number: int, *, video: bool = True) -> None:
        """Send a tone of one's own and perhaps a colour, receive everybody's."""
        self.media = Media(self.room, number, video=video)
        await self.media.start()
        await self.room("presence.set", mic=True, camera=video, screen=False)

    # --- signing ------------------------------------------------------------------------------------

    async def get_certificate(self) -> None:
        answer = await self.api("certificate.request", csr=base64.b64encode(self.key.csr()).decode())
        self.certificate = base64.b64decode(answer["der"])

    async def sign(self, protocol: str) -> dict[str, Any]:
        """Read the frozen bytes, hash them oneself, sign them, and one's own dissent if there is one."""
        begun = await self.api("protocol.begin_signing", protocol=protocol)
        document = await self.get(f"/api/protocol.document/{protocol}")
        digest = hashlib.sha256(document).hexdigest()
        if digest != begun["digest"]:
            raise BotGaveUp(f"{self.login} was shown another digest than that of the bytes")
        signing_time = datetime.fromisoformat(begun["signing_time"])
        for one in begun.get("dissents", []):
            await self._sign_dissent(protocol, one, begun["challenge"], signing_time)
        cms = self.key.sign(document, self.certificate, signing_time)
        return await self.api(
            "protocol.sign",
            protocol=protocol,
            challenge=begun["challenge"],
            digest=digest,
            cms=base64.b64encode(cms).decode(),
        )

    async def _sign_dissent(
        self, protocol: str, paper: dict[str, Any], challenge: str, signing_time: datetime
    ) -> None:
        document = base64.b64decode(paper["content"])
        cms = self.key.sign(document, self.certificate, signing_time)
        await self.api(
            "dissent.sign",
            protocol=protocol,
            dissent=paper["id"],
            challenge=challenge,
            digest=hashlib.sha256(document).hexdigest(),
            cms=base64.b64encode(cms).decode(),
        )

    # --- what the server says -----------------------------------------------------------------------

    async def _on_event(self, message: dict[str, Any]) -> None:
        if message["seq"] <= self.seq:
            return
        if message["seq"] != self.seq + 1:
            self.gaps += 1
            await self.sync()
            return
        self.seq = message["seq"]
        self.events.append(message)
        self.state = {**self.state, **message["patch"]}
        await self._notify()

    async def _on_protocol(self, message: dict[str, Any]) -> None:
        self.state = {**self.state, **message["patch"]}
        await self._notify()

    async def _on_head(self, message: dict[str, Any]) -> None:
        if message["seq"] > self.seq:
            self.gaps += 1
            await self.sync()

    async def _on_draft(self, message: dict[str, Any]) -> None:
        self.drafts.append(message)
        await self._notify()

    async def _on_gone(self, message: dict[str, Any]) -> None:
        self.gone = message["reason"]
        await self._notify()

    async def _on_slots(self, message: dict[str, Any]) -> None:
        if self.media is not None:
            self.media.slots_changed(message["slots"], message["epoch"])

    async def _on_moved(self, message: dict[str, Any]) -> None:
        if self.media is not None:
            self.media.stages["moved"] = asyncio.get_running_loop().time()
            await self.media.rebuild(message["epoch"])

    async def _notify(self) -> None:
        async with self._changed:
            self._changed.notify_all()

    def _holds(self, holds: Callable[[dict[str, Any]], Any]) -> Any:
        try:
            return holds(self.state)
        except (KeyError, IndexError, TypeError):
            return None

    @property
    def _session(self) -> aiohttp.ClientSession:
        if self._http is None:
            raise BotGaveUp(f"{self.login} is not at his desk: use `async with`")
        return self._http


def _unwrap(name: str, body: Any) -> dict[str, Any]:
    if not isinstance(body, dict) or not body.get("ok"):
        error = body.get("error", {}) if isinstance(body, dict) else {}
        raise BotRefused(name, error)
    return body
