"""The database gets its newest shape from any start, goes back, and is what tables.py says."""

import hashlib
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from uuid import uuid4

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


def test_rooms_placed_before_the_leases_are_kept_and_held_by_nobody(empty: Store) -> None:
    room = uuid4().hex
    migrations.upgrade(empty.engine, "0001")
    with empty.engine.connect() as plain, plain.execution_options(writes=True).begin():
        row = f"INSERT INTO placements (room_id, worker, epoch, at) VALUES ('{room}', 'media-1', 7, '2026-11-23')"
        plain.execute(sa.text(row))
    empty.migrate()
    with empty.engine.connect() as connection:
        found = connection.execute(sa.text("SELECT worker, holder, epoch FROM placements")).all()
    assert [tuple(one) for one in found] == [("media-1", "", 7)]
    empty.close()


GIVEN_OUT = {"0001_first.py": "114a8a4dd4a96eed473eaff4693099c00916f0d2b56007daa4bc9f97745f4a2f"}
"""Steps that somebody's database has taken: what changes afterwards is a step of its own."""


@pytest.mark.parametrize("name", GIVEN_OUT)
def test_a_step_that_was_given_out_is_not_edited(name: str) -> None:
    step = Path(migrations.__file__).parent / "versions" / name
    assert hashlib.sha256(step.read_bytes()).hexdigest() == GIVEN_OUT[name]
