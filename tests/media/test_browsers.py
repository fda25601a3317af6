"""Chromium and Firefox each send to and receive from the relay: pictures decoded on both sides."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Protocol

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from av import VideoFrame
from playwright.async_api import async_playwright

from media.__main__ import own_addresses
from tests.journeys.firefox import Firefox
from tests.media.rig import FORWARDERS, ROOM, Participant, Picture, Relay, Tone, relay_process

CHROMIUM_FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    # One socket without an interface of its own: towards 127.0.0.1 it sends from 127.0.0.1, and no packet
    # of this test carries another address.
    "--force-webrtc-ip-handling-policy=default_public_interface_only",
    "--webrtc-ip-handling-policy=default_public_interface_only",
    "--autoplay-policy=no-user-gesture-required",
    "--use-fake-ui-for-media-stream",
    "--use-fake-device-for-media-stream",
]


class Page(Protocol):
    async def evaluate(self, expression: str) -> Any: ...


@pytest.fixture
async def address() -> AsyncIterator[str]:
    """A page on 127.0.0.1, which browsers take for secure enough to give it a camera."""
    script = await asyncio.to_thread((Path(__file__).parent / "page.js").read_text)
    application = web.Application()

    async def page(request: web.Request) -> web.Response:
        return web.Response(text=f"<!doctype html><body><script>{script}</script>", content_type="text/html")

    application.router.add_get("/", page)
    server = TestServer(application, host="127.0.0.1")
    await server.start_server()
    yield str(server.make_url("/"))
    await server.close()


@pytest.fixture(params=FORWARDERS)
async def relay(tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[Relay]:
    """A worker process. Firefox pairs the machine's own address with nothing on 127.0.0.1, so both are served."""
    options = ("--forwarder", request.param, "--address", *own_addresses())
    async with relay_process(tmp_path, *options) as relay:
        yield relay


@contextlib.asynccontextmanager
async def chromium(address: str) -> AsyncIterator[Page]:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path="/usr/bin/chromium", headless=True, args=CHROMIUM_FLAGS
        )
        page = await browser.new_page()
        await page.goto(address)
        yield page
        await browser.close()


BROWSERS = [
    pytest.param(chromium, marks=pytest.mark.needs_chromium, id="chromium"),
    pytest.param(Firefox, marks=pytest.mark.needs_firefox, id="firefox"),
]


@pytest.mark.parametrize("browser", BROWSERS)
async def test_a_browser_sees_and_is_seen(browser, address: str, relay: Relay):
    await relay.ask("room.open", **ROOM)
    boris = Participant(relay, "boris")
    await boris.publish({"mic": Tone(), "camera": Picture(200)})
    await boris.subscribe(audio=1, video=2)
    async with browser(address) as page:
        await publish_from(page, relay, "anna")
        await subscribe_to(page, relay, "anna")

        async with asyncio.timeout(15):
            frame = await boris.track(await boris.slot_with("camera", "anna")).recv()
        assert isinstance(frame, VideoFrame)
        assert frame.width > 0

        got = await received(page, lambda got: frames(got) >= 10 and sound(got) > 0.0)
        assert any(line["width"] == 160 for line in got.values())

        await share_from(page, relay, "anna")
        async with asyncio.timeout(15):
            shared = await boris.track(await boris.slot_with("screen", "anna")).recv()
        assert isinstance(shared, VideoFrame)
    await boris.close()


@pytest.mark.parametrize("browser", BROWSERS)
async def test_a_slot_changes_its_source_without_renegotiation(browser, address: str, relay: Relay):
    """One video slot: Boris, then Vera after Boris has gone; the browser goes on decoding."""
    await relay.ask("room.open", **ROOM)
    boris, vera = Participant(relay, "boris"), Participant(relay, "vera")
    await boris.publish({"camera": Picture(200)})
    async with browser(address) as page:
        await subscribe_to(page, relay, "anna", audio=0, video=1)
        before = frames(await received(page, lambda got: frames(got) >= 5))
        await relay.ask("peer.close", **ROOM, peer="boris", reason="left")
        await vera.publish({"camera": Picture(60)})
        await relay.events.wait(
            lambda e: e["event"] == "slots" and e["peer"] == "anna" and e["slots"][0]["from"] == "vera"
        )
        after = await received(page, lambda got: frames(got) >= before + 10)
        assert max(line["lost"] for line in after.values()) <= 0
        brightness = await page.evaluate(BRIGHTNESS)
        assert abs(brightness - 60) < 25, "the picture is Vera's"
    await boris.close()
    await vera.close()


BRIGHTNESS = """(() => {
  const canvas = document.createElement("canvas"); canvas.width = 16; canvas.height = 16;
  const context = canvas.getContext("2d");
  context.drawImage(document.querySelector("video"), 0, 0, 16, 16);
  return context.getImageData(8, 8, 1, 1).data[0];
})()"""


async def publish_from(page: Page, relay: Relay, peer: str) -> None:
    offer = await page.evaluate("rig.publish()")
    answer = await relay.ask(
        "publish.offer",
        **ROOM,
        peer=peer,
        sdp=offer,
        sources={"0": "mic", "1": "camera"},
        may=["mic", "camera", "screen"],
    )
    await page.evaluate(f"rig.answered({json.dumps(answer['sdp'])})")


async def share_from(page: Page, relay: Relay, peer: str) -> None:
    offer = await page.evaluate("rig.share()")
    answer = await relay.ask(
        "publish.offer",
        **ROOM,
        peer=peer,
        sdp=offer,
        sources={"0": "mic", "1": "camera", "2": "screen"},
        may=["mic", "camera", "screen"],
    )
    await page.evaluate(f"rig.answered({json.dumps(answer['sdp'])})")


async def subscribe_to(page: Page, relay: Relay, peer: str, audio: int = 2, video: int = 2) -> None:
    offer = await relay.ask("subscribe.open", **ROOM, peer=peer, audio=audio, video=video)
    answer = await page.evaluate(f"rig.subscribe({json.dumps(offer['sdp'])})")
    await relay.ask("subscribe.answer", **ROOM, peer=peer, sdp=answer)


async def received(page: Page, enough, timeout: float = 20.0) -> dict[str, dict[str, float]]:
    """The browser's own receive statistics once they satisfy `enough`."""
    got: dict[str, dict[str, float]] = {}
    try:
        async with asyncio.timeout(timeout):
            while not enough(got):
                await asyncio.sleep(0.1)
                got = await page.evaluate("rig.received()")
    except TimeoutError:
        pytest.fail(f"only this arrived: {got}")
    return got


def frames(got: dict[str, dict[str, float]]) -> float:
    return max((line["frames"] for line in got.values()), default=0)


def sound(got: dict[str, dict[str, float]]) -> float:
    return max((line["energy"] for line in got.values()), default=0.0)


LAYERS = """(async () => {
  const stream = await navigator.mediaDevices.getUserMedia({audio: true, video: {width: 1280, height: 720, frameRate: 10}});
  rig.sending = new RTCPeerConnection({iceServers: [], bundlePolicy: "max-bundle"});
  rig.sending.addTransceiver(stream.getAudioTracks()[0], {direction: "sendonly"});
  rig.sending.addTransceiver(stream.getVideoTracks()[0], {direction: "sendonly", sendEncodings: [
    {rid: "l", scaleResolutionDownBy: 4, maxBitrate: 150000}, {rid: "m", scaleResolutionDownBy: 2, maxBitrate: 500000},
    {rid: "h", maxBitrate: 1500000}]});
  return rig.offer();
})()"""
RESTART = "(async () => { rig.sending.restartIce(); return rig.offer(); })()"
AGAIN = """(async (sdp) => {
  await rig.receiving.setRemoteDescription({type: "offer", sdp});
  await rig.receiving.setLocalDescription();
  return rig.receiving.localDescription.sdp;
})"""


@pytest.mark.parametrize("browser", BROWSERS)
async def test_three_layers_arrive_by_their_rids(browser, address: str, relay: Relay):
    await relay.ask("room.open", **ROOM)
    async with browser(address) as page:
        offer = await page.evaluate(LAYERS)
        answer = await answered(relay, "anna", offer)
        assert "a=simulcast:recv l;m;h" in answer
        await page.evaluate(f"rig.answered({json.dumps(answer)})")
        camera: dict[str, Any] = {}
        heard = 0
        async with asyncio.timeout(40):
            while [layer["flowing"] for layer in camera.get("layers", [])] != [
                True,
                True,
                True,
            ] or heard < 20:
                await asyncio.sleep(0.2)
                got = await publishing(relay, "anna")
                camera, heard = got["sources"]["camera"], got["sources"]["mic"]["packets"]
        assert [layer["rid"] for layer in camera["layers"]] == ["l", "m", "h"]
        if (
            "a=rtpmap:63 red/48000/2" in offer
        ):  # Chromium then sends nothing but RED, whatever its statistics say
            assert "m=audio 9 UDP/TLS/RTP/SAVPF 63 111\r\n" in answer
        assert "payload_type" not in got["drops"]


@pytest.mark.parametrize("browser", BROWSERS)
async def test_ice_is_restarted_on_both_connections_and_media_goes_on(browser, address: str, relay: Relay):
    await relay.ask("room.open", **ROOM)
    boris = Participant(relay, "boris")
    await boris.publish({"mic": Tone(), "camera": Picture(200)})
    await boris.subscribe(audio=1, video=1)
    async with browser(address) as page:
        await publish_from(page, relay, "anna")
        await subscribe_to(page, relay, "anna", audio=1, video=1)
        before = frames(await received(page, lambda got: frames(got) >= 5))
        assert await boris.track(await boris.slot_with("camera", "anna")).recv()
        mark = len(relay.events.seen)

        first = await page.evaluate("rig.sending.remoteDescription.sdp")
        restarted = await answered(relay, "anna", await page.evaluate(RESTART))
        assert ufrag(restarted) != ufrag(first)
        await page.evaluate(f"rig.answered({json.dumps(restarted)})")
        offer = str((await relay.ask("subscribe.restart", **ROOM, peer="anna"))["sdp"])
        assert ufrag(offer) != ufrag(await page.evaluate("rig.receiving.remoteDescription.sdp"))
        await relay.ask(
            "subscribe.answer", **ROOM, peer="anna", sdp=await page.evaluate(f"{AGAIN}({json.dumps(offer)})")
        )

        sent = (await publishing(relay, "anna"))["sources"]["camera"]["packets"]
        await received(page, lambda got: frames(got) >= before + 30)
        assert (await publishing(relay, "anna"))["sources"]["camera"]["packets"] > sent + 10
        states = [event for event in relay.events.seen[mark:] if event["event"] == "peer.state"]
        assert states == [], "neither connection was ever anything but connected"
    await boris.close()


PREFERRING = """(async (codec) => {
  await rig.publish();
  const [, camera] = rig.sending.getTransceivers();
  const all = RTCRtpSender.getCapabilities("video").codecs;
  const wanted = all.filter((one) => one.mimeType === codec && !/packetization-mode=0/.test(one.sdpFmtpLine || ""));
  camera.setCodecPreferences([...wanted, ...all.filter((one) => !wanted.includes(one))]);
  return rig.offer();
})"""


@pytest.mark.needs_chromium
@pytest.mark.parametrize("codec", ["H264", "VP9", "AV1"])
async def test_another_codec_than_vp8_is_forwarded_where_a_browser_prefers_it(
    codec: str, address: str, relay: Relay
):
    """In an echo room: the browser decodes its own picture."""
    await relay.ask("room.open", **ROOM, echo=True)
    async with chromium(address) as page:
        offer = await page.evaluate(f"{PREFERRING}({json.dumps('video/' + codec)})")
        if f" {codec}/90000" not in offer:
            pytest.skip(f"this Chromium has no {codec}")
        answer = await answered(relay, "anna", offer)
        assert f" {codec}/90000" in answer
        assert "VP8" not in answer
        await page.evaluate(f"rig.answered({json.dumps(answer)})")
        await subscribe_to(page, relay, "anna", audio=1, video=1)
        await received(page, lambda got: frames(got) >= 10)
        assert (await publishing(relay, "anna"))["sources"]["camera"]["codec"] == codec.lower()


async def answered(relay: Relay, peer: str, offer: str) -> str:
    may = ["mic", "camera"]
    sources = {"0": "mic", "1": "camera"}
    return str(
        (await relay.ask("publish.offer", **ROOM, peer=peer, sdp=offer, sources=sources, may=may))["sdp"]
    )


async def publishing(relay: Relay, peer: str) -> dict[str, Any]:
    """What the relay counts of a publisher."""
    stats: Any = await relay.ask("stats", room="r1")
    return dict(stats["rooms"]["r1"]["peers"][peer]["publish"])


def ufrag(description: str) -> str:
    return next(line for line in description.splitlines() if line.startswith("a=ice-ufrag:"))
