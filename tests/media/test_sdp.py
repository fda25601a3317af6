"""Offers and answers: what is refused, and that nothing but BadSdp ever comes of one."""

import contextlib
import random
import re
from collections import Counter
from collections.abc import Awaitable

import pytest
from aiortc import RTCPeerConnection, RTCSessionDescription
from hypothesis import given
from hypothesis import strategies as st

from media import sdp
from media.errors import BadSdp, MediaError
from tests.media.rig import ROOM, Participant, Picture, Relay, Tone, new_pc

HOST = "candidate:1 1 udp 2130706431 192.0.2.7 5000 typ host"

SIMULCAST = "".join(f"a=rid:{n} send\r\n" for n in "abcd") + "a=simulcast:send a;b;c;d\r\n"


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


def read(text: str) -> sdp.Description:
    return sdp.read(text, sdp.MAX_PUBLISH_SECTIONS)


def without(text: str, start: str) -> str:
    return "".join(line for line in text.splitlines(keepends=True) if not line.startswith(start))


async def test_what_the_relay_needs_is_read(offer: str):
    description = read(offer)
    assert [(s.mid, s.kind, s.direction) for s in description.sections] == [
        ("0", "audio", "sendonly"),
        ("1", "video", "sendonly"),
    ]
    assert description.setup == "actpass"
    assert {name for name, _ in description.fingerprints} == {"sha-256", "sha-384", "sha-512"}
    audio, video = description.sections
    assert audio.formats[0].name == "opus"
    assert [one.name for one in video.formats[:2]] == ["vp8", "rtx"]
    assert video.formats[1].parameter("apt") == str(video.formats[0].payload_type)
    (media, repair), *others = video.ssrcs.items()
    assert not others
    assert media != repair != 0


async def test_only_local_names_and_end_of_candidates_still_connects(relay: Relay):
    """Firefox without a camera grant: a lite agent needs no candidate of the other side."""
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
        pytest.param(lambda s: re.sub(r"^m=(\w+) \d+", r"m=\1 0", s, flags=re.MULTILINE), id="all rejected"),
        pytest.param(lambda s: s.replace("RTP/SAVPF", "RTP/AVP"), id="no encryption"),
        pytest.param(lambda s: s + "a=fingerprint:sha-256 " + "A" * 3000 + "\r\n", id="a long line"),
        pytest.param(lambda s: s + "a=x:\x00\r\n", id="a control character"),
        pytest.param(lambda s: s.replace("a=ice-ufrag:", "a=ice-ufrag:\t"), id="a tab in the ufrag"),
        pytest.param(lambda s: s + "".join(f"a=ssrc:{n} cname:x\r\n" for n in range(20)), id="SSRCs"),
        pytest.param(lambda s: s + "".join(f"a=extmap:1 urn:{n}\r\n" for n in range(40)), id="extensions"),
        pytest.param(lambda s: s + "a=rtcp-fb:* nack\r\n" * 300, id="feedback"),
        pytest.param(lambda s: s + "a=rid:1 send\r\n" + SIMULCAST, id="too many encodings"),
        pytest.param(lambda s: s + "a=extmap:1 urn:another\r\n", id="an extension number twice"),
        pytest.param(lambda s: s.replace("a=rtpmap:97", "a=rtpmap:x"), id="payload type no number"),
        pytest.param(
            lambda s: s.replace("UDP/TLS/RTP/SAVPF 97", "UDP/TLS/RTP/SAVPF 999"), id="payload type 999"
        ),
    ],
)
async def test_a_bad_offer_is_refused(offer: str, spoil):
    spoiled = spoil(offer)
    assert spoiled != offer
    with pytest.raises(BadSdp):
        read(spoiled)


async def test_a_bundle_only_section_with_port_0_is_no_rejection(offer: str):
    port = next(line for line in offer.splitlines() if line.startswith("m=video")).split()[1]
    firefox = offer.replace(f"m=video {port}", "m=video 0").replace("a=mid:1", "a=mid:1\r\na=bundle-only")
    assert [section.rejected for section in read(firefox).sections] == [False, False]


async def test_a_stopped_m_line_is_answered_as_rejected(relay: Relay, offer: str):
    await relay.ask("room.open", **ROOM)
    stopped = re.sub(r"^m=video \d+", "m=video 0", offer, flags=re.MULTILINE)
    answer = await relay.ask(
        "publish.offer", **ROOM, peer="anna", sdp=stopped, sources={"0": "mic"}, may=["mic"]
    )
    assert "m=video 0 " in str(answer["sdp"])
    assert "a=group:BUNDLE 0\r\n" in str(answer["sdp"])


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


async def test_no_mutilated_answer_gives_anything_but_slots_or_bad_sdp(relay: Relay):
    await relay.ask("room.open", **ROOM)
    chance = random.Random(20261124)
    outcomes: Counter[str] = Counter()
    for number in range(40):
        anna = Participant(relay, f"anna{number % 8}")
        offer = await relay.ask("subscribe.open", **anna.where, audio=2, video=2)
        await anna.receiving.setRemoteDescription(RTCSessionDescription(str(offer["sdp"]), "offer"))
        await anna.receiving.setLocalDescription(await anna.receiving.createAnswer())
        plain = anna.receiving.localDescription.sdp
        await anna.close()
        for _ in range(6):
            answer = relay.ask("subscribe.answer", **anna.where, sdp=mutilate(plain, chance))
            outcomes[await code_of(answer)] += 1
    assert set(outcomes) <= {"answered", "bad_sdp", "wrong_state"}
    assert outcomes["bad_sdp"] > 20
    assert outcomes["answered"] > 10


@given(st.data())
def test_whatever_is_read_is_read_or_refused(data: st.DataObject):
    """Lines that mean something, in any order and with anything behind them."""
    starts = st.sampled_from(STARTS)
    lines = data.draw(st.lists(st.builds(str.__add__, starts, st.text(max_size=30)), max_size=40))
    with contextlib.suppress(BadSdp):  # any other exception fails the test
        assert sdp.read("\r\n".join(lines), 16).sections


STARTS = [
    *("v=0", "m=audio 9 UDP/TLS/RTP/SAVPF 111", "m=video 9 UDP/TLS/RTP/SAVPF 96 97", "m=", "a=", ""),
    *(
        "a=group:BUNDLE 0 1",
        "a=mid:0",
        "a=mid:1",
        "a=ice-ufrag:abcd",
        "a=ice-pwd:" + "x" * 22,
        "a=setup:actpass",
    ),
    *("a=fingerprint:sha-256 " + ":".join(["AB"] * 32), "a=rtcp-mux", "a=rtpmap:96 VP8/90000", "a=rtpmap:"),
    *(
        "a=fmtp:97 apt=96",
        "a=fmtp:",
        "a=rtcp-fb:* nack",
        "a=rtcp-fb:",
        "a=extmap:1 urn:x",
        "a=extmap:",
        "a=ssrc:1 x",
    ),
    *(
        "a=ssrc-group:FID 1 2",
        "a=ssrc-group:",
        "a=rid:l send",
        "a=rid:",
        "a=simulcast:send l;m",
        "a=simulcast:",
    ),
]


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
            "publish.offer", **ROOM, peer="anna", sdp=re.sub("VP8|H264", "H261", offer), sources={}, may=[]
        )
    assert caught.value.code == "bad_sdp"
    assert (await relay.ask("stats"))["people"] == 0


@pytest.mark.parametrize("sources", [{"7": "mic"}, {"0": "camera"}, {"0": "mic", "1": "mic"}])
async def test_sources_must_fit_the_offer(relay: Relay, offer: str, sources):
    await relay.ask("room.open", **ROOM)
    with pytest.raises(MediaError) as caught:
        await relay.ask("publish.offer", **ROOM, peer="anna", sdp=offer, sources=sources, may=["mic"])
    assert caught.value.code == "bad_request"
