"""Pages of signing, filing and exchange in a real Chromium: what a person saw go wrong stays right."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from playwright.async_api import Page, expect

from consilium import commands as c
from consilium import demo
from consilium.store import webhooks
from tests.web.test_signing_in_chromium import Desk, opened
from web.render import STATIC

pytestmark = [
    pytest.mark.needs_chromium,
    pytest.mark.skipif(
        not (STATIC / "dist" / "pages" / "signing.js").is_file(), reason="the browser client is not built"
    ),
]

OVERLAPS = """() => {
  const shown = [...document.querySelectorAll(".top > *, .nav > a")].filter((one) => one.checkVisibility());
  const boxes = shown.filter((one) => !one.matches("nav")).map((one) => one.getBoundingClientRect());
  return boxes.some((a, i) => boxes.some((b, j) => i < j && a.right > b.left + 1 && b.right > a.left + 1));
}"""


@pytest.fixture
async def desk(tmp_path: Path, chromium_path: str) -> AsyncIterator[Desk]:
    async with opened(tmp_path / "var", chromium_path) as made:
        yield made


async def keyed(page: Page, address: str) -> None:
    """At the desk with a key of the browser's own."""
    await page.goto(address)
    await page.click("[data-create]")
    await page.wait_for_selector("#means [data-badge].good")


async def test_the_paper_beside_the_batch_is_not_offered_for_signing_again(desk: Desk) -> None:
    first, second = (desk.world.frozen("deputy", "secretary", "member1") for _ in range(2))
    page = await desk.visit("member1")
    await keyed(page, f"{desk.url}/signing?protocol={first.id}")
    await page.goto(f"{desk.url}/signing?protocol={second.id}")
    await expect(page.locator("[data-batch]")).to_contain_text("2")
    await page.click("[data-batch]")
    await expect(page.locator("[data-batch-said]")).to_contain_text("Подписано 2 из 2")
    await expect(page.locator("#document [data-sign]")).to_have_count(0)
    await expect(page.locator("#document [data-why]")).to_have_text("Подписано.")
    await expect(page.locator("#document section[aria-labelledby=signers-title]")).to_contain_text(
        "подписали 1 из 4"
    )


async def test_a_signature_is_confirmed_where_the_next_paper_opens(desk: Desk) -> None:
    first, _ = (desk.world.frozen("deputy", "secretary", "member1") for _ in range(2))
    page = await desk.visit("member1")
    await keyed(page, f"{desk.url}/signing?protocol={first.id}")
    await page.click("[data-sign]:not([disabled])")
    await page.wait_for_url("**/signing?done=1")
    await expect(page.locator("#toasts")).to_contain_text("Подписано.")
    await page.reload()
    await page.wait_for_selector("[data-compared].good")
    await expect(page.locator("#toasts")).to_be_empty()


async def test_a_new_key_takes_back_the_word_that_signing_will_fail(desk: Desk) -> None:
    desk.world.frozen("deputy", "secretary", "member1")
    page = await desk.visit("member1")
    await page.goto(f"{desk.url}/signing")
    await page.wait_for_selector("[data-create]:visible")
    await page.click("[data-test]")
    await page.wait_for_selector("[data-readiness=broken]")
    await page.click("[data-create]")
    await page.wait_for_selector("[data-readiness=unknown].warn")
    await page.click("[data-test]")
    await page.wait_for_selector("[data-readiness=ready].good")


async def test_a_table_that_fits_is_no_stop_of_the_keyboard(desk: Desk) -> None:
    protocol = desk.world.frozen("deputy", "secretary", "member1")
    page = await desk.visit("member1")
    await page.set_viewport_size({"width": 1366, "height": 768})
    await page.goto(f"{desk.url}/protocols/{protocol.id}")
    await expect(page.locator(".document .scroll[tabindex]")).to_have_count(0)
    await page.set_viewport_size({"width": 360, "height": 768})
    stop = page.locator(".document .scroll[tabindex='0']").first
    await expect(stop).to_be_attached()
    assert await stop.evaluate("(one) => one.scrollWidth > one.clientWidth")


async def test_results_are_told_no_more_when_the_administrator_says_so(
    tmp_path: Path, chromium_path: str
) -> None:
    allowed = {"CONSILIUM_WEBHOOK_HOSTS": "results.example"}
    async with opened(tmp_path / "var", chromium_path, **allowed) as desk:
        command = c.SetWebhook(url="https://results.example/consilium", secret="s" * 24)
        desk.world.do("regional.admin", command)
        page = await desk.visit("regional.admin")
        await page.goto(f"{desk.url}/exchange")
        await page.click("[data-command='webhook.remove']")
        await page.wait_for_selector("text=Адрес не задан, ничего не отправляется.")
        with desk.world.parts.store.read() as reader:
            organisation = demo.ORGANISATIONS["region"].id
            assert webhooks.endpoint_of(reader.connection, organisation) is None


async def test_who_has_every_duty_finds_his_way_at_any_width(desk: Desk) -> None:
    page = await desk.visit("nmic.admin")
    for width in (1920, 1366, 1280, 1180, 1024, 768, 360):
        await page.set_viewport_size({"width": width, "height": 768})
        assert not await page.evaluate(OVERLAPS), width
        assert await page.evaluate("document.documentElement.scrollWidth") <= width


async def test_on_a_phone_every_value_of_the_register_has_its_name(desk: Desk) -> None:
    desk.world.signed("deputy", "secretary", "member1")
    page = await desk.visit("nmic.admin")
    await page.set_viewport_size({"width": 360, "height": 768})
    await page.goto(f"{desk.url}/register")
    names = await page.eval_on_selector_all(
        ".register tbody td", "(all) => all.map((one) => getComputedStyle(one, '::before').content)"
    )
    assert names[:2] == ['"Документ"', '"Пациент"']
    assert all(name.strip('"') for name in names)


async def test_a_wrong_file_and_a_lost_network_say_what_to_do(desk: Desk, tmp_path: Path) -> None:
    protocol = desk.world.frozen("deputy", "secretary", "member1")
    page = await desk.visit("member1")
    await keyed(page, f"{desk.url}/signing?protocol={protocol.id}")
    await page.context.set_offline(True)
    await page.click("[data-sign]:not([disabled])")
    await expect(page.locator("#document [data-error]")).to_contain_text("Нет связи с сервером")
    await page.context.set_offline(False)
    session = await page.context.cookies()
    await page.context.clear_cookies()
    await page.click("[data-sign]:not([disabled])")
    await expect(page.locator("#document [data-error]")).to_contain_text("Сеанс закончился")
    await page.context.add_cookies(session)  # type: ignore[arg-type]  # what it gave itself
    wrong = tmp_path / "letter.pdf"
    wrong.write_bytes(b"%PDF-1.4")
    await page.check("[data-means][value=file]")
    await page.set_input_files("#file-document", wrong)
    await page.click("[data-sign]:not([disabled])")
    await expect(page.locator("#document [data-error]")).to_contain_text("Выберите файл .sig")


async def test_the_papers_of_a_day_are_told_apart_by_the_patient(desk: Desk) -> None:
    for surname in ("Первов", "Второва"):
        case = desk.world.accepted(surname=surname)
        desk.world.frozen("deputy", "secretary", "member1", cases=[case])
    page = await desk.visit("member1")
    await page.goto(f"{desk.url}/signing")
    for surname in ("Первов И. П.", "Второва И. П."):
        await expect(page.locator("#papers")).to_contain_text(surname)


async def test_going_back_picks_no_paper_that_was_not_picked(desk: Desk) -> None:
    """A browser puts ticks back by their place in the list, and the list is another one by then."""
    _, second, _ = (desk.world.frozen("deputy", "secretary", "member1") for _ in range(3))
    page = await desk.visit("member1")
    await keyed(page, f"{desk.url}/signing?protocol={second.id}")
    await expect(page.locator(f"[data-paper='{second.id}'] [data-pick]")).to_be_checked()
    await page.click("[data-sign]:not([disabled])")
    await page.wait_for_url("**/signing?done=1")
    await page.wait_for_selector("[data-compared].good")
    await page.go_back()
    await page.wait_for_selector("#means [data-badge].good")
    picked = page.locator("[data-paper]:has([data-pick]:checked)")
    await expect(picked).to_have_count(1)
    await expect(picked.locator("[data-opened]")).to_have_text("открыт вами")
