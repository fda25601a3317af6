"""Who sits at the table of a journey, and what its steps hand to one another."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from playwright.async_api import Browser

from signaling.bots.demo import BOARD, Demonstration
from signaling.bots.person import Bot
from signaling.bots.sections import write_section
from tests.installations import one_machine
from tests.journeys.browsers import PASSWORD, ChromiumWindow, Window, chromium, firefox_window


@dataclass(slots=True)
class Table:
    """Ivanova asks from the region, Orlov presides, Volkov works in English, Morozova sits at a Firefox.

    The secretary is a bot; the appointed deputy does not come.
    """

    folder: Path
    doctor: ChromiumWindow
    chair: ChromiumWindow
    member: ChromiumWindow
    other: Window
    coordinator: ChromiumWindow
    secretary: Bot
    requests: list[str] = field(default_factory=list)
    consilium: str = ""
    protocol: str = ""
    seats: dict[str, str] = field(default_factory=dict)

    @property
    def windows(self) -> tuple[Window, ...]:
        """The four who sit in the room."""
        return (self.chair, self.doctor, self.member, self.other)

    @property
    def errors(self) -> dict[str, list[str]]:
        """What the pages complained about on their consoles, by person."""
        every = (*self.windows, self.coordinator)
        return {window.name: window.errors for window in every if window.errors}


@asynccontextmanager
async def laid_table(chromium_path: str, folder: Path) -> AsyncIterator[Table]:
    """A running installation, four Chromium contexts, a Firefox and a bot; gone when the block ends."""
    async with AsyncExitStack() as stack:
        url = stack.enter_context(one_machine()).url
        browser = await stack.enter_async_context(chromium(chromium_path))
        firefox = await stack.enter_async_context(firefox_window(url, "firefox"))
        secretary = await stack.enter_async_context(Bot(url, "secretary"))
        yield Table(
            folder,
            doctor=await ChromiumWindow.open(browser, url, "doctor"),
            chair=await ChromiumWindow.open(browser, url, "chair"),
            member=await ChromiumWindow.open(browser, url, "member", locale="en-GB"),
            other=firefox,
            coordinator=await ChromiumWindow.open(browser, url, "coordinator"),
            secretary=secretary,
        )


@asynccontextmanager
async def scheduled(
    chromium_path: str, folder: Path, **settings: str
) -> AsyncIterator[tuple[Browser, Demonstration]]:
    """A Chromium, and an installation where bots have asked, accepted and scheduled; everybody is signed in."""
    async with AsyncExitStack() as stack:
        play = Demonstration(
            stack.enter_context(one_machine(**settings)).url, folder / "package.asice", print
        )
        for login in (*BOARD, "expert", "observer", "coordinator", "outsider"):
            play.bots[login] = await stack.enter_async_context(Bot(play.url, login, PASSWORD))
        await play.sign_in()
        await play.ask()
        await play.schedule()
        yield await stack.enter_async_context(chromium(chromium_path)), play


async def opened(play: Demonstration, *doors: ChromiumWindow) -> str:
    """Bots and browsers come in, the first case is opened, its document shown; answers the item's id."""
    chair = play["chair"]
    for window in doors:
        await window.goto(f"/room/{play.consilium}")
        await window.see("[data-testid=lobby]")
    for login in ("chair", "deputy", "secretary"):
        await play[login].connect(play.consilium)
    await chair.until(lambda s: len(s["lobby"]) == len(doors), "everybody at the door")
    await chair.room("seat.admit_all")
    for window in doors:
        await window.see("[data-testid=room]")
    item: str = (await chair.until(lambda s: s["agenda"], "the agenda"))[0]["item"]
    await chair.room("agenda.open", item=item)
    document = (await chair.until(lambda s: s["case"]["documents"], "the documents"))[0]["id"]
    await chair.room("document.show", document=document, page=1)
    return item


async def put_to_vote(play: Demonstration, item: str, wording: str) -> str:
    """The chair words, opens the vote, votes for with the deputy, and shows the ballot; answers its id."""
    chair = play["chair"]
    proposed = await chair.room("resolution.propose", item=item, wording=wording)
    ballot = await chair.room("vote.open", **{key: proposed[key] for key in ("resolution", "revision")})
    for login in ("chair", "deputy"):
        await play[login].room("vote.cast", ballot=ballot["ballot"], digest=ballot["digest"], choice="for")
    await chair.room("layout.set", layout="vote")
    return str(ballot["ballot"])


async def frozen(play: Demonstration, item: str) -> None:
    """The case is decided, its protocol finished and frozen."""
    chair = play["chair"]
    play.protocol = (await chair.room("agenda.close", item=item, outcome="decided"))["protocol"]
    await chair.room("layout.set", layout="protocol")
    await write_section(chair, play.protocol, "course", "Образование выявлено в мае, два курса терапии.")
    await write_section(chair, play.protocol, "state", "Состояние удовлетворительное, ECOG 1.")
    await chair.api("protocol.freeze", protocol=play.protocol)
