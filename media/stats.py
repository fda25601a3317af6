"""Counting: what was forwarded and why something was not."""

from typing import TYPE_CHECKING

from media.plane.table import CLOCK_RATES

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
                "publish": _publish_stats(peer.publish) if peer.publish is not None else None,
                "subscribe": _subscribe_stats(peer.subscribe) if peer.subscribe is not None else None,
            }
            for name, peer in room.peers.items()
        },
    }


def _link_stats(link: "Link") -> dict[str, object]:
    """Drops by reason: those of the packet path (`LegCounters`), of ICE and of this connection together."""
    counters = link.leg.counters
    return {
        "state": link.state,
        "packets_in": counters.packets_in,
        "bytes_in": counters.bytes_in,
        "packets_out": counters.packets_out,
        "bytes_out": counters.bytes_out,
        "resent": counters.resent,
        "drops": dict(counters.drops + link.drops + link.ice.drops),
    }


def _publish_stats(link: "Publish") -> dict[str, object]:
    sources = {stream.name: _source_stats(stream) for stream in link.streams.values()}
    return {**_link_stats(link), "sources": sources}


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
        "receivers": len(stream.slots),
        "layers": [{"rid": one.rid, "flowing": one.flowing, "packets": one.packets} for one in layers],
    }


def _subscribe_stats(link: "Subscribe") -> dict[str, object]:
    slots = []
    for slot in link.slots:
        shown, heard = link.shown.get(slot), link.heard.get(slot)
        if slot.packets or shown is not None:
            slots.append(
                {
                    "mid": slot.mid,
                    "from": shown.peer if shown is not None else None,
                    "source": shown.name if shown is not None else None,
                    "layer": slot.layer,
                    "packets": slot.packets,
                    "bytes": slot.bytes,
                    "lost": heard.lost if heard is not None else 0,
                    "fraction_lost": round(heard.fraction_lost, 3) if heard is not None else 0.0,
                }
            )
    rtt = round(link.rtt * 1000, 1) if link.rtt is not None else None
    return {**_link_stats(link), "rtt_ms": rtt, "slots": slots}
