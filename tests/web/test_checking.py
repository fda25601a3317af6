"""While a protocol is written its page says what stands in the way; dictionaries answer by a few letters."""

from __future__ import annotations

import asyncio
from pathlib import Path
from uuid import UUID, uuid4

import pytest

from consilium import clock, drafts, installing
from consilium.documents.finding import Finding
from consilium.errors import Unavailable
from consilium.model import ProtocolStatus
from consilium.queries.protocol_check import Checked
from tests.web.conftest import Visit
from tests.web.stage import Stage
from web.api import checking
from web.api.checking import Checks

# A guide of our own making for the general consilium, whose real one is published nowhere.
GUIDE = """<schema xmlns="http://purl.oclc.org/dsdl/schematron">
<pattern><rule context="ClinicalDocument/templateId">
<assert test="@root='1.2.643.5.1.13.13.15.148.1'">У1-3. Элемент templateId.</assert></rule></pattern>
<pattern><rule context="ClinicalDocument/documentationOf/serviceEvent">
<assert test="count(performer)>={least}">У1-18. Элемент serviceEvent должен иметь performer.</assert></rule></pattern>
</schema>"""


def written(stage: Stage, protocol: UUID, **texts: str) -> None:
    """The shared text as if people had written it."""
    with stage.service.parts.store.write(clock.now()) as tx:
        upto = max(number for number, _ in tx.draft_updates(protocol))
        known = dict.fromkeys(drafts.SECTIONS, "Есть.")
        tx.compact_draft(protocol, upto, drafts.initial({**known, **texts}))


def guided(stage: Stage, tmp_path: Path, least: int) -> None:
    folder = tmp_path / f"official{least}" / "guides"
    folder.mkdir(parents=True)
    (folder / "307.sch").write_text(GUIDE.format(least=least), encoding="utf-8")
    assert installing.install(stage.service.parts, folder.parent).refused == 0


async def test_an_empty_section_is_named_with_the_place_where_it_is_written(
    visit: Visit, stage: Stage
) -> None:
    protocol = stage.drafted()
    written(stage, protocol, course="", decision=" ")
    for login, language, words in (
        ("secretary", "ru", "Опишите течение заболевания."),
        ("ivanova", "en", "Describe the course of the disease."),
    ):
        visitor = await visit(login, language)
        await visitor.post("settings.change", language=language)
        told = await (await visitor.post("protocol.check", protocol=str(protocol))).json()
        found = {one["field"]: one for one in told["findings"]}
        assert (told["checked"], told["conformant"]) == (True, False)
        assert found["course"]["text"] == words
        assert found["course"]["href"].endswith("#section-course")
        assert {one["field"] for one in told["findings"] if one["severity"] == "error"} == {
            "course",
            "decision",
        }
        assert told["unchecked"] == ["schema", "rules", "dictionaries"]
        assert "not_installed" in {one["code"] for one in told["findings"]}


async def test_what_the_rules_object_to_is_told_before_and_refused_at_the_freeze(
    visit: Visit, stage: Stage, tmp_path: Path
) -> None:
    protocol = stage.drafted()
    guided(stage, tmp_path, least=9)
    secretary = await visit("secretary")
    told = await (await secretary.post("protocol.check", protocol=str(protocol))).json()
    (one,) = [one for one in told["findings"] if one["code"] == "rule"]
    assert (one["field"], one["rule"], one["severity"]) == ("participants", "У1-18", "error")
    assert one["text"] == "Участники: нужно записей не меньше 9: участник консилиума (правило У1-18)."
    assert one["official"].startswith("У1-18. Элемент serviceEvent")
    assert one["href"].startswith("/consilia/")
    refused = await secretary.post("protocol.freeze", protocol=str(protocol))
    error = (await refused.json())["error"]
    assert (refused.status, error["code"]) == (422, "document_refused")
    assert [each["rule"] for each in error["details"]["findings"]] == ["У1-18"]
    assert "руководству" in error["message"]
    guided(stage, tmp_path, least=2)
    again = await (await secretary.post("protocol.check", protocol=str(protocol))).json()
    assert (again["guide"], again["rules_fired"]) == ("307", 2)
    assert "rule" not in {each["code"] for each in again["findings"]}
    assert (await secretary.post("protocol.freeze", protocol=str(protocol))).status == 200
    frozen = await (await secretary.post("protocol.check", protocol=str(protocol))).json()
    assert (frozen["status"], frozen["checked"], frozen["findings"]) == ("signing", False, [])


async def test_a_check_says_nothing_to_whom_the_protocol_does_not_exist(visit: Visit, stage: Stage) -> None:
    protocol = stage.drafted()
    outsider = await visit("outsider")
    assert (await outsider.post("protocol.check", protocol=str(protocol))).status == 404
    assert (await outsider.post("protocol.check", protocol=str(uuid4()))).status == 404
    for odd in ("x", None, 7, {"a": 1}):
        assert (await outsider.post("protocol.check", protocol=odd)).status == 422


# One at a time, the newest wins


def outcome(update: int) -> Checked:
    return Checked(
        protocol_id=uuid4(),
        status=ProtocolStatus.DRAFTING,
        case_id=uuid4(),
        consilium_id=uuid4(),
        update=update,
        report=None,
    )


async def test_those_who_ask_while_a_check_runs_share_the_next_one() -> None:
    checks, protocol, begun = Checks(), uuid4(), 0
    go, started = asyncio.Event(), asyncio.Event()

    async def work() -> Checked:
        nonlocal begun
        begun += 1
        mine = begun
        started.set()
        await go.wait()
        return outcome(mine)

    first = asyncio.create_task(checks.of(protocol, work))
    await started.wait()
    rest = [asyncio.create_task(checks.of(protocol, work)) for _ in range(5)]
    await asyncio.sleep(0)  # every one of them has asked
    go.set()
    assert (await first).update == 1
    assert [(await one).update for one in rest] == [2] * 5
    assert (await checks.of(protocol, work)).update == 3


async def test_one_who_leaves_takes_nobodys_answer_with_him_and_a_failure_is_told_to_all() -> None:
    checks, protocol, go = Checks(), uuid4(), asyncio.Event()

    async def work() -> Checked:
        await go.wait()
        raise Unavailable("busy")

    asking = [asyncio.create_task(checks.of(protocol, work)) for _ in range(3)]
    await asyncio.sleep(0)  # every one of them has asked
    asking[0].cancel()
    go.set()
    for one in asking[1:]:
        with pytest.raises(Unavailable):
            await one
    with pytest.raises(Unavailable):
        await checks.of(protocol, work)


async def test_a_check_that_waits_ends_with_the_server() -> None:
    checks = Checks()
    asking = asyncio.create_task(checks.of(uuid4(), asyncio.Event().wait))  # type: ignore[arg-type]  # never answers
    await asyncio.sleep(0)  # it has asked
    await checks.close()
    with pytest.raises(asyncio.CancelledError):
        await asking


# Dictionaries


async def test_a_dictionary_answers_by_a_few_letters(visit: Visit, stage: Stage) -> None:
    doctor = await visit("ivanova")
    found = await (await doctor.get("/api/nsi/11.1040", params={"q": "жен"})).json()
    assert found["rows"] == [{"code": "2", "name": "Женский"}]
    assert found["installed"]
    nobody = await (await doctor.get("/api/nsi/11.1005", params={"q": "C34"})).json()
    assert (nobody["installed"], nobody["rows"]) == (False, [])
    for limit, count in (("1", 1), ("x", 3), ("99999", 3), ("0", 1)):
        rows = (await (await doctor.get("/api/nsi/11.1040", params={"limit": limit})).json())["rows"]
        assert len(rows) == count
    for odd in ("..%2f..%2fetc%2fpasswd", "'", "11"):
        assert (await doctor.get(f"/api/nsi/{odd}")).status == 404


@pytest.mark.needs_semd
async def test_a_post_is_found_in_the_installed_dictionary(
    visit: Visit, stage: Stage, semd_dir: Path
) -> None:
    installing.take_in(stage.service.parts, semd_dir / "nsi")
    doctor = await visit("ivanova")
    found = await (await doctor.get("/api/nsi/11.1002", params={"q": "онколог врач"})).json()
    assert found["version"] == "9.6"
    assert {"code": "50", "name": "Врач-онколог"} in found["rows"]


@pytest.mark.parametrize("field", ["diagnosis", "recommendations", "services", "follow_up", "complaints"])
def test_what_was_settled_on_is_put_right_in_its_part_of_the_protocols_page(field: str) -> None:
    ids = [uuid4() for _ in range(3)]
    found = Checked(
        protocol_id=ids[0],
        status=ProtocolStatus.DRAFTING,
        case_id=ids[1],
        consilium_id=ids[2],
        update=1,
        report=None,
    )
    told = checking.told_finding(Finding(code="rule", field=field, ru="", en=""), found, "ru")
    assert told["href"] == f"/protocols/{ids[0]}#section-{field}"
