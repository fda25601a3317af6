"""The referral of a sent request: the state's form, the case's words, the same bytes every time."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import pytest
from lxml import etree

from consilium import clock
from consilium import commands as c
from consilium.documents.conformance import check
from consilium.documents.guides import Official
from consilium.errors import Conflict, Invalid
from consilium.queries import referrals
from tests.web.conftest import Visit
from tests.web.stage import Stage

NS = {"h": "urn:hl7-org:v3"}


async def test_those_who_see_a_request_take_its_referral_along(visit: Visit, stage: Stage) -> None:
    doctor, case = await visit("ivanova"), stage.case()
    assert f'href="/requests/{case}/referral.xml"' in await doctor.text(f"/requests/{case}")
    answer = await doctor.get(f"/requests/{case}/referral.xml")
    content = await answer.read()
    assert answer.headers["X-Digest"] == hashlib.sha256(content).hexdigest()
    assert answer.headers["Content-Disposition"] == 'attachment; filename="referral.xml"'
    assert "sandbox" in answer.headers["Content-Security-Policy"]
    document = etree.fromstring(content)
    assert document.find("h:code", NS).get("code") == "57"
    with stage.service.parts.store.read() as reader:
        asked = reader.case(case)
    assert asked.question in document.xpath(
        "//h:observation[h:code/@code='10000']/h:value/text()", namespaces=NS
    )
    assert document.xpath("h:recordTarget//h:family/text()", namespaces=NS) == [asked.patient.surname]
    again = await doctor.get(f"/requests/{case}/referral.xml")
    assert await again.read() == content


@pytest.mark.needs_semd
async def test_it_is_what_the_guide_demands(visit: Visit, stage: Stage, semd_dir: Path) -> None:
    coordinator, case = await visit("coordinator"), stage.case()
    content = await (await coordinator.get(f"/requests/{case}/referral.xml")).read()
    report = check(content, Official.load(semd_dir))
    assert (report.guide, report.xsd, report.errors) == ("185", True, ())
    assert report.rules_fired > 150


async def test_a_request_that_was_not_sent_has_none(visit: Visit, stage: Stage) -> None:
    doctor, case = await visit("ivanova"), stage.case("draft")
    assert "referral.xml" not in await doctor.text(f"/requests/{case}")
    assert (await doctor.get(f"/requests/{case}/referral.xml")).status == 409
    with stage.service.parts.store.read() as reader:
        person = reader.person(stage.person("ivanova"))
    with pytest.raises(Conflict):
        referrals.made(stage.service.parts, person, case, clock.now())


def test_what_the_guide_would_miss_is_named(stage: Stage) -> None:
    case = stage.case()
    with stage.service.parts.store.read() as reader:
        asked, author = reader.case(case), reader.person(stage.person("ivanova"))
        assert asked.sent_at is not None
        said = referrals._facts(reader, replace(asked, diagnosis_code=""), asked.sent_at)
    row = referrals.referral_edition(asked.sent_at.date(), frozenset())
    with pytest.raises(Invalid) as refused:
        referrals._complete(said, row)
    assert refused.value.details["missing"] == [{"code": "diagnosis_missing", "field": "diagnosis"}]
    assert referrals.made(stage.service.parts, author, case, clock.now()).number == asked.number


def test_a_payer_the_guide_would_refuse_is_left_out(stage: Stage) -> None:
    with stage.service.parts.store.read() as reader:
        asked = reader.case(stage.case())
        assert asked.sent_at is not None
        patient = replace(asked.patient, policy=replace(asked.patient.policy, number=""))
        said = referrals._facts(reader, replace(asked, patient=patient, payment_code="1"), asked.sent_at)
    assert said.payment is not None
    row = referrals.referral_edition(asked.sent_at.date(), frozenset())
    assert referrals._complete(said, row).payment is None


def test_an_edited_request_gives_a_new_version_of_the_same_referral(stage: Stage) -> None:
    case = stage.case()
    author = stage.person("ivanova")

    def taken() -> etree._Element:
        with stage.service.parts.store.read() as reader:
            person = reader.person(author)
        return etree.fromstring(referrals.made(stage.service.parts, person, case, clock.now()).content)

    before = taken()
    stage.do("coordinator", c.ReturnRequest(request=case, items=["КТ"]))
    after = taken()
    assert before.find("h:setId", NS).attrib == after.find("h:setId", NS).attrib
    assert before.find("h:id", NS).attrib != after.find("h:id", NS).attrib
    versions = [int(one.find("h:versionNumber", NS).get("value")) for one in (before, after)]
    assert versions[0] < versions[1]
