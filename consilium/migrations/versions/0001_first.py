"""The first shape.

Revision ID: 0001
"""

from alembic import op

from consilium.store.tables import metadata

revision = "0001"
down_revision = None

# The journal only grows. The one change it allows is to shred a payload: its digest, and so the chain, stay.
_KEPT = [
    "position",
    "organisation_id",
    "stream_kind",
    "stream_id",
    "seq",
    "at",
    "name",
    "actor_id",
    "command_id",
    "payload_digest",
    "prev_hash",
    "hash",
]


def upgrade():
    metadata.create_all(op.get_bind())
    for statement in _postgres_guard() if op.get_bind().dialect.name == "postgresql" else _sqlite_guard():
        op.execute(statement)


def downgrade():
    metadata.drop_all(op.get_bind())
    if op.get_bind().dialect.name == "postgresql":
        op.execute("DROP FUNCTION journal_refuse()")


def _sqlite_guard():
    same = " AND ".join(f"NEW.{name} IS OLD.{name}" for name in _KEPT)
    refuse = "BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END"
    yield f"CREATE TRIGGER journal_no_delete BEFORE DELETE ON journal {refuse}"
    yield (
        "CREATE TRIGGER journal_no_update BEFORE UPDATE ON journal "
        f"WHEN NOT (NEW.payload IS NULL AND {same}) {refuse}"
    )
    yield f"CREATE TRIGGER anchors_no_delete BEFORE DELETE ON anchors {refuse}"
    yield f"CREATE TRIGGER anchors_no_update BEFORE UPDATE ON anchors {refuse}"


def _postgres_guard():
    yield (
        "CREATE FUNCTION journal_refuse() RETURNS trigger LANGUAGE plpgsql AS "
        "$$BEGIN RAISE EXCEPTION 'the journal is append-only'; END$$"
    )
    new, old = (", ".join(f"{row}.{name}" for name in _KEPT) for row in ("NEW", "OLD"))
    refuse = "EXECUTE FUNCTION journal_refuse()"
    yield f"CREATE TRIGGER journal_no_delete BEFORE DELETE ON journal FOR EACH ROW {refuse}"
    yield (
        "CREATE TRIGGER journal_no_update BEFORE UPDATE ON journal FOR EACH ROW "
        f"WHEN (NEW.payload IS NOT NULL OR ({new}) IS DISTINCT FROM ({old})) {refuse}"
    )
    yield f"CREATE TRIGGER anchors_no_change BEFORE UPDATE OR DELETE ON anchors FOR EACH ROW {refuse}"
    for table in ("journal", "anchors"):
        yield f"CREATE TRIGGER {table}_no_truncate BEFORE TRUNCATE ON {table} {refuse}"
