"""Killed at any failpoint: what was acknowledged is there, a retry does it once, work goes on."""

import ast
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import sqlalchemy as sa

from consilium.settings import Settings
from consilium.store import Store, outbox
from consilium.store.tables import commands, counters
from consilium.store.verify import verify
from tests.consilium.store import crash
from tests.consilium.store.conftest import make_world

ROOT = Path(__file__).resolve().parents[3]


def failpoints() -> list[str]:
    """Every name in the code. `failpoint` takes literals only, so the list is complete."""
    found = []
    for file in sorted((ROOT / "consilium").rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "failpoint":
                (name,) = node.args
                assert isinstance(name, ast.Constant), f"{file}: a failpoint's name must be a literal"
                found.append(str(name.value))
    return found


NAMES = failpoints()


@pytest.fixture
def at_work(settings: Settings) -> Settings:
    """A migrated database with a case in it; leases so short that a second worker need not wait."""
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    store = Store(settings.database_url)
    store.migrate()
    make_world(store)
    store.close()
    return replace(settings, lease_seconds=1)


def run(settings: Settings, what: str, failpoint: str = "") -> subprocess.Popen[str]:
    env = {
        "PATH": "/usr/bin:/bin",
        "PYTHONPATH": str(ROOT),
        "CONSILIUM_FAILPOINTS": failpoint,
        **settings.to_environment(),
    }
    arguments = [sys.executable, "-m", "tests.consilium.store.crash", what]
    return subprocess.Popen(
        arguments, env=env, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def finish(child: subprocess.Popen[str]) -> tuple[int, str]:
    out, err = child.communicate(timeout=60)
    assert "Traceback" not in err
    return child.returncode, out


def test_every_failpoint_is_killed_somewhere() -> None:
    """Those of the store and the worker below; any other is named by the test that kills there."""
    assert len(NAMES) == len(set(NAMES)) >= 7
    others = [name for name in NAMES if not name.startswith(("store.", "tasks."))]
    tests = "".join(file.read_text(encoding="utf-8") for file in (ROOT / "tests").rglob("*.py"))
    assert [name for name in others if f'"{name}' not in tests] == []


@pytest.mark.parametrize("name", [name for name in NAMES if name.startswith("store.")])
def test_an_acknowledged_command_survives_and_a_retry_is_done_once(at_work: Settings, name: str) -> None:
    code, said = finish(run(at_work, "commands", f"{name}:3"))
    assert code == -signal.SIGKILL
    acknowledged = [line.split() for line in said.splitlines()]
    assert [number for number, _ in acknowledged] == ["1", "2"]
    store = Store(at_work.database_url)
    with store.read() as reader:
        kept = set(reader.connection.execute(sa.select(commands.c.command_id)).scalars())
        assert {crash.command(1), crash.command(2)} <= kept
        assert (crash.command(3) in kept) == (name == "store.after_commit")
        assert verify(reader).whole
    code, said = finish(run(at_work, "commands"))
    assert (code, said.splitlines()) == (0, [f"{n} {n}" for n in range(1, crash.COMMANDS + 1)])
    with store.read() as reader:
        case = reader.connection.execute(sa.text("SELECT question, revision FROM cases")).one()
        assert tuple(case) == ("1;2;3;4;5;", crash.COMMANDS)
        assert verify(reader).rows == crash.COMMANDS
        assert outbox.counts(reader.connection) == {"waiting": crash.COMMANDS}
    store.close()


@pytest.mark.parametrize("name", [name for name in NAMES if name.startswith("tasks.")])
def test_work_goes_on_after_its_worker_was_killed_and_has_one_effect(at_work: Settings, name: str) -> None:
    assert finish(run(at_work, "commands"))[0] == 0
    first = run(at_work, "worker", name)
    first.communicate(timeout=60)
    assert first.returncode == -signal.SIGKILL
    second = run(at_work, "worker")
    store = Store(at_work.database_url)
    try:
        until(lambda: status(store) == {"done": crash.COMMANDS})
    finally:
        second.kill()
        second.communicate()
    with store.read() as reader:
        query = sa.select(counters.c.value).where(counters.c.series == "effects")
        assert reader.connection.execute(query).scalar_one() == crash.COMMANDS
    store.close()


def status(store: Store) -> dict[str, int]:
    with store.read() as reader:
        return outbox.counts(reader.connection)


def until(condition: Callable[[], bool]) -> None:
    """Another process' rows can only be looked for."""
    tick, limit = threading.Event(), time.monotonic() + 60
    while not condition():
        assert time.monotonic() < limit
        tick.wait(0.05)
