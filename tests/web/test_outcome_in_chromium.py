"""What the consilium settled on, entered in a real Chromium by keyboard and mouse, met by another's words, and frozen."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from playwright.async_api import Page, expect

from consilium import commands as c
from consilium.model import Particulars, Protocol, SettledDiagnosis
from consilium.model.particulars import digest_of, read_particulars
from tests.web.test_checking_in_chromium import violations
from tests.web.test_signing_in_chromium import Desk, opened
from web.render import STATIC

pytestmark = [
    pytest.mark.needs_chromium,
    pytest.mark.skipif(
        not (STATIC / "dist" / "pages" / "protocol.js").is_file(), reason="the browser client is not built"
    ),
]
ALL = ("deputy", "secretary", "member1", "ivanova")


@pytest.fixture
async def desk(tmp_path: Path, chromium_path: str) -> AsyncIterator[Desk]:
    async with opened(tmp_path / "var", chromium_path) as made:
        yield made


def drafted(desk: Desk, kind: str = "oncological") -> Protocol:
    protocol = desk.world.decided(*ALL, kind=kind)
    desk.world.do("chair", c.CloseConsilium(consilium=protocol.consilium_id))
    return protocol


async def shown(desk: Desk, login: str, protocol: Protocol) -> Page:
    page = await desk.visit(login)
    await page.goto(f"{desk.url}/protocols/{protocol.id}")
    await expect(page.get_by_test_id("outcome")).to_have_attribute("data-state", "empty")
    return page


async def picture(page: Page, name: str) -> None:
    """For people: only where somebody asked for pictures."""
    if folder := os.environ.get("CONSILIUM_PICTURES"):
        for width in (1280, 360):
            await page.set_viewport_size({"width": width, "height": 900})
            await page.screenshot(path=Path(folder) / f"{name}-{width}.png", full_page=True)


async def test_a_diagnosis_and_advice_are_entered_and_stand_in_the_frozen_document(desk: Desk) -> None:
    protocol = drafted(desk)
    page = await shown(desk, "secretary", protocol)
    await expect(page.get_by_test_id("outcome-origin")).to_contain_text("C34.1")
    await page.get_by_test_id("add-diagnosis").click()
    await page.fill("#outcome-diagnoses-0-text", "Плоскоклеточный рак лёгкого")
    await page.fill("#outcome-diagnoses-0-stage", "IIA")
    await page.get_by_test_id("add-advice").click()
    await page.fill("#outcome-advice-0-text", "Верхняя лобэктомия справа")
    # By keyboard alone: the second method of the list.
    await page.focus("#outcome-advice-0-method")
    for key in ("ArrowDown", "ArrowDown", "Enter"):
        await page.keyboard.press(key)
        if key == "ArrowDown":
            await expect(page.locator("#outcome-advice-0-method")).to_have_attribute("aria-expanded", "true")
    await expect(page.locator("#outcome-advice-0-method")).to_have_value("Хирургический")
    await page.fill("#outcome-advice-0-planned_on", "2026-12-07")
    await page.click('[data-dialog="freeze-dialog"]')
    await expect(page.locator("#toasts")).to_contain_text("Сначала запишите итоги")
    await expect(page.locator("#freeze-dialog")).to_be_hidden()
    await picture(page, "outcome")
    for width in (1280, 360):
        await page.set_viewport_size({"width": width, "height": 900})
        assert await violations(page) == []
        assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    await page.get_by_test_id("outcome-save").click()
    await expect(page.get_by_test_id("outcome")).to_have_attribute("data-state", "saved")
    await page.click('[data-dialog="freeze-dialog"]')
    await page.click("#freeze-dialog [type=submit]")
    await expect(page.locator(".paper")).to_contain_text("Верхняя лобэктомия справа")
    document = desk.world.protocol(protocol.id).document.decode()
    for words in ("Плоскоклеточный рак лёгкого", "стадия: IIA", "Хирургический", "RECTREAT"):
        assert words in document


async def test_a_refused_field_is_named_and_gets_the_focus(desk: Desk) -> None:
    page = await shown(desk, "chair", drafted(desk))
    await page.get_by_test_id("add-diagnosis").click()
    await page.fill("#outcome-diagnoses-0-code", "рак")
    await page.get_by_test_id("outcome-save").click()
    await expect(page.get_by_test_id("outcome")).to_have_attribute("data-state", "refused")
    await expect(page.locator("#outcome-diagnoses-0-code")).to_be_focused()
    await expect(page.locator("#outcome-diagnoses-0-code")).to_have_attribute("aria-invalid", "true")
    await picture(page, "outcome-refused")


async def test_words_of_another_are_met_and_nobody_loses_any(desk: Desk) -> None:
    protocol = drafted(desk, "general")
    page = await shown(desk, "secretary", protocol)
    await page.get_by_test_id("add-diagnosis").click()
    await page.fill("#outcome-diagnoses-0-text", "Мой диагноз")
    theirs = SettledDiagnosis(code="C50.4", kind="1", text="Диагноз председателя")
    desk.world.do(
        "chair",
        c.WriteParticulars(
            protocol=protocol.id, before=digest_of(""), particulars=Particulars(diagnoses=(theirs,))
        ),
    )
    await page.get_by_test_id("outcome-save").click()
    await expect(page.get_by_test_id("outcome-torn")).to_contain_text("Диагноз председателя")
    assert await page.input_value("#outcome-diagnoses-0-text") == "Мой диагноз"
    await picture(page, "outcome-torn")
    await page.get_by_role("button", name="Оставить мою").click()
    await page.get_by_test_id("outcome-save").click()
    await expect(page.get_by_test_id("outcome")).to_have_attribute("data-state", "saved")
    kept = read_particulars(desk.world.protocol(protocol.id).particulars)
    assert [one.text for one in kept.diagnoses] == ["Мой диагноз"]


async def test_who_does_not_write_reads_it(desk: Desk) -> None:
    page = await shown(desk, "member1", drafted(desk))
    await expect(page.get_by_test_id("outcome-summary")).to_contain_text("Из направления")
    assert await page.get_by_test_id("add-diagnosis").count() == 0
