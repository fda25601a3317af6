"""The registrar's screen: what was refused, why in plain words, who acts, and one button."""

from __future__ import annotations

from uuid import UUID, uuid4

import msgspec
import sqlalchemy as sa

from consilium import clock
from consilium import commands as c
from consilium.actor import SYSTEM
from consilium.filing import states
from consilium.service import Service
from consilium.store.tables import protocols
from tests.web.conftest import Visit
from tests.web.stage import Stage


def queued(stage: Stage) -> UUID:
    """A frozen protocol put into the registry's queue below the domain: its seal is not what is tested."""
    protocol = stage.frozen()
    state = msgspec.json.encode(states.queued(clock.now())).decode()
    with stage.service.parts.store.write(clock.now()) as tx:
        tx.connection.execute(
            sa.update(protocols)
            .where(protocols.c.id == protocol)
            .values(filing="queued", filing_state=state, sealed_at=clock.now())
        )
        tx.commit()
    return protocol


def tell(service: Service, protocol: UUID, step: str, **more: object) -> None:
    service.handle(c.RecordFiling(protocol=protocol, step=step, **more), SYSTEM, uuid4(), clock.now())


def refused(stage: Stage, *codes: str) -> UUID:
    protocol = queued(stage)
    tell(stage.service, protocol, "started")
    tell(stage.service, protocol, "acknowledged", message_id="m1")
    faults = [c.RegistryFault(code=code, message=f"<b>{code}</b>") for code in codes]
    tell(stage.service, protocol, "answered", message_id="m1", faults=faults)
    return protocol


async def test_a_refusal_stands_first_with_what_to_fix_and_who(visit: Visit, stage: Stage) -> None:
    refused(stage, "NO_SNILS", "INVALID_DOCTOR_NAME", "NO_SIGNATURE")
    registrar = await visit("nmic.admin")
    page = await registrar.text("/filings")
    for words in (
        "Данные пациента неполны",
        "Нужно исправить данные",
        "и ещё 1 причина",
        "protocol.file_again",
    ):
        assert words in page
    assert "Мельников" not in page
    english = await visit("nmic.admin", "en")
    await english.post("settings.change", language="en")
    assert "The patient&#39;s data are incomplete" in await english.text("/filings")


async def test_one_filing_shows_every_attempt_and_the_registrys_own_words(visit: Visit, stage: Stage) -> None:
    protocol = refused(stage, "NO_SNILS")
    page = await (await visit("nmic.admin")).text(f"/filings/{protocol}")
    for words in (
        "Реестр принял сведения",
        "Реестр отказал",
        "&lt;b&gt;NO_SNILS&lt;/b&gt;",
        f"/protocols/{protocol}",
    ):
        assert words in page
    assert "<b>NO_SNILS" not in page


async def test_sent_again_it_leaves_the_list(visit: Visit, stage: Stage) -> None:
    protocol = refused(stage, "NO_SNILS")
    registrar = await visit("nmic.admin")
    answer = await registrar.post("protocol.file_again", protocol=str(protocol))
    assert (await answer.json())["filing"] == "queued"
    assert "Ничего не требует внимания" in await registrar.text("/filings")
    assert f"/filings/{protocol}" in await registrar.text("/filings?show=queued")


async def test_a_filter_or_page_nobody_knows_shows_what_needs_attention(visit: Visit, stage: Stage) -> None:
    protocol = refused(stage, "NO_SNILS")
    registrar = await visit("nmic.admin")
    for query in ("?show=%3Cscript%3E", "?page=-1", "?page=99999999999", "?page=7", "?show=attention&page=٣"):
        assert f"/filings/{protocol}" in await registrar.text("/filings" + query)


async def test_another_organisation_sees_nothing_of_it(visit: Visit, stage: Stage) -> None:
    protocol = refused(stage, "NO_SNILS")
    stranger = await visit("outsider.coordinator")
    assert str(protocol) not in await stranger.text("/filings")
    assert (await stranger.get(f"/filings/{protocol}")).status == 404


async def test_what_the_registry_does_not_take_has_no_filing(visit: Visit, stage: Stage) -> None:
    protocol = stage.frozen()
    assert (await (await visit("nmic.admin")).get(f"/filings/{protocol}")).status == 404


async def test_the_page_of_state_leads_to_what_was_refused_and_names_the_rules_it_lacks(
    visit: Visit, stage: Stage
) -> None:
    operator = await visit("nmic.admin")
    assert 'href="/filings"' not in await operator.text("/health.page")
    refused(stage, "VALIDATION_ERROR")
    text = await operator.text("/health.page")
    assert 'href="/filings"' in text
    assert "consilium semd install" in text
