"""A hint wakes everybody it can reach; one that is lost is no loss."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest

from consilium.hints import Hints
from consilium.settings import Settings
from tests import services


@contextmanager
def hints(settings: Settings | None) -> Iterator[Hints]:
    made = Hints(settings)
    try:
        yield made
    finally:
        made.close()


def heard(listener: Hints) -> threading.Event:
    woken = threading.Event()
    listener.subscribe(woken.set)
    return woken


def reaches(teller: Hints, woken: threading.Event) -> bool:
    """A listener's line may open a moment later than it is asked for, so a hint may need saying twice."""
    for _ in range(100):
        teller.wake()
        if woken.wait(0.1):
            return True
    return False


def test_a_subscriber_of_this_process_is_woken_at_once() -> None:
    with hints(None) as mine:
        woken = heard(mine)
        mine.wake()
        assert woken.is_set()


def test_one_who_cancelled_is_left_alone() -> None:
    with hints(None) as mine:
        woken = threading.Event()
        cancel = mine.subscribe(woken.set)
        cancel()
        cancel()
        mine.wake()
        assert not woken.is_set()


def test_a_subscriber_that_fails_does_not_fail_the_command() -> None:
    def gone() -> None:
        raise RuntimeError("Event loop is closed")

    with hints(None) as mine:
        mine.subscribe(gone)
        woken = heard(mine)
        mine.wake()
        assert woken.is_set()


@pytest.mark.needs_postgres
@pytest.mark.parametrize("database_url", ["postgres"], indirect=True)
def test_another_process_is_woken_through_postgres(settings: Settings) -> None:
    with hints(settings) as one, hints(settings) as other:
        assert reaches(one, heard(other))


@pytest.mark.needs_redis
@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_another_process_is_woken_through_redis(settings: Settings, redis_url: str) -> None:
    over_redis = replace(settings, redis_url=redis_url)
    with hints(over_redis) as one, hints(over_redis) as other:
        assert reaches(one, heard(other))


@pytest.mark.needs_redis
@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_dead_line_neither_blocks_nor_fails_a_wake(settings: Settings) -> None:
    with services.redis_server() as address:
        over_redis = replace(settings, redis_url=address)
        mine, woken = Hints(over_redis), threading.Event()
        mine.subscribe(woken.set)
        mine.wake()
    woken.clear()
    mine.wake()
    assert woken.is_set()
    mine.close()
