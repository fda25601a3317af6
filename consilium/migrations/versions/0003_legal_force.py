"""Legal force: papers made from a protocol, continuous numbering, annulment and replacement.

Revision ID: 0003
"""

from typing import Any
from uuid import UUID

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0003"
down_revision = "0002"

STATUSES = "\"status\" IN ('drafting', 'signing', 'sealing', 'sealed'{more})"
TEXTS = (
    "series",
    "reason",
    "addressee",
    "edition",
    "particulars",
    "waits_for",
    "waits_reason",
    "withdrawn_reason",
    "annul_reason",
)
PEOPLE_AND_PAPERS = ("parent_id", "replaces_id", "withdrawn_by", "annulled_by")
TIMES = ("waits_since", "withdrawn_at", "annulled_at")
LIVE = sa.text("paper = 'protocol' AND annulled_at IS NULL")
STANDING = sa.text("paper = 'annulment' AND status <> 'withdrawn'")
REFERRED = sa.text("paper = 'referral' AND annulled_at IS NULL AND status <> 'withdrawn'")
# A referral is a case's own paper: no consilium, no item, and its signer has no seat.
OF_CASE = {
    "sitting": sa.text("(consilium_id IS NULL) = (item_id IS NULL)"),
    "of_case": sa.text("consilium_id IS NOT NULL OR paper IN ('referral', 'annulment')"),
}


def upgrade():
    _records()
    _dictionaries()
    _signing()
    _papers()
    _number_in_series()
    _webhooks()
    _seal_works()
    _archive_looks()
    _guard()


def downgrade():
    _no_guard()
    _no_records()
    op.drop_table("nsi_entries")
    op.drop_table("nsi_dictionaries")
    op.drop_table("archive_looks")
    op.drop_table("seal_works")
    op.drop_table("webhook_deliveries")
    op.drop_table("webhooks")
    _no_papers()
    _no_signing()


# --- what the state's formats ask of a case and an organisation ------------------------------------

# Table -> texts and dates; rows that are there have not been asked yet.
OF_RECORDS = {
    "cases": (
        (
            "patient_place_text", "patient_place_region_code", "patient_place_region_name",
            "patient_place_postal_code", "patient_paper_kind_code", "patient_paper_kind_name",
            "patient_paper_series", "patient_paper_number", "patient_paper_issuer", "patient_paper_issuer_code",
            "patient_policy_kind_code", "patient_policy_kind_name", "patient_policy_series",
            "patient_policy_number", "severity_code", "card_code", "payment_code",
        ),
        ("patient_paper_issued_on", "patient_policy_valid_from", "patient_policy_valid_to", "card_opened_on"),
    ),
    "organisations": (
        ("okpo", "phone", "region", "region_name", "postal_code", "licence", "licence_issuer"),
        (),
    ),
}  # fmt: skip


def _records():
    for table, (texts, dates) in OF_RECORDS.items():
        with op.batch_alter_table(table, schema=None) as batch_op:
            for name in texts:
                batch_op.add_column(sa.Column(name, sa.Text(), nullable=False, server_default=""))
            for name in dates:
                batch_op.add_column(sa.Column(name, sa.Date(), nullable=True))
        with op.batch_alter_table(table, schema=None) as batch_op:
            for name in texts:
                batch_op.alter_column(name, server_default=None)


def _no_records():
    for table, (texts, dates) in OF_RECORDS.items():
        with op.batch_alter_table(table, schema=None) as batch_op:
            for name in (*texts, *dates):
                batch_op.drop_column(name)


# --- signing -------------------------------------------------------------------------------------

# Table -> columns with their values for the rows that are there.
OF_SIGNING: dict[str, tuple[tuple[str, Any, str | None], ...]] = {
    "bodies": (("signing_order", sa.Text(), "parallel"), ("signing_days", sa.Integer(), "0")),
    "dissent_papers": (("due_at", sa.DateTime(timezone=True), None), ("reminders", sa.Integer(), "0")),
    "protocols": (("signing_order", sa.Text(), "parallel"), ("signing_days", sa.Integer(), "0")),
    "signatures": (
        ("step", sa.Integer(), "1"),
        ("due_at", sa.DateTime(timezone=True), None),
        ("reminders", sa.Integer(), "0"),
        ("provider", sa.Text(), ""),
        ("stand_in", sa.Uuid(), None),
    ),
}


def _signing():
    op.create_table(
        "readiness",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("person_id", sa.Uuid(), nullable=False),
        sa.Column("provider", sa.Text(), nullable=False),
        sa.Column("device", sa.Text(), nullable=False),
        sa.Column("challenge", sa.Text(), nullable=False),
        sa.Column("challenge_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("certificate_sha256", sa.Text(), nullable=False),
        sa.Column("certificate_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("checked_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["person_id"],
            ["people.id"],
            name=op.f("fk_readiness_person_id"),
            initially="DEFERRED",
            deferrable=True,
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_readiness")),
    )
    op.create_index("uq_readiness_means", "readiness", ["person_id", "provider", "device"], unique=True)
    for table, columns in OF_SIGNING.items():
        with op.batch_alter_table(table, schema=None) as batch_op:
            for name, kind, value in columns:
                batch_op.add_column(sa.Column(name, kind, nullable=value is None, server_default=value))
            if table == "signatures":
                batch_op.alter_column("seat_id", existing_type=sa.Uuid(), nullable=True)


def _no_signing():
    for table, columns in OF_SIGNING.items():
        with op.batch_alter_table(table, schema=None) as batch_op:
            for name, _, _ in columns:
                batch_op.drop_column(name)
            if table == "signatures":
                batch_op.alter_column("seat_id", existing_type=sa.Uuid(), nullable=False)
    op.drop_table("readiness")


# --- papers --------------------------------------------------------------------------------------


def _papers():
    # A word of the CHECK changes, so SQLite copies the table; the defaults are for rows that are there.
    with op.batch_alter_table("protocols", schema=None) as batch_op:
        batch_op.add_column(sa.Column("paper", sa.Text(), nullable=False, server_default="protocol"))
        for name in TEXTS:
            batch_op.add_column(sa.Column(name, sa.Text(), nullable=False, server_default=""))
        for name in PEOPLE_AND_PAPERS:
            batch_op.add_column(sa.Column(name, sa.Uuid(), nullable=True))
        for name in TIMES:
            batch_op.add_column(sa.Column(name, sa.DateTime(timezone=True), nullable=True))
        batch_op.drop_constraint(batch_op.f("ck_protocols_status"), type_="check")
        batch_op.create_check_constraint(
            batch_op.f("ck_protocols_status"), sa.text(STATUSES.format(more=", 'withdrawn'"))
        )
        batch_op.create_check_constraint(
            batch_op.f("ck_protocols_paper"),
            sa.text("\"paper\" IN ('protocol', 'extract', 'annulment', 'referral')"),
        )
        for name, condition in OF_CASE.items():
            batch_op.create_check_constraint(batch_op.f(f"ck_protocols_{name}"), condition)
        for name in ("consilium_id", "item_id"):
            batch_op.alter_column(name, existing_type=sa.Uuid(), nullable=True)
        for name in ("parent_id", "replaces_id", "annulled_by"):
            batch_op.create_foreign_key(
                batch_op.f(f"fk_protocols_{name}"),
                "protocols",
                [name],
                ["id"],
                deferrable=True,
                initially="DEFERRED",
            )
        batch_op.drop_index("uq_protocols_item")
        batch_op.drop_index("uq_protocols_set")
        batch_op.drop_index("uq_protocols_number")
    with op.batch_alter_table("protocols", schema=None) as batch_op:
        for name in ("paper", *TEXTS):
            batch_op.alter_column(name, server_default=None)
        batch_op.create_index(
            "uq_protocols_item", ["item_id"], unique=True, sqlite_where=LIVE, postgresql_where=LIVE
        )
        batch_op.create_index("uq_protocols_set", ["set_id", "version"], unique=True)
        batch_op.create_index(
            "uq_protocols_annulment",
            ["parent_id"],
            unique=True,
            sqlite_where=STANDING,
            postgresql_where=STANDING,
        )
        batch_op.create_index("uq_protocols_replaces", ["replaces_id"], unique=True)
        batch_op.create_index(
            "uq_protocols_referral",
            ["case_id"],
            unique=True,
            sqlite_where=REFERRED,
            postgresql_where=REFERRED,
        )
        batch_op.create_index("ix_protocols_parent_id", ["parent_id"], unique=False)
        batch_op.create_index("uq_protocols_document", ["document_id"], unique=True)
        batch_op.create_index("ix_protocols_filing", ["filing", "organisation_id"], unique=False)


def _number_in_series():
    """Old numbers belong to their organisation's series of the year, which goes on."""
    protocols = sa.table(
        "protocols",
        sa.column("id", sa.Uuid()),
        sa.column("organisation_id", sa.Uuid()),
        sa.column("number", sa.Text()),
        sa.column("series", sa.Text()),
    )
    bind = op.get_bind()
    columns = (protocols.c.id, protocols.c.organisation_id, protocols.c.number)
    rows = bind.execute(sa.select(*columns)).all()
    known = [{"key": one.id, "named": _series(one.organisation_id, one.number)} for one in rows]
    if known:
        change = sa.update(protocols).where(protocols.c.id == sa.bindparam("key"))
        bind.execute(change.values(series=sa.bindparam("named")), known)
    with op.batch_alter_table("protocols", schema=None) as batch_op:
        batch_op.create_index("uq_protocols_number", ["series", "number"], unique=True)


def _series(organisation_id: UUID, number: str) -> str:
    return f"protocol:{organisation_id}:{number.partition('-')[0]}"


def _no_papers():
    """What was made of a protocol, and what took the place of an annulled one, did not exist before."""
    later = "SELECT id FROM protocols WHERE paper <> 'protocol' OR replaces_id IS NOT NULL"
    for table in ("signatures", "dissent_papers", "draft_updates"):
        op.execute(f"DELETE FROM {table} WHERE protocol_id IN ({later})")  # noqa: S608 - constants of this file
    op.execute("UPDATE protocols SET annulled_by = NULL")
    op.execute("DELETE FROM protocols WHERE paper <> 'protocol' OR replaces_id IS NOT NULL")
    if op.get_bind().dialect.name == "postgresql":
        # A table whose deferred keys have still to be checked is not altered.
        op.execute("SET CONSTRAINTS ALL IMMEDIATE")
    with op.batch_alter_table("protocols", schema=None) as batch_op:
        batch_op.drop_index("ix_protocols_filing")
        batch_op.drop_index("uq_protocols_document")
        batch_op.drop_index("ix_protocols_parent_id")
        batch_op.drop_index("uq_protocols_referral", sqlite_where=REFERRED, postgresql_where=REFERRED)
        batch_op.drop_index("uq_protocols_replaces")
        batch_op.drop_index("uq_protocols_annulment", sqlite_where=STANDING, postgresql_where=STANDING)
        batch_op.drop_index("uq_protocols_number")
        batch_op.drop_index("uq_protocols_set")
        batch_op.drop_index("uq_protocols_item", sqlite_where=LIVE, postgresql_where=LIVE)
    with op.batch_alter_table("protocols", schema=None) as batch_op:
        for name in ("parent_id", "replaces_id", "annulled_by"):
            batch_op.drop_constraint(batch_op.f(f"fk_protocols_{name}"), type_="foreignkey")
        batch_op.drop_constraint(batch_op.f("ck_protocols_paper"), type_="check")
        for name in OF_CASE:
            batch_op.drop_constraint(batch_op.f(f"ck_protocols_{name}"), type_="check")
        for name in ("consilium_id", "item_id"):
            batch_op.alter_column(name, existing_type=sa.Uuid(), nullable=False)
        batch_op.drop_constraint(batch_op.f("ck_protocols_status"), type_="check")
        batch_op.create_check_constraint(batch_op.f("ck_protocols_status"), sa.text(STATUSES.format(more="")))
        for name in ("paper", *TEXTS, *PEOPLE_AND_PAPERS, *TIMES):
            batch_op.drop_column(name)
        batch_op.create_index("uq_protocols_number", ["organisation_id", "number"], unique=True)
        batch_op.create_index("uq_protocols_set", ["set_id"], unique=True)
        batch_op.create_index("uq_protocols_item", ["item_id"], unique=True)


# --- dictionaries --------------------------------------------------------------------------------


def _dictionaries():
    op.create_table(
        "nsi_dictionaries",
        sa.Column("oid", sa.Text(), nullable=False),
        sa.Column("version", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("imported_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("oid", "version", name=op.f("pk_nsi_dictionaries")),
    )
    op.create_table(
        "nsi_entries",
        sa.Column("oid", sa.Text(), nullable=False),
        sa.Column("version", sa.Text(), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("ended", sa.Date(), nullable=True),
        sa.Column("extra", sa.JSON().with_variant(postgresql.JSONB(), "postgresql"), nullable=False),
        sa.ForeignKeyConstraint(
            ["oid", "version"],
            ["nsi_dictionaries.oid", "nsi_dictionaries.version"],
            name=op.f("fk_nsi_entries_oid"),
            initially="DEFERRED",
            deferrable=True,
        ),
        sa.PrimaryKeyConstraint("oid", "version", "code", name=op.f("pk_nsi_entries")),
    )


# --- webhooks ------------------------------------------------------------------------------------


def _webhooks():
    op.create_table(
        "webhooks",
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("secret", sa.LargeBinary(), nullable=False),
        sa.Column("set_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("set_by", sa.Uuid(), nullable=False),
        _deferred("webhooks", "organisation_id", "organisations"),
        _deferred("webhooks", "set_by", "people"),
        sa.PrimaryKeyConstraint("organisation_id", name=op.f("pk_webhooks")),
    )
    op.create_table(
        "webhook_deliveries",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.Column("event", sa.Text(), nullable=False),
        sa.Column("body", sa.JSON().with_variant(postgresql.JSONB(), "postgresql"), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("answer", sa.Text(), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "\"status\" IN ('waiting', 'delivered', 'dead')", name=op.f("ck_webhook_deliveries_status")
        ),
        _deferred("webhook_deliveries", "organisation_id", "organisations"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_webhook_deliveries")),
    )
    op.create_index(
        "ix_webhook_deliveries_organisation_id", "webhook_deliveries", ["organisation_id", "at"], unique=False
    )


def _deferred(table: str, column: str, target: str) -> sa.ForeignKeyConstraint:
    name = op.f(f"fk_{table}_{column}")
    return sa.ForeignKeyConstraint(
        [column], [f"{target}.id"], name=name, initially="DEFERRED", deferrable=True
    )


# --- sealing -------------------------------------------------------------------------------------


def _seal_works():
    op.create_table(
        "seal_works",
        sa.Column("protocol_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["protocol_id"],
            ["protocols.id"],
            name=op.f("fk_seal_works_protocol_id"),
            initially="DEFERRED",
            deferrable=True,
        ),
        sa.PrimaryKeyConstraint("protocol_id", "name", name=op.f("pk_seal_works")),
    )


def _archive_looks():
    op.create_table(
        "archive_looks",
        sa.Column("protocol_id", sa.Uuid(), nullable=False),
        sa.Column("package_digest", sa.Text(), nullable=False),
        sa.Column("good_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("weakest", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["protocol_id"],
            ["protocols.id"],
            name=op.f("fk_archive_looks_protocol_id"),
            initially="DEFERRED",
            deferrable=True,
        ),
        sa.PrimaryKeyConstraint("protocol_id", name=op.f("pk_archive_looks")),
    )


# --- what is frozen stays ----------------------------------------------------------------------------

# A later step that makes one of these tables anew (SQLite's batch) calls for its triggers again.
FROZEN = ("document", "digest", "document_id", "set_id", "version", "series", "number")
SEALED = ("status", "sealed_at", "seal_cms", "seal_certificate")
SIGNED = {
    "signatures": ("version", "person_id", "status", "signed_at", "cms", "certificate"),
    "dissent_papers": (
        "version",
        "person_id",
        "status",
        "signed_at",
        "cms",
        "certificate",
        "document",
        "digest",
    ),
}
WORDS = "what is frozen or sealed stays as it is"


def _guard():
    guard = _postgres_guard if op.get_bind().dialect.name == "postgresql" else _sqlite_guard
    for statement in guard():
        op.execute(statement)


def _no_guard():
    postgres = op.get_bind().dialect.name == "postgresql"
    for table in ("protocols", *SIGNED):
        for what in ("update", "delete"):
            op.execute(f"DROP TRIGGER IF EXISTS {table}_no_{what}{f' ON {table}' if postgres else ''}")
    if postgres:
        op.execute("DROP FUNCTION IF EXISTS frozen_refuse()")
        op.execute("DROP FUNCTION IF EXISTS signed_refuse()")


def _same(names):
    postgres = op.get_bind().dialect.name == "postgresql"
    new, old = (", ".join(f"{row}.{name}" for name in names) for row in ("NEW", "OLD"))
    return f"({new}) {'IS NOT DISTINCT FROM' if postgres else 'IS'} ({old})"


def _kept():
    """When a protocol's row may not become what it is to become; the bytes only while nobody works on them."""
    frozen = f"OLD.status <> 'drafting' AND NEW.status <> 'drafting' AND NOT ({_same(FROZEN)})"
    return f"({frozen}) OR (OLD.status = 'sealed' AND NOT ({_same(SEALED)}))"


def _sqlite_guard():
    refuse = f"BEGIN SELECT RAISE(ABORT, '{WORDS}'); END"
    yield f"CREATE TRIGGER protocols_no_update BEFORE UPDATE ON protocols WHEN {_kept()} {refuse}"
    yield f"CREATE TRIGGER protocols_no_delete BEFORE DELETE ON protocols WHEN OLD.status <> 'drafting' {refuse}"
    for table, names in SIGNED.items():
        sealed = "(SELECT status FROM protocols WHERE id = OLD.protocol_id) = 'sealed'"
        changed = f"{sealed} AND NOT ({_same(names)})"
        yield f"CREATE TRIGGER {table}_no_update BEFORE UPDATE ON {table} WHEN {changed} {refuse}"
        yield f"CREATE TRIGGER {table}_no_delete BEFORE DELETE ON {table} WHEN {sealed} {refuse}"


def _postgres_guard():
    yield (
        "CREATE FUNCTION frozen_refuse() RETURNS trigger LANGUAGE plpgsql AS "
        f"$$BEGIN RAISE EXCEPTION '{WORDS}'; END$$"
    )
    sealed = "(SELECT status FROM protocols WHERE id = OLD.protocol_id) = 'sealed'"
    yield (
        "CREATE FUNCTION signed_refuse() RETURNS trigger LANGUAGE plpgsql AS "
        f"$$BEGIN IF {sealed} THEN RAISE EXCEPTION '{WORDS}'; END IF; "
        "IF TG_OP = 'DELETE' THEN RETURN OLD; END IF; RETURN NEW; END$$"
    )
    each, refuse = "FOR EACH ROW WHEN", "EXECUTE FUNCTION frozen_refuse()"
    yield f"CREATE TRIGGER protocols_no_update BEFORE UPDATE ON protocols {each} ({_kept()}) {refuse}"
    yield (
        "CREATE TRIGGER protocols_no_delete BEFORE DELETE ON protocols "
        f"{each} (OLD.status <> 'drafting') {refuse}"
    )
    for table, names in SIGNED.items():
        refuse = "EXECUTE FUNCTION signed_refuse()"
        yield (
            f"CREATE TRIGGER {table}_no_update BEFORE UPDATE ON {table} {each} (NOT ({_same(names)})) {refuse}"
        )
        yield f"CREATE TRIGGER {table}_no_delete BEFORE DELETE ON {table} FOR EACH ROW {refuse}"
