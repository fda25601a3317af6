"""An address that changes under a call: a NAT in the way gives every flow another port (F33, A10)."""

import asyncio
import contextlib
import itertools
import re
import socket
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest

from media.control import Message
from tests.media.rig import ROOM, Participant, Relay, Tone, until

SILENCE_WITHIN = 3.0
"""Seconds. aiortc sends RTCP every 0.5 to 1.5 s and checks its path every 4 to 6 s: this is too short for a check."""


class Nat:
    """A UDP proxy on loopback: each client socket gets a port of its own towards the relay, until `forget`."""

    def __init__(self, relay: tuple[str, int]) -> None:
        self._relay = relay
        self._flows: dict[tuple[str, int], socket.socket] = {}
        self.seen: list[bytes] = []
        self._inside = self._open(self._outward)
        self.port = int(self._inside.getsockname()[1])

    def forget(self) -> None:
        """What the relay sends to the former ports is lost from now on."""
        for one in self._flows.values():
            self._close(one)
        self._flows.clear()

    def rtcp(self) -> list[bytes]:
        """What the client has sent of it (RFC 5761, 4)."""
        return [data for data in self.seen if data[0] >> 6 == 2 and 192 <= data[1] <= 223]

    def close(self) -> None:
        self.forget()
        self._close(self._inside)

    def _open(self, on_readable: Any) -> socket.socket:
        one = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        one.setblocking(False)
        one.bind(("127.0.0.1", 0))
        asyncio.get_running_loop().add_reader(one, on_readable, one)
        return one

    def _close(self, one: socket.socket) -> None:
        asyncio.get_running_loop().remove_reader(one)
        one.close()

    def _outward(self, inside: socket.socket) -> None:
        data, client = inside.recvfrom(2048)
        self.seen.append(data)
        if client not in self._flows:
            self._flows[client] = self._open(lambda one: inside.sendto(one.recv(2048), client))
        self._flows[client].sendto(data, self._relay)


class Behind:
    """A relay as somebody behind a NAT knows it: its candidates are the NAT's inner port."""

    def __init__(self, relay: Relay) -> None:
        self.relay, self.events = relay, relay.events
        self.nat: Nat | None = None

    async def ask(self, op: str, **fields: Any) -> Message:
        answer = await self.relay.ask(op, **fields)
        sdp = answer.get("sdp")
        if isinstance(sdp, str):
            found = re.search(r"candidate:\S+ 1 udp \d+ (127\.0\.0\.1) (\d+) typ host", sdp)
            assert found is not None
            self.nat = self.nat or Nat((found[1], int(found[2])))
            answer["sdp"] = sdp.replace(f"127.0.0.1 {found[2]} typ", f"127.0.0.1 {self.nat.port} typ")
        return answer


class Ear:
    """When each sound of a track was heard."""

    def __init__(self, track: Any) -> None:
        self.at: list[float] = []
        self._task = asyncio.create_task(self._listen(track))

    async def _listen(self, track: Any) -> None:
        while True:
            await track.recv()
            self.at.append(time.monotonic())

    async def silence_since(self, moment: float) -> float:
        """The longest pause around and after a moment, once the sound has come back."""
        await until(lambda: len([at for at in self.at if at > moment + 0.3]) >= 25, timeout=15)
        around = [at for at in self.at if at > moment - 0.2]
        return max(later - earlier for earlier, later in itertools.pairwise(around))

    async def close(self) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)


@contextlib.asynccontextmanager
async def talk(relay: Relay) -> AsyncIterator[tuple[Nat, Ear, Ear]]:
    """Anna behind a NAT and Boris speak; her NAT, what she hears, what he hears of her."""
    await relay.ask("room.open", **ROOM)
    behind = Behind(relay)
    anna, boris = Participant(behind, "anna"), Participant(relay, "boris")  # type: ignore[arg-type]
    for one in (anna, boris):
        await one.publish({"mic": Tone()})
        await one.subscribe(audio=1, video=0)
    assert behind.nat is not None
    ears = [
        Ear(one.track(await one.slot_with("mic", other))) for one, other in ((anna, "boris"), (boris, "anna"))
    ]
    await until(lambda: all(len(ear.at) > 25 for ear in ears))
    try:
        yield behind.nat, *ears
    finally:
        for ear in ears:
            await ear.close()
        await anna.close()
        await boris.close()
        behind.nat.close()


async def test_a_call_goes_on_when_a_nat_forgets(relay: Relay):
    async with talk(relay) as (nat, she_hears, he_hears):
        nat.forget()
        moment = time.monotonic()
        silences = await asyncio.gather(he_hears.silence_since(moment), she_hears.silence_since(moment))
    print(f"  silent for {silences[0]:.2f} s on the way up, {silences[1]:.2f} s on the way down")
    assert max(silences) < SILENCE_WITHIN


async def test_who_repeats_rtcp_from_elsewhere_draws_no_media(relay: Relay):
    """What was recorded on the way is no proof: SRTCP may not be repeated."""
    async with talk(relay) as (nat, she_hears, _):
        await until(lambda: len(nat.rtcp()) >= 3)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as thief:
            thief.setblocking(False)
            for data in nat.rtcp():
                thief.sendto(data, nat._relay)
            moment = time.monotonic()
            assert await she_hears.silence_since(moment) < SILENCE_WITHIN
            with pytest.raises(BlockingIOError):
                thief.recv(2048)
