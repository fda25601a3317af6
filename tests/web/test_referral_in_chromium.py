"""The referral in a real Chromium: from the request's page to the seal by the doctor's own hands and key."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from playwright.async_api import expect

from consilium import sealing
from consilium.model import ProtocolStatus, SignatureStatus
from consilium.queries.papers import referrals_of
from tests.web.test_signing_in_chromium import Desk, opened
from web.render import STATIC

pytestmark = [
    pytest.mark.needs_chromium,
    pytest.mark.skipif(
        not (STATIC / "dist" / "pages" / "signing.js").is_file(), reason="the browser client is not built"
    ),
]


@pytest.fixture
async def desk(tmp_path: Path, chromium_path: str) -> AsyncIterator[Desk]:
    async with opened(tmp_path / "var", chromium_path) as made:
        yield made


async def test_a_doctor_makes_signs_and_annuls_a_referral_without_leaving_the_browser(desk: Desk) -> None:
    world = desk.world
    case = await asyncio.to_thread(world.sent)
    page = await desk.visit("ivanova")
    await page.goto(f"{desk.url}/requests/{case}")
    await page.click("#referral [type=submit]")
    await page.wait_for_url("**/signing?protocol=*")
    with world.parts.store.read() as reader:
        (paper,) = referrals_of(reader, case)
    await page.click("[data-create]")
    await page.wait_for_selector("#means [data-badge].good")
    await page.click("[data-sign]:not([disabled])")
    await page.wait_for_url("**/signing?done=1")
    assert desk.row(paper.id, "ivanova").status is SignatureStatus.SIGNED
    await asyncio.to_thread(sealing.seal_protocol, world.parts, {"protocol": str(paper.id)})
    assert world.protocol(paper.id).status is ProtocolStatus.SEALED
    await page.goto(f"{desk.url}/requests/{case}")
    async with page.expect_download() as taken:
        await page.click("#referral a[href^='/packages/']")
    assert (await taken.value).suggested_filename.endswith(".asice")
    await page.click("#referral a.title")
    await page.click("[data-dialog=annul-dialog]")
    await page.fill("#annul-reason", "Выписано не в ту организацию")
    await page.click("#annul-dialog [type=submit]")
    await expect(page.locator("h1")).to_contain_text("Акт об аннулировании")


async def test_what_is_lacking_stands_beside_the_button_and_nothing_is_made(desk: Desk) -> None:
    case = await asyncio.to_thread(desk.world.sent, snils="")
    page = await desk.visit("ivanova")
    await page.goto(f"{desk.url}/requests/{case}")
    await page.click("#referral [type=submit]")
    await expect(page.locator("#referral [data-error]")).to_contain_text("СНИЛС пациента")
    with desk.world.parts.store.read() as reader:
        assert referrals_of(reader, case) == []
