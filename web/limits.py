"""How often somebody may ask: token buckets by session or address, in memory, bounded.

A hospital sits behind one address, so the address limits are wide and the session limits narrow.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from dataclasses import dataclass, field

from consilium.errors import TooMany

KEPT = 20_000


@dataclass(frozen=True, slots=True)
class Rate:
    """`burst` at once, refilled by `per_second`."""

    burst: int
    per_second: float


COMMANDS = Rate(burst=60, per_second=10.0)
UPLOADS = Rate(burst=20, per_second=1.0)
SIGN_IN = Rate(burst=30, per_second=0.5)
PAGES = Rate(burst=240, per_second=40.0)
# A registry that comes back after a day has a backlog to fetch and to answer; it proves every message.
MACHINES = Rate(burst=2000, per_second=400.0)


@dataclass(slots=True)
class Limits:
    """Buckets by (what, who); the least recently used go first when there are too many."""

    buckets: OrderedDict[tuple[str, str], tuple[float, float]] = field(default_factory=OrderedDict)

    def take(self, what: str, who: str, rate: Rate) -> None:
        """Spend one. Raises TooMany with `retry_after` in whole seconds."""
        key, moment = (what, who), time.monotonic()
        tokens, since = self.buckets.pop(key, (float(rate.burst), moment))
        tokens = min(float(rate.burst), tokens + (moment - since) * rate.per_second)
        allowed = tokens >= 1
        self.buckets[key] = (tokens - 1 if allowed else tokens, moment)
        while len(self.buckets) > KEPT:
            self.buckets.popitem(last=False)
        if not allowed:
            raise TooMany("rate_limited", retry_after=max(1, int((1 - tokens) / rate.per_second + 0.999)))
