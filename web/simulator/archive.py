"""What the registry remembers: one row per idempotency key, in a SQLite file of its own.

A document is accepted at most once per key and per local id, by constraint and by conditional update, so that it
stays true after a crash at any moment.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal
from uuid import uuid4

import msgspec

from consilium.filing.wire import ErrorDto, Registration

_SCHEMA = """
CREATE TABLE IF NOT EXISTS registration (
    serial INTEGER PRIMARY KEY AUTOINCREMENT,
    key TEXT NOT NULL UNIQUE,
    local_uid TEXT NOT NULL UNIQUE,
    message_id TEXT NOT NULL,
    dialect TEXT NOT NULL,
    status TEXT NOT NULL CHECK (status IN ('received', 'accepted', 'rejected')),
    body BLOB NOT NULL,
    document BLOB NOT NULL DEFAULT X'',
    errors BLOB NOT NULL DEFAULT '[]',
    size INTEGER NOT NULL DEFAULT 0,
    emdr_id TEXT UNIQUE,
    received_at TEXT NOT NULL,
    decided_at TEXT,
    tries INTEGER NOT NULL DEFAULT 0,
    next_try REAL NOT NULL,
    callbacks INTEGER NOT NULL DEFAULT 0,
    owed INTEGER NOT NULL DEFAULT 0,
    said TEXT NOT NULL DEFAULT '',
    replaces TEXT
);
CREATE UNIQUE INDEX IF NOT EXISTS one_successor ON registration (replaces) WHERE status = 'accepted';
CREATE INDEX IF NOT EXISTS to_do ON registration (next_try) WHERE status = 'received' OR owed > 0;
"""
REGION = "77"
Dialect = Literal["plain", "remd", "proxy"]


@dataclass(frozen=True, slots=True)
class Entry:
    """One registration as it stands. `owed` callbacks are still to be delivered; `next_try` is a Unix time.

    `document`: bytes that came with the registration (a proxy's); `said`: an earlier message that was answered.
    """

    key: str
    message_id: str
    dialect: Dialect
    status: str
    registration: Registration
    errors: tuple[ErrorDto, ...]
    emdr_id: str
    received_at: datetime
    decided_at: datetime | None
    tries: int
    callbacks: int
    owed: int
    size: int
    document: bytes
    said: str


class DuplicateError(Exception):
    """The local id is known under another key, or registered already where a registration has no key."""


class Archive:
    """The file; every method is one transaction and may be called from any thread."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._lock = threading.Lock()
        self._base = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        self._base.row_factory = sqlite3.Row
        self._base.execute("PRAGMA journal_mode=WAL")
        self._base.execute("PRAGMA synchronous=FULL")
        self._base.executescript(_SCHEMA)

    def close(self) -> None:
        """Close the file, after whatever a cancelled task left running in its thread."""
        with self._lock:
            self._base.close()

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with self._lock:
            self._base.execute("BEGIN IMMEDIATE")
            try:
                yield self._base
            except BaseException:
                self._base.execute("ROLLBACK")
                raise
            self._base.execute("COMMIT")

    def receive(
        self,
        one: Registration,
        at: datetime,
        *,
        dialect: Dialect = "plain",
        message_id: str | None = None,
        document: bytes = b"",
    ) -> Entry:
        """Take a registration; the same key gives the same message again, a rejected one a new examination.

        A key already decided owes its callback once more: whoever registers again has missed it. In РЭМД's own
        dialect there is no key: every message has its id, and a document that is accepted is refused.
        Raises DuplicateError.
        """
        with self._transaction() as base:
            known = base.execute(
                "SELECT key, status FROM registration WHERE key = ? OR local_uid = ?",
                (one.idempotency_key, str(one.local_uid)),
            ).fetchone()
            if known is not None and known["key"] != one.idempotency_key:
                raise DuplicateError
            if dialect == "remd" and known is not None and known["status"] == "accepted":
                raise DuplicateError
            if known is None:
                self._insert(base, one, at, dialect, message_id or str(uuid4()), document)
            elif known["status"] == "rejected" or dialect == "remd":
                self._anew(base, one, at, message_id or str(uuid4()), document)
            elif known["status"] == "accepted" and dialect == "plain":
                base.execute(
                    "UPDATE registration SET owed = MAX(owed, 1), tries = 0, next_try = ? WHERE key = ?",
                    (at.timestamp(), one.idempotency_key),
                )
            row = base.execute("SELECT * FROM registration WHERE key = ?", (one.idempotency_key,)).fetchone()
        return _entry(row)

    def _insert(
        self,
        base: sqlite3.Connection,
        one: Registration,
        at: datetime,
        dialect: str,
        message: str,
        document: bytes,
    ) -> None:
        base.execute(
            "INSERT INTO registration (key, local_uid, message_id, dialect, status, body, document, received_at,"
            " next_try, replaces) VALUES (?, ?, ?, ?, 'received', ?, ?, ?, ?, ?)",
            (
                one.idempotency_key,
                str(one.local_uid),
                message,
                dialect,
                msgspec.json.encode(one),
                document,
                at.isoformat(),
                at.timestamp(),
                next((str(tie.target) for tie in one.associations), None),
            ),
        )

    def _anew(
        self, base: sqlite3.Connection, one: Registration, at: datetime, message: str, document: bytes
    ) -> None:
        """Examine again under a new message; the old one is remembered for those who mix things up."""
        base.execute(
            "UPDATE registration SET status = 'received', said = message_id, message_id = ?, body = ?, document = ?,"
            " errors = '[]', tries = 0, next_try = ?, owed = 0, decided_at = NULL WHERE key = ?",
            (message, msgspec.json.encode(one), document, at.timestamp(), one.idempotency_key),
        )

    def accept(
        self, key: str, message_id: str, size: int, at: datetime, owed: int, later: float = 0.0
    ) -> bool:
        """Accept a received document under the next number. False when it was decided meanwhile."""
        with self._transaction() as base:
            row = base.execute(
                "SELECT serial FROM registration WHERE key = ? AND message_id = ? AND status = 'received'",
                (key, message_id),
            ).fetchone()
            if row is None:
                return False
            number = f"{REGION}.{at:%y.%m.%d}.{row['serial']:09}"
            base.execute(
                "UPDATE registration SET status = 'accepted', emdr_id = ?, size = ?, decided_at = ?, owed = ?,"
                " tries = 0, next_try = ? WHERE key = ?",
                (number, size, at.isoformat(), owed, at.timestamp() + later, key),
            )
        return True

    def reject(
        self, key: str, message_id: str, errors: list[ErrorDto], at: datetime, owed: int, later: float = 0.0
    ) -> bool:
        """Reject a received document with its errors. False when it was decided meanwhile."""
        with self._transaction() as base:
            done = base.execute(
                "UPDATE registration SET status = 'rejected', errors = ?, decided_at = ?, owed = ?, tries = 0,"
                " next_try = ? WHERE key = ? AND message_id = ? AND status = 'received'",
                (msgspec.json.encode(errors), at.isoformat(), owed, at.timestamp() + later, key, message_id),
            )
        return done.rowcount == 1

    def postpone(self, key: str, until: float) -> None:
        """Try again at a Unix time."""
        with self._transaction() as base:
            base.execute(
                "UPDATE registration SET tries = tries + 1, next_try = ? WHERE key = ?", (until, key)
            )

    def delivered(self, key: str, message_id: str) -> None:
        """One owed callback reached the product."""
        with self._transaction() as base:
            base.execute(
                "UPDATE registration SET owed = MAX(owed - 1, 0), callbacks = callbacks + 1, tries = 0"
                " WHERE key = ? AND message_id = ?",
                (key, message_id),
            )

    def due(self, at: float) -> list[Entry]:
        """Registrations to be examined and callbacks to be delivered by now, oldest first."""
        with self._lock:
            rows = self._base.execute(
                "SELECT * FROM registration WHERE (status = 'received' OR owed > 0) AND next_try <= ?"
                " ORDER BY next_try, serial LIMIT 50",
                (at,),
            ).fetchall()
        return [_entry(row) for row in rows]

    def next_due(self) -> float | None:
        """When the next thing is to be done; None when nothing is."""
        with self._lock:
            row = self._base.execute(
                "SELECT MIN(next_try) AS soonest FROM registration WHERE status = 'received' OR owed > 0"
            ).fetchone()
        return float(row["soonest"]) if row["soonest"] is not None else None

    def find(self, key: str) -> Entry | None:
        """The registration under a key."""
        return self._one("SELECT * FROM registration WHERE key = ?", key)

    def by_local_uid(self, local_uid: str) -> Entry | None:
        """The registration of a document."""
        return self._one("SELECT * FROM registration WHERE local_uid = ?", local_uid)

    def successor(self, local_uid: str) -> Entry | None:
        """The accepted document that takes the place of this one."""
        return self._one("SELECT * FROM registration WHERE replaces = ? AND status = 'accepted'", local_uid)

    def _one(self, query: str, value: str) -> Entry | None:
        with self._lock:
            row = self._base.execute(query, (value,)).fetchone()
        return _entry(row) if row else None

    def entries(self, limit: int = 200) -> list[Entry]:
        """The latest registrations, newest first."""
        with self._lock:
            rows = self._base.execute(
                "SELECT * FROM registration ORDER BY serial DESC LIMIT ?", (limit,)
            ).fetchall()
        return [_entry(row) for row in rows]

    def counts(self) -> dict[str, int]:
        """How many registrations there are of each status."""
        with self._lock:
            rows = self._base.execute("SELECT status, COUNT(*) FROM registration GROUP BY status").fetchall()
        return {row[0]: row[1] for row in rows}


def _entry(row: sqlite3.Row) -> Entry:
    decided = row["decided_at"]
    return Entry(
        key=row["key"],
        message_id=row["message_id"],
        dialect=row["dialect"],
        status=row["status"],
        registration=msgspec.json.decode(row["body"], type=Registration),
        errors=tuple(msgspec.json.decode(row["errors"], type=list[ErrorDto])),
        emdr_id=row["emdr_id"] or "",
        received_at=datetime.fromisoformat(row["received_at"]),
        decided_at=datetime.fromisoformat(decided).astimezone(UTC) if decided else None,
        tries=row["tries"],
        callbacks=row["callbacks"],
        owed=row["owed"],
        size=row["size"],
        document=bytes(row["document"]),
        said=row["said"],
    )
