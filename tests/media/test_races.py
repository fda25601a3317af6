"""Requests in any order and all at once: each gets a proper answer, and nothing is left open afterwards."""

import asyncio
import gc
import logging
import random

import pytest

from media.errors import MediaError
from media.link import Link
from tests.media.rig import Picture, Relay, Tone, new_pc, until

PROPER = {"ok", "no_such_room", "no_such_peer", "stale_epoch", "wrong_state", "bad_sdp", "draining"}


async def outcome(relay: Relay, op: str, **fields: object) -> str:
    try:
        await relay.ask(op, **fields)
    except MediaError as error:
        return error.code
    return "ok"


@pytest.mark.parametrize("seed", range(4))
async def test_a_storm_of_requests_is_answered_and_leaves_nothing(
    relay: Relay, seed: int, caplog: pytest.LogCaptureFixture
):
    chance = random.Random(seed)
    offers = [await an_offer() for _ in range(3)]
    epoch = 1
    await relay.ask("room.open", room="r", epoch=1)

    def request() -> tuple[str, dict[str, object]]:
        nonlocal epoch
        where: dict[str, object] = {"room": "r", "epoch": epoch, "peer": chance.choice("abc")}
        match chance.randrange(13):
            case 0 | 1 | 2:
                may = chance.sample(["mic", "camera"], chance.randrange(3))
                sources = {"0": "mic", "1": "camera"}
                return "publish.offer", {
                    **where,
                    "sdp": chance.choice(offers),
                    "sources": sources,
                    "may": may,
                }
            case 3 | 4:
                return "subscribe.open", {**where, "audio": 2, "video": 2}
            case 5 | 6 | 7:
                return "peer.close", {**where, "reason": "storm"}
            case 8:
                return "publish.may", {**where, "may": []}
            case 9:
                return "subscribe.answer", {**where, "sdp": offers[0]}
            case 10:
                return "stats", {}
            case 11:
                return "subscribe.restart", where
            case _:
                epoch += chance.random() < 0.3
                return "room.open", {"room": "r", "epoch": epoch}

    seen: set[str] = set()
    with caplog.at_level(logging.ERROR):
        for _ in range(15):
            batch = [request() for _ in range(chance.randrange(1, 20))]
            seen.update(await asyncio.gather(*(outcome(relay, op, **fields) for op, fields in batch)))
        assert await outcome(relay, "room.close", room="r", epoch=epoch, reason="over") == "ok"
    assert seen <= PROPER
    assert "ok" in seen
    assert [record.message for record in caplog.records if record.name.startswith("media")] == []
    await until(lambda: gc.collect() >= 0 and not any(map(is_connection, gc.get_objects())))


def is_connection(thing: object) -> bool:
    return isinstance(thing, Link)


async def an_offer() -> str:
    pc = new_pc()
    pc.addTransceiver(Tone(), direction="sendonly")
    pc.addTransceiver(Picture(), direction="sendonly")
    await pc.setLocalDescription(await pc.createOffer())
    text = pc.localDescription.sdp
    await pc.close()
    return text
