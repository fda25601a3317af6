"""What pages are told: nobody sees another's case, and every answer is plain JSON. Refusals first."""

import json
from dataclasses import replace
from uuid import UUID, uuid4

import pytest

from consilium import commands as c
from consilium import sealing
from consilium.errors import NotFound
from consilium.queries import cases, consilia, day, directory, protocols, signing
from tests.people import World

ALL = ("deputy", "secretary", "member1", "ivanova")


def ask(world: World, login: str, question, *rest):
    """The answer, which must survive a trip through JSON."""
    with world.parts.store.read() as reader:
        answer = question(reader, reader.person_by_login(login), *rest)
    json.dumps(answer)
    return answer


def hidden(world: World, login: str, question, *rest) -> bool:
    try:
        ask(world, login, question, *rest)
    except NotFound:
        return True
    return False


@pytest.fixture(scope="module")
def protocol(shared: World):
    done = shared.signed(*ALL, dissent_by="member1")
    sealing.seal_protocol(shared.parts, {"protocol": str(done.id)})
    return shared.protocol(done.id)


@pytest.mark.parametrize("login", ["outsider", "outsider.coordinator"])
def test_another_organisation_finds_nothing(shared: World, protocol, login: str):
    at = shared.now
    assert hidden(shared, login, cases.request_page, protocol.case_id, at)
    assert hidden(shared, login, cases.case_journal, protocol.case_id)
    assert hidden(shared, login, consilia.consilium_page, protocol.consilium_id, at)
    assert hidden(shared, login, consilia.ics, protocol.consilium_id)
    assert hidden(shared, login, protocols.protocol_page, protocol.id, at)
    assert hidden(shared, login, protocols.frozen_document, protocol.id)
    assert hidden(shared, login, protocols.package_of, protocol.id)
    assert not any(ask(shared, login, day.my_day, at).values())
    assert not any(ask(shared, login, consilia.consilia_list, at).values())
    for box in ("incoming", "outgoing", "archive"):
        assert ask(shared, login, cases.requests_inbox, box)["rows"] == []


@pytest.mark.parametrize("login", ["expert", "observer", "member2"])
def test_a_colleague_who_does_not_take_part_finds_nothing_either(shared: World, protocol, login: str):
    assert hidden(shared, login, cases.request_page, protocol.case_id, shared.now)
    assert hidden(shared, login, protocols.protocol_page, protocol.id, shared.now)
    assert hidden(shared, login, consilia.consilium_page, protocol.consilium_id, shared.now)


@pytest.mark.parametrize(
    "question,arguments",
    [
        (cases.request_page, 2),
        (cases.case_journal, 1),
        (consilia.consilium_page, 2),
        (protocols.protocol_page, 2),
        (protocols.frozen_document, 1),
    ],
    ids=lambda one: getattr(one, "__name__", ""),
)
def test_what_is_nowhere_is_not_found(shared: World, question, arguments: int):
    assert hidden(shared, "chair", question, *(uuid4(), shared.now)[:arguments])


def test_only_a_coordinator_plans(shared: World):
    assert hidden(shared, "chair", consilia.planning_page, None, None, shared.now)
    assert hidden(shared, "nmic.admin", consilia.planning_page, None, None, shared.now)


def test_a_member_who_is_not_let_in_yet_reads_no_clinical_word(shared: World):
    consilium = shared.planned()
    (line,) = ask(shared, "member1", consilia.consilium_page, consilium.id, shared.now)["agenda"]
    assert (line["case"], line["patient"], line["birth_date"], line["question"]) == (None, "", None, "")
    (line,) = ask(shared, "chair", consilia.consilium_page, consilium.id, shared.now)["agenda"]
    assert line["patient"] == "Образцов Иван Петрович"


def test_a_draft_or_an_unfinished_protocol_has_no_bytes_to_sign(shared: World):
    drafted = shared.decided(*ALL)
    assert hidden(shared, "chair", protocols.frozen_document, drafted.id)
    assert hidden(shared, "chair", protocols.package_of, drafted.id)


def test_the_registry_gets_sealed_bytes_alone(shared: World, protocol):
    with shared.parts.store.read() as reader:
        assert protocols.pulled_document(reader, protocol.document_id) == (protocol.document, protocol.digest)
        waiting = shared.frozen(*ALL)
        with pytest.raises(NotFound):
            protocols.pulled_document(reader, waiting.document_id)


def test_the_calendar_file_names_no_patient(shared: World, protocol):
    with shared.parts.store.read() as reader:
        content = consilia.ics(reader, reader.person_by_login("chair"), protocol.consilium_id, "http://here")
    text = content.decode()
    assert "BEGIN:VEVENT" in text
    assert f"http://here/consilia/{protocol.consilium_id}" in text
    for word in ("Образцов", "C34", "лёгк", "ТМК-"):
        assert word not in text


def test_of_a_session_of_several_cases_the_journal_of_one_tells_nothing_of_the_others(shared: World):
    first, second = shared.accepted(), shared.accepted()
    consilium = shared.opened(*ALL, cases=[first, second])
    shared.vote(consilium, "chair")
    names = [one["name"] for one in ask(shared, "coordinator", cases.case_journal, first)["entries"]]
    other = [one["name"] for one in ask(shared, "coordinator", cases.case_journal, second)["entries"]]
    assert "VoteClosed" in names
    assert not {"VoteOpened", "VoteCast", "VoteClosed", "ItemOpened", "ResolutionProposed"} & set(other)


def test_the_journal_does_not_tell_who_voted_how(shared: World, protocol):
    entries = ask(shared, "coordinator", cases.case_journal, protocol.case_id)["entries"]
    assert {one["name"] for one in entries} >= {"RequestSent", "VoteCast", "ProtocolSealed"}
    assert all("choice" not in one["data"] and "receipt" not in one["data"] for one in entries)
    assert [one["position"] for one in entries] == sorted(one["position"] for one in entries)


def test_my_day_says_what_waits_for_each(world: World):
    case_id = world.sent()
    mine = ask(world, "coordinator", day.my_day, world.now)["requests"]
    assert str(case_id) in [one["id"] for one in mine]
    world.do("coordinator", c.ReturnRequest(request=case_id, items=["КТ"]))
    mine = ask(world, "ivanova", day.my_day, world.now)["requests"]
    assert {one["id"]: one["wait"] for one in mine}[str(case_id)] == "returned"
    frozen = world.frozen(*ALL)
    waits = ask(world, "member1", day.my_day, world.now)
    assert [one["id"] for one in waits["signing"]] == [str(frozen.id)]
    assert [one["role"] for one in waits["consilia"]] == ["member"]
    world.sign("member1", frozen.id)
    assert ask(world, "member1", day.my_day, world.now)["signing"] == []
    world.do("deputy", c.DeclineSignature(protocol=frozen.id, reason="Описка"))
    assert [one["wait"] for one in ask(world, "chair", day.my_day, world.now)["protocols"]] == ["drafting"]


@pytest.mark.parametrize(
    "login,status,can",
    [
        ("ivanova", "draft", {"edit", "send", "cancel", "attach"}),
        ("ivanova", "sent", {"cancel", "attach", "complete"}),
        ("coordinator", "sent", {"accept", "return", "refuse", "complete"}),
        ("nmic.admin", "sent", set()),
        ("ivanova", "accepted", {"cancel", "complete"}),
        ("coordinator", "accepted", {"refuse", "schedule", "attach", "complete"}),
    ],
)
def test_a_request_offers_what_the_commands_will_allow(shared: World, login, status, can):
    make = {"draft": shared.draft, "sent": shared.sent, "accepted": shared.accepted}[status]
    page = ask(shared, login, cases.request_page, make(), shared.now)
    assert set(page["can"]) == can
    assert page["next"].startswith(status)


def test_a_protocol_offers_what_the_commands_will_allow(shared: World):
    frozen = shared.frozen(*ALL)

    def can(login: str) -> set[str]:
        return set(ask(shared, login, protocols.protocol_page, frozen.id, shared.now)["can"])

    assert can("chair") == {"sign", "decline", "reopen", "release"}
    assert can("secretary") == {"sign", "decline", "reopen"}
    assert can("member1") == {"sign", "decline"}
    assert can("coordinator") == set()
    shared.sign("member1", frozen.id)
    assert can("member1") == set()


def test_every_signature_is_verified_anew_for_the_page(shared: World, protocol):
    with shared.parts.store.read() as reader:
        person = reader.person_by_login("chair")
        page = protocols.protocol_page(reader, person, protocol.id, shared.now, shared.parts)
    assert [one["check"]["ok"] for one in page["signatures"]] == [True] * 5
    assert [one["check"]["ok"] for one in page["dissents"]] == [True]
    assert page["package"]["digest"] == protocol.package_digest
    assert page["next"] == "filing.queued"


def test_the_signing_desk_shows_ones_own_opinion_to_sign(shared: World):
    frozen = shared.frozen(*ALL, dissent_by="deputy")
    desk = ask(shared, "deputy", signing.signing_desk, frozen.id, shared.now)
    assert [one["text"] for one in desk["dissents"]] == ["Считаю операцию преждевременной."]
    assert desk["view"]["id"] == str(frozen.id)
    assert ask(shared, "member1", signing.signing_desk, frozen.id, shared.now)["dissents"] == []


def test_the_plan_of_a_consilium_offers_people_of_both_organisations(shared: World):
    case_id = shared.accepted()
    plan = ask(shared, "coordinator", consilia.planning_page, case_id, None, shared.now)
    assert str(case_id) in [one["id"] for one in plan["cases"]]
    people = {one["name"] for rows in plan["people"].values() for one in rows}
    assert {"Орлов Дмитрий Сергеевич", "Иванова Мария Петровна"} <= people
    assert "Белов Сергей Ильич" not in people


def test_changing_the_seats_starts_from_the_seats_there_are(shared: World):
    first, second = shared.accepted(), shared.accepted()
    plan = shared.plan(cases=[first, second])
    expert = c.SeatPlan(person=shared.id("expert"), role="expert", items=[1])
    made = shared.do("coordinator", replace(plan, seats=[*plan.seats, expert]))
    page = ask(shared, "coordinator", consilia.planning_page, None, UUID(made["consilium"]), shared.now)
    rows = {one["person"]: one for one in page["change"]["seats"]}
    assert rows[str(shared.id("expert"))]["items"] == [1]
    assert rows[str(shared.id("chair"))]["items"] == []


def test_people_bodies_and_routes_are_ones_own(shared: World):
    logins = {one["login"] for one in ask(shared, "nmic.admin", directory.people_page, shared.now)}
    assert "chair" in logins
    assert "ivanova" not in logins
    page = ask(shared, "nmic.admin", directory.bodies_page, shared.now)
    (body,) = page["bodies"]
    assert len(body["members"]) == 6
    assert dict(page["routes"])["incoming"]
    assert ask(shared, "outsider", directory.open_routes) == []
    (receiver,) = ask(shared, "ivanova", directory.open_routes)
    assert receiver["profiles"] == ["онкология", "терапия"]
