"""The worker: rows run once whoever asks how often, survive its death, and it ends when told to."""

import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from consilium import bootstrap, clock, tasks
from consilium.parts import Parts
from consilium.settings import Settings
from consilium.store import outbox
from consilium.store.tables import anchors, counters
from consilium.store.tables import outbox as rows
from tests import services
from tests.consilium.store import work
from tests.consilium.store.conftest import make_world

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(autouse=True)
def kinds(monkeypatch: pytest.MonkeyPatch) -> None:
    for kind, place in work.KINDS.items():
        monkeypatch.setitem(tasks.HANDLERS, kind, place)
    monkeypatch.setattr(tasks, "RECURRING", {})
    work.GO.clear()


@pytest.fixture
def parts(settings: Settings) -> Iterator[Parts]:
    made = bootstrap.build(settings)
    yield made
    made.close()


@contextmanager
def working(parts: Parts) -> Iterator[tasks.Worker]:
    worker = tasks.Worker(parts)
    worker.start()
    try:
        yield worker
    finally:
        worker.stop()


def put(parts: Parts, kind: str, key: str = "1", **payload: Any) -> None:
    with parts.store.write(clock.now()) as tx:
        tx.enqueue(kind, key, {"key": key, **payload})
    parts.hints.wake()


def row_of(parts: Parts, kind: str) -> Any:
    with parts.store.read() as reader:
        return reader.connection.execute(sa.select(rows).where(rows.c.kind == kind)).mappings().one()


def until(parts: Parts, condition: Callable[[], bool]) -> None:
    """Wait for a hint of the worker (it wakes everybody when a row ends) until the condition holds."""
    woken = threading.Event()
    cancel = parts.hints.subscribe(woken.set)
    limit = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < limit
        woken.wait(0.2)
        woken.clear()
    cancel()


def ended(parts: Parts, kind: str, status: str = "done") -> Callable[[], bool]:
    return lambda: bool(row_of(parts, kind)["status"] == status)


def test_a_row_is_run_and_done(parts: Parts, tmp_path: Path) -> None:
    file = tmp_path / "ran"
    with working(parts):
        put(parts, "test.touch", file=str(file), line="a")
        until(parts, ended(parts, "test.touch"))
    assert file.read_text() == "a\n"
    row = row_of(parts, "test.touch")
    assert (row["attempts"], row["lease"], row["ended_at"] is not None) == (1, None, True)


def test_a_refusal_waits_with_its_code(parts: Parts) -> None:
    with working(parts):
        put(parts, "test.refuse")
        until(parts, lambda: row_of(parts, "test.refuse")["last_error"] != "")
    row = row_of(parts, "test.refuse")
    assert (row["status"], row["last_error"], row["attempts"]) == ("waiting", "media_unavailable", 1)
    assert row["not_before"] > clock.now()


def test_a_fault_is_kept_without_the_words_of_its_message(parts: Parts) -> None:
    with working(parts):
        put(parts, "test.break_down")
        until(parts, lambda: row_of(parts, "test.break_down")["last_error"] != "")
    assert row_of(parts, "test.break_down")["last_error"] == "ValueError"


def test_a_row_of_an_unknown_kind_waits_for_somebody_who_knows_it(parts: Parts) -> None:
    with working(parts):
        put(parts, "test.unheard")
        until(parts, lambda: row_of(parts, "test.unheard")["last_error"] != "")
    assert (row_of(parts, "test.unheard")["status"], row_of(parts, "test.unheard")["last_error"]) == (
        "waiting",
        "KeyError",
    )


def test_a_handler_may_ask_for_another_run(parts: Parts, tmp_path: Path) -> None:
    file = tmp_path / "ran"
    with working(parts):
        put(parts, "test.ask_again", file=str(file))
        until(parts, ended(parts, "test.ask_again"))
    assert len(file.read_text().splitlines()) == 2


def test_a_task_delivered_three_times_has_one_effect(parts: Parts) -> None:
    put(parts, "test.once", "k")
    at = clock.now()
    worker = tasks.Worker(parts)
    (row,) = parts.store.run(at, lambda tx: outbox.lease_due(tx.connection, at, worker.hold))
    threads = [threading.Thread(target=worker.run, args=(row.id, row.lease)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert row_of(parts, "test.once")["attempts"] == 1
    assert effects(parts) == 1


def effects(parts: Parts) -> int:
    with parts.store.read() as reader:
        query = sa.select(counters.c.value).where(counters.c.series == "effects")
        return reader.connection.execute(query).scalar() or 0


def test_a_row_whose_worker_died_after_the_effect_has_still_one_effect(parts: Parts) -> None:
    put(parts, "test.once", "k")
    work.once(parts, {"key": "k"})
    with working(parts):
        until(parts, ended(parts, "test.once"))
    assert effects(parts) == 1


def test_a_running_row_is_kept_beyond_its_first_lease(parts: Parts, tmp_path: Path) -> None:
    file = tmp_path / "ran"
    short = replace(parts, settings=replace(parts.settings, lease_seconds=1))
    with working(short):
        put(short, "test.stall", file=str(file))
        until(short, file.exists)
        first = row_of(short, "test.stall")["lease_until"]
        until(short, lambda: clock.now() > first)
        work.GO.set()
        until(short, ended(short, "test.stall"))
    assert len(file.read_text().splitlines()) == 1
    assert row_of(short, "test.stall")["attempts"] == 1


def test_anchors_are_written_by_the_worker_itself(parts: Parts, monkeypatch: pytest.MonkeyPatch) -> None:
    from consilium.actor import SYSTEM
    from consilium.events import RequestAccepted
    from consilium.store.verify import verify

    world = make_world(parts.store)
    with parts.store.write(clock.now()) as tx:
        tx.record(RequestAccepted(), world.case, world.organisation, SYSTEM)
    recurring = {"anchor.write": tasks.timedelta(minutes=10), "store.sweep": tasks.timedelta(hours=1)}
    monkeypatch.setattr(tasks, "RECURRING", recurring)
    with working(parts):
        until(parts, lambda: bool(outbox_counts(parts).get("done") == 2))
    with parts.store.read() as reader:
        assert reader.connection.execute(sa.select(anchors.c.n)).scalars().all() == [1]
        assert verify(reader).whole


def outbox_counts(parts: Parts) -> dict[str, int]:
    with parts.store.read() as reader:
        return outbox.counts(reader.connection)


def done_of(parts: Parts, kind: str) -> int:
    with parts.store.read() as reader:
        query = sa.select(sa.func.count()).where(rows.c.kind == kind, rows.c.status == "done")
        return reader.connection.execute(query).scalar_one()


@contextmanager
def process(settings: Settings, **more: str) -> Iterator[subprocess.Popen[bytes]]:
    """A worker process of its own that also knows the tests' kinds."""
    code = (
        "import sys; from consilium import tasks; from tests.consilium.store import work; "
        "tasks.HANDLERS.update(work.KINDS); sys.exit(tasks.main())"
    )
    env = {"PATH": "/usr/bin:/bin", "PYTHONPATH": str(ROOT), **settings.to_environment(), **more}
    with subprocess.Popen([sys.executable, "-c", code], env=env, cwd=ROOT, stderr=subprocess.PIPE) as child:
        try:
            yield child
        finally:
            child.kill()


def test_a_worker_process_ends_within_three_seconds_and_gives_its_row_up(
    parts: Parts, tmp_path: Path
) -> None:
    file = tmp_path / "ran"
    put(parts, "test.stall", file=str(file))
    with process(parts.settings) as child:
        until(parts, file.exists)
        told = time.monotonic()
        child.send_signal(signal.SIGTERM)
        assert child.wait(5) == 0
        assert time.monotonic() - told < 3
    row = row_of(parts, "test.stall")
    assert row["status"] == "waiting"
    assert row["lease_until"] <= clock.now()


def test_an_idle_worker_process_ends_at_once(parts: Parts, tmp_path: Path) -> None:
    file = tmp_path / "ran"
    put(parts, "test.touch", file=str(file))
    with process(parts.settings) as child:
        until(parts, ended(parts, "test.touch"))
        child.send_signal(signal.SIGTERM)
        assert child.wait(3) == 0


@pytest.mark.needs_redis
def test_two_workers_over_redis_share_the_rows(parts: Parts, redis_url: str, tmp_path: Path) -> None:
    file = tmp_path / "ran"
    settings = replace(parts.settings, redis_url=redis_url)
    for n in range(40):
        put(parts, "test.touch", str(n), file=str(file), line=str(n))
    with process(settings), process(settings):
        until(parts, lambda: done_of(parts, "test.touch") == 40)
    assert sorted(file.read_text().split(), key=int) == [str(n) for n in range(40)]


@pytest.mark.needs_redis
def test_a_broker_that_lost_everything_loses_no_work(parts: Parts, tmp_path: Path) -> None:
    """Redis dies with the messages in it; when the leases run out the rows are sent again."""
    file = tmp_path / "ran"
    with services.redis_server() as address:
        settings = replace(parts.settings, redis_url=address, lease_seconds=1)
        lost = replace(parts, settings=settings)
        at = clock.now()
        put(parts, "test.touch", file=str(file))
        parts.store.run(at, lambda tx: outbox.lease_due(tx.connection, at, tasks.timedelta(seconds=1)))
        with working(lost):
            until(parts, ended(parts, "test.touch"))
    assert len(file.read_text().splitlines()) == 1
