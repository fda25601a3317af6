"""Who is signed in: sessions, one-time tickets for the room's socket, failed sign-ins.

Only hashes of tokens are stored: a copy of the database signs nobody in.
"""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID, uuid4

import sqlalchemy as sa

from consilium.errors import Unauthenticated
from consilium.model import Person
from consilium.store.faults import translated
from consilium.store.tables import commands, sessions, sign_in_failures, tickets
from consilium.store.transaction import Reader, Transaction

TICKET_LIFE = timedelta(seconds=60)
COMMANDS_KEPT = timedelta(days=30)
FAILURES_KEPT = timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    id: UUID
    person_id: UUID
    created_at: datetime
    expires_at: datetime
    user_agent: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Ticket:
    """What a used ticket proves. `consilium_id` None: a page's socket."""

    session_id: UUID
    person_id: UUID
    consilium_id: UUID | None


def token_hash(token: str) -> str:
    """What is stored of a token. It has 256 random bits: no salt, no slow hash needed."""
    return hashlib.sha256(token.encode()).hexdigest()


def create_session(tx: Transaction, person: Person, ttl: timedelta, user_agent: str) -> str:
    """A new session; answers the token for the cookie, which nobody can learn from the database."""
    token = secrets.token_urlsafe(32)
    row = {
        "id": uuid4(),
        "token_hash": token_hash(token),
        "person_id": person.id,
        "created_at": tx.at,
        "expires_at": tx.at + ttl,
        "user_agent": user_agent[:300],
    }
    with translated():
        tx.connection.execute(sa.insert(sessions), row)
    return token


def session(reader: Reader, token: str) -> Session | None:
    """The living session of a cookie's token, at the reader's moment."""
    where = (sessions.c.token_hash == token_hash(token), sessions.c.expires_at > reader.at)
    with translated():
        row = reader.connection.execute(sa.select(sessions).where(*where)).one_or_none()
    if row is None:
        return None
    return Session(
        id=row.id,
        person_id=row.person_id,
        created_at=row.created_at,
        expires_at=row.expires_at,
        user_agent=row.user_agent,
    )


def session_alive(reader: Reader, session_id: UUID) -> bool:
    """Whether a socket's session still stands."""
    where = (sessions.c.id == session_id, sessions.c.expires_at > reader.at)
    with translated():
        return reader.connection.execute(sa.select(sessions.c.id).where(*where)).first() is not None


def end_session(tx: Transaction, token: str) -> bool:
    """Sign out; also makes its unused tickets worthless. False: there was none."""
    return _end(tx, sessions.c.token_hash == token_hash(token)) > 0


def end_sessions(tx: Transaction, person_id: UUID, keep: str | None = None) -> int:
    """Sign a person out everywhere, except the session of the token `keep`; answers how many ended."""
    where = [sessions.c.person_id == person_id]
    where += [sessions.c.token_hash != token_hash(keep)] if keep else []
    return _end(tx, *where)


def _end(tx: Transaction, *where: sa.ColumnElement[bool]) -> int:
    with translated():
        ids = tx.connection.execute(sa.select(sessions.c.id).where(*where)).scalars().all()
        tx.connection.execute(sa.delete(tickets).where(tickets.c.session_id.in_(ids)))
        tx.connection.execute(sa.delete(sessions).where(sessions.c.id.in_(ids)))
    return len(ids)


def create_ticket(
    tx: Transaction,
    session_id: UUID,
    person_id: UUID,
    consilium_id: UUID | None = None,
    ttl: timedelta = TICKET_LIFE,
) -> str:
    """A token for one connection of the socket."""
    token = secrets.token_urlsafe(32)
    row = {
        "token_hash": token_hash(token),
        "session_id": session_id,
        "person_id": person_id,
        "consilium_id": consilium_id,
        "expires_at": tx.at + ttl,
    }
    with translated():
        tx.connection.execute(sa.insert(tickets), row)
    return token


def use_ticket(tx: Transaction, token: str) -> Ticket:
    """Exchange a ticket for what it proves, once. Raises Unauthenticated bad_ticket."""
    statement = sa.delete(tickets).where(tickets.c.token_hash == token_hash(token)).returning(tickets)
    with translated():
        row = tx.connection.execute(statement).one_or_none()
    if row is None or row.expires_at <= tx.at or not session_alive(tx, row.session_id):
        raise Unauthenticated("bad_ticket")
    return Ticket(session_id=row.session_id, person_id=row.person_id, consilium_id=row.consilium_id)


def note_failure(tx: Transaction, subject: str) -> None:
    """Remember a failed sign-in of a login or an address (kept as a hash). Commit it by itself."""
    with translated():
        row = {"subject": token_hash(subject), "at": tx.at}
        tx.connection.execute(sa.insert(sign_in_failures), row)


def failures(reader: Reader, subject: str, within: timedelta) -> int:
    """How often it failed lately."""
    where = (
        sign_in_failures.c.subject == token_hash(subject),
        sign_in_failures.c.at > reader.at - within,
    )
    with translated():
        query = sa.select(sa.func.count()).select_from(sign_in_failures).where(*where)
        return int(reader.connection.execute(query).scalar_one())


def forget_failures(tx: Transaction, subject: str) -> None:
    """After a successful sign-in."""
    with translated():
        tx.connection.execute(
            sa.delete(sign_in_failures).where(sign_in_failures.c.subject == token_hash(subject))
        )


def sweep(tx: Transaction) -> None:
    """Drop what has expired: sessions, tickets, old failures, answers of old commands."""
    with translated():
        tx.connection.execute(sa.delete(tickets).where(tickets.c.expires_at <= tx.at))
        tx.connection.execute(sa.delete(sessions).where(sessions.c.expires_at <= tx.at))
        tx.connection.execute(
            sa.delete(sign_in_failures).where(sign_in_failures.c.at <= tx.at - FAILURES_KEPT)
        )
        tx.connection.execute(sa.delete(commands).where(commands.c.at <= tx.at - COMMANDS_KEPT))
