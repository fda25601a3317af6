"""The control channel: framing, keys, refusals, events, reconnection, shutdown."""

import asyncio
import contextlib
import json
import signal
import socket
import sys
import time
from pathlib import Path

import pytest

from media.__main__ import own_addresses, read_settings
from media.control import MAX_LINE, MediaClient
from media.control_server import ControlServer
from media.engine import SocketPlan
from media.errors import MediaError, Unauthorised, Unreachable
from media.plane.choose import forwarder
from media.worker import Worker
from tests.media.rig import (
    ROOM,
    Events,
    Participant,
    Picture,
    Relay,
    Tone,
    relay_process,
    running_process,
    until,
)

KEY = "a shared secret of the installation"


async def refused(awaitable) -> str:
    with pytest.raises(MediaError) as caught:
        await awaitable
    return caught.value.code


async def raw(relay: Relay) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    return await asyncio.open_unix_connection(relay.client.address.removeprefix("unix:"))


async def test_hello_introduces_the_worker(relay: Relay):
    info = relay.client.info
    assert (info["worker"], info["forwarder"], info["addresses"]) == ("media-test", "python", ["127.0.0.1"])
    assert info["capacity"] == 50
    assert relay.events.seen[0]["event"] == "worker.up"


async def test_ping_is_answered(relay: Relay):
    assert await relay.ask("ping") == {}


@pytest.mark.parametrize(
    "op, fields, code",
    [
        ("dance", {}, "unknown_op"),
        ("room.open", {"room": "r1"}, "bad_request"),
        ("room.open", {"room": "r1", "epoch": "1"}, "bad_request"),
        ("room.open", {"room": "r1", "epoch": True}, "bad_request"),
        ("room.open", {"room": "r1", "epoch": -1}, "bad_request"),
        ("room.open", {"room": "", "epoch": 1}, "bad_request"),
        ("room.open", {"room": "x" * 129, "epoch": 1}, "bad_request"),
        ("room.open", {"room": ["r"], "epoch": 1}, "bad_request"),
        ("publish.offer", {"room": "other", "epoch": 1, "peer": "a"}, "no_such_room"),
        ("publish.offer", {**ROOM, "peer": "a", "sdp": 3, "sources": {}, "may": []}, "bad_request"),
        (
            "publish.offer",
            {**ROOM, "peer": "a", "sdp": "v=0", "sources": {"0": "nose"}, "may": []},
            "bad_request",
        ),
        ("publish.offer", {**ROOM, "peer": "a", "sdp": "v=0", "sources": {}, "may": ["nose"]}, "bad_request"),
        ("publish.offer", {**ROOM, "peer": "a", "sdp": "v=0", "sources": {}, "may": [[]]}, "bad_request"),
        (
            "publish.offer",
            {**ROOM, "peer": "a", "sdp": "v=0", "sources": {"0": []}, "may": []},
            "bad_request",
        ),
        ("publish.may", {**ROOM, "peer": "nobody", "may": []}, "no_such_peer"),
        ("subscribe.open", {**ROOM, "peer": "a", "audio": 99}, "bad_request"),
        ("subscribe.open", {**ROOM, "peer": "a", "audio": 0, "video": 0}, "bad_request"),
        ("subscribe.answer", {**ROOM, "peer": "nobody", "sdp": "v=0"}, "bad_sdp"),
        ("subscribe.restart", {**ROOM, "peer": "nobody"}, "no_such_peer"),
    ],
)
async def test_a_bad_request_gets_its_code(relay: Relay, op, fields, code):
    await relay.ask("room.open", **ROOM)
    assert await refused(relay.ask(op, **fields)) == code
    assert await relay.ask("ping") == {}


async def test_an_old_epoch_is_refused_and_a_new_one_supersedes(relay: Relay):
    await relay.ask("room.open", room="r1", epoch=5)
    assert await relay.ask("room.open", room="r1", epoch=5) == {"opened": False}
    assert await refused(relay.ask("room.open", room="r1", epoch=4)) == "stale_epoch"
    anna = Participant(relay, "anna", {"room": "r1", "epoch": 5})
    await anna.publish({"mic": Tone()})
    await anna.connected("publish")

    assert await relay.ask("room.open", room="r1", epoch=6) == {"opened": True}
    assert await refused(relay.ask("subscribe.open", room="r1", epoch=5, peer="anna")) == "stale_epoch"
    stats = await relay.ask("stats", room="r1")
    assert stats["rooms"]["r1"] == {"epoch": 6, "echo": False, "peers": {}}
    async with asyncio.timeout(5):
        while anna.sending.connectionState != "closed":  # the relay said goodbye over DTLS
            await asyncio.sleep(0.01)


async def test_an_old_epoch_stays_refused_after_the_room_is_closed(relay: Relay):
    await relay.ask("room.open", room="r1", epoch=5)
    assert await relay.ask("room.close", room="r1", epoch=5, reason="over") == {"closed": True}
    assert await relay.ask("room.close", room="r1", epoch=5, reason="over") == {"closed": False}
    assert await refused(relay.ask("room.open", room="r1", epoch=4)) == "stale_epoch"


async def test_a_draining_worker_takes_no_new_rooms_and_keeps_the_old(relay: Relay):
    await relay.ask("room.open", **ROOM)
    assert await relay.ask("drain") == {"rooms": {"r1": 1}}
    assert await refused(relay.ask("room.open", room="r2", epoch=1)) == "draining"
    assert "sdp" in await relay.ask("subscribe.open", **ROOM, peer="anna")


async def test_a_full_worker_refuses_people(relay: Relay):
    await relay.ask("room.open", **ROOM)
    for number in range(50):
        await relay.ask("subscribe.open", **ROOM, peer=f"p{number}", audio=1, video=0)
    assert await refused(relay.ask("subscribe.open", **ROOM, peer="late", audio=1, video=0)) == "full"
    assert await refused(relay.ask("room.open", room="r2", epoch=1)) == "full"
    await relay.ask("subscribe.open", **ROOM, peer="p1", audio=1, video=0)


@pytest.mark.parametrize(
    "line",
    [b"{", b"[]", b'"hello"', b"\xff\xfe", b"{}", b'{"op": 3}', b"[" * 100_000],
)
async def test_nonsense_is_refused_and_the_connection_lives(relay: Relay, line):
    reader, writer = await raw(relay)
    writer.write(b'{"id": 1, "op": "hello"}\n' + line + b'\n{"id": 2, "op": "ping"}\n')
    answers = [json.loads(await reader.readline()) for _ in range(3)]
    assert [answer["ok"] for answer in answers if answer.get("id") in (1, 2)] == [True, True]
    assert [a["error"]["code"] for a in answers if not a["ok"]] == ["bad_request"]
    writer.close()


async def test_a_line_beyond_the_limit_cuts_the_connection(relay: Relay):
    reader, writer = await raw(relay)
    writer.write(b'{"id": 1, "op": "hello"}\n')
    assert json.loads(await reader.readline())["ok"]
    writer.write(b"x" * (MAX_LINE * 2))
    with contextlib.suppress(ConnectionError):
        assert b"bad_request" in await reader.readline()
        assert await reader.readline() == b""
    assert await relay.ask("ping") == {}
    writer.close()


async def test_nothing_is_done_before_hello(relay: Relay):
    reader, writer = await raw(relay)
    writer.write(b'{"id": 1, "op": "room.open", "room": "r1", "epoch": 1}\n')
    assert json.loads(await reader.readline())["error"]["code"] == "unauthorised"
    assert await reader.readline() == b""
    assert (await relay.ask("stats"))["rooms"] == {}
    writer.close()


async def test_tcp_needs_the_key():
    worker = Worker("media-tcp", SocketPlan(("127.0.0.1",)), 10, 1_000_000, forwarder())
    with pytest.raises(ValueError, match="needs a key"):
        ControlServer(worker, "tcp:127.0.0.1:0", None)
    server = ControlServer(worker, "tcp:127.0.0.1:0", KEY.encode())
    await server.start()
    right = MediaClient(server.address, Events(), key=KEY)
    wrong = MediaClient(server.address, Events(), key="guess")
    nothing = MediaClient(server.address, Events())
    assert (await right.connect())["worker"] == "media-tcp"
    with pytest.raises(Unauthorised):
        await wrong.connect(timeout=0.5)
    with pytest.raises(Unauthorised):
        await nothing.connect(timeout=0.5)
    for client in (right, wrong, nothing):
        await client.close()
    await server.close("test is over")
    await worker.close("test is over")


async def test_an_absent_worker_is_unreachable(tmp_path: Path):
    client = MediaClient(f"unix:{tmp_path}/nobody.sock", Events())
    with pytest.raises(Unreachable):
        await client.connect(timeout=0.3)
    assert await refused(client.request("ping")) == "unreachable"
    await client.close()
    await client.close()


async def test_a_killed_worker_is_noticed_and_its_successor_has_another_boot(tmp_path: Path):
    async with running_process(tmp_path) as first:
        events = Events()
        client = MediaClient(f"unix:{tmp_path}/media.sock", events)
        boot = (await client.connect(timeout=15))["boot"]
        await client.request("room.open", **ROOM)
        first.send_signal(signal.SIGKILL)
        await events.wait(lambda e: e["event"] == "worker.down")
        assert await refused(client.request("ping")) == "unreachable"
        async with running_process(tmp_path):
            up = await events.wait(lambda e: e["event"] == "worker.up" and e["boot"] != boot, timeout=20)
            assert up["rooms"] == {}
        await client.close()


async def test_a_hanging_worker_is_noticed(tmp_path: Path):
    """SIGSTOP: the socket stays open, only the pong is missing."""
    async with running_process(tmp_path) as process:
        events = Events()
        client = MediaClient(f"unix:{tmp_path}/media.sock", events)
        await client.connect(timeout=15)
        process.send_signal(signal.SIGSTOP)
        try:
            await events.wait(lambda e: e["event"] == "worker.down", timeout=8)
        finally:
            process.send_signal(signal.SIGCONT)
        await events.wait(lambda e: e["event"] == "worker.up", since=len(events.seen))
        await client.close()


async def test_sigterm_ends_a_busy_worker_within_two_seconds(tmp_path: Path):
    async with relay_process(tmp_path, "--drain-seconds", "0") as relay, asyncio.timeout(30):
        await relay.ask("room.open", **ROOM)
        anna = Participant(relay, "anna")
        await anna.publish({"mic": Tone(), "camera": Picture()})
        await anna.subscribe()
        await anna.connected("publish")
        await anna.connected("subscribe")
        process = relay.process
        started = time.monotonic()
        process.send_signal(signal.SIGTERM)
        assert await process.wait() == 0
        assert time.monotonic() - started < 2
        assert not (tmp_path / "media.sock").exists()
        await anna.close()


async def test_a_second_worker_on_the_same_socket_refuses_to_start(tmp_path: Path):
    async with relay_process(tmp_path) as relay, running_process(tmp_path) as second:
        assert await second.wait() == 1
        assert await relay.ask("ping") == {}


async def test_closing_leaves_no_socket_behind(relay: Relay):
    await relay.ask("room.open", **ROOM)
    before = open_sockets()
    people = [Participant(relay, f"p{number}") for number in range(4)]
    for person in people:
        await person.publish({"mic": Tone()})
        await person.subscribe()
    for person in people:
        await person.connected("subscribe")
    assert open_sockets() >= before + 8, "those of the participants; the worker opens none for them"
    await relay.ask("room.close", **ROOM, reason="over")
    for person in people:
        await person.close()
    await until(lambda: open_sockets() <= before)


def open_sockets() -> int:
    links = Path("/proc/self/fd").iterdir()
    count = 0
    for link in links:
        try:
            count += str(link.readlink()).startswith("socket:")
        except FileNotFoundError:
            continue  # closed while we looked
    return count


def test_settings_come_from_arguments_before_the_environment(tmp_path: Path):
    (tmp_path / "key").write_text(KEY + "\n")
    environment = {"CONSILIUM_MEDIA_CONTROL": "unix:/a", "CONSILIUM_MEDIA_ADDRESS": "10.0.0.1,10.0.0.2"}
    settings = read_settings([], environment)
    assert settings.addresses == ("10.0.0.1", "10.0.0.2")
    settings = read_settings(
        ["--control", "tcp:127.0.0.1:7000", "--key-file", str(tmp_path / "key"), "--address", "::1"],
        environment,
    )
    assert (settings.control, settings.key, settings.addresses) == (
        "tcp:127.0.0.1:7000",
        KEY.encode(),
        ("::1",),
    )
    assert own_addresses()


def test_one_environment_serves_signaling_and_its_only_worker():
    shared = {"CONSILIUM_MEDIA_CONTROLS": "unix:/a", "CONSILIUM_MEDIA_ADDRESSES": "10.0.0.1, 10.0.0.2"}
    settings = read_settings([], shared)
    assert (settings.control, settings.addresses) == ("unix:/a", ("10.0.0.1", "10.0.0.2"))
    with pytest.raises(SystemExit):
        read_settings([], {"CONSILIUM_MEDIA_CONTROLS": "unix:/a,unix:/b"})


def test_a_bad_environment_is_refused_at_start(capsys):
    with pytest.raises(SystemExit):
        read_settings(["--control", "unix:/a"], {"CONSILIUM_MEDIA_CAPACITY": "many"})
    assert "capacity" in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["--control", "unix:/a", "--address", "example.org"],
        ["--control", "unix:/a", "--udp-port", "65536"],
        ["--control", "unix:/a", "--udp-port", "many"],
        ["--control", "unix:/a", "--forwarder", "magic"],
        ["--control", "unix:/a", "--key-file", "/nonexistent"],
    ],
)
def test_bad_settings_are_refused_at_start(arguments, capsys):
    with pytest.raises(SystemExit):
        read_settings(arguments, {})
    assert "error:" in capsys.readouterr().err


async def test_the_client_half_imports_neither_aiortc_nor_the_relay():
    code = "import sys, media.control; print([m for m in sys.modules if m.startswith(('aiortc', 'av'))])"
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", code, stdout=asyncio.subprocess.PIPE)
    out, _ = await process.communicate()
    assert out.strip() == b"[]"


async def test_everybody_shares_one_port(tmp_path: Path):
    async with relay_process(tmp_path, "--udp-port", "42000") as relay:
        assert relay.client.info["ports"] == [42000]
        await relay.ask("room.open", **ROOM)
        offers = [await relay.ask("subscribe.open", **ROOM, peer=f"p{n}", audio=1, video=1) for n in range(4)]
        lines = [line for o in offers for line in str(o["sdp"]).splitlines() if "candidate:" in line]
        assert {line.split()[5] for line in lines} == {"42000"}


async def test_a_worker_whose_port_is_taken_does_not_start(tmp_path: Path):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        async with running_process(tmp_path, "--udp-port", str(taken.getsockname()[1])) as process:
            assert await process.wait() == 1


async def test_an_address_the_machine_has_lost_is_left_out(tmp_path: Path):
    async with relay_process(tmp_path, "--address", "198.51.100.1") as relay:
        await relay.ask("room.open", **ROOM)
        offer = await relay.ask("subscribe.open", **ROOM, peer="anna", audio=1, video=0)
        assert [line.split()[4] for line in offer["sdp"].splitlines() if "candidate:" in line] == [
            "127.0.0.1"
        ]
