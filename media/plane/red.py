"""Redundant audio (RFC 2198): what an incoming packet repeats, and what an outgoing one shall repeat."""

import struct
from collections.abc import Mapping
from dataclasses import dataclass

from media.plane.ring import Packet

MAX_OFFSET = 0x3FFF  # 14 bits of timestamp
MAX_BLOCK = 0x3FF  # 10 bits of length
MAX_PACKET = 1200  # bytes of a whole RTP packet
MAX_BLOCKS = 15  # before the primary

_BLOCK_HEADER = struct.Struct("!L")


@dataclass(frozen=True, slots=True)
class Block:
    """An earlier frame, `back` packets before the primary, `offset` timestamp units older."""

    back: int
    offset: int
    payload: bytes


@dataclass(frozen=True, slots=True)
class Redundant:
    payload_type: int  # of the primary
    primary: bytes
    blocks: list[Block]  # oldest first


def split(payload: bytes) -> Redundant | None:
    """The blocks of a RED payload, without empty ones and those of other payload types.

    None when it is cut short or has too many.
    """
    headers: list[tuple[int, int, int]] = []
    position = 0
    while position < len(payload) and payload[position] & 0x80:
        if position + 4 > len(payload) or len(headers) == MAX_BLOCKS:
            return None
        (header,) = _BLOCK_HEADER.unpack_from(payload, position)
        headers.append((header >> 24 & 0x7F, header >> 10 & MAX_OFFSET, header & MAX_BLOCK))
        position += 4
    if position >= len(payload):
        return None
    payload_type = payload[position] & 0x7F
    position += 1
    blocks = []
    for index, (kind, offset, size) in enumerate(headers):
        end = position + size
        if end > len(payload):
            return None
        if size and kind == payload_type:
            blocks.append(Block(len(headers) - index, offset, payload[position:end]))
        position = end
    return Redundant(payload_type, payload[position:], blocks)


def join(
    packet: Packet,
    ring: Mapping[int, Packet],
    first_ext: int,
    distance: int,
    payload_type: int,
    overhead: int,
) -> bytes:
    """The packet's payload with up to `distance` contiguous earlier ones in front.

    `overhead`: bytes of RTP header and extensions, which count towards MAX_PACKET.
    """
    headers: list[bytes] = []
    payloads: list[bytes] = []
    size = overhead + 1 + len(packet.payload)
    for ext in range(packet.ext - 1, max(packet.ext - distance, first_ext) - 1, -1):
        earlier = ring.get(ext)
        if earlier is None:
            break
        offset = (packet.ts - earlier.ts) & 0xFFFFFFFF
        length = len(earlier.payload)
        size += 4 + length
        if offset > MAX_OFFSET or length > MAX_BLOCK or size > MAX_PACKET:
            break
        headers.append(_BLOCK_HEADER.pack(0x80000000 | payload_type << 24 | offset << 10 | length))
        payloads.append(earlier.payload)
    headers.reverse()
    payloads.reverse()
    return b"".join((*headers, bytes((payload_type,)), *payloads, packet.payload))
