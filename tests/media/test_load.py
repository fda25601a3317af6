"""When a worker is full."""

import pytest

from media.load import CORE_LIMIT, RESUME, SHED_AT, SHED_LATE, Load, shed_for


def run(load: Load, seconds: int, packets: float = 0.0, core: float = 0.0) -> list[bool]:
    """Go on for a while at this rate; returns whether the worker was full at each second."""
    seen = []
    for _ in range(seconds):
        now = (load._at or 0.0) + 1.0
        load.sample(int(load._packets + packets), load._cpu + core, now)
        seen.append(load.full)
    return seen


def test_an_idle_worker_is_open():
    load = Load(100_000)
    assert not any(run(load, 10))
    assert load.load == 0


def test_a_worker_is_full_at_its_packet_limit():
    load = Load(100_000)
    assert not any(run(load, 10, packets=95_000))
    assert run(load, 10, packets=101_000)[-1]


def test_a_worker_is_full_at_its_share_of_a_core():
    load = Load(100_000)
    assert not any(run(load, 20, core=CORE_LIMIT - 0.02))
    assert run(load, 20, core=CORE_LIMIT + 0.02)[-1]


def test_it_opens_again_only_well_below():
    load = Load(100_000)
    run(load, 20, core=0.8)
    assert all(run(load, 20, core=CORE_LIMIT * RESUME + 0.02))
    assert not run(load, 20, core=CORE_LIMIT * RESUME - 0.02)[-1]


def test_one_busy_second_is_not_full():
    load = Load(100_000)
    run(load, 5, core=0.3)
    assert run(load, 1, core=1.0) == [False]


def test_samples_in_quick_succession_are_one():
    load = Load(100_000)
    load.sample(0, 0.0, 1.0)
    load.sample(1_000, 0.01, 1.001)
    load.sample(1_000, 0.01, 2.0)
    assert load.packets == pytest.approx(500)


def test_pictures_become_smaller_before_voices_suffer():
    load = Load(100_000)
    run(load, 20, core=SHED_AT[0] - 0.02)
    assert load.shed == 0
    run(load, 20, core=SHED_AT[0] + 0.02)
    assert load.shed == 1
    run(load, 20, core=SHED_AT[1] + 0.02)
    assert load.shed == 2
    run(load, 20, core=SHED_AT[1] * RESUME + 0.02)
    assert load.shed == 2, "not at once"
    run(load, 20, core=0.3)
    assert load.shed == 0


def test_a_clock_that_lags_sheds_too():
    assert [shed_for(late) for late in (0.0, SHED_LATE[0], SHED_LATE[1])] == [0, 1, 2]
