"""Many small rooms at once, everybody with a tone of his own: who hears whom, and since when again.

The same few accounts sit in all rooms, a tab in each. Nobody speaks up: a tone is all a receiver needs to tell one
sender from another, and to notice the wrong one.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta

from consilium.clock import now
from signaling.bots.demo import request_fields
from signaling.bots.person import Bot, BotGaveUp

SEATS = (("chair", "chair"), ("deputy", "deputy"), ("secretary", "secretary"), ("member1", "member"))
WITHIN = 30.0


class Crowd:
    """Use `async with crowd.there():`; then `hear` waits until every pair does."""

    def __init__(self, url: str, rooms: int, people: int, socket_urls: tuple[str, ...] = ()) -> None:
        self.url = url
        self.rooms: list[list[Bot]] = []
        self._count = rooms
        self._people = SEATS[:people]
        self._socket_urls = socket_urls or (url,)

    @asynccontextmanager
    async def there(self) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            desks = {}
            for login in ("ivanova", "coordinator", *(login for login, _ in self._people)):
                desks[login] = await stack.enter_async_context(Bot(self.url, login))
                await desks[login].sign_in()
            for number in range(self._count):
                consilium = await _scheduled(desks, number)
                self.rooms.append(await self._seated(stack, desks, consilium))
            yield

    async def speak(self) -> None:
        """Everybody begins to send his tone."""
        for room in self.rooms:
            await asyncio.gather(*(bot.start_media(number, video=False) for number, bot in enumerate(room)))

    async def hear(self, within: float = WITHIN) -> None:
        """Until everybody has told the tone of everybody else in his room on his present connection."""
        try:
            async with asyncio.timeout(within):
                while any(_heard(bot, other) is None for bot, other in self.pairs()):
                    await asyncio.sleep(0.01)
        except TimeoutError:
            deaf = [
                f"{bot.login} of {other.login}" for bot, other in self.pairs() if _heard(bot, other) is None
            ]
            raise BotGaveUp(f"nothing heard after {within:.0f} s: {', '.join(deaf)}") from None

    def forget(self) -> None:
        """What was heard so far counts no more."""
        for bot, _ in self.pairs():
            if bot.media is not None:
                bot.media.heard.clear()
                bot.media.heard_again.clear()

    async def moved(self, consilia: Collection[str], since: float, within: float = WITHIN) -> None:
        """Until everybody in these rooms was told since the loop's time `since` to build his media anew, and has."""
        stages = [bot.media.stages for bot in self.bots(consilia) if bot.media is not None]
        async with asyncio.timeout(within):
            while any(
                one.get("answered", 0) < one.get("moved", 0) or one.get("moved", 0) < since for one in stages
            ):
                await asyncio.sleep(0.01)

    def bots(self, consilia: Collection[str]) -> list[Bot]:
        return [bot for room in self.rooms for bot in room if bot.consilium in consilia]

    def heard_since(self, moment: float, consilia: Collection[str]) -> list[float]:
        """Seconds from the loop's time `moment` until each pair of these rooms heard again."""
        times = [(bot, _heard(bot, other)) for bot, other in self.pairs()]
        return [at - moment for bot, at in times if at is not None and bot.consilium in consilia]

    def strangers(self) -> list[str]:
        """Whoever heard a tone that is not the seat's: none, or a room is wired wrongly."""
        return [
            f"{bot.login} heard {sorted(wrong)} as {other.login}"
            for bot, other in self.pairs()
            if bot.media is not None
            and (wrong := set(bot.media.heard[_seat(other)]) - {_number(self.rooms, other)})
        ]

    def pairs(self) -> Iterator[tuple[Bot, Bot]]:
        """(who hears, who is heard) in every room."""
        return ((bot, other) for room in self.rooms for bot in room for other in room if bot is not other)

    async def _seated(self, stack: AsyncExitStack, desks: dict[str, Bot], consilium: str) -> list[Bot]:
        room: list[Bot] = []
        for login, _ in self._people:
            tab = desks[login].another_tab()
            tab.socket_url = self._socket_urls[len(room) % len(self._socket_urls)]
            await stack.enter_async_context(tab)
            await tab.connect(consilium)
            room.append(tab)
        await room[0].room("seat.admit_all")
        for tab in room:
            await tab.until(lambda s: s["me"]["admission"] == "admitted", "being let in")
        return room


async def _scheduled(desks: dict[str, Bot], number: int) -> str:
    doctor, coordinator = desks["ivanova"], desks["coordinator"]
    organisation = coordinator.me["organisation"]
    request = (await doctor.api("request.create", fields=request_fields(organisation)))["request"]
    await doctor.api("request.send", request=request)
    await coordinator.api("request.accept", request=request)
    begin = now() + timedelta(minutes=1 + number)
    seats = [{"person": bot.me["person"], "role": role} for login, role in SEATS if (bot := desks.get(login))]
    scheduled = await coordinator.api(
        "consilium.schedule",
        kind="general",
        organisation=organisation,
        scheduled_at=begin.isoformat(),
        duration_minutes=30,
        cases=[request],
        seats=seats,
    )
    return str(scheduled["consilium"])


def _heard(bot: Bot, other: Bot) -> float | None:
    return bot.media.heard_again.get(_seat(other)) if bot.media is not None else None


def _seat(bot: Bot) -> str:
    return str(bot.state["me"]["seat"])


def _number(rooms: list[list[Bot]], bot: Bot) -> int:
    return next(room.index(bot) for room in rooms if bot in room)
