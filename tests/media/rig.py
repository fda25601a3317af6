"""A media worker with its control channel in this process, and participants made of plain aiortc."""

import asyncio
import contextlib
import fractions
import math
import struct
import sys
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from aiortc import (
    RTCBundlePolicy,
    RTCConfiguration,
    RTCPeerConnection,
    RTCSessionDescription,
)
from aiortc.mediastreams import MediaStreamTrack
from av import AudioFrame, VideoFrame

from media.control import MediaClient, Message
from media.control_server import ControlServer
from media.engine import SocketPlan
from media.plane.choose import ForwarderMissing, forwarder
from media.worker import Worker

ROOM = {"room": "r1", "epoch": 1}


def built() -> bool:
    """Whether the compiled forwarder is there to be tested."""
    try:
        return forwarder("compiled").name == "compiled"
    except ForwarderMissing:
        return False


FORWARDERS = ["python", pytest.param("compiled", marks=pytest.mark.skipif(not built(), reason="not built"))]


class Relay:
    """A worker seen through a connected client, and everything the client was told."""

    def __init__(
        self,
        client: MediaClient,
        events: "Events",
        worker: Worker | None = None,
        process: asyncio.subprocess.Process | None = None,
        server: ControlServer | None = None,
    ) -> None:
        self.client = client
        self.events = events
        self.ask = client.request
        self.process = process
        self.server = server
        self._worker = worker

    @property
    def worker(self) -> Worker:
        """The worker itself, when it lives in this process."""
        assert self._worker is not None
        return self._worker


class Events:
    """What on_event received; `wait` returns the first one that fits, past or future."""

    def __init__(self) -> None:
        self.seen: list[Message] = []
        self._new = asyncio.Event()

    def __call__(self, event: Message) -> None:
        self.seen.append(event)
        self._new.set()

    async def wait(self, fits: Callable[[Message], bool], timeout: float = 10.0, since: int = 0) -> Message:
        async with asyncio.timeout(timeout):
            while True:
                for event in self.seen[since:]:
                    if fits(event):
                        return event
                self._new.clear()
                await self._new.wait()


async def until(condition: Callable[[], bool], timeout: float = 10.0) -> None:
    """Wait for something that has no event; a condition that never holds is a TimeoutError."""
    async with asyncio.timeout(timeout):
        while not condition():
            await asyncio.sleep(0.01)


@contextlib.asynccontextmanager
async def running_relay(folder: Path, capacity: int = 50, choice: str = "python") -> AsyncIterator[Relay]:
    worker = Worker("media-test", SocketPlan(("127.0.0.1",)), capacity, 1_500_000, forwarder(choice))
    server = ControlServer(worker, f"unix:{folder}/media.sock", None)
    await server.start()
    events = Events()
    client = MediaClient(server.address, events)
    await client.connect()
    try:
        yield Relay(client, events, worker, server=server)
    finally:
        await client.close()
        await worker.close("test is over")
        await server.close("test is over")


@contextlib.asynccontextmanager
async def running_process(folder: Path, *arguments: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """`python -m media` with its control channel at `folder`/media.sock, on 127.0.0.1."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "media",
        *("--name", "media-test", "--control", f"unix:{folder}/media.sock", "--address", "127.0.0.1"),
        *arguments,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


@contextlib.asynccontextmanager
async def relay_process(folder: Path, *arguments: str) -> AsyncIterator[Relay]:
    """The same as it runs in production: a process of its own."""
    async with running_process(folder, *arguments) as process:
        events = Events()
        client = MediaClient(f"unix:{folder}/media.sock", events)
        await client.connect(timeout=15)
        try:
            yield Relay(client, events, process=process)
        finally:
            await client.close()


class Tone(MediaStreamTrack):
    """A sine of 440 Hz, so that audio levels are not silence."""

    kind = "audio"

    def __init__(self, loudness: float = 0.5) -> None:
        super().__init__()
        self.loudness = loudness
        self._count = 0
        self._started = time.monotonic()

    async def recv(self) -> AudioFrame:
        samples = 960
        wait = self._started + self._count * 0.02 - time.monotonic()
        if wait > 0:
            await asyncio.sleep(wait)
        first = self._count * samples
        amplitude = 32000 * self.loudness
        values = [int(amplitude * math.sin(2 * math.pi * 440 * (first + i) / 48000)) for i in range(samples)]
        frame = AudioFrame(format="s16", layout="mono", samples=samples)
        frame.planes[0].update(struct.pack(f"<{samples}h", *values))
        frame.pts, frame.sample_rate, frame.time_base = first, 48000, fractions.Fraction(1, 48000)
        self._count += 1
        return frame


class Picture(MediaStreamTrack):
    """160x96 at 10 frames per second, one grey level per person so that a face can be told from another."""

    kind = "video"

    def __init__(self, grey: int = 128) -> None:
        super().__init__()
        self.grey = grey
        self._count = 0
        self._started = time.monotonic()

    async def recv(self) -> VideoFrame:
        wait = self._started + self._count * 0.1 - time.monotonic()
        if wait > 0:
            await asyncio.sleep(wait)
        frame = VideoFrame(width=160, height=96, format="yuv420p")
        for index, plane in enumerate(frame.planes):
            value = self.grey if index == 0 else 128
            plane.update(bytes([value]) * plane.buffer_size)
        frame.pts, frame.time_base = self._count * 9000, fractions.Fraction(1, 90000)
        self._count += 1
        return frame


class Participant:
    """Publishes and receives through a relay with unmodified aiortc."""

    def __init__(self, relay: Relay, name: str, room: dict[str, object] | None = None) -> None:
        self.relay = relay
        self.name = name
        self.where = {**(room or ROOM), "peer": name}
        self.sending = new_pc()
        self.receiving = new_pc()
        self.slots: list[Message] = []
        self.names: dict[str, str] = {}

    async def publish(
        self, tracks: dict[str, MediaStreamTrack], may: tuple[str, ...] = ("mic", "camera", "screen")
    ) -> str:
        """Offer these tracks (again); returns the answer."""
        for source, track in tracks.items():
            transceiver = self.sending.addTransceiver(track, direction="sendonly")
            self.names[str(len(self.names))] = source
            assert transceiver.kind == track.kind
        await self.sending.setLocalDescription(await self.sending.createOffer())
        answer = await self.relay.ask(
            "publish.offer",
            **self.where,
            sdp=self.sending.localDescription.sdp,
            sources=self.names,
            may=list(may),
        )
        await self.sending.setRemoteDescription(RTCSessionDescription(str(answer["sdp"]), "answer"))
        return str(answer["sdp"])

    async def subscribe(self, audio: int = 2, video: int = 2) -> None:
        offer = await self.relay.ask("subscribe.open", **self.where, audio=audio, video=video)
        await self.receiving.setRemoteDescription(RTCSessionDescription(str(offer["sdp"]), "offer"))
        await self.receiving.setLocalDescription(await self.receiving.createAnswer())
        answer = await self.relay.ask(
            "subscribe.answer", **self.where, sdp=self.receiving.localDescription.sdp
        )
        self.slots = list(answer["slots"])

    async def connected(self, pc: str) -> None:
        await self.relay.events.wait(
            lambda e: (
                e["event"] == "peer.state"
                and (e["peer"], e["pc"], e["state"]) == (self.name, pc, "connected")
            )
        )

    def track(self, mid: str) -> MediaStreamTrack:
        return next(t.receiver.track for t in self.receiving.getTransceivers() if t.mid == mid)

    async def slot_with(self, source: str, sender: str) -> str:
        """The m-line that carries a source, once the relay has told so."""

        def of(slots: object) -> str | None:
            assert isinstance(slots, list)
            return next((s["mid"] for s in slots if (s["from"], s["source"]) == (sender, source)), None)

        if (mid := of(self.slots)) is not None:
            return mid
        event = await self.relay.events.wait(
            lambda e: e["event"] == "slots" and e["peer"] == self.name and of(e["slots"]) is not None
        )
        found = of(event["slots"])
        assert found is not None
        return found

    async def close(self) -> None:
        await self.sending.close()
        await self.receiving.close()


def new_pc() -> RTCPeerConnection:
    """aiortc as a browser would behave: one bundle, no STUN server."""
    return RTCPeerConnection(RTCConfiguration(iceServers=[], bundlePolicy=RTCBundlePolicy.MAX_BUNDLE))
