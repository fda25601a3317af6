"""Two at once: exactly one outcome, whoever wins, a thousand times on each database."""

import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from types import SimpleNamespace
from typing import Any
from uuid import UUID, uuid4

import pytest
import sqlalchemy as sa

from consilium.errors import Conflict
from consilium.events import ConsiliumClosed
from consilium.store import Store, Transaction
from consilium.store.verify import verify
from tests.consilium.store.conftest import AT, World

ROUNDS = 1_000
NOBODY: Any = SimpleNamespace(person_id=None)


def race(rounds: int, *sides: Callable[[int], str]) -> list[tuple[str, ...]]:
    """Both sides of every round start together; answers what each of them said."""
    line = threading.Barrier(len(sides))
    said: list[list[str]] = [[] for _ in sides]

    def run(place: int) -> None:
        for number in range(rounds):
            line.wait(60)
            said[place].append(sides[place](number))

    threads = [threading.Thread(target=run, args=(place,)) for place in range(len(sides))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return list(zip(*said, strict=True))


def close_once(world: World, number: int) -> str:
    """Close the round `number`, if nobody has: the rule reads and writes the aggregate it has locked."""

    def work(tx: Transaction) -> None:
        consilium = tx.consilium(world.consilium)
        if consilium.next_order != number + 1:
            raise Conflict("already_closed")
        consilium.next_order += 1
        consilium.seats[0].order += 1
        tx.record(ConsiliumClosed(), consilium.id, world.organisation, NOBODY)

    try:
        world.store.run(AT, work)
    except Conflict as refused:
        return refused.code
    return "closed"


def test_of_two_who_close_at_once_exactly_one_does(world: World) -> None:
    rounds = race(ROUNDS, lambda n: close_once(world, n), lambda n: close_once(world, n))
    assert Counter(tuple(sorted(one)) for one in rounds) == {("already_closed", "closed"): ROUNDS}
    with world.store.read() as reader:
        consilium = reader.consilium(world.consilium)
        assert (consilium.next_order, consilium.seats[0].order) == (ROUNDS + 1, ROUNDS)
        assert reader.head("consilium", world.consilium) == ROUNDS
        assert verify(reader).whole


def test_two_processes_worth_of_connections_have_one_outcome_too(world: World, database_url: str) -> None:
    """A second store has no lock in common with the first but the database's own."""
    other = Store(database_url)
    second = replace(world, store=other)
    rounds = race(200, lambda n: close_once(world, n), lambda n: close_once(second, n))
    other.close()
    assert Counter(tuple(sorted(one)) for one in rounds) == {("already_closed", "closed"): 200}


def once(world: World, command: UUID) -> str:
    """What `Service.handle` does: find the remembered answer, or do it and remember."""

    def work(tx: Transaction) -> str:
        known = tx.command_reply(command, world.people[0])
        if known is not None:
            return str(known[1]["number"])
        consilium = tx.consilium(world.consilium)
        consilium.next_order += 1
        tx.remember_command(command, world.people[0], "f", {"number": consilium.next_order})
        return str(consilium.next_order)

    return world.store.run(AT, work)


def test_a_command_sent_twice_at_once_is_done_once_and_answered_twice(world: World) -> None:
    commands = [uuid4() for _ in range(200)]
    rounds = race(200, lambda n: once(world, commands[n]), lambda n: once(world, commands[n]))
    assert [one for one in rounds if one[0] != one[1]] == []
    with world.store.read() as reader:
        assert reader.consilium(world.consilium).next_order == 201


def test_a_retry_of_a_refused_command_does_not_get_the_refusal_of_its_own_success(world: World) -> None:
    """The first closes; the same command id, a moment later, hears that it closed, not `already_closed`."""
    command = uuid4()

    def close(_: int) -> str:
        def work(tx: Transaction) -> str:
            known = tx.command_reply(command, None)
            if known is not None:
                return "closed"
            consilium = tx.consilium(world.consilium)
            if consilium.closed_at is not None:
                raise Conflict("already_closed")
            consilium.closed_at = tx.at
            tx.remember_command(command, None, "f", {})
            return "closed"

        try:
            return world.store.run(AT, work)
        except Conflict as refused:
            return refused.code

    assert race(1, close, close, close) == [("closed", "closed", "closed")]


def test_locks_taken_in_opposite_orders_end_in_both_done(world: World) -> None:
    """A deadlock, which the house's order of locks forbids, is undone by the database and repeated."""

    def both(first: Callable[[Transaction], Any], second: Callable[[Transaction], Any]) -> str:
        def work(tx: Transaction) -> None:
            first(tx)
            second(tx)
            tx.consilium(world.consilium).next_order += 1

        world.store.run(AT, work)
        return "done"

    def case(tx: Transaction) -> Any:
        return tx.case(world.case)

    def consilium(tx: Transaction) -> Any:
        return tx.consilium(world.consilium)

    rounds = race(3, lambda _: both(case, consilium), lambda _: both(consilium, case))
    assert set(rounds) == {("done", "done")}
    with world.store.read() as reader:
        assert reader.consilium(world.consilium).next_order == 7


def test_a_reader_sees_one_moment(world: World) -> None:
    """Between two queries of one reader a commit happens; the second still answers for the first's moment."""
    with world.store.read() as reader:
        before = reader.case(world.case).question
        with world.store.write(AT + timedelta(seconds=1)) as tx:
            tx.case(world.case).question = "позже"
        query = sa.text("SELECT question FROM cases")
        assert reader.connection.execute(query).scalar_one() == before


@pytest.mark.needs_postgres
@pytest.mark.parametrize("database_url", ["postgres"], indirect=True)
def test_a_reader_cannot_write(world: World) -> None:
    with world.store.read() as reader, pytest.raises(sa.exc.DBAPIError, match="read-only"):
        reader.connection.execute(sa.text("UPDATE cases SET question = 'x'"))
