"""The parts of the packet path that remember: rings, losses, buckets, header extensions."""

import random

import pytest

from media.plane.bucket import Bucket
from media.plane.codecs import NO_IDS
from media.plane.losses import Losses
from media.plane.rewrite import NO_VALUE, Headers, difference, elements, send_time
from media.plane.ring import Packet, Ring
from media.plane.table import MISSING_AGAIN, MISSING_FOR, MISSING_LIMIT, RING_BYTES, RING_PACKETS, Extensions
from tests.media.packets import one_byte


def packet(ext: int, size: int = 10, arrival: float = 0.0) -> Packet:
    return Packet(ext, ext * 960, 0, -1, -1, bytes(size), arrival, NO_IDS)


@pytest.mark.parametrize("kind", ["audio", "video"])
def test_a_ring_holds_the_newest_packets_within_both_bounds(kind):
    ring, sizes = Ring(kind), random.Random(5)
    kept: list[Packet] = []
    for ext in range(3000):
        one = packet(ext, sizes.choice((1, 40, 600, 1400)))
        ring.add(one)
        kept.append(one)
        while len(kept) > RING_PACKETS[kind] or sum(len(each.payload) for each in kept) > RING_BYTES[kind]:
            kept.pop(0)
        assert len(ring.packets) == len(kept)
    assert list(ring.packets.values()) == kept


def test_what_was_said_lately_comes_in_the_order_of_its_numbers():
    ring = Ring("audio")
    for ext, arrival in ((1, 0.0), (2, 1.0), (4, 1.1), (3, 1.2)):
        ring.add(packet(ext, arrival=arrival))
    assert [each.ext for each in ring.latest(1.24, 0.24)] == [2, 3, 4]


def test_a_loss_is_asked_for_at_once_and_again_until_it_is_given_up():
    losses = Losses()
    assert losses.add(65534, 65538, 10.0)
    assert losses.ask(10.0) == ([65534, 65535, 0, 1], False)
    assert losses.ask(10.0 + MISSING_AGAIN / 2) == ([], False)
    losses.found(65535)
    assert losses.ask(10.1) == ([65534, 0, 1], False)
    assert losses.ask(10.0 + MISSING_FOR + 0.01) == ([], True)
    assert not losses and losses.ask(12.0) == ([], False)


def test_a_gap_too_large_to_repair_empties_the_list():
    losses = Losses()
    losses.add(1, 3, 0.0)
    assert losses.add(10, 10 + MISSING_LIMIT, 0.0)
    assert losses.ask(0.0)[0] == list(range(10, 10 + MISSING_LIMIT))  # the oldest gave way
    assert not losses.add(500, 501 + MISSING_LIMIT, 0.0)
    assert not losses


def test_a_bucket_gives_its_depth_at_once_and_then_its_rate():
    bucket = Bucket(1000, 500, 100.0)
    assert bucket.take(500, 100.0) and not bucket.take(1, 100.0)
    assert not bucket.take(126, 100.125) and bucket.take(125, 100.125)
    assert bucket.take(500, 1e6) and not bucket.take(1, 1e6)
    bucket.change(10, 5000)
    assert not bucket.take(1, 1e6) and bucket.take(10, 1e6 + 1)


@pytest.mark.parametrize(
    "seq, highest, ahead",
    [(1, 0, 1), (0, 1, -1), (0, 65535, 1), (65535, 0, -1), (32767, 0, 32767), (32768, 0, -32768)],
)
def test_numbers_are_compared_around_the_wrap(seq, highest, ahead):
    assert difference(seq, highest) == ahead


def test_elements_are_read_until_something_ends_them():
    body = one_byte([(1, b"mid"), (3, b"\x85")])
    assert elements(body, 0, len(body)) == {1: b"mid", 3: b"\x85"}
    assert elements(b"\0\0\x10a" + body, 0, 4 + len(body)) == {1: b"mid", 3: b"\x85"}  # the last counts
    assert elements(b"\x10a\xf0\x20b", 0, 5) == {1: b"a"}  # 15 ends
    assert elements(b"\x10a\x02\x20b", 0, 5) == {1: b"a"}  # 0 with a length ends
    assert elements(b"\x10a\x25b", 0, 4) is None  # cut short
    assert elements(b"\x10a\x20", 0, 3) is None
    assert elements(b"", 0, 0) == {}


def test_a_slot_writes_its_elements_in_order_and_pads_them():
    numbers = Extensions(mid=4, level=2, send_time=3, orientation=13)
    before, after = Headers("video", "v1", numbers).block(NO_VALUE)
    assert before + b"TTT" + after == b"\xbe\xde\x00\x02\x41v1\x32TTT\0"
    before, after = Headers("video", "v1", numbers).block(2)
    assert before + b"TTT" + after == b"\xbe\xde\x00\x03\x41v1\xd0\x02\x32TTT\0\0\0"
    assert Headers("audio", "0", numbers).block(0xFF) == (b"\xbe\xde\x00\x01\x400\x20\xff", b"")
    assert Headers("audio", "0", numbers).block(NO_VALUE) == (b"\xbe\xde\x00\x01\x400\0\0", b"")
    assert Headers("audio", "0", Extensions(send_time=3)).block(7) == (b"", b"")


def test_send_time_is_six_bits_of_seconds_and_eighteen_of_fraction():
    assert send_time(0.0) == b"\0\0\0"
    assert send_time(1.0) == b"\x04\0\0"
    assert send_time(64.5) == b"\x02\0\0"
    assert send_time(63.999999) == b"\xff\xff\xff"
