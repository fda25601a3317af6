"""What time it is, asked in one place.

Rules never ask: the edge takes `now()` once per command and passes it on as `at`, so that a test
chooses the moment by passing another one. Durations are measured with `time.monotonic()`.
"""

from datetime import UTC, datetime


def now() -> datetime:
    """The present moment, aware, in UTC, microseconds kept."""
    return datetime.now(UTC)
