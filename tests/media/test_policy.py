"""What people receive and how they fare, asked of a worker with real connections."""

import asyncio

import pytest

from media.errors import MediaError
from media.hearing import REPORTED_WITHIN
from media.load import SAMPLE_EVERY
from tests.media.rig import ROOM, Participant, Picture, Relay, Tone, until


@pytest.fixture
def relay(either_relay: Relay) -> Relay:
    return either_relay


async def meeting(relay: Relay) -> tuple[Participant, Participant]:
    """Anna sends voice and picture, Boris listens."""
    await relay.ask("room.open", **ROOM)
    anna, boris = Participant(relay, "anna"), Participant(relay, "boris")
    await anna.publish({"mic": Tone(), "camera": Picture()})
    await boris.subscribe()
    await boris.slot_with("mic", "anna")
    await boris.slot_with("camera", "anna")
    await boris.connected("subscribe")
    return anna, boris


async def close(*people: Participant) -> None:
    await asyncio.gather(*(person.close() for person in people))


async def stats_of(relay: Relay, name: str) -> dict[str, object]:
    return (await relay.ask("stats"))["rooms"]["r1"]["peers"][name]


async def test_a_page_that_hides_a_picture_gets_none(relay: Relay):
    anna, boris = await meeting(relay)
    mid = await boris.slot_with("camera", "anna")
    await boris.track(mid).recv()
    hidden = await relay.ask(
        "subscribe.view",
        **ROOM,
        peer="boris",
        tiles={mid: {"height": 90, "visible": False}, "77": {"height": 1}},
    )
    row = next(row for row in hidden["slots"] if row["mid"] == mid)
    assert (row["from"], row["source"], row["layer"], row["paused"]) == ("anna", "camera", None, "hidden")

    slot = next(s for s in relay.worker._rooms["r1"].stage.receivers["boris"].leg.slots if s.mid == mid)
    forwarder = relay.worker._engine.forwarder
    forwarder.refresh([slot.leg])
    before, voices = slot.packets, slot.leg.counters.packets_out
    await until(lambda: forwarder.refresh([slot.leg]) or slot.leg.counters.packets_out > voices + 50)
    assert slot.packets == before, "only the voice went on"

    shown = await relay.ask(
        "subscribe.view", **ROOM, peer="boris", tiles={mid: {"height": 700, "visible": True}}
    )
    assert next(row for row in shown["slots"] if row["mid"] == mid)["paused"] is None
    await until(lambda: forwarder.refresh([slot.leg]) or slot.packets > before)
    await close(anna, boris)


@pytest.mark.parametrize(
    "tiles",
    [None, [], {"1": 5}, {"1": {"height": -1}}, {"1": {"height": 100, "visible": "yes"}}, {"1": {}}],
)
async def test_a_view_that_makes_no_sense_is_refused(relay: Relay, tiles: object):
    anna, boris = await meeting(relay)
    with pytest.raises(MediaError) as refused:
        await relay.ask("subscribe.view", **ROOM, peer="boris", tiles=tiles)
    assert refused.value.code == "bad_request"
    await close(anna, boris)


async def test_a_view_before_the_answer_is_no_error(relay: Relay):
    await relay.ask("room.open", **ROOM)
    anna = Participant(relay, "anna")
    await anna.publish({"mic": Tone()})
    assert (await relay.ask("subscribe.view", **ROOM, peer="anna", tiles={}))["slots"] == []
    await close(anna)


async def test_a_voice_whose_packets_get_lost_is_noticed_and_connected_anew(relay: Relay):
    """RM-12: she speaks, the relay sends, and his reports do not move."""
    anna, boris = await meeting(relay)
    mid = await boris.slot_with("mic", "anna")
    await boris.track(mid).recv()
    receiver = next(t.receiver for t in boris.receiving.getTransceivers() if t.mid == mid)
    taken = receiver._handle_rtp_packet

    async def lose(*_packet: object, **_named: object) -> None: ...

    mark = len(relay.events.seen)
    receiver._handle_rtp_packet = lose
    event = await relay.events.wait(
        lambda e: e["event"] == "unheard", since=mark, timeout=REPORTED_WITHIN + 20
    )
    assert (event["peer"], event["from"], event["action"]) == ("boris", "anna", "reconnected")
    receiver._handle_rtp_packet = taken
    await boris.track(mid).recv()
    await close(anna, boris)


async def test_a_page_that_hears_nothing_is_connected_anew_and_told(relay: Relay):
    anna, boris = await meeting(relay)
    mid = await boris.slot_with("mic", "anna")
    await relay.ask("subscribe.unheard", **ROOM, peer="boris", **{"from": "anna"})
    event = await relay.events.wait(lambda e: e["event"] == "unheard")
    assert (event["peer"], event["from"]) == ("boris", "anna")
    assert await boris.slot_with("mic", "anna") == mid
    await boris.track(mid).recv()
    await close(anna, boris)


async def test_a_microphone_that_sends_nothing_is_told_to_both(relay: Relay):
    anna, boris = await meeting(relay)
    await relay.ask("subscribe.unheard", **ROOM, peer="anna", **{"from": "boris"})
    event = await relay.events.wait(lambda e: e["event"] == "unsent")
    assert (event["peer"], event["by"]) == ("boris", "anna")
    await close(anna, boris)


async def test_everybodys_quality_is_told(relay: Relay):
    anna, boris = await meeting(relay)
    for name in ("anna", "boris"):
        event = await relay.events.wait(lambda e, name=name: e["event"] == "quality" and name in e["peers"])
        assert set(event["peers"][name]) == {"grade", "cause"}
    await close(anna, boris)


async def test_who_leaves_is_summed_up(relay: Relay):
    anna, boris = await meeting(relay)
    await boris.track(await boris.slot_with("mic", "anna")).recv()
    publish = relay.worker._rooms["r1"].peers["anna"].publish
    await until(lambda: publish.upstream.voice_packets()[0] > 20)
    await relay.ask("peer.close", **ROOM, peer="anna", reason="left")
    summary = await relay.events.wait(lambda e: e["event"] == "summary")
    assert (summary["peer"], summary["reconnects"], summary["audio_loss_in"]) == ("anna", 0, 0.0)
    assert summary["seconds"] > 0
    await relay.ask("room.close", **ROOM, reason="over")
    assert await relay.events.wait(lambda e: e["event"] == "summary" and e["peer"] == "boris")
    await close(anna, boris)


async def test_a_second_connection_is_a_reconnect(relay: Relay):
    anna, boris = await meeting(relay)
    again = Participant(relay, "boris")
    await again.subscribe()
    await again.connected("subscribe")
    await relay.ask("peer.close", **ROOM, peer="boris", reason="left")
    summary = await relay.events.wait(lambda e: e["event"] == "summary")
    assert summary["reconnects"] == 1
    await close(anna, boris, again)


async def test_statistics_give_totals_that_outlive_connections(relay: Relay):
    anna, boris = await meeting(relay)
    await boris.track(await boris.slot_with("mic", "anna")).recv()
    before = await relay.ask("stats")
    assert before["totals"]["packets_in"] > 0 and before["totals"]["packets_out"] > 0
    assert {"legs", "people", "load", "full", "cpu_seconds", "packets_per_second"} <= set(before)
    peer = await stats_of(relay, "boris")
    assert peer["subscribe"]["estimate"] > 0
    await close(anna, boris)
    await relay.ask("room.close", **ROOM, reason="over")
    after = await relay.ask("stats")
    assert (after["legs"], after["people"]) == (0, 0)
    assert after["totals"]["packets_out"] >= before["totals"]["packets_out"]


async def test_a_worker_above_its_load_takes_no_new_room_and_keeps_its_people(relay: Relay):
    anna, boris = await meeting(relay)
    worker = relay.worker
    worker.load.packet_limit = 10
    await until(lambda: worker.vitals()["full"] is True, timeout=20 * SAMPLE_EVERY)
    with pytest.raises(MediaError) as refused:
        await relay.ask("room.open", room="another", epoch=1)
    assert refused.value.code == "full"
    await anna.publish({"screen": Picture()})
    await boris.slot_with("screen", "anna")
    worker.load.packet_limit = 1_000_000
    await until(lambda: worker.vitals()["full"] is False, timeout=20 * SAMPLE_EVERY)
    await relay.ask("room.open", room="another", epoch=1)
    await close(anna, boris)
