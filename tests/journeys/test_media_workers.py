"""Two media workers, small rooms, tones that tell who is heard: a worker dies, hangs or is asked to go."""

from __future__ import annotations

import asyncio
import os
import re
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import UUID

import pytest
import sqlalchemy as sa

from consilium.store import Store
from consilium.store.placements import find_all
from consilium.store.tables import media_summaries
from media.control import MediaClient, Message
from signaling.bots.crowd import Crowd
from signaling.bots.person import BotRefused
from tests import installations
from tests.installations import Installation
from tests.services import until

pytestmark = pytest.mark.timeout(240)

BACK_WITHIN = 10.0
"""Generous: on a quiet machine it is a fraction of a second, see bench.restore for figures."""


class Rooms:
    """A crowd in two rooms on one machine with two workers."""

    def __init__(self, machine: Installation, crowd: Crowd) -> None:
        self.machine = machine
        self.crowd = crowd
        self._store = Store(machine.settings.database_url)

    def places(self) -> dict[str, str]:
        """Consilium -> name of the part that has its media."""
        with self._store.read() as reader:
            found = find_all(reader.connection, [UUID(room[0].consilium) for room in self.crowd.rooms])
        controls = self.machine.settings.media_controls
        return {str(room): f"media-{controls.index(one.worker) + 1}" for room, one in found.items()}

    def on(self, part: str) -> set[str]:
        return {room for room, place in self.places().items() if place == part}

    def summaries(self) -> int:
        with self._store.read() as reader:
            return len(reader.connection.execute(sa.select(media_summaries.c.id)).all())

    async def back(self, consilia: set[str], since: float) -> None:
        """Every pair hears each other again, nobody a stranger; prints how long it took."""
        await self.crowd.moved(consilia, since)
        await self.crowd.hear()
        times = sorted(self.crowd.heard_since(since, consilia))
        print(
            f"heard again after {times[len(times) // 2]:.2f} s (median), {times[-1]:.2f} s (last of {len(times)})"
        )
        assert times[-1] < BACK_WITHIN
        assert self.crowd.strangers() == []

    async def go_on(self) -> None:
        """New sounds of everybody, on whatever they have now."""
        self.crowd.forget()
        await self.crowd.hear()
        assert self.crowd.strangers() == []

    async def hello(self, part: str) -> Message:
        control = self.machine.settings.media_controls[int(part.removeprefix("media-")) - 1]
        client = MediaClient(control, lambda _: None)
        try:
            return await client.connect(10)
        finally:
            await client.close()

    def close(self) -> None:
        self._store.close()


@asynccontextmanager
async def two_rooms(**more: str) -> AsyncIterator[Rooms]:
    with installations.one_machine(CONSILIUM_MEDIA_WORKERS="2", **more) as machine:
        crowd = Crowd(machine.url, rooms=2, people=3)
        async with crowd.there():
            rooms = Rooms(machine, crowd)
            await crowd.speak()
            await crowd.hear()
            yield rooms
            rooms.close()


def now() -> float:
    return asyncio.get_running_loop().time()


async def test_rooms_of_a_killed_worker_go_on_at_the_other_and_no_other_room_notices():
    """F25; the supervisor's next worker takes rooms again."""
    async with two_rooms() as rooms:
        assert set(rooms.places().values()) == {"media-1", "media-2"}, "spread over both"
        touched = rooms.on("media-1")
        untouched = [bot.media for bot in rooms.crowd.bots(rooms.on("media-2"))]
        before = rooms.machine.pid("media-1")
        rooms.crowd.forget()
        killed = now()
        rooms.machine.kill("media-1")
        await rooms.back(touched, killed)
        assert set(rooms.places().values()) == {"media-2"}
        assert all(media is not None and "moved" not in media.stages for media in untouched)
        await asyncio.to_thread(
            until,
            lambda: installations.processes(rooms.machine.settings).get("media-1") not in (None, before),
            "media-1 again",
        )
        await rooms.hello("media-1")
        rooms.crowd.forget()
        killed = now()
        rooms.machine.kill("media-2")
        await rooms.back(set(rooms.places()), killed)
        assert set(rooms.places().values()) == {"media-1"}
        await rooms.crowd.rooms[0][-1].room("room.leave")
        await asyncio.to_thread(until, rooms.summaries, "what his connection was like")


async def test_a_hanging_worker_loses_its_rooms_and_closes_them_when_it_wakes_up():
    """F26: fenced. What it still has of the old incarnation reaches nobody and ends."""
    async with two_rooms() as rooms:
        touched = rooms.on("media-1")
        hanging = rooms.machine.pid("media-1")
        rooms.crowd.forget()
        stopped = now()
        os.kill(hanging, signal.SIGSTOP)
        try:
            await rooms.back(touched, stopped)
        finally:
            os.kill(hanging, signal.SIGCONT)
        async with asyncio.timeout(20):
            while (await rooms.hello("media-1"))["rooms"]:
                await asyncio.sleep(0.05)
        assert rooms.machine.pid("media-1") == hanging
        await rooms.go_on()
        assert rooms.on("media-1") == set()


async def test_a_rolling_restart_of_all_workers_fails_no_command_and_media_is_back():
    """F12: SIGTERM, rooms move while the old worker still forwards, it ends with 0."""
    async with two_rooms() as rooms:
        chair, stop, failed, sent = rooms.crowd.rooms[0][0], asyncio.Event(), [], 0

        async def command() -> None:
            nonlocal sent
            while not stop.is_set():
                try:
                    await chair.room("hand.raise" if sent % 2 == 0 else "hand.lower")
                except BotRefused as refused:
                    failed.append(refused.code)
                sent += 1
                await asyncio.sleep(0.2)

        commands = asyncio.create_task(command())
        for part in ("media-1", "media-2"):
            await rooms.hello(part)
            touched, old = rooms.on(part), rooms.machine.pid(part)
            rooms.crowd.forget()
            told = now()
            os.kill(old, signal.SIGTERM)
            await rooms.back(touched, told)
            # The next one only when this one is back, as whoever restarts them by hand is told to.
            await asyncio.to_thread(
                until,
                lambda part=part, old=old: (
                    installations.processes(rooms.machine.settings).get(part) not in (None, old)
                ),
                f"{part} again",
            )
            await rooms.hello(part)
        stop.set()
        await commands
        assert (failed, sent > 5) == ([], True)
        await rooms.go_on()
        deaths = re.findall(r"child\.died part=(\S+) status=(-?\d+)", rooms.machine.log.read_text("utf-8"))
        assert deaths == [("media-1", "0"), ("media-2", "0")]
