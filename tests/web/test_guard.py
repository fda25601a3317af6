"""Headers, origin, limits and errors: what stands before every route."""

from __future__ import annotations

from typing import Any

import pytest

from tests.web.conftest import ORIGIN, Visit
from web import limits, render
from web.site import SITE

EVERYWHERE = ("/sign-in", "/", "/nowhere", "/static/css/base.css", "/static/nothing.css", "/health",
              "/api/nowhere", "/requests/00000000-0000-0000-0000-000000000000", "/authority/crl")  # fmt: skip


async def test_every_answer_carries_the_security_headers(visit: Visit) -> None:
    visitor = await visit("chair")
    for path in EVERYWHERE:
        answer = await visitor.get(path)
        headers = answer.headers
        policy = headers["Content-Security-Policy"]
        for part in ("default-src", "object-src 'none'", "base-uri 'none'", "frame-ancestors 'none'"):
            assert part in policy, (path, policy)
        assert "unsafe" not in policy and "http:" not in policy.replace(ORIGIN, "")
        assert headers["X-Content-Type-Options"] == "nosniff", path
        assert headers["Referrer-Policy"] == "no-referrer", path
        assert headers["Cross-Origin-Opener-Policy"] == "same-origin", path
        assert "camera=(self)" in headers["Permissions-Policy"], path
        assert "Server" not in headers, path


async def test_pages_with_patients_are_never_kept(visit: Visit, stage: Any) -> None:
    visitor = await visit("coordinator")
    for path in ("/", "/requests", f"/requests/{stage.case()}", f"/journal/{stage.case()}"):
        assert (await visitor.get(path)).headers["Cache-Control"] == "no-store"


async def test_no_page_carries_a_script_or_style_of_its_own(visit: Visit, stage: Any) -> None:
    visitor = await visit("coordinator")
    for path in ("/", "/requests", f"/requests/{stage.case()}", "/consilia/new", "/settings", "/signing"):
        text = await visitor.text(path)
        for part in text.split("<script")[1:]:
            assert (
                'src="/static/' in part.partition(">")[0]
                or 'type="application/json"' in part.partition(">")[0]
            )
        assert " style=" not in text and "<style" not in text and " onclick" not in text, path


@pytest.mark.parametrize(
    "origin", [None, "null", "http://evil.example", ORIGIN + ".evil.example", "http://127.0.0.1:81"]
)
async def test_a_change_from_another_site_is_refused(visit: Visit, origin: str | None) -> None:
    visitor = await visit("chair")
    headers = {"X-Consilium": "1"} | ({"Origin": origin} if origin else {})
    for name in ("settings.change", "session.end", "room.ticket", "session.begin"):
        answer = await visitor.http.post(f"/api/{name}", json={}, headers=headers, cookies=visitor.cookies)
        assert (answer.status, (await answer.json())["error"]["code"]) == (403, "bad_origin")
    assert (await visitor.get("/")).status == 200


async def test_a_form_of_another_site_cannot_pass_for_our_script(visit: Visit) -> None:
    visitor = await visit("chair")
    answer = await visitor.http.post(
        "/api/settings.change", data={"language": "en"}, headers={"Origin": ORIGIN}, cookies=visitor.cookies
    )
    assert (await answer.json())["error"]["code"] == "bad_origin"
    plain = await visitor.http.post(
        "/api/settings.change",
        data='{"language": "en"}',
        headers={"Origin": ORIGIN, "X-Consilium": "1", "Content-Type": "text/plain"},
        cookies=visitor.cookies,
    )
    assert (await plain.json())["error"]["code"] == "invalid_message"


async def test_a_page_is_never_changed_by_asking_for_it(visit: Visit, stage: Any) -> None:
    visitor = await visit("coordinator")
    before = stage.service.parts.store.last_position()
    for path in (
        "/",
        "/requests",
        f"/requests/{stage.case()}",
        f"/journal/{stage.case()}",
        "/consilia",
        "/signing",
    ):
        await visitor.text(path)
    assert stage.service.parts.store.last_position() == before


async def test_too_many_commands_are_slowed_down_with_a_time_to_come_back(
    visit: Visit, monkeypatch: pytest.MonkeyPatch
) -> None:
    visitor = await visit("chair")
    # A rate that does not refill while a slow machine works through the burst.
    monkeypatch.setattr(limits, "COMMANDS", limits.Rate(burst=5, per_second=0.01))
    answers = [await visitor.post("settings.change") for _ in range(7)]
    refused = [one for one in answers if one.status == 429]
    assert len(refused) == 2 and (await refused[0].json())["error"]["code"] == "rate_limited"
    assert int(refused[0].headers["Retry-After"]) >= 1
    other = await visit("deputy")
    assert (await other.post("settings.change")).status == 200


@pytest.mark.parametrize(
    "body, code",
    [
        ("", "invalid_message"),
        ("[]", "invalid_message"),
        ("nonsense", "invalid_message"),
        ('{"command": 5}', "invalid_message"),
        ('{"language": "de", "command": "8c1f7f3e-6f6c-4a44-9b52-0f7a0f2f1f11"}', "invalid_field"),
        ('{"language": 1, "command": "8c1f7f3e-6f6c-4a44-9b52-0f7a0f2f1f11"}', "invalid_field"),
        ("[" * 5000, "invalid_message"),
        ('{"a":' * 2000 + "1" + "}" * 2000, "invalid_message"),
    ],
)
async def test_a_message_of_another_shape_is_refused_with_its_code(
    visit: Visit, body: str, code: str
) -> None:
    visitor = await visit("chair")
    headers = {"Origin": ORIGIN, "X-Consilium": "1", "Content-Type": "application/json"}
    answer = await visitor.http.post(
        "/api/settings.change", data=body, headers=headers, cookies=visitor.cookies
    )
    found = await answer.json()
    assert answer.status == 422 and found["error"]["code"] == code
    assert found["ok"] is False and found["error"]["message"] and "details" in found["error"]


async def test_a_message_over_the_limit_is_refused(visit: Visit) -> None:
    visitor = await visit("chair")
    answer = await visitor.post("settings.change", padding="x" * 600_000)
    assert (answer.status, (await answer.json())["error"]["code"]) == (413, "too_large")


async def test_fields_nobody_declared_change_nothing(visit: Visit, stage: Any) -> None:
    doctor = await visit("ivanova")
    case = str(stage.case("draft"))
    view = await doctor.post(
        "request.save", request=case, revision=1, fields={}, status="accepted", author_id=case, sender=case
    )
    assert (await view.json())["ok"] or (await view.json())["error"]["code"] == "stale_revision"
    with stage.service.parts.store.read() as reader:
        assert reader.case(stage.case("draft")).status == "draft"


async def test_a_control_or_bidirectional_character_is_refused(visit: Visit, stage: Any) -> None:
    doctor = await visit("ivanova")
    for bad in ("\u202edoc.pdf", "a\x00b", "a\x1bb"):
        answer = await doctor.post("request.cancel", request=str(stage.case("draft")), reason=bad)
        assert (await answer.json())["error"]["code"] == "text_refused"


async def test_an_unexpected_fault_says_nothing_but_its_reference(
    visit: Visit, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    visitor = await visit("chair")

    def broken(*given: Any) -> None:
        raise RuntimeError("select * from people where surname = 'Орлов'")

    monkeypatch.setattr(visitor.http.server.app[SITE].service, "handle", broken)
    answer = await visitor.post("settings.change")
    body = await answer.text()
    found = (await answer.json())["error"]
    assert (answer.status, found["code"]) == (500, "internal")
    assert "select" not in body and "Traceback" not in body
    assert found["details"]["ref"]
    assert any(one.levelname == "ERROR" and one.exc_info for one in caplog.records)


async def test_the_path_of_a_static_file_stays_inside(visit: Visit) -> None:
    visitor = await visit()
    for path in ("/static/../app.py", "/static/%2e%2e/app.py", "/static/..%2fapp.py", "/static//etc/passwd"):
        answer = await visitor.get(path)
        assert answer.status in (400, 403, 404), path
        assert "make_app" not in await answer.text()


def test_every_static_file_is_named_by_its_content() -> None:
    assert render.static("css/base.css").startswith("/static/css/base.css?v=")
    assert render.static("css/none.css").endswith("?v=0")


async def test_a_refusal_calls_the_field_by_its_label_in_the_askers_language(
    visit: Visit, stage: Any
) -> None:
    doctor, draft = await visit("ivanova"), str(stage.case("draft"))
    said = (await (await doctor.post("request.send", request=draft)).json())["error"]
    assert said["message"] == "Заполните поле «Код МКБ-10»." and "diagnosis_code" in said["details"]["fields"]
    await doctor.post("settings.change", language="en")
    said = (await (await doctor.post("request.send", request=draft)).json())["error"]
    assert said["message"] == "Fill in the field “ICD-10 code”."
    bad = await doctor.post("request.save", request=draft, revision=0, fields={"snils": "11111111111"})
    assert "SNILS" in (await bad.json())["error"]["message"]
