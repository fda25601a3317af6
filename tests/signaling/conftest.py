"""A signaling server on loopback over a real store, a scheduled consilium, and sockets to join it."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
import socketio
from aiohttp import web
from aiohttp.test_utils import unused_port

from consilium import bootstrap, clock, demo
from consilium import commands as c
from consilium.actor import Actor
from consilium.model import Person
from consilium.service import Service
from consilium.settings import Settings
from consilium.store import sessions as tokens
from signaling import wire
from signaling.server import Signaling, attach

PATIENCE = 25
"""Seconds any one wait may take: long, because two cores may be busy; no test waits for it to pass."""

ROLES = {
    "chair": "chair",
    "deputy": "deputy",
    "secretary": "secretary",
    "member1": "member",
    "member2": "member",
    "ivanova": "attending",
    "expert": "expert",
    "observer": "observer",
}


class Hall:
    """A service, its signaling server, a consilium on the way, and the sockets opened in a test."""

    def __init__(self, service: Service, url: str, serve: Callable[[Service], Any]) -> None:
        self.service = service
        self.url = url
        self.signaling: Signaling
        self._server: Any = None
        self._serve = serve
        self.sockets: list[socketio.AsyncClient] = []
        self.consilium = self._schedule()

    async def start(self) -> None:
        self.signaling, self._server = await self._serve(self.service)

    async def stop(self) -> None:
        """As a process that ends: sockets are cut, nothing in memory stays."""
        await self._server.close()
        self.service.parts.close()

    async def restart(self) -> None:
        """Another process on the same data and the same port."""
        await self.stop()
        self.service = bootstrap.service(self.service.parts.settings)
        await self.start()

    def actor(self, login: str) -> Actor:
        with self.service.parts.store.read() as reader:
            person = reader.person_by_login(login)
        return Actor(
            person_id=person.id,
            organisation_id=person.organisation_id,
            duties=frozenset(person.duties),
            name=person.full_name,
        )

    def do(self, login: str, command: c.Command, command_id: UUID | None = None) -> dict[str, Any]:
        reply = self.service.handle(command, self.actor(login), command_id or uuid4(), clock.now())
        return reply.result

    def ticket(self, login: str, consilium: UUID | None, ttl: timedelta = timedelta(seconds=60)) -> str:
        with self.service.parts.store.write(clock.now()) as tx:
            person: Person = tx.person_by_login(login)
            token = tokens.create_session(tx, person, timedelta(hours=1), "test")
            session = tokens.session(tx, token)
            return tokens.create_ticket(tx, session.id, person.id, consilium, ttl)

    async def socket(self, login: str, *, enter: bool = True) -> Sock:
        sock = Sock()
        sock.hall = self
        self.sockets.append(sock.sio)
        auth = {"ticket": self.ticket(login, self.consilium), "protocol": wire.PROTOCOL_VERSION}
        await sock.sio.connect(self.url, auth=auth, transports=["websocket"])
        if enter:
            await sock.call("room.enter")
            await sock.sync()
        return sock

    def _schedule(self) -> UUID:
        request = self._request()
        seats = [c.SeatPlan(person=self.actor(login).person_id, role=role) for login, role in ROLES.items()]
        done = self.do(
            "coordinator",
            c.ScheduleConsilium(
                kind="general",
                organisation=demo.ORGANISATIONS["nmic"].id,
                scheduled_at=clock.now(),
                cases=[request],
                seats=seats,
            ),
        )
        return UUID(done["consilium"])

    def _request(self) -> UUID:
        fields = c.RequestFields(
            receiver=demo.ORGANISATIONS["nmic"].id,
            profile="онкология",
            surname="Тестов",
            given="Иван",
            birth_date=clock.now().date().replace(year=1961),
            sex="1",
            snils="11223344595",
            record_number="ИБ-1",
            diagnosis_code="C34.1",
            diagnosis_name="Рак лёгкого",
            question="Оперировать?",
            goal_code="5",
            urgency_code="1",
            course="Кашель.",
            condition="Удовлетворительное.",
            consent_basis="consent",
            consent_date=clock.now().date(),
            consent_reference="ИДС 1",
        )
        request = UUID(self.do("ivanova", c.CreateRequest(fields=fields))["request"])
        self.do("ivanova", c.SendRequest(request=request))
        self.do("coordinator", c.AcceptRequest(request=request))
        return request


class Sock:
    """A browser's socket: keeps the snapshot, counts gaps like the real client."""

    def __init__(self) -> None:
        self.sio = socketio.AsyncClient(reconnection=False)
        self.state: dict[str, Any] = {}
        self.seq = 0
        self.seen: list[dict[str, Any]] = []
        self.said: list[tuple[str, Any]] = []
        self.changed = asyncio.Event()
        self.sio.on("event", self._event)
        self.sio.on("*", self._other)

    async def call(self, name: str, **fields: Any) -> dict[str, Any]:
        answer = await self.raw(name, {"command": str(uuid4()), **fields})
        assert answer["ok"], answer
        return answer

    async def refused(self, name: str, **fields: Any) -> str:
        answer = await self.raw(name, {"command": str(uuid4()), **fields})
        assert not answer["ok"], answer
        return str(answer["error"]["code"])

    async def raw(self, name: str, data: Any = None) -> dict[str, Any]:
        return await self.sio.call(name, data, timeout=PATIENCE)

    async def sync(self) -> list[dict[str, Any]]:
        answer = await self.call("room.sync", since=self.seq)
        self.seq, self.state = answer["seq"], answer["snapshot"]
        self.changed.set()
        return answer["missed"]

    async def until(self, holds: Callable[[Sock], Any]) -> Any:
        async with asyncio.timeout(PATIENCE):
            while not (value := self._holds(holds)):
                self.changed.clear()
                await self.changed.wait()
        return value

    def _holds(self, holds: Callable[[Sock], Any]) -> Any:
        """What is not there yet does not hold yet."""
        try:
            return holds(self)
        except (KeyError, IndexError, TypeError):
            return None

    async def heard(self, name: str) -> Any:
        return await self.until(lambda me: next((data for said, data in me.said if said == name), None))

    async def _event(self, message: dict[str, Any]) -> None:
        self.seen.append(message)
        if message["seq"] > self.seq:
            self.seq = message["seq"]
            self.state = {**self.state, **message["patch"]}
        self.changed.set()

    async def _other(self, name: str, data: Any = None) -> None:
        self.said.append((name, data))
        self.changed.set()


class Furniture:
    """The demonstration's data, made once for a database and copied for every test: half a second each."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.made: set[str] = set()

    def fill(self, settings: Settings, postgres_url: str | None) -> None:
        """Put it into the test's own empty database and folder."""
        if postgres_url is None:
            home = self._home("sqlite", settings, f"sqlite:///{self.folder}/sqlite/consilium.db")
            target = Path(settings.database_url.removeprefix("sqlite:///"))
            for part in home.glob("consilium.db*"):
                shutil.copy(part, target.with_name(part.name))
        else:
            server = settings.database_url.rpartition("/")[0]
            with psycopg.connect(postgres_url, autocommit=True) as admin:
                if "postgres" not in self.made:
                    admin.execute("CREATE DATABASE furnished")
                home = self._home("postgres", settings, f"{server}/furnished")
                name = settings.database_url.rpartition("/")[2]
                admin.execute(f'DROP DATABASE "{name}"')
                admin.execute(f'CREATE DATABASE "{name}" TEMPLATE furnished')
        shutil.copytree(home / "var", settings.data_dir, dirs_exist_ok=True)

    def _home(self, kind: str, settings: Settings, address: str) -> Path:
        home = self.folder / kind
        if kind not in self.made:
            home.mkdir()
            service = bootstrap.service(
                replace(
                    settings,
                    data_dir=home / "var",
                    recordings_dir=home / "var" / "recordings",
                    database_url=address,
                    keys_dir=home / "var" / "seal",
                )
            )
            demo.load(service)
            service.parts.close()
            self.made.add(kind)
        return home


@pytest.fixture(scope="session")
def furniture(tmp_path_factory) -> Furniture:
    return Furniture(tmp_path_factory.mktemp("furniture"))


@pytest.fixture
async def hall(settings, aiohttp_server, furniture, request):
    port = unused_port()
    here = replace(settings, public_origin=f"http://127.0.0.1:{port}", media_controls=())
    furniture.fill(settings, None if settings.sqlite else request.getfixturevalue("postgres_url"))
    service = bootstrap.service(here)

    async def serve(behind: Service) -> tuple[Signaling, Any]:
        app = web.Application()
        signaling = attach(app, behind, here)
        server = await aiohttp_server(app, host="127.0.0.1", port=port, shutdown_timeout=1.0)
        return signaling, server

    opened = Hall(service, here.public_origin, serve)
    await opened.start()
    yield opened
    async with asyncio.timeout(20):
        for sio in opened.sockets:
            await sio.disconnect()
    await opened.stop()
