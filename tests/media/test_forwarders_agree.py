"""Both forwarders do the same: random scenes, every datagram, event and figure compared after each action.

The packets are compared as they go out, encrypted: equal keys and equal indices make equal bytes. The same scenes
are played to the Python forwarder alone, where every packet must open at its receiver and no SRTP index come twice.
"""

import shutil
import struct
from collections import Counter
from typing import Any

import pytest

from media.plane.python import PythonForwarder
from tests.media.packets import opener
from tests.media.scenarios import Action, Scene, Stage, write

SHORT = range(300)
LONG = range(10_000, 10_012)
EVENTS = {"stun", "dtls", "rtcp", "flowing", "gap", "voice", "keyframe_wanted", "switched", "tapped", "stray"}
REASONS = {
    "stranger",
    "bad_stun",
    "too_long",
    "unknown_kind",
    "no_keys",
    "flood",
    "auth",
    "replay",
    "malformed",
    "unknown_ssrc",
    "not_permitted",
    "payload_type",
    "padding",
    "late",
    "budget",
}


def compiled_forwarder() -> Any:
    """The other forwarder; there is no excuse for its absence where a compiler is."""
    try:
        from media.plane.compiled import CompiledForwarder
    except ImportError as error:
        if shutil.which("gcc") is None:
            pytest.skip("no compiler here")
        pytest.fail(f"gcc is here and the compiled forwarder is not built: {error}")
    return CompiledForwarder()


def sides(scene: Scene) -> tuple[Stage, Stage]:
    return Stage(PythonForwarder(), scene), Stage(compiled_forwarder(), scene)


def difference(scene: Scene) -> tuple[int, Action, dict[str, Any]] | None:
    """Where the two part: (place of the action, the action, what each side did)."""
    python, compiled = sides(scene)
    try:
        for place, action in enumerate(scene.actions):
            ours, theirs = python.act(action), compiled.act(action)
            for one in (ours, theirs):
                one["events"].sort(key=repr)
            if ours != theirs:
                parted = {key: (ours[key], theirs[key]) for key in ours if ours[key] != theirs[key]}
                return place, action, parted
    finally:
        python.forwarder.close()
        compiled.forwarder.close()
    return None


@pytest.mark.parametrize("first", SHORT[::50])
def test_both_forwarders_do_the_same_in_fifty_rooms(first):
    for seed in range(first, first + 50):
        assert difference(write(seed)) is None, f"scene {seed}"


@pytest.mark.parametrize("seed", LONG)
def test_both_forwarders_do_the_same_for_long(seed):
    assert difference(write(seed, steps=1500)) is None


@pytest.mark.long
def test_both_forwarders_do_the_same_in_twenty_thousand_rooms():
    for seed in range(100_000, 120_000):
        assert difference(write(seed)) is None, f"scene {seed}"


def test_the_scenes_reach_every_event_and_every_reason_to_drop():
    events: Counter[str] = Counter()
    drops: Counter[str] = Counter()
    for seed in SHORT[:200]:
        scene = write(seed)
        stage = Stage(PythonForwarder(), scene)
        for action in scene.actions:
            done = stage.act(action)
            events.update(event[0] for event in done["events"])
        for leg in stage.legs:
            drops.update(leg.counters.drops)
        drops.update(stage.forwarder.strangers)
    assert set(events) == EVENTS
    assert set(drops) == REASONS
    assert min(events.values()) >= 10 and min(drops.values()) >= 10


@pytest.mark.parametrize("first", SHORT[::100])
def test_every_packet_opens_at_its_receiver_and_no_index_comes_twice(first):
    opened = repeats = 0
    for seed in range(first, first + 100):
        scene = write(seed)
        stage = Stage(PythonForwarder(), scene)
        owners = {ssrc: slot.leg for slot in scene.slots for ssrc in (slot.ssrc, slot.rtx_ssrc)}
        keys = [leg.keys for leg in scene.legs]
        openers = [opener(leg.keys) for leg in scene.legs]
        for action in scene.actions:
            if action[0] == "key" and scene.legs[action[1]].keys_of(*action[2:] or (0,)) != keys[action[1]]:
                keys[action[1]] = scene.legs[action[1]].keys_of(*action[2:])
                openers[action[1]] = opener(keys[action[1]])
            for (_, _, ssrc), packets in stage.act(action)["sent"].items():
                for packet in packets:
                    clear = openers[owners[ssrc]].unprotect(packet)  # raises for a replayed index, too
                    assert struct.unpack_from("!L", clear, 8)[0] == ssrc
                    opened += 1
        repeats += sum(leg.counters.resent for leg in stage.legs)
    assert opened > 5000 and repeats > 50
