"""Figures of this signaling process and of the media workers it dials; see consilium/metrics."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from consilium.metrics import Labels, Metric, single
from media.control import MediaClient, Message
from media.errors import MediaError

if TYPE_CHECKING:
    from signaling.server import Signaling

WITHIN = 2.0
"""Seconds a worker has for its figures; who is late is told as down."""


@dataclass(frozen=True, slots=True)
class _Row:
    """A figure of a worker: where it stands in the answer to `stats`."""

    name: str
    kind: Literal["counter", "gauge"]
    meaning: str
    value: Callable[[Message], object]


def _totals(name: str) -> Callable[[Message], object]:
    return lambda stats: _inside(stats, "totals").get(name)


ROWS = (
    _Row("consilium_media_people", "gauge", "People with media.", lambda stats: stats.get("people")),
    _Row("consilium_media_capacity", "gauge", "People it takes.", lambda stats: stats.get("capacity")),
    _Row("consilium_media_rooms", "gauge", "Rooms.", lambda stats: stats.get("open")),
    _Row("consilium_media_connections", "gauge", "Peer connections.", lambda stats: stats.get("legs")),
    _Row("consilium_media_load", "gauge", "1: at its measure.", lambda stats: stats.get("load")),
    _Row(
        "consilium_media_cpu_seconds_total",
        "counter",
        "CPU of the process, all threads.",
        lambda stats: stats.get("cpu_seconds"),
    ),
    _Row("consilium_media_packets_in_total", "counter", "Packets received.", _totals("packets_in")),
    _Row("consilium_media_packets_out_total", "counter", "Packets sent.", _totals("packets_out")),
    _Row("consilium_media_bytes_in_total", "counter", "Bytes received.", _totals("bytes_in")),
    _Row("consilium_media_bytes_out_total", "counter", "Bytes sent.", _totals("bytes_out")),
    _Row("consilium_media_resent_total", "counter", "Packets sent again on request.", _totals("resent")),
)


async def collect(signaling: Signaling) -> list[Metric]:
    """Everything this process can tell; workers are asked at once."""
    clients = list(signaling.media_clients.values())
    answers = await asyncio.gather(*(_asked(client) for client in clients))
    stats = {
        str(client.info.get("worker") or client.address): answer
        for client, answer in zip(clients, answers, strict=True)
    }
    return [*_own(signaling), *_workers(clients, stats)]


def _own(signaling: Signaling) -> list[Metric]:
    sessions = signaling.sessions
    pages = sum(one.consilium is None for one in sessions.by_sid.values())
    sockets: dict[Labels, float] = {
        (("kind", "room"),): len(sessions.by_sid) - pages,
        (("kind", "page"),): pages,
    }
    commands: dict[Labels, float] = {
        (("name", name), ("outcome", outcome)): count
        for (name, outcome), count in signaling.dispatch.outcomes.items()
    }
    return [
        Metric("consilium_sockets", "gauge", "Open sockets of browsers.", sockets),
        single("consilium_rooms", "gauge", "Rooms with somebody connected here.", len(sessions.people())),
        Metric("consilium_messages_total", "counter", "Messages of sockets by outcome.", commands),
        single(
            "consilium_room_moves_total",
            "counter",
            "Rooms moved to another media worker.",
            signaling.placements.moves,
        ),
    ]


def _workers(clients: list[MediaClient], stats: Mapping[str, Message]) -> list[Metric]:
    up: dict[Labels, float] = {}
    stalled: dict[Labels, float] = {}
    for client, (name, answer) in zip(clients, stats.items(), strict=True):
        forwarder = str(client.info.get("forwarder", ""))
        up[(("worker", name), ("forwarder", forwarder))] = float(client.connected and bool(answer))
        stalled[(("worker", name),)] = client.stalled
    return [
        Metric("consilium_media_up", "gauge", "Whether the media worker answers.", up),
        Metric("consilium_media_stalled_seconds", "gauge", "For how long its loop hangs.", stalled),
        *(_row(row, stats) for row in ROWS),
        _drops(stats),
    ]


def _row(row: _Row, stats: Mapping[str, Message]) -> Metric:
    values = {name: row.value(answer) for name, answer in stats.items()}
    samples: dict[Labels, float] = {
        (("worker", name),): float(value) for name, value in values.items() if isinstance(value, (int, float))
    }
    return Metric(row.name, row.kind, row.meaning, samples)


def _drops(stats: Mapping[str, Message]) -> Metric:
    """By reason; what belongs to no connection counts too."""
    samples: dict[Labels, float] = {}
    for name, answer in stats.items():
        drops = Counter(_inside(_inside(answer, "totals"), "drops")) + Counter(_inside(answer, "strangers"))
        samples |= {(("worker", name), ("reason", reason)): count for reason, count in drops.items()}
    return Metric("consilium_media_dropped_total", "counter", "Packets dropped, by reason.", samples)


def _inside(message: Mapping[str, object], name: str) -> Message:
    value = message.get(name)
    return value if isinstance(value, dict) else {}


async def _asked(client: MediaClient) -> Message:
    """The worker's own counters, without its rooms: those are many and nobody's business here."""
    try:
        answer = await client.request("stats", room="", timeout=WITHIN)
    except MediaError:
        return {}
    return {**answer, "open": client.pulse.get("rooms", 0)}
