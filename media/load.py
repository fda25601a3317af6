"""How busy a worker is: whether it takes new rooms, and which layers it still affords.

Two measures, each against its limit: packets forwarded a second, and the share of one core the whole process uses
(the packet thread included). Full at the limit, open again at RESUME of it, so that a worker on the edge
does not flap. People who belong to a room that is already here are never refused for load; before anybody's voice
suffers, pictures become smaller (`shed`).
"""

from dataclasses import dataclass
from typing import Literal

CORE_LIMIT = 0.7  # of a core: above it the 99th percentile of added latency leaves its bound
PACKET_LIMITS: dict[Literal["compiled", "python"], int] = {"compiled": 140_000, "python": 45_000}
"""Packets a second, in and out, at about CORE_LIMIT (bench/media has the measured figures)."""

RESUME = 0.8
SHED_AT = (0.85, 0.95)  # of a core: the highest layer goes, then all but the lowest
SHED_LATE = (0.25, 0.75)  # seconds by which the worker's clock lags: the same
SMOOTHING = 0.5  # of a new sample
SAMPLE_EVERY = 1.0  # seconds


@dataclass(slots=True)
class Load:
    """`sample` once a second with running totals; the rest is read."""

    packet_limit: int
    core_limit: float = CORE_LIMIT
    packets: float = 0.0  # a second
    core: float = 0.0  # CPU seconds a second
    full: bool = False
    shed: int = 0  # layers to leave out, from the top
    _at: float | None = None
    _packets: int = 0
    _cpu: float = 0.0

    @property
    def load(self) -> float:
        """1 is full; the larger of both measures."""
        return max(self.packets / self.packet_limit, self.core / self.core_limit)

    def sample(self, packets: int, cpu: float, now: float) -> None:
        """Packets forwarded and CPU seconds used since the worker began."""
        if self._at is not None and now - self._at >= SAMPLE_EVERY / 2:
            seconds = now - self._at
            self.packets += SMOOTHING * (max(0, packets - self._packets) / seconds - self.packets)
            self.core += SMOOTHING * (max(0.0, cpu - self._cpu) / seconds - self.core)
            self.full = self.load >= (RESUME if self.full else 1.0)
            self.shed = max(
                n + 1 if self.core >= limit * (RESUME if self.shed > n else 1.0) else 0
                for n, limit in enumerate(SHED_AT)
            )
        elif self._at is not None:
            return
        self._at, self._packets, self._cpu = now, packets, cpu


def shed_for(late: float) -> int:
    """Layers to leave out while the clock lags by so many seconds: the CPU may be somebody else's."""
    return sum(1 for limit in SHED_LATE if late >= limit)
