"""Media where UDP is blocked: real coturn, real browsers, and a firewall between them (F32, RM-07)."""

import asyncio
import contextlib
import json
import sys
import time
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from aiortc import RTCBundlePolicy, RTCConfiguration, RTCIceServer, RTCPeerConnection
from aiortc.rtcconfiguration import RTCIceTransportPolicy
from playwright.async_api import Browser

from bench.network import NO_UDP, ONLY_TLS, Conditions, Link
from consilium import clock
from media.control import MediaClient
from signaling.turn import TurnServers, credentials
from tests import networks, services
from tests.media.rig import ROOM, Events, Participant, Picture, Relay, Tone, until
from tests.media.test_browsers import BROWSERS, Page, address, frames, publish_from, received, subscribe_to
from tests.media.test_browsers import relay as a_process
from tests.services import Turn

__all__ = ["a_process", "address"]
pytestmark = pytest.mark.needs_coturn

RUNGS = ["udp", "tcp", "tls"]
MEDIA_WITHIN = 5.0  # F32


def through(turn: Turn, rung: str) -> RTCPeerConnection:
    """An aiortc client that may use nothing but this rung."""
    username, credential = credentials(uuid4(), turn.secret.encode(), clock.now() + timedelta(hours=1))
    return RTCPeerConnection(
        RTCConfiguration(
            iceServers=[RTCIceServer(turn.urls[rung], username=username, credential=credential)],
            iceTransportPolicy=RTCIceTransportPolicy.RELAY,
            bundlePolicy=RTCBundlePolicy.MAX_BUNDLE,
        )
    )


@pytest.mark.parametrize("rung", RUNGS)
async def test_the_relay_is_reached_over_every_rung(relay: Relay, coturn: Turn, rung: str, monkeypatch):
    monkeypatch.setenv("SSL_CERT_FILE", str(coturn.certificate))
    await relay.ask("room.open", **ROOM)
    anna, boris = Participant(relay, "anna"), Participant(relay, "boris")
    anna.sending, anna.receiving = through(coturn, rung), through(coturn, rung)
    await anna.publish({"mic": Tone(), "camera": Picture(60)})
    await boris.publish({"mic": Tone(), "camera": Picture(200)})
    await anna.subscribe()
    await boris.subscribe()
    assert "typ relay" in anna.sending.localDescription.sdp
    assert "typ host" not in anna.sending.localDescription.sdp
    for watcher, sender in ((anna, "boris"), (boris, "anna")):
        async with asyncio.timeout(10):
            await watcher.track(await watcher.slot_with("camera", sender)).recv()
            await watcher.track(await watcher.slot_with("mic", sender)).recv()
    await anna.close()
    await boris.close()


@pytest.mark.parametrize("browser", BROWSERS)
async def test_a_browser_made_to_use_turn_is_served(browser, address, a_process: Relay, coturn: Turn):
    """Without namespaces, so that Firefox is here too."""
    await a_process.ask("room.open", **ROOM)
    boris = Participant(a_process, "boris")
    await boris.publish({"mic": Tone(), "camera": Picture(200)})
    async with browser(address) as page:
        await configure(page, coturn, ["tcp"], policy="relay")
        await subscribe_to(page, a_process, "anna")
        await received(page, lambda got: frames(got) >= 5)
    await boris.close()


async def configure(page: Page, turn: Turn, rungs: list[str], policy: str = "all") -> None:
    servers = TurnServers(tuple(turn.urls[rung] for rung in rungs), turn.secret.encode())
    told = servers.servers(uuid4(), clock.now())["servers"]
    configuration = {"iceServers": told, "iceTransportPolicy": policy, "bundlePolicy": "max-bundle"}
    await page.evaluate(f"void (rig.configuration = {json.dumps(configuration)})")


@pytest.fixture
async def hospital(tmp_path: Path) -> AsyncIterator["Hospital"]:
    """Browsers on the near side; beyond a link of 10 ms each way the relay and coturn on 3478 and 443."""
    with contextlib.ExitStack() as stack:
        link = stack.enter_context(networks.link(Conditions(delay_ms=10)))
        turn = stack.enter_context(
            services.coturn(link.far_address, (3478, 443), lambda words: link.command("far", words))
        )
        async with relay_beyond(link, tmp_path) as relay, networks.chromium(link, tmp_path) as browser:
            await relay.ask("room.open", **ROOM)
            yield Hospital(link, turn, relay, browser)


class Hospital:
    """Two tabs that speak through the relay, and how long that took."""

    def __init__(self, link: Link, turn: Turn, relay: Relay, browser: Browser) -> None:
        self.link, self.turn, self.relay, self.browser = link, turn, relay, browser

    async def tab(self, rungs: list[str]) -> Any:
        script = (Path(__file__).parent / "page.js").read_text()
        context = await self.browser.new_context()
        body = f"<!doctype html><body><script>{script}</script>"
        await context.route("**/*", lambda route: route.fulfill(body=body, content_type="text/html"))
        page = await context.new_page()
        await page.goto("http://127.0.0.1/")
        await configure(page, self.turn, rungs)
        return page

    async def meet(self, rungs: list[str]) -> tuple[dict[str, str], float]:
        """One sends, one receives: their ways, and seconds from the first offer to the first picture."""
        sender, receiver = await self.tab(rungs), await self.tab(rungs)
        started = time.monotonic()
        await publish_from(sender, self.relay, "sender")
        await subscribe_to(receiver, self.relay, "receiver")
        await received(receiver, lambda got: frames(got) >= 1)
        seconds = time.monotonic() - started
        ways = await sender.evaluate("rig.ways()") | await receiver.evaluate("rig.ways()")
        for page, peer in ((sender, "sender"), (receiver, "receiver")):
            await page.context.close()
            await self.relay.ask("peer.close", **ROOM, peer=peer, reason="left")
        return ways, seconds


@contextlib.asynccontextmanager
async def relay_beyond(link: Link, folder: Path) -> AsyncIterator[Relay]:
    """A media worker on the far side; its control socket is a file, which both sides see."""
    control = f"unix:{folder}/far.sock"
    words = [
        sys.executable,
        "-m",
        "media",
        "--name",
        "far",
        "--control",
        control,
        "--address",
        link.far_address,
    ]
    process = await asyncio.create_subprocess_exec(*link.command("far", words))
    events = Events()
    client = MediaClient(control, events)
    try:
        await client.connect(timeout=15)
        yield Relay(client, events, process=process)
    finally:
        await client.close()
        process.terminate()
        await process.wait()


@pytest.mark.needs_chromium
async def test_the_browser_falls_from_rung_to_rung(hospital: Hospital):
    """Nothing blocked, UDP blocked, all but port 443 blocked: a picture within five seconds each time."""
    found = {}
    for allowed in (None, NO_UDP, ONLY_TLS):
        hospital.link.restrict(allowed)
        ways, seconds = await hospital.meet(RUNGS)
        assert seconds < MEDIA_WITHIN
        found[allowed] = ways
    assert found == {
        None: {"sending": "direct", "receiving": "direct"},
        NO_UDP: {"sending": "tcp", "receiving": "tcp"},
        ONLY_TLS: {"sending": "tls", "receiving": "tls"},
    }


@pytest.mark.needs_chromium
async def test_without_turn_a_blocked_network_stays_dark(hospital: Hospital):
    """The control of the test above: what lets the picture through is TURN."""
    hospital.link.restrict(NO_UDP)
    sender = await hospital.tab([])
    await publish_from(sender, hospital.relay, "sender")
    await until(lambda: hospital.link.counts().refused >= 5)
    assert await sender.evaluate("rig.sending.connectionState") in {"new", "connecting"}
    assert await sender.evaluate("rig.ways()") == {}


@pytest.mark.needs_chromium
async def test_joining_speaks_to_the_relay_and_to_nobody_else(hospital: Hospital):
    """A5: no foreign STUN server, no name asked, from the browser or from the relay."""
    await hospital.meet([])
    hospital.link.counts(reset=True)
    await hospital.meet(RUNGS)
    counts = hospital.link.counts()
    assert counts.passed > 50
    # Chromium's multicast name service announces itself to the link; a router carries that nowhere.
    assert {name for name in counts.strangers if not name.startswith("224.0.0.")} == set()
