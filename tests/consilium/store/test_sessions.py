"""Sessions, one-time tickets, failed sign-ins: what the database holds signs nobody in."""

import threading
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
import sqlalchemy as sa

from consilium.errors import Unauthenticated
from consilium.store import Store, sessions
from consilium.store.tables import commands, metadata, tickets
from tests.consilium.store.conftest import AT, World

TTL = timedelta(hours=12)


def begin(world: World, person: int = 0) -> str:
    with world.store.write(AT) as tx:
        return sessions.create_session(tx, tx.person(world.people[person]), TTL, "Firefox" * 100)


def found(store: Store, token: str, at: Any = AT) -> sessions.Session | None:
    with store.read(at) as reader:
        return sessions.session(reader, token)


def ticket(world: World, token: str, consilium: UUID | None = None) -> str:
    with world.store.write(AT) as tx:
        session = sessions.session(tx, token)
        assert session is not None
        return sessions.create_ticket(tx, session.id, session.person_id, consilium)


def use(world: World, token: str, at: Any = AT) -> sessions.Ticket:
    with world.store.write(at) as tx:
        return sessions.use_ticket(tx, token)


def refused(world: World, token: str, at: Any = AT) -> bool:
    with pytest.raises(Unauthenticated) as error:
        use(world, token, at)
    return error.value.code == "bad_ticket"


def test_a_session_lives_until_its_end(world: World) -> None:
    token = begin(world)
    session = found(world.store, token)
    assert session is not None
    assert (session.person_id, session.expires_at, len(session.user_agent)) == (
        world.people[0],
        AT + TTL,
        300,
    )
    assert found(world.store, token, AT + TTL) is None
    assert found(world.store, "guess") is None


def test_no_token_is_stored(world: World) -> None:
    token = begin(world)
    one_time = ticket(world, token)
    with world.store.read() as reader:
        for table in metadata.sorted_tables:
            rows = reader.connection.execute(sa.select(table)).all()
            assert token not in repr(rows)
            assert one_time not in repr(rows)


def test_signing_out_ends_the_session_and_its_tickets(world: World) -> None:
    token = begin(world)
    one_time = ticket(world, token)
    with world.store.write(AT) as tx:
        assert sessions.end_session(tx, token)
        assert not sessions.end_session(tx, token)
    assert found(world.store, token) is None
    assert refused(world, one_time)


def test_a_new_password_ends_every_other_session(world: World) -> None:
    kept, other, foreign = begin(world), begin(world), begin(world, 1)
    with world.store.write(AT) as tx:
        assert sessions.end_sessions(tx, world.people[0], keep=kept) == 1
    assert [found(world.store, one) is not None for one in (kept, other, foreign)] == [True, False, True]


def test_a_ticket_is_good_once(world: World) -> None:
    one_time = ticket(world, begin(world), world.consilium)
    proven = use(world, one_time)
    assert (proven.person_id, proven.consilium_id) == (world.people[0], world.consilium)
    assert refused(world, one_time)


def test_a_ticket_used_by_two_at_once_lets_one_in(world: World) -> None:
    for _ in range(10):
        one_time = ticket(world, begin(world))
        line = threading.Barrier(2)
        entered: list[bool] = []

        def enter(one_time: str = one_time, line: threading.Barrier = line, entered: Any = entered) -> None:
            line.wait()
            try:
                use(world, one_time)
                entered.append(True)
            except Unauthenticated:
                entered.append(False)

        threads = [threading.Thread(target=enter) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(entered) == [False, True]


def test_a_ticket_lives_a_minute(world: World) -> None:
    assert refused(world, ticket(world, begin(world)), AT + sessions.TICKET_LIFE)
    assert refused(world, "guess")


def test_failed_sign_ins_are_counted_and_forgotten(world: World) -> None:
    for minute in (0, 1, 20):
        with world.store.write(AT + timedelta(minutes=minute)) as tx:
            sessions.note_failure(tx, "ivanova")
    with world.store.read(AT + timedelta(minutes=21)) as reader:
        assert sessions.failures(reader, "ivanova", timedelta(minutes=5)) == 1
        assert sessions.failures(reader, "ivanova", timedelta(hours=1)) == 3
        assert sessions.failures(reader, "petrova", timedelta(hours=1)) == 0
    with world.store.write(AT) as tx:
        sessions.forget_failures(tx, "ivanova")
        assert sessions.failures(tx, "ivanova", timedelta(hours=1)) == 0


def test_the_sweep_drops_what_has_expired_and_no_more(world: World) -> None:
    token = begin(world)
    ticket(world, token)
    with world.store.write(AT) as tx:
        tx.remember_command(uuid4(), None, "f", {})
    with world.store.write(AT + timedelta(hours=1)) as tx:
        sessions.sweep(tx)
    assert found(world.store, token) is not None
    assert kept(world.store) == (0, 1)
    with world.store.write(AT + timedelta(days=31)) as tx:
        sessions.sweep(tx)
    assert found(world.store, token) is None
    assert kept(world.store) == (0, 0)


def kept(store: Store) -> tuple[int, int]:
    with store.read() as reader:
        first, second = (
            reader.connection.execute(sa.select(sa.func.count()).select_from(table)).scalar_one()
            for table in (tickets, commands)
        )
    return first, second
