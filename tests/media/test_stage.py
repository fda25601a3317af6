"""What a room receives, over the forwarder, on a clock that stands still."""

import pytest

from media.feeds import Feed
from media.layers import Tile
from media.plane.table import AUDIO_LEAD, Layer
from media.stage import PATIENCE, REPAIR_FOR, UNWANTED_FOR
from tests.media.gathering import Gathering as Room
from tests.media.gathering import said

pytestmark = pytest.mark.usefixtures("both_forwarders")


# --- slots ------------------------------------------------------------------------------------


def test_everybody_gets_everybody_else():
    room = Room()
    for name in ("anna", "boris", "vera"):
        person = room.enters(name)
        person.sends("mic")
        person.sends("camera", "lmh")
    room.run(1)
    for person in room.people.values():
        others = set(room.people) - {person.name}
        assert person.hears() == others
        assert all(person.row("camera", other) for other in others)
        assert person.row("camera", person.name) is None


def test_an_echo_room_gives_a_person_himself():
    room = Room(echo=True)
    for name in ("anna", "boris"):
        room.enters(name, 1, 1).sends("mic")
    room.run(1)
    assert [person.hears() for person in room.people.values()] == [{"anna"}, {"boris"}]


def test_who_is_gone_leaves_his_slots():
    room = Room()
    anna, boris = room.enters("anna"), room.enters("boris")
    anna.sends("camera", "lmh")
    room.run(1)
    assert boris.row("camera", "anna")
    room.stage.unpublish("anna")
    assert room.stage.rewire(room.traffic.clock.now) == [boris.receiver]
    assert all(row["from"] is None and row["paused"] is None for row in room.stage.rows(boris.receiver))


def test_the_rows_say_layer_and_pause():
    room = Room()
    anna, boris = room.enters("anna"), room.enters("boris", 1, 1)
    anna.sends("mic")
    anna.sends("camera", "lmh")
    room.run(8)
    assert room.stage.rows(boris.receiver) == [
        {"mid": "0", "kind": "audio", "from": "anna", "source": "mic", "layer": None, "paused": None},
        {"mid": "1", "kind": "video", "from": "anna", "source": "camera", "layer": "h", "paused": None},
    ]


# --- layers -----------------------------------------------------------------------------------


def test_a_tile_gets_the_layer_of_its_size():
    room = Room()
    anna, boris = room.enters("anna"), room.enters("boris", 0, 1)
    anna.sends("camera", "lmh")
    for height, rid in ((100, "l"), (300, "m"), (1000, "h"), (150, "l")):
        boris.receiver.tiles = {"0": Tile(height)}
        room.run(8)
        row = boris.row("camera", "anna")
        assert row is not None and row["layer"] == rid
        assert boris.slot("camera", "anna").layer == "lmh".index(rid), "it flows, not only wished"


def test_a_tile_off_screen_gets_no_video():
    room = Room()
    anna, boris = room.enters("anna"), room.enters("boris", 0, 1)
    anna.sends("camera", "lmh")
    room.run(2)
    boris.receiver.tiles = {"0": Tile(300, visible=False)}
    room.run(1)
    row = boris.row("camera", "anna")
    assert row is not None and (row["layer"], row["paused"]) == (None, "hidden")
    count = len(boris.receiving.received)
    room.run(2)
    assert len(boris.receiving.received) == count
    boris.receiver.tiles = {"0": Tile(300)}
    room.run(1)
    assert len(boris.receiving.received) > count


def test_a_narrow_link_gets_smaller_layers_and_all_of_the_voice():
    room = Room()
    anna, boris = room.enters("anna"), room.enters("boris")
    mic = anna.sends("mic")
    anna.sends("camera", "lmh")
    room.run(8)
    assert boris.slot("camera", "anna").layer == 2
    boris.says_remb(2_000_000)
    boris.says_remb(900_000)
    room.run(2)
    boris.says_remb(300_000)
    room.run(2)
    assert boris.slot("camera", "anna").layer == 0
    assert boris.row("camera", "anna")["paused"] is None
    heard = said(boris.receiving, boris.slot("mic", "anna"), "anna")
    room.run(2)
    heard = said(boris.receiving, boris.slot("mic", "anna"), "anna")
    assert heard[-100:] == list(range(heard[-1] - 99, heard[-1] + 1)), "not one is missing"
    assert mic.layers[0].flowing


def test_video_yields_altogether_when_the_link_stays_too_narrow_and_says_so():
    room = Room()
    anna, boris = room.enters("anna"), room.enters("boris")
    anna.sends("mic")
    anna.sends("camera", "lmh")
    room.run(4)
    boris.downstream.downlink.estimate = 100_000
    boris.downstream.downlink.congested_at = room.traffic.clock.now
    room.run(PATIENCE - 1)
    assert boris.row("camera", "anna")["paused"] is None
    room.run(2)
    row = boris.row("camera", "anna")
    assert row["paused"] == "bandwidth"
    assert boris.hears() == {"anna"}
    room.run(20)
    assert boris.row("camera", "anna")["paused"] is None, "tried again, and nobody complained"


def test_a_screen_is_kept_when_faces_yield():
    room = Room()
    boris = room.enters("boris")
    for name in ("anna", "vera", "gleb"):
        room.enters(name).sends("camera", "lmh")
    room.people["gleb"].sends("screen")
    room.run(4)
    boris.downstream.downlink.estimate = 860_000
    boris.downstream.downlink.congested_at = room.traffic.clock.now
    room.run(PATIENCE + 1)
    assert boris.row("screen", "gleb")["paused"] is None
    assert [boris.row("camera", name)["paused"] for name in ("anna", "vera", "gleb")] == ["bandwidth"] * 3


def test_several_screens_and_a_second_camera_come_before_faces():
    room = Room()
    boris = room.enters("boris", 1, 4)
    for name in ("anna", "vera", "gleb"):
        room.enters(name).sends("camera")
    for name in ("screen", "screen2", "screen3"):
        room.people["gleb"].sends(name)
    room.people["vera"].sends("camera2")
    room.run(2)
    assert {row["source"] for row in room.stage.rows(boris.receiver) if row["kind"] == "video"} == {
        "screen",
        "screen2",
        "screen3",
        "camera2",
    }


def test_a_layer_that_stops_is_left_for_one_that_flows():
    room = Room()
    anna, boris = room.enters("anna"), room.enters("boris", 0, 1)
    camera = anna.sends("camera", "lmh")
    room.run(8)
    assert boris.slot("camera", "anna").layer == 2
    anna.active.discard(camera.layers[2])
    room.traffic.forwarder.rest(camera.layers[2])
    room.run(2)
    assert boris.slot("camera", "anna").layer == 1


# --- towards publishers -----------------------------------------------------------------------


def test_a_publisher_is_told_what_nobody_looks_at_and_at_once_what_somebody_does():
    room = Room()
    anna, boris = room.enters("anna"), room.enters("boris", 0, 1)
    camera = anna.sends("camera", "lmh")
    room.run(1)
    boris.receiver.tiles = {"0": Tile(100)}
    now = room.traffic.clock.now
    assert room.stage.wanted(now) == []
    assert room.stage.wanted(now + UNWANTED_FOR + 0.1) == [(anna.publisher, camera, ["l"])]
    assert room.stage.wanted(now + UNWANTED_FOR + 0.2) == []
    boris.receiver.tiles = {"0": Tile(700)}
    assert room.stage.wanted(now + UNWANTED_FOR + 0.3) == [(anna.publisher, camera, ["l", "m", "h"])]


def test_a_key_frame_is_asked_for_again_while_a_slot_waits():
    room = Room()
    anna, boris = room.enters("anna"), room.enters("boris", 0, 1)
    camera = anna.sends("camera", "lmh")
    room.run(1)
    deaf: set[Layer] = set()
    anna.wants_keyframe = deaf
    room.on_step = deaf.clear  # every request is lost on the way
    room.traffic.forwarder.refresh([boris.receiving.leg])
    boris.receiver.tiles = {"0": Tile(100)}
    asked: list[int] = []
    anna.publisher.upstream._send = lambda data: asked.append(data[1])
    room.run(4)
    assert asked.count(206) >= 3
    assert camera.layers[0].flowing


# --- voices -----------------------------------------------------------------------------------


def crowd() -> Room:
    """Twelve microphones; p0 to p4 have places."""
    room = Room()
    for number in range(12):
        room.enters(f"p{number}", 8, 0).sends("mic")
    room.run(1)
    return room


def test_a_large_room_forwards_five_voices():
    room = crowd()
    chosen = set(room.stage.voices.chosen)
    assert len(chosen) == 5
    for person in room.people.values():
        assert person.hears() == chosen - {person.name}


def test_the_first_syllable_of_a_new_voice_is_heard():
    room = crowd()
    quiet = next(name for name in room.people if name not in room.stage.voices.chosen)
    listener = room.people[next(name for name in room.people if name != quiet)]
    room.run(2)
    begun = room.steps + 1
    room.people[quiet].loudness = 20
    room.run(0.02)
    assert quiet in listener.hears(), "with the very packet, not with the next tick"
    heard = said(listener.receiving, listener.slot("mic", quiet), quiet)
    assert heard[-1] == begun
    assert begun - heard[0] >= AUDIO_LEAD / 0.02 - 2, "and what led up to it"
    assert heard == list(range(heard[0], begun + 1))
    room.run(1)
    heard = said(listener.receiving, listener.slot("mic", quiet), quiet)
    heard = heard[heard.index(begun) :]
    assert heard == list(range(begun, begun + len(heard)))


def test_places_are_kept_between_words():
    room = crowd()
    for name in ("p7", "p8", "p9"):
        room.people[name].loudness = 20
        room.run(0.4)
        room.people[name].loudness = 127
        room.run(1.5)
    assert {"p7", "p8", "p9"} <= set(room.stage.voices.chosen)
    before = room.stage.voices.chosen
    room.people["p8"].loudness = 20
    room.run(1)
    assert room.stage.voices.chosen == before


def test_a_lossy_receiver_gets_every_voice_packet_with_the_ones_before():
    room = Room()
    anna, boris = room.enters("anna"), room.enters("boris")
    anna.sends("mic")
    room.run(1)
    for loss, distance in ((0.0, 0), (0.02, 1), (0.2, 2), (0.0, 2)):
        for _ in range(10):
            boris.reports(loss)
            room.run(1)
        assert boris.slot("mic", "anna").red_distance == distance
    for _ in range(int(REPAIR_FOR)):
        boris.reports(0.0)
        room.run(1)
    assert boris.slot("mic", "anna").red_distance == 0


def test_a_feed_is_a_source_with_its_person():
    room = Room()
    mic = room.enters("anna").sends("mic")
    assert room.stage.feeds() == []
    room.run(0.5)
    assert room.stage.feeds() == [Feed("anna", mic)]
    mic.open = False
    assert room.stage.feeds() == []


@pytest.mark.parametrize("kind", ["voice", "keyframe"])
def test_what_comes_late_of_somebody_who_left_is_ignored(kind: str):
    room = Room()
    anna, boris = room.enters("anna"), room.enters("boris")
    anna.sends("mic" if kind == "voice" else "camera")
    room.run(1)
    slot = boris.slot("mic" if kind == "voice" else "camera", "anna")
    room.stage.unpublish("anna")
    assert not room.stage.voice(anna.sending.leg.sources[0], room.traffic.clock.now)
    room.stage.keyframe(slot)
    assert room.stage.timestamp(slot, room.traffic.clock.now) is None
