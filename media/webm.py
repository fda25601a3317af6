"""Just enough WebM to write what was received: Opus and VP8 frames, untouched, in clusters of about a second.

Everything is written once and forwards: sizes of the segment and of clusters are "unknown" (Matroska allows it for
live streams, RFC 9559 section 5.1, RFC 8794 section 6.2), so that a file which ends in the middle of a cluster,
because its writer was killed, plays up to there.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

UNKNOWN = b"\x01\xff\xff\xff\xff\xff\xff\xff"
TIMECODE_SCALE = 1_000_000  # nanoseconds: all times are in milliseconds
BLOCK_SPAN = 32_000  # milliseconds a block's 16-bit time may be away from its cluster's
OPUS_HEAD = b"OpusHead" + struct.pack("<BBHIHB", 1, 2, 0, 48000, 0, 0)  # RFC 7845, section 5.1
APP = b"consilium"

EBML, SEGMENT, INFO, TRACKS, CLUSTER = 0x1A45DFA3, 0x18538067, 0x1549A966, 0x1654AE6B, 0x1F43B675
SIMPLE_BLOCK, TIMECODE, DATE = 0xA3, 0xE7, 0x4461
EPOCH = 978_307_200  # 2001-01-01, from which Matroska counts dates, in Unix time


@dataclass(frozen=True, slots=True)
class Track:
    """One stream of a file. Sizes are of the first picture; later ones may differ, decoders follow them."""

    number: int
    kind: str  # audio, video
    width: int = 0
    height: int = 0


def header(tracks: tuple[Track, ...], began: float) -> bytes:
    """The beginning of a file, up to the first cluster. `began` is Unix time."""
    ebml = _element(
        EBML,
        _number(0x4286, 1)  # EBMLVersion
        + _number(0x42F7, 1)
        + _number(0x42F2, 4)
        + _number(0x42F3, 8)
        + _element(0x4282, b"webm")
        + _number(0x4287, 4)
        + _number(0x4285, 2),
    )
    date = struct.pack(">q", int((began - EPOCH) * 1e9))
    info = _element(
        INFO,
        _number(0x2AD7B1, TIMECODE_SCALE)
        + _element(DATE, date)
        + _element(0x4D80, APP)
        + _element(0x5741, APP),
    )
    entries = b"".join(map(_track, tracks))
    return ebml + _id(SEGMENT) + UNKNOWN + info + _element(TRACKS, entries)


def cluster(at: int) -> bytes:
    """The beginning of a cluster at `at` milliseconds from the beginning of the file."""
    return _id(CLUSTER) + UNKNOWN + _number(TIMECODE, at)


def block(track: int, offset: int, data: bytes, *, keyframe: bool) -> bytes:
    """One frame, `offset` milliseconds from its cluster (within BLOCK_SPAN)."""
    body = bytes([0x80 | track]) + struct.pack(">hB", offset, 0x80 if keyframe else 0) + data
    return _element(SIMPLE_BLOCK, body)


def _track(track: Track) -> bytes:
    common = (
        _number(0xD7, track.number)  # TrackNumber
        + _number(0x73C5, track.number)  # TrackUID
        + _number(0x83, 2 if track.kind == "audio" else 1)  # TrackType
        + _number(0x9C, 0)  # FlagLacing
    )
    if track.kind == "audio":
        sound = _element(0xB5, struct.pack(">d", 48000.0)) + _number(0x9F, 2)
        rest = _element(0x86, b"A_OPUS") + _element(0x63A2, OPUS_HEAD) + _element(0xE1, sound)
    else:
        picture = _number(0xB0, track.width) + _number(0xBA, track.height)
        rest = _element(0x86, b"V_VP8") + _element(0xE0, picture)
    return _element(0xAE, common + rest)


def _id(number: int) -> bytes:
    return number.to_bytes((number.bit_length() + 7) // 8, "big")


def _element(number: int, data: bytes) -> bytes:
    """EBML element with a size of eight bytes or fewer (RFC 8794, section 4)."""
    length = len(data)
    size = bytes([0x80 | length]) if length < 0x7F else (length | 1 << 28).to_bytes(4, "big")
    return _id(number) + size + data


def _number(number: int, value: int) -> bytes:
    return _element(number, value.to_bytes(max(1, (value.bit_length() + 7) // 8), "big"))


def times(data: bytes) -> tuple[float, float]:
    """(Unix time it began, seconds it plays) of a file of ours, which may end anywhere; zeros when it is none."""
    position = cluster_at = last = 0
    began = 0.0
    try:
        while position < len(data):
            number, position = _read_id(data, position)
            size, position = _read_size(data, position)
            if number in {SEGMENT, INFO, CLUSTER}:
                continue
            body = data[position : position + size]
            position += size
            if number == DATE:
                began = EPOCH + struct.unpack(">q", body)[0] / 1e9
            elif number == TIMECODE:
                cluster_at = int.from_bytes(body, "big")
            elif number == SIMPLE_BLOCK:
                last = max(last, cluster_at + struct.unpack_from(">h", body, 1)[0])
    except (IndexError, struct.error):
        pass  # cut in the middle of an element: what came before counts
    return began, last / 1000


def _read_id(data: bytes, position: int) -> tuple[int, int]:
    length = 9 - data[position].bit_length()
    return int.from_bytes(data[position : position + length], "big"), position + length


def _read_size(data: bytes, position: int) -> tuple[int, int]:
    length = 9 - data[position].bit_length()
    value = int.from_bytes(data[position : position + length], "big") & ((1 << (7 * length)) - 1)
    return value, position + length
