"""The power goes in mid-commit: the file system forgets what was not flushed, the database keeps its word."""

import fcntl
import os
import struct
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import sqlalchemy as sa

from consilium.store import Store
from consilium.store.tables import commands
from consilium.store.verify import verify
from tests.consilium.store import crash
from tests.consilium.store.conftest import make_world

ROOT = Path(__file__).resolve().parents[3]
# linux/ext4.h: _IOR('X', 125, __u32) with EXT4_GOING_FLAGS_NOLOGFLUSH: nothing more reaches the disk.
SHUTDOWN, NO_LOG_FLUSH = 0x8004587D, 2

pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(os.geteuid() != 0, reason="root mounts the file system that loses its power"),
]


@contextmanager
def mounted(image: Path, place: Path) -> Iterator[None]:
    subprocess.run(["mount", "-o", "loop", str(image), str(place)], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", str(place)], check=True)


@pytest.fixture
def disk(tmp_path: Path) -> tuple[Path, Path]:
    """An ext4 of its own and where to mount it."""
    image, place = tmp_path / "disk", tmp_path / "mounted"
    place.mkdir()
    with image.open("wb") as file:
        file.truncate(64 * 2**20)
    subprocess.run(["mkfs.ext4", "-q", str(image)], check=True)
    return image, place


def cut(place: Path) -> None:
    folder = os.open(place, os.O_RDONLY)
    fcntl.ioctl(folder, SHUTDOWN, struct.pack("I", NO_LOG_FLUSH))
    os.close(folder)


def work_until_cut(place: Path, after: int) -> int:
    """Commands one after another; the power goes some moment after the given acknowledgement."""
    env = {
        "PATH": "/usr/bin:/bin",
        "PYTHONPATH": str(ROOT),
        "CONSILIUM_DEMO": "1",
        "CONSILIUM_DATA_DIR": str(place.parent / "var"),
        "CONSILIUM_DATABASE_URL": f"sqlite:///{place}/consilium.db",
    }
    arguments = [sys.executable, "-m", "tests.consilium.store.crash", "commands", "100000"]
    with subprocess.Popen(
        arguments, env=env, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as child:
        assert child.stdout is not None
        for _ in range(after):
            last = child.stdout.readline()
        cut(place)
        said = [last, *child.stdout]
        child.kill()
    return int(said[-1].split()[0])


def test_no_acknowledged_command_is_lost_when_the_power_goes(disk: tuple[Path, Path]) -> None:
    image, place = disk
    address = f"sqlite:///{place}/consilium.db"
    with mounted(image, place):
        store = Store(address)
        store.migrate()
        make_world(store)
        store.close()
    for after in (1, 40, 95, 150, 203):
        with mounted(image, place):
            acknowledged = work_until_cut(place, after)
        with mounted(image, place):
            store = Store(address)
            with store.read() as reader:
                kept = set(reader.connection.execute(sa.select(commands.c.command_id)).scalars())
                verdict = verify(reader)
            store.close()
        assert {crash.command(number) for number in range(1, acknowledged + 1)} <= kept
        assert verdict.whole
        assert verdict.rows == len(kept) <= acknowledged + 1
