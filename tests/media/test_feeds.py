"""Who gets a slot."""

from media.feeds import Feed, assign, rank
from media.plane.table import Leg, Source


def feed(peer: str, name: str = "mic") -> Feed:
    return Feed(peer, Source(Leg(peer), name, "audio" if name == "mic" else "video", "vp8", "0", 96))


def test_sources_keep_their_slots_when_others_come_and_go():
    a, b, c, d = (feed(name) for name in "abcd")
    assert assign([None, None, None], [a, b], {}) == [a, b, None]
    assert assign([a, b, None], [b, c], {}) == [c, b, None]
    assert assign([c, b, None], [d, c, b, a], {}) == [c, b, d]
    assert assign([c, b, d], [a, d, c, b], {}) == [c, a, d]
    assert assign([a], [], {}) == [None]
    assert assign([], [a], {}) == []


def test_a_face_is_put_beside_its_voice_where_there_is_room():
    a, b, screen = feed("a", "camera"), feed("b", "camera"), feed("a", "screen")
    assert assign([None, None, None], [screen, a, b], {"b": 0, "a": 2}) == [b, screen, a]
    assert assign([None, a, None], [a, b], {"b": 1, "a": 0}) == [b, a, None]
    assert assign([None], [a], {"a": 5}) == [a]


def test_screens_and_second_cameras_come_first_then_who_spoke_last():
    a, b = feed("a", "camera"), feed("b", "camera")
    for name in ("screen", "screen2", "screen3", "camera2"):
        image = feed("c", name)
        assert rank([a, b, image], {"b": 5.0}) == [image, b, a]
    assert rank([a, b], {}) == [a, b]


def test_whom_the_receiver_has_large_keeps_his_slot_while_others_speak():
    a, b, c = feed("a", "camera"), feed("b", "camera"), feed("c", "screen")
    assert rank([a, b, c], {"b": 5.0}, a) == [c, a, b]
