"""Whose voices a room of more than eight microphones forwards."""

from media.speakers import PAUSE, STAY, VOICES, Voices

QUIET, LOUD = -90.0, -30.0


def room(count: int, **speaking: float) -> dict[str, float]:
    return {f"p{n}": speaking.get(f"p{n}", QUIET) for n in range(count)}


def crowd() -> Voices:
    """Twelve people, of whom p0 to p4 have places and nobody speaks."""
    voices = Voices()
    voices.update(room(12), 0.0)
    assert voices.chosen == ("p0", "p1", "p2", "p3", "p4")
    return voices


def test_a_small_room_forwards_everybody():
    voices = Voices()
    assert voices.update(room(8), 1.0)
    assert len(voices.chosen) == 8
    assert not voices.update(room(8, p3=LOUD), 1.2)
    assert not voices.began("p5", 1.3)


def test_a_ninth_microphone_leaves_the_last_five_speakers():
    voices = Voices()
    for number in (7, 6, 2, 3, 1):
        voices.update(room(8, **{f"p{number}": LOUD}), 10.0 - number)
    assert voices.update(room(9), 11.0)
    assert set(voices.chosen) == {"p7", "p6", "p2", "p3", "p1"}


def test_who_begins_to_speak_is_heard_at_once():
    voices = crowd()
    assert voices.began("p9", STAY)
    assert "p9" in voices.chosen and len(voices.chosen) == VOICES


def test_who_has_been_silent_longest_yields():
    voices = crowd()
    for at, peer in enumerate(("p3", "p1", "p0", "p4")):
        voices.update(room(12, **{peer: LOUD}), 10.0 + at)
    assert voices.began("p9", 20.0)
    assert "p2" not in voices.chosen
    assert voices.began("p10", 20.1)
    assert "p3" not in voices.chosen


def test_a_cough_takes_a_place_for_a_second_and_not_the_places_of_all():
    voices = crowd()
    for step in range(20):
        voices.began(f"p{5 + step % 7}", 10.0 + step * 0.05)
    before = voices.chosen
    assert not voices.began("p11", 10.0 + 20 * 0.05) or before == voices.chosen


def test_people_who_speak_are_not_cut_off_by_a_neighbour_as_loud():
    voices = crowd()
    five = dict.fromkeys(("p0", "p1", "p2", "p3", "p4"), LOUD)
    voices.update(room(12, **five), 10.0)
    assert not voices.began("p9", 10.1)
    assert not voices.update(room(12, **five, p9=LOUD + 3), 10.2)
    assert voices.update(room(12, **five, p9=LOUD + 7), 10.4)
    assert "p9" in voices.chosen


def test_a_pause_between_words_keeps_the_place():
    voices = crowd()
    five = dict.fromkeys(("p0", "p1", "p2", "p3", "p4"), LOUD)
    voices.update(room(12, **five), 10.0)
    assert not voices.began("p9", 10.0 + PAUSE - 0.1)
    assert voices.began("p9", 10.0 + PAUSE + 0.1)


def test_who_went_on_speaking_while_all_places_were_taken_gets_the_first_free_one():
    voices = crowd()
    five = dict.fromkeys(("p0", "p1", "p2", "p3", "p4"), LOUD)
    voices.update(room(12, **five, p9=LOUD), 10.0)
    assert "p9" not in voices.chosen
    five["p2"] = QUIET
    voices.update(room(12, **five, p9=LOUD), 10.2)
    assert voices.update(room(12, **five, p9=LOUD), 10.2 + PAUSE)
    assert "p9" in voices.chosen and "p2" not in voices.chosen


def test_who_leaves_or_mutes_frees_his_place():
    voices = crowd()
    levels = room(12)
    del levels["p1"]
    assert voices.update(levels, 5.0)
    assert "p1" not in voices.chosen and len(voices.chosen) == VOICES
    assert not voices.began("p1", 5.1), "a packet that was still on its way"


def test_a_room_that_shrinks_hears_everybody_again():
    voices = crowd()
    assert voices.update(room(8), 9.0)
    assert len(voices.chosen) == 8
