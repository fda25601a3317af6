"""Who sits at the table of a journey, and what its steps hand to one another."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from signaling.bots.person import Bot
from tests.installations import one_machine
from tests.journeys.browsers import ChromiumWindow, Window, chromium, firefox_window


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
