"""Rooms on workers: chosen by load, moved by compare-and-set, fenced when they wake up somewhere else."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from pathlib import Path
from uuid import UUID, uuid4

import pytest

from consilium import clock
from consilium.errors import Conflict, Unavailable
from consilium.store import Store
from consilium.store.placements import Lease, Placement, find, leases, move, place, renew, withdraw
from media.control import MediaClient, Message
from media.control_server import ControlServer
from media.engine import SocketPlan
from media.plane.choose import forwarder
from media.worker import Worker
from signaling.calls import Calls
from signaling.placement import Placements

pytestmark = pytest.mark.timeout(60)


@pytest.fixture
def store(database_url):
    opened = Store(database_url)
    opened.migrate()
    yield opened
    opened.close()


class Site:
    """Workers in this process, by number, and signaling servers that dial them all."""

    def __init__(self, folder: Path, store: Store) -> None:
        self.folder = folder
        self.store = store
        self.workers: dict[int, tuple[Worker, ControlServer]] = {}
        self.servers: list[Placements] = []
        self.clients: list[MediaClient] = []
        self.pools: list[Calls] = []
        self.told: list[tuple[int, UUID, int]] = []

    def address(self, number: int) -> str:
        return f"unix:{self.folder}/{number}.sock"

    async def start(self, number: int, capacity: int = 50) -> Worker:
        plan = SocketPlan(("127.0.0.1",))
        worker = Worker(f"media-{number}", plan, capacity, 1_500_000, forwarder("python"))
        server = ControlServer(worker, self.address(number), None)
        await server.start()
        self.workers[number] = worker, server
        return worker

    async def kill(self, number: int) -> None:
        """As far as anybody outside can see: the connection drops and nobody listens any more."""
        worker, server = self.workers.pop(number)
        await server.close("killed")
        await worker.close("killed")

    async def signaling(self, *numbers: int, people: dict[UUID, int] | None = None) -> Placements:
        index = len(self.servers)
        calls = Calls(4, f"server-{index}")
        clients: dict[str, MediaClient] = {}
        crowd = people if people is not None else {}
        placements = Placements(self.store, calls, clients, lambda: dict(crowd))
        for number in numbers:
            address = self.address(number)
            clients[address] = MediaClient(
                address, lambda event, address=address: placements.worker_event(address, event)
            )
            await clients[address].connect()

        async def moved(room: UUID, epoch: int) -> None:
            self.told.append((index, room, epoch))

        placements.on_moved = moved
        placements.start()
        self.pools.append(calls)
        self.servers.append(placements)
        self.clients += clients.values()
        return placements

    def where(self, room: UUID) -> Placement | None:
        with self.store.read() as reader:
            return find(reader.connection, room)

    async def close(self) -> None:
        for placements in self.servers:
            await placements.close()
        for client in self.clients:
            await client.close()
        for calls in self.pools:
            await calls.end()
        for number in list(self.workers):
            await self.kill(number)


@pytest.fixture
async def site(tmp_path, store) -> AsyncIterator[Site]:
    made = Site(tmp_path, store)
    yield made
    await made.close()


async def until(holds: Callable[[], object], seconds: float = 10.0) -> None:
    async with asyncio.timeout(seconds):
        while not holds():
            await asyncio.sleep(0.01)


async def joined(placements: Placements, room: UUID, people: int = 1) -> list[Message]:
    """So many receivers in the room; each is somebody for the worker to count."""
    return [
        await placements.request(room, "subscribe.open", peer=f"p{n}", audio=1, video=0)
        for n in range(people)
    ]


@asynccontextmanager
async def refused(kind, code: str):
    with pytest.raises(kind) as caught:
        yield
    assert caught.value.code == code


# --- rows ---------------------------------------------------------------------------------------------------


def test_the_first_who_places_a_room_wins(store):
    room = uuid4()
    with store.write(clock.now()) as tx:
        assert place(tx.connection, room, "a", "boot-a", tx.at) == Placement("a", 1, "boot-a")
    with store.write(clock.now()) as tx:
        assert place(tx.connection, room, "b", "boot-b", tx.at) == Placement("a", 1, "boot-a")


def test_of_two_moves_from_one_epoch_the_second_changes_nothing(store):
    room, at = uuid4(), clock.now()
    with store.write(at) as tx:
        old = place(tx.connection, room, "a", "boot-a", at)
    with store.write(at) as tx:
        assert move(tx.connection, {room: (old, "b", "boot-b")}, at) == {room: Placement("b", 2, "boot-b")}
    with store.write(at) as tx:
        assert move(tx.connection, {room: (old, "c", "boot-c")}, at) == {room: Placement("b", 2, "boot-b")}


def test_a_lease_is_renewed_in_place(store):
    at = clock.now()
    for later in (at, at + timedelta(seconds=2)):
        with store.write(at) as tx:
            renew(tx.connection, {"a": "boot-a"}, "me", later)
    assert leases_of(store) == [Lease("a", "me", "boot-a", at + timedelta(seconds=2))]


def test_a_lease_withdrawn_is_gone_and_others_stay(store):
    at = clock.now()
    with store.write(at) as tx:
        for server in ("me", "you"):
            renew(tx.connection, {"a": "boot-a", "b": "boot-b"}, server, at)
        withdraw(tx.connection, ["a"], "me")
    assert {(lease.worker, lease.server) for lease in leases_of(store)} == {
        ("b", "me"),
        ("a", "you"),
        ("b", "you"),
    }


def test_leases_of_servers_long_gone_are_forgotten(store):
    at = clock.now()
    with store.write(at) as tx:
        renew(tx.connection, {"a": "boot-a"}, "old", at - timedelta(minutes=2))
        renew(tx.connection, {"a": "boot-a"}, "new", at)
    assert [lease.server for lease in leases_of(store)] == ["new"]


# --- choosing -----------------------------------------------------------------------------------------------


async def test_rooms_are_spread_over_the_workers(site):
    for number in (1, 2):
        await site.start(number)
    placements = await site.signaling(1, 2)
    places = [await placements.of(uuid4()) for _ in range(6)]
    assert sorted(one.worker for one in places) == [site.address(1)] * 3 + [site.address(2)] * 3


async def test_the_emptier_worker_is_chosen_by_its_own_figures(site):
    for number in (1, 2):
        await site.start(number, capacity=8)
    placements = await site.signaling(1, 2)
    crowded = uuid4()
    await joined(placements, crowded, 6)
    full = (await placements.of(crowded)).worker
    client = placements._clients[full]
    await until(lambda: client.load >= 0.75)
    assert (await placements.of(uuid4())).worker != full


async def test_full_workers_refuse_in_words_of_their_own(site):
    await site.start(1, capacity=4)
    placements = await site.signaling(1)
    await joined(placements, uuid4(), 4)
    await until(lambda: placements._clients[site.address(1)].load >= 1)
    async with refused(Unavailable, "media_full"):
        await placements.of(uuid4())


async def test_without_a_worker_media_is_unavailable_and_comes_with_the_first(site):
    placements = await site.signaling()
    async with refused(Unavailable, "media_unavailable"):
        await placements.of(uuid4())


async def test_an_older_epoch_than_the_room_has_is_refused(site):
    await site.start(1)
    placements = await site.signaling(1)
    async with refused(Conflict, "stale_epoch"):
        await placements.request(uuid4(), "subscribe.answer", 7, peer="p", sdp="v=0")


# --- death --------------------------------------------------------------------------------------------------


async def test_all_rooms_of_a_dead_worker_move_at_once_and_their_people_are_told(site):
    for number in (1, 2):
        await site.start(number)
    rooms = {uuid4(): 4 for _ in range(8)}
    placements = await site.signaling(1, 2, people=rooms)
    for room in rooms:
        await joined(placements, room)
    before = {room: site.where(room) for room in rooms}
    lost = {room for room, one in before.items() if one.worker == site.address(1)}
    assert 0 < len(lost) < 8
    began = asyncio.get_running_loop().time()
    await site.kill(1)
    await until(lambda: {room for _, room, _ in site.told} >= lost)
    assert asyncio.get_running_loop().time() - began < 3
    for room in rooms:
        after, epoch = site.where(room), before[room].epoch
        assert (after.worker, after.epoch) == (site.address(2), epoch + (room in lost))
        assert (await joined(placements, room))[0]["epoch"] == after.epoch
    assert len(site.told) == len(lost), "once each"


async def test_two_servers_that_see_the_same_death_agree_and_both_tell(site):
    for number in (1, 2, 3):
        await site.start(number)
    rooms = {uuid4(): 2 for _ in range(6)}
    servers = [await site.signaling(1, 2, 3, people=rooms) for _ in range(2)]
    for room in rooms:
        for placements in servers:
            await joined(placements, room)
    on_one = {room for room in rooms if site.where(room).worker == site.address(1)}
    assert on_one
    await site.kill(1)
    await until(
        lambda: {(server, room) for server, room, _ in site.told} >= {(s, r) for s in (0, 1) for r in on_one}
    )
    assert {epoch for _, _, epoch in site.told} == {2}
    for room in on_one:
        assert len({(await placements.of(room)) for placements in servers}) == 1


async def test_what_one_server_moved_the_other_tells_its_people_and_closes_where_it_was(site, monkeypatch):
    monkeypatch.setattr("signaling.placement.BOTH_WAYS", 0.2)
    for number in (1, 2):
        await site.start(number)
    room = uuid4()
    server = await site.signaling(1, 2, people={room: 2})
    await joined(server, room)
    was = site.where(room)
    with site.store.write(clock.now()) as tx:
        there = site.address(2 if was.worker == site.address(1) else 1)
        boot = server._clients[there].boot
        move(tx.connection, {room: (was, there, boot)}, tx.at)
    await until(lambda: site.told == [(0, room, 2)])
    held = site.workers[1 if was.worker == site.address(1) else 2][0]
    await until(lambda: not held.vitals()["rooms"])
    async with refused(Conflict, "stale_epoch"):
        await server.request(room, "subscribe.answer", 1, peer="p0", sdp="v=0")


async def test_another_process_at_the_same_address_has_none_of_the_rooms(site):
    await site.start(1)
    room = uuid4()
    placements = await site.signaling(1, people={room: 1})
    await joined(placements, room)
    await site.kill(1)
    await site.start(1)
    await until(lambda: site.told == [(0, room, 2)])
    assert (await joined(placements, room))[0]["epoch"] == 2


async def test_a_silent_worker_keeps_its_rooms_while_another_server_hears_it(site):
    """A cable cut between one server and one worker is not the worker's death."""
    for number in (1, 2):
        await site.start(number)
    room = uuid4()
    near = await site.signaling(1, 2, people={room: 1})
    far = await site.signaling(1, 2, people={room: 1})
    await joined(near, room)
    await far.of(room)
    worker = site.where(room).worker

    def heard_until(server: Placements) -> datetime | None:
        return next((one.expires_at for one in leases_of(site.store) if one.server == server._me), None)

    await until(lambda: heard_until(near) and heard_until(far))
    far._clients[worker]._up.clear()
    far.worker_event(worker, {"event": "worker.down", "reason": "silent"})
    first = heard_until(near)
    await until(lambda: heard_until(near) > first + timedelta(seconds=1))
    assert (site.where(room).epoch, heard_until(far)) == (1, None)
    await near.close()
    await until(lambda: site.where(room).epoch == 2)


def leases_of(store: Store) -> list[Lease]:
    with store.read() as reader:
        return leases(reader.connection)


# --- draining and fencing -----------------------------------------------------------------------------------


async def test_a_worker_that_drains_loses_its_rooms_to_the_others_and_ends_when_they_are_gone(
    site, monkeypatch
):
    monkeypatch.setattr("signaling.placement.BOTH_WAYS", 0.3)
    for number in (1, 2):
        await site.start(number)
    rooms = {uuid4(): 1 for _ in range(4)}
    placements = await site.signaling(1, 2, people=rooms)
    for room in rooms:
        await joined(placements, room)
    on_one = {room for room in rooms if site.where(room).worker == site.address(1)}
    began = asyncio.get_running_loop().time()
    await site.workers[1][1].drain(20, asyncio.Event())
    assert asyncio.get_running_loop().time() - began < 5
    assert site.workers[1][0].vitals()["people"] == 0
    assert {room for _, room, _ in site.told} == on_one
    assert {site.where(room).worker for room in rooms} == {site.address(2)}


async def test_the_only_worker_drains_no_longer_than_it_may(site):
    await site.start(1)
    room = uuid4()
    placements = await site.signaling(1, people={room: 1})
    await joined(placements, room)
    began = asyncio.get_running_loop().time()
    await site.workers[1][1].drain(0.5, asyncio.Event())
    assert 0.4 < asyncio.get_running_loop().time() - began < 3
    assert site.told == []


async def test_a_worker_that_comes_back_learns_which_rooms_moved_away(site):
    """As after SIGCONT: its process never knew that it stood still."""
    worker = await site.start(1)
    await site.start(2)
    room = uuid4()
    first = await site.signaling(1)
    await joined(first, room)
    await first.close()
    with site.store.write(clock.now()) as tx:
        move(tx.connection, {room: (site.where(room), site.address(2), "other")}, tx.at)
    assert worker.vitals()["rooms"] == 1
    await site.signaling(1, 2)
    await until(lambda: not worker.vitals()["rooms"])
    client = site.clients[-2]
    with pytest.raises(Exception, match="epoch 2"):
        await client.request("room.open", room=str(room), epoch=1)


async def test_both_directions_of_the_test_before_the_meeting_may_ask_in_any_order(site):
    await site.start(1)
    placements = await site.signaling(1)
    probe, asked = uuid4(), {"peer": "me", "audio": 1, "video": 1}
    await placements.request_probe(probe, "subscribe.open", **asked)
    offer = {"peer": "me", "sdp": "v=0", "sources": {}, "may": []}
    with pytest.raises(Conflict):
        await placements.request_probe(probe, "publish.offer", **offer)
    rooms = (await placements.client(site.address(1)).request("stats"))["rooms"]
    assert list(rooms[f"probe-{probe}"]["peers"]) == ["me"]

    # A second test of the same session begins in a room of its own.
    with pytest.raises(Conflict):
        await placements.request_probe(probe, "publish.offer", **offer)
    rooms = (await placements.client(site.address(1)).request("stats"))["rooms"]
    assert list(rooms[f"probe-{probe}"]["peers"]) == []
