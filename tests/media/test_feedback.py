"""RTCP both ways, over the forwarder, on a clock that stands still."""

import itertools
import struct
from collections.abc import Callable

import pytest
from aiortc.rtp import (
    RtcpPacket,
    RtcpPsfbPacket,
    RtcpReceiverInfo,
    RtcpRrPacket,
    RtcpRtpfbPacket,
    RtcpSenderInfo,
    RtcpSrPacket,
    pack_remb_fci,
)

from media.bandwidth import START
from media.downstream import REPORTS_AT, Downstream, split
from media.downstream import blocks as read_blocks
from media.plane.table import Layer, Slot, Source
from media.repair import pack_nack, pack_pli
from media.twcc import MAX_STATUSES
from media.upstream import Upstream, ntp
from tests.media.test_twcc import decode
from tests.media.traffic import DELTA_FRAME, KEY_FRAME, RTX_PT, Traffic

pytestmark = pytest.mark.usefixtures("both_forwarders")


class Publisher:
    """Anna, who sends; `told` is the RTCP she gets."""

    def __init__(self, traffic: Traffic, *, transport_cc: bool = True) -> None:
        self.traffic = traffic
        self.end = traffic.leg("anna")
        self.told: list[bytes] = []
        self.upstream = Upstream(
            self.end.leg,
            traffic.forwarder,
            self.told.append,
            traffic.clock.later,
            transport_cc=transport_cc,
            ceiling=1_000_000,
            clock=traffic.clock,
        )
        traffic.told.on_gap = self.upstream.gap
        traffic.told.on_keyframe = self.upstream.keyframe

    def send(self, layer: Layer, *numbers: int, payload: bytes = DELTA_FRAME, level: int = 127) -> None:
        for number in numbers:
            self.traffic.send(self.end, layer, number, number * 960, payload, level=level)

    def take(self) -> list[object]:
        packets = [packet for data in self.told for packet in RtcpPacket.parse(data)]
        self.told.clear()
        return packets


class Receiver:
    """Boris, who receives one microphone or camera."""

    def __init__(self, traffic: Traffic, keyframe: Callable[[Slot], None] = lambda _slot: None) -> None:
        self.traffic = traffic
        self.end = traffic.leg("boris")
        self.told: list[bytes] = []
        self.wall = 1_700_000_000.0
        self.downstream = Downstream(
            self.end.leg,
            traffic.forwarder,
            self.told.append,
            keyframe,
            clock=traffic.clock,
            wall=lambda: self.wall + traffic.clock.now,
        )

    def receives(self, source: Source) -> Slot:
        slot = self.traffic.slot(self.end, source.kind)
        self.traffic.forwarder.connect(slot, source, 0)
        return slot

    def reports(
        self, slot: Slot, highest: int, lost: int, lsr: int = 0, dlsr: int = 0, jitter: int = 0
    ) -> None:
        block = RtcpReceiverInfo(slot.ssrc, 0, lost, highest, jitter, lsr, dlsr)
        assert self.downstream.rtcp(bytes(RtcpRrPacket(ssrc=1, reports=[block])))


# --- towards publishers -----------------------------------------------------------------------


def test_a_publisher_is_told_which_packets_arrived_when():
    traffic = Traffic()
    anna = Publisher(traffic)
    mic = traffic.source(anna.end, "mic", "audio").layers[0]
    for number in range(5):
        anna.send(mic, number, payload=b"opus")
        traffic.clock.run(0.02)
    anna.upstream.feedback()
    report = decode(anna.told.pop())
    assert list(report.arrivals) == [0, 1, 2, 3, 4]
    times = list(report.arrivals.values())
    assert [after - before for before, after in itertools.pairwise(times)] == pytest.approx(
        [20_000] * 4, abs=250
    )
    anna.upstream.feedback()
    assert anna.told == [], "nothing new"


def test_a_burst_of_arrivals_fits_into_datagrams():
    traffic = Traffic()
    anna = Publisher(traffic)
    mic = traffic.source(anna.end, "mic", "audio").layers[0]
    anna.send(mic, *range(1000), payload=b"opus")
    anna.upstream.feedback()
    assert sum(decode(packet).count for packet in anna.told) == 1000
    assert all(decode(packet).count <= MAX_STATUSES for packet in anna.told)


def test_a_receiver_report_says_what_was_lost_since_the_last_one():
    traffic = Traffic()
    anna = Publisher(traffic)
    mic = traffic.source(anna.end, "mic", "audio").layers[0]
    anna.send(mic, *range(10), payload=b"opus")
    traffic.forwarder.refresh([anna.end.leg])
    anna.upstream.report()
    anna.send(mic, *range(10, 20), 22, 24, payload=b"opus")
    traffic.forwarder.refresh([anna.end.leg])
    anna.upstream.report()
    first, second = [packet.reports[0] for packet in anna.take() if isinstance(packet, RtcpRrPacket)]
    assert (first.ssrc, first.highest_sequence, first.packets_lost, first.fraction_lost) == (
        mic.ssrc,
        9,
        0,
        0,
    )
    assert (second.highest_sequence, second.packets_lost) == (24, 3)
    assert second.fraction_lost == 3 * 256 // 15
    assert anna.upstream.quality()[0] == pytest.approx(3 / 25)
    assert anna.upstream.voice_packets() == (25, 3)


def test_every_layer_has_its_block():
    traffic = Traffic()
    anna = Publisher(traffic)
    camera = traffic.source(anna.end, "camera", "video", "lmh")
    for layer in camera.layers[:2]:
        anna.send(layer, 1, 2)
    traffic.forwarder.refresh([anna.end.leg])
    anna.upstream.report()
    (report,) = (packet for packet in anna.take() if isinstance(packet, RtcpRrPacket))
    assert [block.ssrc for block in report.reports] == [layer.ssrc for layer in camera.layers[:2]]


def test_a_report_answers_the_senders_own():
    traffic = Traffic()
    anna = Publisher(traffic)
    mic = traffic.source(anna.end, "mic", "audio").layers[0]
    anna.send(mic, 1, payload=b"opus")
    assert anna.upstream.rtcp(bytes(sender_report(mic.ssrc, at=50.0, rtp=1)))
    traffic.clock.run(0.5)
    traffic.forwarder.refresh([anna.end.leg])
    anna.upstream.report()
    (report,) = (packet for packet in anna.take() if isinstance(packet, RtcpRrPacket))
    assert report.reports[0].lsr == ntp(50.0) >> 16 & 0xFFFFFFFF
    assert report.reports[0].dlsr == 32768


def test_without_transport_feedback_remb_names_the_ceiling():
    traffic = Traffic()
    anna = Publisher(traffic, transport_cc=False)
    camera = traffic.source(anna.end, "camera", "video", "lm")
    anna.send(camera.layers[0], 1)
    anna.upstream.feedback()
    assert anna.told == []
    traffic.forwarder.refresh([anna.end.leg])
    anna.upstream.report()
    (remb,) = (packet for packet in anna.take() if isinstance(packet, RtcpPsfbPacket))
    assert remb.fci == pack_remb_fci(1_000_000, [camera.layers[0].ssrc])


def test_what_the_relay_misses_is_asked_for_until_it_comes():
    traffic = Traffic()
    anna = Publisher(traffic)
    camera = traffic.source(anna.end, "camera", "video").layers[0]
    anna.send(camera, 1, 2, 5)
    traffic.clock.run(0.02)
    (nack,) = anna.take()
    assert isinstance(nack, RtcpRtpfbPacket)
    assert (nack.media_ssrc, nack.lost) == (camera.ssrc, [3, 4])
    anna.send(camera, 3)
    traffic.clock.run(0.06)
    assert anna.take()[0].lost == [4]
    anna.send(camera, 4)
    traffic.clock.run(5)
    assert anna.take() == []
    assert anna.upstream.asked == 3


def test_what_does_not_come_within_a_second_becomes_a_key_frame_request():
    traffic = Traffic()
    anna = Publisher(traffic)
    camera = traffic.source(anna.end, "camera", "video").layers[0]
    anna.send(camera, 1, payload=KEY_FRAME)
    anna.send(camera, 3)
    traffic.clock.run(5)
    asked = anna.take()
    assert [packet for packet in asked if isinstance(packet, RtcpPsfbPacket)]
    assert 10 <= len([packet for packet in asked if isinstance(packet, RtcpRtpfbPacket)]) <= 20


def test_key_frame_requests_name_the_layer():
    traffic = Traffic()
    anna = Publisher(traffic)
    camera = traffic.source(anna.end, "camera", "video", "lmh")
    for layer in camera.layers[1:]:
        for _ in range(5):
            anna.upstream.keyframe(layer)
    asked = anna.take()
    assert [packet.media_ssrc for packet in asked] == [layer.ssrc for layer in camera.layers[1:]]
    anna.upstream.close()
    traffic.clock.run(2)
    assert anna.take() == []


# --- the clock of the slots -------------------------------------------------------------------


def sender_report(ssrc: int, at: float, rtp: int) -> RtcpSrPacket:
    return RtcpSrPacket(ssrc=ssrc, sender_info=RtcpSenderInfo(ntp(at), rtp & 0xFFFFFFFF, 0, 0))


def test_lips_and_voice_keep_their_distance_however_late_reports_arrive():
    traffic = Traffic()
    anna, boris = Publisher(traffic), Receiver(traffic)
    mic = traffic.source(anna.end, "mic", "audio")
    camera = traffic.source(anna.end, "camera", "video")
    voice, face = boris.receives(mic), boris.receives(camera)
    anna.send(mic.layers[0], 1, payload=b"opus")
    anna.send(camera.layers[0], 1, payload=KEY_FRAME)
    traffic.forwarder.refresh([anna.end.leg, boris.end.leg])
    # her clock is wrong by years; the camera's report is 300 ms late
    anna.upstream.rtcp(bytes(sender_report(mic.layers[0].ssrc, 5000.0, 48_000)))
    traffic.clock.run(0.3)
    anna.upstream.rtcp(bytes(sender_report(camera.layers[0].ssrc, 5000.0, 90_000)))
    boris.downstream.report(
        lambda slot, now: (
            anna.upstream.timestamp(slot.source.layers[slot.layer], now) if slot.source else None
        )
    )
    reports = {p.ssrc: p for p in RtcpPacket.parse(boris.told[0]) if isinstance(p, RtcpSrPacket)}
    heard, seen = reports[voice.ssrc].sender_info, reports[face.ssrc].sender_info
    assert heard.ntp_timestamp == seen.ntp_timestamp == ntp(boris.wall + traffic.clock.now)
    assert (heard.rtp_timestamp - voice.ts_delta) / 48_000 == pytest.approx(1.3, abs=0.001)
    assert (seen.rtp_timestamp - face.ts_delta) / 90_000 == pytest.approx(1.3, abs=0.001)


def test_a_slot_without_a_source_or_without_its_clock_reports_nothing():
    traffic = Traffic()
    anna, boris = Publisher(traffic), Receiver(traffic)
    mic = traffic.source(anna.end, "mic", "audio")
    boris.receives(mic)
    traffic.slot(boris.end, "audio")
    anna.send(mic.layers[0], 1, payload=b"opus")
    traffic.forwarder.refresh([boris.end.leg])
    boris.downstream.report(
        lambda slot, now: (
            anna.upstream.timestamp(slot.source.layers[slot.layer], now) if slot.source else None
        )
    )
    assert boris.told == []


# --- from receivers ---------------------------------------------------------------------------


def test_a_lost_packet_is_sent_again_by_rtx_and_not_twice_within_a_round_trip():
    traffic = Traffic()
    anna, boris = Publisher(traffic), Receiver(traffic)
    camera = traffic.source(anna.end, "camera", "video")
    slot = boris.receives(camera)
    anna.send(camera.layers[0], 1, payload=KEY_FRAME)
    traffic.lost.extend([True])
    anna.send(camera.layers[0], 2, 3, 4)
    boris.downstream.rtcp(pack_nack(9, slot.ssrc, [2]))
    boris.downstream.rtcp(pack_nack(9, slot.ssrc, [2]))
    (again,) = [packet for packet in boris.end.received if packet.payload_type == RTX_PT]
    assert again.ssrc == slot.rtx_ssrc
    assert again.payload == struct.pack("!H", 2) + DELTA_FRAME
    traffic.clock.run(0.1)
    boris.downstream.rtcp(pack_nack(9, slot.ssrc, [2]))
    assert len([packet for packet in boris.end.received if packet.payload_type == RTX_PT]) == 2


def test_a_key_frame_wish_goes_to_the_slots_layer():
    traffic = Traffic()
    wished: list[Slot] = []
    anna, boris = Publisher(traffic), Receiver(traffic, wished.append)
    slot = boris.receives(traffic.source(anna.end, "camera", "video"))
    voice = boris.receives(traffic.source(anna.end, "mic", "audio"))
    boris.downstream.rtcp(pack_pli(9, slot.ssrc))
    fir = struct.pack("!II", slot.ssrc, 1 << 24)
    boris.downstream.rtcp(bytes(RtcpPsfbPacket(fmt=4, ssrc=9, media_ssrc=0, fci=fir)))
    boris.downstream.rtcp(pack_pli(9, voice.ssrc))
    boris.downstream.rtcp(pack_pli(9, 123_456))
    assert wished == [slot, slot]


def test_reports_of_a_receiver_give_loss_jitter_and_round_trip():
    traffic = Traffic()
    anna, boris = Publisher(traffic), Receiver(traffic)
    slot = boris.receives(traffic.source(anna.end, "mic", "audio"))
    boris.reports(slot, 1000, 0)
    sent_at = ntp(boris.wall + traffic.clock.now) >> 16 & 0xFFFFFFFF
    traffic.clock.run(1.25)
    boris.reports(slot, 1100, 10, lsr=sent_at, dlsr=65536, jitter=480)
    assert boris.downstream.rtt == pytest.approx(0.25, abs=0.001)
    assert list(boris.downstream.round_trips) == [pytest.approx(0.25, abs=0.001)]
    loss, jitter = boris.downstream.quality(traffic.clock.now)
    assert (loss, jitter) == (pytest.approx(0.1), 0.01)
    assert boris.downstream.voice_packets() == (100, 10)
    assert boris.downstream.received(slot) == 1100
    assert boris.downstream.downlink.loss == pytest.approx(0.1)


def test_a_compound_is_read_block_by_block():
    blocks = [RtcpReceiverInfo(7 + n, 0, -5 + n, 1000 + n, n, n, n) for n in range(31)]
    info = RtcpSenderInfo(0, 0, 0, 0)
    data = bytes(RtcpRrPacket(ssrc=1, reports=blocks[:20])) + bytes(
        RtcpSrPacket(ssrc=1, sender_info=info, reports=blocks[20:])
    )
    read = [block for kind, packet in split(data) for block in read_blocks(packet, REPORTS_AT[kind])]
    assert [(b.ssrc, b.packets_lost, b.highest_sequence, b.jitter, b.lsr, b.dlsr) for b in read] == [
        (b.ssrc, b.packets_lost, b.highest_sequence, b.jitter, b.lsr, b.dlsr) for b in blocks
    ]


@pytest.mark.parametrize("cut", range(1, 32))
def test_a_compound_that_is_cut_short_is_refused(cut: int):
    traffic = Traffic()
    boris = Receiver(traffic)
    whole = bytes(RtcpRrPacket(ssrc=1, reports=[RtcpReceiverInfo(7, 0, 0, 0, 0, 0, 0)]))
    assert len(whole) == 32
    assert boris.downstream.rtcp(whole)
    assert not boris.downstream.rtcp(whole[:cut])
    assert not boris.downstream.rtcp(whole + whole[:cut])
    liar = bytes([whole[0] | 0x1F]) + whole[1:]
    assert boris.downstream.rtcp(liar)


def test_what_a_receiver_reported_long_ago_is_not_his_quality():
    traffic = Traffic()
    anna, boris = Publisher(traffic), Receiver(traffic)
    slot = boris.receives(traffic.source(anna.end, "mic", "audio"))
    boris.reports(slot, 1000, 0)
    boris.reports(slot, 1100, 50)
    traffic.clock.run(20)
    assert boris.downstream.quality(traffic.clock.now) == (None, None)


def test_what_was_lost_before_a_move_to_another_address_counts_for_nothing():
    traffic = Traffic()
    anna, boris = Publisher(traffic), Receiver(traffic)
    slot = boris.receives(traffic.source(anna.end, "mic", "audio"))
    boris.reports(slot, 1000, 0)
    boris.downstream.moved()
    boris.reports(slot, 1100, 60)
    assert boris.downstream.downlink.loss == 0
    assert boris.downstream.quality(traffic.clock.now)[0] is None
    boris.reports(slot, 1200, 70)
    assert boris.downstream.downlink.loss == pytest.approx(0.1)


def test_a_highest_number_that_wraps_is_no_leap():
    traffic = Traffic()
    anna, boris = Publisher(traffic), Receiver(traffic)
    slot = boris.receives(traffic.source(anna.end, "mic", "audio"))
    boris.reports(slot, 0xFFFFFFF0, 0)
    boris.reports(slot, 0x54, 10)
    assert boris.downstream.quality(traffic.clock.now)[0] == pytest.approx(0.1)


def test_remb_of_a_receiver_is_heard():
    traffic = Traffic()
    boris = Receiver(traffic)
    fci = pack_remb_fci(START * 2, [1])
    assert boris.downstream.rtcp(bytes(RtcpPsfbPacket(fmt=15, ssrc=9, media_ssrc=0, fci=fci)))
    assert boris.downstream.downlink.estimate == pytest.approx(START * 2, rel=0.001)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x81\xc9",
        b"\x81\xc9\x00\xff" + bytes(8),
        bytes(RtcpPsfbPacket(fmt=15, ssrc=9, media_ssrc=0, fci=b"REMB\xff\xff\xff\xff")),
        bytes(RtcpPsfbPacket(fmt=4, ssrc=9, media_ssrc=0, fci=b"")),
        b"\x8f\xcd\x00\x02" + bytes(8),
    ],
)
def test_nonsense_is_survived(data: bytes):
    traffic = Traffic()
    anna, boris = Publisher(traffic), Receiver(traffic)
    boris.downstream.rtcp(data)
    anna.upstream.rtcp(data)
    assert boris.downstream.downlink.estimate == START
