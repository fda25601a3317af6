"""What a command works with: `Transaction` locks, remembers and saves; `Reader` only looks.

Both hand out model objects, the same object for the same id (identity map). A transaction saves at its
commit whatever changed in the objects it handed out; nobody calls save.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import TYPE_CHECKING, Any, TypeVar, cast
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from consilium.errors import NotFound
from consilium.events import Event
from consilium.model import Body, Case, Certificate, Consilium, Organisation, Person, Protocol, Route
from consilium.store import journal, mapping, outbox
from consilium.store.failpoint import failpoint
from consilium.store.faults import translated
from consilium.store.tables import (
    certificates,
    commands,
    counters,
    draft_updates,
    organisations,
    people,
    protocols,
    routes,
)

if TYPE_CHECKING:
    from consilium.actor import Actor

T = TypeVar("T")
# `commands` has no NULL in its key: the system has an id of its own there.
_NOBODY = UUID(int=0)


class Reader:
    """A consistent look at the database: one snapshot from its first query to its end.

    `connection` is SQLAlchemy's, for queries over `store.tables` (inside consilium only).
    """

    locks = False

    def __init__(self, connection: sa.Connection, at: datetime) -> None:
        self.connection = connection
        self.at = at
        self._kept: dict[tuple[type, UUID], mapping.Kept] = {}

    def get(self, kind: type[T], key: UUID | None) -> T:
        """The object of that class; raises NotFound. In a Transaction a root's row is locked."""
        found = self.find(kind, key)
        if found is None:
            raise NotFound
        return found

    def find(self, kind: type[T], key: UUID | None) -> T | None:
        """Like `get`, None when absent."""
        if key is None:
            return None
        known = self._kept.get((kind, key))
        if known is None:
            known = self._load(mapping.MAPPINGS[kind], key)
        return None if known is None else self._keep(known)

    def all(self, kind: type[T], *where: Any, order: tuple[Any, ...] = ()) -> list[T]:
        """Every object that meets SQLAlchemy conditions on its table; roots are locked in order of id."""
        one = mapping.MAPPINGS[kind]
        with translated():
            if self.locks and one.locked:
                query = sa.select(one.table.c.id).where(*where).order_by(one.table.c.id)
                return [self.get(kind, key) for key in self.connection.execute(query).scalars().all()]
            found = mapping.load_where(self.connection, one, where, order)
        return [self._keep(self._kept.get((kind, each.value.id), each)) for each in found]

    def case(self, case_id: UUID) -> Case:
        return self.get(Case, case_id)

    def consilium(self, consilium_id: UUID) -> Consilium:
        return self.get(Consilium, consilium_id)

    def protocol(self, protocol_id: UUID) -> Protocol:
        return self.get(Protocol, protocol_id)

    def papers(self, consilium_id: UUID) -> list[Protocol]:
        """Everything that was ever written down of a consilium: protocols, extracts, acts, oldest first."""
        found = self.all(Protocol, protocols.c.consilium_id == consilium_id)
        return sorted(found, key=lambda one: (one.created_at, one.id))

    def person(self, person_id: UUID | None) -> Person:
        return self.get(Person, person_id)

    def person_by_login(self, login: str) -> Person:
        return _only(self.all(Person, people.c.login == login))

    def organisation(self, organisation_id: UUID | None) -> Organisation:
        return self.get(Organisation, organisation_id)

    def organisations(self) -> list[Organisation]:
        return self.all(Organisation, order=(organisations.c.short_name,))

    def people(self, organisation_id: UUID) -> list[Person]:
        """Everybody of one organisation, by name."""
        return self.all(Person, people.c.organisation_id == organisation_id, order=(people.c.surname,))

    def route(self, profile: str, sender_id: UUID, receiver_id: UUID) -> Route | None:
        """The route of exactly this profile from one organisation to another, open or not."""
        where = (
            routes.c.profile == profile,
            routes.c.sender_id == sender_id,
            routes.c.receiver_id == receiver_id,
        )
        return next(iter(self.all(Route, *where)), None)

    def routes(self, *, sender_id: UUID | None = None, receiver_id: UUID | None = None) -> list[Route]:
        """Routes of a sender, of a receiver, or between both."""
        where = [routes.c.sender_id == sender_id] if sender_id else []
        where += [routes.c.receiver_id == receiver_id] if receiver_id else []
        return self.all(Route, *where, order=(routes.c.profile,))

    def body(self, body_id: UUID) -> Body:
        return self.get(Body, body_id)

    def certificate(self, certificate_id: UUID) -> Certificate:
        return self.get(Certificate, certificate_id)

    def certificates(self, person_id: UUID) -> list[Certificate]:
        """A person's certificates, newest first."""
        where = certificates.c.person_id == person_id
        return self.all(Certificate, where, order=(certificates.c.issued_at.desc(),))

    def events(
        self, kind: str, stream_id: UUID, after_seq: int = 0, limit: int = 1000
    ) -> list[journal.Entry]:
        """A stream's events after a number, oldest first."""
        return journal.events(self.connection, kind, stream_id, after_seq, limit)

    def head(self, kind: str, stream_id: UUID) -> int:
        """The number of a stream's last event, 0 if there is none."""
        return journal.head(self.connection, kind, stream_id)

    def draft_updates(self, protocol_id: UUID, after: int = 0) -> list[tuple[int, bytes]]:
        """Updates of a shared draft after a number, in order."""
        table = draft_updates
        query = (
            sa.select(table.c.n, table.c.update)
            .where(table.c.protocol_id == protocol_id, table.c.n > after)
            .order_by(table.c.n)
        )
        return [(n, bytes(update)) for n, update in self.connection.execute(query)]

    def _load(self, one: mapping.Mapping, key: UUID) -> mapping.Kept | None:
        with translated():
            return mapping.load(self.connection, one, key, lock=False)

    def _keep(self, kept: mapping.Kept) -> Any:
        return self._kept.setdefault((kept.mapping.kind, kept.value.id), kept).value


class Transaction(Reader):
    """One unit of work: everything or nothing. `at` is the command's moment.

    Lock aggregates in the order Case, Consilium, Protocol.
    """

    locks = True

    def __init__(self, connection: sa.Connection, at: datetime) -> None:
        super().__init__(connection, at)
        self._pending: list[journal.Pending] = []
        self._command_id: UUID | None = None
        self._committed: tuple[journal.Committed, ...] | None = None

    @property
    def committed(self) -> bool:
        return self._committed is not None

    def add(self, value: object) -> None:
        """A new aggregate or directory object; saved at the commit like everything else."""
        self._must_be_open()
        kept = mapping.Kept(mapping.MAPPINGS[type(value)], value)
        self._kept[type(value), kept.value.id] = kept

    def record(self, event: Event, stream_id: UUID, organisation_id: UUID, actor: Actor) -> None:
        """Journal an event at the end of this transaction, in the stream of its aggregate."""
        self._must_be_open()
        self._pending.append(journal.pending(event, stream_id, organisation_id, actor))

    def enqueue(
        self, kind: str, key: str, payload: dict[str, Any], not_before: datetime | None = None
    ) -> bool:
        """Work for the worker. The same (kind, key) twice is one row; returns whether it is new."""
        self._must_be_open()
        with translated():
            return outbox.enqueue(self.connection, kind, key, payload, self.at, not_before)

    def again(self, kind: str, key: str, not_before: datetime | None = None) -> bool:
        """Put an ended or waiting row to work anew under its old key. False: none, or it runs right now."""
        with translated():
            return outbox.again(self.connection, kind, key, self.at, not_before)

    def command_reply(self, command_id: UUID, person_id: UUID | None) -> tuple[str, dict[str, Any]] | None:
        """(fingerprint, result) of a command done before. Also holds the id until the end of this one.

        The same id in two places at once: the second waits here and then finds the first's answer, instead
        of being refused by what the first has just done.
        """
        self._command_id = command_id
        where = (commands.c.command_id == command_id, commands.c.person_id == (person_id or _NOBODY))
        with translated():
            if self.connection.dialect.name == "postgresql":
                held = sa.func.pg_advisory_xact_lock(sa.func.hashtextextended(str(command_id), 0))
                self.connection.execute(sa.select(held))
            query = sa.select(commands.c.fingerprint, commands.c.result).where(*where)
            row = self.connection.execute(query).one_or_none()
        return None if row is None else (row.fingerprint, row.result)

    def remember_command(
        self, command_id: UUID, person_id: UUID | None, fingerprint: str, result: dict[str, Any]
    ) -> None:
        """Keep the answer; the same command id will get it again."""
        row = {
            "command_id": command_id,
            "person_id": person_id or _NOBODY,
            "fingerprint": fingerprint,
            "result": result,
            "at": self.at,
        }
        with translated():
            self.connection.execute(sa.insert(commands), row)

    def next_number(self, series: str) -> int:
        """1, 2, 3 … of a series, without a gap: the series is held until the end of this transaction."""
        insert = (postgresql if self.connection.dialect.name == "postgresql" else sqlite).insert(counters)
        statement = (
            insert.values(series=series, value=1)
            .on_conflict_do_update(index_elements=["series"], set_={"value": counters.c.value + 1})
            .returning(counters.c.value)
        )
        with translated():
            return int(self.connection.execute(statement).scalar_one())

    def append_draft(self, protocol_id: UUID, update: bytes, person_id: UUID | None) -> int:
        """One more update of a shared draft, durable with this commit; answers its number.

        The caller holds the protocol's lock (`tx.protocol(id)`), which is what keeps numbers in order.
        """
        table = draft_updates
        query = sa.select(sa.func.max(table.c.n)).where(table.c.protocol_id == protocol_id)
        with translated():
            n = (self.connection.execute(query).scalar() or 0) + 1
            row = {
                "protocol_id": protocol_id,
                "n": n,
                "update": update,
                "person_id": person_id,
                "at": self.at,
            }
            self.connection.execute(sa.insert(table), row)
        return n

    def compact_draft(self, protocol_id: UUID, upto: int, merged: bytes) -> None:
        """Replace updates 1..upto by one with the number `upto`."""
        table = draft_updates
        gone = sa.delete(table).where(table.c.protocol_id == protocol_id, table.c.n <= upto)
        row = {"protocol_id": protocol_id, "n": upto, "update": merged, "person_id": None, "at": self.at}
        with translated():
            self.connection.execute(gone)
            self.connection.execute(sa.insert(table), row)

    def peek(self, kind: type[T], key: UUID) -> T:
        """A look without a lock, apart from this unit of work: nothing done to it is saved.

        For ids needed to take the locks in order (a consilium's cases before the consilium itself), and
        for facts that cannot change any more. Raises NotFound.
        """
        with translated():
            kept = mapping.load(self.connection, mapping.MAPPINGS[kind], key, lock=False)
        if kept is None:
            raise NotFound
        return cast(T, kept.value)

    def flush(self) -> None:
        """Write what changed so far without committing; a broken constraint shows here."""
        with translated():
            for kept in self._in_order():
                mapping.save(self.connection, kept)

    def commit(self) -> tuple[journal.Committed, ...]:
        """Save, journal, make durable. Answers (stream kind, stream id, seq, event) of every event."""
        if self._committed is not None:
            return self._committed
        self.flush()
        failpoint("store.before_journal")
        with translated():
            done: tuple[journal.Committed, ...] = ()
            if self._pending:
                journal.lock(self.connection)
                done = journal.append(self.connection, self._pending, self.at, self._command_id)
        failpoint("store.before_commit")
        with translated(committing=True):
            self.connection.commit()
        failpoint("store.after_commit")
        self._committed = done
        return done

    def _must_be_open(self) -> None:
        if self._committed is not None:
            raise RuntimeError("the transaction is over: this would be lost")

    def _in_order(self) -> Iterator[mapping.Kept]:
        """The same order in every transaction: by table as in MAPPINGS, then by id."""
        ranks = {kind: rank for rank, kind in enumerate(mapping.MAPPINGS)}
        yield from sorted(self._kept.values(), key=lambda kept: (ranks[kept.mapping.kind], kept.value.id))

    def _load(self, one: mapping.Mapping, key: UUID) -> mapping.Kept | None:
        with translated():
            return mapping.load(self.connection, one, key, lock=one.locked)


def _only(found: list[T]) -> T:
    if not found:
        raise NotFound
    return found[0]
