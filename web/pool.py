"""Blocking work (the service, queries, files, argon2) in threads of our own, never on the loop.

The pool is as wide as the database pool and its queue is bounded: the newcomer loses and gets `busy`. A thread
cannot be cancelled: after `timeout` the asker gets `unknown` and asks again with the same command id.
"""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, TypeVar

from consilium.errors import Unavailable

P = ParamSpec("P")
T = TypeVar("T")

TIMEOUT = 15.0
WAITING_PER_THREAD = 16


class Pool:
    """Bounded executor; `call` awaits a plain function. Close it once, after the last request."""

    def __init__(self, threads: int, name: str = "web") -> None:
        self.executor = ThreadPoolExecutor(max_workers=threads, thread_name_prefix=name)
        self.limit = threads * (WAITING_PER_THREAD + 1)
        self.busy = 0

    async def call(self, fn: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run in a thread within TIMEOUT. Raises Unavailable `busy` or `unknown`, and whatever `fn` raises."""
        if self.busy >= self.limit:
            raise Unavailable("busy")
        context = contextvars.copy_context()
        self.busy += 1
        future = asyncio.get_running_loop().run_in_executor(
            self.executor, lambda: context.run(fn, *args, **kwargs)
        )
        future.add_done_callback(self._done)
        try:
            # Not wait_for: in Python 3.11 it may swallow a cancellation that comes with the result.
            async with asyncio.timeout(TIMEOUT):
                return await asyncio.shield(future)
        except TimeoutError:
            raise Unavailable("unknown") from None

    def _done(self, future: asyncio.Future[T]) -> None:
        self.busy -= 1
        if not future.cancelled():
            future.exception()  # read, so that an answer nobody awaits any more is not reported as lost

    def close(self) -> None:
        """Take no more work; what runs ends by itself (a commit is never cut)."""
        self.executor.shutdown(wait=False, cancel_futures=True)
