"""Offers and answers: what is refused, and that nothing but BadSdp ever comes of one."""

import random
from collections import Counter
from collections.abc import Awaitable

import pytest
from aiortc import RTCPeerConnection

from media import sdp
from media.errors import BadSdp, MediaError
from tests.media.rig import ROOM, Participant, Picture, Relay, Tone, new_pc

HOST = "candidate:1 1 udp 2130706431 192.0.2.7 5000 typ host"


@pytest.fixture
async def offer() -> str:
    pc = new_pc()
    pc.addTransceiver(Tone(), direction="sendonly")
    pc.addTransceiver(Picture(), direction="sendonly")
    text = await offer_of(pc)
    await pc.close()
    return text


async def offer_of(pc: RTCPeerConnection) -> str:
    await pc.setLocalDescription(await pc.createOffer())
    return pc.localDescription.sdp


def vet(text: str) -> sdp.Vetted:
    return sdp.vet(text, sdp.MAX_PUBLISH_SECTIONS)


def without(text: str, start: str) -> str:
    return "".join(line for line in text.splitlines(keepends=True) if not line.startswith(start))


async def test_candidates_are_taken_out_and_handed_over(offer: str):
    vetted = vet(offer)
    assert "a=candidate" not in vetted.text
    assert "end-of-candidates" not in vetted.text
    assert {c.host for c in vetted.candidates} == {"127.0.0.1"}
    assert [(s.mid, s.kind, s.direction) for s in vetted.sections] == [
        ("0", "audio", "sendonly"),
        ("1", "video", "sendonly"),
    ]


async def test_only_local_names_and_end_of_candidates_still_connects(relay: Relay):
    """Firefox without a camera grant: aiortc alone would fail at once for want of pairs."""
    await relay.ask("room.open", **ROOM)
    anna = Participant(relay, "anna")
    plain = anna.relay.ask

    async def obfuscated(op: str, **fields: object):
        if "sdp" in fields:
            fields["sdp"] = str(fields["sdp"]).replace(" 127.0.0.1 ", " 7e2c9a7c-0000-4000-8000-1.local ")
            assert ".local" in str(fields["sdp"])
        return await plain(op, **fields)

    anna.relay.ask = obfuscated
    await anna.publish({"mic": Tone()})
    await anna.connected("publish")
    await anna.close()


@pytest.mark.parametrize(
    "spoil",
    [
        pytest.param(lambda s: "", id="nothing"),
        pytest.param(lambda s: "v=0\r\n", id="no m-lines"),
        pytest.param(lambda s: s + "a=x:" + "y" * sdp.MAX_SDP_BYTES, id="too long"),
        pytest.param(lambda s: s + "a=x:\u043f\u0440\r\n", id="not ASCII"),
        pytest.param(lambda s: s + f"a={HOST}\r\n" * 65, id="too many candidates"),
        pytest.param(lambda s: s + "m=audio 9 UDP/TLS/RTP/SAVPF 96\r\n" * 15, id="too many m-lines"),
        pytest.param(lambda s: without(s, "a=fingerprint"), id="no fingerprint"),
        pytest.param(
            lambda s: s.replace("a=fingerprint:sha-256 ", "a=fingerprint:md5 "), id="weak fingerprint"
        ),
        pytest.param(lambda s: s.replace("a=fingerprint:sha-256 ", "a=fingerprint:sha-256"), id="joined"),
        pytest.param(lambda s: without(s, "a=setup"), id="no DTLS role"),
        pytest.param(lambda s: without(s, "a=ice-pwd"), id="no ICE password"),
        pytest.param(lambda s: without(s, "a=mid"), id="no MID"),
        pytest.param(lambda s: s.replace("a=mid:1", "a=mid:0"), id="the same MID twice"),
        pytest.param(lambda s: s.replace("a=mid:1", "a=mid:" + "1" * 17), id="a long MID"),
        pytest.param(lambda s: without(s, "a=group"), id="no BUNDLE"),
        pytest.param(lambda s: without(s, "a=rtcp-mux"), id="no rtcp-mux"),
        pytest.param(lambda s: s.replace("m=video ", "m=application "), id="data channel"),
        pytest.param(lambda s: s.replace("m=video ", "m=text "), id="text"),
        pytest.param(lambda s: "m=video 0".join(s.split("m=video 9")), id="unchanged or rejected"),
        pytest.param(lambda s: s.replace("a=rtpmap:97", "a=rtpmap:x"), id="payload type no number"),
        pytest.param(
            lambda s: s.replace("UDP/TLS/RTP/SAVPF 97", "UDP/TLS/RTP/SAVPF 999"), id="payload type 999"
        ),
    ],
)
async def test_a_bad_offer_is_refused_by_vetting(offer: str, spoil, request):
    spoiled = spoil(offer)
    if request.node.callspec.id == "unchanged or rejected":
        port = next(line for line in offer.splitlines() if line.startswith("m=video")).split()[1]
        spoiled = offer.replace(f"m=video {port}", "m=video 0")
    assert spoiled != offer
    with pytest.raises(BadSdp):
        vet(spoiled)


async def test_a_bundle_only_section_with_port_0_is_no_rejection(offer: str):
    port = next(line for line in offer.splitlines() if line.startswith("m=video")).split()[1]
    firefox = offer.replace(f"m=video {port}", "m=video 0").replace("a=mid:1", "a=mid:1\r\na=bundle-only")
    assert [section.mid for section in vet(firefox).sections] == ["0", "1"]


@pytest.mark.parametrize(
    "value",
    [
        "",
        "candidate:",
        "candidate:1 1 udp x 192.0.2.7 5000 typ host",
        "candidate:1 1 udp 1 7e2c9a7c.local 5000 typ host",
        "candidate:1 1 udp 1 relay.example.org 5000 typ host",
        "candidate:1 1 tcp 1 192.0.2.7 9 typ host tcptype active",
        "candidate:1 2 udp 1 192.0.2.7 5000 typ host",
        "candidate:1 1 udp 1 192.0.2.7 0 typ host",
        "candidate:1 1 udp 1 192.0.2.7 70000 typ host",
        "candidate:1 1 udp 1 192.0.2.7 5000 typ prflx",
    ],
)
def test_a_useless_candidate_is_ignored(value: str):
    assert sdp.parse_candidate(value) is None


def test_a_candidate_comes_with_or_without_its_prefix():
    first, second = sdp.parse_candidate(HOST), sdp.parse_candidate(HOST.removeprefix("candidate:"))
    assert first is not None
    assert second is not None
    assert (first.host, first.port) == (second.host, second.port) == ("192.0.2.7", 5000)


async def test_more_than_64_candidates_are_refused(relay: Relay):
    await relay.ask("room.open", **ROOM)
    await relay.ask("subscribe.open", **ROOM, peer="anna", audio=1, video=0)
    where = {**ROOM, "peer": "anna", "pc": "subscribe"}
    for number in range(64):
        line = f"candidate:1 1 udp 1 127.0.0.{number + 1} 9 typ host"
        assert await relay.ask("candidate", **where, candidate={"candidate": line}) == {"used": True}
    assert await relay.ask("candidate", **where, candidate={"candidate": ""}) == {"used": False}
    with pytest.raises(MediaError) as caught:
        await relay.ask("candidate", **where, candidate=HOST)
    assert caught.value.code == "full"


async def test_no_mutilated_offer_gives_anything_but_an_answer_or_bad_sdp(relay: Relay, offer: str):
    """A13: aiortc's own parser lets AssertionError, KeyError, IndexError and others through."""
    await relay.ask("room.open", **ROOM)
    chance = random.Random(20261123)
    outcomes: Counter[str] = Counter()
    for _ in range(400):
        text = mutilate(offer, chance)
        outcome = await code_of(
            relay.ask("publish.offer", **ROOM, peer="anna", sdp=text, sources={}, may=["mic"])
        )
        outcomes[outcome] += 1
    assert set(outcomes) == {"answered", "bad_sdp"}
    assert outcomes["bad_sdp"] > 50
    assert outcomes["answered"] > 50


async def code_of(request: Awaitable[object]) -> str:
    try:
        await request
    except MediaError as error:
        return error.code
    return "answered"


def mutilate(text: str, chance: random.Random) -> str:
    lines = text.split("\r\n")
    for _ in range(chance.randint(1, 3)):
        at = chance.randrange(len(lines))
        match chance.randrange(5):
            case 0:
                del lines[at]
            case 1:
                lines.insert(at, lines[chance.randrange(len(lines))])
            case 2:
                lines[at] = lines[at][: chance.randrange(len(lines[at]) + 1)]
            case 3:
                lines[at] = lines[at].replace(chance.choice("0123456789: /"), chance.choice("x:-9 "), 1)
            case 4:
                lines[at] = lines[at] + chance.choice(["", " ", ":", "0", ";a=b"])
        if len(lines) < 2:
            break
    return "\r\n".join(lines)


async def test_an_answer_nobody_waits_for_is_refused(relay: Relay):
    await relay.ask("room.open", **ROOM)
    anna = Participant(relay, "anna")
    await anna.subscribe(audio=1, video=1)
    with pytest.raises(MediaError) as caught:
        await relay.ask("subscribe.answer", **anna.where, sdp=anna.receiving.localDescription.sdp)
    assert caught.value.code == "wrong_state"
    await anna.close()


async def test_an_offer_with_another_codec_only_is_refused(relay: Relay, offer: str):
    await relay.ask("room.open", **ROOM)
    with pytest.raises(MediaError) as caught:
        await relay.ask(
            "publish.offer", **ROOM, peer="anna", sdp=offer.replace("VP8", "VP9"), sources={}, may=[]
        )
    assert caught.value.code == "bad_sdp"
    assert (await relay.ask("stats"))["people"] == 0


@pytest.mark.parametrize("sources", [{"7": "mic"}, {"0": "camera"}, {"0": "mic", "1": "mic"}])
async def test_sources_must_fit_the_offer(relay: Relay, offer: str, sources):
    await relay.ask("room.open", **ROOM)
    with pytest.raises(MediaError) as caught:
        await relay.ask("publish.offer", **ROOM, peer="anna", sdp=offer, sources=sources, may=["mic"])
    assert caught.value.code == "bad_request"
