"""What the worker clears away every hour, and what it leaves."""

import os
from datetime import timedelta

from consilium import bootstrap, clock, tasks
from consilium.packing import packages


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


def test_what_a_killed_worker_was_writing_is_cleared_after_a_day_and_no_link_is_followed(settings, tmp_path):
    parts = bootstrap.build(settings)
    try:
        exports, elsewhere = parts.settings.export_dir, tmp_path / "elsewhere"
        (exports / "index").mkdir(parents=True)
        elsewhere.mkdir()
        (elsewhere / "precious").write_bytes(b"of somebody else")
        sealed = packages(parts) / "11111111-1111-4111-8111-111111111111-0123456789abcdef.asice"
        half, line, link = (
            packages(parts) / ".aa.draft",
            exports / "index" / ".bb.draft",
            exports / ".dd.draft",
        )
        temporary = packages(parts) / f".{sealed.name}.k2j3h4"
        for file in (sealed, half, line, temporary):
            file.write_bytes(b"a patient")
        (exports / ".cc.draft").mkdir()
        (exports / ".cc.draft" / "document.xml").write_bytes(b"a patient")
        link.symlink_to(elsewhere, target_is_directory=True)
        fresh = packages(parts) / ".ee.draft"
        fresh.write_bytes(b"being written")
        long_ago = (clock.now() - timedelta(days=2)).timestamp()
        for path in (sealed, half, line, link, temporary, exports / ".cc.draft"):
            os.utime(path, (long_ago, long_ago), follow_symlinks=False)
        tasks.sweep(parts, {})
        assert {one.name for one in packages(parts).iterdir()} == {sealed.name, ".ee.draft"}
        assert {one.name for one in exports.iterdir()} == {"index"}
        assert list((exports / "index").iterdir()) == []
        assert (elsewhere / "precious").read_bytes() == b"of somebody else"
    finally:
        parts.close()
