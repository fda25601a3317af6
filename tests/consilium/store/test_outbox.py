"""Work is handed out under leases: to one holder at a time, again when he is gone, once when it is done."""

import threading
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from consilium.store import Store, outbox
from consilium.store.outbox import BACK_OFF, MAX_ATTEMPTS, Leased, back_off
from tests.consilium.store.conftest import AT

LEASE = timedelta(seconds=30)


def put(store: Store, key: str = "1", **more: Any) -> bool:
    with store.write(AT) as tx:
        return tx.enqueue("test", key, {"n": key}, **more)


def lease(store: Store, at: Any = AT) -> list[Leased]:
    return store.run(at, lambda tx: outbox.lease_due(tx.connection, at, LEASE))


def start(store: Store, row: Leased, at: Any = AT) -> Leased | None:
    return store.run(at, lambda tx: outbox.start(tx.connection, row.id, row.lease, at, LEASE))


def fail(store: Store, row: Leased, at: Any = AT) -> bool:
    return store.run(at, lambda tx: outbox.failed(tx.connection, row, at, "busy"))


def done(store: Store, row: Leased) -> bool:
    return store.run(AT, lambda tx: outbox.done(tx.connection, row, AT))


def counts(store: Store) -> dict[str, int]:
    with store.read() as reader:
        return outbox.counts(reader.connection)


def test_the_same_key_twice_is_one_row(store: Store) -> None:
    assert put(store)
    assert not put(store)
    assert put(store, "2")
    assert counts(store) == {"waiting": 2}


def test_a_row_is_leased_to_one_holder_until_the_lease_runs_out(store: Store) -> None:
    put(store)
    (first,) = lease(store)
    assert (first.kind, first.key, first.payload) == ("test", "1", {"n": "1"})
    assert lease(store, AT + LEASE - timedelta(seconds=1)) == []
    (second,) = lease(store, AT + LEASE)
    assert (second.id, second.lease != first.lease) == (first.id, True)
    assert start(store, first) is None
    assert start(store, second) is not None


def test_a_row_waits_for_its_time(store: Store) -> None:
    put(store, not_before=AT + timedelta(minutes=5))
    assert lease(store, AT + timedelta(minutes=4)) == []
    assert len(lease(store, AT + timedelta(minutes=5))) == 1


def test_a_message_that_comes_three_times_starts_once(store: Store) -> None:
    put(store)
    (row,) = lease(store)
    assert [start(store, row) is not None for _ in range(3)] == [True, False, False]


def test_one_who_lost_his_lease_cannot_end_the_row(store: Store) -> None:
    put(store)
    first = start(store, lease(store)[0])
    assert first is not None
    second = start(store, lease(store, AT + LEASE)[0], AT + LEASE)
    assert second is not None
    assert not done(store, first)
    assert done(store, second)
    assert counts(store) == {"done": 1}


def test_a_long_task_keeps_its_row(store: Store) -> None:
    put(store)
    row = start(store, lease(store)[0])
    assert row is not None
    until = AT + 2 * LEASE
    assert store.run(AT, lambda tx: outbox.renew(tx.connection, row.id, row.lease, until))
    assert lease(store, AT + LEASE) == []
    assert len(lease(store, until)) == 1


def test_a_failed_row_comes_back_after_its_back_off(store: Store) -> None:
    put(store)
    row = start(store, lease(store)[0])
    assert row is not None
    assert fail(store, row)
    assert lease(store, AT + timedelta(seconds=4)) == []
    (again,) = lease(store, AT + timedelta(seconds=10))
    assert again.attempts == 1


def test_the_back_off_grows_to_its_ceiling_and_is_never_the_same() -> None:
    first, longest = BACK_OFF
    for attempts in range(1, MAX_ATTEMPTS + 1):
        drawn = [back_off(attempts) for _ in range(50)]
        assert first <= min(drawn)
        assert max(drawn) <= min(longest, first * 2**attempts)
        assert len(set(drawn)) > 25
    assert max(back_off(MAX_ATTEMPTS) for _ in range(200)) > longest / 2


def test_a_row_that_always_fails_dies_and_can_be_put_to_work_again(store: Store) -> None:
    put(store)
    at = AT
    for _ in range(MAX_ATTEMPTS):
        row = start(store, lease(store, at)[0], at)
        assert row is not None
        assert fail(store, row, at)
        at += BACK_OFF[1]
    assert counts(store) == {"dead": 1}
    assert lease(store, at) == []
    assert store.run(at, lambda tx: tx.again("test", "1"))
    (row,) = lease(store, at)
    assert row.attempts == 0


def test_a_row_that_kills_its_workers_dies_too(store: Store) -> None:
    put(store)
    at = AT
    for _ in range(MAX_ATTEMPTS):
        assert start(store, lease(store, at)[0], at) is not None
        at += LEASE
    assert lease(store, at) == []
    assert counts(store) == {"dead": 1}


def test_a_done_row_may_be_put_to_work_under_its_old_key(store: Store) -> None:
    put(store)
    row = start(store, lease(store)[0])
    assert row is not None
    assert not store.run(AT, lambda tx: tx.again("test", "1"))
    done(store, row)
    assert not put(store)
    assert store.run(AT, lambda tx: tx.again("test", "1"))
    assert not store.run(AT, lambda tx: tx.again("test", "unknown"))
    assert len(lease(store)) == 1


def test_a_task_may_ask_to_be_run_later(store: Store) -> None:
    put(store)
    row = start(store, lease(store)[0])
    assert row is not None
    assert store.run(AT, lambda tx: outbox.later(tx.connection, row, AT + timedelta(minutes=1)))
    assert lease(store, AT + timedelta(seconds=59)) == []
    assert len(lease(store, AT + timedelta(minutes=1))) == 1


def test_work_of_a_transaction_that_failed_does_not_exist(store: Store) -> None:
    def broken(tx: Any) -> None:
        tx.enqueue("test", "1", {})
        tx.connection.execute(sa.text("INSERT INTO outbox (id) VALUES (1)"))

    with pytest.raises(sa.exc.IntegrityError):
        store.run(AT, broken)
    assert counts(store) == {}


def test_two_dispatchers_never_take_the_same_row(store: Store) -> None:
    for n in range(60):
        put(store, str(n))
    start_line = threading.Barrier(3)
    taken: list[int] = []

    def take() -> None:
        start_line.wait()
        while rows := store.run(AT, lambda tx: outbox.lease_due(tx.connection, AT, LEASE, 4)):
            taken.extend(row.id for row in rows)

    threads = [threading.Thread(target=take) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(taken) == len(set(taken)) == 60
