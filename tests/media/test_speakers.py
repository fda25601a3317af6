"""Who is loudest."""

from media.speakers import HOLD, Speakers


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
