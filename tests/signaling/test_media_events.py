"""What a media worker says on its way to the sockets: to whom it goes, in which words, and what is lost first."""

from __future__ import annotations

import logging

import pytest

from signaling import rtc


def say(hall, event, **fields):
    """As the control channel does."""
    hall.signaling.rtc.worker_event(
        "worker", {"event": event, "room": str(hall.consilium), "epoch": 1, **fields}
    )


def heard(sock, name):
    return [data for said, data in sock.said if said == name]


@pytest.fixture
async def two(hall):
    """The chair and a member, both admitted."""
    chair, member = await hall.socket("chair"), await hall.socket("member1")
    await chair.call("seat.admit_all")
    await member.until(lambda me: me.state["me"]["admission"] == "admitted")
    return chair, member


def seat(sock):
    return sock.state["me"]["seat"]


async def test_the_wanted_layers_are_told_to_their_publisher_alone(hall, two):
    chair, member = two
    say(hall, "layers", peer=seat(member), source="camera", wanted=["l"])
    assert await member.heard("media.layers") == {"source": "camera", "wanted": ["l"]}
    assert heard(chair, "media.layers") == []


async def test_a_slot_says_which_layer_it_carries_and_why_it_stands_still(hall, two):
    _, member = two
    row = {
        "mid": "8",
        "kind": "video",
        "from": "x",
        "source": "screen2",
        "layer": None,
        "paused": "bandwidth",
    }
    say(hall, "slots", peer=seat(member), slots=[row])
    told = await member.heard("media.slots")
    assert told["slots"] == [
        {
            "mid": "8",
            "kind": "video",
            "seat": "x",
            "source": "screen2",
            "layer": None,
            "paused": "bandwidth",
        }
    ]


async def test_quality_is_told_to_everybody_admitted_and_to_nobody_at_the_door(hall, two):
    chair, member = two
    waiting = await hall.socket("member2")
    marks = {seat(member): {"grade": "poor", "cause": "uplink"}}
    say(hall, "quality", peers=marks)
    assert (await chair.heard("media.quality"))["seats"] == marks
    assert (await member.heard("media.quality"))["seats"] == marks
    assert heard(waiting, "media.quality") == []


async def test_one_way_audio_is_told_to_both_and_to_nobody_else(hall, two):
    chair, member = two
    other = await hall.socket("expert")
    await chair.call("seat.admit_all")
    await other.until(lambda me: me.state["me"]["admission"] == "admitted")
    say(hall, "unheard", peer=seat(chair), **{"from": seat(member)})
    both = {"seat": seat(member), "by": seat(chair)}
    assert await chair.heard("media.unheard") == both
    assert await member.heard("media.unheard") == both
    say(hall, "unsent", peer=seat(member), by=None)
    assert await member.heard("media.unsent") == {"seat": seat(member), "by": None}
    assert heard(other, "media.unheard") == heard(chair, "media.unsent") == []


async def test_what_is_said_again_anyway_is_lost_first(hall, two, caplog):
    _, member = two
    waiting = rtc.EVENTS_WAITING
    for _ in range(waiting):  # no turn of the loop in between: all of them wait
        say(hall, "layers", peer=seat(member), source="camera", wanted=["l"])
    with caplog.at_level(logging.WARNING, "signaling.rtc"):
        say(hall, "quality", peers={})
        say(hall, "speakers", loudest=None, levels={})
        assert not caplog.records
        say(hall, "slots", peer=seat(member), slots=[])
        assert [one.message for one in caplog.records] == ["media event dropped"]


async def test_devices_are_shown_by_source(hall, two):
    chair, member = two
    await member.call("presence.set", mic=True, camera=False, camera2=True, screen3=True)
    told = await chair.heard("presence")
    assert told["people"][seat(member)] == {
        "mic": True,
        "camera": False,
        "camera2": True,
        "screen": False,
        "screen2": False,
        "screen3": True,
    }


async def test_servers_are_asked_for_one_person_even_at_the_door(hall):
    asked = []

    def turn(person):
        asked.append(person)
        return {"servers": [{"urls": ["turn:t:3478?transport=udp"]}], "ttl": 60}

    hall.signaling.rtc.turn = turn
    waiting = await hall.socket("member2", enter=False)
    answer = await waiting.call("media.servers")
    assert answer["servers"] == [{"urls": ["turn:t:3478?transport=udp"]}]
    assert asked == [hall.actor("member2").person_id]
