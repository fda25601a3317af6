"""Rooms on media workers: choose, remember in the database, move when a worker dies.

The database row {room, worker, epoch} is the truth; this file keeps a copy per room and corrects it when
a worker goes down or comes back without the room. Moving raises the epoch by compare-and-set, so two
signaling servers that notice the same death agree on one new place.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID

from consilium.clock import now
from consilium.errors import Conflict, Unavailable
from consilium.store import Store
from consilium.store.placements import Placement, find, move, place
from media.control import MediaClient, Message
from media.errors import MediaError
from signaling.calls import Calls

log = logging.getLogger(__name__)

PROBE = "probe-"
"""Name of an echo room: this and the session's id; no consilium has such a name."""

Moved = Callable[[UUID, int], Awaitable[None]]


class Placements:
    """All workers this server dials, and the rooms it has on them."""

    def __init__(self, store: Store, calls: Calls, clients: dict[str, MediaClient]) -> None:
        self._store = store
        self._calls = calls
        self._clients = clients
        self._known: dict[UUID, Placement] = {}
        self._opened: set[tuple[str, int, UUID]] = set()
        self._probes: dict[UUID, str] = {}
        self.on_moved: Moved | None = None

    def client(self, worker: str) -> MediaClient:
        found = self._clients.get(worker)
        if found is None or not found.connected:
            raise Unavailable("media_unavailable")
        return found

    async def of(self, room: UUID) -> Placement:
        """Where the room is now; placed on the least loaded living worker when it is nowhere."""
        placement = self._known.get(room) or await self._calls.run(self._find, room)
        if placement is None:
            placement = await self._calls.run(self._place, room, self._choose())
        elif not self._alive(placement.worker):
            placement = await self._move(room, placement)
        self._known[room] = placement
        return placement

    async def request(self, room: UUID, op: str, epoch: int | None = None, **fields: Any) -> Message:
        """One operation on the room's worker, under its epoch; opens the room there when needed.

        Raises Conflict(stale_epoch) when the caller's epoch is not the room's, Conflict(media_refused)
        with the worker's reason, Unavailable(media_unavailable).
        """
        placement = await self.of(room)
        if epoch is not None and epoch != placement.epoch:
            raise Conflict("stale_epoch", epoch=placement.epoch)
        client = self.client(placement.worker)
        try:
            await self._open(client, room, placement)
            answer = await client.request(op, room=str(room), epoch=placement.epoch, **fields)
        except MediaError as error:
            if error.code in {"stale_epoch", "no_such_room"}:
                self._known.pop(room, None)
                self._opened.discard((placement.worker, placement.epoch, room))
            if error.code in {"unreachable", "timeout"}:
                raise Unavailable("media_unavailable") from error
            raise Conflict("media_refused", reason=error.code) from error
        return {**answer, "epoch": placement.epoch}

    async def close_room(self, room: UUID, reason: str) -> None:
        """Best effort: a worker that is gone has nothing to close."""
        placement = self._known.pop(room, None)
        if placement is None or not self._alive(placement.worker):
            return
        self._opened.discard((placement.worker, placement.epoch, room))
        try:
            client = self._clients[placement.worker]
            await client.request("room.close", room=str(room), epoch=placement.epoch, reason=reason)
        except MediaError as error:
            log.info("media room not closed", extra={"room": str(room), "reason": error.code})

    async def request_probe(self, probe: UUID, op: str, **fields: Any) -> Message:
        """The same for somebody's own echo room: on any worker, under epoch 1, in no table."""
        worker = self._probes.get(probe)
        if worker is None or not self._alive(worker):
            worker = self._choose()
        client = self.client(worker)
        room = f"{PROBE}{probe}"
        try:
            if self._probes.get(probe) != worker or op == "publish.offer":
                await client.request("room.close", room=room, epoch=1, reason="again")
                await client.request("room.open", room=room, epoch=1, echo=True)
                self._probes[probe] = worker
            return await client.request(op, room=room, epoch=1, **fields)
        except MediaError as error:
            raise Conflict("media_refused", reason=error.code) from error

    async def close_probe(self, probe: UUID) -> None:
        worker = self._probes.pop(probe, None)
        if worker is None or not self._alive(worker):
            return
        try:
            await self._clients[worker].request(
                "room.close", room=f"{PROBE}{probe}", epoch=1, reason="probe ended"
            )
        except MediaError as error:
            log.info("probe room not closed", extra={"reason": error.code})

    async def worker_changed(self, worker: str, alive_rooms: frozenset[str] | None) -> None:
        """A worker is down (None) or up with these rooms: move what it no longer has."""
        for room, placement in list(self._known.items()):
            if placement.worker != worker:
                continue
            if alive_rooms is not None and str(room) in alive_rooms:
                continue
            self._opened.discard((worker, placement.epoch, room))
            try:
                self._known[room] = await self._move(room, placement)
            except Unavailable:
                log.warning("no media worker is left", extra={"room": str(room)})

    async def _open(self, client: MediaClient, room: UUID, placement: Placement) -> None:
        key = (placement.worker, placement.epoch, room)
        if key not in self._opened:
            await client.request("room.open", room=str(room), epoch=placement.epoch)
            self._opened.add(key)

    async def _move(self, room: UUID, old: Placement) -> Placement:
        moved = await self._calls.run(self._raise, room, old, self._choose())
        self._known[room] = moved
        log.info("media room moved", extra={"room": str(room), "epoch": moved.epoch})
        if self.on_moved is not None and moved.epoch != old.epoch:
            await self.on_moved(room, moved.epoch)
        return moved

    def _choose(self) -> str:
        living = [name for name in self._clients if self._alive(name)]
        if not living:
            raise Unavailable("media_unavailable")
        return min(living, key=lambda name: sum(one.worker == name for one in self._known.values()))

    def _alive(self, worker: str) -> bool:
        client = self._clients.get(worker)
        return client is not None and client.connected

    def _find(self, room: UUID) -> Placement | None:
        with self._store.read() as reader:
            return find(reader.connection, room)

    def _place(self, room: UUID, worker: str) -> Placement:
        with self._store.write(now()) as tx:
            return place(tx.connection, room, worker, tx.at)

    def _raise(self, room: UUID, old: Placement, worker: str) -> Placement:
        with self._store.write(now()) as tx:
            return move(tx.connection, room, old, worker, tx.at)
