"""Losses asked for and answered, on a clock of our own."""

import itertools

from aiortc.rtp import RtcpPacket
from hypothesis import given
from hypothesis import strategies as st

from media.plane.table import Layer, Leg, Source
from media.repair import (
    PLI_INTERVAL,
    RESENT_BURST,
    RESENT_SHARE,
    KeyframeRequests,
    Requests,
    Resends,
    pack_nack,
    pack_pli,
)
from tests.media.clock import Clock


class Publisher:
    """Loses packets; what is asked for comes (or does not). Speaks as `Forwarder.missing` does, pacing included."""

    def __init__(self, clock: Clock, rtt: float | None = None) -> None:
        source = Source(Leg("anna"), "camera", "video", "vp8", "1", 96)
        self.layer = Layer(source, ssrc=7)
        self.lost: set[int] = set()
        self.told: dict[int, float] = {}
        self.asked: list[tuple[float, list[int]]] = []
        self.clock = clock
        self.requests = Requests(self.missing, self.ask, lambda: rtt, clock.later, clock)

    def missing(self, layer: Layer) -> list[int]:
        fresh = [n for n in sorted(self.lost) if self.clock.now - self.told.get(n, -1) >= 0.05]
        self.told.update(dict.fromkeys(fresh, self.clock.now))
        return fresh

    def ask(self, layer: Layer, numbers: list[int]) -> None:
        self.asked.append((self.clock.now, numbers))


def parse_nack(data: bytes) -> list[int]:
    (packet,) = RtcpPacket.parse(data)
    return [number & 0xFFFF for number in packet.lost]


def test_a_loss_is_asked_for_until_it_comes():
    clock = Clock()
    publisher = Publisher(clock)
    publisher.lost = {5, 6}
    publisher.requests.gap(publisher.layer)
    clock.run(0.15)
    assert [numbers for _, numbers in publisher.asked] == [[5, 6]] * 3
    publisher.lost = {6}
    clock.run(0.05)
    assert publisher.asked[-1][1] == [6]
    publisher.lost.clear()
    clock.run(5)
    count = len(publisher.asked)
    clock.run(5)
    assert len(publisher.asked) == count


def test_mere_reordering_is_not_asked_for():
    clock = Clock()
    publisher = Publisher(clock)
    publisher.lost = {5}
    publisher.requests.gap(publisher.layer)
    clock.run(0.005)
    publisher.lost.clear()
    clock.run(1)
    assert publisher.asked == []


def test_a_satellite_link_is_asked_once_per_round_trip():
    """F30: 600 ms and no storm."""
    clock = Clock()
    publisher = Publisher(clock, rtt=0.6)
    publisher.lost = {5}
    publisher.requests.gap(publisher.layer)
    clock.run(1.2)
    assert len(publisher.asked) == 2


def test_nothing_is_asked_for_after_close():
    clock = Clock()
    publisher = Publisher(clock)
    publisher.lost = {5}
    publisher.requests.gap(publisher.layer)
    publisher.requests.close()
    clock.run(1)
    assert publisher.asked == []


def test_a_nack_names_numbers_across_the_wrap():
    assert parse_nack(pack_nack(1, 2, [65_530, 65_535, 0, 10, 11])) == [65_530, 65_535, 0, 10, 11]
    assert len(pack_nack(1, 2, range(17))) == 16


@given(st.lists(st.integers(0, 65_535), min_size=1, max_size=60))
def test_whatever_is_asked_for_is_read_back(numbers: list[int]):
    assert set(parse_nack(pack_nack(1, 2, numbers))) == set(numbers)


def test_a_pli_names_the_ssrc_of_its_layer():
    (packet,) = RtcpPacket.parse(pack_pli(1, 0xFFFFFFFF))
    assert (packet.fmt, packet.ssrc, packet.media_ssrc) == (1, 1, 0xFFFFFFFF)


def test_the_same_packet_is_not_resent_within_a_round_trip():
    resends = Resends()
    assert resends.answer(1, [3, 4, 3], 0.2, 10.0) == [3, 4]
    assert resends.answer(1, [3, 5], 0.2, 10.1) == [5]
    assert resends.answer(2, [3], 0.2, 10.1) == [3], "another slot"
    assert resends.answer(1, [3], 0.2, 10.21) == [3]
    assert resends.answer(1, [3], None, 10.22) == []
    assert resends.answer(1, [3], None, 10.24) == [3]


def test_resending_is_a_share_of_what_is_sent():
    resends = Resends()
    assert len(resends.answer(1, range(1000), None, 10.0)) == RESENT_BURST
    assert resends.refused == 1000 - RESENT_BURST
    resends.sent(200)
    assert len(resends.answer(1, range(2000, 3000), None, 11.0)) == 200 * RESENT_SHARE
    resends.sent(1_000_000)
    assert len(resends.answer(1, range(3000, 4000), None, 12.0)) == RESENT_BURST


def test_key_frame_requests_of_all_receivers_are_one_in_half_a_second():
    clock = Clock()
    sent: list[float] = []
    keyframes = KeyframeRequests(lambda: sent.append(clock.now), clock.later, clock)
    for _ in range(30):
        keyframes.ask()
        clock.run(0.05)
    assert len(sent) in {3, 4}
    assert all(later - earlier >= PLI_INTERVAL - 1e-9 for earlier, later in itertools.pairwise(sent))
    keyframes.ask()
    keyframes.close()
    clock.run(2)
    assert len(sent) in {3, 4}
