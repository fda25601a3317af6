"""`Store`: transactions to write, readers to look, the journal's tail. One per process, for all threads."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import TypeVar

import sqlalchemy as sa

from consilium import clock, migrations
from consilium.errors import Unavailable
from consilium.settings import Settings
from consilium.store import engine as engines
from consilium.store import journal
from consilium.store.faults import TryAgain, translated
from consilium.store.transaction import Reader, Transaction

T = TypeVar("T")

TRIES = 4


class Store:
    """The database behind one address. Raises engine.NotDurable when it would not keep its word."""

    def __init__(self, database_url: str, settings: Settings | None = None) -> None:
        self.url = database_url
        self.engine = engines.connect(database_url, settings.db_pool if settings else 8)
        self.sqlite = self.engine.dialect.name == "sqlite"
        # SQLite's own waiting is a sleep that grows to 100 ms and knows no order; threads of one process
        # queue here instead, and only processes compete there.
        self._writer = threading.Lock()

    def migrate(self) -> None:
        """Bring the tables to the newest shape; safe when several processes start at once."""
        migrations.upgrade(self.engine)

    @contextmanager
    def write(self, at: datetime) -> Iterator[Transaction]:
        """One transaction. It commits at `commit()` or at the end of the block; an exception undoes all.

        Raises Unavailable busy, storage_full, unknown; Conflict for a broken unique constraint; NotFound
        for a reference to nothing; TryAgain when it may simply be repeated (`run` does).
        """
        with self._turn(), self._connection(writes=True) as connection:
            tx = Transaction(connection, at)
            yield tx
            if not tx.committed:
                tx.commit()

    def run(self, at: datetime, work: Callable[[Transaction], T]) -> T:
        """`work` in a transaction, repeated up to three times after a deadlock or serialization failure.

        Every attempt gets a fresh Transaction; `work` must have no effect outside of it.
        """
        for _ in range(TRIES):
            try:
                with self.write(at) as tx:
                    return work(tx)
            except TryAgain:
                continue
        raise Unavailable("busy")

    @contextmanager
    def read(self, at: datetime | None = None) -> Iterator[Reader]:
        """A consistent snapshot; nothing is locked, nothing can be changed."""
        with self._connection(writes=False) as connection:
            yield Reader(connection, at or clock.now())

    def journal_after(self, position: int, limit: int = 1000) -> list[journal.Entry]:
        """The tail of the journal after a position, in commit order; never skips one that comes late."""
        with self.read() as reader:
            return journal.after(reader.connection, position, limit)

    def last_position(self) -> int:
        """The position a reader starts from that wants only what comes."""
        with self.read() as reader:
            return journal.last_position(reader.connection)

    def close(self) -> None:
        """Close the pooled connections; the store may be used again (it then connects anew)."""
        self.engine.dispose()

    @contextmanager
    def _turn(self) -> Iterator[None]:
        if not self.sqlite:
            yield
            return
        if not self._writer.acquire(timeout=engines.BUSY_MS / 1000):
            raise Unavailable("busy")
        try:
            yield
        finally:
            self._writer.release()

    @contextmanager
    def _connection(self, *, writes: bool) -> Iterator[sa.Connection]:
        with translated():
            connection = self.engine.connect()
        try:
            with translated():
                if self.sqlite:
                    connection = connection.execution_options(writes=writes)
                elif not writes:
                    connection = connection.execution_options(
                        isolation_level="REPEATABLE READ", postgresql_readonly=True
                    )
                connection.begin()
            yield connection
        finally:
            connection.close()  # rolls back what was not committed
