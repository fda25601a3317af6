"""A picture and a tone by which a sender can be told from every other, and the proof that they arrived.

The picture is one flat colour per sender with a moving bar; the tone has one frequency per sender. A
receiver names the sender from what he decodes and compares with the name the server put on the slot:
the wrong face under a name is found here.
"""

from __future__ import annotations

import asyncio
import logging
import math
from array import array
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable
from fractions import Fraction
from functools import cache
from typing import Any

from aiortc import (
    MediaStreamTrack,
    RTCBundlePolicy,
    RTCConfiguration,
    RTCPeerConnection,
    RTCSessionDescription,
)
from aiortc.mediastreams import MediaStreamError
from av import AudioFrame, VideoFrame

log = logging.getLogger(__name__)

WIDTH, HEIGHT, FRAMES_PER_SECOND = 160, 96, 5
RATE, SAMPLES = 48_000, 960
COLOURS = (
    (64, 64),
    (64, 192),
    (192, 64),
    (192, 192),
    (128, 32),
    (128, 224),
    (32, 128),
    (224, 128),
    (128, 128),
)
"""(U, V) of each sender; far enough apart to survive VP8 at any bit rate."""
EVERY = 6
"""Of so many samples one is looked at: 8 kHz are plenty for the highest tone."""
ENOUGH = 25
"""Sounds of one sender that are told apart; the sums are the dearest part of a bot."""
TONES = tuple(400 + 150 * n for n in range(len(COLOURS)))

RETRIES = (0.1, 0.2, 0.5, 1.0, 2.0)
"""Seconds between attempts to build media anew while the server is still looking for a place."""

Ask = Callable[..., Awaitable[dict[str, Any]]]


class Picture(MediaStreamTrack):
    """A flat colour with a bar that moves, five frames a second."""

    kind = "video"

    def __init__(self, number: int) -> None:
        super().__init__()
        self._colour = COLOURS[number % len(COLOURS)]
        self._count = 0
        self._started = asyncio.get_running_loop().time()

    async def recv(self) -> VideoFrame:
        due = self._started + self._count / FRAMES_PER_SECOND
        await asyncio.sleep(max(0.0, due - asyncio.get_running_loop().time()))
        frame = VideoFrame(WIDTH, HEIGHT, "yuv420p")
        self._paint(frame)
        frame.pts, frame.time_base = self._count * 90_000 // FRAMES_PER_SECOND, Fraction(1, 90_000)
        self._count += 1
        return frame

    def _paint(self, frame: VideoFrame) -> None:
        bar = self._count * 8 % WIDTH
        luma = bytearray(b"\x80" * WIDTH)
        luma[bar : bar + 8] = b"\xe0" * len(luma[bar : bar + 8])
        for plane, line in zip(frame.planes, (luma, *((c,) for c in self._colour)), strict=True):
            width = plane.line_size
            row = bytes(line).ljust(width, b"\x80") if len(line) > 1 else bytes(line) * width
            plane.update(row * plane.height)


class Tone(MediaStreamTrack):
    """A sine of one frequency, 20 ms a frame; every frame is the same, for the tones are multiples of 50 Hz."""

    kind = "audio"

    def __init__(self, number: int) -> None:
        super().__init__()
        self._wave = _sine(TONES[number % len(TONES)])
        self._count = 0
        self._started = asyncio.get_running_loop().time()

    async def recv(self) -> AudioFrame:
        due = self._started + self._count * SAMPLES / RATE
        await asyncio.sleep(max(0.0, due - asyncio.get_running_loop().time()))
        first = self._count * SAMPLES
        frame = AudioFrame(format="s16", layout="mono", samples=SAMPLES)
        frame.planes[0].update(self._wave)
        frame.sample_rate, frame.pts, frame.time_base = RATE, first, Fraction(1, RATE)
        self._count += 1
        return frame


class Media:
    """Both peer connections of one person, and what was heard and seen from whom."""

    def __init__(self, ask: Ask, number: int, *, video: bool = True) -> None:
        self._ask = ask
        self._number = number
        self._video = video
        self._epoch = 0
        self._early: tuple[int, list[dict[str, Any]]] = (0, [])
        self._heard: RTCPeerConnection | None = None
        self._connections: tuple[RTCPeerConnection, ...] = ()
        self._rebuilding = asyncio.Lock()
        self._closing: set[asyncio.Task[None]] = set()
        self._slots: dict[str, str | None] = {}
        self._readers: set[asyncio.Task[None]] = set()
        self.seen: dict[str, Counter[int]] = defaultdict(Counter)
        self.heard: dict[str, Counter[int]] = defaultdict(Counter)
        self.heard_again: dict[str, float] = {}
        """Seat -> the loop's time when his tone was first told from others' on the present connection."""
        self.stages: dict[str, float] = {}
        """Times of the last rebuilding: moved (told), answered (both directions negotiated)."""
        self.first: dict[str, float] = {}
        """Kind -> the loop's time when the first frame of it was decoded, whoever sent it."""

    async def start(self) -> None:
        """Both directions at once; raises what the server refused with, both closed."""
        made = self._connection(), self._connection()
        try:
            _, (epoch, slots) = await asyncio.gather(self._send(made[0]), self._receive(made[1]))
        except BaseException:
            self._end(made)
            raise
        self._heard, self._epoch = made[1], epoch
        self.heard_again.clear()
        self.slots_changed(slots, epoch)
        if self._early[0] == epoch:
            self.slots_changed(self._early[1], epoch)
        self.stages["answered"] = asyncio.get_running_loop().time()
        self._end(self._connections)
        self._connections = made

    async def rebuild(self, epoch: int) -> None:
        """After the room moved to another worker: the new first, the old goes when it stands."""
        async with self._rebuilding:
            for pause in RETRIES:
                if epoch <= self._epoch:
                    return
                try:
                    await self.start()
                except Exception:
                    log.info("media not rebuilt yet", exc_info=True)
                    await asyncio.sleep(pause)

    @property
    def standing(self) -> bool:
        """Whether both connections are up."""
        return bool(self._connections) and all(
            one.connectionState == "connected" for one in self._connections
        )

    async def close(self) -> None:
        """Idempotent."""
        for task in self._readers:
            task.cancel()
        await asyncio.gather(*self._readers, return_exceptions=True)
        self._readers.clear()
        self._end(self._connections)
        self._connections = ()
        await asyncio.gather(*self._closing)

    def _end(self, connections: tuple[RTCPeerConnection, ...]) -> None:
        """Beside what goes on: aiortc takes its time to say goodbye to who is not there any more."""
        for connection in connections:
            task = asyncio.create_task(connection.close())
            self._closing.add(task)
            task.add_done_callback(self._closing.discard)

    def slots_changed(self, slots: list[dict[str, Any]], epoch: int) -> None:
        """Who is in which slot; of the room's older incarnation nothing is believed any more.

        What is told of the newer one may come before the answer that begins it.
        """
        if epoch > self._epoch:
            self._early = epoch, slots
        elif epoch == self._epoch:
            self._slots = {slot["mid"]: slot["seat"] for slot in slots}

    def proven(self, seat: str) -> bool:
        """Both picture and tone of this seat arrived and were decoded."""
        return bool(self.seen[seat]) and bool(self.heard[seat])

    def tally(self, seat: str) -> str:
        """(frames seen / sounds heard) under this seat's name."""
        return f"({sum(self.seen[seat].values())}/{sum(self.heard[seat].values())})"

    def senders(self, seat: str) -> set[int]:
        """Numbers of those whose picture or tone was mostly received under this seat's name."""
        return {counter.most_common(1)[0][0] for counter in (self.seen[seat], self.heard[seat]) if counter}

    def _connection(self) -> RTCPeerConnection:
        return _connection()

    def _unsure(self, seat: str) -> bool:
        return seat not in self.heard_again or sum(self.heard[seat].values()) < ENOUGH

    async def _send(self, connection: RTCPeerConnection) -> None:
        connection.addTrack(Tone(self._number))
        if self._video:
            connection.addTrack(Picture(self._number))
        await connection.setLocalDescription(await connection.createOffer())
        sources = {
            str(line.mid): "mic" if line.kind == "audio" else "camera"
            for line in connection.getTransceivers()
        }
        answer = await self._ask("media.publish", sdp=connection.localDescription.sdp, sources=sources)
        await connection.setRemoteDescription(RTCSessionDescription(answer["sdp"], "answer"))

    async def _receive(self, connection: RTCPeerConnection) -> tuple[int, list[dict[str, Any]]]:
        """The epoch of what was offered, and who is in which slot."""
        offer = await self._ask("media.subscribe")
        connection.on("track", lambda track: self._read(connection, track))
        await connection.setRemoteDescription(RTCSessionDescription(offer["sdp"], "offer"))
        await connection.setLocalDescription(await connection.createAnswer())
        answered = await self._ask("media.answer", sdp=connection.localDescription.sdp, epoch=offer["epoch"])
        return offer["epoch"], answered["slots"]

    def _read(self, connection: RTCPeerConnection, track: MediaStreamTrack) -> None:
        line = next(one for one in connection.getTransceivers() if one.receiver.track is track)
        task = asyncio.create_task(self._watch(connection, str(line.mid), track))
        self._readers.add(task)
        task.add_done_callback(self._readers.discard)

    async def _watch(self, connection: RTCPeerConnection, mid: str, track: MediaStreamTrack) -> None:
        """Name the sender of every frame; the slot may have changed hands since the last one."""
        last: str | None = None
        while True:
            try:
                frame = await track.recv()
            except MediaStreamError:
                return
            if connection is not self._heard:
                continue
            self.first.setdefault(track.kind, asyncio.get_running_loop().time())
            seat = self._slots.get(mid)
            if seat is not None and seat == last:
                if isinstance(frame, VideoFrame):
                    self.seen[seat][colour_of(frame)] += 1
                elif isinstance(frame, AudioFrame) and self._unsure(seat):
                    number = tone_of(frame)
                    if number is not None:
                        self.heard[seat][number] += 1
                        self.heard_again.setdefault(seat, asyncio.get_running_loop().time())
            last = seat


@cache
def _sine(frequency: int) -> bytes:
    step = 2 * math.pi * frequency / RATE
    return array("h", (int(8_000 * math.sin(step * n)) for n in range(SAMPLES))).tobytes()


def colour_of(frame: VideoFrame) -> int:
    """The number of the sender whose colour is nearest to the frame's middle."""
    planes = frame.reformat(format="yuv420p").planes
    u, v = (bytes(plane)[plane.line_size * (plane.height // 2) + plane.width // 2] for plane in planes[1:3])
    return min(range(len(COLOURS)), key=lambda n: (COLOURS[n][0] - u) ** 2 + (COLOURS[n][1] - v) ** 2)


def tone_of(frame: AudioFrame) -> int | None:
    """The number of the sender whose frequency is strongest (Goertzel); None for near silence."""
    channels = len(frame.layout.channels)
    wave = array("h", bytes(frame.planes[0]))[: frame.samples * channels : channels * EVERY]
    if max(map(abs, wave), default=0) < 500:
        return None
    return max(range(len(TONES)), key=lambda n: _power(wave, TONES[n], frame.sample_rate // EVERY))


def _power(wave: array[int], frequency: int, rate: int) -> float:
    twice = 2 * math.cos(2 * math.pi * frequency / rate)
    before = last = 0.0
    for sample in wave:
        before, last = last, sample + twice * last - before
    return last * last + before * before - twice * last * before


def _connection() -> RTCPeerConnection:
    """No STUN server: nothing leaves the perimeter, and joins do not wait for DNS.

    With another bundle policy aiortc 1.16 leaves the second and later video lines of an offer on a
    transport of their own that never connects.
    """
    return RTCPeerConnection(RTCConfiguration(iceServers=[], bundlePolicy=RTCBundlePolicy.MAX_BUNDLE))
