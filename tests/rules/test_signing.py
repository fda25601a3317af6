"""Who attended, who writes, who signs, what falls, what completes (SG-01, SG-08, SG-12). Refusals first."""

from datetime import timedelta
from uuid import uuid4

import pytest

from consilium.errors import ConsiliumError
from consilium.events import DissentReleased, SignerReleased, SigningCompleted
from consilium.model import Dissent, DissentPaper, ProtocolStatus, Recusal, SignatureStatus
from consilium.model.meeting import Admission
from consilium.rules import protocol as rules
from consilium.rules import signing
from tests.rules.makers import AT, SENDER, case, consilium, person, protocol, seat, signature, stay

P = ProtocolStatus
CHAIR, ANNA, BORIS = uuid4(), uuid4(), uuid4()


def refused(code: str, action, *args, **kwargs) -> ConsiliumError:
    with pytest.raises(ConsiliumError) as caught:
        action(*args, **kwargs)
    assert caught.value.code == code
    return caught.value


def paper(who, version: int = 1, **changes) -> DissentPaper:
    values = {
        "id": uuid4(),
        "version": version,
        "dissent_id": uuid4(),
        "seat_id": uuid4(),
        "person_id": who,
        "order": 1,
        "document": b"<dissent/>",
        "digest": "cd" * 32,
    }
    return DissentPaper(**(values | changes))


def sign(one, who):
    row = signing.require_may_sign(one, who)
    return signing.attach(one, row, b"cms", b"certificate", "ef" * 32, AT)


# --- attendance -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "intervals,minutes",
    [
        ([], []),
        ([(-20, -1)], []),
        ([(-20, 0)], []),
        ([(30, 40)], []),
        ([(31, None)], []),
        ([(-5, 10)], [(0, 10)]),
        ([(5, None)], [(5, 30)]),
        ([(5, 90)], [(5, 30)]),
        ([(0, 10), (12, 20)], [(0, 10), (12, 20)]),
        ([(12, 20), (0, 12)], [(0, 20)]),
        ([(0, 15), (10, 20)], [(0, 20)]),
    ],
)
def test_attendance_is_what_the_stays_and_the_item_have_in_common(intervals, minutes):
    one = seat("member")
    meeting = consilium(one)
    meeting.attendance = [stay(one, start, stop) for start, stop in intervals]
    found = rules.stays(meeting, one.id, meeting.agenda[0], AT + timedelta(hours=2))
    assert found == [(AT + timedelta(minutes=a), AT + timedelta(minutes=b)) for a, b in minutes]


def test_an_item_that_was_never_opened_nobody_attended():
    one = seat("member")
    meeting = consilium(one)
    meeting.attendance = [stay(one, 0, 30)]
    meeting.agenda[0].opened_at = None
    assert rules.stays(meeting, one.id, meeting.agenda[0], AT) == []


def test_only_those_sign_who_were_there_when_the_case_was_heard():
    seats = [
        seat(role, order) for order, role in enumerate(("chair", "deputy", "member", "member", "observer"), 1)
    ]
    chair, deputy, early, recused, observer = seats
    meeting = consilium(*seats)
    meeting.attendance = [
        stay(chair, 0, 30),
        stay(early, -30, -1),
        stay(recused, 0, 30),
        stay(observer, 0, 30),
    ]
    meeting.recusals = [
        Recusal(id=uuid4(), item_id=meeting.agenda[0].id, seat_id=recused.id, reason="родство", at=AT)
    ]
    assert rules.signers(meeting, meeting.agenda[0], AT) == [chair]
    meeting.attendance.append(stay(deputy, 29, 30))
    assert rules.signers(meeting, meeting.agenda[0], AT) == [chair, deputy]


def test_in_a_consultation_consultant_and_attending_doctor_sign():
    consultant, attending, expert = seat("consultant"), seat("attending", 2), seat("expert", 3)
    meeting = consilium(consultant, attending, expert, kind="consultation")
    meeting.attendance = [stay(one, 0, 30) for one in meeting.seats]
    assert rules.signers(meeting, meeting.agenda[0], AT) == [consultant, attending]


def test_a_withdrawn_opinion_stands_no_more():
    first, second = seat("member", 2), seat("member", 1)
    meeting = consilium(first, second)
    item = meeting.agenda[0].id

    def opinion(one, **changes):
        values = {
            "id": uuid4(),
            "item_id": item,
            "seat_id": one.id,
            "ballot_id": None,
            "text": "Нет",
            "written_at": AT,
        }
        return Dissent(**(values | changes))

    meeting.dissents = [
        opinion(first),
        opinion(second),
        opinion(second, withdrawn=True),
        opinion(first, item_id=uuid4()),
    ]
    assert [one.seat_id for one in rules.standing_dissents(meeting, meeting.agenda[0])] == [
        second.id,
        first.id,
    ]


# --- who writes and who sees ----------------------------------------------------------------------


@pytest.mark.parametrize("role", ["deputy", "member", "attending", "expert", "observer"])
def test_members_watch_and_do_not_write(role):
    watching = seat(role, 2)
    meeting = consilium(seat("chair"), watching)
    refused("not_your_role", rules.require_editor, meeting, watching.person_id)
    refused("not_your_role", rules.require_chair, meeting, watching.person_id)


def test_without_a_seat_there_is_no_protocol_to_write():
    refused("not_found", rules.require_editor, consilium(seat("chair")), uuid4())
    refused("not_found", rules.require_editor, consilium(seat("chair")), None)


def test_a_secretary_who_never_came_in_does_not_write():
    absent = seat("secretary", 2, admission=Admission.OUTSIDE)
    refused("not_your_role", rules.require_editor, consilium(seat("chair"), absent), absent.person_id)


def test_chair_secretary_and_acting_deputy_write():
    chair, deputy, secretary = seat("chair"), seat("deputy", 2), seat("secretary", 3)
    meeting = consilium(chair, deputy, secretary)
    for one in (chair, secretary):
        rules.require_editor(meeting, one.person_id)
    meeting.chair_seat_id = deputy.id
    for one in (chair, deputy, secretary):
        rules.require_editor(meeting, one.person_id)
    rules.require_chair(meeting, deputy.person_id)
    refused("not_your_role", rules.require_chair, meeting, secretary.person_id)


@pytest.mark.parametrize(
    "admission,stayed,sees",
    [
        (Admission.OUTSIDE, False, False),
        (Admission.WAITING, False, False),
        (Admission.DENIED, False, False),
        (Admission.DENIED, True, True),
        (Admission.ADMITTED, False, True),
    ],
)
def test_a_protocol_is_seen_by_who_took_part(admission, stayed, sees):
    one = seat("member", who=person(SENDER), admission=admission)
    meeting = consilium(one)
    meeting.attendance = [stay(one, 0, 5)] if stayed else []
    assert rules.took_part(meeting, meeting.agenda[0], one.person_id) is sees


def test_an_expert_sees_the_protocol_of_his_case_alone():
    one = seat("expert", invited_items=[uuid4()])
    assert not rules.took_part(consilium(one), consilium(one).agenda[0], one.person_id)


@pytest.mark.parametrize(
    "who,sees",
    [
        (person(duties=["coordinator"]), True),
        (person(duties=["registrar"]), True),
        (person(duties=["doctor", "admin"]), False),
        (person(SENDER, "coordinator"), False),
    ],
)
def test_those_who_register_see_it_and_other_colleagues_do_not(who, sees):
    meeting = consilium(seat("chair"))
    assert rules.sees_protocol(meeting, meeting.agenda[0], case(), who) is sees


def test_the_doctor_who_asked_sees_the_answer():
    asked = case()
    meeting = consilium(seat("chair"))
    assert rules.sees_protocol(meeting, meeting.agenda[0], asked, person(SENDER, id=asked.author_id))


# --- signing: refused -----------------------------------------------------------------------------


def test_a_draft_is_not_frozen_without_anybody_to_sign_it():
    one = protocol(status=P.DRAFTING)
    refused("protocol_incomplete", rules.freeze, one, uuid4(), b"x", "ab" * 32, [], [], CHAIR, AT)
    assert one.status is P.DRAFTING


@pytest.mark.parametrize("status", set(P) - {P.DRAFTING})
def test_frozen_bytes_are_not_frozen_again(status):
    one = protocol(status=status)
    refused("draft_frozen", rules.freeze, one, uuid4(), b"x", "ab" * 32, [seat("chair")], [], CHAIR, AT)


@pytest.mark.parametrize("status", set(P) - {P.SIGNING})
def test_outside_of_signing_nothing_is_signed_declined_or_released(status):
    row = signature(ANNA)
    one = protocol(row, signature(BORIS), status=status)
    refused("wrong_step", signing.begin, one, ANNA, "challenge", AT)
    refused("wrong_step", signing.require_may_sign, one, ANNA)
    refused("wrong_step", rules.decline, one, ANNA, "Не согласна", AT)
    refused("wrong_step", signing.release, one, row.id, CHAIR, "Отпуск", AT)


def test_nobody_signs_who_is_not_among_the_signers():
    one = protocol(signature(ANNA))
    refused("not_a_signer", signing.begin, one, BORIS, "challenge", AT)
    refused("not_a_signer", signing.require_may_sign, one, BORIS)
    refused("not_a_signer", rules.decline, one, BORIS, "Не согласен", AT)


def test_a_row_of_a_fallen_version_is_no_right_to_sign():
    refused("not_a_signer", signing.require_may_sign, protocol(signature(ANNA, 1), version=2), ANNA)


@pytest.mark.parametrize(
    "status,code",
    [
        (SignatureStatus.SIGNED, "already_signed"),
        (SignatureStatus.DECLINED, "already_decided"),
        (SignatureStatus.RELEASED, "already_decided"),
    ],
)
def test_a_decision_is_made_once(status, code):
    one = protocol(signature(ANNA, status=status), signature(BORIS))
    refused(code, signing.require_may_sign, one, ANNA)
    refused(code, rules.decline, one, ANNA, "Передумала", AT)
    refused("already_decided", signing.begin, one, ANNA, "challenge", AT)


def begun():
    one = protocol(signature(ANNA))
    signing.begin(one, ANNA, "challenge", AT.replace(microsecond=123456))
    return one, one.signatures[0]


@pytest.mark.parametrize(
    "challenge,digest,minutes,code",
    [
        ("another", "ab" * 32, 1, "challenge_expired"),
        ("", "ab" * 32, 1, "challenge_expired"),
        ("challenge", "ab" * 32, 11, "challenge_expired"),
        ("challenge", "00" * 32, 1, "digest_mismatch"),
    ],
)
def test_a_signature_answers_a_fresh_challenge_over_the_frozen_digest(challenge, digest, minutes, code):
    one, row = begun()
    at = AT + timedelta(minutes=minutes)
    refused(code, signing.require_challenge, row, challenge, digest, one.digest, at)


def test_without_a_challenge_given_no_empty_one_is_accepted():
    one = protocol(signature(ANNA))
    refused("challenge_expired", signing.require_challenge, one.signatures[0], "", one.digest, one.digest, AT)


def test_a_used_challenge_is_spent():
    one, row = begun()
    sign(one, ANNA)
    refused("challenge_expired", signing.require_challenge, row, "challenge", one.digest, one.digest, AT)


def test_the_chair_gives_a_reason_and_does_not_release_himself_or_the_last_one():
    first, second = signature(ANNA), signature(BORIS)
    one = protocol(first, second)
    refused("reason_required", signing.release, one, first.id, CHAIR, " ", AT)
    refused("forbidden", signing.release, one, first.id, ANNA, "Отпуск", AT)
    refused("not_found", signing.release, one, uuid4(), CHAIR, "Отпуск", AT)
    signing.release(one, first.id, CHAIR, "Отпуск", AT)
    error = refused("wrong_step", signing.release, one, second.id, CHAIR, "Тоже отпуск", AT)
    assert error.details["status"] == "last_signer"


def test_an_opinion_is_signed_by_its_author_alone():
    own = paper(ANNA)
    one = protocol(signature(ANNA), signature(BORIS), dissents=[own])
    refused("not_a_signer", signing.dissent_of, one, own.dissent_id, BORIS)
    refused("not_found", signing.dissent_of, one, uuid4(), ANNA)
    assert signing.dissent_of(one, own.id, ANNA) is signing.dissent_of(one, own.dissent_id, ANNA)


@pytest.mark.parametrize("action", [rules.decline, rules.reopen])
def test_to_take_it_back_needs_words(action):
    one = protocol(signature(ANNA))
    arguments = (ANNA, " ", AT) if action is rules.decline else (ANNA, " ")
    refused("reason_required", action, one, *arguments)


def test_what_is_sealed_is_not_reopened():
    refused("wrong_step", rules.reopen, protocol(status=P.SEALED), CHAIR, "Ошибка")


@pytest.mark.parametrize("status", [P.DRAFTING, P.SIGNING])
def test_a_seal_needs_every_signature_before_it(status):
    refused("wrong_step", signing.seal, protocol(status=status), b"c", b"c", "ab" * 32, "cd" * 32, "p", AT)


# --- signing: allowed -----------------------------------------------------------------------------


def test_the_challenge_states_whole_seconds_and_the_first_opening_is_an_event():
    one, row = begun()
    assert row.challenge_at == AT
    assert signing.begin(one, ANNA, "second", AT) == []
    assert signing.require_challenge(row, "second", one.digest, one.digest, AT) == AT


def test_signatures_come_in_any_order_and_the_last_completes():
    one = protocol(signature(ANNA), signature(BORIS), signature(CHAIR))
    assert len(sign(one, BORIS)) == 1
    assert len(sign(one, CHAIR)) == 1
    last = sign(one, ANNA)
    assert isinstance(last[-1], SigningCompleted)
    assert one.status is P.SEALING


def test_an_unsigned_opinion_keeps_the_signing_open():
    own = paper(ANNA)
    one = protocol(signature(ANNA), signature(BORIS), dissents=[own])
    sign(one, ANNA)
    sign(one, BORIS)
    assert one.status is P.SIGNING
    events = signing.attach_dissent(one, own, b"cms", b"certificate", "ef" * 32, AT)
    assert isinstance(events[-1], SigningCompleted)


def test_releasing_the_last_who_is_waited_for_completes():
    waiting, own = signature(BORIS), paper(BORIS)
    one = protocol(signature(ANNA), waiting, dissents=[own])
    sign(one, ANNA)
    assert [type(event) for event in signing.release(one, waiting.id, CHAIR, "Отпуск", AT)] == [
        SignerReleased
    ]
    done = signing.release_dissent(one, own.id, CHAIR, "Отпуск", AT)
    assert [type(event) for event in done] == [DissentReleased, SigningCompleted]
    assert waiting.reason == own.reason == "Отпуск"


def test_after_a_decline_every_signature_of_the_version_falls_and_the_next_begins():
    rows = [signature(ANNA), signature(BORIS), signature(CHAIR)]
    one = protocol(*rows, dissents=[paper(ANNA, status=SignatureStatus.SIGNED)])
    sign(one, ANNA)
    sign(one, BORIS)
    (event,) = rules.decline(one, CHAIR, "Ошибка в диагнозе", AT)
    assert (event.fallen, event.version) == (3, 1)
    assert (one.status, one.version, one.document, one.digest) == (P.DRAFTING, 2, b"", "")
    assert one.current_signatures() == []
    assert rows[2].status is SignatureStatus.DECLINED
    assert rows[0].status is SignatureStatus.SIGNED


@pytest.mark.parametrize("status", [P.SIGNING, P.SEALING])
def test_chair_or_secretary_take_it_back_until_it_is_sealed(status):
    one = protocol(signature(ANNA, status=SignatureStatus.SIGNED), status=status)
    (event,) = rules.reopen(one, CHAIR, "Опечатка")
    assert (event.fallen, one.status, one.version) == (1, P.DRAFTING, 2)


def test_freezing_makes_one_row_for_each_signer_of_this_version():
    one = protocol(status=P.DRAFTING, version=3)
    seats = [seat("chair"), seat("member", 2)]
    (event,) = rules.freeze(one, uuid4(), b"bytes", "ab" * 32, seats, [], CHAIR, AT)
    assert [(row.version, row.person_id, row.order) for row in one.current_signatures()] == [
        (3, seats[0].person_id, 1),
        (3, seats[1].person_id, 2),
    ]
    assert (event.size, event.signers, one.document) == (5, 2, b"bytes")


def test_a_seal_told_twice_is_one_seal():
    one = protocol(signature(ANNA), status=P.SEALING)
    arguments = (b"cms", b"certificate", "ab" * 32, "cd" * 32, "package", AT)
    assert len(signing.seal(one, *arguments)) == 1
    assert signing.seal(one, *arguments) == []
