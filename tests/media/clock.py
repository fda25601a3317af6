"""Time that passes only when a test lets it."""

import heapq
import itertools
from collections.abc import Callable


class Clock:
    """Time that passes only when `run` is called, and what was to happen then."""

    def __init__(self) -> None:
        self.now = 100.0
        self._count = itertools.count()
        self._due: list[tuple[float, int, Timer]] = []

    def __call__(self) -> float:
        return self.now

    def later(self, delay: float, call: Callable[[], None]) -> "Timer":
        timer = Timer(call)
        heapq.heappush(self._due, (self.now + delay, next(self._count), timer))
        return timer

    def run(self, seconds: float) -> None:
        end = self.now + seconds
        while self._due and self._due[0][0] <= end:
            self.now, _, timer = heapq.heappop(self._due)
            timer.fire()
        self.now = end


class Timer:
    def __init__(self, call: Callable[[], None]) -> None:
        self._call: Callable[[], None] | None = call

    def cancel(self) -> None:
        self._call = None

    def fire(self) -> None:
        if self._call is not None:
            self._call()
