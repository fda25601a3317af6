"""Which layer a receiver gets."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from media.layers import (
    KEEP,
    NOMINAL,
    QUIET,
    Rates,
    Tile,
    Wish,
    largest,
    share,
    useful,
    wanted_rids,
    wish_for,
)
from media.plane.table import Layer, Leg, Slot, Source

THREE = (150_000, 500_000, 1_700_000)


def camera(name: str = "camera", layers: int = 3) -> Source:
    source = Source(Leg("anna"), name, "video", "vp8", "1", 96, open=True)
    source.layers = [Layer(source, rid, flowing=True) for rid in "lmh"[:layers]]
    return source


def slot(source: Source | None = None, wanted: int = 0) -> Slot:
    return Slot(Leg("boris"), "3", "video", 7, 0, {"vp8": (96, -1)}, source=source, wanted=wanted)


@pytest.mark.parametrize(
    "height,count,layer",
    [(90, 3, 0), (180, 3, 0), (200, 3, 0), (240, 3, 1), (400, 3, 1), (720, 3, 2), (2000, 3, 2), (300, 2, 0)],
)
def test_a_tile_gets_the_lowest_layer_that_is_sharp_enough(height: int, count: int, layer: int):
    assert useful(Tile(height), count) == layer
    assert useful(Tile(height), 1) == 0


def test_everybody_gets_the_lowest_layer_before_anybody_gets_the_next():
    wishes = [Wish(THREE, 2), Wish(THREE, 2), Wish(THREE, 2)]
    assert share(wishes, 600_000).layers == (0, 0, 0)
    assert share(wishes, 1_000_000).layers == (1, 0, 0)
    assert share(wishes, 1_800_000).layers == (1, 1, 1)
    assert share(wishes, 9_000_000).layers == (2, 2, 2)


def test_a_screen_is_served_in_full_before_any_face():
    wishes = [Wish((900_000,), 0, prime=True), Wish(THREE, 2), Wish(THREE, 2)]
    assert share(wishes, 1_100_000).layers == (0, -1, -1)
    assert share(wishes, 1_250_000).layers == (0, 0, -1)


def test_who_comes_last_is_paused_first():
    wishes = [Wish(THREE, 2)] * 4
    assert share(wishes, 360_000).layers == (0, 0, -1, -1)
    assert share(wishes, 0).layers == (-1, -1, -1, -1)


def test_no_more_than_is_of_use_is_given():
    assert share([Wish(THREE, 1), Wish(THREE, 0)], 9_000_000).layers == (1, 0)
    assert share([Wish(THREE, 1), Wish(THREE, 0)], 9_000_000).better is None


def test_a_layer_that_is_not_sent_is_stepped_over():
    assert share([Wish((150_000, None, 1_700_000), 2)], 9_000_000).layers == (2,)
    assert share([Wish((None, None, None), 2)], 9_000_000).layers == (-1,)
    assert share([Wish((150_000, None, None), 2)], 9_000_000).better is None


def test_what_flows_stays_without_a_margin_and_something_better_needs_one():
    assert share([Wish(THREE, 2)], 510_000).layers == (0,)
    assert share([Wish(THREE, 2, now=1)], 510_000).layers == (1,)
    assert share([Wish(THREE, 2, now=1)], 490_000).layers == (1,), "both figures waver"
    assert share([Wish(THREE, 2, now=1)], 440_000).layers == (0,)


def test_trying_the_next_step_takes_nothing_from_others():
    wishes = [Wish(THREE, 2, prime=True, now=1), Wish(THREE, 0, now=0), Wish(THREE, 0, now=0)]
    first = share(wishes, 900_000)
    assert first.layers == (1, 0, 0) and first.cost == 800_000
    assert first.better is not None and first.better >= 2_000_000
    assert share(wishes, first.better).layers == (2, 0, 0)


def test_nothing_is_asked_for_when_everything_fits():
    assert share([Wish(THREE, 2)], 9_000_000).better is None
    assert share([], 100).better is None


@given(
    st.lists(
        st.builds(
            Wish,
            st.tuples(*[st.none() | st.integers(10_000, 3_000_000)] * 3),
            st.integers(0, 2),
            st.booleans(),
            st.integers(-1, 2),
        ),
        max_size=9,
    ),
    st.integers(0, 9_000_000),
)
def test_the_sum_never_exceeds_what_is_available_by_more_than_it_wavers(wishes: list[Wish], available: int):
    result = share(wishes, available)
    costs = [wish.costs[layer] for wish, layer in zip(wishes, result.layers, strict=True) if layer >= 0]
    assert None not in costs
    assert sum(cost or 0 for cost in costs) == result.cost <= available * KEEP
    assert all(layer <= wish.top for wish, layer in zip(wishes, result.layers, strict=True))


@given(
    st.lists(
        st.builds(
            lambda costs, top, prime: Wish(tuple(sorted(costs)), top, prime),
            st.tuples(*[st.integers(10_000, 3_000_000)] * 3),
            st.integers(0, 2),
            st.booleans(),
        ),
        max_size=9,
    ),
    st.integers(0, 9_000_000),
)
def test_with_better_somebody_gets_more_and_nobody_important_less(wishes: list[Wish], available: int):
    first = share(wishes, available)
    if first.better is None:
        assert first.layers == tuple(wish.top for wish in wishes)
        return
    flowing = [replace(wish, now=layer) for wish, layer in zip(wishes, first.layers, strict=True)]
    second = share(flowing, max(available, first.better))
    pairs = zip(wishes, first.layers, second.layers, strict=True)
    assert all(after >= before for wish, before, after in pairs if wish.prime)
    assert second.layers != first.layers


def test_rates_are_measured_from_bytes():
    rates, source = Rates(), camera()
    top = source.layers[2]
    rates.measure(source.layers, 10.0)
    top.bytes += 100_000
    rates.measure(source.layers, 10.5)
    assert rates.of(top) == 1_600_000
    rates.measure(source.layers, 11.0)
    assert 1_000_000 < rates.of(top) < 1_600_000, "falls slowly"
    assert rates.of(source.layers[0]) == 0
    rates.measure([], 11.5)
    assert rates.of(top) == 0, "forgotten with the source"


def test_a_slot_wishes_for_layers_that_flow_at_their_measured_price():
    rates, source = Rates(), camera()
    source.layers[2].flowing = False
    rates.measure(source.layers, 10.0)
    source.layers[1].bytes += 50_000
    rates.measure(source.layers, 10.5)
    wish = wish_for(slot(source), source, Tile(720), rates)
    assert wish.costs == (int(NOMINAL[3][0] * QUIET), 800_000, None)
    assert (wish.top, wish.now, wish.prime) == (2, 0, False)


def test_a_layer_too_large_is_better_than_nothing():
    source = camera()
    source.layers[0].flowing = False
    assert wish_for(slot(), source, Tile(90), Rates()).top == 1


def test_a_worker_that_is_too_busy_leaves_out_the_largest_layers():
    assert [wish_for(slot(), camera(), Tile(), Rates(), shed=shed).top for shed in (0, 1, 2)] == [2, 1, 0]
    assert wish_for(slot(), camera("screen", 1), Tile(), Rates(), shed=2).top == 0


def test_what_was_decided_before_stands_until_the_source_changes():
    source = camera()
    assert wish_for(slot(source, 1), source, Tile(), Rates()).now == 1
    assert wish_for(slot(source, -1), source, Tile(), Rates()).now == -1
    assert wish_for(slot(camera(), 1), source, Tile(), Rates()).now == -1


def test_screens_and_second_cameras_are_prime_and_so_is_the_one_large_tile():
    assert wish_for(slot(), camera("screen2", 1), Tile(), Rates()).prime
    assert wish_for(slot(), camera("camera2"), Tile(), Rates()).prime
    assert not wish_for(slot(), camera(), Tile(), Rates()).prime
    assert wish_for(slot(), camera(), Tile(), Rates(), large=True).prime
    assert largest([Tile(120), Tile(700), Tile(120)]) == 1
    assert largest([Tile(700), Tile(700)]) is None
    assert largest([Tile(700), Tile(700, visible=False)]) == 0
    assert largest([Tile(300)]) is None
    assert largest([]) is None


def test_a_publisher_is_told_which_layers_somebody_wants():
    assert wanted_rids(camera(), [0, 1, 0]) == ["l", "m"]
    assert wanted_rids(camera(), []) == ["l"], "so that whoever comes sees something at once"
    assert wanted_rids(camera(), [2]) == ["l", "m", "h"]
