"""What goes in comes out: every field of every class, whatever changed, and nothing else is touched."""

import random
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import fields, is_dataclass
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from itertools import count
from types import NoneType
from typing import Any, get_args, get_origin, get_type_hints
from uuid import UUID, uuid4

import pytest
import sqlalchemy as sa

from consilium.errors import Conflict, NotFound
from consilium.model import Ballot, Case, Choice, Consilium, MissingItem, Person, Signature, Vote
from consilium.store import Store, Transaction, tables
from consilium.store.mapping import MAPPINGS, Kept, load, save
from tests.consilium.store.conftest import AT, World, a_case, a_consilium, a_person

# Columns where the database knows which words there are, or how many rows may be in one state.
WORDS = {
    ("Seat", "role"): "member",
    ("Case", "wants_kind"): "oncological",
    ("Consilium", "kind"): "commission",
    # What is frozen is not changed as a whole: test_frozen_in_the_database.
    ("Protocol", "status"): "drafting",
}
FULL = {
    ("Ballot", "closed_at"),
    ("Recording", "stopped_at"),
    ("RecordingGap", "ended_at"),
    # Both or neither.
    ("Protocol", "consilium_id"),
    ("Protocol", "item_id"),
}


class Filled:
    """Objects with another value in every field; lists with a few children."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.numbers = count(seed * 10_000 + 1)

    def make(self, kind: Any, **fixed: Any) -> Any:
        hints = get_type_hints(kind)
        values = {
            one.name: WORDS.get((kind.__name__, one.name)) or self.value(kind, one.name, hints[one.name])
            for one in fields(kind)
            if one.name not in fixed
        }
        return kind(**values, **fixed)

    def value(self, kind: Any, name: str, hint: Any) -> Any:
        options = [one for one in get_args(hint) if one is not NoneType]
        if get_origin(hint) is list:
            return [self.value(kind, name, options[0]) for _ in range(self.random.randrange(4))]
        if NoneType in get_args(hint):
            if self.random.random() < 0.3 and (kind.__name__, name) not in FULL:
                return None
            hint = options[0]
        if is_dataclass(hint):
            return self.make(hint)
        return self.plain(hint)

    def plain(self, hint: Any) -> Any:
        n = next(self.numbers)
        if issubclass(hint, StrEnum):
            return self.random.choice(list(hint))
        if hint is bool:
            return self.random.random() < 0.5
        made = {
            str: f"строка {n} \u2028 'quoted'",
            int: n,
            bytes: n.to_bytes(4, "big") + b"\x00\xff",
            date: date(1950, 1, 1) + timedelta(days=n % 20_000),
            datetime: datetime(2026, 1, 1, tzinfo=UTC) + timedelta(microseconds=n * 7_919),
            UUID: UUID(int=self.random.getrandbits(128), version=4),
        }
        return made[hint]


class _Undo(Exception):
    pass


@contextmanager
def undone(store: Store) -> Iterator[Transaction]:
    """A transaction that is left before foreign keys, which are checked at the commit, would be missed."""
    with suppress(_Undo), store.write(AT) as tx:
        yield tx
        raise _Undo


def _loaded(tx: Any, kind: type, key: UUID) -> Kept:
    kept = load(tx.connection, MAPPINGS[kind], key, lock=True)
    assert kept is not None
    return kept


def _change(before: Any, after: Any, chance: random.Random) -> None:
    """Make `before` equal `after` in place; of each list keep, drop, change, move and add rows."""
    for one in fields(before):
        new = getattr(after, one.name)
        old = getattr(before, one.name)
        if one.name == "id" or chance.random() < 0.2:
            continue
        if isinstance(old, list) and old and is_dataclass(old[0]):
            kept = [row for row in old if chance.random() < 0.7]
            for row in kept:
                source = new[0] if new and chance.random() < 0.5 else row
                for inner in fields(row):
                    if inner.name not in ("id", "number", "version") and "_id" not in inner.name:
                        setattr(row, inner.name, getattr(source, inner.name))
            mixed = kept + new
            chance.shuffle(mixed)
            new = mixed
        setattr(before, one.name, new)


@pytest.mark.parametrize("kind", list(MAPPINGS), ids=lambda kind: kind.__name__)
def test_every_field_of_an_object_comes_back(store: Store, kind: type) -> None:
    for seed in range(1, 7):
        filled = Filled(seed)
        with undone(store) as tx:
            value = filled.make(kind)
            tx.add(value)
            tx.flush()
            assert _loaded(tx, kind, value.id).value == value


@pytest.mark.parametrize("kind", list(MAPPINGS), ids=lambda kind: kind.__name__)
def test_whatever_changes_in_an_object_is_saved(store: Store, kind: type) -> None:
    for seed in range(1, 7):
        filled = Filled(seed)
        with undone(store) as tx:
            value = filled.make(kind)
            tx.add(value)
            tx.flush()
            kept = _loaded(tx, kind, value.id)
            _change(kept.value, filled.make(kind, id=value.id), filled.random)
            save(tx.connection, kept)
            assert _loaded(tx, kind, value.id).value == kept.value
            assert save(tx.connection, kept) is False


def test_an_unchanged_object_costs_no_statement(world: World) -> None:
    written: list[str] = []
    sa.event.listen(
        world.store.engine,
        "before_cursor_execute",
        lambda _c, _k, sql, *_: written.append(sql) if not sql.startswith("SELECT") else None,
    )
    with world.store.write(AT) as tx:
        tx.consilium(world.consilium)
        tx.case(world.case)
    assert [sql for sql in written if not sql.startswith("BEGIN")] == []


def test_only_the_changed_row_is_written(world: World) -> None:
    written: list[str] = []
    sa.event.listen(world.store.engine, "before_cursor_execute", lambda _c, _k, sql, *_: written.append(sql))
    with world.store.write(AT) as tx:
        tx.consilium(world.consilium).seats[1].online = True
    updates = [sql for sql in written if sql.startswith(("UPDATE", "INSERT", "DELETE"))]
    assert len(updates) == 1
    assert updates[0].startswith("UPDATE seats SET online=")


def test_the_same_id_is_the_same_object_within_a_transaction(world: World) -> None:
    with world.store.write(AT) as tx:
        assert tx.consilium(world.consilium) is tx.consilium(world.consilium)
        assert tx.person_by_login("member0") is tx.person(world.people[0])
        assert tx.all(Case, tables.cases.c.profile == "онкология") == [tx.case(world.case)]


def test_an_object_added_twice_over_commits_is_seen_by_a_reader(world: World) -> None:
    with world.store.write(AT) as tx:
        tx.case(world.case).missing.append(
            MissingItem(id=uuid4(), text="Нет КТ", asked_by=world.people[0], asked_at=AT)
        )
        tx.person(world.people[1]).duties.append("admin")
    with world.store.read() as reader:
        assert [one.text for one in reader.case(world.case).missing] == ["Нет КТ"]
        assert reader.person(world.people[1]).duties == ["doctor", "admin"]


def test_an_exception_leaves_nothing_behind(world: World) -> None:
    with undone(world.store) as tx:
        tx.case(world.case).question = "изменено"
        tx.enqueue("test", "1", {})
        tx.flush()
    with world.store.read() as reader:
        assert reader.case(world.case).question == ""
        assert reader.connection.execute(sa.select(tables.outbox)).all() == []


def test_what_comes_after_the_commit_is_refused_aloud(world: World) -> None:
    with world.store.write(AT) as tx:
        tx.commit()
        with pytest.raises(RuntimeError, match="over"):
            tx.enqueue("test", "1", {})
        with pytest.raises(RuntimeError, match="over"):
            tx.add(a_person(world.organisation, "late"))


def test_what_is_absent_is_not_found(store: Store) -> None:
    with store.read() as reader:
        for getter in (reader.case, reader.consilium, reader.protocol, reader.person, reader.organisation):
            with pytest.raises(NotFound):
                getter(uuid4())
        with pytest.raises(NotFound):
            reader.person_by_login("nobody")


def test_a_reference_to_nobody_is_refused(world: World) -> None:
    with pytest.raises(NotFound), world.store.write(AT) as tx:
        tx.add(a_person(uuid4(), "stranger"))


def test_chair_and_member_may_swap_their_roles(world: World) -> None:
    with world.store.write(AT) as tx:
        chair, _, member = tx.consilium(world.consilium).seats
        chair.role, member.role = member.role, chair.role
    with world.store.read() as reader:
        assert [seat.role for seat in reader.consilium(world.consilium).seats] == [
            "member",
            "secretary",
            "chair",
        ]


def test_one_ballot_closes_and_the_next_opens_in_one_transaction(world: World) -> None:
    with world.store.write(AT) as tx:
        tx.consilium(world.consilium).ballots.append(_ballot(world))
    with world.store.write(AT) as tx:
        consilium = tx.consilium(world.consilium)
        consilium.ballots[0].closed_at = AT
        consilium.ballots.append(_ballot(world))
    with world.store.read() as reader:
        assert [one.closed_at for one in reader.consilium(world.consilium).ballots] == [AT, None]


def _ballot(world: World) -> Ballot:
    return Ballot(
        id=uuid4(),
        resolution_id=world.resolution,
        item_id=world.item,
        digest="0" * 64,
        opened_at=AT,
        opened_by=world.seats[0],
        entitled=list(world.seats),
        present=list(world.seats),
        quorum_need=2,
    )


def _vote(world: World, ballot: Ballot) -> Vote:
    return Vote(
        id=uuid4(),
        ballot_id=ballot.id,
        seat_id=world.seats[1],
        choice=Choice.FOR,
        digest="0" * 64,
        cast_at=AT,
        receipt="A1",
    )


def _signature(world: World) -> Signature:
    return Signature(
        id=uuid4(), version=1, seat_id=world.seats[0], person_id=world.people[0], role="chair", order=1
    )


def _second_vote(world: World, consilium: Consilium) -> None:
    ballot = _ballot(world)
    consilium.ballots.append(ballot)
    consilium.votes.extend([_vote(world, ballot), _vote(world, ballot)])


def _second_open_ballot(world: World, consilium: Consilium) -> None:
    consilium.ballots.extend([_ballot(world), _ballot(world)])


def _second_chair(world: World, consilium: Consilium) -> None:
    consilium.seats[2].role = "chair"


def _second_seat(world: World, consilium: Consilium) -> None:
    consilium.seats[2].person_id = world.people[1]


@pytest.mark.parametrize(
    "change,code",
    [
        (_second_vote, "duplicate"),
        (_second_open_ballot, "already_open"),
        (_second_chair, "duplicate"),
        (_second_seat, "seat_taken"),
    ],
)
def test_the_database_repeats_the_rule(world: World, change: Any, code: str) -> None:
    with pytest.raises(Conflict) as refused, world.store.write(AT) as tx:
        change(world, tx.consilium(world.consilium))
    assert refused.value.code == code


def test_a_second_signature_of_a_person_is_refused(world: World) -> None:
    with pytest.raises(Conflict) as refused, world.store.write(AT) as tx:
        tx.protocol(world.protocol).signatures.extend([_signature(world), _signature(world)])
    assert refused.value.code == "already_signed"


def test_a_login_is_unique(world: World) -> None:
    with pytest.raises(Conflict) as refused, world.store.write(AT) as tx:
        tx.add(a_person(world.organisation, "member1"))
    assert refused.value.code == "duplicate"


def test_a_case_number_is_unique_once_it_is_given(world: World) -> None:
    with world.store.write(AT) as tx:
        author = tx.person(world.people[0])
        tx.add(a_case(author))
        tx.case(world.case).number = "2026-1"
    with world.store.read() as reader:
        second = a_case(reader.person(world.people[0]))
    second.number = "2026-1"
    with pytest.raises(Conflict), world.store.write(AT) as tx:
        tx.add(second)


def test_a_second_consilium_with_the_same_people_is_allowed(world: World) -> None:
    with world.store.write(AT) as tx:
        people = [tx.get(Person, one) for one in world.people]
        consilium = a_consilium(tx.organisation(world.organisation), people, tx.case(world.case))
        consilium.number = "К-2"
        tx.add(consilium)
    with world.store.read() as reader:
        assert len(reader.all(Consilium)) == 2


def test_a_word_that_no_status_knows_is_refused(world: World) -> None:
    with pytest.raises(sa.exc.IntegrityError), world.store.write(AT) as tx:
        tx.connection.execute(sa.text("UPDATE consilia SET status = 'forgotten'"))


def test_numbers_of_a_series_have_no_gap(world: World) -> None:
    with world.store.write(AT) as tx:
        assert [tx.next_number("case"), tx.next_number("case"), tx.next_number("other")] == [1, 2, 1]
    with undone(world.store) as tx:
        assert tx.next_number("case") == 3
    with world.store.write(AT) as tx:
        assert tx.next_number("case") == 3


def test_draft_updates_come_in_their_order_and_may_be_merged(world: World) -> None:
    with world.store.write(AT) as tx:
        tx.protocol(world.protocol)
        assert [tx.append_draft(world.protocol, bytes([n]), world.people[0]) for n in (1, 2, 3)] == [1, 2, 3]
    with world.store.write(AT) as tx:
        tx.protocol(world.protocol)
        tx.compact_draft(world.protocol, 2, b"merged")
        assert tx.append_draft(world.protocol, b"\x04", None) == 4
    with world.store.read() as reader:
        assert reader.draft_updates(world.protocol) == [(2, b"merged"), (3, b"\x03"), (4, b"\x04")]
        assert reader.draft_updates(world.protocol, after=3) == [(4, b"\x04")]
