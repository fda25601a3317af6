"""Connections that keep their word: what was committed survives a power cut, or we refuse to start.

SQLite: WAL and synchronous=FULL on every connection (NORMAL loses acknowledged commits when the power goes;
so does the rollback journal with FULL). PostgreSQL: fsync on and synchronous_commit not off.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from consilium.store.faults import translated

BUSY_MS = 5_000
_IDLE_MS = 60_000
_STATEMENT_MS = 30_000
_DURABLE = ("on", "remote_write", "remote_apply")


class NotDurable(Exception):
    """The database may lose what it has acknowledged; the sentence says which setting to change."""


def connect(url: str, pool: int) -> sa.Engine:
    """An engine for one process; `pool` is the number of connections it may hold.

    Raises NotDurable; Unavailable busy when the database does not answer now.
    """
    engine = _sqlite(url, pool) if url.startswith("sqlite") else _postgres(url, pool)
    try:
        with translated(), engine.connect() as connection:  # on SQLite the connect event has asserted by now
            if engine.dialect.name == "postgresql":
                _assert_postgres(connection)
    except Exception:
        engine.dispose()
        raise
    return engine


def _sqlite(url: str, pool: int) -> sa.Engine:
    path = sa.make_url(url).database
    if not path or path == ":memory:":
        raise NotDurable(
            "База данных в памяти не переживёт перезапуска: задайте файл. Give a file, not memory."
        )
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    # One writer at a time anyway; readers do not wait for it in WAL mode.
    engine = sa.create_engine(
        url,
        pool_size=pool,
        max_overflow=4,
        pool_timeout=BUSY_MS / 1000,
        connect_args={"timeout": BUSY_MS / 1000, "check_same_thread": False},
    )
    sa.event.listen(engine, "connect", _prepare_sqlite)
    sa.event.listen(engine, "begin", _begin_sqlite)
    return engine


def _prepare_sqlite(connection: sqlite3.Connection, _record: Any) -> None:
    # The driver must not open transactions by itself: it begins late (at the first INSERT) and DEFERRED, and a
    # read that becomes a write then fails at once with SQLITE_BUSY however long the timeout. We say BEGIN.
    connection.isolation_level = None
    mode = connection.execute("PRAGMA journal_mode = WAL").fetchone()[0]
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA foreign_keys = ON")
    connection.execute(f"PRAGMA busy_timeout = {BUSY_MS}")
    level = connection.execute("PRAGMA synchronous").fetchone()[0]
    if mode != "wal" or level != 2:
        raise NotDurable(
            f"SQLite не гарантирует сохранность (journal_mode={mode}, synchronous={level}): нужны WAL и FULL, "
            "файл должен лежать на локальном диске. SQLite must run in WAL mode with synchronous=FULL."
        )


def _begin_sqlite(connection: sa.Connection) -> None:
    write = connection.get_execution_options().get("writes", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if write else "BEGIN")


def _postgres(url: str, pool: int) -> sa.Engine:
    options = (
        f"-c lock_timeout={BUSY_MS} -c statement_timeout={_STATEMENT_MS} "
        f"-c idle_in_transaction_session_timeout={_IDLE_MS} -c timezone=UTC"
    )
    return sa.create_engine(
        url,
        pool_size=pool,
        max_overflow=4,
        pool_timeout=BUSY_MS / 1000,
        pool_pre_ping=True,
        isolation_level="READ COMMITTED",
        connect_args={"options": options, "connect_timeout": 5},
    )


def _assert_postgres(connection: sa.Connection) -> None:
    fsync = connection.exec_driver_sql("SHOW fsync").scalar_one()
    commit = connection.exec_driver_sql("SHOW synchronous_commit").scalar_one()
    if fsync != "on" or commit not in _DURABLE:
        raise NotDurable(
            f"PostgreSQL не гарантирует сохранность (fsync={fsync}, synchronous_commit={commit}): нужны fsync=on и "
            "synchronous_commit=on. PostgreSQL must run with fsync=on and synchronous_commit=on."
        )
