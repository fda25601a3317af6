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


async def drafted(desk: Desk) -> str:
    """The address of a draft whose meeting is over."""
    protocol = desk.world.decided("deputy", "secretary", "member1", "ivanova")
    desk.world.do("chair", c.CloseConsilium(consilium=protocol.consilium_id))
    return f"{desk.url}/protocols/{protocol.id}"


async def test_a_draft_is_not_frozen_over_words_that_were_not_saved(desk: Desk) -> None:
    page = await desk.visit("secretary")
    await page.goto(await drafted(desk))
    await page.fill("#text-course", "Ещё не сохранено.")
    await page.click("[data-dialog=freeze-dialog]")
    await expect(page.locator("#toasts")).to_contain_text("Раздел «Течение болезни» не сохранён")
    await expect(page.locator("#text-course")).to_be_focused()
    await expect(page.locator("#freeze-dialog")).to_be_hidden()
    await page.click("#section-course [type=submit]")
    await expect(page.locator("#toasts")).to_contain_text("Раздел сохранён")
    await page.click("[data-dialog=freeze-dialog]")
    await expect(page.locator("#freeze-dialog")).to_be_visible()


async def test_what_another_saved_meanwhile_is_shown_and_taken_over_knowingly(desk: Desk) -> None:
    address = await drafted(desk)
    secretary, chair = await desk.visit("secretary"), await desk.visit("chair")
    for page in (secretary, chair):
        await page.goto(address)
    await secretary.fill("#text-state", "Слова секретаря.")
    await secretary.click("#section-state [type=submit]")
    await expect(secretary.locator("#toasts")).to_contain_text("Раздел сохранён")
    await chair.fill("#text-state", "Слова председателя.")
    await chair.click("#section-state [type=submit]")
    await expect(chair.locator("#section-state [data-theirs]")).to_contain_text("Слова секретаря.")
    assert await chair.input_value("#text-state") == "Слова председателя."
    await chair.click("#section-state [type=submit]")
    await expect(chair.locator("#toasts")).to_contain_text("Раздел сохранён")
    await expect(chair.locator("#section-state [data-theirs]")).to_have_count(0)
    await secretary.reload()
    assert await secretary.input_value("#text-state") == "Слова председателя."


async def test_a_finding_leads_into_the_field_it_means(desk: Desk) -> None:
    page = await desk.visit("secretary")
    await page.goto(await drafted(desk))
    await page.fill("#text-course", "")
    await page.click("#section-course [type=submit]")
    link = page.locator("#findings [data-field=course] a")
    await link.click()
    await expect(page.locator("#text-course")).to_be_focused()
