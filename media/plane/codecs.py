"""What has to be known of a payload: does it start a key frame, and which picture ids does it carry."""

from collections.abc import Callable
from typing import NamedTuple

from media.plane.table import Codec

# H.264 NAL unit types (RFC 6184, section 5.2)
IDR_SLICE = 5
SEQUENCE_PARAMETERS = 7
STAP_A = 24
FU_A = 28


def starts_vp8_keyframe(payload: bytes) -> bool:
    """RFC 7741, sections 4.2 and 4.3; False when cut short."""
    if not payload or payload[0] & 0x17 != 0x10:  # not the start of the first partition
        return False
    try:
        return not payload[_vp8_descriptor_end(payload)] & 0x01
    except IndexError:
        return False


def _vp8_descriptor_end(payload: bytes) -> int:
    if not payload[0] & 0x80:
        return 1
    flags = payload[1]
    position = 2
    if flags & 0x80:
        position += 2 if payload[position] & 0x80 else 1
    if flags & 0x40:
        position += 1
    if flags & 0x30:
        position += 1
    return position


def starts_h264_keyframe(payload: bytes) -> bool:
    """RFC 6184: an IDR slice or its parameter sets, alone, aggregated (STAP-A) or at the start of an FU-A."""
    if not payload:
        return False
    kind = payload[0] & 0x1F
    if kind == STAP_A:
        return _aggregates_h264_keyframe(payload)
    if kind == FU_A:
        return len(payload) > 1 and bool(payload[1] & 0x80) and payload[1] & 0x1F == IDR_SLICE
    return kind in {IDR_SLICE, SEQUENCE_PARAMETERS}


def _aggregates_h264_keyframe(payload: bytes) -> bool:
    position = 1
    while position + 2 < len(payload):
        size = payload[position] << 8 | payload[position + 1]
        if size and payload[position + 2] & 0x1F in {IDR_SLICE, SEQUENCE_PARAMETERS}:
            return True
        position += 2 + size
    return False


def starts_vp9_keyframe(payload: bytes) -> bool:
    """RFC 9628, section 4.2: not predicted (P), start of a frame (B), lowest spatial layer."""
    if not payload:
        return False
    first = payload[0]
    if first & 0x40 or not first & 0x08:
        return False
    if not first & 0x20:  # no layer indices
        return True
    position = 1
    if first & 0x80:
        if len(payload) < 2:
            return False
        position += 2 if payload[1] & 0x80 else 1
    return position < len(payload) and not payload[position] & 0x0E


def starts_av1_keyframe(payload: bytes) -> bool:
    """AV1 RTP, section 4.4: the N bit says that a coded video sequence begins here."""
    return bool(payload) and bool(payload[0] & 0x08)


def _never(payload: bytes) -> bool:
    return False


KEYFRAME_TESTS: dict[Codec, Callable[[bytes], bool]] = {
    "opus": _never,
    "vp8": starts_vp8_keyframe,
    "h264": starts_h264_keyframe,
    "vp9": starts_vp9_keyframe,
    "av1": starts_av1_keyframe,
}


class PictureIds(NamedTuple):
    """VP8 numbers that must run on over a change of source; offsets are into the payload, 0 when absent."""

    picture_at: int = 0
    wide: bool = False  # 15 bits instead of 7
    picture: int = 0
    tl0_at: int = 0
    tl0: int = 0


NO_IDS = PictureIds()


def picture_ids(payload: bytes) -> PictureIds:
    """The ids of a VP8 payload (RFC 7741, section 4.2); `NO_IDS` without them or when the descriptor is cut."""
    if len(payload) < 3 or not payload[0] & 0x80 or not payload[1] & 0xC0:
        return NO_IDS
    flags = payload[1]
    position = 2
    picture_at, wide, picture = 0, False, 0
    if flags & 0x80:
        wide = bool(payload[2] & 0x80)
        position = 4 if wide else 3
        if position > len(payload):
            return NO_IDS
        picture_at = 2
        picture = (payload[2] & 0x7F) << 8 | payload[3] if wide else payload[2]
    if not flags & 0x40:
        return PictureIds(picture_at, wide, picture)
    if position >= len(payload):
        return NO_IDS
    return PictureIds(picture_at, wide, picture, position, payload[position])


def with_picture_ids(payload: bytes, ids: PictureIds, picture: int, tl0: int) -> bytes:
    """The payload with other numbers in the same fields; `picture` fits the field's width already."""
    changed = bytearray(payload)
    if ids.picture_at:
        if ids.wide:
            changed[ids.picture_at] = 0x80 | picture >> 8
            changed[ids.picture_at + 1] = picture & 0xFF
        else:
            changed[ids.picture_at] = picture
    if ids.tl0_at:
        changed[ids.tl0_at] = tl0
    return bytes(changed)
