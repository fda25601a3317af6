"""Our relay as it ships: a media worker with its control channel."""

import asyncio
import contextlib
import os
import sys
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

from bench.media.relay import CORE
from media.control import MediaClient, Message

MAX_BITRATE = 50_000_000  # a camera may send this; the trace is played faster than real time
CAPACITY = 1000


class Ours:
    """Stays for several crowds. `pid` is the whole worker."""

    def __init__(self, name: str, client: MediaClient, process: asyncio.subprocess.Process) -> None:
        self.name = name
        self.pid = process.pid
        self.client = client

    async def open_room(self, room: str) -> None:
        await self.client.request("room.open", room=room, epoch=1)

    async def close_room(self, room: str) -> None:
        await self.client.request("room.close", room=room, epoch=1, reason="measured")

    async def publish(self, room: str, person: str, offer: str) -> str:
        sources = {"0": "mic", "1": "camera"}
        fields: dict[str, Any] = {"sdp": offer, "sources": sources, "may": ["mic", "camera"]}
        return str(
            (await self.client.request("publish.offer", room=room, epoch=1, peer=person, **fields))["sdp"]
        )

    async def offer(self, room: str, person: str, slots: int) -> str:
        counts = {"audio": slots, "video": slots}
        return str(
            (await self.client.request("subscribe.open", room=room, epoch=1, peer=person, **counts))["sdp"]
        )

    async def answer(self, room: str, person: str, answer: str) -> None:
        await self.client.request("subscribe.answer", room=room, epoch=1, peer=person, sdp=answer)


@contextlib.asynccontextmanager
async def our_relay(
    name: str,
    address: str,
    folder: Path,
    *,
    program: str = "media",
    environment: Mapping[str, str] | None = None,
) -> AsyncIterator[Ours]:
    """`program` is started as a module; `environment` is added to ours."""
    control = f"unix:{folder}/{name}.sock"
    with (folder / f"{name}.log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", program, "--name", name, "--address", address, "--control", control),
            *("--max-bitrate", str(MAX_BITRATE), "--capacity", str(CAPACITY)),
            env={**os.environ, **(environment or {})},
            stderr=log,
        )
    os.sched_setaffinity(process.pid, {CORE})
    client = MediaClient(control, _ignore)
    try:
        await client.connect(timeout=20)
        yield Ours(name, client, process)
    finally:
        await client.close()
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        await process.wait()


def _ignore(_event: Message) -> None:
    """Nothing that the worker tells matters here."""
