"""The shape of the database, step by step (Alembic). Every step works in both directions.

`python -m consilium.migrations "what changes"` writes the next step from the difference between tables.py
and the newest shape; read it before you commit it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import sqlalchemy as sa

if TYPE_CHECKING:
    from alembic.config import Config

HEAD = "0002"
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

    with engine.connect() as plain:
        connection = plain.execution_options(writes=True)
        with connection.begin():
            if connection.dialect.name == "postgresql":
                connection.execute(_LOCK)
            (command.upgrade if up else command.downgrade)(config(connection), to)


def config(connection: sa.Connection) -> Config:
    """Alembic's configuration without an .ini file; `connection` is used as it is."""
    from alembic.config import Config

    found = Config()
    found.set_main_option("script_location", "consilium:migrations")
    found.attributes["connection"] = connection
    # SQLite changes a column by copying its table; Alembic writes such steps so that both databases do them.
    found.attributes["batch"] = True
    return found
