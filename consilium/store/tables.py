"""Every table. Constraints repeat the rules: what a rule forgets, the database refuses.

Tables of the model are made from its dataclasses (`columns.py`); the store's own are written out.
Foreign keys are checked at the commit (DEFERRABLE INITIALLY DEFERRED), so that aggregates may be saved in
any order. `CODES` says which error a broken constraint becomes; one that is not there is a fault of ours.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from consilium import model
from consilium.store.columns import JSON, Moment, checks_of, columns_of, one_of

metadata = sa.MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
    }
)

ROLES = ["chair", "deputy", "secretary", "member", "attending", "consultant", "expert", "observer"]
KINDS = ["general", "oncological", "consultation", "commission"]


def _to(column: str, target: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint([column], [f"{target}.id"], deferrable=True, initially="DEFERRED")


def _own(parent: str, table: str) -> list[Any]:
    """Columns of a child row: the aggregate it belongs to and its place in the aggregate's list."""
    return [
        sa.Column(parent, sa.Uuid, nullable=False, index=True),
        sa.Column("place", sa.Integer, nullable=False),
        _to(parent, table),
    ]


def _unique(name: str, *columns: str, where: str | None = None) -> sa.Index:
    if where is None:
        return sa.Index(name, *columns, unique=True)
    return sa.Index(name, *columns, unique=True, sqlite_where=sa.text(where), postgresql_where=sa.text(where))


def _table(name: str, kind: type, *more: Any) -> sa.Table:
    return sa.Table(name, metadata, *columns_of(kind), *checks_of(kind), *more)


# --- directory -----------------------------------------------------------------------------------

organisations = _table("organisations", model.Organisation, _unique("uq_organisations_oid", "oid"))
people = _table(
    "people",
    model.Person,
    _to("organisation_id", "organisations"),
    _unique("uq_people_login", "login"),
    sa.Index("ix_people_organisation_id", "organisation_id"),
)
routes = _table(
    "routes",
    model.Route,
    _to("sender_id", "organisations"),
    _to("receiver_id", "organisations"),
    _unique("uq_routes_profile", "profile", "sender_id", "receiver_id"),
)
bodies = _table("bodies", model.Body, _to("organisation_id", "organisations"))
body_members = _table(
    "body_members", model.BodyMember, *_own("body_id", "bodies"), _to("person_id", "people")
)
certificates = _table(
    "certificates",
    model.Certificate,
    _to("person_id", "people"),
    _unique("uq_certificates_serial", "serial"),
    sa.Index("ix_certificates_person_id", "person_id"),
)

readiness = _table(
    "readiness",
    model.Readiness,
    _to("person_id", "people"),
    _unique("uq_readiness_means", "person_id", "provider", "device"),
)

# --- case ----------------------------------------------------------------------------------------

cases = _table(
    "cases",
    model.Case,
    one_of("wants_kind", KINDS),
    _to("author_id", "people"),
    _to("sender_id", "organisations"),
    _to("receiver_id", "organisations"),
    _to("consilium_id", "consilia"),
    _unique("uq_cases_number", "number", where="number <> ''"),
    sa.Index("ix_cases_sender_id", "sender_id", "status"),
    sa.Index("ix_cases_receiver_id", "receiver_id", "status"),
    sa.Index("ix_cases_consilium_id", "consilium_id"),
)
case_documents = _table("case_documents", model.CaseDocument, *_own("case_id", "cases"))
missing_items = _table("missing_items", model.MissingItem, *_own("case_id", "cases"))

# --- consilium -----------------------------------------------------------------------------------

consilia = _table(
    "consilia",
    model.Consilium,
    one_of("kind", KINDS),
    _to("organisation_id", "organisations"),
    _to("body_id", "bodies"),
    _unique("uq_consilia_number", "number"),
    sa.Index("ix_consilia_scheduled_at", "scheduled_at"),
)
seats = _table(
    "seats",
    model.Seat,
    *_own("consilium_id", "consilia"),
    one_of("role", ROLES),
    _to("person_id", "people"),
    _unique("uq_seats_person", "consilium_id", "person_id"),
    _unique("uq_seats_one_chair", "consilium_id", where="role = 'chair'"),
    sa.Index("ix_seats_person_id", "person_id"),
)
agenda_items = _table(
    "agenda_items",
    model.AgendaItem,
    *_own("consilium_id", "consilia"),
    _to("case_id", "cases"),
    _unique("uq_agenda_items_case", "consilium_id", "case_id"),
    sa.Index("ix_agenda_items_case_id", "case_id"),
)
attendance = _table(
    "attendance",
    model.Attendance,
    *_own("consilium_id", "consilia"),
    _to("seat_id", "seats"),
    _unique("uq_attendance_one_stay", "seat_id", where="left_at IS NULL"),
)
hands = _table(
    "hands",
    model.Hand,
    *_own("consilium_id", "consilia"),
    _to("seat_id", "seats"),
    _unique("uq_hands_seat", "seat_id"),
)
resolutions = _table(
    "resolutions",
    model.Resolution,
    *_own("consilium_id", "consilia"),
    _to("item_id", "agenda_items"),
    _to("author_seat_id", "seats"),
    _unique("uq_resolutions_number", "item_id", "number"),
)
ballots = _table(
    "ballots",
    model.Ballot,
    *_own("consilium_id", "consilia"),
    _to("resolution_id", "resolutions"),
    _to("item_id", "agenda_items"),
    _unique("uq_ballots_one_open", "consilium_id", where="closed_at IS NULL"),
)
votes = _table(
    "votes",
    model.Vote,
    *_own("consilium_id", "consilia"),
    _to("ballot_id", "ballots"),
    _to("seat_id", "seats"),
    _unique("uq_votes_seat", "ballot_id", "seat_id"),
)
recusals = _table(
    "recusals",
    model.Recusal,
    *_own("consilium_id", "consilia"),
    _to("item_id", "agenda_items"),
    _to("seat_id", "seats"),
    _unique("uq_recusals_seat", "item_id", "seat_id"),
)
dissents = _table(
    "dissents",
    model.Dissent,
    *_own("consilium_id", "consilia"),
    _to("item_id", "agenda_items"),
    _to("seat_id", "seats"),
)
chat_messages = _table(
    "chat_messages", model.ChatMessage, *_own("consilium_id", "consilia"), _to("seat_id", "seats")
)

recordings = _table(
    "recordings",
    model.Recording,
    *_own("consilium_id", "consilia"),
    _to("asked_by", "seats"),
    _unique("uq_recordings_one_live", "consilium_id", where="stopped_at IS NULL"),
)
recording_answers = _table(
    "recording_answers",
    model.RecordingAnswer,
    *_own("consilium_id", "consilia"),
    _to("recording_id", "recordings"),
    _to("seat_id", "seats"),
    _unique("uq_recording_answers_seat", "recording_id", "seat_id"),
)
recording_gaps = _table(
    "recording_gaps",
    model.RecordingGap,
    *_own("consilium_id", "consilia"),
    _to("recording_id", "recordings"),
    _unique("uq_recording_gaps_open", "recording_id", "reason", where="ended_at IS NULL"),
)
recording_segments = _table(
    "recording_segments",
    model.RecordingSegment,
    _to("consilium_id", "consilia"),
    _to("recording_id", "recordings"),
    _to("seat_id", "seats"),
    _unique("uq_recording_segments_file", "file"),
    sa.Index("ix_recording_segments_consilium_id", "consilium_id"),
)

# --- protocol ------------------------------------------------------------------------------------

protocols = _table(
    "protocols",
    model.Protocol,
    _to("consilium_id", "consilia"),
    _to("item_id", "agenda_items"),
    _to("case_id", "cases"),
    _to("organisation_id", "organisations"),
    _to("parent_id", "protocols"),
    _to("replaces_id", "protocols"),
    _to("annulled_by", "protocols"),
    _unique("uq_protocols_item", "item_id", where="paper = 'protocol' AND annulled_at IS NULL"),
    _unique("uq_protocols_set", "set_id", "version"),
    _unique("uq_protocols_number", "series", "number"),
    _unique("uq_protocols_annulment", "parent_id", where="paper = 'annulment' AND status <> 'withdrawn'"),
    _unique("uq_protocols_replaces", "replaces_id"),
    _unique(
        "uq_protocols_referral",
        "case_id",
        where="paper = 'referral' AND annulled_at IS NULL AND status <> 'withdrawn'",
    ),
    sa.CheckConstraint("(consilium_id IS NULL) = (item_id IS NULL)", name="sitting"),
    # Only a referral, and the act about one, was made without a consilium.
    sa.CheckConstraint("consilium_id IS NOT NULL OR paper IN ('referral', 'annulment')", name="of_case"),
    _unique("uq_protocols_registry_number", "registry_number", where="registry_number <> ''"),
    sa.Index("ix_protocols_consilium_id", "consilium_id"),
    sa.Index("ix_protocols_case_id", "case_id"),
    _unique("uq_protocols_document", "document_id"),
    sa.Index("ix_protocols_parent_id", "parent_id"),
    sa.Index("ix_protocols_filing", "filing", "organisation_id"),
)
signatures = _table(
    "signatures",
    model.Signature,
    *_own("protocol_id", "protocols"),
    _to("seat_id", "seats"),
    _to("person_id", "people"),
    _unique("uq_signatures_person", "protocol_id", "version", "person_id"),
    sa.Index("ix_signatures_person_id", "person_id", "status"),
)
dissent_papers = _table(
    "dissent_papers",
    model.DissentPaper,
    *_own("protocol_id", "protocols"),
    _to("seat_id", "seats"),
    _to("person_id", "people"),
    _unique("uq_dissent_papers_dissent", "protocol_id", "version", "dissent_id"),
    sa.Index("ix_dissent_papers_person_id", "person_id", "status"),
)
draft_updates = sa.Table(
    "draft_updates",
    metadata,
    sa.Column("protocol_id", sa.Uuid, primary_key=True),
    sa.Column("n", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("update", sa.LargeBinary, nullable=False),
    sa.Column("person_id", sa.Uuid),
    sa.Column("at", Moment, nullable=False),
    _to("protocol_id", "protocols"),
)

# What an unfinished seal has obtained so far: tokens and signatures that need not be asked for twice.
seal_works = sa.Table(
    "seal_works",
    metadata,
    sa.Column("protocol_id", sa.Uuid, primary_key=True),
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("content", sa.LargeBinary, nullable=False),
    sa.Column("at", Moment, nullable=False),
    _to("protocol_id", "protocols"),
)

# What the renewal of packages has read of each: when its newest timestamp ends, and the weakest digest it rests on.
archive_looks = sa.Table(
    "archive_looks",
    metadata,
    sa.Column("protocol_id", sa.Uuid, primary_key=True),
    sa.Column("package_digest", sa.Text, nullable=False),
    sa.Column("good_until", Moment),
    sa.Column("weakest", sa.Text, nullable=False),
    sa.Column("at", Moment, nullable=False),
    _to("protocol_id", "protocols"),
)

# --- journal -------------------------------------------------------------------------------------

Position = sa.BigInteger().with_variant(sa.Integer, "sqlite")

journal = sa.Table(
    "journal",
    metadata,
    sa.Column("position", Position, primary_key=True, autoincrement=True),
    sa.Column("organisation_id", sa.Uuid, nullable=False),
    sa.Column("stream_kind", sa.Text, nullable=False),
    sa.Column("stream_id", sa.Uuid, nullable=False),
    sa.Column("seq", sa.Integer, nullable=False),
    sa.Column("at", Moment, nullable=False),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("actor_id", sa.Uuid),
    sa.Column("command_id", sa.Uuid),
    sa.Column("payload", sa.Text),  # exact text, digested; NULL once it has been shredded
    sa.Column("payload_digest", sa.Text, nullable=False),
    sa.Column("prev_hash", sa.Text, nullable=False),
    sa.Column("hash", sa.Text, nullable=False),
    _unique("uq_journal_seq", "stream_kind", "stream_id", "seq"),
    sqlite_autoincrement=True,  # a position is never given twice, not even after a deletion
)
journal_heads = sa.Table(
    "journal_heads",
    metadata,
    sa.Column("stream_kind", sa.Text, primary_key=True),
    sa.Column("stream_id", sa.Uuid, primary_key=True),
    sa.Column("organisation_id", sa.Uuid, nullable=False, index=True),
    sa.Column("seq", sa.Integer, nullable=False),
    sa.Column("at", Moment, nullable=False),
    sa.Column("hash", sa.Text, nullable=False),
    sa.Column("position", sa.BigInteger, nullable=False),
)
anchors = sa.Table(
    "anchors",
    metadata,
    sa.Column("organisation_id", sa.Uuid, primary_key=True),
    sa.Column("n", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("at", Moment, nullable=False),
    sa.Column("position", sa.BigInteger, nullable=False),
    sa.Column("heads", sa.Text, nullable=False),  # exact text: [[kind, id, seq, hash], …] that moved
    sa.Column("digest", sa.Text, nullable=False),
    sa.Column("prev_hash", sa.Text, nullable=False),
    sa.Column("hash", sa.Text, nullable=False),
)

# --- work, commands, sign-in -----------------------------------------------------------------------

outbox = sa.Table(
    "outbox",
    metadata,
    sa.Column("id", Position, primary_key=True, autoincrement=True),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("key", sa.Text, nullable=False),
    sa.Column("payload", JSON, nullable=False),
    sa.Column("status", sa.Text, nullable=False),
    sa.Column("created_at", Moment, nullable=False),
    sa.Column("not_before", Moment, nullable=False),
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Column("lease_until", Moment),
    sa.Column("lease", sa.Text),  # token of the one holder; another's word about the row is ignored
    sa.Column("last_error", sa.Text, nullable=False),
    sa.Column("ended_at", Moment),
    one_of("status", ["waiting", "done", "dead"]),
    _unique("uq_outbox_key", "kind", "key"),
    sa.Index(
        "ix_outbox_waiting",
        "not_before",
        sqlite_where=sa.text("status = 'waiting'"),
        postgresql_where=sa.text("status = 'waiting'"),
    ),
)
commands = sa.Table(
    "commands",
    metadata,
    sa.Column("command_id", sa.Uuid, primary_key=True),
    sa.Column("person_id", sa.Uuid, primary_key=True),
    sa.Column("fingerprint", sa.Text, nullable=False),
    sa.Column("result", JSON, nullable=False),
    sa.Column("at", Moment, nullable=False, index=True),
)
counters = sa.Table(
    "counters",
    metadata,
    sa.Column("series", sa.Text, primary_key=True),
    sa.Column("value", sa.Integer, nullable=False),
)
sessions = sa.Table(
    "sessions",
    metadata,
    sa.Column("id", sa.Uuid, primary_key=True),
    sa.Column("token_hash", sa.Text, nullable=False),
    sa.Column("person_id", sa.Uuid, nullable=False, index=True),
    sa.Column("created_at", Moment, nullable=False),
    sa.Column("expires_at", Moment, nullable=False),
    sa.Column("user_agent", sa.Text, nullable=False),
    _to("person_id", "people"),
    _unique("uq_sessions_token", "token_hash"),
)
tickets = sa.Table(
    "tickets",
    metadata,
    sa.Column("token_hash", sa.Text, primary_key=True),
    sa.Column("session_id", sa.Uuid, nullable=False),
    sa.Column("person_id", sa.Uuid, nullable=False),
    sa.Column("consilium_id", sa.Uuid),
    sa.Column("expires_at", Moment, nullable=False),
)
sign_in_failures = sa.Table(
    "sign_in_failures",
    metadata,
    sa.Column("id", Position, primary_key=True, autoincrement=True),
    sa.Column("subject", sa.Text, nullable=False),  # sha256 of a login or of an address
    sa.Column("at", Moment, nullable=False),
    sa.Index("ix_sign_in_failures_subject", "subject", "at"),
)
placements = sa.Table(
    "placements",
    metadata,
    sa.Column("room_id", sa.Uuid, primary_key=True),
    sa.Column("worker", sa.Text, nullable=False),
    sa.Column("holder", sa.Text, nullable=False),  # boot of the worker's process
    sa.Column("epoch", sa.Integer, nullable=False),
    sa.Column("at", Moment, nullable=False),
)
media_leases = sa.Table(
    "media_leases",
    metadata,
    sa.Column("worker", sa.Text, primary_key=True),
    sa.Column("server", sa.Text, primary_key=True),
    sa.Column("boot", sa.Text, nullable=False),
    sa.Column("expires_at", Moment, nullable=False),
)
media_summaries = sa.Table(
    "media_summaries",
    metadata,
    sa.Column("id", Position, primary_key=True, autoincrement=True),
    sa.Column("consilium_id", sa.Uuid, nullable=False),
    sa.Column("seat_id", sa.Uuid, nullable=False),
    sa.Column("digest", sa.Text, nullable=False),  # of all of it: two servers hear the same worker
    sa.Column("at", Moment, nullable=False),
    sa.Column("data", JSON, nullable=False),
    sa.Index("uq_media_summaries_digest", "digest", unique=True),
    sa.Index("ix_media_summaries_consilium", "consilium_id"),
    sa.Index("ix_media_summaries_at", "at"),
)
nsi_dictionaries = sa.Table(
    "nsi_dictionaries",
    metadata,
    sa.Column("oid", sa.Text, primary_key=True),
    sa.Column("version", sa.Text, primary_key=True),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("digest", sa.Text, nullable=False),  # of its rows: a version never changes
    sa.Column("imported_at", Moment, nullable=False),
)
nsi_entries = sa.Table(
    "nsi_entries",
    metadata,
    sa.Column("oid", sa.Text, primary_key=True),
    sa.Column("version", sa.Text, primary_key=True),
    sa.Column("code", sa.Text, primary_key=True),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("position", sa.Integer, nullable=False),
    sa.Column("ended", sa.Date),  # not chosen any more from that day
    sa.Column("extra", JSON, nullable=False),
    sa.ForeignKeyConstraint(
        ["oid", "version"],
        ["nsi_dictionaries.oid", "nsi_dictionaries.version"],
        deferrable=True,
        initially="DEFERRED",
    ),
)
webhooks = sa.Table(
    "webhooks",
    metadata,
    sa.Column("organisation_id", sa.Uuid, primary_key=True),
    sa.Column("url", sa.Text, nullable=False),
    sa.Column("secret", sa.LargeBinary, nullable=False),  # under the installation's own key
    sa.Column("set_at", Moment, nullable=False),
    sa.Column("set_by", sa.Uuid, nullable=False),
    _to("organisation_id", "organisations"),
    _to("set_by", "people"),
)
webhook_deliveries = sa.Table(
    "webhook_deliveries",
    metadata,
    sa.Column("id", sa.Uuid, primary_key=True),
    sa.Column("organisation_id", sa.Uuid, nullable=False),
    sa.Column("event", sa.Text, nullable=False),
    sa.Column("body", JSON, nullable=False),
    sa.Column("at", Moment, nullable=False),
    sa.Column("status", sa.Text, nullable=False),
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Column("answer", sa.Text, nullable=False),  # an HTTP status or a code of ours
    sa.Column("ended_at", Moment),
    one_of("status", ["waiting", "delivered", "dead"]),
    _to("organisation_id", "organisations"),
    sa.Index("ix_webhook_deliveries_organisation_id", "organisation_id", "at"),
)

# Unique index -> code of the Conflict a person sees.
CODES: dict[str, str] = {
    "uq_seats_person": "seat_taken",
    "uq_seats_one_chair": "duplicate",
    "uq_ballots_one_open": "already_open",
    "uq_signatures_person": "already_signed",
    "uq_protocols_annulment": "already_annulled",
    "uq_protocols_replaces": "already_replaced",
    "uq_protocols_referral": "already_referred",
}


def unique_names() -> dict[str, str]:
    """'table.column, table.column' as SQLite reports a broken index -> the index's name."""
    return {
        ", ".join(f"{table.name}.{column.name}" for column in index.columns): str(index.name)
        for table in metadata.tables.values()
        for index in table.indexes
        if index.unique
    }
