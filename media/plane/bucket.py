"""A token bucket: how many bytes may pass."""


class Bucket:
    """`rate` bytes a second, at most `depth` at once; starts full."""

    __slots__ = ("_at", "_depth", "_level", "_rate")

    def __init__(self, rate: float, depth: float, now: float) -> None:
        self._rate = rate
        self._depth = depth
        self._level = depth
        self._at = now

    def change(self, rate: float, depth: float) -> None:
        """Another rate from now on; what has been saved up stays, as far as the new depth holds it."""
        self._level = min(self._level, depth)
        self._rate, self._depth = rate, depth

    def take(self, size: int, now: float) -> bool:
        """Whether `size` bytes fit; if not, nothing is taken."""
        self._level = min(self._depth, self._level + (now - self._at) * self._rate)
        self._at = now
        if self._level < size:
            return False
        self._level -= size
        return True
