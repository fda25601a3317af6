"""What the forwarder reads in payloads: key frames of four codecs, VP8's picture ids, RED."""

import pytest

from media.plane import red
from media.plane.codecs import KEYFRAME_TESTS, NO_IDS, picture_ids, with_picture_ids
from media.plane.ring import Packet
from tests.media.packets import redundant


@pytest.mark.parametrize(
    "codec, payload, starts",
    [
        ("vp8", "1000", True),
        ("vp8", "1001", False),  # an inter frame
        ("vp8", "0000", False),  # not the start of a partition
        ("vp8", "1100", False),  # the second partition
        ("vp8", "90800500", True),  # seven bits of picture id
        ("vp8", "9080850600", True),  # fifteen
        ("vp8", "90f08506072000", True),  # with TL0PICIDX and TID
        ("vp8", "90f08506072001", False),
        ("vp8", "90f085060720", False),  # ends with its descriptor
        ("vp8", "9080", False),
        ("vp8", "90", False),
        ("vp8", "", False),
        ("h264", "65aa", True),
        ("h264", "67aa", True),
        ("h264", "61aa", False),
        ("h264", "68aa", False),  # picture parameters alone
        ("h264", "780002 67aa 0001 68", True),
        ("h264", "780001 68 0002 65aa", True),
        ("h264", "780001 68 0002 61aa", False),
        ("h264", "78000967aa", True),  # cut short behind what matters
        ("h264", "7800", False),
        ("h264", "7c85aa", True),
        ("h264", "7c05aa", False),  # the middle of one
        ("h264", "7c81aa", False),
        ("h264", "7c", False),
        ("h264", "", False),
        ("vp9", "08", True),
        ("vp9", "48", False),  # predicted
        ("vp9", "00", False),  # not the start of a frame
        ("vp9", "88 05 00", True),
        ("vp9", "a8 05 00", True),  # layer 0
        ("vp9", "a8 05 02", False),  # spatial layer 1
        ("vp9", "a8 8005 00", True),
        ("vp9", "a8 8005", False),
        ("vp9", "a8", False),
        ("vp9", "", False),
        ("av1", "18aa", True),
        ("av1", "10aa", False),
        ("av1", "", False),
        ("opus", "00", False),
    ],
)
def test_a_key_frame_is_told_from_other_packets(codec, payload, starts):
    assert KEYFRAME_TESTS[codec](bytes.fromhex(payload.replace(" ", ""))) is starts


@pytest.mark.parametrize(
    "payload, picture, wide, tl0",
    [
        ("90800500", 5, False, None),
        ("9080850600", 0x0506, True, None),
        ("90c085060700", 0x0506, True, 7),
        ("90c005070000", 5, False, 7),
        ("90400700", None, False, 7),
    ],
)
def test_picture_ids_are_found_and_rewritten_in_their_width(payload, picture, wide, tl0):
    raw = bytes.fromhex(payload)
    ids = picture_ids(raw)
    assert (ids.picture if ids.picture_at else None, ids.wide) == (picture, wide)
    assert (ids.tl0 if ids.tl0_at else None) == tl0
    changed = with_picture_ids(raw, ids, 0x7E if not wide else 0x7ABC, 0xEE)
    again = picture_ids(changed)
    assert len(changed) == len(raw) and again.wide is wide
    assert again.picture == (None if picture is None else 0x7ABC if wide else 0x7E) or picture is None
    assert again.tl0 == (0xEE if tl0 is not None else 0)
    assert with_picture_ids(changed, again, ids.picture, ids.tl0) == raw


@pytest.mark.parametrize("payload", ["", "10", "1000", "9080", "908080", "90c005", "900000"])
def test_a_descriptor_without_ids_or_cut_short_has_none(payload):
    assert picture_ids(bytes.fromhex(payload))[0::3] in {NO_IDS[0::3], (2, 0)}
    assert with_picture_ids(bytes.fromhex(payload), NO_IDS, 1, 1) == bytes.fromhex(payload)


def heard(ext: int, ts: int, payload: bytes) -> Packet:
    return Packet(ext, ts, 0, -1, -1, payload, 0.0, NO_IDS)


def test_red_is_split_into_what_it_was_joined_from():
    earlier = {7: heard(7, 1000, b"first"), 8: heard(8, 1960, b"second")}
    joined = red.join(heard(9, 2920, b"third"), earlier, 7, 2, 111, 12)
    assert joined == redundant(111, b"third", [(1920, b"first"), (960, b"second")])
    parts = red.split(joined)
    assert parts is not None and parts.payload_type == 111 and parts.primary == b"third"
    assert [(block.back, block.offset, block.payload) for block in parts.blocks] == [
        (2, 1920, b"first"),
        (1, 960, b"second"),
    ]


@pytest.mark.parametrize(
    "earlier",
    [
        {7: heard(7, 1000, b"x")},  # not contiguous
        {8: heard(8, 2920 - 16384, b"x")},  # too long ago for fourteen bits
        {8: heard(8, 1960, bytes(1024))},  # too long for ten bits
        {8: heard(8, 1960, bytes(1000))},  # together longer than a packet should be
    ],
)
def test_what_does_not_fit_is_not_repeated(earlier):
    alone = red.join(heard(9, 2920, bytes(200)), earlier, 0, 2, 111, 12)
    assert alone == b"\x6f" + bytes(200)


def test_nothing_from_before_a_change_of_source_is_repeated():
    earlier = {7: heard(7, 1000, b"other"), 8: heard(8, 1960, b"same")}
    joined = red.join(heard(9, 2920, b"now"), earlier, 8, 2, 111, 12)
    assert joined == redundant(111, b"now", [(960, b"same")])


def test_blocks_are_numbered_backwards_whatever_is_left_out():
    mixed = redundant(111, b"now", [(2880, b"old"), (1920, b""), (960, b"new")])
    parts = red.split(mixed)
    assert parts is not None and [block.back for block in parts.blocks] == [3, 1]


@pytest.mark.parametrize("length", range(12))
def test_cut_red_is_none(length):
    whole = redundant(111, b"", [(960, b"ab"), (480, b"cd")])
    assert len(whole) == 13
    assert red.split(whole[:length]) is None


def test_more_than_fifteen_blocks_are_refused():
    assert red.split(redundant(111, b"x", [(960, b"y")] * 15)) is not None
    assert red.split(redundant(111, b"x", [(960, b"y")] * 16)) is None
