"""What sockets may ask and what they hear, over a real store. Refusals first."""

import asyncio
from datetime import timedelta
from uuid import uuid4

import pytest
import socketio
from socketio.exceptions import ConnectionError as NotConnected

from consilium import commands as c
from consilium.commands import ROOM
from consilium.handlers.meeting import touch
from consilium.store import sessions as tokens
from signaling import reference, wire
from tests.conftest import ROOT


async def refused(hall, auth):
    sio = socketio.AsyncClient(reconnection=False)
    hall.sockets.append(sio)
    with pytest.raises(NotConnected):
        await sio.connect(hall.url, auth=auth, transports=["websocket"])


@pytest.mark.parametrize(
    "auth",
    [
        None,
        {},
        {"ticket": None},
        {"ticket": 7},
        {"ticket": "x" * 300, "protocol": 1},
        {"ticket": "no", "protocol": 1},
        ["x"],
        "x",
    ],
)
async def test_a_connection_without_a_good_ticket_is_refused(hall, auth):
    await refused(hall, auth)
    assert hall.signaling.sessions.by_sid == {}


async def test_a_ticket_works_once_and_not_after_its_time_and_not_under_another_protocol(hall):
    ticket = hall.ticket("chair", hall.consilium)
    await refused(hall, {"ticket": ticket, "protocol": 99})
    late = hall.ticket("chair", hall.consilium, timedelta(seconds=-1))
    await refused(hall, {"ticket": late, "protocol": 1})
    used = hall.ticket("chair", hall.consilium)
    sio = socketio.AsyncClient(reconnection=False)
    hall.sockets.append(sio)
    await sio.connect(hall.url, auth={"ticket": used, "protocol": 1}, transports=["websocket"])
    await refused(hall, {"ticket": used, "protocol": 1})


async def test_somebody_without_a_seat_is_refused_like_anybody(hall):
    await refused(hall, {"ticket": hall.ticket("outsider", hall.consilium), "protocol": 1})


async def test_a_foreign_origin_is_refused_with_or_without_a_forwarded_host(hall):
    for headers in (
        {"Origin": "https://evil.example"},
        {"Origin": "https://evil.example", "X-Forwarded-Host": "evil.example"},
    ):
        sio = socketio.AsyncClient(reconnection=False)
        hall.sockets.append(sio)
        auth = {"ticket": hall.ticket("chair", hall.consilium), "protocol": 1}
        with pytest.raises(NotConnected):
            await sio.connect(hall.url, auth=auth, headers=headers, transports=["websocket"])


async def test_an_undeclared_event_gets_its_code_and_so_do_the_library_s_own_names(hall):
    sock = await hall.socket("chair")
    for name in ("vote.steal", "connect", "disconnect", "", "__class__"):
        answer = await sock.raw(name, {"command": str(uuid4())})
        assert answer["error"]["code"] == "unknown_command"
    assert (await sock.raw("room.sync", {}))["ok"], "the connection lives on"


@pytest.mark.parametrize(
    "data", [None, 1, "x", [], [1], {"command": 5}, {"command": "x"}, {"seat": {}, "command": []}]
)
async def test_a_message_of_another_shape_is_refused_and_acknowledged(hall, data):
    sock = await hall.socket("chair")
    answer = await sock.raw("seat.admit", data)
    assert answer["error"]["code"] == "invalid_message"


async def test_every_room_command_is_refused_before_admission_and_nothing_changes(hall):
    member = await hall.socket("member1")
    before = hall.signaling.broadcast._head(hall.consilium)
    samples = {
        "request": str(uuid4()), "document": str(uuid4()), "seat": str(uuid4()), "layout": "vote", "item": str(uuid4()),
        "outcome": "decided", "text": "x", "wording": "x", "resolution": str(uuid4()), "revision": 0,
        "ballot": str(uuid4()), "choice": "for", "digest": "0" * 64, "reason": "x", "protocol": str(uuid4()), "update": "AAAA",
        "ground": "x", "agrees": True,
    }  # fmt: skip
    for name in sorted(ROOM - {"room.enter", "room.leave"}):
        code = await member.refused(name, **samples)
        assert code in {"not_admitted", "not_found", "wrong_step", "not_your_role"}, (name, code)
    assert hall.signaling.broadcast._head(hall.consilium) == before
    assert await member.refused("media.publish", sdp="v=0", sources={}) == "not_admitted"
    assert await member.refused("presence.set", mic=True, camera=True) == "not_admitted"


async def test_before_admission_nothing_of_the_case_is_shown(hall):
    member = await hall.socket("member1")
    assert member.state["me"]["admission"] == "waiting"
    assert member.state["agenda"] == member.state["people"] == []
    assert member.state["case"] is None
    assert "Тестов" not in str(member.state)


async def test_the_chair_sees_who_waits_and_admits_and_the_newcomer_gets_the_room(hall):
    member = await hall.socket("member1")
    chair = await hall.socket("chair")
    waiting = chair.state["lobby"][0]
    assert (waiting["role"], waiting["organisation"]) == (
        "member",
        "НМИЦ онкологии (демонстрация)",
    )
    assert "Волков" in waiting["name"]
    await chair.call("seat.admit", seat=waiting["seat"])
    await member.until(lambda me: me.state["me"]["admission"] == "admitted")
    assert member.state["agenda"][0]["patient"] == "Тестов Иван"
    assert member.state["lobby"] == []


async def test_one_who_is_denied_hears_why_not_and_is_disconnected(hall):
    observer = await hall.socket("observer")
    chair = await hall.socket("chair")
    await chair.call("seat.deny", seat=chair.state["lobby"][0]["seat"], reason="мест нет")
    assert (await observer.heard("room.gone"))["reason"] == "denied"
    async with asyncio.timeout(5):
        await observer.sio.wait()
    again = await hall.socket("observer")
    assert again.state["me"]["admission"] == "waiting", "a new knock waits again"


async def test_events_come_in_order_without_gaps_and_patches_make_the_fresh_snapshot(hall):
    chair = await hall.socket("chair")
    deputy = await hall.socket("deputy")
    start = deputy.seq
    item = chair.state["agenda"][0]["item"]
    await chair.call("agenda.open", item=item)
    await deputy.call("hand.raise")
    await chair.call("layout.set", layout="vote")
    await chair.call("resolution.propose", item=item, wording="Оперировать")
    await chair.call("chat.send", text="коллеги")
    await deputy.until(lambda me: me.state["chat"])
    seqs = [message["seq"] for message in deputy.seen if message["seq"] > start]
    assert seqs == list(range(start + 1, start + 1 + len(seqs)))
    patched = dict(deputy.state)
    await deputy.sync()
    for section, content in patched.items():
        if section != "consilium":  # holds the server's time
            assert content == deputy.state[section], section


async def test_a_client_that_missed_events_pulls_them(hall):
    chair = await hall.socket("chair")
    deputy = await hall.socket("deputy")
    since = deputy.seq
    await deputy.sio.disconnect()
    await chair.call("agenda.open", item=chair.state["agenda"][0]["item"])
    await chair.call("layout.set", layout="record")
    back = await hall.socket("deputy", enter=False)
    answer = await back.call("room.sync", since=since)
    assert [one["name"] for one in answer["missed"]] == ["ItemOpened", "LayoutSet"]
    assert answer["snapshot"]["consilium"]["layout"] == "record"


async def test_a_retried_command_is_done_once_and_answers_the_same(hall):
    chair = await hall.socket("chair")
    message = {"command": str(uuid4()), "text": "один раз"}
    first, second = await asyncio.gather(chair.raw("chat.send", message), chair.raw("chat.send", message))
    assert first == second
    await chair.until(lambda me: me.state["chat"])
    await chair.sync()
    assert len(chair.state["chat"]) == 1
    reused = await chair.raw("chat.send", {**message, "text": "другое"})
    assert reused["error"]["code"] == "command_id_reused"


async def test_a_second_connection_takes_the_seat_over(hall):
    first = await hall.socket("chair")
    second = await hall.socket("chair")
    assert (await first.heard("room.gone"))["reason"] == "elsewhere"
    assert second.state["consilium"]["chair"] == second.state["me"]["seat"]
    assert second.state["people"][0]["online"]


async def test_how_somebody_voted_is_hidden_until_the_close(hall):
    chair = await hall.socket("chair")
    others = {login: await hall.socket(login) for login in ("deputy", "member1", "member2")}
    await chair.call("seat.admit_all")
    item = chair.state["agenda"][0]["item"]
    await chair.call("agenda.open", item=item)
    resolution = await chair.call("resolution.propose", item=item, wording="Оперировать")
    opened = await chair.call("vote.open", resolution=resolution["resolution"], revision=0)
    ballot = {"ballot": opened["ballot"], "digest": opened["digest"]}
    await others["member1"].call("vote.cast", choice="against", **ballot)
    deputy = others["deputy"]
    await deputy.until(lambda me: me.state["decision"]["ballot"]["voted"])
    assert "against" not in str(deputy.state["decision"])
    cast = await deputy.until(lambda me: next((m for m in me.seen if m["name"] == "VoteCast"), None))
    assert set(cast["data"]) == {"ballot", "seat"}
    mine = await others["member1"].until(lambda me: me.state["me"]["vote"])
    assert mine["choice"] == "against"
    await chair.call("vote.close", ballot=opened["ballot"])
    result = await deputy.until(lambda me: me.state["decision"]["results"])
    assert [vote["choice"] for vote in result[0]["votes"]] == ["against"]


async def test_the_presenter_alone_moves_the_view_and_a_latecomer_gets_the_last_one(hall):
    chair = await hall.socket("chair")
    deputy = await hall.socket("deputy")
    view = {
        "document": str(uuid4()),
        "page": 3,
        "zoom": 1.5,
        "x": 0.25,
        "y": 0.75,
        "pointer": {"x": 0.1, "y": 0.9},
    }
    assert await deputy.refused("viewer.move", **view) == "not_your_role"
    await chair.call("viewer.move", **view)
    followed = await deputy.heard("viewer.move")
    assert (followed["page"], followed["pointer"]) == (3, {"x": 0.1, "y": 0.9})
    secretary = await hall.socket("secretary", enter=False)
    await secretary.call("room.enter")
    answer = await secretary.call("room.sync", since=0)
    assert answer["viewer"]["zoom"] == 1.5


async def test_too_many_messages_are_told_to_slow_down(hall):
    chair = await hall.socket("chair")
    answers = await asyncio.gather(*(chair.raw("room.sync", {}) for _ in range(80)))
    codes = {answer["error"]["code"] for answer in answers if not answer["ok"]}
    assert codes == {"rate_limited"}


async def test_signing_out_ends_the_socket(hall):
    chair = await hall.socket("chair")
    from consilium.clock import now

    with hall.service.parts.store.write(now()) as tx:
        tokens.end_sessions(tx, hall.actor("chair").person_id)
    assert (await chair.heard("room.gone"))["reason"] == "signed_out"


async def test_a_person_lost_is_marked_at_his_last_sign_of_life(hall, monkeypatch):
    monkeypatch.setattr("signaling.server.GRACE", 0.3)
    chair = await hall.socket("chair")
    deputy = await hall.socket("deputy")
    seat = deputy.state["me"]["seat"]
    await deputy.sio.disconnect()
    left = await chair.until(
        lambda me: next((message for message in me.seen if message["name"] == "ParticipantLeft"), None)
    )
    assert left["data"]["seat"] == seat
    await chair.until(lambda me: not next(p for p in me.state["people"] if p["seat"] == seat)["online"])
    assert left["data"]["lost"]


def _online(me, seat):
    return next(person for person in me.state["people"] if person["seat"] == seat)["online"]


async def test_a_heartbeat_is_kept_without_an_event(hall):
    chair = await hall.socket("chair")
    from uuid import UUID

    from consilium.clock import now

    before = hall.signaling.broadcast._head(hall.consilium)
    touch(hall.service.parts, hall.consilium, [UUID(chair.state["me"]["seat"])], now())
    assert hall.signaling.broadcast._head(hall.consilium) == before


async def test_a_page_s_socket_hears_only_that_something_of_its_own_changed(hall):
    async def page(login):
        from tests.signaling.conftest import Sock

        sock = Sock()
        hall.sockets.append(sock.sio)
        auth = {"ticket": hall.ticket(login, None), "protocol": 1}
        await sock.sio.connect(hall.url, auth=auth, transports=["websocket"])
        return sock

    coordinator, outsider = await page("coordinator"), await page("outsider")
    hall.do("coordinator", c.CancelConsilium(consilium=hall.consilium, reason="перенос"))
    hint = await coordinator.heard("page.changed")
    assert set(hint) == {"kind", "id"}
    assert outsider.said == []
    assert await coordinator.refused("chat.send", text="x") == "invalid_message"


def test_the_wire_document_is_generated_from_the_schemas():
    assert (ROOT / "docs" / "wire.md").read_text() == reference.render()


def test_no_wire_message_has_the_name_of_a_command():
    assert not set(wire.CLIENT) & set(ROOM)
