"""The signing desk in a real Chromium: every means of signing ends in the strict verifier, several papers in one act.

Plug-ins are doubles of their objects, as their makers describe them: they refuse wrong calls and really sign.
"""

from __future__ import annotations

import base64
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from uuid import UUID

import pytest
from aiohttp import web
from aiohttp.test_utils import unused_port
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from playwright.async_api import Browser, Page, async_playwright

from consilium import commands as c
from consilium import demo
from consilium.model import ProtocolStatus, SignatureStatus
from consilium.settings import Settings
from tests.people import World, inhabited
from web.app import make_app
from web.render import STATIC

HERE = Path(__file__).parent
OPTIONS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-sync"]
PIN = "12345678"

pytestmark = [
    pytest.mark.needs_chromium,
    pytest.mark.skipif(
        not (STATIC / "dist" / "pages" / "signing.js").is_file(), reason="the browser client is not built"
    ),
]


@dataclass
class Desk:
    """A running installation and a Chromium."""

    world: World
    browser: Browser
    url: str

    async def visit(self, login: str, *scripts: str) -> Page:
        """This person's own tab, signed in; `scripts` run in it before ours, as extensions do."""
        context = await self.browser.new_context(locale="ru-RU")
        for one in scripts:
            await context.add_init_script(path=HERE / one)
        page = await context.new_page()
        page.set_default_timeout(10_000)
        await page.goto(f"{self.url}/sign-in")
        await page.fill("input[name=login]", login)
        await page.fill("input[name=password]", demo.PASSWORD)
        await page.press("input[name=password]", "Enter")
        await page.wait_for_url(f"{self.url}/")
        return page

    async def sign_by(self, login: str, page: Page) -> None:
        """What the doubles' hands are: the person's own key, in this process."""
        key, certificate = self.world.key(login)

        def sign(content: str, moment: str) -> str:
            made = key.sign(base64.b64decode(content), certificate, datetime.fromisoformat(moment))
            return base64.b64encode(made).decode()

        await page.expose_function("signedByHand", sign)
        await page.expose_function("certificateByHand", lambda: described(certificate))

    def row(self, protocol: UUID, login: str):
        who = self.world.id(login)
        rows = self.world.protocol(protocol).current_signatures()
        return next(one for one in rows if one.person_id == who)


def described(certificate: bytes) -> dict[str, str]:
    loaded = x509.load_der_x509_certificate(certificate)
    return {
        "thumbprint": f"{loaded.serial_number:X}",
        "subject": 'SN=Волков, CN="Волков Пётр", C=RU',
        "until": loaded.not_valid_after_utc.isoformat(),
        "key": loaded.public_key_algorithm_oid.dotted_string,
    }


@pytest.fixture
async def desk(tmp_path: Path, chromium_path: str) -> AsyncIterator[Desk]:
    async with opened(tmp_path, chromium_path) as made:
        yield made


@asynccontextmanager
async def opened(folder: Path, chromium_path: str, **more: str) -> AsyncIterator[Desk]:
    """An installation in this folder; `more` are settings by their environment names."""
    port = unused_port()
    url = f"http://127.0.0.1:{port}"
    environment = {"CONSILIUM_DEMO": "1", "CONSILIUM_DATA_DIR": str(folder), "CONSILIUM_PUBLIC_ORIGIN": url}
    environment |= more
    with inhabited(Settings.from_environment(environment)) as world:
        runner = web.AppRunner(make_app(world.service, world.parts.settings), shutdown_timeout=1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", port).start()
        async with async_playwright() as playwright:
            browser = await playwright.chromium.launch(executable_path=chromium_path, args=OPTIONS)
            yield Desk(world, browser, url)
            await browser.close()
        await runner.cleanup()


# --- one paper, every means -----------------------------------------------------------------------


async def test_without_a_plug_in_the_page_says_what_to_install_and_the_board_sees_it(desk: Desk) -> None:
    world = desk.world
    protocol = world.frozen("deputy", "secretary", "member1")
    page = await desk.visit("member1")
    await page.goto(f"{desk.url}/signing?protocol={protocol.id}")
    await page.check("[data-means][value=cryptopro]")
    await page.wait_for_selector("[data-unproven]:visible")
    await page.wait_for_selector("#means [data-badge].bad")
    assert "Установите плагин" in await page.inner_text("#means [data-line]")
    assert await page.is_disabled("[data-sign]")
    await page.click("[data-test]")
    await page.wait_for_selector("[data-tested][data-state=broken]")
    await page.reload()
    assert await page.get_attribute("[data-readiness]", "data-readiness") == "broken"
    assert await page.is_checked("[data-means][value=cryptopro]"), "the choice is remembered on this device"


async def test_a_key_of_the_browser_is_tried_days_before_and_signs(desk: Desk) -> None:
    world = desk.world
    protocol = world.frozen("deputy", "secretary", "member1")
    page = await desk.visit("member1")
    await page.goto(f"{desk.url}/signing?protocol={protocol.id}")
    await page.click("[data-create]")
    await page.wait_for_selector("#means [data-badge].good")
    await page.click("[data-test]")
    await page.wait_for_selector("[data-tested][data-state=ready]")
    await page.click("[data-sign]:not([disabled])")
    await page.wait_for_url("**/signing?done=1")
    row = desk.row(protocol.id, "member1")
    assert (row.status, row.provider) == (SignatureStatus.SIGNED, "browser")
    assert row.opened_at is not None


async def test_the_cryptopro_plug_in_signs_through_its_own_objects(desk: Desk) -> None:
    protocol = desk.world.frozen("deputy", "secretary", "member1")
    page = await desk.visit("member1", "cryptopro_double.js")
    await desk.sign_by("member1", page)
    await page.goto(f"{desk.url}/signing?protocol={protocol.id}")
    await page.check("[data-means][value=cryptopro]")
    await page.wait_for_selector("#means [data-badge].good")
    assert "Волков Пётр" in await page.inner_text("[data-certificate]")
    await page.wait_for_selector("[data-unproven]:visible")
    await page.click("[data-test]")
    await page.wait_for_selector("[data-tested][data-state=ready]")
    await page.click("[data-sign]:not([disabled])")
    await page.wait_for_url("**/signing?done=1")
    row = desk.row(protocol.id, "member1")
    assert (row.status, row.provider) == (SignatureStatus.SIGNED, "cryptopro")


async def test_a_rutoken_asks_for_its_pin_and_a_closed_dialog_signs_nothing(desk: Desk) -> None:
    protocol = desk.world.frozen("deputy", "secretary", "member1")
    page = await desk.visit("member1", "rutoken_double.js")
    await desk.sign_by("member1", page)
    await page.goto(f"{desk.url}/signing?protocol={protocol.id}")
    await page.check("[data-means][value=rutoken]")
    await page.wait_for_selector("#means [data-badge].good")
    await page.click("[data-sign]:not([disabled])")
    await page.wait_for_selector("#pin-dialog[open]")
    await page.press("#pin", "Escape")
    await page.wait_for_selector("#document [data-error]:has-text('CANCELLED')")
    await page.click("[data-sign]:not([disabled])")
    await page.fill("#pin", "0000")
    await page.press("#pin", "Enter")
    await page.wait_for_selector("#document [data-error]:has-text('FAILED')")
    assert desk.row(protocol.id, "member1").status is SignatureStatus.AWAITED
    await page.click("[data-sign]:not([disabled])")
    await page.fill("#pin", PIN)
    await page.press("#pin", "Enter")
    await page.wait_for_url("**/signing?done=1")
    row = desk.row(protocol.id, "member1")
    assert (row.status, row.provider) == (SignatureStatus.SIGNED, "rutoken")
    assert await page.input_value("#pin") == ""


@pytest.mark.needs_openssl
@pytest.mark.parametrize("form", ["DER", "PEM"])
async def test_a_file_that_openssl_signed_is_accepted_and_one_over_other_bytes_is_not(
    desk: Desk, tmp_path: Path, form: str
) -> None:
    protocol = desk.world.frozen("deputy", "secretary", "member1")
    page = await desk.visit("member1")
    await page.goto(f"{desk.url}/signing?protocol={protocol.id}")
    await page.check("[data-means][value=file]")
    async with page.expect_download() as downloading:
        await page.click("[data-by-file] a[download]")
    saved = tmp_path / "document.xml"
    await (await downloading.value).save_as(saved)
    assert saved.read_bytes() == protocol.document
    other = tmp_path / "other.xml"
    other.write_bytes(protocol.document + b" ")
    await page.set_input_files("#file-document", openssl_signed(desk.world, "member1", other, form))
    await page.click("[data-sign]:not([disabled])")
    await page.wait_for_selector("#document [data-error]:has-text('signature_refused')")
    assert desk.row(protocol.id, "member1").status is SignatureStatus.AWAITED
    await page.set_input_files("#file-document", openssl_signed(desk.world, "member1", saved, form))
    await page.click("[data-sign]:not([disabled])")
    await page.wait_for_url("**/signing?done=1")
    row = desk.row(protocol.id, "member1")
    assert (row.status, row.provider) == (SignatureStatus.SIGNED, "file")


def openssl_signed(world: World, login: str, document: Path, form: str) -> Path:
    """A detached CAdES-BES by the openssl program, as somebody at his own desk makes it."""
    key, certificate = world.key(login)
    folder = document.parent
    (folder / "key.pem").write_bytes(
        key.private.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    (folder / "own.pem").write_bytes(
        x509.load_der_x509_certificate(certificate).public_bytes(serialization.Encoding.PEM)
    )
    made = folder / f"{document.name}.sig"
    command = ["openssl", "cms", "-sign", "-cades", "-binary", "-md", "sha256", "-outform", form]
    files = ["-in", document, "-signer", folder / "own.pem", "-inkey", folder / "key.pem", "-out", made]
    subprocess.run([*command, *files], check=True, capture_output=True)
    return made


# --- several papers -------------------------------------------------------------------------------


async def test_several_papers_are_signed_by_keyboard_and_what_failed_is_tried_again(desk: Desk) -> None:
    world = desk.world
    papers = [world.frozen("deputy", "secretary", "member1") for _ in range(3)]
    page = await desk.visit("member1")
    await page.goto(f"{desk.url}/signing")
    await page.click("[data-create]")
    await page.wait_for_selector("#means [data-badge].good")
    for paper in papers:
        await page.goto(f"{desk.url}/signing?protocol={paper.id}")
        await page.wait_for_selector(f"[data-paper='{paper.id}'] [data-opened]:has-text('открыт вами')")
    assert await page.locator("[data-pick]:checked").count() == 3
    # Somebody takes two of them back meanwhile, and freezes them anew: other bytes, another version.
    changed = papers[1:]
    for paper in changed:
        world.do("secretary", c.ReopenProtocol(protocol=paper.id, reason="Опечатка"))
    await page.focus("[data-batch]")
    await page.keyboard.press("Enter")
    await page.wait_for_selector("[data-batch-said]:has-text('Подписано 1 из 3')")
    states = await page.eval_on_selector_all(
        "[data-paper]", "rows => rows.map(one => [one.dataset.paper, one.dataset.state])"
    )
    assert dict(states) == {
        str(papers[0].id): "signed",
        **{str(paper.id): "failed" for paper in changed},
    }
    assert await page.evaluate("document.activeElement.matches('[data-batch]')")
    for paper in changed:
        world.do("secretary", c.FreezeProtocol(protocol=paper.id))
        await page.goto(f"{desk.url}/signing?protocol={paper.id}")
        await page.wait_for_selector(f"[data-paper='{paper.id}'] [data-pick]:checked")
    await page.focus("[data-batch]")
    await page.keyboard.press("Enter")
    await page.wait_for_selector("[data-batch-said]:has-text('Подписано 2 из 2')")
    for paper in papers:
        assert desk.row(paper.id, "member1").status is SignatureStatus.SIGNED


async def test_who_is_not_next_reads_the_paper_and_sees_for_whom_he_waits(desk: Desk) -> None:
    world = desk.world
    protocol = world.decided("deputy", "secretary", "member1")
    world.do("chair", c.FreezeProtocol(protocol=protocol.id, order="by_step"))
    page = await desk.visit("secretary")
    await page.goto(f"{desk.url}/signing?protocol={protocol.id}")
    waits = await page.inner_text("[data-waits]")
    assert "Сначала подписывают" in waits
    assert await page.locator("[data-sign]").count() == 0
    assert await page.is_disabled(f"#pick-{protocol.id}")
    for login in ("deputy", "member1"):
        world.sign(login, protocol.id)
    await page.reload()
    await page.wait_for_selector("[data-sign]")


async def test_the_chair_lets_another_sign_and_the_other_signatures_stay(desk: Desk) -> None:
    world = desk.world
    protocol = world.frozen("deputy", "secretary", "member1")
    world.sign("deputy", protocol.id)
    page = await desk.visit("chair")
    await page.goto(f"{desk.url}/protocols/{protocol.id}")
    row = desk.row(protocol.id, "secretary")
    await page.click(f"[data-dialog=replace-{row.id}]")
    await page.fill(f"#replace-reason-{row.id}", "В отпуске")
    await page.click(f"#replace-{row.id} button[type=submit]")
    await page.wait_for_selector("text=вместо него подписывает")
    assert desk.row(protocol.id, "secretary").status is SignatureStatus.RELEASED
    assert desk.row(protocol.id, "deputy").status is SignatureStatus.SIGNED
    for login in ("chair", "member1"):
        world.sign(login, protocol.id)
    assert world.protocol(protocol.id).status is ProtocolStatus.SEALING


async def test_what_was_never_tried_is_said_on_the_day_until_it_works(desk: Desk) -> None:
    world = desk.world
    world.planned(scheduled_at=world.now + timedelta(days=2))
    page = await desk.visit("member1")
    assert await page.get_attribute("section[data-readiness]", "data-readiness") == "unknown"
    await page.goto(f"{desk.url}/signing")
    await page.click("[data-create]")
    await page.wait_for_selector("#means [data-badge].good")
    await page.click("[data-test]")
    await page.wait_for_selector("[data-tested][data-state=ready]")
    await page.goto(f"{desk.url}/")
    assert await page.locator("section[data-readiness]").count() == 0
