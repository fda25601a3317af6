"""The forwarder alone, with real SRTP on both sides: what comes out for what goes in.

A compiled forwarder has to pass these tests too.
"""

import asyncio
import struct
from dataclasses import dataclass, field

import pytest
from aiortc.rtcrtpparameters import RTCRtpHeaderExtensionParameters, RTCRtpParameters
from aiortc.rtp import (
    HeaderExtensionsMap,
    RtcpPacket,
    RtcpPsfbPacket,
    RtcpReceiverInfo,
    RtcpRrPacket,
    RtcpRtpfbPacket,
    RtcpSenderInfo,
    RtcpSrPacket,
    RtpPacket,
    pack_header_extensions,
)
from hypothesis import given
from hypothesis import strategies as st
from pylibsrtp import Policy, Session

from media import feedback, routes
from media.forward import Forwarder
from media.keyframe import PLI_INTERVAL, KeyframeRequests, starts_vp8_keyframe
from media.rewrite import newer, slot_extensions
from media.routes import Egress, Ingress, Slot, Source
from media.stats import Counters

KEY = bytes(range(28))
KEYFRAME = b"\x10\x00" + b"k" * 60  # S=1, PID=0; P=0
DELTA = b"\x10\x01" + b"d" * 60
LATER_PART = b"\x00\x00" + b"k" * 60


def session(kind: int) -> Session:
    policy = Policy(key=KEY, ssrc_type=kind, srtp_profile=Policy.SRTP_PROFILE_AEAD_AES_128_GCM)
    policy.allow_repeat_tx = True
    return Session(policy)


@dataclass
class Sender:
    """A publisher with one source."""

    source: Source
    ingress: Ingress
    asked: list[str] = field(default_factory=list)
    rtcp: list[bytes] = field(default_factory=list)
    _srtp: Session = field(default_factory=lambda: session(Policy.SSRC_ANY_OUTBOUND))

    def send(self, forwarder: Forwarder, seq: int, ts: int, payload: bytes = DELTA, **more: int) -> None:
        forwarder.receive(self.ingress, self._srtp.protect(self.packet(seq, ts, payload, **more)))

    def packet(
        self,
        seq: int,
        ts: int,
        payload: bytes,
        level: int | None = None,
        ssrc: int = 0,
        pt: int = 0,
        marker: int = 0,
    ) -> bytes:
        extensions = [(1, self.source.mid.encode())]
        if level is not None:
            extensions.append((2, bytes([level])))
        profile, value = pack_header_extensions(extensions)
        head = struct.pack(
            "!BBHLL", 0x90, marker << 7 | (pt or self.source.payload_type), seq, ts, ssrc or self.source.ssrc
        )
        return head + struct.pack("!HH", profile, len(value) // 4) + value + payload


class Receiver:
    """The other end of one slot: decrypts and parses what is sent to it."""

    def __init__(self, mid: str, kind: str) -> None:
        self.packets: list[RtpPacket] = []
        self.rtcp: list[object] = []
        self._srtp = session(Policy.SSRC_ANY_INBOUND)
        self.protect = session(Policy.SSRC_ANY_OUTBOUND)
        self._map = HeaderExtensionsMap()
        extension = RTCRtpHeaderExtensionParameters
        self._map.configure(
            RTCRtpParameters(
                headerExtensions=[
                    extension(id=1, uri="urn:ietf:params:rtp-hdrext:sdes:mid"),
                    extension(id=2, uri="urn:ietf:params:rtp-hdrext:ssrc-audio-level"),
                ]
            )
        )
        egress = Egress(
            peer="b",
            counters=Counters(),
            protect=self.protect.protect,
            protect_rtcp=self.protect.protect_rtcp,
            sendto=self._take,
            backlog=lambda: 0,
            address=("127.0.0.1", 9),
        )
        self.slot = Slot(
            mid=mid,
            kind=kind,
            ssrc=777,
            payload_type=97,
            extensions=slot_extensions(mid, 1, 2 if kind == "audio" else 0),
            clock_rate=routes.CLOCK_RATES[kind],
            egress=egress,
        )

    def _take(self, data: bytes, address: tuple[str, int]) -> None:
        if 192 <= data[1] <= 223:
            self.rtcp.extend(RtcpPacket.parse(self._srtp.unprotect_rtcp(data)))
        else:
            self.packets.append(RtpPacket.parse(self._srtp.unprotect(data), self._map))


def sender(name: str, kind: str, ssrc: int) -> Sender:
    rtcp: list[bytes] = []
    asked: list[str] = []
    ingress = Ingress(
        peer=name,
        unprotect=session(Policy.SSRC_ANY_INBOUND).unprotect,
        send_rtcp=rtcp.append,
        counters=Counters(),
        on_first=lambda source: setattr(source, "started", True),
        mid_id=1,
    )
    source = Source(
        peer=name,
        name="camera" if kind == "video" else "mic",
        kind=kind,
        mid="0",
        payload_type=96,
        rtx_payload_type=98 if kind == "video" else -1,
        level_id=2 if kind == "audio" else 0,
        clock_rate=routes.CLOCK_RATES[kind],
        ingress=ingress,
        open=True,
        ssrc=ssrc,
        ask_keyframe=lambda: asked.append(name),
    )
    ingress.by_mid[b"0"] = source
    return Sender(source, ingress, asked, rtcp)


def test_a_copy_carries_the_slots_identity_and_the_senders_payload():
    anna, boris, forwarder = sender("anna", "audio", 5), Receiver("3", "audio"), Forwarder()
    routes.connect(anna.source, boris.slot)
    anna.send(forwarder, 100, 9600, b"opus", level=0x80 | 23, marker=1)
    (packet,) = boris.packets
    assert (packet.ssrc, packet.payload_type, packet.marker) == (777, 97, 1)
    assert (packet.sequence_number, packet.timestamp, packet.payload) == (100, 9600, b"opus")
    assert packet.extensions.mid == "3"
    assert packet.extensions.audio_level == (True, 23)
    assert anna.source.take_level() == 23
    assert anna.source.take_level() == 127


def test_one_packet_goes_to_every_slot_of_its_source_and_to_no_other():
    anna, boris = sender("anna", "audio", 5), sender("boris", "audio", 6)
    ears, other, forwarder = (
        [Receiver(str(n), "audio") for n in range(4)],
        Receiver("9", "audio"),
        Forwarder(),
    )
    for ear in ears:
        routes.connect(anna.source, ear.slot)
    routes.connect(boris.source, other.slot)
    anna.send(forwarder, 1, 960, b"opus")
    assert [len(ear.packets) for ear in ears] == [1, 1, 1, 1]
    assert other.packets == []
    routes.disconnect(ears[0].slot)
    anna.send(forwarder, 2, 1920, b"opus")
    assert [len(ear.packets) for ear in ears] == [1, 2, 2, 2]


def test_a_video_slot_waits_for_a_key_frame_and_asks_for_it():
    anna, boris, forwarder = sender("anna", "video", 5), Receiver("0", "video"), Forwarder()
    routes.connect(anna.source, boris.slot)
    assert anna.asked == ["anna"]
    anna.send(forwarder, 1, 3000, DELTA)
    anna.send(forwarder, 2, 6000, LATER_PART)
    assert boris.packets == []
    anna.send(forwarder, 3, 9000, KEYFRAME)
    anna.send(forwarder, 4, 12000, DELTA)
    assert [p.sequence_number for p in boris.packets] == [3, 4]


def test_a_change_of_source_leaves_no_gap_and_no_step_back():
    anna, vera, boris = sender("anna", "video", 5), sender("vera", "video", 6), Receiver("0", "video")
    forwarder = Forwarder()
    routes.connect(anna.source, boris.slot)
    anna.send(forwarder, 65534, 4294967000, KEYFRAME)
    anna.send(forwarder, 65535, 4294967000 + 200, DELTA)
    routes.connect(vera.source, boris.slot)
    anna.send(forwarder, 0, 400, DELTA)  # nobody listens any more
    vera.send(forwarder, 30000, 77, KEYFRAME)
    vera.send(forwarder, 30001, 3077, DELTA)
    assert [p.sequence_number for p in boris.packets] == [65534, 65535, 0, 1]
    stamps = [p.timestamp for p in boris.packets]
    assert 0 < (stamps[2] - stamps[1]) % 2**32 < 90000
    assert (stamps[3] - stamps[2]) % 2**32 == 3000
    assert {p.ssrc for p in boris.packets} == {777}


def test_a_packet_from_before_the_change_is_dropped_as_late():
    anna, boris, forwarder = sender("anna", "audio", 5), Receiver("0", "audio"), Forwarder()
    routes.connect(anna.source, boris.slot)
    anna.send(forwarder, 10, 9600, b"first")
    anna.send(forwarder, 9, 8640, b"older")
    assert [p.payload for p in boris.packets] == [b"first"]
    assert boris.slot.egress.counters.drops["late"] == 1


def test_a_retransmission_comes_out_as_the_packet_it_repeats():
    anna, boris, forwarder = sender("anna", "video", 5), Receiver("0", "video"), Forwarder()
    routes.connect(anna.source, boris.slot)
    anna.send(forwarder, 1, 3000, KEYFRAME)
    anna.send(forwarder, 3, 9000, DELTA)
    anna.send(forwarder, 900, 6000, struct.pack("!H", 2) + b"\x10\x01lost", ssrc=55, pt=98)
    assert [(p.sequence_number, p.timestamp) for p in boris.packets] == [(1, 3000), (3, 9000), (2, 6000)]
    assert boris.packets[2].payload == b"\x10\x01lost"
    anna.send(forwarder, 901, 6000, b"", ssrc=55, pt=98)
    assert anna.ingress.counters.drops["padding"] == 1


@pytest.mark.parametrize(
    "spoil, reason",
    [
        (lambda s: setattr(s, "open", False), "not_permitted"),
        (lambda s: setattr(s, "payload_type", 50), "payload_type"),
    ],
)
def test_what_may_not_pass_is_counted(spoil, reason):
    anna, boris, forwarder = sender("anna", "audio", 5), Receiver("0", "audio"), Forwarder()
    routes.connect(anna.source, boris.slot)
    anna.send(forwarder, 1, 960, b"opus", pt=96)
    spoil(anna.source)
    anna.send(forwarder, 2, 1920, b"opus", pt=96)
    assert len(boris.packets) == 1
    assert anna.ingress.counters.drops == {reason: 1}


def test_only_so_many_ssrcs_are_learned_and_unknown_mids_are_none():
    anna, forwarder = sender("anna", "audio", 5), Forwarder()
    for ssrc in range(10, 20):
        anna.send(forwarder, ssrc, 960, b"opus", ssrc=ssrc)
    assert len(anna.ingress.by_ssrc) == 4
    assert anna.ingress.counters.drops["unknown_ssrc"] == 6


@given(st.binary(max_size=80))
def test_no_authenticated_nonsense_raises(tail: bytes):
    """A participant owns his keys, so what he protects may be anything."""
    anna, boris, forwarder = sender("anna", "video", 5), Receiver("0", "video"), Forwarder()
    routes.connect(anna.source, boris.slot)
    anna.ingress.unprotect = lambda data: data
    forwarder.receive(anna.ingress, tail)
    forwarder.receive(anna.ingress, b"\x9f\x60" + tail)
    forwarder.receive(anna.ingress, anna.packet(1, 2, tail))
    forwarder.receive(anna.ingress, anna.packet(2, 2, tail, pt=98))
    forwarder.receive(anna.ingress, anna.packet(3, 2, tail)[:-1][:20])


@given(st.binary(max_size=20))
def test_any_payload_either_starts_a_key_frame_or_does_not(payload: bytes):
    assert starts_vp8_keyframe(payload) in {True, False}


@pytest.mark.parametrize(
    "payload, expected",
    [
        (KEYFRAME, True),
        (DELTA, False),
        (LATER_PART, False),
        (b"\x90\x80\x12\x00", True),  # 7-bit picture id
        (b"\x90\x80\x92\x34\x00", True),  # 15-bit picture id
        (b"\x90\xf0\x92\x34\x05\x20\x00", True),  # picture id, TL0PICIDX, TID and KEYIDX
        (b"\x90\xf0\x92\x34\x05\x20\x01", False),
        (b"\x90\x80", False),
        (b"", False),
    ],
)
def test_key_frames_are_seen_through_every_descriptor(payload: bytes, expected: bool):
    assert starts_vp8_keyframe(payload) is expected


@given(st.integers(0, 0xFFFF), st.integers(1, 0x7FFF))
def test_sequence_numbers_wrap(start: int, step: int):
    assert newer((start + step) & 0xFFFF, start)
    assert not newer(start, (start + step) & 0xFFFF)


def test_a_receivers_loss_is_asked_for_at_the_source_once():
    anna, vera, boris = sender("anna", "video", 5), sender("vera", "video", 6), Receiver("0", "video")
    forwarder = Forwarder()
    routes.connect(vera.source, boris.slot)
    vera.send(forwarder, 500, 3000, KEYFRAME)
    routes.connect(anna.source, boris.slot)
    anna.send(forwarder, 1000, 3000, KEYFRAME)
    anna.send(forwarder, 1003, 3000, DELTA)
    nack = bytes(RtcpRtpfbPacket(fmt=1, ssrc=1, media_ssrc=777, lost=[502, 503]))
    feedback.on_receiver_rtcp({777: boris.slot}, nack)
    feedback.on_receiver_rtcp({777: boris.slot}, nack)
    (sent,) = anna.rtcp
    (request,) = RtcpPacket.parse(sent)
    assert (request.media_ssrc, request.lost) == (5, [1001, 1002])
    before = bytes(RtcpRtpfbPacket(fmt=1, ssrc=1, media_ssrc=777, lost=[499]))
    feedback.on_receiver_rtcp({777: boris.slot}, before)
    assert len(anna.rtcp) == 1, "499 was Vera's"


def test_pli_and_fir_ask_the_source_and_strange_ssrcs_ask_nobody():
    anna, boris = sender("anna", "video", 5), Receiver("0", "video")
    routes.connect(anna.source, boris.slot)
    anna.asked.clear()
    slots = {777: boris.slot}
    feedback.on_receiver_rtcp(slots, bytes(RtcpPsfbPacket(fmt=1, ssrc=1, media_ssrc=777)))
    fir = struct.pack("!LB3x", 777, 1)
    feedback.on_receiver_rtcp(slots, bytes(RtcpPsfbPacket(fmt=4, ssrc=1, media_ssrc=0, fci=fir)))
    feedback.on_receiver_rtcp(slots, bytes(RtcpPsfbPacket(fmt=1, ssrc=1, media_ssrc=778)))
    assert anna.asked == ["anna", "anna"]
    assert feedback.on_receiver_rtcp(slots, b"\x80\xcd\x00") == (False, None)


async def test_key_frame_requests_are_merged_to_one_in_half_a_second():
    loop, sent = asyncio.get_running_loop(), []
    second = asyncio.Event()

    def send() -> None:
        sent.append(loop.time())
        if len(sent) == 2:
            second.set()

    requests = KeyframeRequests(loop, send)
    for _ in range(100):
        requests.ask()
    assert len(sent) == 1
    await asyncio.wait_for(second.wait(), 2)
    assert PLI_INTERVAL * 0.9 <= sent[1] - sent[0] < PLI_INTERVAL * 1.6
    requests.ask()
    requests.close()
    requests.ask()
    assert len(sent) == 2


def test_sender_reports_reach_the_receiver_in_the_relays_clock():
    anna, boris, forwarder = sender("anna", "audio", 5), Receiver("0", "audio"), Forwarder()
    routes.connect(anna.source, boris.slot)
    anna.send(forwarder, 1, 96000, b"opus")
    info = RtcpSenderInfo(ntp_timestamp=1 << 32, rtp_timestamp=96000, packet_count=1, octet_count=4)
    feedback.on_publisher_rtcp(anna.ingress, bytes(RtcpSrPacket(ssrc=5, sender_info=info)))
    report = boris.rtcp[0]
    assert isinstance(report, RtcpSrPacket)
    assert report.ssrc == 777
    assert abs(report.sender_info.ntp_timestamp - feedback.ntp_now()) < 2 << 32
    assert 96000 <= report.sender_info.rtp_timestamp < 96000 + 4800
    assert report.sender_info.packet_count == 1


def test_the_round_trip_is_measured_from_the_receivers_report():
    boris = Receiver("0", "audio")
    lsr = (feedback.ntp_now() >> 16) - int(0.25 * 65536)
    info = RtcpReceiverInfo(777, 64, 3, 100, 0, lsr & 0xFFFFFFFF, int(0.05 * 65536))
    _, rtt = feedback.on_receiver_rtcp({777: boris.slot}, bytes(RtcpRrPacket(ssrc=1, reports=[info])))
    assert rtt is not None
    assert 0.19 < rtt < 0.25
    assert (boris.slot.lost, boris.slot.fraction_lost) == (3, 0.25)


def test_a_receiver_report_tells_the_publisher_his_losses():
    anna, forwarder = sender("anna", "video", 5), Forwarder()
    for seq in (65530, 65531, 65533, 1, 2):
        anna.send(forwarder, seq, 3000, DELTA)
    report, _, remb = RtcpPacket.parse(feedback.receiver_report(anna.ingress, [anna.source], 1_500_000))
    (info,) = report.reports
    assert (info.ssrc, info.highest_sequence, info.packets_lost) == (5, 0x10002, 4)
    assert info.fraction_lost == (4 << 8) // 9
    assert remb.fci[:4] == b"REMB"
