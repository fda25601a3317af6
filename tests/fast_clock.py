"""One clock for several processes that may be moved on: real time plus seconds kept in a small shared file."""

from __future__ import annotations

import mmap
import struct
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

from consilium import clock

_SECONDS = struct.Struct("<d")


class FastClock:
    """`now` goes as fast as it always does, and jumps by `advance`. Every process opens the same file."""

    def __init__(self, path: Path) -> None:
        if not path.exists():
            path.write_bytes(_SECONDS.pack(0.0))
        with path.open("r+b") as file:
            self._kept = mmap.mmap(file.fileno(), _SECONDS.size)

    @property
    def passed(self) -> timedelta:
        """How far it was moved."""
        return timedelta(seconds=_SECONDS.unpack(self._kept[:])[0])

    def now(self) -> datetime:
        return datetime.now(UTC) + self.passed

    def advance(self, by: timedelta) -> None:
        """Move on for everybody at once."""
        self._kept[:] = _SECONDS.pack((self.passed + by).total_seconds())


if __name__ == "__main__":
    # The worker as it is, on the shared clock: python -m tests.fast_clock FILE
    clock.now = FastClock(Path(sys.argv[1])).now
    from consilium import tasks

    tasks.LOOK_EVERY = 0.02  # seconds of a clock that is not ours
    sys.exit(tasks.main())
