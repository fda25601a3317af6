"""How much one socket may ask for, and what becomes of the server when somebody asks for more (A12, I10)."""

from __future__ import annotations

import asyncio
import threading
import time
from uuid import uuid4

import pytest
import socketio

from consilium.errors import Unavailable
from signaling import calls, limits, wire
from signaling.calls import Calls
from signaling.limits import DEFAULT, RATES, Bucket, Limits
from signaling.socket import Server, make


@pytest.fixture
def clock(monkeypatch):
    """Seconds that pass when a test says so."""
    now = [time.monotonic() + 1000]  # a bucket is full when it is made
    monkeypatch.setattr("signaling.limits.time.monotonic", lambda: now[0])
    return now


def test_a_bucket_gives_its_burst_then_its_rate_and_never_saves_up_more(clock):
    bucket = Bucket(rate=2, burst=5, tokens=5, filled_at=clock[0])
    assert [bucket.take() for _ in range(6)] == [True] * 5 + [False]
    clock[0] += 0.5
    assert [bucket.take(), bucket.take()] == [True, False]
    clock[0] += 3600
    assert [bucket.take() for _ in range(6)] == [True] * 5 + [False]


def test_a_clock_that_stands_still_gives_nothing_twice(clock):
    bucket = Bucket(rate=1000, burst=1, tokens=1, filled_at=clock[0])
    assert [bucket.take(), bucket.take()] == [True, False]


@pytest.mark.parametrize("name", sorted(RATES))
def test_a_flood_of_one_kind_leaves_the_others_their_share(clock, name):
    mine = Limits()
    while mine.allows(name):
        pass
    assert mine.allows("vote.cast")


def test_names_a_client_makes_up_share_one_bucket_and_take_no_memory(clock):
    mine = Limits()
    allowed = [mine.allows(f"made.up.{number}") for number in range(1000)]
    assert sum(allowed) == DEFAULT[1]
    assert len(mine._buckets) == 1


def test_every_limited_name_is_a_message_of_the_wire():
    assert set(RATES) <= set(wire.CLIENT) | set(wire.ROOM)


def test_the_chair_s_fastest_pointer_is_within_its_limit():
    """The client sends thirty moves a second."""
    assert limits.RATES["viewer.move"][0] >= 30


# --- calls ----------------------------------------------------------------------------------------------


async def test_more_calls_than_fit_are_refused_at_once_and_the_rest_are_answered():
    pool, gate = Calls(1), threading.Event()
    try:
        waiting = [asyncio.create_task(pool.run(gate.wait)) for _ in range(calls.WAITING_PER_THREAD)]
        await asyncio.sleep(0)
        with pytest.raises(Unavailable) as refused:
            await pool.run(gate.wait)  # nobody has opened the gate yet: an answer is one without waiting
        assert refused.value.code == "busy"
        gate.set()
        assert all(await asyncio.gather(*waiting))
        assert await pool.run(lambda: "again") == "again"
    finally:
        gate.set()
        pool.close()


async def test_a_call_that_overruns_is_unknown_and_keeps_its_place_until_it_ends(monkeypatch):
    monkeypatch.setattr(calls, "TIMEOUT", 0.05)
    monkeypatch.setattr(calls, "WAITING_PER_THREAD", 1)
    pool, gate, ended = Calls(1), threading.Event(), threading.Event()

    def slow() -> None:
        gate.wait()
        ended.set()

    try:
        with pytest.raises(Unavailable) as unknown:
            await pool.run(slow)
        assert unknown.value.code == "unknown"
        with pytest.raises(Unavailable) as busy:
            await pool.run(slow)
        assert busy.value.code == "busy", "the thread is still at work"
        gate.set()
        assert await asyncio.to_thread(ended.wait, 5), "what was begun is finished"
        async with asyncio.timeout(5):
            while pool._running:
                await asyncio.sleep(0)
    finally:
        gate.set()
        pool.close()


@pytest.mark.parametrize("hops", range(8))
async def test_a_cancellation_that_comes_as_the_call_ends_is_not_swallowed(hops):
    """A server that ends cancels its loops once and waits for them; the news of the end takes some hops."""
    pool, gate = Calls(1), threading.Event()
    try:
        task = asyncio.create_task(pool.run(gate.wait))
        await asyncio.sleep(0)
        gate.set()
        pool._pool.submit(int).result(5)  # the one thread is free again, the loop has not heard of it yet
        for _ in range(hops):
            await asyncio.sleep(0)
        if task.cancel():
            with pytest.raises(asyncio.CancelledError):
                await task
        else:
            assert task.result()
    finally:
        gate.set()
        pool.close()


# --- on real sockets ------------------------------------------------------------------------------------


async def test_volatile_messages_over_the_limit_are_refused_and_a_vote_still_gets_through(hall):
    chair = await hall.socket("chair")
    view = {"document": str(uuid4()), "page": 1, "zoom": 1.0}
    answers = await asyncio.gather(*(chair.raw("viewer.move", view) for _ in range(200)))
    refused = [one["error"]["code"] for one in answers if not one["ok"]]
    assert set(refused) == {"rate_limited"}
    assert 40 <= len(refused) <= 80, "the burst of 120 was granted"
    await chair.call("hand.raise")


async def test_one_client_s_flood_does_not_slow_another(hall):
    chair = await hall.socket("chair")
    deputy = await hall.socket("deputy")
    flood = asyncio.gather(*(chair.raw("room.sync", {"since": 0}) for _ in range(400)))
    async with asyncio.timeout(10):
        await deputy.call("hand.raise")
    answers = await flood
    assert sum(one["ok"] for one in answers) < 120


async def test_a_text_at_its_limit_is_taken_and_one_over_it_is_refused(hall):
    chair = await hall.socket("chair")
    await chair.call("chat.send", text="я" * 2_000)
    assert await chair.refused("chat.send", text="я" * 2_001) == "invalid_message"
    assert await chair.refused("media.publish", sdp="v" * 32_769, sources={}) == "invalid_message"
    assert await chair.refused("room.sync", since="1") == "invalid_message"


async def test_fields_of_the_wrong_type_and_numbers_out_of_range_change_nothing(hall):
    chair = await hall.socket("chair")
    head = hall.signaling.broadcast._head(hall.consilium)
    item = chair.state["agenda"][0]["item"]
    bad = [
        ("layout.set", {"layout": "cinema"}),
        ("layout.set", {"layout": ["vote"]}),
        ("agenda.open", {"item": 7}),
        ("agenda.open", {"item": item + "0"}),
        ("document.show", {"document": None, "page": 0}),
        ("document.show", {"document": None, "page": 10**30}),
        ("document.show", {"document": None, "page": 1.5}),
        ("hand.raise", {"point_of_order": "yes"}),
        ("vote.cast", {"ballot": str(uuid4()), "choice": "for", "digest": "X" * 64}),
        ("vote.cast", {"ballot": str(uuid4()), "choice": "maybe", "digest": "0" * 64}),
        ("presence.set", {"mic": 1, "camera": 0}),
        ("viewer.move", {"document": str(uuid4()), "page": 1, "zoom": float("inf")}),
        ("viewer.move", {"document": str(uuid4()), "page": 1, "zoom": 1, "pointer": {"x": 2, "y": 0}}),
    ]
    for name, fields in bad:
        assert await chair.refused(name, **fields) == "invalid_message", (name, fields)
    assert hall.signaling.broadcast._head(hall.consilium) == head


async def test_a_consilium_named_in_a_message_is_overruled_by_the_socket_s_own(hall):
    chair = await hall.socket("chair")
    own, hall.consilium = hall.consilium, hall._schedule()
    other_head = hall.signaling.broadcast._head(hall.consilium)
    await chair.call("chat.send", text="своё", consilium=str(hall.consilium))
    assert hall.signaling.broadcast._head(hall.consilium) == other_head
    await chair.until(lambda me: me.state["chat"])
    assert str(own) == chair.state["consilium"]["id"]


async def test_sockets_that_come_and_go_leave_nothing_behind(hall):
    """I10: connections, rooms, buckets and tasks return to where they were."""
    await hall.socket("chair")
    await asyncio.sleep(0)
    before = (
        len(hall.signaling.sio.eio.sockets),
        len(hall.signaling.sio.environ),
        len(hall.signaling._tasks),
    )
    for _ in range(15):
        sock = await hall.socket("deputy")
        await sock.sio.disconnect()
    async with asyncio.timeout(10):
        while len(hall.signaling.sio.environ) > before[1]:
            await asyncio.sleep(0.01)
    after = (len(hall.signaling.sio.eio.sockets), len(hall.signaling.sio.environ), len(hall.signaling._tasks))
    assert after == before
    room = hall.signaling.sessions.rooms[hall.consilium]
    assert len(hall.signaling.sessions.by_sid) == len(room.connections) == 1
    assert len(room.leaving) == 1, "one seat, one timer, however often it came and went"


# --- private names of the libraries ---------------------------------------------------------------------


def test_the_private_names_we_stand_on_are_still_there(settings):
    for name in ("_handle_event_internal", "_handle_eio_message", "_send_packet"):
        assert callable(getattr(socketio.AsyncServer, name)), name
    server = make(settings)
    assert isinstance(server, Server)
    assert server.environ == {}
    assert server.eio.sockets == {}
    manager = socketio.AsyncRedisManager("redis://127.0.0.1:1/0")
    assert (manager.redis, manager.pubsub) == (None, None)
