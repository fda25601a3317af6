"""Rooms on workers: choose, remember in the database, move when a worker dies, hangs or is drained.

The database row {room, worker, holder, epoch} is the truth. `_settle` compares it with what this server sees of
the workers, twice a second and at once when one of them goes: it adopts what another server moved, moves in one
transaction what lies on a worker that cannot serve it, and renews the leases of those it hears. Moving raises the
epoch by compare-and-set, so servers that notice the same death agree on one new place, and each tells its sockets.

A worker whose process is gone (`refused`) loses its rooms at once. One that is silent loses them when no other
server's lease says that it is heard there. One that is drained goes on forwarding while its rooms are built anew elsewhere; a moment later,
as with any room that moved away from a living worker, the old incarnation is closed there (`fence`).
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from consilium.clock import now
from consilium.errors import Conflict, ConsiliumError, Unavailable
from consilium.store import Store
from consilium.store.placements import Lease, Placement, find_all, leases, move, place, renew, withdraw
from media.control import MediaClient, Message
from media.errors import MediaError
from signaling.calls import Calls

log = logging.getLogger(__name__)

PROBE = "probe-"
"""Name of an echo room: this and the session's id; no consilium has such a name."""
LOOK_EVERY = 0.5
LEASE = timedelta(seconds=5)
"""It runs to its end only when a server dies at the moment in which it alone hears a worker; it is withdrawn else."""
RENEW_BELOW = timedelta(seconds=3)
FIRST_DIAL = 2.0
"""Seconds after the start in which a worker that was not reached yet is not taken for dead."""
BOTH_WAYS = 3.0
"""Seconds an old incarnation of a room forwards on while its people build the new one."""
EMPTY_FOR = 60.0
"""Seconds without a socket here after which a room is closed at its worker, when nobody is in it there either."""
STALLED = 2.0
"""Seconds of a hanging loop after which a worker is offered no more rooms."""
LEAST_WEIGHT = 4
"""People a room is counted for at least, when a place for it is sought: they come one after another."""
JUST_PLACED = 5.0
"""Seconds until the people of a new room show in its worker's own figures."""

Moved = Callable[[UUID, int], Awaitable[None]]
People = Callable[[], Mapping[UUID, int]]


@dataclass(frozen=True, slots=True)
class _Seen:
    """What the database says at one moment."""

    rooms: dict[UUID, Placement]
    leases: list[Lease]
    at: datetime


class Placements:
    """All workers this server dials, and the rooms it has people for.

    `people()` says how many sockets each room has here.
    """

    def __init__(
        self, store: Store, calls: Calls, clients: dict[str, MediaClient], people: People = dict
    ) -> None:
        self._store = store
        self._calls = calls
        self._clients = clients
        self._people = people
        self._crowd: Mapping[UUID, int] = {}
        self._empty_since: dict[UUID, float] = {}
        self._me = uuid4().hex
        self._started = time.monotonic()
        self._known: dict[UUID, Placement] = {}
        self._opened: set[tuple[UUID, Placement]] = set()
        self._vanished: set[tuple[UUID, Placement]] = set()
        self._gone: dict[str, str] = {}
        self._leased: set[str] = set()
        self._recent: list[tuple[float, str, int]] = []
        self._probes: dict[UUID, str] = {}
        self._tested: set[UUID] = set()  # probes that have published in their present room
        self._probing = asyncio.Lock()
        self._lock = asyncio.Lock()
        self._wake = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self.moves = 0
        self.on_moved: Moved | None = None

    def start(self) -> None:
        if self._clients:
            self._own(self._forever(), "placements")

    async def close(self) -> None:
        """Idempotent."""
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        leased, self._leased = self._leased, set()
        if leased:
            try:
                await self._calls.run(self._end_leases, leased)
            except ConsiliumError as error:
                log.info("leases not withdrawn", extra={"reason": error.code})

    # --- requests -----------------------------------------------------------------------------------

    def client(self, worker: str) -> MediaClient:
        found = self._clients.get(worker)
        if found is None or not found.connected:
            raise Unavailable("media_unavailable")
        return found

    async def of(self, room: UUID) -> Placement:
        """Where the room is now; placed on the least loaded worker when it is nowhere.

        Raises Unavailable: media_unavailable without a worker, media_full when none has room for more people.
        """
        placement = self._known.get(room)
        if placement is not None and self._serves(room, placement):
            return placement
        async with self._lock:
            return await self._find_or_place(room)

    async def request(self, room: UUID, op: str, epoch: int | None = None, **fields: Any) -> Message:
        """One operation on the room's worker, under its epoch; opens the room there when needed.

        Raises Conflict(stale_epoch) when the caller's epoch is not the room's, Conflict(media_refused)
        with the worker's reason, Unavailable(media_unavailable, media_full).
        """
        placement = await self.of(room)
        if epoch is not None and epoch != placement.epoch:
            raise Conflict("stale_epoch", epoch=placement.epoch)
        try:
            placement = await self._open(room, placement)
            answer = await self._ask(room, placement, op, fields)
        except MediaError as error:
            if error.code == "stale_epoch":  # the worker has seen a newer one than the database has
                self._vanished.add((room, placement))
            raise _told(error) from error
        return {**answer, "epoch": placement.epoch}

    async def _ask(self, room: UUID, placement: Placement, op: str, fields: dict[str, Any]) -> Message:
        client = self.client(placement.worker)
        try:
            return await client.request(op, room=str(room), epoch=placement.epoch, **fields)
        except MediaError as error:
            if error.code != "no_such_room":
                raise
        # Nobody was in it and it was closed meanwhile.
        self._opened.discard((room, placement))
        await self._open(room, placement)
        return await client.request(op, room=str(room), epoch=placement.epoch, **fields)

    async def request_probe(self, probe: UUID, op: str, **fields: Any) -> Message:
        """The same for somebody's own echo room: on any worker, under epoch 1, in no table."""
        try:
            async with self._probing:  # both directions may ask at once
                client = await self._probe_room(probe, again=op == "publish.offer")
            return await client.request(op, room=f"{PROBE}{probe}", epoch=1, **fields)
        except MediaError as error:
            raise _told(error) from error

    async def _probe_room(self, probe: UUID, *, again: bool) -> MediaClient:
        """The worker with the echo room, made anew for the second test of a session."""
        worker = self._probes.get(probe)
        known = worker is not None and self._reached(worker)
        if worker is None or not known:
            worker = self._choose(1)
        client, room = self.client(worker), f"{PROBE}{probe}"
        if not known or (again and probe in self._tested):
            self._tested.discard(probe)
            await client.request("room.close", room=room, epoch=1, reason="again")
            await client.request("room.open", room=room, epoch=1, echo=True)
            self._probes[probe] = worker
        if again:
            self._tested.add(probe)
        return client

    async def close_probe(self, probe: UUID) -> None:
        self._tested.discard(probe)
        worker = self._probes.pop(probe, None)
        if worker is None or not self._reached(worker):
            return
        try:
            await self._clients[worker].request(
                "room.close", room=f"{PROBE}{probe}", epoch=1, reason="probe ended"
            )
        except MediaError as error:
            log.info("probe room not closed", extra={"reason": error.code})

    # --- what workers say ---------------------------------------------------------------------------

    def worker_event(self, worker: str, event: Message) -> bool:
        """Called by a MediaClient; True when the event is of the worker itself or of a room that has moved away."""
        match event.get("event"):
            case "worker.up":
                self._gone.pop(worker, None)
                self._came_up(worker, event.get("rooms"))
            case "worker.down":
                self._gone[worker] = str(event.get("reason"))
                log.warning("media worker down", extra={"worker": worker, "reason": event.get("reason")})
            case "worker.draining" | "worker.closing":
                self._clients[worker].pulse["draining"] = True
            case _:
                return self._superseded(worker, event)
        self._wake.set()
        return True

    def _came_up(self, worker: str, rooms: object) -> None:
        epochs = rooms if isinstance(rooms, dict) else {}
        for room, placement in self._known.items():
            if placement.worker == worker and epochs.get(str(room)) != placement.epoch:
                self._opened.discard((room, placement))
                if placement.holder == self._clients[worker].boot:
                    self._vanished.add((room, placement))
        named = [(_uuid(name), epoch) for name, epoch in epochs.items()]
        held = {room: epoch for room, epoch in named if room is not None}
        if held:
            self._own(self._fence(worker, held), "fence")

    def _superseded(self, worker: str, event: Message) -> bool:
        """Whether the event comes from an incarnation that has moved away: its people have new connections."""
        room = _uuid(str(event.get("room")))
        placement = self._known.get(room) if room is not None else None
        return placement is not None and (placement.worker, placement.epoch) != (worker, event.get("epoch"))

    async def _fence(self, worker: str, held: Mapping[UUID, int]) -> None:
        """Tell a worker which of the rooms it holds {room: epoch} live elsewhere by now."""
        try:
            rows = await self._calls.run(self._rows, list(held))
            newest = {str(room): row.epoch for room, row in rows.items() if row.epoch > held[room]}
            if newest:
                closed = await self.client(worker).request("fence", rooms=newest)
                log.info("media worker fenced", extra={"worker": worker, "closed": closed.get("closed")})
        except (ConsiliumError, MediaError) as error:
            log.info("media worker not fenced", extra={"worker": worker, "reason": error.code})

    # --- settling -----------------------------------------------------------------------------------

    async def _forever(self) -> None:
        while True:
            try:
                await self._settle()
            except Exception:
                log.exception("placements not settled")
            try:
                async with asyncio.timeout(LOOK_EVERY):
                    await self._wake.wait()
            except TimeoutError:
                continue
            self._wake.clear()

    async def _settle(self) -> None:
        async with self._lock:
            self._crowd = self._people()
            await self._forget_empty()
            here = {*self._crowd, *self._known}
            if not here:
                return
            await self._withdraw()
            seen = await self._calls.run(self._look, here)
            moved = [room for room, row in seen.rooms.items() if self._adopt(room, row)]
            await self._renew(seen)
            lost = {room: row for room, row in seen.rooms.items() if self._lost(room, row, seen)}
            moved += await self._move(lost)
        await asyncio.gather(*(self._tell(room) for room in set(moved)))

    async def _forget_empty(self) -> None:
        at = time.monotonic()
        empty = [room for room in self._known if room not in self._crowd]
        self._empty_since = {room: self._empty_since.get(room, at) for room in empty}
        for room in [room for room, since in self._empty_since.items() if since < at - EMPTY_FOR]:
            self._own(self._close_empty(room, self._known.pop(room)), "close-empty")

    async def _close_empty(self, room: UUID, placement: Placement) -> None:
        """Best effort: a worker that is gone has nothing to close, and another server may have people there."""
        self._opened.discard((room, placement))
        try:
            client = self.client(placement.worker)
            await client.request("room.close", room=str(room), epoch=placement.epoch, if_empty=True)
        except (ConsiliumError, MediaError) as error:
            log.info("media room not closed", extra={"room": str(room), "reason": error.code})

    async def _find_or_place(self, room: UUID) -> Placement:
        """Under the lock."""
        self._crowd = self._people()
        seen = await self._calls.run(self._look, {room})
        row = seen.rooms.get(room)
        if row is None:
            worker = self._choose(self._weight(room))
            row = await self._calls.run(self._place, room, worker, self._clients[worker].boot)
            self._recent.append((time.monotonic(), worker, LEAST_WEIGHT))
        told = self._adopt(room, row)
        if self._lost(room, row, seen):
            told = bool(await self._move({room: row}, must=True)) or told
        if told:
            self._own(self._tell(room), "moved")
        return self._known[room]

    def _adopt(self, room: UUID, row: Placement) -> bool:
        """Take the database's word; True when people here have media that is elsewhere now."""
        known = self._known.get(room)
        self._known[room] = row
        if known is None or known == row:
            return False
        self._opened.discard((room, known))
        self._vanished.discard((room, known))
        if self._reached(known.worker) and self._clients[known.worker].boot == known.holder:
            self._own(self._retire(room, known), "retire")
        return known.epoch != row.epoch

    async def _retire(self, room: UUID, old: Placement) -> None:
        """The worker the room moved away from lives: it forwards until everybody has built the new media."""
        await asyncio.sleep(BOTH_WAYS)
        await self._fence(old.worker, {room: old.epoch})

    def _lost(self, room: UUID, row: Placement, seen: _Seen) -> bool:
        """Whether the room's worker cannot serve it, and this server may say so."""
        client = self._clients.get(row.worker)
        if client is None or (room, row) in self._vanished:
            return True
        if client.connected:
            return client.boot != row.holder or (client.draining and self._can_choose(row.worker))
        if self._gone.get(row.worker) == "refused":
            return True
        if row.worker not in self._gone and time.monotonic() - self._started < FIRST_DIAL:
            return False
        return not any(
            lease.worker == row.worker and lease.boot == row.holder and lease.expires_at > seen.at
            for lease in seen.leases
            if lease.server != self._me
        )

    async def _move(self, lost: Mapping[UUID, Placement], *, must: bool = False) -> list[UUID]:
        """All in one transaction, the largest rooms first; without a worker they stay where they are, or it raises."""
        moves: dict[UUID, tuple[Placement, str, str]] = {}
        for room in sorted(lost, key=self._weight, reverse=True):
            try:
                worker = self._choose(self._weight(room), moving=True)
            except Unavailable as error:
                if must:
                    raise
                log.warning("media room has no place", extra={"room": str(room), "reason": error.code})
                continue
            self._recent.append((time.monotonic(), worker, self._weight(room)))
            moves[room] = (lost[room], worker, self._clients[worker].boot)
        if not moves:
            return []
        rows = await self._calls.run(self._raise, moves)
        self.moves += sum((row.worker, row.holder) == moves[room][1:] for room, row in rows.items())
        log.info(
            "media rooms moved",
            extra={"rooms": len(rows), "epochs": {str(k): v.epoch for k, v in rows.items()}},
        )
        return [room for room, row in rows.items() if self._adopt(room, row)]

    async def _renew(self, seen: _Seen) -> None:
        """Leases of the workers this server hears and has people on; not more often than needed."""
        mine = {self._known[room].worker for room in self._crowd if room in self._known}
        fresh = {
            (lease.worker, lease.boot)
            for lease in seen.leases
            if lease.server == self._me and lease.expires_at - seen.at > RENEW_BELOW
        }
        heard = {name: self._clients[name].boot for name in mine if self._reached(name)}
        fading = {name: boot for name, boot in heard.items() if (name, boot) not in fresh}
        if fading:
            await self._calls.run(self._write_leases, fading)
            self._leased |= fading.keys()

    async def _withdraw(self) -> None:
        """Who stopped hearing a worker says so, that another who did may act."""
        unheard = {name for name in self._leased if not self._reached(name)}
        if unheard:
            await self._calls.run(self._end_leases, unheard)
            self._leased -= unheard

    async def _tell(self, room: UUID) -> None:
        if self.on_moved is not None:
            await self.on_moved(room, self._known[room].epoch)

    async def _open(self, room: UUID, placement: Placement) -> Placement:
        """Open the room where it is placed; a worker that takes no more rooms gives it to another."""
        if (room, placement) in self._opened:
            return placement
        try:
            await self._request_open(room, placement)
        except MediaError as error:
            if error.code not in {"full", "draining"} or not self._can_choose(placement.worker):
                raise
            placement = await self._elsewhere(room, placement)
            await self._request_open(room, placement)
        self._opened.add((room, placement))
        return placement

    async def _request_open(self, room: UUID, placement: Placement) -> None:
        client = self.client(placement.worker)
        await client.request("room.open", room=str(room), epoch=placement.epoch, moved=placement.epoch > 1)

    async def _elsewhere(self, room: UUID, refused: Placement) -> Placement:
        async with self._lock:
            if self._known.get(room) == refused:
                worker = self._choose(self._weight(room), but=refused.worker)
                rows = await self._calls.run(
                    self._raise, {room: (refused, worker, self._clients[worker].boot)}
                )
                self._adopt(room, rows[room])
            return self._known[room]

    # --- choosing -----------------------------------------------------------------------------------

    def _choose(self, people: int, *, but: str = "", moving: bool = False) -> str:
        """The least loaded worker with room for these; raises Unavailable(media_unavailable, media_full).

        Who is being moved had media a moment ago: a worker over its measure is better than none, and one that is
        full by heads refuses by itself.
        """
        living = [name for name in self._clients if self._takes(name) and name != but]
        if not living:
            raise Unavailable("media_unavailable")
        loads = {name: self._load(name, people) for name in living}
        chosen = min(living, key=lambda name: (self._clients[name].full, loads[name]))
        if not moving and (loads[chosen] > 1 or self._clients[chosen].full):
            raise Unavailable("media_full")
        return chosen

    def _can_choose(self, but: str) -> bool:
        return any(self._takes(name) for name in self._clients if name != but)

    def _takes(self, worker: str) -> bool:
        client = self._clients[worker]
        return client.connected and not client.draining and client.stalled < STALLED

    def _load(self, worker: str, more: int) -> float:
        """As its last heartbeat says, with what was placed there since and these people on top."""
        limit = time.monotonic() - JUST_PLACED
        self._recent = [one for one in self._recent if one[0] > limit]
        coming = more + sum(weight for _, name, weight in self._recent if name == worker)
        client = self._clients[worker]
        return client.load + coming / client.capacity

    def _weight(self, room: UUID) -> int:
        return max(LEAST_WEIGHT, self._crowd.get(room, 0))

    def _reached(self, worker: str) -> bool:
        client = self._clients.get(worker)
        return client is not None and client.connected

    def _serves(self, room: UUID, placement: Placement) -> bool:
        return (
            self._reached(placement.worker)
            and self._clients[placement.worker].boot == placement.holder
            and (room, placement) not in self._vanished
        )

    # --- the database, in threads -------------------------------------------------------------------

    def _look(self, rooms: Iterable[UUID]) -> _Seen:
        with self._store.read() as reader:
            return _Seen(find_all(reader.connection, list(rooms)), leases(reader.connection), now())

    def _rows(self, rooms: list[UUID]) -> dict[UUID, Placement]:
        with self._store.read() as reader:
            return find_all(reader.connection, rooms)

    def _place(self, room: UUID, worker: str, boot: str) -> Placement:
        with self._store.write(now()) as tx:
            return place(tx.connection, room, worker, boot, tx.at)

    def _raise(self, moves: Mapping[UUID, tuple[Placement, str, str]]) -> dict[UUID, Placement]:
        with self._store.write(now()) as tx:
            return move(tx.connection, moves, tx.at)

    def _write_leases(self, boots: Mapping[str, str]) -> None:
        with self._store.write(now()) as tx:
            renew(tx.connection, boots, self._me, tx.at + LEASE)

    def _end_leases(self, workers: set[str]) -> None:
        with self._store.write(now()) as tx:
            withdraw(tx.connection, workers, self._me)

    def _own(self, work: Any, name: str) -> None:
        task = asyncio.ensure_future(work)
        task.set_name(name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _uuid(name: str) -> UUID | None:
    """None for an echo room, which no consilium is."""
    try:
        return UUID(name)
    except ValueError:
        return None


def _told(error: MediaError) -> ConsiliumError:
    """A worker's refusal in the words of the wire."""
    if error.code in {"unreachable", "timeout"}:
        return Unavailable("media_unavailable")
    if error.code == "full":
        return Unavailable("media_full")
    return Conflict("media_refused", reason=error.code)
