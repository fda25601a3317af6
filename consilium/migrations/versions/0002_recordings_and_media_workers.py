"""Recordings of a meeting: consent, gaps, files; leases of media workers and what they tell of everybody's media.

Revision ID: 0002
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0002"
down_revision = "0001"


def upgrade():
    op.create_table(
        "media_leases",
        sa.Column("worker", sa.Text(), nullable=False),
        sa.Column("server", sa.Text(), nullable=False),
        sa.Column("boot", sa.Text(), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("worker", "server", name=op.f("pk_media_leases")),
    )
    op.create_table(
        "media_summaries",
        sa.Column(
            "id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False
        ),
        sa.Column("consilium_id", sa.Uuid(), nullable=False),
        sa.Column("seat_id", sa.Uuid(), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("data", sa.JSON().with_variant(postgresql.JSONB(), "postgresql"), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_media_summaries")),
    )
    with op.batch_alter_table("media_summaries", schema=None) as batch_op:
        batch_op.create_index("ix_media_summaries_at", ["at"], unique=False)
        batch_op.create_index("ix_media_summaries_consilium", ["consilium_id"], unique=False)
        batch_op.create_index("uq_media_summaries_digest", ["digest"], unique=True)

    op.create_table(
        "recordings",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("asked_by", sa.Uuid(), nullable=False),
        sa.Column("asked_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ground", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("stopped_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("consilium_id", sa.Uuid(), nullable=False),
        sa.Column("place", sa.Integer(), nullable=False),
        sa.CheckConstraint(
            "\"status\" IN ('asked', 'running', 'paused', 'refused', 'stopped')",
            name=op.f("ck_recordings_status"),
        ),
        sa.ForeignKeyConstraint(
            ["asked_by"],
            ["seats.id"],
            name=op.f("fk_recordings_asked_by"),
            initially="DEFERRED",
            deferrable=True,
        ),
        sa.ForeignKeyConstraint(
            ["consilium_id"],
            ["consilia.id"],
            name=op.f("fk_recordings_consilium_id"),
            initially="DEFERRED",
            deferrable=True,
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_recordings")),
    )
    with op.batch_alter_table("recordings", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_recordings_consilium_id"), ["consilium_id"], unique=False)
        batch_op.create_index(
            "uq_recordings_one_live",
            ["consilium_id"],
            unique=True,
            sqlite_where=sa.text("stopped_at IS NULL"),
            postgresql_where=sa.text("stopped_at IS NULL"),
        )

    op.create_table(
        "recording_answers",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("recording_id", sa.Uuid(), nullable=False),
        sa.Column("seat_id", sa.Uuid(), nullable=False),
        sa.Column("agrees", sa.Boolean(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("consilium_id", sa.Uuid(), nullable=False),
        sa.Column("place", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["consilium_id"],
            ["consilia.id"],
            name=op.f("fk_recording_answers_consilium_id"),
            initially="DEFERRED",
            deferrable=True,
        ),
        sa.ForeignKeyConstraint(
            ["recording_id"],
            ["recordings.id"],
            name=op.f("fk_recording_answers_recording_id"),
            initially="DEFERRED",
            deferrable=True,
        ),
        sa.ForeignKeyConstraint(
            ["seat_id"],
            ["seats.id"],
            name=op.f("fk_recording_answers_seat_id"),
            initially="DEFERRED",
            deferrable=True,
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_recording_answers")),
    )
    with op.batch_alter_table("recording_answers", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_recording_answers_consilium_id"), ["consilium_id"], unique=False)
        batch_op.create_index("uq_recording_answers_seat", ["recording_id", "seat_id"], unique=True)

    op.create_table(
        "recording_gaps",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("recording_id", sa.Uuid(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("began_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("consilium_id", sa.Uuid(), nullable=False),
        sa.Column("place", sa.Integer(), nullable=False),
        sa.CheckConstraint(
            "\"reason\" IN ('consent', 'worker', 'disk', 'codec')", name=op.f("ck_recording_gaps_reason")
        ),
        sa.ForeignKeyConstraint(
            ["consilium_id"],
            ["consilia.id"],
            name=op.f("fk_recording_gaps_consilium_id"),
            initially="DEFERRED",
            deferrable=True,
        ),
        sa.ForeignKeyConstraint(
            ["recording_id"],
            ["recordings.id"],
            name=op.f("fk_recording_gaps_recording_id"),
            initially="DEFERRED",
            deferrable=True,
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_recording_gaps")),
    )
    with op.batch_alter_table("recording_gaps", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_recording_gaps_consilium_id"), ["consilium_id"], unique=False)
        batch_op.create_index(
            "uq_recording_gaps_open",
            ["recording_id", "reason"],
            unique=True,
            sqlite_where=sa.text("ended_at IS NULL"),
            postgresql_where=sa.text("ended_at IS NULL"),
        )

    op.create_table(
        "recording_segments",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("consilium_id", sa.Uuid(), nullable=False),
        sa.Column("recording_id", sa.Uuid(), nullable=False),
        sa.Column("seat_id", sa.Uuid(), nullable=False),
        sa.Column("what", sa.Text(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("file", sa.Text(), nullable=False),
        sa.Column("began_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("milliseconds", sa.Integer(), nullable=False),
        sa.Column("bytes", sa.Integer(), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("lost", sa.Integer(), nullable=False),
        sa.Column("cut", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(
            ["consilium_id"],
            ["consilia.id"],
            name=op.f("fk_recording_segments_consilium_id"),
            initially="DEFERRED",
            deferrable=True,
        ),
        sa.ForeignKeyConstraint(
            ["recording_id"],
            ["recordings.id"],
            name=op.f("fk_recording_segments_recording_id"),
            initially="DEFERRED",
            deferrable=True,
        ),
        sa.ForeignKeyConstraint(
            ["seat_id"],
            ["seats.id"],
            name=op.f("fk_recording_segments_seat_id"),
            initially="DEFERRED",
            deferrable=True,
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_recording_segments")),
    )
    with op.batch_alter_table("recording_segments", schema=None) as batch_op:
        batch_op.create_index("ix_recording_segments_consilium_id", ["consilium_id"], unique=False)
        batch_op.create_index("uq_recording_segments_file", ["file"], unique=True)

    with op.batch_alter_table("placements", schema=None) as batch_op:
        # Nobody holds a room from before: it is placed anew, under the next epoch.
        batch_op.add_column(sa.Column("holder", sa.Text(), nullable=False, server_default=""))
    with op.batch_alter_table("placements", schema=None) as batch_op:
        batch_op.alter_column("holder", server_default=None)


def downgrade():
    with op.batch_alter_table("placements", schema=None) as batch_op:
        batch_op.drop_column("holder")

    with op.batch_alter_table("recording_segments", schema=None) as batch_op:
        batch_op.drop_index("uq_recording_segments_file")
        batch_op.drop_index("ix_recording_segments_consilium_id")

    op.drop_table("recording_segments")
    with op.batch_alter_table("recording_gaps", schema=None) as batch_op:
        batch_op.drop_index(
            "uq_recording_gaps_open",
            sqlite_where=sa.text("ended_at IS NULL"),
            postgresql_where=sa.text("ended_at IS NULL"),
        )
        batch_op.drop_index(batch_op.f("ix_recording_gaps_consilium_id"))

    op.drop_table("recording_gaps")
    with op.batch_alter_table("recording_answers", schema=None) as batch_op:
        batch_op.drop_index("uq_recording_answers_seat")
        batch_op.drop_index(batch_op.f("ix_recording_answers_consilium_id"))

    op.drop_table("recording_answers")
    with op.batch_alter_table("recordings", schema=None) as batch_op:
        batch_op.drop_index(
            "uq_recordings_one_live",
            sqlite_where=sa.text("stopped_at IS NULL"),
            postgresql_where=sa.text("stopped_at IS NULL"),
        )
        batch_op.drop_index(batch_op.f("ix_recordings_consilium_id"))

    op.drop_table("recordings")
    with op.batch_alter_table("media_summaries", schema=None) as batch_op:
        batch_op.drop_index("uq_media_summaries_digest")
        batch_op.drop_index("ix_media_summaries_consilium")
        batch_op.drop_index("ix_media_summaries_at")

    op.drop_table("media_summaries")
    op.drop_table("media_leases")
