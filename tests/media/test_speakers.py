"""Who is loudest, and who gets a slot."""

from dataclasses import dataclass

from media.slots import assign, rank
from media.speakers import HOLD, Speakers


@dataclass(eq=False)
class Sent:
    peer: str
    name: str


def source(peer: str, name: str = "mic") -> Sent:
    return Sent(peer, name)


def test_silence_has_no_speaker():
    speakers = Speakers()
    assert speakers.update({"anna": 127, "boris": 90}, 1.0)
    assert speakers.loudest is None
    assert not speakers.update({"anna": 127, "boris": 90}, 1.2), "nothing new to tell"


def test_a_slightly_louder_neighbour_does_not_take_over():
    speakers = Speakers()
    speakers.update({"anna": 30, "boris": 127}, 1.0)
    speakers.update({"anna": 30, "boris": 27}, 1.2)
    assert speakers.loudest == "anna"
    speakers.update({"anna": 30, "boris": 20}, 1.4)
    assert speakers.loudest == "boris"


def test_a_pause_between_words_keeps_the_speaker():
    speakers = Speakers()
    now = 1.0
    speakers.update({"anna": 30}, now)
    while now < 1.0 + HOLD:
        assert speakers.loudest == "anna"
        now += 0.2
        speakers.update({"anna": 127}, now)
    for _ in range(8):
        now += 0.2
        speakers.update({"anna": 127}, now)
    assert speakers.loudest is None


def test_who_is_gone_is_not_loudest():
    speakers = Speakers()
    speakers.update({"anna": 10, "boris": 40}, 1.0)
    speakers.update({"boris": 40}, 1.2)
    assert speakers.loudest == "boris"
    assert speakers.levels == {"boris": -40}


def test_sources_keep_their_slots_when_others_come_and_go():
    a, b, c, d = (source(name) for name in "abcd")
    assert assign([None, None, None], [a, b], {}) == [a, b, None]
    assert assign([a, b, None], [b, c], {}) == [c, b, None]
    assert assign([c, b, None], [d, c, b, a], {}) == [c, b, d]
    assert assign([c, b, d], [a, d, c, b], {}) == [c, a, d]
    assert assign([a], [], {}) == [None]
    assert assign([], [a], {}) == []


def test_a_face_is_put_beside_its_voice_where_there_is_room():
    a, b, screen = source("a", "camera"), source("b", "camera"), source("a", "screen")
    assert assign([None, None, None], [screen, a, b], {"b": 0, "a": 2}) == [b, screen, a]
    assert assign([None, a, None], [a, b], {"b": 1, "a": 0}) == [b, a, None]
    assert assign([None], [a], {"a": 5}) == [a]


def test_screens_come_first_then_who_spoke_last():
    a, b, screen = source("a", "camera"), source("b", "camera"), source("c", "screen")
    assert rank([a, b, screen], {"b": 5.0}) == [screen, b, a]
    assert rank([a, b], {}) == [a, b]
