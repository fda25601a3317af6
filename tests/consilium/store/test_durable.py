"""A commit survives a power cut or we do not start; a full disk and a taken lock are said in words."""

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import psycopg
import pytest
import sqlalchemy as sa

from consilium.errors import Unavailable
from consilium.store import NotDurable, Store, Transaction
from consilium.store import engine as engines
from consilium.store.verify import verify
from tests import services
from tests.consilium.store.conftest import AT, World, make_world


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "consilium.db"


@pytest.fixture
def embedded(file: Path) -> Iterator[World]:
    store = Store(f"sqlite:///{file}")
    store.migrate()
    yield make_world(store)
    store.close()


def test_every_connection_of_sqlite_keeps_its_word(embedded: World) -> None:
    """Pragmas are the connection's, not the file's: each of the pool is asked."""
    engine = embedded.store.engine
    connections = [engine.connect() for _ in range(6)]
    for one in connections:
        values = [
            one.exec_driver_sql(f"PRAGMA {name}").scalar_one()
            for name in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
        ]
        assert values == ["wal", 2, 1, engines.BUSY_MS]
    for one in connections:
        one.close()


def test_a_database_in_memory_is_refused() -> None:
    for url in ("sqlite://", "sqlite:///:memory:"):
        with pytest.raises(NotDurable):
            Store(url)


def test_a_file_that_another_holds_at_the_start_is_busy(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with closing(sqlite3.connect(file)) as other:
        other.execute("CREATE TABLE t (x)")
        other.execute("BEGIN EXCLUSIVE")
        monkeypatch.setattr(engines, "BUSY_MS", 50)
        with pytest.raises(Unavailable) as refused:
            Store(f"sqlite:///{file}")
    assert refused.value.code == "busy"


@pytest.mark.needs_postgres
@pytest.mark.parametrize("setting", ["synchronous_commit = off", "synchronous_commit = local"])
def test_postgres_that_may_lose_a_commit_is_refused(postgres_url: str, setting: str) -> None:
    with services.fresh_database(postgres_url) as address:
        name = address.rpartition("/")[2]
        with psycopg.connect(postgres_url, autocommit=True) as connection:
            connection.execute(f'ALTER DATABASE "{name}" SET {setting}')
        with pytest.raises(NotDurable, match="synchronous_commit"):
            Store(address)


def fill(world: World, amount: int = 400) -> None:
    def work(tx: Transaction) -> None:
        tx.case(world.case).course = "x" * amount * 1024

    world.store.run(AT, work)


def test_a_full_disk_refuses_the_write_and_nothing_else(embedded: World, file: Path) -> None:
    """The limit is SQLite's own: it answers SQLITE_FULL as it does when the file system has no space."""
    engine = embedded.store.engine
    with engine.connect() as connection:
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one()

    def limit(connection: sa.Connection, more: int) -> None:
        connection.exec_driver_sql(f"PRAGMA max_page_count = {pages + more}")

    sa.event.listen(engine, "begin", full := lambda connection: limit(connection, 2))
    with pytest.raises(Unavailable) as refused:
        fill(embedded)
    assert refused.value.code == "storage_full"
    with embedded.store.read() as reader:
        assert reader.case(embedded.case).course == ""
        assert verify(reader).whole
    sa.event.remove(engine, "begin", full)
    sa.event.listen(engine, "begin", lambda connection: limit(connection, 1_000_000))
    fill(embedded)
    with embedded.store.read() as reader:
        assert len(reader.case(embedded.case).course) == 400 * 1024


def test_a_lock_of_another_process_is_waited_for_then_said(
    file: Path, embedded: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A backup that holds the file: writes say `busy`, reads go on, and afterwards all is well."""
    monkeypatch.setattr(engines, "BUSY_MS", 100)
    impatient = Store(f"sqlite:///{file}")
    with closing(sqlite3.connect(file, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(Unavailable) as refused, impatient.write(AT):
            pass
        assert refused.value.code == "busy"
        with impatient.read() as reader:
            assert reader.case(embedded.case).question == ""
        other.execute("ROLLBACK")
    with impatient.write(AT) as tx:
        tx.case(embedded.case).question = "после"
    impatient.close()


def test_a_lock_that_is_freed_in_time_is_only_a_wait(file: Path, embedded: World) -> None:
    with closing(sqlite3.connect(file, isolation_level=None, check_same_thread=False)) as other:
        other.execute("BEGIN IMMEDIATE")
        timer = threading.Timer(0.3, lambda: other.execute("ROLLBACK"))
        timer.start()
        with embedded.store.write(AT) as tx:
            tx.case(embedded.case).question = "дождались"
        timer.join()


@pytest.mark.needs_postgres
@pytest.mark.parametrize("database_url", ["postgres"], indirect=True)
def test_a_row_held_too_long_on_postgres_is_busy(
    world: World, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engines, "BUSY_MS", 100)
    impatient = Store(database_url)
    with world.store.write(AT) as tx:
        tx.case(world.case)
        with pytest.raises(Unavailable) as refused, impatient.write(AT) as second:
            second.case(world.case)
        assert refused.value.code == "busy"
    impatient.close()


@pytest.mark.needs_postgres
@pytest.mark.parametrize("database_url", ["postgres"], indirect=True)
def test_a_connection_lost_at_the_commit_is_unknown_and_the_next_one_works(
    world: World, database_url: str
) -> None:
    """The commit may or may not have happened: the client asks again with the same command id."""

    def cut_off(tx: Transaction) -> None:
        tx.case(world.case).question = "оборвалось"
        tx.flush()
        kill(database_url, tx.connection.exec_driver_sql("SELECT pg_backend_pid()").scalar_one())

    with pytest.raises(Unavailable) as refused:
        world.store.run(AT, cut_off)
    assert refused.value.code == "unknown"
    with world.store.write(AT) as tx:
        assert tx.case(world.case).question == ""
        tx.case(world.case).question = "снова"


def kill(database_url: str, backend: int) -> None:
    with psycopg.connect(database_url.replace("+psycopg", ""), autocommit=True) as connection:
        connection.execute("SELECT pg_terminate_backend(%s, 5000)", (backend,))
