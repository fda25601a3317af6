"""In a real Chromium: the draft's page lists what stands in the way, a field suggests rows of a dictionary by keyboard."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from playwright.async_api import Page, expect

from consilium import clock, drafts, installing
from consilium.model import Protocol
from tests.conftest import ROOT
from tests.web.test_checking import GUIDE
from tests.web.test_signing_in_chromium import Desk, opened
from web.render import STATIC

AXE = ROOT / "web/client/node_modules/axe-core/axe.min.js"
POSTS = ("Врач-онколог", "Врач - детский онколог", "Врач-хирург")

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


def emptied(desk: Desk, protocol: Protocol, section: str) -> None:
    texts = {name: "Есть." for name in drafts.SECTIONS if name != section}
    with desk.world.parts.store.write(clock.now()) as tx:
        upto = max(number for number, _ in tx.draft_updates(protocol.id))
        tx.compact_draft(protocol.id, upto, drafts.initial(texts))


async def violations(page: Page) -> list[str]:
    await page.evaluate(AXE.read_text(encoding="utf-8"))
    tags = '["wcag2a", "wcag2aa", "wcag21aa", "wcag22aa"]'
    found = await page.evaluate(f"axe.run(document, {{runOnly: {tags}, resultTypes: ['violations']}})")
    return [f"{one['id']}: {one['nodes'][0]['html']}" for one in found["violations"]]


async def test_the_drafts_page_lists_what_stands_in_the_way_with_a_way_to_each(
    desk: Desk, tmp_path: Path
) -> None:
    folder = tmp_path / "official" / "guides"
    folder.mkdir(parents=True)
    (folder / "307.sch").write_text(GUIDE.format(least=9), encoding="utf-8")
    installing.install(desk.world.parts, folder.parent)
    protocol = desk.world.decided("deputy", "secretary", "member1")
    emptied(desk, protocol, "course")
    page = await desk.visit("secretary")
    await page.set_viewport_size({"width": 360, "height": 740})
    await page.goto(f"{desk.url}/protocols/{protocol.id}")
    panel = page.get_by_test_id("findings")
    await expect(panel).to_have_attribute("data-state", "checked")
    await expect(panel.locator("[data-field=course] a")).to_have_text("Опишите течение заболевания.")
    link = panel.locator("[data-field=course] a")
    assert await link.get_attribute("href") == f"/room/{protocol.consilium_id}#section-course"
    rule = panel.locator("[data-field=participants]").filter(has_text="У1-18")
    await expect(rule.locator("a").first).to_be_visible()
    await rule.locator("summary").press("Enter")
    await expect(rule.locator("details p").first).to_contain_text("У1-18. Элемент serviceEvent")
    assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth"), "it fits a telephone"
    assert await violations(page) == []


async def test_what_others_write_is_judged_without_loading_the_page(desk: Desk) -> None:
    protocol = desk.world.decided("deputy", "secretary", "member1")
    emptied(desk, protocol, "state")
    page = await desk.visit("chair")
    await page.goto(f"{desk.url}/protocols/{protocol.id}")
    panel = page.get_by_test_id("findings")
    await expect(panel.locator("[data-field=state]")).to_have_count(1)
    with desk.world.parts.store.write(clock.now()) as tx:
        texts = dict.fromkeys(drafts.SECTIONS, "Есть.")
        tx.compact_draft(
            protocol.id, max(number for number, _ in tx.draft_updates(protocol.id)), drafts.initial(texts)
        )
    # What the half-minute refresh and the socket's hint do to the draft on the page.
    await page.evaluate("document.querySelector('[data-part=draft]').append('')")
    await expect(panel.locator("[data-field=state]")).to_have_count(0)


async def test_a_post_is_chosen_by_keyboard_and_other_words_lose_the_code(desk: Desk, tmp_path: Path) -> None:
    rows = [{"ID": str(50 + at), "NAME": name} for at, name in enumerate(POSTS)]
    content = {"oid": "1.2.643.5.1.13.13.11.1002", "version": "9.6", "fullName": "Должности", "rows": rows}
    (tmp_path / "posts.json").write_text(json.dumps(content), encoding="utf-8")
    installing.take_in(desk.world.parts, tmp_path / "posts.json")
    page = await desk.visit("nmic.admin")
    await page.goto(f"{desk.url}/people")
    await page.click("[data-dialog=person-dialog]")
    field = page.locator("#p-position")
    code = page.locator("input[name=position_code]")
    await expect(field).to_have_attribute("role", "combobox")
    await field.press_sequentially("онколог")
    await expect(field).to_have_attribute("aria-expanded", "true")
    await expect(page.locator("[role=option]")).to_have_count(2)
    await field.press("ArrowDown")
    active = await field.get_attribute("aria-activedescendant")
    await expect(page.locator(f"#{active}")).to_have_attribute("aria-selected", "true")
    await field.press("ArrowDown")
    await field.press("Enter")
    await expect(field).to_have_attribute("aria-expanded", "false")
    assert await field.input_value() in POSTS
    chosen = await code.input_value()
    assert POSTS[int(chosen) - 50] == await field.input_value()
    await field.fill("Знахарь")
    await expect(code).to_have_value("")
    await expect(page.locator(".picker [role=status]").filter(has_text="останется словами")).to_have_count(1)
    await field.fill("врач-онколог")
    await expect(code).to_have_value("50")
    await field.press("Escape")
    await expect(page.locator("#person-dialog")).to_be_visible()
