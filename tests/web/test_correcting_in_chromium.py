"""After the meeting, in a real Chromium: one section is saved, and what stands in the others is not lost."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from playwright.async_api import expect

from consilium import commands as c
from consilium import drafts
from tests.web.test_signing_in_chromium import Desk, opened
from web.render import STATIC

pytestmark = [
    pytest.mark.needs_chromium,
    pytest.mark.skipif(
        not (STATIC / "dist" / "pages" / "protocol.js").is_file(), reason="the browser client is not built"
    ),
]


@pytest.fixture
async def desk(tmp_path: Path, chromium_path: str) -> AsyncIterator[Desk]:
    async with opened(tmp_path / "var", chromium_path) as made:
        yield made


async def test_sections_are_saved_one_by_one_and_no_other_loses_a_word(desk: Desk) -> None:
    protocol = desk.world.decided("deputy", "secretary", "member1", "ivanova")
    desk.world.do("chair", c.CloseConsilium(consilium=protocol.consilium_id))
    page = await desk.visit("secretary")
    await page.goto(f"{desk.url}/protocols/{protocol.id}")
    await page.fill("#text-state", "Ещё не сохранено")
    for words in ("Первая правка.\nИ вторая строка.", "Вторая правка."):
        await page.fill("#text-course", words)
        await page.click("#section-course [type=submit]")
        await expect(page.locator("#toasts")).to_contain_text("Раздел сохранён")
        await page.evaluate("document.getElementById('toasts').replaceChildren()")
    assert await page.input_value("#text-state") == "Ещё не сохранено"
    with desk.world.parts.store.read() as reader:
        kept = drafts.texts(update for _, update in reader.draft_updates(protocol.id))
    assert kept["course"] == "Вторая правка."
    assert kept["state"] != "Ещё не сохранено"
