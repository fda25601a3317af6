"""A thread that answers heartbeats while the event loop is busy, and sees when the loop hangs.

Whoever asks on the loop alone cannot tell a worker that is dead from one that is busy with thirty people who join
at once. So heartbeats have a connection of their own (`hello {"beat": true}`), handed to this thread after the
greeting: silence there means that the whole process stands still, and `stalled` says for how long the loop has.

Each answer: {"id", "ok", "stalled": seconds, ...} with what the worker says of itself (`Worker.vitals`): load and
full, people, capacity, rooms, draining.
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
LINE = 4096  # bytes; pings are short

logger = logging.getLogger(__name__)


class Pulse:
    """One per worker. `vitals()` is asked on the loop's thread, every TICK."""

    def __init__(self, vitals: Callable[[], Message]) -> None:
        self._ask = vitals
        self._vitals: Message = {}
        self._ticked = self._awake = time.monotonic()
        self._told = False
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

    def _tick(self, loop: asyncio.AbstractEventLoop) -> None:
        if not self._closed:
            self._timer = loop.call_later(TICK, self._tick, loop)
        self._ticked = time.monotonic()
        self._vitals = self._ask()

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
        return dump({**self._vitals, "id": number, "ok": True, "stalled": round(stalled, 2)})

    def _watch(self, now: float) -> None:
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
