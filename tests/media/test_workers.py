"""What signaling learns of a worker that lives, hangs, dies, drains or wakes up too late."""

import asyncio
import json
import signal
import socket
import time
from pathlib import Path

import pytest

from media import pulse
from media.control import BEAT_EVERY, SILENT_AFTER, MediaClient
from media.control_server import ControlServer
from media.engine import SocketPlan
from media.errors import MediaError
from media.plane.choose import forwarder
from media.pulse import Pulse
from media.worker import Worker
from tests.media.rig import ROOM, Events, Relay, relay_process, running_process, running_relay, until

NOW = {"load": 0.25, "people": 3, "capacity": 12, "rooms": 1, "draining": False}


@pytest.fixture
async def beating():
    """A pulse over this test's own loop, and the other end of a connection it answers on."""
    made = Pulse(lambda: dict(NOW))
    made.start()
    ours, theirs = socket.socketpair()
    made.adopt(theirs)
    ours.settimeout(5)
    yield made, ours
    made.close()
    ours.close()


def ping(connection: socket.socket, number: int = 1) -> dict[str, object]:
    """Blocks the loop on purpose: the answer comes from the thread."""
    connection.sendall(b'{"id":%d,"op":"ping"}\n' % number)
    return json.loads(connection.makefile().readline())


async def test_a_heartbeat_is_answered_while_the_loop_is_busy_and_says_how_full_the_worker_is(beating):
    _, connection = beating
    answer = ping(connection, 7)
    assert {name: answer[name] for name in NOW} == NOW
    assert (answer["id"], answer["ok"]) == (7, True)


async def test_a_loop_that_hangs_is_told_of_and_its_stacks_are_written_once(
    beating, monkeypatch, capfd, caplog
):
    monkeypatch.setattr(pulse, "STALLED", 0.2)
    _, connection = beating
    began = time.monotonic()
    while time.monotonic() - began < 10 and "loop.stalled" not in caplog.text:
        ping(connection)
    assert ping(connection)["stalled"] >= 0.2
    while ping(connection)["stalled"] < 0.8:
        pass
    assert caplog.text.count("loop.stalled") == 1
    assert capfd.readouterr().err.count("in test_a_loop_that_hangs") == 1
    await until(lambda: "loop.goes_on" in caplog.text)
    assert ping(connection)["stalled"] < 0.2


async def test_nonsense_on_a_heartbeat_connection_ends_it_alone(beating):
    made, connection = beating
    ours, theirs = socket.socketpair()
    made.adopt(theirs)
    ours.settimeout(5)
    ours.sendall(b"[]\n")
    assert ours.recv(10) == b""
    assert ping(connection)["ok"]
    ours.close()


async def test_a_client_knows_load_and_capacity(relay: Relay):
    await relay.ask("room.open", **ROOM)
    for number in range(10):
        await relay.ask("subscribe.open", **ROOM, peer=f"p{number}", audio=1, video=0)
    await until(lambda: relay.client.load >= 0.2)
    assert (relay.client.capacity, relay.client.draining, relay.client.stalled) == (50, False, 0)


async def test_a_heartbeat_needs_the_key_too():
    worker = Worker("media-tcp", SocketPlan(("127.0.0.1",)), 10, 1_000_000, forwarder("python"))
    server = ControlServer(worker, "tcp:127.0.0.1:0", b"the key")
    await server.start()
    reader, writer = await asyncio.open_connection("127.0.0.1", int(server.address.rpartition(":")[2]))
    writer.write(b'{"id":1,"op":"hello","beat":true,"key":"a guess"}\n')
    assert json.loads(await reader.readline())["error"]["code"] == "unauthorised"
    assert await reader.readline() == b""
    writer.close()
    client = MediaClient(server.address, Events(), key="the key")
    await client.connect()
    await until(lambda: client.pulse)
    await client.close()
    await server.close("test is over")
    await worker.close("test is over")


async def test_a_process_that_stands_still_is_silent_after_three_heartbeats(tmp_path: Path):
    async with running_process(tmp_path) as process:
        events = Events()
        client = MediaClient(f"unix:{tmp_path}/media.sock", events)
        await client.connect(timeout=20)
        await until(lambda: client.pulse)
        process.send_signal(signal.SIGSTOP)
        stopped = time.monotonic()
        try:
            down = await events.wait(lambda e: e["event"] == "worker.down")
            took = time.monotonic() - stopped
        finally:
            process.send_signal(signal.SIGCONT)
        assert down["reason"] == "silent"
        assert took < 2 * (SILENT_AFTER + BEAT_EVERY)
        print(f"silent after {took:.2f} s")
        await events.wait(lambda e: e["event"] == "worker.up", since=len(events.seen))
        await client.close()


async def test_a_process_that_is_gone_is_told_apart_from_a_silent_one(tmp_path: Path):
    async with running_process(tmp_path) as process:
        events = Events()
        client = MediaClient(f"unix:{tmp_path}/media.sock", events)
        await client.connect(timeout=20)
        process.send_signal(signal.SIGKILL)
        assert (await events.wait(lambda e: e["event"] == "worker.down"))["reason"] == "refused"
        await client.close()


async def test_a_cut_connection_to_a_living_worker_is_no_death(tmp_path: Path, monkeypatch):
    monkeypatch.setattr("media.control.AGAIN_WITHIN", 0.2)
    async with running_relay(tmp_path) as relay:
        await relay.ask("room.open", **ROOM)
        await until(lambda: relay.client.pulse)
        began = time.monotonic()
        await until(lambda: time.monotonic() - began > 0.3)
        for caller in list(relay.server._callers):
            caller.writer.transport.abort()
        again = await relay.events.wait(lambda e: e["event"] == "worker.up", since=1)
        assert (again["boot"], again["rooms"]) == (relay.worker.boot, {"r1": 1})
        assert "worker.down" not in [event["event"] for event in relay.events.seen]


async def test_a_fenced_room_is_closed_and_never_opened_again_under_its_old_epoch(relay: Relay):
    for room in ("old", "new", "other"):
        await relay.ask("room.open", room=room, epoch=3)
    answer = await relay.ask("fence", rooms={"old": 4, "new": 3, "unknown": 9})
    assert answer == {"closed": ["old"]}
    for room, epoch in (("old", 3), ("unknown", 8)):
        with pytest.raises(MediaError) as caught:
            await relay.ask("room.open", room=room, epoch=epoch)
        assert caught.value.code == "stale_epoch"
    assert await relay.ask("room.open", room="new", epoch=3) == {"opened": False}
    assert await relay.ask("room.open", room="old", epoch=4) == {"opened": True}


async def test_an_empty_room_is_closed_and_one_with_people_is_not(relay: Relay):
    await relay.ask("room.open", **ROOM)
    await relay.ask("subscribe.open", **ROOM, peer="anna", audio=1, video=0)
    assert await relay.ask("room.close", **ROOM, if_empty=True) == {"closed": False}
    await relay.ask("peer.close", **ROOM, peer="anna", reason="left")
    assert await relay.ask("room.close", **ROOM, if_empty=True) == {"closed": True}


async def somebody_in(relay: Relay) -> None:
    await relay.ask("room.open", **ROOM)
    await relay.ask("subscribe.open", **ROOM, peer="anna", audio=1, video=0)


async def test_sigterm_waits_until_people_are_moved_away_and_ends_with_0(tmp_path: Path):
    async with relay_process(tmp_path) as relay, asyncio.timeout(40):
        await somebody_in(relay)
        relay.process.send_signal(signal.SIGTERM)
        await relay.events.wait(lambda e: e["event"] == "worker.draining")
        with pytest.raises(MediaError) as caught:
            await relay.ask("room.open", room="r2", epoch=1)
        assert caught.value.code == "draining"
        await relay.ask("fence", rooms={"r1": 2})
        assert await relay.process.wait() == 0


@pytest.mark.parametrize("signals", [(signal.SIGINT,), (signal.SIGTERM, signal.SIGTERM)])
async def test_who_is_in_a_hurry_is_not_waited_for(tmp_path: Path, signals):
    async with relay_process(tmp_path) as relay, asyncio.timeout(20):
        await somebody_in(relay)
        for number in signals:
            relay.process.send_signal(number)
            if number == signal.SIGTERM:
                await relay.events.wait(lambda e: e["event"] == "worker.draining")
        assert await relay.process.wait() == 0


async def test_without_signaling_there_is_nobody_to_wait_for(tmp_path: Path):
    async with relay_process(tmp_path) as relay, asyncio.timeout(20):
        await somebody_in(relay)
        await relay.client.close()
        relay.process.send_signal(signal.SIGTERM)
        assert await relay.process.wait() == 0
