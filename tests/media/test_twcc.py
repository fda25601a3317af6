"""Transport-wide feedback, read back by a decoder written from the draft alone."""

import struct
from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from media.twcc import MAX_STATUSES, TransportFeedback, chunks


@dataclass
class Report:
    base: int
    count: int
    number: int
    arrivals: dict[int, int]  # sequence number -> us, to 250 us
    missing: list[int]


def decode(packet: bytes) -> Report:
    """draft-holmer-rmcat-transport-wide-cc-extensions-01, section 3.1, byte by byte."""
    first, kind, length = struct.unpack_from("!BBH", packet)
    assert first >> 6 == 2 and first & 0x1F == 15 and kind == 205
    assert (length + 1) * 4 == len(packet)
    end = len(packet) - (packet[-1] if first & 0x20 else 0)
    base, count, last = struct.unpack_from("!HHI", packet, 12)
    reference = last >> 8
    position, symbols = 20, []
    while len(symbols) < count:
        (chunk,) = struct.unpack_from("!H", packet, position)
        position += 2
        if not chunk & 0x8000:
            symbols += [chunk >> 13 & 3] * (chunk & 0x1FFF)
        elif not chunk & 0x4000:
            symbols += [chunk >> shift & 1 for shift in range(13, -1, -1)]
        else:
            symbols += [chunk >> shift & 3 for shift in range(12, -1, -2)]
    assert not any(symbols[count:]), "symbols beyond the count"
    at, arrivals, missing = reference * 64_000, {}, []
    for index, symbol in enumerate(symbols[:count]):
        seq = (base + index) & 0xFFFF
        assert symbol != 3
        if symbol == 0:
            missing.append(seq)
            continue
        (delta,) = struct.unpack_from("!B" if symbol == 1 else "!h", packet, position)
        position += symbol
        at += delta * 250
        arrivals[seq] = at
    assert position == end
    return Report(base, count, last & 0xFF, arrivals, missing)


def build(*batches: list[tuple[int, int]]) -> list[Report]:
    feedback = TransportFeedback(1, 2)
    return [decode(packet) for batch in batches for packet in feedback.build(batch)]


def test_nothing_arrived_nothing_is_said():
    assert TransportFeedback(1).build([]) == []


def test_arrivals_are_told_to_a_quarter_of_a_millisecond():
    (report,) = build([(10, 1_000_100), (11, 1_001_000), (12, 1_021_750)])
    assert report.base == 10
    assert report.arrivals == {10: 1_000_000, 11: 1_001_000, 12: 1_021_750}


def test_the_packet_byte_by_byte():
    (packet,) = TransportFeedback(0x01020304, 0x0A0B0C0D).build([(5, 64_000), (7, 64_500), (8, 64_000 * 3)])
    assert packet.hex(" ", 4) == " ".join(
        [
            "afcd0006",  # padding, format 15, 7 words
            "01020304",
            "0a0b0c0d",
            "00050004",  # from 5, four statuses
            "00000100",  # 64 ms; report 0
            "d1800002",  # two-bit vector 01 00 01 10; 0 and 2 ticks
            "01fe0002",  # 510 ticks; two bytes of padding
        ]
    )


def test_a_hole_is_reported_and_the_next_report_goes_on_after_the_last():
    one, two = build([(100, 0), (103, 500)], [(105, 900)])
    assert (one.base, one.missing, one.number) == (100, [101, 102], 0)
    assert (two.base, two.missing, two.number) == (104, [104], 1)


def test_a_late_packet_is_told_with_those_that_overtook_it():
    one, two = build([(1, 1_000), (3, 2_000)], [(2, 3_000), (4, 4_000)])
    assert one.missing == [2]
    assert two.arrivals == {2: 3_000, 3: 2_000, 4: 4_000}, "deltas may be negative"


def test_a_packet_later_than_the_history_is_not_told():
    assert len(build([(1, 1_000), (3, 2_000)], [(4, 900_000)], [(2, 901_000)])) == 2


def test_a_repeated_packet_counts_once():
    one, two = build([(1, 1_000), (1, 1_250)], [(1, 2_000), (2, 2_000)])
    assert one.arrivals == {1: 1_000}
    assert two.arrivals == {2: 2_000}


def test_numbers_wrap():
    one, two = build([(65_534, 0), (65_535, 250), (0, 500)], [(2, 750)])
    assert list(one.arrivals) == [65_534, 65_535, 0]
    assert (two.base, two.missing) == (1, [1])


def test_the_first_packet_may_have_been_overtaken_across_the_wrap():
    one, two = build([(0, 500)], [(65_535, 750)])
    assert one.base == 0
    assert two.base == 65_535 and two.arrivals == {65_535: 750, 0: 500}


def test_the_reference_time_wraps_after_twelve_days():
    period = (1 << 24) * 64_000
    (report,) = build([(1, period + 64_000)])
    assert report.arrivals == {1: 64_000}


def test_a_pause_longer_than_a_delta_begins_another_packet():
    first, second = build([(1, 0), (2, 20_000_000)])
    assert (first.base, first.count) == (1, 1)
    assert (second.base, second.arrivals) == (2, {2: 20_000_000})


def test_a_leap_in_the_numbers_is_not_reported_as_loss():
    one, two = build([(1, 0)], [(30_000, 1_000)])
    assert one.count == 1
    assert (two.base, two.count) == (30_000, 1)


def test_the_counter_of_reports_wraps():
    reports = build(*[[(n, n * 250)] for n in range(300)])
    assert [report.number for report in reports] == [n & 0xFF for n in range(300)]


def test_a_burst_is_split_below_a_datagram():
    feedback = TransportFeedback(1)
    packets = feedback.build([(n * 2, n * 70_000) for n in range(1_000)])  # every second lost, large deltas
    assert len(packets) > 2
    assert all(len(packet) < 1200 for packet in packets)
    assert sum(len(decode(packet).arrivals) for packet in packets) == 1_000
    assert all(decode(packet).count <= MAX_STATUSES for packet in packets)


def test_a_regular_stream_costs_two_bytes_of_pattern():
    assert chunks([1] * 50) == b"\x20\x32"
    assert len(chunks([0] * 8_000)) == 2


@given(st.lists(st.tuples(st.integers(0, 400), st.integers(0, 300_000)), min_size=1), st.integers(0, 65_535))
def test_whatever_arrives_is_read_back(batch: list[tuple[int, int]], start: int):
    first: dict[int, int] = {}
    for step, at in batch:
        first.setdefault((start + step) & 0xFFFF, at)
    told: dict[int, int] = {}
    for report in build([((start + step) & 0xFFFF, at) for step, at in batch]):
        told |= report.arrivals
    assert told == {seq: at // 250 * 250 for seq, at in first.items()}
