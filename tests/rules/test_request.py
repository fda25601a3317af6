"""The request: who may do what, in which status, with what in it. Refusals first."""

from datetime import date, timedelta
from uuid import uuid4

import pytest

from consilium.commands import AttachDocument, RequestFields
from consilium.errors import Conflict, ConsiliumError, Forbidden, Invalid, NotFound
from consilium.model import Case, CaseStatus, Consent, MissingItem, Patient
from consilium.model.meeting import Admission
from consilium.rules import request
from tests.rules.makers import (
    AT,
    AUTHOR,
    COORDINATOR,
    RECEIVER,
    SENDER,
    STRANGER,
    case,
    consilium,
    person,
    seat,
)

S = CaseStatus
COLLEAGUE = person(SENDER, "doctor")
REGISTRAR = person(RECEIVER, "registrar")


def refused(code: str, action, *args, **kwargs) -> ConsiliumError:
    with pytest.raises(ConsiliumError) as caught:
        action(*args, **kwargs)
    assert caught.value.code == code
    return caught.value


def send(one: Case, who=AUTHOR, *, route_open=True):
    return request.send(one, who, route_open=route_open, number="ТМК-2026-000009", at=AT)


def document(digest: str = "ab" * 32, **changes) -> AttachDocument:
    values = {"request": uuid4(), "title": "КТ", "digest": digest, "size": 10, "media_type": "image/png"}
    return AttachDocument(**(values | changes))


# --- refused ------------------------------------------------------------------------------------


def test_somebody_without_the_duty_of_a_doctor_cannot_ask():
    refused("forbidden", request.create, uuid4(), COORDINATOR, AT)


@pytest.mark.parametrize("who", [COLLEAGUE, COORDINATOR, STRANGER])
def test_only_its_author_writes_a_request(who):
    refused("forbidden", request.save, case(), who, 0, RequestFields(question="?"), AT)


@pytest.mark.parametrize("status", set(S) - {S.DRAFT, S.RETURNED})
def test_a_request_that_has_left_is_not_written(status):
    error = refused("wrong_step", request.save, case(status), AUTHOR, 0, RequestFields(), AT)
    assert error.details["status"] == status


def test_a_stale_save_is_refused_with_the_current_words():
    one = case(question="Чужие слова", revision=4)
    error = refused("stale_revision", request.save, one, AUTHOR, 3, RequestFields(question="Мои"), AT)
    assert error.details["current"]["question"] == "Чужие слова"
    assert one.question == "Чужие слова"


@pytest.mark.parametrize(
    "fields,code,field",
    [
        (RequestFields(birth_date=date(2030, 1, 1)), "invalid_field", "birth_date"),
        (RequestFields(birth_date=date(1789, 7, 14)), "invalid_field", "birth_date"),
        (RequestFields(consent_date=AT.date() + timedelta(days=1)), "invalid_field", "consent_date"),
        (RequestFields(goal_code="99"), "unknown_code", "goal_code"),
        (RequestFields(diagnosis_code="рак"), "invalid_field", "diagnosis_code"),
        (RequestFields(diagnosis_code="C34."), "invalid_field", "diagnosis_code"),
        (RequestFields(snils="11223344500"), "invalid_field", "snils"),
    ],
)
def test_a_field_that_makes_no_sense_changes_nothing(fields, code, field):
    one = case()
    before = request.values(one)
    assert refused(code, request.save, one, AUTHOR, 0, fields, AT).details["field"] == field
    assert request.values(one) == before
    assert one.revision == 0


@pytest.mark.parametrize(
    "changes,field",
    [
        ({"receiver_id": None}, "receiver"),
        ({"profile": ""}, "profile"),
        ({"patient": Patient(given="Иван", birth_date=date(1961, 2, 10), sex="1")}, "surname"),
        ({"patient": Patient(surname="О.", birth_date=date(1961, 2, 10), sex="1")}, "given"),
        ({"patient": Patient(surname="О.", given="Иван", sex="1")}, "birth_date"),
        ({"patient": Patient(surname="О.", given="Иван", birth_date=date(1961, 2, 10))}, "sex"),
        ({"diagnosis_code": ""}, "diagnosis_code"),
        ({"diagnosis_name": " "}, "diagnosis_name"),
        ({"question": "  \n"}, "question"),
        ({"goal_code": ""}, "goal_code"),
        ({"course": ""}, "course"),
        ({"condition": ""}, "condition"),
        ({"goal_code": "10"}, "goal_text"),
    ],
)
def test_an_incomplete_request_is_not_sent_and_the_field_is_named(changes, field):
    error = refused("field_required", send, case(**changes))
    assert error.details["field"] == field
    assert field in error.details["fields"]


def test_everything_that_is_missing_is_named_at_once():
    bare = Case(
        id=uuid4(),
        number="",
        status=S.DRAFT,
        author_id=AUTHOR.id,
        sender_id=SENDER,
        receiver_id=None,
        profile="",
        created_at=AT,
    )
    required = [name for name in request.REQUIRED_TO_SEND if name != "urgency_code"]
    assert refused("field_required", send, bare).details["fields"] == required


@pytest.mark.parametrize(
    "consent,field",
    [
        (Consent(), "consent_basis"),
        (Consent(basis="consent"), "consent_date"),
        (Consent(basis="ground", reference=" "), "consent_reference"),
    ],
)
def test_without_consent_or_a_statutory_ground_nothing_is_sent(consent, field):
    assert refused("consent_required", send, case(consent=consent)).details["field"] == field


def test_a_goal_of_the_commission_alone_is_not_asked_of_a_consilium():
    refused("invalid_field", send, case(goal_code="13"))
    send(case(goal_code="13", wants_kind="commission"))


def test_without_an_open_route_nothing_is_sent():
    one = case()
    refused("no_route", send, one, route_open=False)
    assert one.status is S.DRAFT


def test_an_unanswered_line_keeps_a_returned_request_from_being_sent():
    item = MissingItem(id=uuid4(), text="КТ", asked_by=COORDINATOR.id, asked_at=AT)
    error = refused("field_required", send, case(S.RETURNED, missing=[item]))
    assert error.details == {"field": "missing", "items": [str(item.id)]}


TRIAGE = {
    "return": lambda one, who: request.return_for(one, who, [(uuid4(), "КТ")], AT),
    "accept": request.accept,
    "refuse": lambda one, who: request.refuse(one, who, "other", "Не по профилю"),
}


@pytest.mark.parametrize("who", [AUTHOR, COLLEAGUE, REGISTRAR, STRANGER])
@pytest.mark.parametrize("action", TRIAGE.values(), ids=TRIAGE)
def test_only_the_receivers_coordinator_triages(action, who):
    refused("forbidden", action, case(S.SENT), who)


@pytest.mark.parametrize("status", set(S) - {S.SENT, S.DRAFT})
@pytest.mark.parametrize("name", ["return", "accept"])
def test_only_a_sent_request_is_returned_or_accepted(name, status):
    refused("wrong_step", TRIAGE[name], case(status), COORDINATOR)


def test_a_draft_does_not_exist_for_the_receiver():
    refused("forbidden", request.accept, case(S.DRAFT), COORDINATOR)
    assert not request.sees_case(case(S.DRAFT), COORDINATOR, None)


@pytest.mark.parametrize(
    "action",
    [
        lambda one: request.refuse(one, COORDINATOR, "other", " "),
        lambda one: request.cancel(one, AUTHOR, ""),
    ],
)
def test_refusal_and_cancellation_need_words(action):
    refused("reason_required", action, case(S.SENT))


def test_a_refusal_needs_a_known_code():
    refused("unknown_code", request.refuse, case(S.SENT), COORDINATOR, "mood", "Нет")


@pytest.mark.parametrize("status", [S.SCHEDULED, S.DECIDED, S.SEALED, S.REGISTERED, S.REFUSED, S.CANCELLED])
def test_a_case_that_is_planned_or_over_is_not_cancelled(status):
    refused("wrong_step", request.cancel, case(status), AUTHOR, "Передумал")


def test_a_line_is_answered_by_the_author_alone_and_not_with_nothing():
    item = MissingItem(id=uuid4(), text="КТ", asked_by=COORDINATOR.id, asked_at=AT)
    one = case(S.RETURNED, missing=[item])
    refused("forbidden", request.answer, one, COORDINATOR, item.id, "Да", AT)
    refused("field_required", request.answer, one, AUTHOR, item.id, " ", AT)
    refused("not_found", request.answer, one, AUTHOR, uuid4(), "Да", AT)


@pytest.mark.parametrize(
    "who,status,code",
    [
        (AUTHOR, S.ACCEPTED, "wrong_step"),
        (AUTHOR, S.SCHEDULED, "wrong_step"),
        (COORDINATOR, S.SENT, "wrong_step"),
        (COORDINATOR, S.DECIDED, "wrong_step"),
        (REGISTRAR, S.ACCEPTED, "forbidden"),
        (COLLEAGUE, S.DRAFT, "forbidden"),
        (STRANGER, S.ACCEPTED, "forbidden"),
    ],
)
def test_documents_come_from_the_author_while_he_asks_and_from_the_coordinator_afterwards(who, status, code):
    refused(code, request.attach, case(status), who, document(), uuid4(), AT)


def test_the_same_bytes_lie_in_a_case_once():
    one = case()
    request.attach(one, AUTHOR, document(), uuid4(), AT)
    refused("duplicate", request.attach, one, AUTHOR, document(title="Ещё раз"), uuid4(), AT)


def test_a_case_does_not_take_documents_without_end():
    one = case()
    for number in range(request.MAX_DOCUMENTS):
        request.attach(one, AUTHOR, document(f"{number:064x}"), uuid4(), AT)
    refused("too_large", request.attach, one, AUTHOR, document("f" * 64), uuid4(), AT)


@pytest.mark.parametrize("changes", [{"dated": date(2031, 1, 1)}, {"dated": date(1066, 10, 14)}])
def test_a_study_of_the_future_or_of_the_middle_ages_is_refused(changes):
    refused("invalid_field", request.attach, case(), AUTHOR, document(**changes), uuid4(), AT)


def test_a_coordinator_does_not_take_away_what_the_author_gave():
    one = case(S.SENT)
    given = uuid4()
    request.attach(one, AUTHOR, document(), given, AT)
    one.status = S.ACCEPTED
    refused("forbidden", request.detach, one, COORDINATOR, given)
    refused("not_found", request.detach, one, COORDINATOR, uuid4())


@pytest.mark.parametrize("who", [COLLEAGUE, STRANGER, person(RECEIVER, "doctor"), person(RECEIVER, "admin")])
def test_a_case_does_not_exist_for_those_who_do_not_take_part(who):
    with pytest.raises(NotFound):
        request.require_seen(case(S.ACCEPTED), who, None)


# --- allowed ------------------------------------------------------------------------------------


@pytest.mark.parametrize("who", [AUTHOR, COORDINATOR, REGISTRAR, person(SENDER, "coordinator")])
def test_author_and_those_who_triage_see_the_case(who):
    request.require_seen(case(S.ACCEPTED), who, None)


@pytest.mark.parametrize(
    "role,admission,sees",
    [
        ("chair", Admission.OUTSIDE, True),
        ("deputy", Admission.OUTSIDE, True),
        ("secretary", Admission.OUTSIDE, True),
        ("member", Admission.OUTSIDE, False),
        ("member", Admission.WAITING, False),
        ("member", Admission.ADMITTED, True),
        ("observer", Admission.ADMITTED, True),
        ("secretary", Admission.DENIED, False),
        ("member", Admission.DENIED, False),
    ],
)
def test_a_seat_opens_the_case_once_the_chair_has_admitted_it(role, admission, sees):
    who = person(RECEIVER)
    meeting = consilium(seat(role, who=who, admission=admission))
    one = case(S.SCHEDULED, id=meeting.agenda[0].case_id)
    assert request.sees_case(one, who, meeting) is sees


def test_an_expert_invited_to_one_case_does_not_see_another():
    who = person(RECEIVER)
    expert = seat("expert", who=who)
    meeting = consilium(expert)
    one = case(S.SCHEDULED, id=meeting.agenda[0].case_id)
    expert.invited_items = [meeting.agenda[0].id]
    assert request.sees_case(one, who, meeting)
    expert.invited_items = [uuid4()]
    assert not request.sees_case(one, who, meeting)
    expert.invited_items = []
    assert not request.sees_case(case(S.SCHEDULED), who, meeting)


@pytest.mark.parametrize("urgency,hours", [("2", 2), ("3", 24), ("1", 240)])
def test_sending_sets_the_term_of_the_urgency_and_gives_a_number(urgency, hours):
    one = case(urgency_code=urgency)
    (event,) = send(one)
    assert one.status is S.SENT
    assert one.deadline == AT + timedelta(hours=hours)
    assert (one.number, event.number, event.receiver) == ("ТМК-2026-000009", "ТМК-2026-000009", RECEIVER)


def test_a_returned_request_is_answered_line_by_line_and_keeps_its_number_when_sent_again():
    one = case(S.SENT)
    lines = [(uuid4(), "КТ не старше 30 дней"), (uuid4(), "Гистология")]
    (returned,) = request.return_for(one, COORDINATOR, lines, AT)
    assert (one.status, returned.items) == (S.RETURNED, [lines[0][0], lines[1][0]])
    for id_, _ in lines:
        request.answer(one, AUTHOR, id_, "Приложено", AT)
    send(one)
    assert (one.status, one.number) == (S.SENT, "ТМК-2026-000001")
    assert [item.answer for item in one.missing] == ["Приложено", "Приложено"]


def test_saving_changes_the_given_fields_alone_and_raises_the_revision():
    one = case()
    (event,) = request.save(one, AUTHOR, 0, RequestFields(question="Новый вопрос", surname="Новиков"), AT)
    assert (one.question, one.patient.surname, one.diagnosis_code) == ("Новый вопрос", "Новиков", "C34.1")
    assert (one.revision, event.revision, sorted(event.fields)) == (1, 1, ["question", "surname"])


def test_saving_what_is_already_there_is_no_event():
    one = case()
    assert request.save(one, AUTHOR, 0, RequestFields(question="Тактика?"), AT) == []
    assert one.revision == 0


def test_accepted_refused_and_cancelled_end_where_they_say():
    accepted, declined, cancelled = case(S.SENT), case(S.ACCEPTED), case(S.DRAFT)
    request.accept(accepted, COORDINATOR)
    request.refuse(declined, COORDINATOR, "not_our_profile", "Не наш профиль")
    request.cancel(cancelled, AUTHOR, "Пациент отказался")
    assert (accepted.status, declined.status, cancelled.status) == (S.ACCEPTED, S.REFUSED, S.CANCELLED)
    assert (declined.closed_reason_code, cancelled.closed_reason) == ("not_our_profile", "Пациент отказался")


@pytest.mark.parametrize(
    "snils,valid",
    [
        ("11223344595", True),
        ("08765430300", True),
        ("11223344594", False),
        ("1122334459", False),
        ("1122334459٥", False),
        ("00000000101", True),
    ],
)
def test_the_check_digits_of_a_snils(snils, valid):
    assert request.snils_is_valid(snils) is valid


def test_errors_are_of_the_kinds_that_edges_expect():
    assert issubclass(type(refused("forbidden", request.accept, case(S.SENT), AUTHOR)), Forbidden)
    assert issubclass(type(refused("wrong_step", request.accept, case(S.ACCEPTED), COORDINATOR)), Conflict)
    assert issubclass(type(refused("field_required", send, case(question=""))), Invalid)


def test_an_oncological_request_does_not_leave_without_the_snils_the_registry_will_ask_for():
    one = case(wants_kind="oncological")
    one.patient.snils = ""
    assert "snils" in request.missing_to_send(one)
    one.wants_kind = "general"
    assert "snils" not in request.missing_to_send(one)
    one.wants_kind, one.patient.snils = "oncological", "11223344595"
    assert "snils" not in request.missing_to_send(one)


@pytest.mark.parametrize(
    "who,status,code",
    [
        (STRANGER, S.ACCEPTED, "forbidden"),
        (REGISTRAR, S.ACCEPTED, "forbidden"),
        (AUTHOR, S.DRAFT, "forbidden"),
        (AUTHOR, S.SEALED, "forbidden"),
    ],
)
def test_what_the_registry_asks_for_is_filled_in_by_those_who_take_part_until_the_seal(who, status, code):
    refused(code, request.complete, case(status), who, None, RequestFields(severity_code="1"), AT)


def test_the_question_is_not_changed_under_the_name_of_completing_the_record():
    wanted = RequestFields(severity_code="1", question="Другой вопрос")
    error = refused("invalid_field", request.complete, case(S.ACCEPTED), AUTHOR, None, wanted, AT)
    assert error.details == {"field": "question"}


def test_a_code_that_no_dictionary_knows_is_not_taken():
    wanted = RequestFields(card_code="3")
    refused("unknown_code", request.complete, case(S.ACCEPTED), AUTHOR, None, wanted, AT)


def test_the_author_the_coordinator_and_the_chair_fill_in_and_it_is_journaled():
    one = case(S.SCHEDULED)
    chair = person(RECEIVER, "doctor")
    meeting = consilium(seat("chair", who=chair))
    fills = ((AUTHOR, None), (COORDINATOR, None), (chair, meeting))
    for who, held in fills:
        one.severity_code = ""
        (event,) = request.complete(one, who, held, RequestFields(severity_code="2", region_code="66"), AT)
        assert event.person == who.id
    assert (one.severity_code, one.patient.place.region.code) == ("2", "66")
    assert request.complete(one, AUTHOR, None, RequestFields(severity_code="2"), AT) == []
