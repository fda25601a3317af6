"""Another organisation's registrar, coordinator and administrator in one person finds nothing of this one's papers."""

from __future__ import annotations

import csv
import io
import json
from uuid import uuid4

import pytest
import sqlalchemy as sa

from consilium import clock, demo
from consilium.filing import webhooks as rules
from consilium.model import Case
from consilium.store import webhooks
from consilium.store.tables import cases, people, protocols
from tests.web.conftest import Visit, Visitor
from tests.web.stage import Stage
from tests.web.test_filings_page import refused

DUTIES = ["doctor", "registrar", "coordinator", "admin"]


def neighbour(stage: Stage) -> str:
    """A doctor of the region who did not ask, sits nowhere, and holds every duty at home."""
    with stage.service.parts.store.write(clock.now()) as tx:
        login = "outsider"
        person = tx.person_by_login(login)
        assert person.organisation_id != demo.ORGANISATIONS["nmic"].id
        found = sa.update(people).where(people.c.id == person.id)
        tx.connection.execute(found.values(duties=DUTIES))
        tx.commit()
    return login


async def same_as_absent(visitor: Visitor, path: str, key: object) -> None:
    hidden, absent = await visitor.get(path.format(key)), await visitor.get(path.format(uuid4()))
    assert hidden.status == absent.status == 404, path


async def test_papers_filings_and_files_of_another_organisation_are_not_there(
    visit: Visit, stage: Stage
) -> None:
    protocol = refused(stage, "NO_RMIS")
    with stage.service.parts.store.read() as reader:
        found = reader.protocol(protocol)
        case: Case = reader.case(found.case_id)
    visitor = await visit(neighbour(stage))
    for path, key in (
        ("/filings/{}", protocol),
        ("/protocols/{}", protocol),
        ("/packages/{}.asice", protocol),
        ("/api/protocol.document/{}", protocol),
        ("/api/protocol.status/{}", protocol),
        ("/requests/{}/referral.xml", case.id),
        ("/check/{}", found.document_id),
    ):
        await same_as_absent(visitor, path, key)
    page = await visitor.text("/filings")
    assert str(protocol) not in page
    assert case.number not in page
    answer = await visitor.post("protocol.file_again", protocol=str(protocol))
    assert (await answer.json())["error"]["code"] == "not_found"


@pytest.mark.parametrize("format", ["csv", "xlsx"])
async def test_anothers_register_is_ones_own(visit: Visit, stage: Stage, format: str) -> None:
    protocol = stage.frozen()
    with stage.service.parts.store.read() as reader:
        found = reader.protocol(protocol)
        patient = reader.case(found.case_id).patient
    visitor = await visit(neighbour(stage))
    keeper = found.series.split(":")[1]
    page = await visitor.text(f"/register?keeper={keeper}&year={clock.now().year}")
    assert patient.surname not in page
    answer = await visitor.get(f"/register/export.{format}?keeper={keeper}&year={clock.now().year}")
    assert answer.status == 200
    content = await answer.read()
    if format == "csv":
        assert len(list(csv.reader(io.StringIO(content.decode("utf-8-sig")), delimiter=";"))) == 1
    own = await (await visit("coordinator")).text(f"/register?keeper={keeper}&year={clock.now().year}")
    assert patient.surname in own


async def test_anothers_deliveries_and_address_are_not_shown(visit: Visit, stage: Stage) -> None:
    parts = stage.service.parts
    nmic = demo.ORGANISATIONS["nmic"].id
    body = {"case": {"number": "К-ЧУЖОЙ"}, "document": {"number": "П-ЧУЖОЙ"}}
    with parts.store.write(clock.now()) as tx:
        endpoint = webhooks.Endpoint(
            organisation_id=nmic,
            url="https://theirs.example/in",
            secret=rules.sealed("a secret of two systems", parts.settings),
            set_at=clock.now(),
        )
        webhooks.put(tx.connection, endpoint, tx.person_by_login("chair").id)
        webhooks.add(tx.connection, uuid4(), nmic, "document.sealed", body, clock.now())
        tx.commit()
    visitor = await visit(neighbour(stage))
    page = await visitor.text("/exchange")
    for word in ("theirs.example", "ЧУЖОЙ"):
        assert word not in page
    answer = await visitor.post("webhook.remove")
    assert (await answer.json())["error"]["code"] == "not_found"
    with parts.store.read() as reader:
        assert webhooks.endpoint_of(reader.connection, nmic) is not None


async def test_the_check_page_tells_a_stranger_nothing_of_the_patient_and_is_not_kept(
    visit: Visit, stage: Stage
) -> None:
    """Whoever holds a copy may ask; names that look like markup are words there."""
    protocol = stage.frozen()
    sly = "</script><script>alert(1)</script>"
    with stage.service.parts.store.write(clock.now()) as tx:
        found = tx.protocol(protocol)
        own = protocols.c.id == protocol
        tx.connection.execute(sa.update(protocols).where(own).values(status="sealed", registry_number=sly))
        tx.connection.execute(
            sa.update(cases).where(cases.c.id == found.case_id).values(patient_surname="Узнаваемый")
        )
        document = found.document_id
    answer = await (await visit()).get(f"/check/{document}")
    body = await answer.text()
    assert answer.status == 200
    assert "Узнаваемый" not in body
    assert sly not in body
    assert answer.headers["Cache-Control"] == "no-store"
    assert "script-src 'self'" in answer.headers["Content-Security-Policy"]
    for odd in ("{" + str(document) + "}", f"urn:uuid:{document}", str(document).upper(), "0" * 400):
        assert (await (await visit()).get(f"/check/{odd}")).status in {200, 404}
    assert json.dumps(sly) not in body
