"""One sealed protocol goes to a registry in each dialect, through both real servers, and comes back with a number."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import aiohttp
import pytest

from consilium import clock, sealing
from consilium import commands as c
from consilium.filing import soap
from consilium.filing.messages import GetDocumentFile
from consilium.filing.profile import Profile
from consilium.filing.registries import proof_of
from consilium.filing.soap import Header
from consilium.filing.states import REGISTERING_LIMIT
from consilium.model import FilingStatus, Protocol
from consilium.settings import Settings
from tests.web.registries import Pair, pair
from web.simulator.desk import Desk
from web.simulator.modes import parse_mode

ALL = ("deputy", "secretary", "member1", "ivanova")
DIALECTS = ("plain", "remd", "proxy")
Begin = Callable[..., AbstractAsyncContextManager[Pair]]


@pytest.fixture
def begin(web_settings: Settings, tmp_path: Path) -> Begin:
    @contextlib.asynccontextmanager
    async def started(**changes: Any) -> AsyncIterator[Pair]:
        async with pair(web_settings, tmp_path, **changes) as both:
            yield both

    return started


async def sealed(both: Pair) -> Protocol:
    def make() -> Protocol:
        protocol = both.world.signed(*ALL)
        sealing.seal_protocol(both.world.parts, {"protocol": str(protocol.id)})
        return both.world.protocol(protocol.id)

    return await asyncio.to_thread(make)


async def later(monkeypatch: pytest.MonkeyPatch, passed: timedelta) -> None:
    """The clock of both sides has moved on."""
    moment = clock.now() + passed
    monkeypatch.setattr(clock, "now", lambda: moment)


@pytest.mark.parametrize("dialect", DIALECTS)
async def test_a_sealed_protocol_gets_its_number(
    begin: Begin, dialect: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with begin(registry_protocol=dialect) as both:
        protocol = await sealed(both)
        await both.file(protocol.id)
        await both.settled()
        if dialect == "proxy":
            assert await both.status(protocol.id) is FilingStatus.WAITING
            await later(monkeypatch, timedelta(minutes=5))
            await both.file(protocol.id)
        found = both.world.protocol(protocol.id)
        assert found.filing is FilingStatus.REGISTERED
        (entry,) = both.desk.archive.entries()
        assert (entry.status, entry.emdr_id, entry.dialect) == ("accepted", found.registry_number, dialect)
        assert entry.registration.local_uid == found.document_id
        assert entry.size == len(found.document)


@pytest.mark.parametrize("dialect", DIALECTS)
async def test_a_registration_whose_answer_was_lost_is_one_document(
    begin: Begin, dialect: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The registry takes it and hangs up; the product tries again and learns the number that was given."""
    async with begin(registry_protocol=dialect, mode="silent") as both:
        protocol = await sealed(both)
        with monkeypatch.context() as dropped:
            # Silent from the start: a word that is faster than the hanging up would tell the number at once.
            dropped.setattr(
                Desk, "behaviour", lambda _, step, key: parse_mode("drop" if step == "register" else "silent")
            )
            await both.file(protocol.id)
            await both.settled()
        assert await both.status(protocol.id) is FilingStatus.QUEUED
        for _ in range(4):
            await later(monkeypatch, REGISTERING_LIMIT)
            await both.file(protocol.id)
            await both.settled()
        assert await both.status(protocol.id) is FilingStatus.REGISTERED
        assert [one.status for one in both.desk.archive.entries()] == ["accepted"]
        assert both.world.journal("protocol", protocol.id).count("ProtocolRegistered") == 1


@pytest.mark.parametrize("dialect", DIALECTS)
async def test_a_refusal_says_who_acts_and_may_be_sent_again(
    begin: Begin, dialect: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with begin(registry_protocol=dialect, mode="error:NO_SNILS") as both:
        protocol = await sealed(both)
        await both.file(protocol.id)
        await both.settled()
        await later(monkeypatch, timedelta(minutes=5))
        await both.file(protocol.id)
        found = both.world.protocol(protocol.id)
        assert (found.filing, found.filing_error_codes) == (FilingStatus.REJECTED, ["NO_SNILS"])
        both.desk.mode = parse_mode("ok")
        await asyncio.to_thread(both.world.do, "nmic.admin", c.FileAgain(protocol=protocol.id))
        await both.file(protocol.id)
        await both.settled()
        await later(monkeypatch, timedelta(minutes=5))
        await both.file(protocol.id)
        assert await both.status(protocol.id) is FilingStatus.REGISTERED


async def test_with_a_gateways_token_both_sides_believe_it_alone(begin: Begin) -> None:
    async with begin(registry_protocol="remd", registry_token="t" * 24) as both:
        protocol = await sealed(both)
        await both.file(protocol.id)
        await both.settled()
        assert await both.status(protocol.id) is FilingStatus.REGISTERED
        url = f"{both.world.parts.settings.public_origin}/registry/soap"
        asked = soap.write(
            Profile(),
            "getDocumentFile",
            Header(to=url),
            GetDocumentFile(both.world.protocol(protocol.id).document_id),
        )
        own = replace(both.world.parts.settings, registry_token=None)
        attempts = [
            {"Authorization": "Bearer " + "u" * 24},
            proof_of(own).headers("soap", "getDocumentFile", asked, clock.now()),
            {},
        ]
        async with aiohttp.ClientSession() as session:
            for headers in attempts:
                async with session.post(url, data=asked, headers=headers) as answer:
                    assert answer.status == 403
            async with session.post(
                url, data=asked, headers={"Authorization": "Bearer " + "t" * 24}
            ) as answer:
                assert answer.status == 200


async def test_only_signatures_of_the_own_organisation_are_sent_when_it_is_set_and_all_are_kept(
    begin: Begin,
) -> None:
    async with begin(registry_signers="own") as both:
        both.desk.own_signers_only = True
        protocol = await sealed(both)
        await both.file(protocol.id)
        await both.settled()
        assert await both.status(protocol.id) is FilingStatus.REGISTERED
        (entry,) = both.desk.archive.entries()
        assert len(entry.registration.personal_signatures) == 4
        assert len(both.world.protocol(protocol.id).current_signatures()) == 5


async def test_all_signatures_are_refused_where_the_system_has_no_permission(begin: Begin) -> None:
    async with begin() as both:
        both.desk.own_signers_only = True
        protocol = await sealed(both)
        await both.file(protocol.id)
        await both.settled()
        assert both.world.protocol(protocol.id).filing_error_codes == ["SIGNER_ORG_MISMATCH"]


async def test_without_a_registry_a_sealed_paper_waits_in_the_queue_however_long(
    begin: Begin, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with begin() as both:
        protocol = await sealed(both)
        world = both.world
        world.service.parts = replace(world.parts, settings=replace(world.parts.settings, registry_url=None))
        for _ in range(3):
            assert await both.file(protocol.id) is not None
            await later(monkeypatch, timedelta(days=20))
        waiting = world.protocol(protocol.id)
        assert (waiting.filing, waiting.filing_message) == (FilingStatus.QUEUED, "registry_not_set")
        assert world.journal("protocol", protocol.id).count("FilingDelayed") == 1


# The door for РЭМД's own messages


async def test_the_soap_door_refuses_what_is_no_message_with_a_fault(begin: Begin) -> None:
    async with begin(registry_protocol="remd") as both:
        settings = both.world.parts.settings
        url = f"{settings.public_origin}/registry/soap"
        good = soap.write(Profile(), "getDocumentFile", Header(to=url), GetDocumentFile(uuid4()))
        answer = soap.write(Profile(), "getDocumentFileResponse", Header(to=url), GetDocumentFile(uuid4()))
        ask, reply = "getDocumentFile", "getDocumentFileResponse"
        attempts = [
            (ask, b"", 400),
            (ask, b"<x/>", 400),
            (ask, b"<!DOCTYPE x [<!ENTITY a 'b'>]>" + good.partition(b"?>")[2], 400),
            (ask, good.replace(b"getDocumentFile", b"somethingElse"), 400),
            (ask, good.replace(b"<m:localUid>", b"<m:localUid/><m:localUid>"), 400),
            (reply, answer, 400),
            (ask, b"x" * 100_000, 400),
            (reply, good, 403),
            (ask, good, 404),
        ]
        async with aiohttp.ClientSession() as session:
            for operation, body, status in attempts:
                headers = proof_of(settings).headers("soap", operation, body, clock.now())
                async with session.post(url, data=body, headers=headers) as found:
                    assert found.status == status, body[:80]
                    assert b"Fault" in await found.read()


async def test_an_installation_of_another_dialect_has_no_soap_door(begin: Begin) -> None:
    async with begin() as both, aiohttp.ClientSession() as session:
        url = f"{both.world.parts.settings.public_origin}/registry/soap"
        async with session.post(url, data=b"<x/>") as answer:
            assert answer.status == 404
