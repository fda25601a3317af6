"""The page behind the QR code: whoever holds a file learns whether it is the signed one, and nothing of the patient."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from uuid import uuid4

import pytest
from playwright.async_api import Page, expect

from consilium import packing, sealing
from consilium.model import Protocol
from tests.web.test_signing_in_chromium import Desk, opened
from web.render import STATIC

pytestmark = [
    pytest.mark.needs_chromium,
    pytest.mark.skipif(
        not (STATIC / "dist" / "pages" / "authenticity.js").is_file(),
        reason="the browser client is not built",
    ),
]


@pytest.fixture
async def desk(tmp_path: Path, chromium_path: str) -> AsyncIterator[Desk]:
    async with opened(tmp_path / "var", chromium_path) as made:
        yield made


async def stranger(desk: Desk, address: str) -> tuple[Page, list[str]]:
    """A tab without a session, and every address it asked for."""
    page = await (await desk.browser.new_context(locale="ru-RU")).new_page()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(f"{request.method} {request.url}"))
    await page.goto(f"{desk.url}{address}")
    return page, asked


def sealed(desk: Desk) -> Protocol:
    protocol = desk.world.signed("deputy", "secretary", "member1")
    sealing.seal_protocol(desk.world.parts, {"protocol": str(protocol.id)})
    return desk.world.protocol(protocol.id)


async def test_a_strangers_file_is_compared_in_his_own_browser(desk: Desk, tmp_path: Path) -> None:
    protocol = sealed(desk)
    page, asked = await stranger(desk, f"/check/{protocol.document_id}")
    known = await page.inner_text("main")
    case = desk.world.case(protocol.case_id)
    assert protocol.number in known
    assert not any(part in known for part in (case.patient.surname, case.diagnosis_code, case.number))

    package = packing.packages(desk.world.parts) / protocol.package_name
    verdict = page.locator("#verdict")
    loaded = len(asked)
    for name, content, expected in (
        ("document.xml", protocol.document, "тот самый подписанный документ"),
        ("package.asice", package.read_bytes(), "тот самый пакет"),
        ("older.asice", package.read_bytes() + b" ", "документ внутри пакета совпадает"),
        ("changed.xml", protocol.document.replace(b"</", b" </", 1), "не совпадает"),
        ("copy.pdf", b"%PDF-1.7 ...", "копия для чтения"),
        ("empty", b"", "не совпадает"),
    ):
        file = tmp_path / name
        file.write_bytes(content)
        await page.set_input_files("#file", file)
        await expect(verdict).to_contain_text(name)
        await expect(verdict).to_contain_text(expected)
    assert asked[loaded:] == [], "the file must not leave the browser"


async def test_what_is_not_sealed_is_not_known(desk: Desk) -> None:
    frozen = desk.world.frozen("deputy", "secretary", "member1")
    for document in (frozen.document_id, uuid4(), "x"):
        page, _ = await stranger(desk, f"/check/{document}")
        assert "не найден" in await page.inner_text("main")
        assert await page.locator("#file").count() == 0
