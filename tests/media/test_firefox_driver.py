"""The Firefox driver of the journeys: it clicks, types and presses as a person does."""

from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from tests.journeys.firefox import Firefox, FirefoxError

pytestmark = pytest.mark.needs_firefox

PAGE = """<!doctype html><title>Проба</title><style>button { margin-top: 2000px }</style>
<form onsubmit="event.preventDefault(); document.title = document.querySelector('input').value">
<input name="who"><button type="button" onclick="this.textContent = 'нажата'">Кнопка</button></form>"""


async def test_a_page_can_be_driven_by_selectors_and_keys(tmp_path: Path):
    application = web.Application()

    async def page(request: web.Request) -> web.Response:
        return web.Response(text=PAGE, content_type="text/html")

    application.router.add_get("/", page)
    server = TestServer(application, host="127.0.0.1")
    await server.start_server()
    try:
        async with Firefox() as tab:
            await tab.goto(str(server.make_url("/")))
            await tab.type("input[name=who]", "Анна Б.")
            await tab.press("Control+a")
            await tab.type("input[name=who]", "Вера")
            await tab.press("Enter")
            assert await tab.wait_for("document.title === 'Вера'")
            await tab.click("button")
            assert await tab.evaluate("document.querySelector('button').textContent") == "нажата"
            await tab.resize(360, 640)
            assert await tab.evaluate("[innerWidth, innerHeight]") == [360, 640]
            await tab.screenshot(tmp_path / "page.png")
            assert (tmp_path / "page.png").read_bytes().startswith(b"\x89PNG")
            await tab.reload()
            assert await tab.evaluate("document.title") == "Проба"
            assert await tab.evaluate("undefined") is None
            with pytest.raises(FirefoxError, match="nonsense"):
                await tab.evaluate("nonsense.here")
            with pytest.raises(FirefoxError, match="no element"):
                await tab.click("#absent")
    finally:
        await server.close()
