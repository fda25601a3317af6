"""Counting: what was forwarded and why something was not."""

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # these import Counters from here
    from media.publish import Publish
    from media.room import Room
    from media.routes import Source
    from media.subscribe import Subscribe


@dataclass(slots=True)
class Counters:
    """Packets and bytes of one connection, and its drops by reason.

    Reasons: empty, too_long, unknown_kind, stranger (not from an address that passed an ICE check),
    queue_full, bad_stun, no_keys, auth (wrong key or changed on the way), replay, malformed, unknown_ssrc,
    not_permitted, payload_type, padding, late (older than the switch of source), blocked (the kernel would
    not take it), protect, bad_rtcp.
    """

    packets_in: int = 0
    bytes_in: int = 0
    packets_out: int = 0
    bytes_out: int = 0
    drops: Counter[str] = field(default_factory=Counter)

    def as_dict(self) -> dict[str, object]:
        return {
            "packets_in": self.packets_in,
            "bytes_in": self.bytes_in,
            "packets_out": self.packets_out,
            "bytes_out": self.bytes_out,
            "drops": dict(self.drops),
        }


def room_stats(room: "Room") -> dict[str, object]:
    """Everything known about a room's traffic, per peer, connection, source and slot."""
    return {
        "epoch": room.epoch,
        "echo": room.echo,
        "peers": {
            name: {
                "publish": _publish_stats(peer.publish) if peer.publish is not None else None,
                "subscribe": _subscribe_stats(peer.subscribe) if peer.subscribe is not None else None,
            }
            for name, peer in room.peers.items()
        },
    }


def _publish_stats(link: "Publish") -> dict[str, object]:
    return {
        "state": link.state,
        **link.counters.as_dict(),
        "sources": {source.name: _source_stats(source) for source in link.sources.values()},
    }


def _source_stats(source: "Source") -> dict[str, object]:
    expected = source.cycles + source.max_seq - source.first_seq + 1 if source.first_seq >= 0 else 0
    return {
        "mid": source.mid,
        "open": source.open,
        "started": source.started,
        "packets": source.packets,
        "bytes": source.bytes,
        "lost": max(0, expected - source.packets),
        "jitter_ms": round(source.jitter * 1000 / source.clock_rate, 1),
        "receivers": len(source.slots),
    }


def _subscribe_stats(link: "Subscribe") -> dict[str, object]:
    return {
        "state": link.state,
        **link.counters.as_dict(),
        "rtt_ms": round(link.rtt * 1000, 1) if link.rtt is not None else None,
        "slots": [
            {
                "mid": slot.mid,
                "from": slot.source.peer if slot.source else None,
                "source": slot.source.name if slot.source else None,
                "packets": slot.packets,
                "bytes": slot.bytes,
                "lost": slot.lost,
                "fraction_lost": round(slot.fraction_lost, 3),
            }
            for slot in link.slots
            if slot.packets or slot.source
        ],
    }
