"""The page of a paper: what may be made of it, what it was made of, and that an annulled one says so."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

import pytest

from consilium import commands as c
from consilium import sealing
from consilium.model import Protocol
from consilium.service import Service
from consilium.settings import Settings
from tests.people import World, authority_beside
from tests.web.conftest import Visit, settings_in

ALL = ("deputy", "secretary", "member1", "ivanova")
REASON = "Протокол составлен с опечаткой"


@pytest.fixture
def web_settings(tmp_path: Path, loaded: Path) -> Iterator[Settings]:
    """With an authority that timestamps: nothing is sealed without one."""
    shutil.copytree(loaded, tmp_path / "var")
    with authority_beside(settings_in(tmp_path / "var")) as (asking, _):
        yield asking


@pytest.fixture
def world(service: Service) -> World:
    return World(service)


def seal(world: World, protocol_id: UUID) -> Protocol:
    for login in world.signer_logins(protocol_id):
        world.sign(login, protocol_id)
    sealing.seal_protocol(world.parts, {"protocol": str(protocol_id)})
    return world.protocol(protocol_id)


def annulled(world: World) -> tuple[Protocol, Protocol]:
    """(the annulled protocol, its act)."""
    protocol = seal(world, world.frozen(*ALL).id)
    act = UUID(world.do("chair", c.AnnulProtocol(protocol=protocol.id, reason=REASON))["protocol"])
    return protocol, seal(world, act)


async def test_only_the_chair_is_offered_to_annul(visit: Visit, world: World) -> None:
    protocol = seal(world, world.frozen(*ALL).id)
    for login, offered in (("chair", True), ("secretary", False), ("member1", False), ("ivanova", False)):
        page = await (await visit(login)).text(f"/protocols/{protocol.id}")
        assert ('data-dialog="annul-dialog"' in page) is offered, login


async def test_a_consilium_is_offered_no_extract(visit: Visit, world: World) -> None:
    protocol = seal(world, world.frozen(*ALL).id)
    page = await (await visit("chair")).text(f"/protocols/{protocol.id}")
    assert "extract-dialog" not in page


async def test_an_annulled_protocol_says_so_and_can_still_be_downloaded(visit: Visit, world: World) -> None:
    protocol, act = annulled(world)
    visitor = await visit("member1")
    page = await visitor.text(f"/protocols/{protocol.id}")
    assert 'data-testid="annulled"' in page
    assert f"/protocols/{act.id}" in page
    assert REASON in page
    assert (await visitor.get(f"/packages/{protocol.id}.asice")).status == 200
    status = await (await visitor.get(f"/api/protocol.status/{protocol.id}")).json()
    assert status["annulled_at"]


@pytest.mark.parametrize("spoilt", [None, b"PK\x03\x04 no package any more"])
async def test_a_package_that_the_disk_lost_takes_no_page_with_it(
    visit: Visit, world: World, spoilt: bytes | None
) -> None:
    protocol = seal(world, world.frozen(*ALL).id)
    path = sealing.packages(world.parts) / protocol.package_name
    path.unlink() if spoilt is None else path.write_bytes(spoilt)
    page = await (await visit("member1")).text(f"/protocols/{protocol.id}")
    assert protocol.number in page
    assert 'id="verify-title"' not in page


async def test_an_act_leads_to_what_it_annuls(visit: Visit, world: World) -> None:
    protocol, act = annulled(world)
    page = await (await visit("chair")).text(f"/protocols/{act.id}")
    assert f'href="/protocols/{protocol.id}"' in page
    assert REASON in page
    assert "annul-dialog" not in page


async def test_the_version_in_its_place_and_the_annulled_one_lead_to_each_other(
    visit: Visit, world: World
) -> None:
    protocol, _ = annulled(world)
    visitor = await visit("chair")
    assert 'data-dialog="replace-dialog"' in await visitor.text(f"/protocols/{protocol.id}")
    new = world.do("chair", c.ReplaceProtocol(protocol=protocol.id))["protocol"]
    old = await visitor.text(f"/protocols/{protocol.id}")
    assert f'href="/protocols/{new}"' in old
    assert "replace-dialog" not in old
    assert f'href="/protocols/{protocol.id}"' in await visitor.text(f"/protocols/{new}")


async def test_request_and_consilium_list_every_paper_of_the_case(visit: Visit, world: World) -> None:
    protocol, act = annulled(world)
    visitor = await visit("chair")
    for path in (f"/requests/{protocol.case_id}", f"/consilia/{protocol.consilium_id}"):
        page = await visitor.text(path)
        assert f"/protocols/{protocol.id}" in page, path
        assert f"/protocols/{act.id}" in page, path


async def test_the_journal_names_the_annulment_and_its_reason(visit: Visit, world: World) -> None:
    protocol, _ = annulled(world)
    page = await (await visit("chair")).text(f"/journal/{protocol.case_id}")
    assert "Документ аннулирован" in page
    assert REASON in page


async def test_a_withdrawn_act_keeps_its_page_and_number(visit: Visit, world: World) -> None:
    protocol = seal(world, world.frozen(*ALL).id)
    act = UUID(world.do("chair", c.AnnulProtocol(protocol=protocol.id, reason=REASON))["protocol"])
    visitor = await visit("chair")
    waiting = await visitor.text(f"/protocols/{protocol.id}")
    assert f'href="/protocols/{act}"' in waiting
    assert "annul-dialog" not in waiting
    world.do("chair", c.WithdrawPaper(protocol=act, reason="Ошибки нет"))
    page = await visitor.text(f"/protocols/{act}")
    assert "Отозван" in page
    assert world.protocol(act).number in page
    assert 'data-dialog="annul-dialog"' in await visitor.text(f"/protocols/{protocol.id}")
