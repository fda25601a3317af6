"""The referral on the request's page and in the registry: who is offered what, what is read, what is registered."""

from __future__ import annotations

import asyncio
import hashlib
import shutil
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

import pytest

from consilium import commands as c
from consilium import sealing
from consilium.model import CaseStatus, FilingStatus, Protocol
from consilium.seal.report import verify_package
from consilium.service import Service
from consilium.settings import Settings
from tests.people import World, authority_beside
from tests.web.conftest import Visit, settings_in
from tests.web.registries import pair

MAKE = 'data-command="referral.make"'


@pytest.fixture
def web_settings(tmp_path: Path, loaded: Path) -> Iterator[Settings]:
    """With an authority that timestamps: nothing is sealed without one."""
    shutil.copytree(loaded, tmp_path / "var")
    with authority_beside(settings_in(tmp_path / "var")) as (asking, _):
        yield asking


@pytest.fixture
def world(service: Service) -> World:
    return World(service)


def made(world: World, case: UUID) -> Protocol:
    return world.protocol(UUID(world.do("ivanova", c.MakeReferral(request=case))["protocol"]))


def seal(world: World, paper: Protocol, by: str = "ivanova") -> Protocol:
    world.sign(by, paper.id)
    sealing.seal_protocol(world.parts, {"protocol": str(paper.id)})
    return world.protocol(paper.id)


async def test_the_doctor_makes_it_on_the_requests_page_and_signs_it_at_his_desk(
    visit: Visit, world: World
) -> None:
    case = world.sent()
    doctor, coordinator = await visit("ivanova"), await visit("coordinator")
    assert MAKE in await doctor.text(f"/requests/{case}")
    assert MAKE not in await coordinator.text(f"/requests/{case}")
    answer = await (await doctor.post("referral.make", request=str(case))).json()
    paper = world.protocol(UUID(answer["protocol"]))
    page = await doctor.text(f"/requests/{case}")
    assert MAKE not in page
    assert f'href="/signing?protocol={paper.id}"' in page
    desk = await doctor.text(f"/signing?protocol={paper.id}")
    assert f"Направление № {paper.number}" in desk
    assert paper.digest in desk.replace(" ", "").replace("\n", "")
    assert f"/protocols/{paper.id}" in await coordinator.text(f"/requests/{case}")


async def test_the_receivers_side_reads_the_sealed_paper_and_takes_its_package(
    visit: Visit, world: World
) -> None:
    case = world.sent()
    paper = seal(world, made(world, case))
    coordinator = await visit("coordinator")
    page = await coordinator.text(f"/requests/{case}")
    assert f"Направление № {paper.number}" in page
    assert f'href="/packages/{paper.id}.asice"' in page
    reading = await coordinator.text(f"/protocols/{paper.id}")
    assert world.case(case).question in reading
    for offered in ("annul-dialog", "withdraw-dialog", "extract-dialog", "freeze-dialog"):
        assert f'data-dialog="{offered}"' not in reading
    package = await (await coordinator.get(f"/packages/{paper.id}.asice")).read()
    assert hashlib.sha256(package).hexdigest() == paper.package_digest
    assert verify_package(package, roots=world.parts.trust(), at=world.now).held
    taken = await (await coordinator.get(f"/requests/{case}/referral.xml")).read()
    assert taken == paper.document


async def test_it_does_not_exist_for_those_who_do_not_see_the_case(visit: Visit, world: World) -> None:
    paper = seal(world, made(world, world.sent()))
    stranger = await visit("outsider")
    for path in (
        f"/protocols/{paper.id}",
        f"/packages/{paper.id}.asice",
        f"/api/protocol.document/{paper.id}",
    ):
        assert (await stranger.get(path)).status == 404
    checked = await stranger.text(f"/check/{paper.document_id}")
    assert paper.number in checked
    assert "Образцов" not in checked


async def test_only_its_doctor_is_offered_to_give_it_up_and_to_annul_it(visit: Visit, world: World) -> None:
    paper = made(world, world.sent())
    doctor, coordinator = await visit("ivanova"), await visit("coordinator")

    async def offered(dialog: str, paper: Protocol) -> list[bool]:
        pages = [await one.text(f"/protocols/{paper.id}") for one in (doctor, coordinator)]
        return [f'data-dialog="{dialog}"' in page for page in pages]

    assert await offered("withdraw-dialog", paper) == [True, False]
    seal(world, paper)
    assert await offered("withdraw-dialog", paper) == [False, False]
    assert await offered("annul-dialog", paper) == [True, False]
    act = world.protocol(
        UUID(world.do("ivanova", c.AnnulProtocol(protocol=paper.id, reason="Описка"))["protocol"])
    )
    assert await offered("withdraw-dialog", act) == [True, False]
    seal(world, act)
    page = await doctor.text(f"/requests/{paper.case_id}")
    assert MAKE in page
    assert f"/protocols/{act.id}" in page
    assert 'data-testid="annulled"' in await coordinator.text(f"/protocols/{paper.id}")


async def test_a_referral_older_than_the_requests_last_sending_says_so(visit: Visit, world: World) -> None:
    paper = made(world, world.sent())
    doctor = await visit("ivanova")
    told = "Заявка отправлена заново позже направления"
    assert told not in await doctor.text(f"/requests/{paper.case_id}")
    world.do("coordinator", c.ReturnRequest(request=paper.case_id, items=["КТ"]))
    item = world.case(paper.case_id).missing[0].id
    world.do("ivanova", c.AnswerMissing(request=paper.case_id, item=item, answer="Сделана"))
    world.do("ivanova", c.SendRequest(request=paper.case_id))
    assert told in await doctor.text(f"/requests/{paper.case_id}")
    world.do("ivanova", c.WithdrawPaper(protocol=paper.id, reason="Новые сведения"))
    assert told not in await doctor.text(f"/requests/{paper.case_id}")


async def test_what_the_request_lacks_is_said_in_words(visit: Visit, world: World) -> None:
    case = world.sent(snils="")
    doctor = await visit("ivanova")
    answer = await (await doctor.post("referral.make", request=str(case))).json()
    assert answer["error"]["code"] == "referral_incomplete"
    assert "СНИЛС пациента" in answer["error"]["message"]


async def test_every_page_that_shows_papers_shows_it_in_both_languages(visit: Visit, world: World) -> None:
    paper = seal(world, made(world, world.sent()))
    for login, paths in (
        ("ivanova", ("/", f"/requests/{paper.case_id}", f"/journal/{paper.case_id}")),
        ("coordinator", (f"/protocols/{paper.id}", "/register", "/filings")),
    ):
        for language in ("ru", "en"):
            reader = await visit(login)
            reader.language = language
            for path in paths:
                assert (await reader.get(path)).status == 200, path


async def test_the_registry_gives_a_number_and_the_request_goes_its_own_way(
    web_settings: Settings, tmp_path: Path
) -> None:
    async with pair(settings_in(tmp_path / "own"), tmp_path / "registry") as both:
        world = both.world
        case = await asyncio.to_thread(world.sent)
        paper = await asyncio.to_thread(lambda: seal(world, made(world, case)))
        await both.file(paper.id)
        await both.settled()
        assert await both.status(paper.id) is FilingStatus.REGISTERED
        found = await asyncio.to_thread(world.protocol, paper.id)
        assert found.registry_number
        assert (await asyncio.to_thread(world.case, case)).status is CaseStatus.SENT
