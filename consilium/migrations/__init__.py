"""The shape of the database, step by step (Alembic). Every step works in both directions.

`python -m consilium.migrations "what changes"` writes the next step from the difference between tables.py
and the newest shape; read it before you commit it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import sqlalchemy as sa

if TYPE_CHECKING:
    from alembic.config import Config

HEAD = "0003"
# Two processes that start together: one changes the shape, the other waits.
_LOCK = sa.text("SELECT pg_advisory_xact_lock(20023, 2)")


def upgrade(engine: sa.Engine, to: str = "head") -> None:
    """Bring the database to a revision, in one transaction."""
    if to == "head" and current(engine) == HEAD:
        return
    _move(engine, to, up=True)


def downgrade(engine: sa.Engine, to: str) -> None:
    """Back to an older revision, `base` for nothing at all. Data of what is dropped is lost."""
    _move(engine, to, up=False)


def current(engine: sa.Engine) -> str | None:
    """The revision the database is at; None for an empty one."""
    with engine.connect() as connection:
        if not sa.inspect(connection).has_table("alembic_version"):
            return None
        return connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalar()


def _move(engine: sa.Engine, to: str, *, up: bool) -> None:
    from alembic import command

    with engine.connect() as plain, _unreferenced(plain):
        connection = plain.execution_options(writes=True)
        with connection.begin():
            if connection.dialect.name == "postgresql":
                connection.execute(_LOCK)
            (command.upgrade if up else command.downgrade)(config(connection), to)
            _require_references(connection)


@contextmanager
def _unreferenced(connection: sa.Connection) -> Iterator[None]:
    """SQLite without its foreign keys for the time of the step, as it wants it where a table is copied.

    The copy's old table is dropped with all its rows: its children would be counted as orphans for good.
    https://sqlite.org/lang_altertable.html#otheralter. The references are checked before the commit.
    """
    raw = connection.connection.driver_connection
    if connection.dialect.name != "sqlite" or raw is None:
        yield
        return
    raw.execute("PRAGMA foreign_keys = OFF")
    try:
        yield
    finally:
        raw.execute("PRAGMA foreign_keys = ON")


def _require_references(connection: sa.Connection) -> None:
    """Raises RuntimeError, which rolls the step back, when a row refers to nothing."""
    if connection.dialect.name != "sqlite":
        return
    orphan = connection.exec_driver_sql("PRAGMA foreign_key_check").first()
    if orphan is not None:
        raise RuntimeError(f"the step would leave a row of {orphan[0]} without what it refers to")


def config(connection: sa.Connection) -> Config:
    """Alembic's configuration without an .ini file; `connection` is used as it is."""
    from alembic.config import Config

    found = Config()
    found.set_main_option("script_location", "consilium:migrations")
    found.attributes["connection"] = connection
    # SQLite changes a column by copying its table; Alembic writes such steps so that both databases do them.
    found.attributes["batch"] = True
    return found
