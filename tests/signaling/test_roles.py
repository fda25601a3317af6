"""Every event a socket may send, against every role; one that is not in the table fails the build (S01).

The role comes from the seat and is checked by the server before anything is looked up, so payloads here name
things that do not exist: who may ask is told that, who may not is refused for his role.
"""

from __future__ import annotations

from uuid import uuid4

import pytest

from consilium.commands import ROOM
from signaling import wire

EVERYBODY = {"chair", "deputy", "secretary", "member1", "ivanova", "expert", "observer"}
SPEAKERS = EVERYBODY - {"observer"}
BOARD = {"chair", "deputy", "member1"}
CHAIR = {"chair"}
OFFICERS = {"chair", "secretary"}

# Event -> logins whose role may do it, once admitted. Nobody else, and nobody who still waits.
TABLE: dict[str, set[str]] = {
    "room.enter": EVERYBODY,
    "room.leave": EVERYBODY,
    "room.close": CHAIR,
    "room.sync": EVERYBODY,
    "seat.admit": OFFICERS,
    "seat.admit_all": OFFICERS,
    "seat.deny": OFFICERS,
    "chair.take": CHAIR,  # the others only when it is offered to them: rules/test_lobby.py
    "layout.set": CHAIR,
    "agenda.open": CHAIR,
    "agenda.close": CHAIR,
    "document.open": set(),  # of a case that is not on the agenda: nobody (test_requests.py has the rest)
    "document.show": CHAIR,  # and whoever the chair makes presenter
    "presenter.pass": CHAIR,
    "hand.raise": SPEAKERS,
    "hand.lower": EVERYBODY,
    "floor.give": CHAIR,
    "floor.release": CHAIR,
    "chat.send": SPEAKERS,
    "recording.ask": CHAIR,
    "recording.answer": EVERYBODY,
    "recording.stop": CHAIR,
    "resolution.propose": BOARD | OFFICERS,
    "resolution.reword": BOARD | OFFICERS,
    "resolution.withdraw": CHAIR,
    "vote.open": CHAIR,
    "vote.cast": BOARD,
    "vote.close": CHAIR,
    "member.recuse": BOARD,
    "dissent.write": BOARD | {"ivanova"},
    "dissent.withdraw": EVERYBODY,  # one's own; who has none is told so
    "protocol.write": set(),  # no protocol yet: handlers' tests and the journeys have the rest
    "presence.set": EVERYBODY,
    "viewer.move": CHAIR,
    "draft.open": set(),
    "draft.close": EVERYBODY,
    "media.publish": EVERYBODY,  # an observer's offer is answered, his packets are dropped (media/test_room.py)
    "media.subscribe": EVERYBODY,
    "media.answer": EVERYBODY,
    "media.view": EVERYBODY,
    "media.restart": EVERYBODY,
    "media.servers": EVERYBODY,
    "media.unheard": EVERYBODY,
    "probe.publish": EVERYBODY,
    "probe.subscribe": EVERYBODY,
    "probe.answer": EVERYBODY,
    "probe.close": EVERYBODY,
}
WAITING = {
    "room.enter",
    "room.leave",
    "room.sync",
    "draft.close",
    "media.servers",
    "probe.publish",
    "probe.subscribe",
    "probe.answer",
    "probe.close",
}
"""What somebody in the lobby may send."""

REFUSED_FOR_THE_ROLE = {
    "chair_present",
    "not_your_role",
    "not_admitted",
    "not_entitled",
    "forbidden",
    "not_a_member",
}
LAST = ["room.close", "room.leave"]
"""With a case open the chair is told so and the room goes on; the observer leaves at the very end."""


def test_the_table_has_every_event_and_no_other():
    assert set(TABLE) == set(ROOM) | set(wire.CLIENT)


def payload(name, opened):
    samples = {
        "request": str(uuid4()), "document": str(uuid4()), "seat": str(uuid4()), "layout": "record", "item": str(uuid4()),
        "outcome": "postponed", "reason": "x", "text": "x", "wording": "x", "resolution": str(uuid4()), "revision": 9,
        "ballot": str(uuid4()), "choice": "for", "digest": "0" * 64, "protocol": str(uuid4()), "update": "AAAA",
        "mic": True, "camera": True, "page": 1, "zoom": 1.0, "sdp": "v=0", "sources": {}, "epoch": 1, "pc": "publish",
        "ground": "x", "agrees": True, "tiles": {"8": {"height": 180, "visible": True}},
    }  # fmt: skip
    samples |= opened.get(name, {})
    if name in {"hand.lower", "floor.give", "presenter.pass"}:
        del samples["seat"]
    if name == "presenter.pass":
        samples["seat"] = None
    if name == "document.show":
        samples["document"] = None
    return samples


@pytest.fixture
async def table(hall):
    """Everybody admitted, a case open, a resolution drafted, another one being voted on."""
    chair = await hall.socket("chair")
    socks = {"chair": chair}
    for login in sorted(EVERYBODY - {"chair"}):
        socks[login] = await hall.socket(login)
    await chair.call("seat.admit_all")
    item = chair.state["agenda"][0]["item"]
    await chair.call("agenda.open", item=item)
    voted = await chair.call("resolution.propose", item=item, wording="Оперировать")
    ballot = await chair.call("vote.open", resolution=voted["resolution"], revision=0)
    draft = await chair.call("resolution.propose", item=item, wording="Наблюдать")
    opened = {
        "vote.cast": {"ballot": ballot["ballot"], "digest": ballot["digest"]},
        "resolution.propose": {"item": item},
        "resolution.reword": {"resolution": draft["resolution"]},
        "resolution.withdraw": {"resolution": voted["resolution"]},
        "dissent.write": {"item": item, "ballot": None, "revision": 0},
        "member.recuse": {"item": item, "reason": " "},
        "vote.open": {"resolution": draft["resolution"]},
    }
    return socks, opened


async def test_every_event_is_refused_to_every_role_that_may_not_send_it(table):
    socks, opened = table
    wrong = []
    for name in [*sorted(set(TABLE) - set(LAST)), *LAST]:
        for login in sorted(EVERYBODY):
            if name == "room.leave" and login != "observer":
                continue
            sock = socks[login]
            hall_limits(sock)
            answer = await sock.raw(name, {"command": str(uuid4()), **payload(name, opened)})
            code = "" if answer["ok"] else answer["error"]["code"]
            may = code not in REFUSED_FOR_THE_ROLE | {
                "invalid_message",
                "unknown_command",
                "internal",
                "not_found",
            }
            exists = login in TABLE[name]
            if exists and code == "not_found":
                may = True
            if may is not exists or code in {"invalid_message", "unknown_command", "internal"}:
                wrong.append((name, login, code or "ok"))
    assert wrong == [], wrong


def hall_limits(sock):
    """The walk is faster than any person: give this socket a fresh allowance."""
    for one in sock.hall.signaling.sessions.by_sid.values():
        one.limits = type(one.limits)()


@pytest.mark.parametrize("login", ["member1", "observer", "expert"])
async def test_somebody_in_the_lobby_may_send_nothing_of_the_room(hall, login):
    await hall.socket("chair")
    sock = await hall.socket(login)
    wrong = []
    for name in [*sorted(set(TABLE) - set(LAST)), "room.leave"]:
        hall_limits(sock)
        answer = await sock.raw(name, {"command": str(uuid4()), **payload(name, {})})
        code = "" if answer["ok"] else answer["error"]["code"]
        refused = code in {
            "not_admitted",
            "not_your_role",
            "not_found",
            "wrong_step",
            "forbidden",
            "not_entitled",
        }
        if refused is (name in WAITING) and code != "media_unavailable":
            wrong.append((name, code or "ok"))
    assert wrong == []
