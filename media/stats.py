"""Counting: what was forwarded and why something was not."""

from collections import Counter
from collections.abc import Iterable
from typing import TYPE_CHECKING

from media.plane.table import CLOCK_RATES, LegCounters, Slot

if TYPE_CHECKING:  # these import others that import this
    from media.link import Link
    from media.publish import Publish, Stream
    from media.room import Room
    from media.subscribe import Subscribe


def room_stats(room: "Room") -> dict[str, object]:
    """Everything known about a room's traffic, per peer, connection, source and slot."""
    return {
        "epoch": room.epoch,
        "echo": room.echo,
        "peers": {
            name: {
                "quality": _quality(room, name),
                "publish": _publish_stats(peer.publish) if peer.publish is not None else None,
                "subscribe": _subscribe_stats(room, peer.subscribe) if peer.subscribe is not None else None,
            }
            for name, peer in room.peers.items()
        },
    }


def _quality(room: "Room", name: str) -> dict[str, object] | None:
    verdict = room.health.quality.of(name)
    return {"grade": verdict.grade, "cause": verdict.cause} if verdict is not None else None


def counters_stats(counters: LegCounters) -> dict[str, object]:
    return {
        "packets_in": counters.packets_in,
        "bytes_in": counters.bytes_in,
        "packets_out": counters.packets_out,
        "bytes_out": counters.bytes_out,
        "resent": counters.resent,
        "drops": dict(counters.drops),
    }


def _link_stats(link: "Link") -> dict[str, object]:
    """Drops by reason: those of the packet path (`LegCounters`), of ICE and of this connection together."""
    counters = link.leg.counters
    drops = dict(counters.drops + link.drops + link.ice.drops)
    return {"state": link.state, **counters_stats(counters), "drops": drops}


def _publish_stats(link: "Publish") -> dict[str, object]:
    upstream = link.upstream
    return {
        **_link_stats(link),
        "asked": upstream.asked,
        "keyframes_asked": upstream.keyframes_asked,
        "transport_cc": link.transport_cc,
        "sources": {stream.name: _source_stats(stream) for stream in link.streams.values()},
    }


def _source_stats(stream: "Stream") -> dict[str, object]:
    layers = stream.source.layers
    lost = sum(
        max(0, layer.highest - layer.first_seq + 1 - layer.packets - layer.repeated)
        for layer in layers
        if layer.first_seq >= 0
    )
    jitter = max(layer.jitter for layer in layers)
    return {
        "mid": stream.source.mid,
        "codec": stream.source.codec,
        "open": stream.source.open,
        "started": stream.live,
        "packets": sum(layer.packets for layer in layers),
        "bytes": sum(layer.bytes for layer in layers),
        "repeated": sum(layer.repeated for layer in layers),
        "lost": lost,
        "jitter_ms": round(jitter * 1000 / CLOCK_RATES[stream.kind], 1),
        "layers": [{"rid": one.rid, "flowing": one.flowing, "packets": one.packets} for one in layers],
    }


def _subscribe_stats(room: "Room", link: "Subscribe") -> dict[str, object]:
    downstream = link.downstream
    downlink = downstream.downlink
    receiver = room.stage.receivers.get(link.peer)
    return {
        **_link_stats(link),
        "rtt_ms": round(downstream.rtt * 1000, 1) if downstream.rtt is not None else None,
        "loss": round(downlink.loss, 3),
        "estimate": int(downlink.estimate),
        "congested": dict(downlink.signs),
        "refused": downstream.refused,
        "repair": receiver.repair if receiver is not None else 0,
        "slots": [_slot_stats(room, link, slot) for slot in link.leg.slots if slot.packets or slot.source],
    }


def _slot_stats(room: "Room", link: "Subscribe", slot: Slot) -> dict[str, object]:
    owner = room.stage.owner(slot.source) if slot.source is not None else None
    receiver, reported = room.stage.receivers.get(link.peer), link.downstream.reported(slot)
    return {
        "mid": slot.mid,
        "from": owner.peer if owner is not None else None,
        "source": slot.source.name if slot.source is not None else None,
        "layer": slot.layer,
        "wanted": slot.wanted,
        "paused": receiver.paused.get(slot) if receiver is not None else None,
        "packets": slot.packets,
        "bytes": slot.bytes,
        "lost": reported.lost if reported is not None else 0,
    }


class Totals:
    """What all connections of a worker counted, those that have ended included."""

    def __init__(self) -> None:
        self._ended = LegCounters()

    def ended(self, counters: LegCounters) -> None:
        """A connection is about to be forgotten; after `Forwarder.refresh`."""
        _add(self._ended, counters)

    def with_those(self, living: Iterable[LegCounters]) -> LegCounters:
        """The sum with these; `drops` by reason."""
        total = LegCounters(drops=Counter())
        for counters in (self._ended, *living):
            _add(total, counters)
        return total


def _add(total: LegCounters, counters: LegCounters) -> None:
    total.packets_in += counters.packets_in
    total.bytes_in += counters.bytes_in
    total.packets_out += counters.packets_out
    total.bytes_out += counters.bytes_out
    total.resent += counters.resent
    total.drops.update(counters.drops)
