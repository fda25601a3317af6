"""The product's own page over the product's own relay: layers, what is not looked at, another network path."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from signaling.bots.demo import Demonstration
from tests.journeys.browsers import DEVICES, ChromiumWindow, Window, firefox_window
from tests.journeys.table import opened, scheduled
from tests.services import Turn

pytestmark = [pytest.mark.timeout(180), pytest.mark.needs_chromium, pytest.mark.needs_openssl]

# rid -> packets sent and whether more are to follow, of the video over all living connections of the page.
SENT = """(async () => {
  const found = {};
  for (const peer of globalThis.peersOfThePage.filter((one) => one.connectionState === "connected")) {
    (await peer.getStats()).forEach((one) => {
      if (one.type === "outbound-rtp" && one.kind === "video") found[one.rid ?? one.mid] = {packets: one.packetsSent};
    });
    for (const sender of peer.getSenders())
      for (const one of sender.track?.kind === "video" ? sender.getParameters().encodings : [])
        if (found[one.rid]) found[one.rid].active = one.active;
  }
  return found;
})()"""

# Packets of video and of audio the page has received so far.
RECEIVED = """(async () => {
  const found = {audio: 0, video: 0};
  for (const peer of globalThis.peersOfThePage.filter((one) => one.connectionState !== "closed"))
    (await peer.getStats()).forEach((one) => {
      if (one.type === "inbound-rtp") found[one.kind] += one.packetsReceived;
    });
  return found;
})()"""

# Remembers what the page says over its socket.
SAID = """
  const Socket = globalThis.WebSocket;
  globalThis.saidByThePage = [];
  globalThis.WebSocket = class extends Socket {
    send(data) {
      const name = /^42\\d*\\["([a-z.]+)"/.exec(data);
      if (name) globalThis.saidByThePage.push(name[1]);
      super.send(data);
    }
  };
"""
HIDDEN = "document.querySelector('[data-testid=tile][style]')"
FACE = "document.querySelector('[data-testid=tile][data-own=false]:has(video)')"


@asynccontextmanager
async def two_in_the_room(
    chromium_path: str, folder: Path, login: str = "ivanova"
) -> AsyncIterator[tuple[ChromiumWindow, ChromiumWindow, Demonstration]]:
    """Volkov looks at Ivanova, both in Chromium; her picture is of the usual size, he shows none."""
    async with scheduled(chromium_path, folder) as (browser, play):
        windows = []
        for name in ("member1", login):
            window = await ChromiumWindow.open(browser, play.url, name)
            await window.page.context.add_init_script(SAID)
            await window.sign_in(name)
            windows.append(window)
        await show(windows[1], quality="usual")
        await show(windows[0], cameraOn=False)  # they share the fake camera, whose first size would bind both
        await talk(play, *windows)
        yield windows[0], windows[1], play


async def talk(play: Demonstration, *windows: Window) -> None:
    await opened(play, *windows)  # type: ignore[arg-type]  # a Firefox does what it asks for too
    await play["chair"].room("layout.set", layout="discussion")
    await windows[0].until(f"Boolean({FACE})", "the other's face")


async def show(window: Window, **devices: object) -> None:
    """What the person chose before the room."""
    choice = json.dumps(json.dumps({**DEVICES, **devices}))
    await window.evaluate(f"localStorage.setItem('consilium.devices', {choice})")


async def more(window: Window, kind: str, least: int = 5) -> None:
    """Wait until at least so many more packets of this kind have come."""
    before = (await window.evaluate(RECEIVED))[kind]
    await window.until(f"{RECEIVED}.then((one) => one.{kind} >= {before + least})", f"more {kind}")


async def test_a_page_sends_the_size_that_is_looked_at_and_nothing_goes_to_a_tile_out_of_sight(
    chromium_path, tmp_path
):
    """RM-09, and the encoder rests where nobody looks."""
    async with two_in_the_room(chromium_path, tmp_path) as (member, doctor, _):
        sent = await doctor.until(f"{SENT}.then((one) => one.l && one.m && one.h && one)", "three sizes")
        assert set(sent) == {"l", "m", "h"}
        # A tile of the grid is as high as the lowest size; nobody looks at the others.
        await doctor.until(
            f"{SENT}.then((one) => one.l.active && !one.m.active && !one.h.active)", "the low size alone"
        )
        await member.evaluate(f"{FACE}.querySelector('video').style.height = '700px'")
        await doctor.until(f"{SENT}.then((one) => one.h.active)", "the high size")
        await member.until(f"{FACE}.querySelector('video').videoHeight === 540", "the whole picture")

        await member.evaluate(f"{FACE}.style.display = 'none'")
        await more(member, "audio", 50)
        still = (await member.evaluate(RECEIVED))["video"]
        await more(member, "audio", 150)
        assert (await member.evaluate(RECEIVED))["video"] == still
        await doctor.until(f"{SENT}.then((one) => !one.m.active && !one.h.active)", "nothing large")

        await member.evaluate(f"{HIDDEN}.style.display = ''")
        await more(member, "video", 20)
        assert not member.errors + doctor.errors


async def test_another_network_path_is_taken_without_a_new_connection(chromium_path, tmp_path):
    async with two_in_the_room(chromium_path, tmp_path) as (member, doctor, _):
        line = await member.page.context.new_cdp_session(member.page)
        await drop(line, 0)  # connections made before the conditions are not bound by them
        await member.reload()
        await more(member, "audio")
        peers = await member.evaluate("globalThis.peersOfThePage.length")
        await drop(line, 100)
        await member.until("globalThis.saidByThePage.includes('media.restart')", "an ICE restart")
        await drop(line, 0)
        await more(member, "audio", 50)
        await more(doctor, "audio", 50)
        assert await member.evaluate("globalThis.peersOfThePage.length") == peers


async def test_whoever_is_silent_with_his_microphone_on_is_named(chromium_path, tmp_path):
    """RM-12: the chair's page says that his microphone is on, and nothing of it reaches the relay."""
    async with two_in_the_room(chromium_path, tmp_path) as (member, _, play):
        await more(member, "audio")
        await play["chair"].room("presence.set", mic=True, camera=False)
        await member.until("globalThis.saidByThePage.includes('media.unheard')", "the question", 30)
        said = "[...document.querySelectorAll('[data-testid=notice]')].map((one) => one.textContent)"
        words = "one.includes('не доходит до сервера') && one.includes('Орлов Д. С.')"
        await member.until(f"{said}.some((one) => {words})", "the notice with his name")


async def drop(line: Any, share: int) -> None:
    """So many per cent of the page's media packets are lost; its socket goes on."""
    await line.send("Network.enable")
    await line.send(
        "Network.emulateNetworkConditions",
        {
            "offline": False,
            "latency": 1,  # without any delay or limit Chromium takes the conditions for none at all
            "downloadThroughput": 10_000_000,
            "uploadThroughput": 10_000_000,
            "packetLoss": share,
        },
    )


@pytest.mark.needs_coturn
async def test_the_check_says_of_every_rung_whether_it_works(chromium_path, coturn: Turn, tmp_path):
    """RM-06. Nobody signed the certificate of this coturn, so the browser goes every way but TLS."""
    secret = tmp_path / "secret"
    secret.write_text(coturn.secret)
    settings = {
        "CONSILIUM_TURN_URLS": ",".join(coturn.urls.values()),
        "CONSILIUM_TURN_SECRET_FILE": str(secret),
    }
    async with scheduled(chromium_path, tmp_path, **settings) as (browser, play):
        member = await ChromiumWindow.open(browser, play.url, "member1")
        await member.sign_in("member1", "en")
        await member.goto(f"/consilia/{play.consilium}/check")
        await member.see("[data-testid=preview][data-state=on] video")
        await member.click("[data-testid=probe]")
        assert await member.attribute("[data-testid=verdict]", "data-state") == "good"
        found = await member.evaluate(
            "[...document.querySelectorAll('[data-testid=rungs] li')].map((one) => [one.dataset.testid, one.dataset.state])"
        )
        assert dict(found) == {
            "rung-udp": "works",
            "rung-turn_udp": "works",
            "rung-turn_tcp": "works",
            "rung-turn_tls": "blocked",
        }
        assert await member.attribute("[data-testid=chosen]", "data-state") == "udp"
        report = await member.evaluate("document.querySelector('[data-testid=report]').textContent")
        assert "through TURN by TLS, on the port of https: does not get through" in report
        assert "through TURN by TCP: works, " in report


@pytest.mark.needs_firefox
async def test_a_firefox_sends_its_sizes_and_is_seen(chromium_path, tmp_path):
    async with AsyncExitStack() as stack:
        browser, play = await stack.enter_async_context(scheduled(chromium_path, tmp_path))
        fox = await stack.enter_async_context(firefox_window(play.url, "ivanova"))
        member = await ChromiumWindow.open(browser, play.url, "member1")
        await member.sign_in("member1")
        await fox.sign_in("ivanova")
        await show(fox, quality="usual")
        await talk(play, member, fox)
        sent = await fox.until(f"{SENT}.then((one) => one.l && one.m && one.h && one)", "three sizes")
        assert set(sent) == {"l", "m", "h"}
        await more(member, "video", 20)
        await more(fox, "video", 20)
        await fox.until(f"{SENT}.then((one) => one.l.active && !one.h.active)", "the low size")
