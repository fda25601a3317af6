"""Blocking domain calls, off the event loop: one bounded thread pool per server.

A thread cannot be cancelled. When a call overruns its time the caller is told `unknown` and asks again
with the same command id; the thread finishes on its own and its place is freed only then.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import ParamSpec, TypeVar

from consilium.errors import Unavailable

P = ParamSpec("P")
T = TypeVar("T")

TIMEOUT = 10.0
WAITING_PER_THREAD = 32


class Calls:
    """`threads` at work, and at most 32 times as many calls waiting; beyond that `busy`."""

    def __init__(self, threads: int, name: str = "calls") -> None:
        self._pool = ThreadPoolExecutor(max_workers=threads, thread_name_prefix=name)
        self._limit = threads * WAITING_PER_THREAD
        self._running = 0
        self._lock = threading.Lock()

    async def run(self, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Raises Unavailable(busy) at once when full, Unavailable(unknown) after ten seconds."""
        with self._lock:
            if self._running >= self._limit:
                raise Unavailable("busy")
            self._running += 1
        work: Future[T] = self._pool.submit(call, *args, **kwargs)
        work.add_done_callback(self._finished)
        try:
            # Not wait_for: in Python 3.11 it swallows a cancellation that comes as the call ends, and whoever
            # is cancelled once and waited for is then waited for without end.
            async with asyncio.timeout(TIMEOUT):
                return await asyncio.shield(asyncio.wrap_future(work))
        except TimeoutError:
            raise Unavailable("unknown") from None

    def close(self) -> None:
        """Idempotent; calls that wait are dropped, those at work finish."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    async def end(self, within: float = 1.5) -> None:
        """The same, and wait a little for those at work: their connections are to be given back before the end."""
        self.close()
        limit = asyncio.get_running_loop().time() + within
        while self._running and asyncio.get_running_loop().time() < limit:
            await asyncio.sleep(0.01)

    def _finished(self, _: Future[T]) -> None:
        """In the thread that did the work, or in the one that cancelled it: the loop may be gone."""
        with self._lock:
            self._running -= 1
