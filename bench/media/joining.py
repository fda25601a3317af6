"""What it costs a worker when somebody comes, and what somebody costs who is there and silent."""

import asyncio
import gc

from bench.media.client import Publisher, Receiver
from bench.media.janus import Janus
from bench.media.ours import Ours
from bench.media.relay import Relay, cpu_seconds, resident_bytes
from bench.media.rows import Sheet, median

PERSONS = 15
JOINS = 12
IDLE = 0.5  # seconds
SETTLE = 0.25  # seconds after "connected" that still count as the join
FIRST, ALL = 8, 48  # participants: those before FIRST pay for what is loaded once
ROOM_OF = 4
SLOTS = 8  # pictures and voices each is offered


async def measure(sheet: Sheet, ours: Ours, januses: list[Janus]) -> None:
    """Row join."""
    relays: list[Relay] = [ours, *januses]
    values = {relay.name: await _joins(relay) for relay in relays}
    for name, costs in values.items():
        print(f"  join at {name}: {median(costs):.1f} ms ({min(costs):.1f} to {max(costs):.1f})", flush=True)
    own = values.pop(ours.name)
    rivals = {f"{name}, ms": round(median(costs), 1) for name, costs in values.items()}
    sheet.put("join", median(own), {"unit": "ms", "spread": [min(own), max(own)], **rivals})


async def _joins(relay: Relay) -> list[float]:
    """Milliseconds of CPU of each join into a room where PERSONS publish."""
    room = "joining"
    await relay.open_room(room)
    publishers = [Publisher(relay, room, f"p{number}", "AES-GCM") for number in range(PERSONS)]
    for publisher in publishers:
        await publisher.connect()
    await asyncio.sleep(1.0)  # what follows their coming is over
    costs = [await _join(relay, room, f"s{number}") for number in range(JOINS)]
    for publisher in publishers:
        await publisher.close()
    await relay.close_room(room)
    return costs


async def _join(relay: Relay, room: str, name: str) -> float:
    """Less what the relay uses in as long a time just before, when nobody comes."""
    receiver = Receiver(relay, room, name, "AES-GCM")
    loop = asyncio.get_running_loop()
    begun = cpu_seconds(relay.pid)
    await asyncio.sleep(IDLE)
    before, started = cpu_seconds(relay.pid), loop.time()
    await receiver.connect(PERSONS)
    await asyncio.sleep(SETTLE)
    idle = (before - begun) / IDLE * (loop.time() - started)
    spent = cpu_seconds(relay.pid) - before - idle
    await receiver.close()
    await asyncio.sleep(SETTLE)
    return spent * 1e3


async def memory(sheet: Sheet, ours: Ours) -> None:
    """Row memory: participants with both connections of theirs, who send nothing, in rooms of four."""
    people: list[Publisher | Receiver] = []
    before = 0
    for number in range(ALL):
        if number == FIRST:
            before = resident_bytes(ours.pid)
        room = f"idle-{number // ROOM_OF}"
        if number % ROOM_OF == 0:
            await ours.open_room(room)
        publisher = Publisher(ours, room, f"p{number}", "AES-GCM")
        await publisher.connect()
        receiver = Receiver(ours, room, f"p{number}", "AES-GCM")
        await receiver.connect(SLOTS)
        people += [publisher, receiver]
    await asyncio.sleep(1.0)
    each = (resident_bytes(ours.pid) - before) / (ALL - FIRST) / 2**20
    print(f"  memory: {each:.2f} MB each of {ALL - FIRST}", flush=True)
    sheet.put("memory", each, {"unit": "MB", "connections": 2, "media_lines": 2 + 2 * SLOTS})
    for person in people:
        await person.close()
    for number in range(ALL // ROOM_OF):
        await ours.close_room(f"idle-{number}")
    gc.collect()
