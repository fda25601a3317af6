"""Who asks: sign-in with argon2id off the loop, a session in the database, its token in the cookie.

Unknown logins cost the same argon2id and get the same answer. Failures are counted for login and address together
(five in a quarter of an hour), for the address, and - much wider - for the login alone: nobody can keep the chair
of a running consilium out by guessing from elsewhere. A session ends after `session_hours`, or when unused.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from aiohttp import web

from consilium.actor import Actor
from consilium.directory import passwords
from consilium.errors import NotFound, Unauthenticated
from consilium.events import SignedIn, SignedOut, SignInRefused
from consilium.model import Organisation, Person
from consilium.settings import Settings
from consilium.store import Reader, Store, Transaction, sessions
from web.site import SESSIONS_SEEN, Caller, site

WINDOW = timedelta(minutes=15)
IDLE = timedelta(hours=3)
# Subject of the count -> how many failures it takes within WINDOW.
TRIES_PER_LOGIN_AND_ADDRESS = 5
TRIES_PER_ADDRESS = 100
TRIES_PER_LOGIN = 200
KEPT_SEEN = 50_000
BACKGROUND = "X-Consilium-Background"


@dataclass(frozen=True, slots=True)
class SignIn:
    """One attempt."""

    login: str
    password: str
    address: str
    user_agent: str

    @property
    def subjects(self) -> tuple[tuple[str, int], ...]:
        """What is counted, and how much of it is too much."""
        return (
            (f"{self.login}|{self.address}", TRIES_PER_LOGIN_AND_ADDRESS),
            (f"address|{self.address}", TRIES_PER_ADDRESS),
            (f"login|{self.login}", TRIES_PER_LOGIN),
        )


def cookie_name(settings: Settings) -> str:
    """`__Host-` where TLS makes it possible: the cookie then belongs to this host and path alone."""
    return "__Host-consilium" if secure(settings) else "consilium"


def secure(settings: Settings) -> bool:
    """Whether browsers reach us over TLS."""
    return settings.public_origin.startswith("https://")


async def caller_of(request: web.Request) -> Caller | None:
    """The signed-in person of the cookie, or None. A token that is none costs no query."""
    parts = site(request)
    token = request.cookies.get(cookie_name(parts.settings), "")
    if not 20 <= len(token) <= 100 or not token.isascii():
        return None
    found = await parts.pool.call(_load, parts.service.parts.store, token)
    if found is None or _idle(request, found.session_id):
        return None
    return found


def _load(store: Store, token: str) -> Caller | None:
    with store.read() as reader:
        session = sessions.session(reader, token)
        if session is None:
            return None
        person = reader.person(session.person_id)
        if not person.active:
            return None
        organisation = reader.get(Organisation, person.organisation_id)
        return Caller(
            person=person, organisation_name=organisation.short_name, session_id=session.id, token=token
        )


def _idle(request: web.Request, session_id: UUID) -> bool:
    """Whether the session lay unused too long; what a page asks by itself is no use of it."""
    seen = request.config_dict[SESSIONS_SEEN]
    moment = time.monotonic()
    last = seen.get(session_id, moment)
    if moment - last > IDLE.total_seconds():
        return True
    if BACKGROUND not in request.headers:
        if len(seen) > KEPT_SEEN:
            seen.clear()
        seen[session_id] = moment
    return False


def sign_in(store: Store, attempt: SignIn, settings: Settings, at: datetime) -> str:
    """The token of a new session. Raises Unauthenticated `locked_out` or `bad_credentials`. Blocking."""
    with store.read(at) as reader:
        _refuse_when_locked(reader, attempt)
        person = _person(reader, attempt.login)
    if not _matches(person, attempt.password):
        store.run(at, lambda tx: _note(tx, attempt, person))
        raise Unauthenticated("bad_credentials")
    assert person is not None
    return store.run(at, lambda tx: _begin(tx, attempt, person.id, settings))


def sign_out(store: Store, found: Caller, at: datetime) -> None:
    """End the session; its sockets are cut by signaling. Blocking."""

    def work(tx: Transaction) -> None:
        if sessions.end_session(tx, found.token):
            organisation = found.person.organisation_id
            tx.record(SignedOut(person=found.person.id), organisation, organisation, found.actor)

    store.run(at, work)


def sign_out_elsewhere(store: Store, found: Caller, at: datetime) -> None:
    """After a change of password only this session goes on. Blocking."""
    store.run(at, lambda tx: sessions.end_sessions(tx, found.person.id, keep=found.token))


def new_ticket(store: Store, found: Caller, consilium: UUID | None, at: datetime) -> str:
    """A single-use ticket for one socket. Raises NotFound for a consilium without one's seat. Blocking."""

    def work(tx: Transaction) -> str:
        return sessions.create_ticket(tx, found.session_id, found.person.id, consilium)

    if consilium is not None:
        with store.read(at) as reader:
            if reader.consilium(consilium).seat_of(found.person.id) is None:
                raise NotFound
    return store.run(at, work)


def _refuse_when_locked(reader: Reader, attempt: SignIn) -> None:
    for subject, tries in attempt.subjects:
        if sessions.failures(reader, subject, WINDOW) >= tries:
            raise Unauthenticated("locked_out", minutes=int(WINDOW.total_seconds() // 60))


def _person(reader: Reader, login: str) -> Person | None:
    try:
        return reader.person_by_login(login)
    except NotFound:
        return None


def _matches(person: Person | None, password: str) -> bool:
    stored = person.password_hash if person is not None and person.active else None
    return passwords.matches(stored, password)


def _note(tx: Transaction, attempt: SignIn, person: Person | None) -> None:
    for subject, _ in attempt.subjects:
        sessions.note_failure(tx, subject)
    if person is not None:
        refused = SignInRefused(login_digest=sessions.token_hash(attempt.login))
        tx.record(refused, person.organisation_id, person.organisation_id, _actor(person))


def _begin(tx: Transaction, attempt: SignIn, person_id: UUID, settings: Settings) -> str:
    person = tx.person(person_id)
    sessions.forget_failures(tx, attempt.subjects[0][0])
    token = sessions.create_session(tx, person, timedelta(hours=settings.session_hours), attempt.user_agent)
    tx.record(SignedIn(person=person.id), person.organisation_id, person.organisation_id, _actor(person))
    return token


def _actor(person: Person) -> Actor:
    return Actor(
        person_id=person.id,
        organisation_id=person.organisation_id,
        duties=frozenset(person.duties),
        name=person.full_name,
    )
