"""The database gets its newest shape from any start, goes back, and is what tables.py says."""

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

from consilium import migrations
from consilium.migrations import render
from consilium.store import Store
from consilium.store.tables import metadata


@pytest.fixture
def empty(database_url: str) -> Store:
    return Store(database_url)


def tables(store: Store) -> set[str]:
    return set(sa.inspect(store.engine).get_table_names()) - {"alembic_version", "sqlite_sequence"}


def test_the_newest_shape_is_what_the_tables_say(empty: Store) -> None:
    empty.migrate()
    with empty.engine.connect() as connection:
        options = {"compare_type": render.same_type}
        found = compare_metadata(MigrationContext.configure(connection, opts=options), metadata)
    assert found == []
    empty.close()


def test_a_new_column_of_the_model_would_be_noticed(empty: Store) -> None:
    empty.migrate()
    with empty.engine.connect() as plain, plain.execution_options(writes=True).begin():
        plain.execute(sa.text("ALTER TABLE hands DROP COLUMN point_of_order"))
    with empty.engine.connect() as connection:
        found = compare_metadata(MigrationContext.configure(connection), metadata)
    assert [(one[0], one[2], one[3].name) for one in found if one[0] == "add_column"] == [
        ("add_column", "hands", "point_of_order")
    ]
    empty.close()


def test_every_step_goes_both_ways(empty: Store) -> None:
    empty.migrate()
    shape = tables(empty)
    assert shape == set(metadata.tables)
    migrations.downgrade(empty.engine, "base")
    assert tables(empty) == set()
    assert migrations.current(empty.engine) is None
    empty.migrate()
    assert tables(empty) == shape
    empty.close()


def test_a_second_start_changes_nothing(empty: Store) -> None:
    empty.migrate()
    statements: list[str] = []
    sa.event.listen(empty.engine, "before_cursor_execute", lambda _c, _k, sql, *_: statements.append(sql))
    empty.migrate()
    assert not [sql for sql in statements if sql.startswith(("CREATE", "ALTER", "INSERT", "UPDATE"))]
    empty.close()


def test_two_that_start_together_do_it_once(database_url: str) -> None:
    stores = [Store(database_url) for _ in range(3)]
    line = threading.Barrier(3)

    def start(store: Store) -> None:
        line.wait()
        store.migrate()

    with ThreadPoolExecutor(3) as pool:
        list(pool.map(start, stores))
    assert {migrations.current(store.engine) for store in stores} == {migrations.HEAD}
    for store in stores:
        store.close()


def test_head_is_the_last_revision(tmp_path: Path) -> None:
    made = Store(f"sqlite:///{tmp_path}/x.db")
    with made.engine.connect() as connection:
        scripts = ScriptDirectory.from_config(migrations.config(connection))
    assert scripts.get_heads() == [migrations.HEAD]
    made.close()
