"""Which binding requests are taken (RFC 8489), with the sample request of RFC 5769."""

import struct

import pytest

from media.plane.stun import is_authentic, parse_request
from tests.media.packets import binding_request

# RFC 5769, section 2.1
SAMPLE = bytes.fromhex(
    "000100582112a442b7e7a701bc34d686fa87dfae"
    "802200105354554e207465737420636c69656e74"
    "002400046e0001ff"
    "80290008932ff9b151263b36"
    "0006000965 76746a3a68367659202020".replace(" ", "")
    + "000800149aeaa70cbfd8cb56781ef2b5b2d3f249c1b571a2"
    + "80280004e57a3bcf"
)
SAMPLE_PASSWORD = "VOkJxbRl1RmTxUk/WvJxBt"


def test_the_sample_request_of_rfc_5769_is_taken():
    request = parse_request(SAMPLE)
    assert request is not None and (request.ours, request.theirs) == ("evtj", "h6vY")
    assert is_authentic(SAMPLE, request, SAMPLE_PASSWORD)
    assert not is_authentic(SAMPLE, request, SAMPLE_PASSWORD + "x")


@pytest.mark.parametrize("place", range(0, len(SAMPLE) - 8, 3))
def test_a_changed_bit_is_noticed(place):
    changed = bytearray(SAMPLE)
    changed[place] ^= 0x10
    request = parse_request(bytes(changed))
    assert request is None or not is_authentic(bytes(changed), request, SAMPLE_PASSWORD)


@pytest.mark.parametrize("length", range(len(SAMPLE)))
def test_a_cut_request_is_none(length):
    assert parse_request(SAMPLE[:length]) is None


@pytest.mark.parametrize(
    "data",
    [
        binding_request(b"ours:theirs", b"x", kind=0x0101),  # a response
        binding_request(b"ours:theirs", b"x", kind=0x0003),  # an allocation
        binding_request(b"ours:theirs", b"x", cookie=1),
        binding_request(b"ours", b"x"),  # nobody's name
        binding_request(b"ours:theirs", b"x", tail=struct.pack("!HH", 0x8022, 400)),  # past the end
        binding_request(b"ours:theirs", b"x") + b"\0\0\0\0",  # longer than it says
    ],
)
def test_other_messages_are_none(data):
    assert parse_request(data) is None


def test_an_integrity_of_another_length_is_none():
    short = bytearray(binding_request(b"ours:theirs", b"x"))
    place = short.index(struct.pack("!HH", 8, 20))
    short[place + 3] = 16
    assert parse_request(bytes(short)) is None


def test_a_name_behind_the_integrity_does_not_count():
    late = struct.pack("!HH", 6, 3) + b"a:b\0"
    request = parse_request(binding_request(b"ours:theirs", b"x", tail=late))
    assert request is not None and request.ours == "ours"
