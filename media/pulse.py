"""A thread that answers heartbeats while the event loop is busy, and sees when the loop hangs.

Whoever asks on the loop alone cannot tell a worker that is dead from one that is busy with thirty people who join
at once. So heartbeats have a connection of their own (`hello {"beat": true}`), handed to this thread after the
greeting: silence there means that the whole process stands still, and `stalled` says for how long the loop has.

Each answer: {"id", "ok", "stalled": seconds, "load": 0 to 1 and more, "people", "capacity", "rooms", "draining"}.
Load is the larger of people against capacity and the process' CPU against BUSY of one core.
"""

import asyncio
import faulthandler
import logging
import selectors
import socket
import sys
import threading
import time
from collections.abc import Callable

from media.control import Message, dump, load
from media.errors import MediaError

TICK = 0.2  # seconds between two signs of life of the loop
STALLED = 2.0  # seconds without one after which the stacks are written to the log, once a stall
ASLEEP = 1.0  # seconds this thread may oversleep before it knows that the whole process stood still
MEASURE_EVERY = 1.0  # seconds over which CPU is measured
BUSY = 0.7  # of a core; a worker at that takes no more rooms (reliability 4.2)
LINE = 4096  # bytes; pings are short

logger = logging.getLogger(__name__)


class Pulse:
    """One per worker. `vitals()` is asked on the loop's thread; it says people, capacity, rooms, draining."""

    def __init__(self, vitals: Callable[[], Message]) -> None:
        self._ask = vitals
        self._vitals: Message = {}
        self._ticked = self._awake = time.monotonic()
        self._told = False
        self._cpu = (time.monotonic(), time.process_time())
        self._share = 0.0
        self._selector = selectors.DefaultSelector()
        self._ours, self._theirs = socket.socketpair()
        self._arrived: list[socket.socket] = []
        self._rest: dict[socket.socket, bytes] = {}
        self._closed = False
        self._timer: asyncio.TimerHandle | None = None
        self._thread = threading.Thread(target=self._run, name="pulse", daemon=True)

    def start(self) -> None:
        """On the loop that is to be watched."""
        self._tick(asyncio.get_running_loop())
        self._selector.register(self._theirs, selectors.EVENT_READ)
        self._thread.start()

    def adopt(self, connection: socket.socket) -> None:
        """Answer pings on this connection until it ends; the thread closes it."""
        self._arrived.append(connection)
        self._ours.send(b"\n")

    def close(self) -> None:
        """Idempotent; heartbeats end with it."""
        if self._closed:
            return
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()
        if self._thread.is_alive():
            self._ours.send(b"\n")
            self._thread.join(1.0)
        for each in (*self._rest, *self._arrived, self._ours, self._theirs):
            each.close()
        self._selector.close()

    @property
    def load(self) -> float:
        people, capacity = self._vitals.get("people", 0), self._vitals.get("capacity", 0)
        full = people / capacity if isinstance(people, int) and isinstance(capacity, int) and capacity else 0
        return round(max(full, self._share / BUSY), 3)

    @property
    def cpu_share(self) -> float:
        """CPU seconds a second, of all threads."""
        return self._share

    def _tick(self, loop: asyncio.AbstractEventLoop) -> None:
        self._vitals = self._ask()
        self._ticked = time.monotonic()
        if not self._closed:
            self._timer = loop.call_later(TICK, self._tick, loop)

    # --- the thread ---------------------------------------------------------------------------

    def _run(self) -> None:
        while not self._closed:
            for key, _ in self._selector.select(TICK):
                if key.fileobj is self._theirs:
                    self._theirs.recv(LINE)
                else:
                    assert isinstance(key.fileobj, socket.socket)
                    self._serve(key.fileobj)
            while self._arrived:
                self._welcome(self._arrived.pop())
            self._watch(time.monotonic())

    def _welcome(self, connection: socket.socket) -> None:
        connection.setblocking(False)
        self._rest[connection] = b""
        self._selector.register(connection, selectors.EVENT_READ)

    def _serve(self, connection: socket.socket) -> None:
        try:
            received = connection.recv(LINE)
            *lines, rest = (self._rest[connection] + received).split(b"\n")
            if not received or len(rest) > LINE:
                raise ConnectionError
            self._rest[connection] = rest
            for line in lines:
                connection.send(self._answer(line))
        except BlockingIOError:  # he does not read: he will ask again
            return
        except (OSError, MediaError):
            self._selector.unregister(connection)
            del self._rest[connection]
            connection.close()

    def _answer(self, line: bytes) -> bytes:
        number = load(line).get("id")
        stalled = max(0.0, time.monotonic() - self._ticked - TICK)
        return dump(
            {**self._vitals, "id": number, "ok": True, "stalled": round(stalled, 2), "load": self.load}
        )

    def _watch(self, now: float) -> None:
        began, spent = self._cpu
        if now - began >= MEASURE_EVERY:
            self._cpu = (now, time.process_time())
            self._share = (self._cpu[1] - spent) / (now - began)
        if now - self._awake > TICK + ASLEEP:
            logger.warning("process.stood_still %.1f s", now - self._awake)
            self._ticked = now  # the loop could not run either
        self._awake = now
        stalled = now - self._ticked - TICK
        if stalled > STALLED and not self._told:
            self._told = True
            logger.error("loop.stalled %.1f s; stacks of all threads follow", stalled)
            faulthandler.dump_traceback(sys.stderr, all_threads=True)
        elif stalled <= STALLED and self._told:
            self._told = False
            logger.warning("loop.goes_on")
