"""What is lost when something breaks around a running meeting: time, and nothing that was acknowledged."""

from __future__ import annotations

import asyncio
import json
import time
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any
from uuid import UUID, uuid4

import aiohttp
import pytest
import redis
import socketio
from aiohttp import web
from aiohttp.test_utils import unused_port
from sqlalchemy.exc import OperationalError

from consilium import bootstrap
from consilium import commands as c
from signaling.server import attach
from tests import services
from tests.signaling.conftest import Hall, Sock


async def vote_on(chair: Sock) -> dict[str, str]:
    """An open ballot: what a vote must name."""
    item = chair.state["agenda"][0]["item"]
    await chair.call("agenda.open", item=item)
    proposed = await chair.call("resolution.propose", item=item, wording="Оперировать")
    opened = await chair.call("vote.open", resolution=proposed["resolution"], revision=0)
    return {"ballot": opened["ballot"], "digest": opened["digest"]}


async def meeting(hall: Hall, *logins: str) -> dict[str, Sock]:
    """The chair and these, admitted."""
    socks = {"chair": await hall.socket("chair")}
    for login in logins:
        socks[login] = await hall.socket(login)
    await socks["chair"].call("seat.admit_all")
    for sock in socks.values():
        await sock.until(lambda me: me.state["me"]["admission"] == "admitted")
    return socks


def votes(hall: Hall) -> list[tuple[str, int]]:
    with hall.service.parts.store.read() as reader:
        return [(str(vote.choice), vote.changes) for vote in reader.consilium(hall.consilium).votes]


# --- the chair, the browser -----------------------------------------------------------------------------


async def test_a_chair_who_drops_out_is_followed_by_the_deputy_and_the_ballot_goes_on(hall, monkeypatch):
    monkeypatch.setattr("signaling.server.GRACE", 0.3)
    socks = await meeting(hall, "deputy", "member1", "member2")
    ballot = await vote_on(socks["chair"])
    await socks["member1"].call("vote.cast", choice="for", **ballot)
    await socks["chair"].sio.disconnect()
    deputy = socks["deputy"]
    await deputy.until(lambda me: me.state["me"]["chair_offer"])
    assert not socks["member1"].state["me"]["chair_offer"]
    assert await socks["member1"].refused("chair.take") == "not_your_role"
    await deputy.call("chair.take")
    await deputy.until(lambda me: me.state["consilium"]["chair"] == me.state["me"]["seat"])
    await socks["member2"].call("vote.cast", choice="for", **ballot)
    await deputy.call("vote.cast", choice="for", **ballot)
    assert (await deputy.call("vote.close", ballot=ballot["ballot"]))["adopted"]
    result = (await deputy.until(lambda me: me.state["decision"]["results"]))[0]
    assert result["votes_for"] == 3


async def test_the_old_chair_comes_back_as_himself_and_may_not_command_until_he_takes_the_chair(
    hall, monkeypatch
):
    monkeypatch.setattr("signaling.server.GRACE", 0.3)
    socks = await meeting(hall, "deputy", "member1")
    ballot = await vote_on(socks["chair"])
    await socks["chair"].sio.disconnect()
    await socks["deputy"].until(lambda me: me.state["me"]["chair_offer"])
    await socks["deputy"].call("chair.take")
    back = await hall.socket("chair")
    assert await back.refused("vote.close", ballot=ballot["ballot"]) == "not_your_role"
    await back.call("chair.take")
    assert await socks["deputy"].refused("vote.close", ballot=ballot["ballot"]) == "not_your_role"
    await back.call("vote.close", ballot=ballot["ballot"])


async def test_reloading_after_the_vote_shows_the_vote_and_keeps_seat_hand_and_ballot(hall):
    socks = await meeting(hall, "member1", "member2")
    ballot = await vote_on(socks["chair"])
    await socks["member1"].call("hand.raise")
    cast = await socks["member1"].call("vote.cast", choice="against", **ballot)
    seat = socks["member1"].state["me"]["seat"]
    await socks["member1"].sio.disconnect()
    started = time.monotonic()
    back = await hall.socket("member1")
    assert time.monotonic() - started < 5
    me = back.state["me"]
    assert (me["seat"], me["admission"]) == (seat, "admitted")
    assert (me["vote"]["choice"], me["vote"]["receipt"]) == ("against", cast["receipt"])
    assert [hand["seat"] for hand in back.state["floor"]["hands"]] == [seat]
    assert back.state["decision"]["ballot"]["id"] == ballot["ballot"]
    assert votes(hall) == [("against", 0)]


@pytest.mark.parametrize("answered", [False, True])
async def test_reloading_before_the_answer_counts_the_vote_once_or_not_at_all_and_says_which(hall, answered):
    """The client does not know; the same command id resolves it (F01)."""
    socks = await meeting(hall, "member1", "member2")
    ballot = await vote_on(socks["chair"])
    message = {"command": str(uuid4()), "choice": "for", **ballot}
    if answered:
        await socks["member1"].raw("vote.cast", message)
    else:
        await socks["member1"].sio.emit("vote.cast", message)
    await socks["member1"].sio.disconnect()
    back = await hall.socket("member1")
    shown = back.state["me"]["vote"]
    resolved = await back.raw("vote.cast", message)
    assert resolved["ok"]
    assert shown is None or shown["receipt"] == resolved["receipt"]
    assert votes(hall) == [("for", 0)]
    await back.sync()
    assert back.state["me"]["vote"]["receipt"] == resolved["receipt"]


async def test_one_seat_in_two_tabs_votes_once_and_the_last_tab_holds_it(hall):
    """F02: the first tab is told that the seat is elsewhere."""
    socks = await meeting(hall, "member1", "member2")
    ballot = await vote_on(socks["chair"])
    await socks["member1"].call("vote.cast", choice="for", **ballot)
    second = await hall.socket("member1")
    assert (await socks["member1"].heard("room.gone"))["reason"] == "elsewhere"
    await second.call("vote.cast", choice="against", **ballot)
    assert votes(hall) == [("against", 1)]
    await second.sync()
    present = [person for person in second.state["people"] if person["online"]]
    assert len(present) == 3, "one person in the quorum, whatever the number of his tabs"


# --- the server -----------------------------------------------------------------------------------------


async def test_a_restarted_server_has_lost_nothing_it_acknowledged(hall):
    socks = await meeting(hall, "member1", "member2")
    ballot = await vote_on(socks["chair"])
    cast = {"command": str(uuid4()), "choice": "for", **ballot}
    answer = await socks["member1"].raw("vote.cast", cast)
    since = socks["member2"].seq
    await hall.restart()
    back = {login: await hall.socket(login) for login in ("chair", "member1", "member2")}
    assert back["member1"].state["me"]["vote"]["receipt"] == answer["receipt"]
    assert (await back["member1"].raw("vote.cast", cast)) == answer, "a retry to the new process"
    missed = (await back["member2"].call("room.sync", since=since))["missed"]
    assert [one["name"] for one in missed].count("VoteCast") <= 1
    await back["member2"].call("vote.cast", choice="for", **ballot)
    assert (await back["chair"].call("vote.close", ballot=ballot["ballot"]))["adopted"]
    await back["member2"].until(lambda me: me.state["decision"]["results"])
    names = [person["name"] for person in back["chair"].state["people"] if person["online"]]
    assert len(names) == 3, "nobody left and came in the journal because of a restart within the grace"


async def test_who_does_not_come_back_after_a_restart_is_lost_after_the_grace(hall, monkeypatch):
    await meeting(hall, "deputy", "member1")
    monkeypatch.setattr("signaling.server.GRACE", 0.5)
    await hall.restart()
    deputy = await hall.socket("deputy")
    await deputy.until(lambda me: me.state["me"]["chair_offer"])
    online = {person["role"]: person["online"] for person in deputy.state["people"]}
    assert (online["chair"], online["deputy"], online["member"]) == (False, True, False)


async def test_a_broken_handler_is_acknowledged_as_internal_and_the_connection_lives_on(
    hall, monkeypatch, caplog
):
    chair = await hall.socket("chair")

    async def breaks(*_: object) -> dict[str, Any]:
        raise ZeroDivisionError("secret of the stack")

    monkeypatch.setitem(hall.signaling.dispatch.answers, "presence.set", breaks)
    answer = await chair.raw("presence.set", {"mic": True, "camera": True})
    assert answer["error"]["code"] == "internal"
    assert "secret" not in str(answer)
    assert answer["error"]["details"]["ref"] in str([record.__dict__ for record in caplog.records])
    await chair.call("room.sync")


async def test_a_database_that_fails_for_a_while_loses_no_event(hall, monkeypatch):
    socks = await meeting(hall, "deputy")
    deputy, broadcast = socks["deputy"], hall.signaling.broadcast
    start, load, failures = deputy.seq, broadcast._load, iter([True, True])

    def fails_twice(consilium: UUID, names: frozenset[str]) -> Any:
        if next(failures, False):
            raise OperationalError("SELECT", {}, Exception("connection lost"))
        return load(consilium, names)

    monkeypatch.setattr(broadcast, "_load", fails_twice)
    for text in ("раз", "два", "три"):
        await socks["chair"].call("chat.send", text=text)
    await deputy.until(lambda me: me.seq == start + 3)
    assert len(deputy.state["chat"]) == 3
    assert next(failures, None) is None, "it failed as it should"
    numbers = sorted({message["seq"] for message in deputy.seen if message["seq"] > start})
    assert numbers == [start + 1, start + 2, start + 3]


async def test_one_room_that_cannot_be_read_does_not_silence_the_others(hall, monkeypatch):
    """Its own people find the gap by the number every three seconds and ask again."""
    socks = await meeting(hall, "deputy")
    broadcast, load = hall.signaling.broadcast, hall.signaling.broadcast._load
    second = hall._schedule()
    first, hall.consilium = hall.consilium, second
    other = await hall.socket("chair")
    other_deputy = await hall.socket("deputy")

    def one_fails(consilium: UUID, names: frozenset[str]) -> Any:
        if consilium == first:
            raise OperationalError("SELECT", {}, Exception("damaged page"))
        return load(consilium, names)

    monkeypatch.setattr(broadcast, "_load", one_fails)
    await socks["chair"].call("chat.send", text="сюда не дойдёт")
    await other.call("chat.send", text="а сюда дойдёт")
    await other_deputy.until(lambda me: me.state["chat"])
    behind = socks["deputy"]
    head = await behind.until(
        lambda me: next((d for n, d in me.said if n == "head" and d["seq"] > me.seq), None)
    )
    monkeypatch.setattr(broadcast, "_load", load)
    await behind.sync()
    assert behind.seq == head["seq"]
    assert behind.state["chat"][-1]["text"] == "сюда не дойдёт"


async def test_a_busy_room_is_not_told_of_a_gap_that_is_none(hall, monkeypatch):
    """A number ahead of its event would make everybody ask for everything again."""
    monkeypatch.setattr("signaling.broadcast.HEAD_EVERY", 0.05)
    await hall.restart()
    await hall.socket("chair")
    deputy = await hall.socket("deputy")
    heads: list[tuple[int, int]] = []
    enough = asyncio.Event()

    async def head(message: dict[str, Any]) -> None:
        heads.append((message["seq"], deputy.seq))
        if len(heads) >= 5:
            enough.set()

    deputy.sio.on("head", head)
    async with asyncio.timeout(20):
        while not enough.is_set():
            await asyncio.to_thread(hall.do, "chair", c.SendChat(consilium=hall.consilium, text="x"))
    assert [pair for pair in heads if pair[0] > pair[1]] == []


# --- clients that misbehave -----------------------------------------------------------------------------


@asynccontextmanager
async def raw_socket(hall: Hall, login: str) -> Any:
    """Engine.IO by hand: what no library would send, and a client that may stop reading."""
    url = hall.url.replace("http", "ws") + "/socket.io/?EIO=4&transport=websocket"
    async with aiohttp.ClientSession() as session, session.ws_connect(url, max_msg_size=0) as ws:
        assert (await ws.receive_str()).startswith("0")
        auth = {"ticket": hall.ticket(login, hall.consilium), "protocol": 1}
        await ws.send_str("40" + json.dumps(auth))
        assert (await ws.receive_str()).startswith("40")
        yield ws


GARBAGE = ["42", "42[]", "42{}", "42[7]", "42[null]", "42[[[]]]", '42["x"', '42["' + "я" * 5000 + '",{}]', "421",
           "43[1]", "44{}", "45", "451-[]", '451-["x",{"_placeholder":true,"num":0}]', "49", "9", "", "4", "40", "41/x,",
           '42/nowhere,["room.sync",{}]', '42["connect",{}]', '42["disconnect","x"]', "b4AAA", "\x00"]  # fmt: skip


async def test_garbage_harms_nobody_but_its_sender(hall):
    chair = await hall.socket("chair")
    for sent in GARBAGE:
        async with raw_socket(hall, "deputy") as ws:
            await ws.send_str(sent)
            await ws.send_str('422["room.sync",{}]')
            assert await answered_or_cut(ws), f"silence after {sent!r}"
    await chair.call("chat.send", text="всё работает")
    await chair.until(lambda me: me.state["chat"])


async def answered_or_cut(ws: aiohttp.ClientWebSocketResponse) -> bool:
    try:
        async with asyncio.timeout(5):
            async for message in ws:
                if message.type is aiohttp.WSMsgType.TEXT and message.data.startswith(("432", "44", "41")):
                    return True
    except TimeoutError:
        return False
    return True


async def test_bytes_instead_of_text_harm_nobody(hall):
    chair = await hall.socket("chair")
    async with raw_socket(hall, "deputy") as ws:
        await ws.send_bytes(b"\xff\x00garbage")
    await chair.call("chat.send", text="всё работает")
    await chair.until(lambda me: me.state["chat"])


async def test_a_message_over_the_limit_closes_its_connection_only(hall):
    chair = await hall.socket("chair")
    async with raw_socket(hall, "deputy") as ws:
        await ws.send_str("42" + json.dumps(["chat.send", {"text": "я" * 200_000}]))
        async with asyncio.timeout(5):
            async for _ in ws:
                pass
        assert ws.closed
    await chair.call("chat.send", text="всё работает")
    await chair.until(lambda me: me.state["chat"])


async def test_a_client_that_does_not_read_is_cut_and_the_others_keep_their_pace(hall, caplog, monkeypatch):
    """F08: engineio would queue for it without end."""
    # A busy machine must get there before the library's own ping gives the silent client up.
    monkeypatch.setattr("signaling.socket.QUEUE_LIMIT", 32)
    await hall.socket("chair")
    deputy = await hall.socket("deputy")
    async with raw_socket(hall, "secretary") as ws:
        await ws.send_str("42" + json.dumps(["room.enter", {"command": str(uuid4())}]))
        await deputy.until(lambda me: sum(person["online"] for person in me.state["people"]) == 3)
        secretary = next(p["seat"] for p in deputy.state["people"] if p["role"] == "secretary")
        room = hall.signaling.sessions.rooms[hall.consilium]
        longest, sent, text = 0.0, 0, "долго " * 330
        async with asyncio.timeout(60):
            while UUID(secretary) in room.connections:
                started = time.monotonic()
                await asyncio.to_thread(hall.do, "chair", c.SendChat(consilium=hall.consilium, text=text))
                sent += 1
                head = hall.signaling.broadcast._head(hall.consilium)
                await deputy.until(lambda me, head=head: me.seq >= head)
                longest = max(longest, time.monotonic() - started)
        assert "client cut" in caplog.text
        assert longest < 2, "the others waited for the slow one"
    assert [m["seq"] for m in deputy.seen] == sorted(m["seq"] for m in deputy.seen)
    back = await hall.socket("secretary")
    assert len(back.state["chat"]) == min(sent, 200)


# --- two processes --------------------------------------------------------------------------------------


@asynccontextmanager
async def two_servers(settings: Any, aiohttp_server: Any, redis_address: str) -> Any:
    """Two signaling servers with stores, hints and rooms of their own on one database and one Redis."""
    halls = []
    shared = replace(settings, redis_url=redis_address, media_controls=())
    for _ in range(2):
        port = unused_port()
        own = replace(shared, public_origin=f"http://127.0.0.1:{port}")
        service = bootstrap.service(own)

        async def serve(behind: Any, own: Any = own, port: int = port) -> Any:
            app = web.Application()
            signaling = attach(app, behind, own)
            return signaling, await aiohttp_server(app, host="127.0.0.1", port=port, shutdown_timeout=1.0)

        halls.append((service, own.public_origin, serve))
    from consilium import demo

    demo.load(halls[0][0])
    first = Hall(*halls[0])
    second = Hall.__new__(Hall)
    second.__dict__.update(first.__dict__)
    second.service, second.url, second._serve = halls[1]
    second.sockets = []
    await first.start()
    await second.start()
    try:
        yield first, second
    finally:
        for hall in (first, second):
            for sio in hall.sockets:
                await sio.disconnect()
            await hall.stop()


@pytest.mark.parametrize("database_url", ["postgres"], indirect=True)
@pytest.mark.needs_postgres
@pytest.mark.needs_redis
async def test_two_servers_deliver_everything_in_order_even_without_redis(
    settings, aiohttp_server, postgres_url, caplog
):
    with services.redis_server() as address:
        async with two_servers(settings, aiohttp_server, address) as (here, there):
            chair = await here.socket("chair")
            deputy = await there.socket("deputy")
            member = await there.socket("member1")
            await chair.until(lambda me: me.state["lobby"])
            await chair.call("seat.admit_all")
            await member.until(lambda me: me.state["me"]["admission"] == "admitted")
            await chair.call("presence.set", mic=True, camera=False)
            devices = await deputy.heard("presence")
            assert devices["people"]

            started = time.monotonic()
            await chair.call("chat.send", text="с подсказкой")
            await deputy.until(lambda me: me.state["chat"])
            assert time.monotonic() - started < 3

            with redis.Redis.from_url(address) as client:
                client.shutdown(nosave=True)
            for number in range(5):
                sender = (chair, deputy)[number % 2]
                await sender.call("chat.send", text=f"без подсказки {number}")
            for sock in (chair, deputy, member):
                await sock.until(lambda me: len(me.state["chat"]) == 6)
                numbers = [message["seq"] for message in sock.seen]
                assert numbers == sorted(numbers)
                assert sorted(set(numbers)) == list(range(numbers[0], numbers[-1] + 1))
            await chair.call("presence.set", mic=False, camera=False)


@pytest.mark.parametrize("database_url", ["postgres"], indirect=True)
@pytest.mark.needs_postgres
@pytest.mark.needs_redis
async def test_somebody_who_moves_to_the_other_server_is_not_lost_by_the_first(
    settings, aiohttp_server, redis_url, monkeypatch
):
    monkeypatch.setattr("signaling.server.GRACE", 0.5)
    monkeypatch.setattr("signaling.server.UPKEEP_EVERY", 0.2)
    async with two_servers(settings, aiohttp_server, redis_url) as (here, there):
        chair = await here.socket("chair")
        deputy = await here.socket("deputy")
        await deputy.sio.disconnect()
        moved = await there.socket("deputy")
        room = here.signaling.sessions.rooms[here.consilium]
        async with asyncio.timeout(5):
            while room.leaving:
                await asyncio.wait(room.leaving.values())
        await chair.sync()
        online = {person["role"] for person in chair.state["people"] if person["online"]}
        assert online == {"chair", "deputy"}
        assert not [m for m in chair.seen if m["name"] == "ParticipantLeft"]
        assert isinstance(moved.sio, socketio.AsyncClient)
