"""Janus 1.1.2 from Debian with its VideoRoom, through its WebSocket API.

Its defaults stay, except: candidates only on the given address, no plugin or transport that is not used, and, for
the second of its two settings, `event_loops = 1` instead of a thread per connection.
"""

import asyncio
import contextlib
import os
import secrets
import shutil
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp

from bench.media.relay import CORE

PORTS = {"default": 18188, "one loop": 18189}
UNUSED_PLUGINS = (
    "audiobridge duktape echotest lua nosip recordplay sip streaming textroom videocall voicemail"
)
UNUSED_TRANSPORTS = "http mqtt nanomsg pfunix rabbitmq"
MANY = 100  # publishers of a room
INSTALL = ["apt-get", "install", "-y", "--no-install-recommends", "-o", "DPkg::Lock::Timeout=60", "janus"]


class JanusRefused(Exception):
    """Janus answered with an error."""


def install() -> str:
    """Janus from Debian, only when it is missing; returns what is in the way, or nothing."""
    if shutil.which("janus"):
        return ""
    if not shutil.which("apt-get"):
        return "Janus is not installed and there is no apt-get"
    # The package would start a server of its own.
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}
    done = subprocess.run(INSTALL, env=environment, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        return f"Janus cannot be installed: {(done.stderr.strip().splitlines() or ['no reason given'])[-1]}"
    if shutil.which("systemctl"):
        subprocess.run(["systemctl", "disable", "--now", "janus"], capture_output=True, check=False)
    return ""


def configure(folder: Path, address: str, setting: str) -> None:
    """The files of one Janus, made from those of the package."""
    folder.mkdir()
    plugins = ",".join(f"libjanus_{name}.so" for name in UNUSED_PLUGINS.split())
    transports = ",".join(f"libjanus_{name}.so" for name in UNUSED_TRANSPORTS.split())
    loops = "event_loops = 1" if setting == "one loop" else ""
    (folder / "janus.jcfg").write_text(
        f"""general: {{ configs_folder = "{folder}" debug_level = 2 {loops} }}
nat: {{ ice_enforce_list = "{address}" }}
plugins: {{ disable = "{plugins}" }}
transports: {{ disable = "{transports}" }}
"""
    )
    (folder / "janus.transport.websockets.jcfg").write_text(
        f'general: {{ ws = true ws_port = {PORTS[setting]} ws_interface = "lo" }}\n'
    )
    (folder / "janus.plugin.videoroom.jcfg").write_text("general: { }\n")


class Janus:
    """One running Janus. A person has one handle, by (room, person)."""

    def __init__(
        self, name: str, process: asyncio.subprocess.Process, socket: aiohttp.ClientWebSocketResponse
    ) -> None:
        self.name = name
        self.pid = process.pid
        self._socket = socket
        self._waiting: dict[str, asyncio.Future[dict[str, Any]]] = {}
        self._session = 0
        self._rooms: dict[str, int] = {}
        self._feeds: dict[str, list[int]] = {}
        self._handles: dict[tuple[str, str], int] = {}
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        self._tasks.append(asyncio.create_task(self._read()))
        self._session = (await self._ask("create"))["data"]["id"]
        self._tasks.append(asyncio.create_task(self._keep_alive()))

    async def open_room(self, room: str) -> None:
        self._rooms[room] = len(self._rooms) + 1
        self._feeds[room] = []
        await self._tell(
            await self._handle(room, ""), request="create", room=self._rooms[room], publishers=MANY
        )

    async def close_room(self, room: str) -> None:
        await self._tell(await self._handle(room, ""), request="destroy", room=self._rooms[room])
        for key in [key for key in self._handles if key[0] == room]:
            await self._ask("detach", handle_id=self._handles.pop(key))

    async def publish(self, room: str, person: str, offer: str) -> str:
        handle = await self._handle(room, person)
        joined = await self._tell(handle, request="join", ptype="publisher", room=self._rooms[room])
        jsep = {"type": "offer", "sdp": offer}
        answer = await self._tell(handle, jsep, request="publish")
        self._feeds[room].append(joined["plugindata"]["data"]["id"])
        return str(answer["jsep"]["sdp"])

    async def offer(self, room: str, person: str, slots: int) -> str:
        """A subscription to everybody who publishes by now; `slots` needs not be said."""
        streams = [{"feed": feed} for feed in self._feeds[room]]
        handle = await self._handle(room, person)
        number = self._rooms[room]
        joined = await self._tell(handle, request="join", ptype="subscriber", room=number, streams=streams)
        return str(joined["jsep"]["sdp"])

    async def answer(self, room: str, person: str, answer: str) -> None:
        await self._tell(await self._handle(room, person), {"type": "answer", "sdp": answer}, request="start")

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._socket.close()

    async def _handle(self, room: str, person: str) -> int:
        if (room, person) not in self._handles:
            answer = await self._ask("attach", plugin="janus.plugin.videoroom")
            self._handles[room, person] = answer["data"]["id"]
        return self._handles[room, person]

    async def _tell(self, handle: int, jsep: dict[str, str] | None = None, **body: object) -> dict[str, Any]:
        fields: dict[str, object] = {"handle_id": handle, "body": body}
        answer = await self._ask("message", **fields, **({"jsep": jsep} if jsep else {}))
        data = answer.get("plugindata", {}).get("data", {})
        if "error" in data:
            raise JanusRefused(data["error"])
        return answer

    async def _ask(self, verb: str, **fields: object) -> dict[str, Any]:
        """The answer to a request: past the acknowledgement of those that take their time."""
        transaction = secrets.token_hex(6)
        future = asyncio.get_running_loop().create_future()
        self._waiting[transaction] = future
        session = {"session_id": self._session} if self._session else {}
        await self._socket.send_json({"janus": verb, "transaction": transaction, **session, **fields})
        async with asyncio.timeout(10):
            answer: dict[str, Any] = await future
        if answer["janus"] == "error":
            raise JanusRefused(answer["error"]["reason"])
        return answer

    async def _read(self) -> None:
        async for message in self._socket:
            answer = message.json()
            if answer["janus"] == "ack":
                continue
            future = self._waiting.pop(answer.get("transaction", ""), None)
            if future is not None and not future.done():
                future.set_result(answer)

    async def _keep_alive(self) -> None:
        while True:
            await asyncio.sleep(20)
            await self._socket.send_json(
                {"janus": "keepalive", "session_id": self._session, "transaction": secrets.token_hex(6)}
            )


@contextlib.asynccontextmanager
async def janus_relay(setting: str, address: str, folder: Path) -> AsyncIterator[Janus]:
    """`setting`: default, or one loop."""
    files = folder / f"janus {setting}"
    configure(files, address, setting)
    with (folder / f"janus {setting}.log").open("wb") as log:
        process = await asyncio.create_subprocess_exec("janus", "-F", str(files), stdout=log, stderr=log)
    os.sched_setaffinity(process.pid, {CORE})
    try:
        async with aiohttp.ClientSession() as session:
            janus = Janus(f"Janus, {setting}", process, await _socket(session, PORTS[setting]))
            await janus.start()
            try:
                yield janus
            finally:
                await janus.close()
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        await process.wait()


async def _socket(session: aiohttp.ClientSession, port: int) -> aiohttp.ClientWebSocketResponse:
    """As soon as it listens."""
    async with asyncio.timeout(20):
        while True:
            with contextlib.suppress(aiohttp.ClientError):
                return await session.ws_connect(f"ws://127.0.0.1:{port}", protocols=["janus-protocol"])
            await asyncio.sleep(0.05)
