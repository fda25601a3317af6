"""What one event costs the signaling server on its way to the screens.

    python -m bench.fanout

Prints `name value unit`; medians of five interleaved rounds (quiet, busy) of twelve events each:
  fanout.N.cpu           us  CPU of the whole server process per message that reached one of N sockets
  fanout.N.event         ms  CPU per event: reading the journal, one scene, N views of it, N messages
  fanout.N.latency       ms  wall clock from the commit to the last of N sockets, median (no hint between two
                             processes on SQLite: up to 250 ms of it is the tail's own pace)
  fanout.10.chat_200.cpu     the same as .cpu for a chat message where 200 are shown already
  fanout.N.quiet         %   of one core for N idle sockets: the tail's looks, numbers, heartbeats
The server is `python -m signaling` with a SQLite database on the same disk. Events are hands raised and lowered by
another process, one at a time, so that each is told alone; what the quiet half of the round costs is taken off.
Sockets are real websockets, read by this process. Not measured: TLS, a real network, the command itself (bench.command).
"""

import asyncio
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from uuid import UUID, uuid4

import aiohttp

from bench.command import a_case, a_meeting, a_person, an_organisation
from consilium import clock, supervise
from consilium.actor import Actor
from consilium.bootstrap import build
from consilium.commands import Command, LowerHand, RaiseHand, SendChat
from consilium.model import Consilium
from consilium.service import Service
from consilium.settings import Settings
from consilium.store import Transaction
from consilium.store import sessions as tokens
from signaling.wire import PROTOCOL_VERSION

ROUNDS, EVENTS, PACE = 5, 12, 0.3
LOADS = ((10, 0), (100, 0), (10, 200))


@dataclass
class Audience:
    """Sockets of one consilium; `numbers` holds the last sequence number each has seen."""

    numbers: list[int]
    messages: int = 0
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    async def listen(self, ws: aiohttp.ClientWebSocketResponse, number: int) -> None:
        async for message in ws:
            text = str(message.data)
            if text == "2":
                await ws.send_str("3")
            elif text.startswith('42["event"'):
                self.numbers[number] = json.loads(text[2:])[1]["seq"]
                self.messages += 1
                self.changed.set()

    async def all_at(self, seq: int) -> None:
        async with asyncio.timeout(20):
            while min(self.numbers) < seq:
                self.changed.clear()
                await self.changed.wait()


def main() -> int:
    """Print one line per figure."""
    for seats, messages in LOADS:
        asyncio.run(show(seats, messages))
    return 0


async def show(seats: int, messages: int) -> None:
    """All figures of one load, with a server and a database of its own."""
    name = f"fanout.{seats}" + (f".chat_{messages}" if messages else "")
    with tempfile.TemporaryDirectory(dir=os.environ.get("TMPDIR")) as folder:
        port = supervise.free_port()
        environment = {
            "CONSILIUM_DEMO": "1",
            "CONSILIUM_DATA_DIR": folder,
            "CONSILIUM_PORT": str(port),
            "CONSILIUM_MEDIA_CONTROLS": f"unix:{folder}/nobody.sock",
        }
        service = Service(build(Settings.from_environment(environment)))
        made, tickets = a_room(service, seats, messages)
        server = started(Path(folder), {**os.environ, **environment, "PORT": str(port)})
        try:
            await asyncio.to_thread(answering, port)
            async with audience(f"ws://127.0.0.1:{port}", tickets) as people:
                await figures(name, service, made, people, server.pid, chat=bool(messages))
        finally:
            server.kill()
            server.wait()
            service.parts.close()


async def figures(
    name: str, service: Service, made: Consilium, people: Audience, pid: int, *, chat: bool
) -> None:
    per_message, per_event, quiet = [], [], []
    latencies: list[float] = []
    pair: list[Command] = [RaiseHand(consilium=made.id), LowerHand(consilium=made.id)]
    if chat:
        pair = [SendChat(consilium=made.id, text="x" * 80)] * 2
    for _ in range(ROUNDS):
        idle = await spent(pid, asyncio.sleep(EVENTS * PACE))
        before = people.messages
        busy = await spent(pid, told(service, made, people, pair, latencies))
        quiet.append(idle / (EVENTS * PACE) * 100)
        per_event.append((busy - idle) / EVENTS)
        per_message.append((busy - idle) / (people.messages - before))
    print(f"{name}.cpu {statistics.median(per_message) * 1e6:.0f} us")
    print(f"{name}.event {statistics.median(per_event) * 1e3:.2f} ms")
    print(f"{name}.latency {statistics.median(latencies) * 1e3:.0f} ms")
    print(f"{name}.quiet {statistics.median(quiet):.1f} %")


async def told(
    service: Service, made: Consilium, people: Audience, pair: list[Command], latencies: list[float]
) -> None:
    """EVENTS commands by the last seat, each awaited on every socket."""
    actor = Actor(person_id=made.seats[-1].person_id, organisation_id=made.organisation_id)
    for number in range(EVENTS):
        started = time.perf_counter()
        reply = await asyncio.to_thread(service.handle, pair[number % 2], actor, uuid4(), clock.now())
        committed = time.perf_counter()
        await people.all_at(max(seq for _, _, seq, _ in reply.events))
        latencies.append(time.perf_counter() - committed)
        await asyncio.sleep(max(0.0, PACE - (time.perf_counter() - started)))


async def spent(pid: int, work: Awaitable[None]) -> float:
    """CPU seconds of all threads of a process while `work` is awaited."""
    before = cpu(pid)
    await work
    return cpu(pid) - before


def cpu(pid: int) -> float:
    """To the nanosecond; /proc/PID/stat counts in hundredths of a second."""
    total = 0
    for task in Path(f"/proc/{pid}/task").iterdir():
        total += int((task / "schedstat").read_text().split()[0])
    return total / 1e9


def a_room(service: Service, seats: int, messages: int) -> tuple[Consilium, list[str]]:
    """An open consilium with everybody in it, and a ticket for each."""

    def work(tx: Transaction) -> tuple[Consilium, list[str]]:
        organisation = an_organisation()
        people = [a_person(organisation, number) for number in range(seats)]
        cases = [a_case(people[0], clock.now()) for _ in range(3)]
        made = a_meeting(organisation, people, cases, messages)
        for one in (organisation, *people, *cases, made):
            tx.add(one)
        tx.flush()
        tickets = []
        for person in people:
            session = tokens.session(tx, tokens.create_session(tx, person, timedelta(hours=1), "bench"))
            assert session is not None
            tickets.append(tokens.create_ticket(tx, session.id, person.id, made.id, timedelta(minutes=5)))
        return made, tickets

    return service.parts.store.run(clock.now(), work)


def started(folder: Path, environment: dict[str, str]) -> subprocess.Popen[bytes]:
    with (folder / "log").open("ab") as log:
        command = [sys.executable, "-m", "signaling"]
        return subprocess.Popen(command, env=environment, stdout=log, stderr=log)


def answering(port: int) -> None:
    end = time.monotonic() + 30
    while not supervise.answers(f"http://127.0.0.1:{port}/health"):
        if time.monotonic() > end:
            raise TimeoutError("the server does not answer")
        time.sleep(0.05)


@asynccontextmanager
async def audience(url: str, tickets: list[str]) -> AsyncIterator[Audience]:
    """Everybody connected and inside."""
    people = Audience([0] * len(tickets))
    async with AsyncExitStack() as stack:
        session = await stack.enter_async_context(aiohttp.ClientSession())
        listeners = []
        for number, ticket in enumerate(tickets):
            address = f"{url}/socket.io/?EIO=4&transport=websocket"
            ws = await stack.enter_async_context(session.ws_connect(address, max_msg_size=0))
            await ws.receive_str()
            await ws.send_str("40" + json.dumps({"ticket": ticket, "protocol": PROTOCOL_VERSION}))
            await ws.receive_str()
            await ws.send_str('420["room.enter",{"command":"' + str(UUID(int=number + 1)) + '"}]')
            await ws.send_str('421["room.sync",{}]')
            listeners.append(asyncio.create_task(people.listen(ws, number)))
        await asyncio.sleep(2)  # heartbeats and numbers of the arrival are over
        yield people
        for one in listeners:
            one.cancel()
        await asyncio.gather(*listeners, return_exceptions=True)


if __name__ == "__main__":
    sys.exit(main())
