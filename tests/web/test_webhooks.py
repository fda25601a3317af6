"""The requester's system learns results by itself: signed, once by id, only where the operator allows, no patient."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
import sqlalchemy as sa
from aiohttp import web
from aiohttp.test_utils import TestServer

from consilium import clock, notifying
from consilium import commands as c
from consilium.errors import Forbidden
from consilium.filing import webhooks as rules
from consilium.filing import wire
from consilium.filing.wire import WireError
from consilium.settings import Settings
from consilium.store import webhooks
from consilium.store.tables import outbox, people, webhook_deliveries
from consilium.store.tables import webhooks as endpoints
from tests.web.conftest import Visit
from tests.web.stage import Stage
from tests.web.test_filings_page import queued, tell

SECRET = "a secret of two systems"


@dataclass
class Receiver:
    """A МИС that takes results: what came, and what it answers."""

    server: TestServer | None = None
    status: int = 204
    came: list[tuple[dict[str, str], bytes]] = field(default_factory=list)

    @property
    def url(self) -> str:
        assert self.server is not None
        return str(self.server.make_url("/results"))

    async def take(self, request: web.Request) -> web.Response:
        self.came.append((dict(request.headers), await request.read()))
        headers = {"Location": "http://127.0.0.1:1/elsewhere"} if self.status == 302 else {}
        return web.Response(
            status=self.status, headers=headers, body=b"x" * (200_000 if self.status == 226 else 0)
        )


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    one = Receiver()
    app = web.Application()
    app.router.add_post("/results", one.take)
    one.server = TestServer(app)
    await one.server.start_server()
    yield one
    await one.server.close()


def subscribe(stage: Stage, url: str) -> None:
    """The organisation that asked for the demonstration's consilium."""
    stage.do(requester(stage), c.SetWebhook(url=url, secret=SECRET))


def requester(stage: Stage) -> str:
    """The asking doctor, given an administrator's duty below the domain."""
    with stage.service.parts.store.write(clock.now()) as tx:
        doctor = tx.person_by_login("ivanova")
        tx.connection.execute(
            sa.update(people).where(people.c.id == doctor.id).values(duties=["admin", "doctor"])
        )
        tx.commit()
    return "ivanova"


def waiting(stage: Stage) -> list[UUID]:
    with stage.service.parts.store.read() as reader:
        query = sa.select(outbox.c.key).where(outbox.c.kind == "webhook.deliver")
        return [UUID(key) for key in reader.connection.execute(query).scalars()]


async def deliver(stage: Stage, key: UUID) -> Any:
    return await asyncio.to_thread(notifying.deliver, stage.service.parts, {"delivery": str(key)})


def delivery(stage: Stage, key: UUID) -> webhooks.Delivery:
    with stage.service.parts.store.read() as reader:
        found = webhooks.delivery(reader.connection, key)
    assert found is not None
    return found


def registered(stage: Stage, url: str) -> UUID:
    """One result to be told."""
    subscribe(stage, url)
    protocol = queued(stage)
    tell(stage.service, protocol, "started")
    tell(stage.service, protocol, "acknowledged", message_id="m1")
    number = {"registry_number": "77.26.11.23.000000001", "registered_at": clock.now()}
    for _ in range(2):  # the registry tells it twice
        tell(stage.service, protocol, "answered", message_id="m1", **number)
    (key,) = waiting(stage)
    return key


async def test_a_result_is_told_once_signed_and_without_the_patient(stage: Stage, receiver: Receiver) -> None:
    key = registered(stage, receiver.url)
    assert await deliver(stage, key) is None
    assert await deliver(stage, key) is None
    ((headers, body),) = receiver.came
    wire.check(headers, SECRET.encode(), "webhook", str(key), body, clock.now())
    assert headers[rules.DELIVERY_HEADER] == str(key)
    told = json.loads(body)
    assert (told["event"], told["document"]["registry_number"]) == (
        "document.registered",
        "77.26.11.23.000000001",
    )
    with stage.service.parts.store.read() as reader:
        case = reader.case(UUID(told["case"]["id"]))
    assert told["case"]["number"] == case.number
    for word in (case.patient.surname, case.patient.given, case.patient.snils):
        assert not word or word not in body.decode()
    found = delivery(stage, key)
    assert (found.status, found.attempts, found.answer) == ("delivered", 1, "204")


async def test_a_changed_old_or_foreign_message_fails_the_receivers_check(
    stage: Stage, receiver: Receiver
) -> None:
    key = registered(stage, receiver.url)
    await deliver(stage, key)
    ((headers, body),) = receiver.came
    for changed, target, later in (
        (body + b" ", key, timedelta()),
        (body, uuid4(), timedelta()),
        (body, key, timedelta(minutes=6)),
    ):
        with pytest.raises(WireError):
            wire.check(headers, SECRET.encode(), "webhook", str(target), changed, clock.now() + later)


@pytest.mark.parametrize("status", [302, 400, 404, 500, 503, 226])
async def test_a_receiver_that_fails_is_tried_again_under_the_same_id_and_given_up_after_days(
    stage: Stage, receiver: Receiver, status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    receiver.status = status
    key = registered(stage, receiver.url)
    again = await deliver(stage, key)
    assert again is not None
    assert again > clock.now()
    assert delivery(stage, key).status == "waiting"
    late = clock.now() + notifying.GIVEN_UP + timedelta(seconds=1)
    monkeypatch.setattr(notifying, "clock", type("Late", (), {"now": staticmethod(lambda: late)}))
    assert await deliver(stage, key) is None
    assert (delivery(stage, key).status, delivery(stage, key).attempts) == ("dead", 2)
    assert {headers[rules.DELIVERY_HEADER] for headers, _ in receiver.came} == {str(key)}


async def test_a_receiver_that_is_away_is_waited_for(stage: Stage) -> None:
    key = registered(stage, "http://127.0.0.1:1/results")
    assert await deliver(stage, key) is not None
    assert delivery(stage, key).answer == "webhook_unavailable"


async def test_what_is_removed_or_no_longer_allowed_is_not_sent(stage: Stage, receiver: Receiver) -> None:
    key = registered(stage, receiver.url)
    parts = stage.service.parts
    closed = replace(parts, settings=replace(parts.settings, demo=False))
    other = replace(parts, settings=replace(parts.settings, secret_key="another" * 8))
    for world, answer in ((closed, "webhook_not_allowed"), (other, "webhook_secret_lost")):
        with parts.store.write(clock.now()) as tx:
            tx.connection.execute(
                sa.update(webhook_deliveries).values(status="waiting", attempts=0, ended_at=None)
            )
            tx.commit()
        assert await asyncio.to_thread(notifying.deliver, world, {"delivery": str(key)}) is None
        assert (delivery(stage, key).status, delivery(stage, key).answer) == ("dead", answer)
    assert receiver.came == []


async def test_what_was_on_its_way_to_a_removed_address_does_not_go_to_the_next_one(
    stage: Stage, receiver: Receiver
) -> None:
    key = registered(stage, "http://127.0.0.1:1/results")
    assert await deliver(stage, key) is not None
    stage.do("ivanova", c.RemoveWebhook())
    subscribe(stage, receiver.url)
    assert await deliver(stage, key) is None
    assert receiver.came == []
    found = delivery(stage, key)
    assert (found.status, found.answer) == ("dead", "webhook_removed")
    assert found.ended_at is not None


ADDRESSES = {
    "https://mis.example/in": True,
    "https://mis.example:443/in": True,
    "https://MIS.example/in": True,
    "https://mis.example:8443/in": False,
    "https://other.example:8443/in": True,
    "https://other.example/in": False,
    "http://mis.example/in": False,
    "http://127.0.0.1:9000/in": True,
    "http://127.0.0.1:9001/in": False,
    "http://127.0.0.1.mis.example:9000/in": False,
    "https://mis.example@evil.example/in": False,
    "https://evil.example/https://mis.example/": False,
    "https://user:word@mis.example/in": False,
    "https://mis.example\\@evil.example/in": False,
    "https://mis.example/in?to=http://evil.example": False,
    "https://mis.example/in#x": False,
    # Nothing is ever delivered there: whoever sets it is told at once.
    "https://mis.example/a/../in": False,
    "https://mis.example/%2e%2e/in": False,
    "https://mis.example:99999/in": False,
    "https://169.254.169.254/latest": False,
    "https://[::ffff:169.254.169.254]/": False,
    "https://2130706433/in": False,
    "file:///etc/passwd": False,
    "gopher://mis.example/": False,
    "https://mis.exаmple/in": False,
    "": False,
}


@pytest.mark.parametrize("url", ADDRESSES)
def test_only_what_the_operator_named_may_be_reached(web_settings: Settings, url: str) -> None:
    hosts = ("mis.example", "other.example:8443", "127.0.0.1:9000")
    assert rules.allowed(url, replace(web_settings, demo=False, webhook_hosts=hosts)) is ADDRESSES[url]


async def test_the_secret_is_stored_under_the_installations_own_and_shown_to_nobody(
    stage: Stage, visit: Visit, receiver: Receiver
) -> None:
    key = registered(stage, receiver.url)
    await deliver(stage, key)
    with stage.service.parts.store.read() as reader:
        kept = reader.connection.execute(sa.select(endpoints.c.secret)).scalar_one()
    assert SECRET.encode() not in kept
    page = await (await visit("ivanova")).text("/exchange")
    assert SECRET not in page
    for words in ("Зарегистрирован", "Доставлено", "204"):
        assert words in page


async def test_no_endpoint_means_nothing_is_written(stage: Stage) -> None:
    protocol = queued(stage)
    tell(stage.service, protocol, "started")
    tell(stage.service, protocol, "failed", failure="refused", reason="registry_access_denied")
    assert waiting(stage) == []


def test_the_log_is_bounded(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webhooks, "KEPT", 3)
    with stage.service.parts.store.write(clock.now()) as tx:
        own = tx.person_by_login("ivanova").organisation_id
        for n in range(6):
            key = uuid4()
            webhooks.add(
                tx.connection, key, own, "document.sealed", {"n": n}, clock.now() + timedelta(seconds=n)
            )
            webhooks.tried(tx.connection, key, "204", "delivered" if n else None, clock.now())
        webhooks.prune(tx.connection, own)
        assert [one.body["n"] for one in webhooks.log(tx.connection, own)] == [5, 4, 3, 0]


def test_only_an_administrator_sets_where_results_go(stage: Stage) -> None:
    with pytest.raises(Forbidden):
        stage.do("coordinator", c.SetWebhook(url="http://127.0.0.1:9/x", secret=SECRET))
