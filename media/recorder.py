"""The recording of a room: packets to WebM files, one after another per person, a digest for each, no codec.

A person's microphone and camera go into one file, every other picture (a screen, a second camera) into one of its
own. A file is `<worker>/<room>/<when>/<peer>/<what>-<number>.webm` below the recordings folder, `.part` while it is
written; after SEGMENT seconds the next one begins, with a key frame. Everything reaches the disk within SYNC seconds,
so a file whose writer was killed plays up to then; `sweep` finishes such files when the worker starts again.

Bytes are written by a thread of their own: a slow disk delays nobody's voice. What it cannot take in time is lost,
counted, and told as a gap.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import os
import queue
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from media import webm
from media.frames import Frame, OpusFrames, Reorder, Vp8Frames

SEGMENT = 60.0  # seconds of one file
KEYFRAME_GRACE = 5.0  # seconds the end of a file waits for the key frame that begins the next
CLUSTER = 1000  # milliseconds
SYNC = 1.0  # seconds between two fdatasync of a file
CLOSE_WITHIN = 5.0  # seconds
GAP_EVERY = 5.0  # seconds between two tellings of the same gap
BEHIND_LIMIT = 32 << 20  # bytes not yet taken by the disk, some ten seconds of a large room
BATCH = 64 * 1024  # bytes handed to the disk at once, unless a tick comes first
RESYNC = 1500  # milliseconds between a stream's clock and the wall after which the wall is right
CODECS = {"opus": ("audio", 48), "vp8": ("video", 90)}  # kind, clock ticks per millisecond

Event = dict[str, object]
logger = logging.getLogger(__name__)


class Disk:
    """The writing thread of one recording. Nothing here blocks the caller."""

    def __init__(self, failed: Callable[[str], None]) -> None:
        self._work: queue.Queue[tuple[Callable[..., None], tuple[object, ...]] | None] = queue.Queue()
        self._loop = asyncio.get_running_loop()
        self._failed = failed
        self._behind = 0  # bytes; written by both threads under the lock
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._run, name="recorder", daemon=True)
        self._thread.start()

    def write(self, file: File, data: bytes) -> bool:
        """False when the disk is too far behind to take more."""
        with self._lock:
            if self._behind + len(data) > BEHIND_LIMIT:
                return False
            self._behind += len(data)
        self._work.put((self._write, (file, data)))
        return True

    def finish(self, file: File, told: Callable[[int, str], None]) -> None:
        """After everything written before; `told` is called on the loop."""
        self._work.put((file.finish, (told, self._loop)))

    async def close(self) -> None:
        """After everything that was asked for; a disk that hangs is left to its thread."""
        self._work.put(None)
        await asyncio.to_thread(self._thread.join, CLOSE_WITHIN)

    def _run(self) -> None:
        while (item := self._work.get()) is not None:
            job, arguments = item
            try:
                job(*arguments)
            except OSError as error:
                logger.warning("recording cannot be written: %s", error.strerror or error)
                self._loop.call_soon_threadsafe(self._failed, "disk")

    def _write(self, file: File, data: bytes) -> None:
        with self._lock:
            self._behind -= len(data)
        file.write(data)


class File:
    """One file. Its methods run on the disk's thread, except `told`, which is called on the loop's."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.part = path.with_name(path.name + ".part")
        self.synced = 0  # bytes known to be on the disk
        self._written = 0
        self._digest = hashlib.sha256()
        self._descriptor = -1
        self._sync_at = 0.0

    def write(self, data: bytes) -> None:
        if self._descriptor < 0:
            self.part.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._descriptor = os.open(self.part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        view = memoryview(data)
        while view:
            view = view[os.write(self._descriptor, view) :]
        self._digest.update(data)
        self._written += len(data)
        if time.monotonic() >= self._sync_at:
            self._sync()

    def finish(self, told: Callable[[int, str], None], loop: asyncio.AbstractEventLoop) -> None:
        if self._descriptor < 0:
            return
        self._sync()
        os.close(self._descriptor)
        self._descriptor = -1
        self.part.rename(self.path)
        _sync_folder(self.path.parent)
        loop.call_soon_threadsafe(told, self._written, self._digest.hexdigest())

    def _sync(self) -> None:
        os.fdatasync(self._descriptor)
        self.synced = self._written
        self._sync_at = time.monotonic() + SYNC


@dataclass(slots=True)
class _Stream:
    """One source on its way into a file."""

    track: int
    ticks: int  # of its clock per millisecond
    frames: OpusFrames | Vp8Frames
    layer: int = 0
    order: Reorder = field(default_factory=Reorder)
    base: float | None = None  # milliseconds of the recording at timestamp 0
    last_packet: float = 0.0

    def at(self, frame: Frame, wall: float) -> int:
        """Milliseconds of the recording; the stream's own clock, anchored to the wall."""
        own = frame.ts / self.ticks
        if self.base is None or abs(self.base + own - wall) > RESYNC:
            self.base = wall - own
        return int(self.base + own)


class _Writer:
    """The files of one person's voice and face, or of one other picture."""

    def __init__(self, recorder: Recorder, peer: str, what: str) -> None:
        self._recorder = recorder
        self.peer, self.what = peer, what
        self.streams: dict[str, _Stream] = {}
        self.file: File | None = None
        self._size = (1280, 720)
        self._number = 0
        self._began = 0  # milliseconds of the recording
        self._cluster = 0
        self._lost = 0
        self._pending = bytearray()

    def put(self, source: str, codec: str, layer: int, packet: bytes, now: float) -> None:
        stream = self.streams.get(source)
        if stream is None:
            kind, ticks = CODECS[codec]
            frames = OpusFrames() if kind == "audio" else Vp8Frames()
            stream = self.streams[source] = _Stream(1 if kind == "audio" else 2, ticks, frames, layer)
        if layer != stream.layer:
            if layer < stream.layer and now - stream.last_packet < 1.0:
                return  # a lower layer of a picture that also comes larger
            # The other layer counts and numbers its own way; the next key frame begins it.
            kind, ticks = CODECS[codec]
            stream = self.streams[source] = _Stream(stream.track, ticks, Vp8Frames(), layer)
        stream.last_packet = now
        stream.order.put(packet, now)
        self._frames(now)

    def flush(self, now: float) -> None:
        """Give up holes that stay open too long, and hand what there is to the disk."""
        self._frames(now)
        self._hand_over()

    def _frames(self, now: float) -> None:
        for stream in self.streams.values():
            for packet, lost in stream.order.take(now):
                frame = stream.frames.put(packet, lost=lost)
                if frame is not None:
                    self._write(stream, frame, now)

    def _write(self, stream: _Stream, frame: Frame, now: float) -> None:
        at = stream.at(frame, self._recorder.wall(now))
        age = (at - self._began) / 1000
        if self.file is not None and age >= SEGMENT:
            pictured = any(one.track == 2 and now - one.last_packet < 1 for one in self.streams.values())
            if not pictured or (stream.track == 2 and frame.keyframe) or age >= SEGMENT + KEYFRAME_GRACE:
                self.close("full")
            else:
                self._recorder.ask_keyframe(self.peer, self.what)
        if frame.size is not None:
            self._size = frame.size
        if self.file is None:
            self._open(at)
        self._block(stream.track, at - self._began, frame)

    def _open(self, at: int) -> None:
        self._number = self._recorder.next_number(self.peer, self.what)
        name = f"{self.what}-{self._number:04}.webm"
        self.file = File(self._recorder.folder / self.peer / name)
        self._began, self._cluster = at, 0
        tracks = [webm.Track(2, "video", *self._size)]
        if self.what == "person":
            tracks.insert(0, webm.Track(1, "audio"))
        began = self._recorder.started_at + at / 1000
        self._put(webm.header(tuple(tracks), began) + webm.cluster(0))

    def _block(self, track: int, at: int, frame: Frame) -> None:
        if not 0 <= at - self._cluster < CLUSTER:
            self._cluster = max(0, at)
            self._put(webm.cluster(self._cluster))
        self._put(webm.block(track, at - self._cluster, frame.data, keyframe=frame.keyframe))

    def _put(self, data: bytes) -> None:
        self._pending += data
        if len(self._pending) >= BATCH:
            self._hand_over()

    def _hand_over(self) -> None:
        if self._pending and self.file is not None:
            data, self._pending = bytes(self._pending), bytearray()
            if not self._recorder.disk.write(self.file, data):
                self._recorder.gap("disk")

    def close(self, reason: str) -> None:
        if self.file is None:
            return
        self._hand_over()
        file, self.file = self.file, None
        lost = sum(stream.order.lost for stream in self.streams.values())
        number, began, ended = self._number, self._began, self._recorder.wall(self._recorder.clock())
        missing, self._lost = lost - self._lost, lost

        def told(size: int, digest: str) -> None:
            self._recorder.finished(size)
            self._recorder.tell(
                {
                    "event": "record.segment",
                    "peer": self.peer,
                    "what": self.what,
                    "number": number,
                    "file": str(file.path.relative_to(self._recorder.root.parent)),
                    "began": round(self._recorder.started_at + began / 1000, 3),
                    "seconds": round((ended - began) / 1000, 3),
                    "bytes": size,
                    "digest": digest,
                    "lost": missing,
                    "reason": reason,
                }
            )

        self._recorder.disk.finish(file, told)


class Recorder:
    """Everything of one room from the start of its recording to the end.

    root, room:   files go to root/room/<milliseconds of now>/; the events name them from root's parent on
    tell:         takes the events record.segment and record.gap {reason}
    ask_keyframe: (peer, what); called when a file is to end
    """

    def __init__(
        self,
        root: Path,
        room: str,
        tell: Callable[[Event], None],
        ask_keyframe: Callable[[str, str], None] = lambda _peer, _what: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.started_at = time.time()
        self.root = root
        self.folder = root / room / str(int(self.started_at * 1000))
        self.tell = tell
        self.ask_keyframe = ask_keyframe
        self.clock = clock
        self._zero = clock()
        self._writers: dict[tuple[str, str], _Writer] = {}
        self._numbers: dict[tuple[str, str], int] = {}
        self._finished = 0  # bytes of files that are done
        self._fed_at = self._proved_at = self._zero
        self._proved = 0
        self._gap_told: dict[str, float] = {}
        self._closed = False
        self.disk = Disk(self.gap)

    def wall(self, now: float) -> float:
        """Milliseconds since the recording began."""
        return (now - self._zero) * 1000

    def packet(self, peer: str, source: str, codec: str, layer: int, packet: bytes) -> None:
        """An RTP packet in clear, without header extensions; codecs that WebM or this file lacks are a gap."""
        if self._closed:
            return
        if codec not in CODECS:
            self.gap("codec")
            return
        what = "person" if source in {"mic", "camera"} else source
        writer = self._writers.get((peer, what))
        if writer is None:
            writer = self._writers[peer, what] = _Writer(self, peer, what)
        self._fed_at = self.clock()
        writer.put(source, codec, layer, packet, self._fed_at)

    def end(self, peer: str) -> None:
        """This person is recorded no longer."""
        for key in [key for key in self._writers if key[0] == peer]:
            self._writers.pop(key).close("ended")

    def tick(self) -> None:
        """A few times a second: give up holes, hand over what there is."""
        now = self.clock()
        for writer in self._writers.values():
            writer.flush(now)
        if (proved := self.bytes_proved()) > self._proved:
            self._proved, self._proved_at = proved, now

    def bytes_proved(self) -> int:
        """Bytes known to be on the disk."""
        files = [writer.file for writer in self._writers.values() if writer.file is not None]
        return self._finished + sum(file.synced for file in files)

    def behind(self) -> float:
        """Seconds since bytes last reached the disk, while packets come; 0 when there is nothing to write."""
        return self.clock() - self._proved_at if self._fed_at > self._proved_at else 0.0

    def next_number(self, peer: str, what: str) -> int:
        """Goes on where it was when somebody comes back."""
        number = self._numbers[peer, what] = self._numbers.get((peer, what), 0) + 1
        return number

    def finished(self, size: int) -> None:
        self._finished += size

    def gap(self, reason: str) -> None:
        """Something was not written; told at most once in GAP_EVERY seconds and reason."""
        now = self.clock()
        if not self._closed and now - self._gap_told.get(reason, -GAP_EVERY) >= GAP_EVERY:
            self._gap_told[reason] = now
            self.tell({"event": "record.gap", "reason": reason})

    async def close(self, reason: str) -> None:
        """Idempotent; returns when the last file has its digest."""
        if self._closed:
            return
        self._closed = True
        for writer in self._writers.values():
            writer.close(reason)
        await self.disk.close()


def sweep(root: Path) -> list[Event]:
    """Finish what a killed worker left half written below its folder; events as of a living one, reason `cut`."""
    found: list[Event] = []
    for part in sorted(root.glob("*/*/*/*.webm.part")):
        path = part.with_name(part.name.removesuffix(".part"))
        what, _, number = path.stem.rpartition("-")
        data = part.read_bytes()
        began, seconds = webm.times(data)
        part.rename(path)
        found.append(
            {
                "event": "record.segment",
                "room": path.parents[2].name,
                "peer": path.parent.name,
                "what": what,
                "number": int(number),
                "file": str(path.relative_to(root.parent)),
                "began": round(began, 3),
                "seconds": round(seconds, 3),
                "bytes": len(data),
                "digest": hashlib.sha256(data).hexdigest(),
                "lost": 0,
                "reason": "cut",
            }
        )
    return found


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
