"""Requests through real commands: what is kept, journaled, numbered; and what changes nothing."""

import hashlib
import threading
from dataclasses import replace
from uuid import UUID, uuid4

import pytest

from consilium import commands as c
from consilium import demo
from consilium.model import CaseStatus
from tests.people import World

NMIC, CLINIC = demo.ORGANISATIONS["nmic"].id, demo.ORGANISATIONS["clinic"].id


def attach(world: World, case_id: UUID, **changes) -> c.AttachDocument:
    """A command about bytes that are in the store."""
    content = demo.scan_png()
    stored = world.parts.files.keep(content, "image/png")
    values = {
        "request": case_id,
        "title": "КТ",
        "digest": stored.digest,
        "size": stored.size,
        "media_type": "image/png",
    }
    return c.AttachDocument(**(values | changes))


# --- refused ------------------------------------------------------------------------------------


@pytest.mark.parametrize("login", ["outsider", "outsider.coordinator", "chair", "regional.admin"])
def test_a_draft_exists_for_its_author_alone(shared: World, login: str):
    case_id = shared.draft()
    if login == "regional.admin":
        assert shared.refusal(login, c.SendRequest(request=case_id)).code == "forbidden"
    else:
        assert shared.refusal(login, c.SendRequest(request=case_id)).code == "not_found"


@pytest.mark.parametrize("login", ["outsider", "outsider.coordinator", "member1", "nmic.admin"])
def test_strangers_learn_nothing_of_a_sent_request(shared: World, login: str):
    case_id = shared.sent()
    expected = "forbidden" if login == "nmic.admin" else "not_found"
    assert shared.refusal(login, c.AcceptRequest(request=case_id)).code == expected


def test_a_request_that_is_nowhere_and_one_that_is_not_yours_answer_alike(shared: World):
    absent = shared.refusal("outsider", c.AcceptRequest(request=uuid4()))
    hidden = shared.refusal("outsider", c.AcceptRequest(request=shared.sent()))
    assert (absent.code, absent.details) == (hidden.code, hidden.details)


@pytest.mark.parametrize("profile,receiver", [("кардиология", NMIC), ("онкология", CLINIC)])
def test_a_request_leaves_over_an_open_route_alone(shared: World, profile, receiver):
    case_id = shared.draft(profile=profile, receiver=receiver)
    assert shared.refusal("ivanova", c.SendRequest(request=case_id)).code == "no_route"
    assert shared.case(case_id).status is CaseStatus.DRAFT


def test_a_closed_route_is_no_route(world: World):
    case_id = world.draft()
    sender = demo.ORGANISATIONS["region"].id
    world.do("nmic.admin", c.OpenRoute(profile="онкология", sender=sender, open=False))
    assert world.refusal("ivanova", c.SendRequest(request=case_id)).code == "no_route"
    world.do("nmic.admin", c.OpenRoute(profile="онкология", sender=sender))
    world.do("ivanova", c.SendRequest(request=case_id))


def test_a_receiver_that_does_not_exist_is_refused(shared: World):
    wanted = c.CreateRequest(fields=c.RequestFields(receiver=uuid4()))
    assert shared.refusal("ivanova", wanted).code == "invalid_field"


@pytest.mark.parametrize("text", ["пере\u202eворот", "нуль\x00", "\u2066скрыто\u2069"])
def test_text_that_hides_something_is_refused(shared: World, text: str):
    case_id = shared.draft()
    wanted = c.SaveRequest(request=case_id, revision=0, fields=c.RequestFields(question=text))
    refused = shared.refusal("ivanova", wanted)
    assert (refused.code, refused.details["field"]) == ("text_refused", "question")


@pytest.mark.parametrize(
    "changes,field",
    [
        ({"digest": "00" * 32}, "digest"),
        ({"size": 7}, "digest"),
        ({"media_type": "application/pdf"}, "media_type"),
        ({"media_type": "text/html"}, "media_type"),
    ],
)
def test_a_document_must_be_what_the_store_holds(shared: World, changes, field):
    case_id = shared.draft()
    refused = shared.refusal("ivanova", attach(shared, case_id, **changes))
    assert (refused.code, refused.details["field"]) == ("invalid_field", field)
    assert shared.case(case_id).documents == []


@pytest.mark.parametrize("login", ["outsider", "outsider.coordinator", "chair", "expert"])
def test_a_document_opens_for_those_of_the_case_alone(shared: World, login: str):
    case_id = shared.draft()
    document = shared.attached(case_id)
    shared.do("ivanova", c.SendRequest(request=case_id))
    before = len(shared.journal("case", case_id))
    wanted = c.OpenDocument(request=case_id, document=document)
    assert shared.refusal(login, wanted).code == "not_found"
    assert len(shared.journal("case", case_id)) == before


def test_a_member_opens_documents_once_the_chair_has_let_him_in(world: World):
    case_id = world.draft()
    document = world.attached(case_id)
    world.do("ivanova", c.SendRequest(request=case_id))
    world.do("coordinator", c.AcceptRequest(request=case_id))
    consilium = world.opened("secretary", cases=[case_id])
    wanted = c.OpenDocument(request=case_id, document=document, consilium=consilium.id)
    assert world.refusal("member1", wanted).code == "not_admitted"
    world.enter(consilium.id, "member1")
    assert world.do("member1", wanted)["media_type"] == "image/png"


def test_an_expert_invited_to_one_case_opens_documents_of_that_case_alone(world: World):
    first, second = world.draft(), world.draft()
    papers = [world.attached(first), world.attached(second)]
    for case_id in (first, second):
        world.do("ivanova", c.SendRequest(request=case_id))
        world.do("coordinator", c.AcceptRequest(request=case_id))
    plan = world.plan(cases=[first, second])
    expert = c.SeatPlan(person=world.id("expert"), role="expert", items=[1])
    reply = world.do("coordinator", replace(plan, seats=[*plan.seats, expert]))
    consilium = UUID(reply["consilium"])
    world.do("chair", c.EnterConsilium(consilium=consilium))
    world.enter(consilium, "expert")
    world.do("expert", c.OpenDocument(request=second, document=papers[1]))
    assert world.refusal("expert", c.OpenDocument(request=first, document=papers[0])).code == "not_admitted"


# --- done -----------------------------------------------------------------------------------------


def test_a_request_goes_its_whole_way_and_every_step_is_journaled(world: World):
    case_id = world.sent()
    items = world.do("coordinator", c.ReturnRequest(request=case_id, items=["КТ не старше 30 дней"]))["items"]
    world.attached(case_id)
    world.do("ivanova", c.AnswerMissing(request=case_id, item=UUID(items[0]), answer="Приложено"))
    world.do("ivanova", c.SendRequest(request=case_id))
    world.do("coordinator", c.AcceptRequest(request=case_id))
    assert world.case(case_id).status is CaseStatus.ACCEPTED
    assert world.journal("case", case_id) == [
        "RequestCreated",
        "RequestSent",
        "RequestReturned",
        "DocumentAttached",
        "MissingAnswered",
        "RequestSent",
        "RequestAccepted",
    ]


def test_a_refused_request_takes_no_number(world: World):
    first = world.sent()
    incomplete = world.draft(question="")
    assert world.refusal("ivanova", c.SendRequest(request=incomplete)).code == "field_required"
    second = world.sent()
    numbers = [int(world.case(one).number.rpartition("-")[2]) for one in (first, second)]
    assert numbers[1] == numbers[0] + 1


def test_twelve_requests_sent_at_once_get_twelve_numbers(world: World):
    drafts = [world.draft() for _ in range(12)]
    threads = [
        threading.Thread(target=world.do, args=("ivanova", c.SendRequest(request=one))) for one in drafts
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    numbers = sorted(world.case(one).number for one in drafts)
    assert len(set(numbers)) == 12
    assert int(numbers[-1][-6:]) - int(numbers[0][-6:]) == 11


def test_every_opening_of_a_document_is_journaled(shared: World):
    case_id = shared.draft()
    document = shared.attached(case_id)
    opened = shared.do("ivanova", c.OpenDocument(request=case_id, document=document))
    assert opened["digest"] == hashlib.sha256(demo.scan_png()).hexdigest()
    assert opened["title"] == "КТ"
    shared.do("ivanova", c.OpenDocument(request=case_id, document=document))
    assert shared.journal("case", case_id)[-2:] == ["DocumentOpened", "DocumentOpened"]


def test_a_word_processors_leftovers_are_cleaned_away(shared: World):
    case_id = shared.draft(question="Так\u00adтика\u200b?\r\nДа  ")
    assert shared.case(case_id).question == "Тактика?\nДа"


def test_a_repeated_command_makes_one_request(shared: World):
    wanted, command_id = c.CreateRequest(), uuid4()
    first = shared.do("ivanova", wanted, command_id)
    assert shared.do("ivanova", wanted, command_id) == first


def test_a_detached_document_leaves_the_case_and_stays_in_the_journal(shared: World):
    case_id = shared.draft()
    document = shared.attached(case_id)
    shared.do("ivanova", c.DetachDocument(request=case_id, document=document))
    assert shared.case(case_id).documents == []
    assert shared.journal("case", case_id)[-2:] == ["DocumentAttached", "DocumentDetached"]
