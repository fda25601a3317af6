"""Media through the relay, with real sockets, ICE, DTLS and SRTP."""

import asyncio
import gc
from collections.abc import AsyncIterator
from pathlib import Path

import aioice.ice
import pytest
from aiortc import RTCPeerConnection, RTCSessionDescription
from av import VideoFrame

from media.link import Link
from tests.media.rig import (
    FORWARDERS,
    ROOM,
    Participant,
    Picture,
    Relay,
    Tone,
    relay_process,
    running_relay,
    until,
)


@pytest.fixture(params=FORWARDERS)
async def relay(tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[Relay]:
    async with running_relay(tmp_path, choice=request.param) as relay:
        yield relay


async def test_two_people_hear_and_see_each_other(relay: Relay):
    await relay.ask("room.open", **ROOM)
    anna, boris = Participant(relay, "anna"), Participant(relay, "boris")
    await anna.publish({"mic": Tone(), "camera": Picture(60)})
    await boris.publish({"mic": Tone(), "camera": Picture(200)})
    await anna.subscribe()
    await boris.subscribe()

    for watcher, sender, grey in ((anna, "boris", 200), (boris, "anna", 60)):
        video = await watcher.slot_with("camera", sender)
        audio = await watcher.slot_with("mic", sender)
        async with asyncio.timeout(10):
            picture = await watcher.track(video).recv()
            sound = await watcher.track(audio).recv()
        assert isinstance(picture, VideoFrame)
        assert abs(bytes(picture.planes[0])[0] - grey) < 12
        assert sound.sample_rate == 48000
    await anna.close()
    await boris.close()


async def test_people_who_leave_in_the_middle_of_a_packet_break_nothing(relay: Relay):
    failures: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _loop, context: failures.append(context))
    await relay.ask("room.open", **ROOM)
    people = [Participant(relay, f"p{number}") for number in range(4)]
    for person in people:
        await person.publish({"mic": Tone()})
        await person.subscribe()
    for person in people:
        await person.connected("subscribe")
        await person.close()
        await relay.events.wait(
            lambda e, name=person.name: (
                e["event"] == "peer.state"
                and (e["peer"], e["pc"], e["state"]) == (name, "subscribe", "closed")
            )
        )
    assert failures == []


async def test_whoever_is_closed_while_connecting_leaves_nothing_behind(relay: Relay):
    """In every state of ICE and DTLS: the handshake, its timer and the leg go with the link."""
    await relay.ask("room.open", **ROOM)
    for _ in range(10):
        anna, boris = Participant(relay, "anna"), Participant(relay, "boris")
        await boris.subscribe()
        await anna.publish({"mic": Tone()})
        mark = len(relay.events.seen)
        await relay.events.wait(lambda e: e["event"] == "peer.state", since=mark)
        await relay.ask("peer.close", **ROOM, peer="anna", reason="left")
        await relay.ask("peer.close", **ROOM, peer="boris", reason="left")
        await close(anna, boris)
    await until(lambda: gc.collect() >= 0 and not [o for o in gc.get_objects() if isinstance(o, Link)])


async def test_who_may_not_publish_is_answered_inactive_and_his_packets_are_dropped(relay: Relay):
    """S08: an observer's own client may ignore the answer; the relay does not."""
    await relay.ask("room.open", **ROOM)
    anna, boris = Participant(relay, "anna"), Participant(relay, "boris")
    await boris.subscribe()
    disobey(anna.sending)
    answer = await anna.publish({"mic": Tone(), "camera": Picture()}, may=("camera",))
    assert "a=inactive" in answer.split("m=")[1]
    assert "a=recvonly" in answer.split("m=")[2]
    await boris.slot_with("camera", "anna")

    publish = relay.worker._rooms["r1"].peers["anna"].publish
    await until(lambda: publish.leg.counters.drops["not_permitted"] > 20)
    assert publish.streams["0"].source.layers[0].packets == 0
    assert not [e for e in relay.events.seen if e["event"] == "source" and e["source"] == "mic"]
    await close(anna, boris)


async def test_permission_can_be_taken_and_given_while_sending(relay: Relay):
    await relay.ask("room.open", **ROOM)
    anna, boris = Participant(relay, "anna"), Participant(relay, "boris")
    await boris.subscribe()
    await anna.publish({"mic": Tone()})
    await boris.track(await boris.slot_with("mic", "anna")).recv()
    publish = relay.worker._rooms["r1"].peers["anna"].publish
    counters, layer = publish.leg.counters, publish.streams["0"].source.layers[0]

    mark = len(relay.events.seen)
    await relay.ask("publish.may", **ROOM, peer="anna", may=[])
    stopped = await relay.events.wait(lambda e: e["event"] == "source", since=mark)
    assert (stopped["source"], stopped["state"]) == ("mic", "stopped")
    empty = await relay.events.wait(lambda e: e["event"] == "slots", since=mark)
    assert all(slot["from"] is None for slot in empty["slots"])
    count, dropped = layer.packets, counters.drops["not_permitted"]
    await until(lambda: counters.drops["not_permitted"] > dropped + 10)
    assert layer.packets <= count, "counting starts afresh, and nothing is counted"

    mark = len(relay.events.seen)
    await relay.ask("publish.may", **ROOM, peer="anna", may=["mic"])
    started = await relay.events.wait(lambda e: e["event"] == "source", since=mark)
    assert started["state"] == "started"
    await boris.track("0").recv()
    await close(anna, boris)


async def test_a_screen_is_added_by_offering_again(relay: Relay):
    await relay.ask("room.open", **ROOM)
    anna, boris = Participant(relay, "anna"), Participant(relay, "boris")
    await boris.subscribe()
    await anna.publish({"mic": Tone(), "camera": Picture(60)})
    camera = await boris.slot_with("camera", "anna")
    await boris.track(camera).recv()
    await anna.publish({"screen": Picture(200)})
    screen = await boris.slot_with("screen", "anna")
    picture = await boris.track(screen).recv()
    assert abs(bytes(picture.planes[0])[0] - 200) < 12
    assert camera != screen
    assert [e["state"] for e in relay.events.seen if e["event"] == "peer.state" and e["pc"] == "publish"] == [
        "connecting",
        "connected",
    ]
    await close(anna, boris)


async def test_a_new_connection_replaces_the_old_one(relay: Relay):
    """F5 in the browser: other ICE credentials, the same person."""
    await relay.ask("room.open", **ROOM)
    boris = Participant(relay, "boris")
    await boris.subscribe()
    first, second = Participant(relay, "anna"), Participant(relay, "anna")
    await first.publish({"camera": Picture(60)})
    mid = await boris.slot_with("camera", "anna")
    await boris.track(mid).recv()
    mark = len(relay.events.seen)
    await second.publish({"camera": Picture(220)})
    assert await relay.events.wait(
        lambda e: e["event"] == "slots" and e["slots"][2]["from"] == "anna", since=mark
    )
    async with asyncio.timeout(10):
        while bytes((await boris.track(mid).recv()).planes[0])[0] < 200:
            pass
    await close(first, second, boris)


async def test_an_echo_room_gives_a_person_his_own_media_and_nobody_elses(relay: Relay):
    room = {"room": "probe", "epoch": 1}
    await relay.ask("room.open", **room, echo=True)
    anna, boris = Participant(relay, "anna", room), Participant(relay, "boris", room)
    await anna.subscribe(audio=1, video=1)
    await boris.subscribe(audio=1, video=1)
    await anna.publish({"mic": Tone(), "camera": Picture(60)})
    await boris.publish({"mic": Tone(), "camera": Picture(200)})
    for person, grey in ((anna, 60), (boris, 200)):
        picture = await person.track(await person.slot_with("camera", person.name)).recv()
        assert abs(bytes(picture.planes[0])[0] - grey) < 12
    for event in relay.events.seen:
        if event["event"] == "slots":
            assert {slot["from"] for slot in event["slots"]} <= {None, event["peer"]}
    await close(anna, boris)


async def test_the_loudest_is_named_by_audio_levels(relay: Relay):
    await relay.ask("room.open", **ROOM)
    anna, boris = Participant(relay, "anna"), Participant(relay, "boris")
    loud, quiet = Tone(0.6), Tone(0.0005)
    await anna.publish({"mic": loud})
    await boris.publish({"mic": quiet})
    await relay.events.wait(
        lambda e: e["event"] == "speakers" and e["loudest"] == "anna" and e["levels"].get("boris", 0) < -50
    )
    loud.loudness, quiet.loudness = 0.0005, 0.6
    event = await relay.events.wait(lambda e: e["event"] == "speakers" and e["loudest"] == "boris")
    assert -20 < event["levels"]["boris"] <= 0
    await close(anna, boris)


async def test_more_voices_than_slots_gives_the_slot_to_who_speaks(relay: Relay):
    await relay.ask("room.open", **ROOM)
    anna, boris, vera = (Participant(relay, name) for name in ("anna", "boris", "vera"))
    voice, other = Tone(0.5), Tone(0.0005)
    await vera.subscribe(audio=1, video=0)
    await anna.publish({"mic": voice})
    await vera.slot_with("mic", "anna")
    await boris.publish({"mic": other})
    await relay.events.wait(lambda e: e["event"] == "source" and e["peer"] == "boris")
    voice.loudness, other.loudness = 0.0005, 0.5
    await vera.slot_with("mic", "boris")
    await close(anna, boris, vera)


async def test_a_peer_who_never_connects_is_given_up(relay: Relay, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("media.link.CONNECT_WITHIN", 0.2)
    await relay.ask("room.open", **ROOM)
    await relay.ask("subscribe.open", **ROOM, peer="ghost", audio=1, video=0)
    event = await relay.events.wait(lambda e: e["event"] == "peer.state" and e["state"] == "failed")
    assert (event["peer"], event["reason"]) == ("ghost", "not connected in time")


async def test_a_silent_peer_is_given_up(relay: Relay, monkeypatch: pytest.MonkeyPatch):
    """A machine that lost its power says no goodbye."""
    monkeypatch.setattr("media.link.SILENT_AFTER", 1.0)
    await relay.ask("room.open", **ROOM)
    anna = Participant(relay, "anna")
    tone = Tone()
    await anna.publish({"mic": tone})
    await anna.connected("publish")
    transport = anna.sending.getTransceivers()[0].sender.transport.transport
    for protocol in transport._connection._protocols:
        protocol.transport.abort()
    event = await relay.events.wait(
        lambda e: e["event"] == "peer.state" and e["state"] == "failed", timeout=15
    )
    assert event["reason"] == "silent"
    await anna.close()


async def test_ipv6_carries_media_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    async with relay_process(tmp_path, "--address", "::1") as relay:
        monkeypatch.setattr(aioice.ice, "get_host_addresses", lambda use_ipv4, use_ipv6: ["::1"])
        await relay.ask("room.open", **ROOM)
        anna, boris = Participant(relay, "anna"), Participant(relay, "boris")
        await boris.subscribe()
        await anna.publish({"mic": Tone()})
        await boris.track(await boris.slot_with("mic", "anna")).recv()
        pair = anna.sending.getTransceivers()[0].sender.transport.transport._connection._nominated[1]
        assert pair.remote_addr[0] == "::1"
        await close(anna, boris)


async def test_statistics_count_what_was_forwarded(relay: Relay):
    await relay.ask("room.open", **ROOM)
    anna, boris = Participant(relay, "anna"), Participant(relay, "boris")
    await boris.subscribe(audio=1, video=1)
    await anna.publish({"mic": Tone(), "camera": Picture()})
    await boris.slot_with("camera", "anna")

    async def slot() -> dict[str, object]:
        peers = (await relay.ask("stats", room="r1"))["rooms"]["r1"]["peers"]
        subscribe = peers["boris"]["subscribe"]
        sent = peers["anna"]["publish"]["sources"]
        assert sent["mic"]["lost"] == sent["camera"]["lost"] == 0
        return subscribe

    async with asyncio.timeout(10):
        while (got := await slot())["rtt_ms"] is None:  # a report of the receiver has come back
            await asyncio.sleep(0.1)
    assert got["packets_out"] > 40
    assert 0 <= got["rtt_ms"] < 100
    assert {s["source"] for s in got["slots"]} == {"mic", "camera"}
    await close(anna, boris)


def disobey(pc: RTCPeerConnection) -> None:
    """Make a client send what the answer declines."""
    accept = pc.setRemoteDescription

    async def lie(description: RTCSessionDescription) -> None:
        await accept(
            RTCSessionDescription(description.sdp.replace("a=inactive", "a=recvonly"), description.type)
        )

    pc.setRemoteDescription = lie


async def close(*people: Participant) -> None:
    for person in people:
        await person.close()
