"""Grades and causes."""

import pytest

from media.quality import BAD_FOR, EVERY, GOOD_FOR, Quality, Verdict, Way, judge

FINE = Way(loss=0.0, jitter=0.005, rtt=0.05, silent=0.1)


@pytest.mark.parametrize(
    "up,down,late,grade,cause",
    [
        (FINE, FINE, 0.0, "excellent", None),
        (Way(), Way(), 0.0, "excellent", None),
        (Way(loss=0.05), FINE, 0.0, "good", "uplink"),
        (Way(loss=0.2), FINE, 0.0, "poor", "uplink"),
        (Way(jitter=0.1), FINE, 0.0, "poor", "uplink"),
        (FINE, Way(loss=0.2), 0.0, "poor", "downlink"),
        (FINE, Way(rtt=0.3), 0.0, "good", "downlink"),
        (FINE, Way(rtt=0.9), 0.0, "poor", "downlink"),
        (FINE, Way(loss=0.0, starved=True), 0.0, "poor", "downlink"),
        (Way(loss=0.2), Way(loss=0.05), 0.0, "poor", "uplink"),
        (Way(loss=0.2), Way(loss=0.2), 0.0, "poor", None),
        (Way(silent=8.0), Way(silent=8.0), 0.0, "lost", None),
        (Way(silent=8.0), FINE, 0.0, "lost", "uplink"),
        (FINE, Way(silent=8.0), 0.0, "lost", "downlink"),
        (FINE, FINE, 0.3, "good", "relay"),
        (Way(loss=0.2), FINE, 0.9, "poor", "relay"),
        (Way(loss=0.2), FINE, 0.1, "poor", "uplink"),
    ],
)
def test_the_worst_measure_gives_the_grade_and_its_way_the_cause(
    up: Way, down: Way, late: float, grade: str, cause: str | None
):
    assert judge(up, down, late) == Verdict(grade, cause)


BAD = Verdict("poor", "uplink")
GOOD = Verdict("excellent")


def test_a_moment_of_loss_shows_nowhere():
    quality = Quality()
    assert quality.update({"anna": GOOD}, 0.0) == {"anna": GOOD}
    for step in range(1, 20):
        assert quality.update({"anna": BAD if step % 4 == 1 else GOOD}, step * 0.5) == {}


def test_what_lasts_is_told_once():
    quality = Quality()
    quality.update({"anna": GOOD, "boris": GOOD}, 0.0)
    told = [quality.update({"anna": BAD, "boris": GOOD}, step / 2) for step in range(1, 20)]
    assert [event for event in told if event] == [{"anna": BAD}]
    assert told.index({"anna": BAD}) / 2 == pytest.approx(BAD_FOR)


def test_it_takes_longer_to_be_good_again():
    quality = Quality()
    quality.update({"anna": BAD}, 0.0)
    told = [quality.update({"anna": GOOD}, 1 + step / 2) for step in range(20)]
    assert told.index({"anna": GOOD}) / 2 == pytest.approx(GOOD_FOR)


def test_wavering_between_two_bad_states_is_bad():
    quality = Quality()
    quality.update({"anna": GOOD}, 0.0)
    other = Verdict("good", "downlink")
    for step in range(1, 12):
        quality.update({"anna": BAD if step % 2 else other}, step / 2)
    assert quality.of("anna") in {BAD, other}


def test_who_is_lost_is_told_at_once():
    quality = Quality()
    quality.update({"anna": GOOD}, 0.0)
    assert quality.update({"anna": Verdict("lost")}, EVERY) == {"anna": Verdict("lost")}


def test_a_room_is_told_at_most_every_two_seconds():
    quality = Quality()
    quality.update({"anna": GOOD}, 0.0)
    assert quality.update({"anna": GOOD, "boris": GOOD}, 0.5) == {}
    assert quality.update({"anna": GOOD, "boris": GOOD}, EVERY) == {"boris": GOOD}


def test_how_long_each_grade_lasted_is_remembered():
    quality = Quality()
    for step in range(41):
        quality.update({"anna": BAD if step >= 20 else GOOD}, step / 2)
    assert quality.seconds("anna") == {"excellent": 10.0 + BAD_FOR, "poor": 10.0 - BAD_FOR}
    assert quality.seconds("nobody") == {}
    quality.update({}, 30.0)
    assert quality.of("anna") is None
