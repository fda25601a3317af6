"""Sequence numbers of a layer that did not arrive, and when to ask for them again."""

from media.plane.table import MISSING_AGAIN, MISSING_FOR, MISSING_LIMIT

NEVER = float("-inf")


class Losses:
    """At most MISSING_LIMIT extended numbers, each with the time it was missed and last asked for."""

    __slots__ = ("_missing",)

    def __init__(self) -> None:
        self._missing: dict[int, tuple[float, float]] = {}

    def add(self, first: int, end: int, now: float) -> bool:
        """Numbers from `first` to before `end` are missing; False: too many at once, the list is empty now."""
        missing = self._missing
        if end - first > MISSING_LIMIT:
            missing.clear()
            return False
        for ext in range(first, end):
            if len(missing) == MISSING_LIMIT:
                del missing[next(iter(missing))]
            missing[ext] = (now, NEVER)
        return True

    def found(self, ext: int) -> None:
        self._missing.pop(ext, None)

    def ask(self, now: float) -> tuple[list[int], bool]:
        """(16-bit numbers to ask for now, ascending; whether one was given up)."""
        wanted = []
        missing = self._missing
        overdue = [ext for ext, (since, _) in missing.items() if now - since > MISSING_FOR]
        for ext in overdue:
            del missing[ext]
        for ext, (since, asked) in missing.items():
            if now - asked >= MISSING_AGAIN:
                missing[ext] = (since, now)
                wanted.append(ext & 0xFFFF)
        return wanted, bool(overdue)

    def __bool__(self) -> bool:
        return bool(self._missing)
