"""The latest packets of a layer, for retransmission, redundancy and the first syllable of a voice."""

from collections import deque
from typing import NamedTuple

from media.plane.codecs import PictureIds
from media.plane.table import RING_BYTES, RING_PACKETS, Kind


class Packet(NamedTuple):
    """An RTP packet in clear. `ext` is its extended sequence number, unique in the layer's life."""

    ext: int
    ts: int
    marker: int  # 0x80 or 0
    level: int  # audio level byte, -1 without
    orientation: int  # video orientation byte, -1 without
    payload: bytes
    arrival: float
    ids: PictureIds  # VP8 only, else NO_IDS


class Ring:
    """Packets in the order they came, bounded in number and payload bytes; the oldest give way."""

    __slots__ = ("_bytes", "_max_bytes", "_max_packets", "_order", "packets")

    def __init__(self, kind: Kind) -> None:
        self.packets: dict[int, Packet] = {}
        self._order: deque[int] = deque()
        self._bytes = 0
        self._max_packets = RING_PACKETS[kind]
        self._max_bytes = RING_BYTES[kind]

    def add(self, packet: Packet) -> None:
        """Keep a packet whose number is not in the ring."""
        packets, order = self.packets, self._order
        size = self._bytes + len(packet.payload)
        while order and (len(order) >= self._max_packets or size > self._max_bytes):
            size -= len(packets.pop(order.popleft()).payload)
        self._bytes = size
        packets[packet.ext] = packet
        order.append(packet.ext)

    def latest(self, now: float, age: float) -> list[Packet]:
        """Packets no older than `age` seconds, by number."""
        return sorted(packet for packet in self.packets.values() if now - packet.arrival <= age)
