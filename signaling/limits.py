"""Token buckets: how much one connection may ask for before it is told to slow down (A12)."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

RATES: dict[str, tuple[float, float]] = {
    "viewer.move": (60.0, 120.0),
    "protocol.write": (30.0, 120.0),
    "media.view": (5.0, 20.0),
    "chat.send": (2.0, 10.0),
}
DEFAULT = (10.0, 40.0)
"""(messages per second, burst); media negotiation and commands share the default."""


@dataclass(slots=True)
class Bucket:
    rate: float
    burst: float
    tokens: float
    filled_at: float = field(default_factory=time.monotonic)

    def take(self) -> bool:
        now = time.monotonic()
        self.tokens = min(self.burst, self.tokens + (now - self.filled_at) * self.rate)
        self.filled_at = now
        if self.tokens < 1:
            return False
        self.tokens -= 1
        return True


class Limits:
    """One connection's buckets, made when first needed; the names are a closed set."""

    def __init__(self) -> None:
        self._buckets: dict[str, Bucket] = {}

    def allows(self, name: str) -> bool:
        key = name if name in RATES else ""
        rate, burst = RATES.get(name, DEFAULT)
        bucket = self._buckets.setdefault(key, Bucket(rate, burst, burst))
        return bucket.take()
