"""The operations of the control channel: JSON fields in, JSON fields out, MediaError when refused.

Every operation on a room carries `room` and `epoch`, every one on a person `peer` as well. `may` and `sources` name
mic, camera, camera2, screen, screen2, screen3.

  room.open {echo?, moved?} -> {opened}            a higher epoch supersedes; echo: everybody receives himself alone
  room.close {reason, if_empty?} -> {closed}
  publish.offer {sdp, sources: {mid: source}, may} -> {sdp}
      Again for more m-lines, and with other ICE credentials for a restart of ICE: same certificate, same m-lines, and
      keys and sources stay. Any other offer begins a new connection in place of the old one. Encodings of simulcast
      (a=simulcast) stand lowest first. The answer is ICE-lite; it takes no candidates
  publish.may {may}                                at once, without negotiation
  subscribe.open {audio, video} -> {sdp}           a pool of slots; again: a new connection
  subscribe.answer {sdp} -> {slots}
  subscribe.restart -> {sdp}                       the same offer with fresh ICE credentials; then subscribe.answer
  subscribe.view {tiles: {mid: {height, visible}}} -> {slots}
  subscribe.unheard {from}
  peer.close {reason}
  record {on, peers} / record.left -> {files}
  stats {room?} -> counters of everything          fence {rooms: {name: epoch}}, drain -> see signaling.placement
"""

import asyncio
import logging
import os
import secrets
import time
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import TypeVar

from media import __version__
from media.engine import Engine, SocketPlan, ports
from media.errors import BadRequest, BadSdp, Draining, Full, NoSuchRoom, StaleEpoch, UnknownOperation
from media.layers import Tile
from media.load import PACKET_LIMITS, Load
from media.plane.table import Forwarder
from media.publish import KINDS
from media.recorder import sweep
from media.room import Event, Room
from media.sdp import MAX_SDP_BYTES
from media.stats import counters_stats, room_stats

Fields = Mapping[str, object]
Answer = dict[str, object]
T = TypeVar("T")

MAX_NAME = 128
MAX_SLOTS = {"audio": 16, "video": 20}
DEFAULT_SLOTS = {"audio": 8, "video": 9}

logger = logging.getLogger(__name__)


class Worker:
    """Rooms by name, and what may be asked about them."""

    def __init__(
        self,
        name: str,
        plan: SocketPlan,
        capacity: int,
        max_bitrate: int,
        forwarder: Forwarder,
        recordings: Path | None = None,
        *,
        transport_cc: bool = True,
    ) -> None:
        """Needs a running event loop; raises OSError when no UDP port can be bound.

        `recordings`: the folder whose part with this worker's name is its own; None: nothing is recorded.
        """
        self.name = name
        self.boot = secrets.token_hex(8)
        self.on_event: Callable[[Event], None] = lambda _event: None
        self._plan = plan
        self._capacity = capacity
        self._rooms: dict[str, Room] = {}
        self._epochs: dict[str, int] = {}
        self._draining = False
        self._closed = False
        self._recordings = recordings / name if recordings is not None else None
        self._left = sweep(self._recordings) if self._recordings is not None else []
        self._engine = Engine(plan, forwarder, max_bitrate, transport_cc=transport_cc)
        self.load = Load(PACKET_LIMITS[forwarder.name])
        self._operations: dict[str, Callable[[Fields], Awaitable[Answer]]] = {
            "room.open": self._open_room,
            "room.close": self._close_room,
            "publish.offer": self._publish,
            "publish.may": self._permit,
            "subscribe.open": self._subscribe,
            "subscribe.answer": self._accept,
            "subscribe.restart": self._restart,
            "subscribe.view": self._view,
            "subscribe.unheard": self._unheard,
            "peer.close": self._close_peer,
            "record": self._record,
            "record.left": self._record_left,
            "stats": self._stats,
            "fence": self._fence,
            "drain": self._drain,
        }

    def introduction(self) -> Answer:
        """The answer to `hello`. A changed `boot` means another process: all its rooms are gone."""
        return {
            "worker": self.name,
            "boot": self.boot,
            "pid": os.getpid(),
            "version": __version__,
            "forwarder": self._engine.forwarder.name,
            "realtime": self._engine.realtime,
            "addresses": list(self._plan.addresses),
            "ports": [port for _, port in self._engine.hosts],
            "capacity": self._capacity,
            "people": self._people(),
            "draining": self._draining,
            "rooms": {room.name: room.epoch for room in self._rooms.values()},
        }

    def vitals(self) -> Answer:
        """What every heartbeat says: `people` against `capacity`, and whether new rooms are taken."""
        totals = self._engine.totals()
        self.load.sample(totals.packets_in + totals.packets_out, time.process_time(), time.monotonic())
        self._engine.shed = self.load.shed
        return {
            "load": round(max(self.load.load, self._people() / self._capacity), 3),
            "full": self.load.full or self._people() >= self._capacity,
            "people": self._people(),
            "capacity": self._capacity,
            "rooms": len(self._rooms),
            "draining": self._draining,
        }

    @property
    def media(self) -> str:
        """Where and how media goes, for people who read logs."""
        kind = self._engine.forwarder.name + (", realtime" if self._engine.realtime else "")
        return f"media on {ports(self._engine.hosts)} ({kind})"

    async def perform(self, operation: str, fields: Fields) -> Answer:
        handler = self._operations.get(operation)
        if handler is None:
            raise UnknownOperation(f"unknown operation {operation[:64]!r}")
        return await handler(fields)

    async def close(self, reason: str) -> None:
        """Idempotent. Rooms, connections, and then the sockets."""
        self._closed = True
        await self.close_rooms(reason)
        self._engine.close()

    async def close_rooms(self, reason: str) -> None:
        rooms = list(self._rooms.values())
        self._rooms.clear()
        await asyncio.gather(*(room.close(reason) for room in rooms))

    # --- operations ---------------------------------------------------------------------------

    async def _open_room(self, fields: Fields) -> Answer:
        name, epoch = _name(fields, "room"), _number(fields, "epoch", 0, 2**53)
        room = self._rooms.get(name)
        if epoch < self._epochs.get(name, 0):
            raise StaleEpoch(f"room {name} is at epoch {self._epochs[name]}")
        if room is not None and room.epoch == epoch:
            return {"opened": False}
        if self._draining or self._closed:
            raise Draining("this worker takes no new rooms")
        busy = self.load.full and fields.get("moved") is not True  # those people had media a moment ago
        if room is None and (busy or self._people() >= self._capacity):
            raise Full("this worker is full")
        self._remember_epoch(name, epoch)
        echo = fields.get("echo") is True
        self._rooms[name] = Room(name, epoch, self._engine, self._emit, echo=echo)
        if room is not None:
            await room.close("superseded")
        return {"opened": True}

    async def _close_room(self, fields: Fields) -> Answer:
        try:
            room = self._room(fields)
        except NoSuchRoom:
            return {"closed": False}
        if room.peers and fields.get("if_empty") is True:
            return {"closed": False}
        self._rooms.pop(room.name, None)
        await room.close(_text(fields, "reason", ""))
        return {"closed": True}

    async def _fence(self, fields: Fields) -> Answer:
        """Rooms that live elsewhere under these epochs: what is older here is closed, and never opened again."""
        rooms = _field(fields, "rooms", dict)
        newest = {str(name): _number(rooms, name, 0, 2**53) for name in rooms}
        old = [self._rooms.pop(name) for name, epoch in newest.items() if self._older(name, epoch)]
        for name, epoch in newest.items():
            self._remember_epoch(name, max(epoch, self._epochs.get(name, 0)))
        await asyncio.gather(*(room.close("superseded") for room in old))
        return {"closed": [room.name for room in old]}

    async def _publish(self, fields: Fields) -> Answer:
        room, peer = self._room(fields), _name(fields, "peer")
        if peer not in room.peers and self._people() >= self._capacity:
            raise Full("this worker is full")
        answer = await room.publish(peer, _sdp(fields), _sources(fields), _may(fields))
        return {"sdp": answer}

    async def _permit(self, fields: Fields) -> Answer:
        self._room(fields).permit(_name(fields, "peer"), _may(fields))
        return {}

    async def _subscribe(self, fields: Fields) -> Answer:
        room, peer = self._room(fields), _name(fields, "peer")
        if peer not in room.peers and self._people() >= self._capacity:
            raise Full("this worker is full")
        counts = {kind: _number(fields, kind, 0, MAX_SLOTS[kind], DEFAULT_SLOTS[kind]) for kind in MAX_SLOTS}
        if not any(counts.values()):
            raise BadRequest("no slots asked for")
        return {"sdp": await room.subscribe(peer, counts["audio"], counts["video"])}

    async def _accept(self, fields: Fields) -> Answer:
        return {"slots": await self._room(fields).accept(_name(fields, "peer"), _sdp(fields))}

    async def _restart(self, fields: Fields) -> Answer:
        return {"sdp": await self._room(fields).restart(_name(fields, "peer"))}

    async def _view(self, fields: Fields) -> Answer:
        return {"slots": self._room(fields).view(_name(fields, "peer"), _tiles(fields))}

    async def _unheard(self, fields: Fields) -> Answer:
        self._room(fields).unheard(_name(fields, "peer"), _name(fields, "from"))
        return {}

    async def _close_peer(self, fields: Fields) -> Answer:
        await self._room(fields).close_peer(_name(fields, "peer"), _text(fields, "reason", ""))
        return {}

    async def _record(self, fields: Fields) -> Answer:
        """Record {peers}, or end it. Telling it again changes nothing and proves what is on the disk."""
        room = self._room(fields)
        if fields.get("on") is not True:
            return await room.record(None, frozenset())
        if self._recordings is None:
            raise BadRequest("this worker has no folder for recordings")
        peers = _field(fields, "peers", list)
        return await room.record(self._recordings, frozenset(str(peer)[:MAX_NAME] for peer in peers))

    async def _record_left(self, fields: Fields) -> Answer:
        """Files an earlier process of this worker left half written, as record.segment events."""
        return {"files": self._left}

    async def _stats(self, fields: Fields) -> Answer:
        rooms = list(self._rooms.values())
        if fields.get("room") is not None:
            rooms = [room for room in rooms if room.name == fields["room"]]
        self._engine.forwarder.refresh([leg for room in self._rooms.values() for leg in room.legs()])
        return {
            "worker": self.name,
            "forwarder": self._engine.forwarder.name,
            "realtime": self._engine.realtime,
            "strangers": dict(self._engine.forwarder.strangers),
            "people": self._people(),
            "capacity": self._capacity,
            "legs": self._engine.legs,
            "cpu_seconds": round(time.process_time(), 3),
            "load": round(self.load.load, 3),
            "full": self.load.full,
            "packets_per_second": round(self.load.packets),
            "totals": counters_stats(self._engine.totals()),
            "rooms": {room.name: room_stats(room) for room in rooms},
        }

    async def _drain(self, fields: Fields) -> Answer:
        self._draining = True
        return {"rooms": {room.name: room.epoch for room in self._rooms.values()}}

    # --- inside -------------------------------------------------------------------------------

    def _room(self, fields: Fields) -> Room:
        name, epoch = _name(fields, "room"), _number(fields, "epoch", 0, 2**53)
        if epoch < self._epochs.get(name, 0):
            raise StaleEpoch(f"room {name} is at epoch {self._epochs[name]}")
        room = self._rooms.get(name)
        if room is None or room.epoch != epoch:
            raise NoSuchRoom(f"room {name} is not open at epoch {epoch}")
        return room

    def _older(self, name: str, epoch: int) -> bool:
        room = self._rooms.get(name)
        return room is not None and room.epoch < epoch

    def _remember_epoch(self, name: str, epoch: int) -> None:
        self._epochs.pop(name, None)
        self._epochs[name] = epoch
        while len(self._epochs) > 10_000:  # the oldest incarnations were fenced long ago
            del self._epochs[next(iter(self._epochs))]

    def _people(self) -> int:
        return sum(len(room.peers) for room in self._rooms.values())

    def _emit(self, event: Event) -> None:
        self.on_event(event)


# --- fields of a request ------------------------------------------------------------------------


def _field(fields: Fields, name: str, kind: type[T]) -> T:
    value = fields.get(name)
    if not isinstance(value, kind) or isinstance(value, bool):
        raise BadRequest(f"{name} must be {kind.__name__}")
    return value


def _name(fields: Fields, name: str) -> str:
    value = _field(fields, name, str)
    if not 0 < len(value) <= MAX_NAME:
        raise BadRequest(f"{name} must have 1 to {MAX_NAME} characters")
    return value


def _text(fields: Fields, name: str, default: str) -> str:
    return _field(fields, name, str)[:MAX_NAME] if name in fields else default


def _number(fields: Fields, name: str, low: int, high: int, default: int | None = None) -> int:
    if default is not None and fields.get(name) is None:
        return default
    value = _field(fields, name, int)
    if not low <= value <= high:
        raise BadRequest(f"{name} must be between {low} and {high}")
    return value


def _sdp(fields: Fields) -> str:
    value = _field(fields, "sdp", str)
    if len(value) > MAX_SDP_BYTES:
        raise BadSdp(f"longer than {MAX_SDP_BYTES} bytes")
    return value


def _sources(fields: Fields) -> dict[str, str]:
    value = _field(fields, "sources", dict)
    if len(value) > 16 or not all(isinstance(v, str) and v in KINDS for v in value.values()):
        raise BadRequest(f"sources must map m-lines to {', '.join(KINDS)}")
    return dict(value)


def _may(fields: Fields) -> frozenset[str]:
    value = _field(fields, "may", list)
    if not all(isinstance(item, str) and item in KINDS for item in value):
        raise BadRequest(f"may must list {', '.join(KINDS)}")
    return frozenset(value)


def _tiles(fields: Fields) -> dict[str, Tile]:
    value = _field(fields, "tiles", dict)
    if len(value) > 64:
        raise BadRequest("more than 64 tiles")
    tiles = {}
    for mid, tile in value.items():
        if not isinstance(tile, dict):
            raise BadRequest("tiles must map m-lines to {height, visible}")
        height, visible = _number(tile, "height", 0, 16_384), tile.get("visible", True)
        if not isinstance(visible, bool):
            raise BadRequest("visible must be bool")
        tiles[str(mid)[:16]] = Tile(height, visible)
    return tiles
