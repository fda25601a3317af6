"""Every page in both languages, escaped, with its demonstration notice; what people typed stays text."""

from __future__ import annotations

import html
from typing import Any
from uuid import UUID

import pytest

from consilium import commands as c
from consilium.model import Person
from tests.web.conftest import Visit
from tests.web.stage import Stage

HOSTILE = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "'; alert(1); //",
    "</textarea><svg onload=alert(1)>",
    "{{ 7 * 7 }} {% raw %}",
    "javascript:alert(1)",
    "</script><b>",
    "&lt;b&gt;",
)


def addresses(stage: Stage) -> dict[str, str]:
    """Page -> who looks at it."""
    protocol = stage.frozen(dissent=True)
    with stage.service.parts.store.read() as reader:
        found = reader.protocol(protocol)
    return {
        "/": "ivanova",
        "/requests": "coordinator",
        "/requests?box=archive": "coordinator",
        "/requests/new": "ivanova",
        f"/requests/{stage.case('draft')}": "ivanova",
        f"/requests/{found.case_id}": "coordinator",
        f"/journal/{found.case_id}": "coordinator",
        "/consilia": "chair",
        "/consilia/new": "coordinator",
        f"/consilia/new?change={found.consilium_id}": "coordinator",
        f"/consilia/{found.consilium_id}": "chair",
        f"/consilia/{found.consilium_id}/check": "chair",
        f"/room/{found.consilium_id}": "chair",
        f"/protocols/{protocol}": "chair",
        "/signing": "member1",
        "/bodies": "nmic.admin",
        "/people": "nmic.admin",
        "/health.page": "nmic.admin",
        "/register": "nmic.admin",
        "/filings": "nmic.admin",
        "/exchange": "nmic.admin",
        "/settings": "chair",
    }


@pytest.mark.parametrize("language", ["ru", "en"])
async def test_every_page_speaks_both_languages_and_says_that_this_is_a_demonstration(
    visit: Visit, stage: Stage, language: str, caplog: pytest.LogCaptureFixture
) -> None:
    notice = {"ru": "Демонстрация:", "en": "Demonstration:"}[language]
    for path, login in addresses(stage).items():
        visitor = await visit(login)
        assert (await visitor.post("settings.change", language=language)).status == 200
        text = await visitor.text(path)
        assert f'<html lang="{language}"' in text, path
        assert notice in text, path
    assert not [one for one in caplog.records if one.getMessage() == "text.missing"]


async def test_before_sign_in_the_language_is_chosen_by_link_and_kept(visit: Visit) -> None:
    stranger = await visit(language="en")
    assert "Sign in" in await stranger.text("/sign-in")
    answer = await stranger.get("/sign-in?language=ru")
    stranger.cookies.update({name: one.value for name, one in answer.cookies.items()})
    assert answer.status == 303 and "Войти" in await stranger.text("/sign-in")


async def test_no_title_of_a_page_names_a_patient(visit: Visit, stage: Stage) -> None:
    for path, login in addresses(stage).items():
        text = await (await visit(login)).text(path)
        title = text.partition("<title>")[2].partition("</title>")[0]
        assert "Образцов" not in title and "Примерова" not in title, path


@pytest.mark.parametrize("typed", HOSTILE)
async def test_what_a_person_typed_is_shown_as_text(visit: Visit, stage: Stage, typed: str) -> None:
    draft = stage.case("draft")
    with stage.service.parts.store.read() as reader:
        revision = reader.case(draft).revision
    fields = c.RequestFields(
        surname=typed, question=typed, course=typed, diagnosis_name=typed, consent_reference=typed
    )
    stage.do("ivanova", c.SaveRequest(request=draft, revision=revision, fields=fields))
    doctor = await visit("ivanova")
    for path in ("/", "/requests", f"/requests/{draft}", f"/journal/{draft}"):
        text = await doctor.text(path)
        for piece in ("<script>alert", "<img src=x", "<svg onload", "</script><b>"):
            assert piece not in text, path
        assert typed in html.unescape(text) or path.startswith("/journal"), path
        assert "49" not in text.partition("{{")[2][:10]


async def test_a_name_of_an_account_cannot_leave_the_json_of_a_page(visit: Visit, stage: Stage) -> None:
    def rename(tx: Any) -> None:
        person = tx.get(Person, stage.person("chair"))
        person.surname = "</script><script>alert(1)</script>"

    stage.service.parts.store.run(_now(), rename)
    text = await (await visit("chair")).text("/")
    assert "<script>alert" not in text


def _now() -> Any:
    from consilium.clock import now

    return now()


async def test_a_page_of_nothing_says_what_to_do_and_no_more(visit: Visit) -> None:
    visitor = await visit("chair")
    answer = await visitor.get("/nowhere")
    text = await answer.text()
    assert answer.status == 404 and "Не найдено" in text and "not_found" in text
    assert "Traceback" not in text and "/work" not in text


async def test_the_invitation_names_time_and_place_and_no_patient(visit: Visit, stage: Stage) -> None:
    consilium = stage.planned()
    answer = await (await visit("member1")).get(f"/consilium/{consilium}.ics")
    text = await answer.text()
    assert (
        answer.content_type == "text/calendar" and "BEGIN:VEVENT" in text and f"/consilia/{consilium}" in text
    )
    assert "Образцов" not in text and "C34" not in text


async def test_the_finder_finds_only_what_the_person_may_see(visit: Visit, stage: Stage) -> None:
    stage.planned()
    mine = await (await (await visit("ivanova")).get("/api/find?words=образцов")).json()
    theirs = await (await (await visit("outsider")).get("/api/find?words=образцов")).json()
    assert [one["title"] for one in mine["found"]] and not theirs["found"]


async def test_a_member_reads_the_very_bytes_he_signs(visit: Visit, stage: Stage) -> None:
    protocol = stage.frozen(dissent=True)
    member = await visit("member1")
    answer = await member.get(f"/api/protocol.document/{protocol}")
    with stage.service.parts.store.read() as reader:
        found = reader.protocol(protocol)
    assert await answer.read() == found.document
    assert answer.headers["X-Digest"] == found.digest
    assert answer.content_type == "application/octet-stream"
    text = await member.text("/signing")
    assert f'data-digest="{found.digest}"' in text and "химиолучевую терапию" in text
    dissent = await member.get(f"/api/dissent.document/{protocol}/{UUID(str(found.dissents[0].id))}")
    assert await dissent.read() == found.dissents[0].document


async def test_the_dialog_of_declining_names_the_signatures_that_fall(visit: Visit, stage: Stage) -> None:
    stage.frozen()
    text = await (await visit("deputy")).text("/signing")
    assert "Других подписей ещё нет." in text


async def test_a_request_is_a_form_for_its_author_and_a_record_for_all_others(
    visit: Visit, stage: Stage
) -> None:
    assert 'id="request-form"' in await (await visit("ivanova")).text(f"/requests/{stage.case('draft')}")
    record = await (await visit("coordinator")).text(f"/requests/{stage.case()}")
    assert 'id="request-form"' not in record and "Образцов Иван Петрович" in record
    assert 'data-command="request.accept"' in record and "refuse-dialog" in record


async def test_a_stranger_at_the_page_behind_the_code_chooses_the_language(visit: Visit) -> None:
    stranger = await visit(language="ru")
    path = "/check/00000000-0000-4000-8000-000000000000"
    answer = await stranger.get(f"{path}?language=en")
    assert (answer.status, answer.headers["Location"]) == (303, path)
    stranger.cookies.update({name: one.value for name, one in answer.cookies.items()})
    page = await (await stranger.get(path)).text()
    assert '<html lang="en"' in page
    assert f'href="{path}?language=ru"' in page
