"""What the worker clears away every hour, and what it leaves."""

import os
from datetime import timedelta

from consilium import bootstrap, clock, tasks


def test_an_upload_that_broke_off_a_day_ago_is_cleared_and_everything_else_stays(settings):
    parts = bootstrap.build(settings)
    try:
        fresh, old = parts.files.begin(1_000), parts.files.begin(1_000)
        for upload in (fresh, old):
            upload.write(b"half a file")
        stored = parts.files.keep(b"kept although nobody refers to it", "text/plain")
        long_ago = (clock.now() - timedelta(days=2)).timestamp()
        before = set(parts.files.incoming.glob("*.part"))
        assert len(before) == 2
        victim = min(before)
        os.utime(victim, (long_ago, long_ago))
        os.utime(parts.files.path(stored.digest), (long_ago, long_ago))
        tasks.sweep(parts, {})
        assert set(parts.files.incoming.glob("*.part")) == before - {victim}
        assert parts.files.read(stored.digest) == b"kept although nobody refers to it"
        fresh.abort()
        old.abort()
    finally:
        parts.close()
