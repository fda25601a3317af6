"""Composition by the rules of the kind and of the body, by date (AD-01, AD-02). Refusals first."""

from dataclasses import replace
from datetime import timedelta
from uuid import uuid4

import pytest

from consilium.errors import ConsiliumError
from consilium.model import CaseStatus, ConsiliumStatus
from consilium.rules import schedule
from tests.rules.makers import (
    AT,
    COORDINATOR,
    RECEIVER,
    SENDER,
    THIRD,
    body,
    case,
    consilium,
    member,
    person,
    plan,
    seat,
    sitting,
    stay,
)

S = CaseStatus


def refused(code: str, action, *args, **kwargs) -> ConsiliumError:
    with pytest.raises(ConsiliumError) as caught:
        action(*args, **kwargs)
    assert caught.value.code == code
    return caught.value


def broken(wanted, rule: str) -> ConsiliumError:
    """The composition of a plan is refused by this rule."""
    error = refused("composition_invalid", schedule.check_composition, wanted, wanted.sittings)
    assert error.details["rule"] == rule
    return error


def board(*more, kind: str = "general", **changes):
    return plan(kind, sitting("chair"), sitting("member"), sitting("member"), *more, **changes)


# --- composition ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "wanted,rule",
    [
        (plan("general", sitting("member"), sitting("member")), "required_role"),
        (plan("general", sitting("chair"), sitting("secretary")), "minimum"),
        (plan("general", sitting("chair"), sitting("chair"), sitting("member")), "one_of_role"),
        (plan("general", sitting("chair"), sitting("deputy"), sitting("deputy")), "one_of_role"),
        (plan("general", sitting("chair"), sitting("member"), sitting("consultant")), "role_not_allowed"),
        (plan("oncological", sitting("chair"), sitting("member")), "minimum"),
        (plan("oncological", sitting("chair"), sitting("member"), sitting("expert")), "minimum"),
        (plan("consultation", sitting("consultant")), "required_role"),
        (plan("consultation", sitting("attending"), sitting("expert")), "required_role"),
        (plan("consultation", sitting("consultant"), sitting("consultant")), "required_role"),
        (
            plan("consultation", sitting("consultant"), sitting("attending"), sitting("chair")),
            "role_not_allowed",
        ),
        (
            plan(
                "consultation",
                sitting("consultant"),
                sitting("attending"),
                cases=[case(S.ACCEPTED), case(S.ACCEPTED)],
            ),
            "one_case",
        ),
        (plan("commission", sitting("chair"), sitting("deputy"), sitting("secretary")), "body_required"),
        (plan("commission", sitting("chair"), sitting("deputy"), sitting("member")), "required_role"),
        (board(sitting("member", person(active=False))), "person_inactive"),
        (board(body=body()), "body_not_for_this_kind"),
    ],
)
def test_a_composition_that_breaks_a_rule_is_refused_by_its_name(wanted, rule):
    broken(wanted, rule)


def test_nobody_sits_twice():
    who = person()
    wanted = board(sitting("secretary", who), sitting("expert", who))
    refused("seat_taken", schedule.check_composition, wanted, wanted.sittings)


def test_the_refusal_says_how_many_there_are_and_how_many_it_takes():
    assert broken(plan("oncological", sitting("chair"), sitting("member")), "minimum").details["have"] == 2


@pytest.mark.parametrize("kind", ["general", "oncological"])
def test_a_board_of_three_may_meet(kind):
    wanted = board(sitting("secretary"), sitting("expert"), sitting("observer"), kind=kind)
    schedule.check_composition(wanted, wanted.sittings)


# --- bodies by date -------------------------------------------------------------------------------

CHAIR, DEPUTY, SECRETARY, FIRST, SECOND, SUBSTITUTE = (person() for _ in range(6))
COMMISSION = body(
    member(CHAIR, "chair"),
    member(DEPUTY, "deputy"),
    member(SECRETARY, "secretary"),
    member(FIRST),
    member(SECOND, until=10),
    member(SUBSTITUTE, instead=FIRST),
)
PEOPLE = {one.id: one for one in (CHAIR, DEPUTY, SECRETARY, FIRST, SECOND, SUBSTITUTE)}


def commission(*sittings, days: int = 0):
    return plan("commission", *sittings, body=COMMISSION, scheduled_at=AT + timedelta(days=days))


def completed(wanted):
    lookup = {key: (one, sitting("member", one).organisation) for key, one in PEOPLE.items()}
    author = wanted.cases[0].author_id
    lookup[author] = (person(SENDER, id=author), sitting("member").organisation)
    return schedule.completed(wanted, lookup)


FULL = [
    sitting("chair", CHAIR),
    sitting("deputy", DEPUTY),
    sitting("secretary", SECRETARY),
    sitting("member", FIRST),
    sitting("member", SECOND),
]


@pytest.mark.parametrize(
    "sittings,days,rule",
    [
        ([*FULL, sitting("member")], 0, "not_a_member_on_this_date"),
        (FULL, 11, "not_a_member_on_this_date"),
        (FULL, -150, "not_a_member_on_this_date"),
        ([*FULL[:3], sitting("deputy", FIRST)], 0, "role_differs_from_body"),
        ([*FULL, sitting("member", SUBSTITUTE)], 0, "member_and_substitute"),
    ],
)
def test_a_commission_sits_as_its_body_stands_on_that_day(sittings, days, rule):
    broken(commission(*sittings, days=days), rule)


def test_members_who_were_not_named_are_added_because_they_count():
    roles = {one.person.id: one.role for one in completed(commission(*FULL[:1]))}
    assert roles.pop(next(key for key in roles if key not in PEOPLE)) == "attending"
    assert roles == {
        CHAIR.id: "chair",
        DEPUTY.id: "deputy",
        SECRETARY.id: "secretary",
        FIRST.id: "member",
        SECOND.id: "member",
    }


def test_a_substitute_stands_in_for_his_member():
    wanted = commission(sitting("chair", CHAIR), sitting("member", SUBSTITUTE))
    sittings = completed(wanted)
    assert FIRST.id not in {one.person.id for one in sittings}
    schedule.check_composition(wanted, sittings)


def test_a_member_whose_term_is_over_is_not_added():
    sittings = completed(commission(*FULL[:1], days=20))
    assert SECOND.id not in {one.person.id for one in sittings}


def test_an_expert_and_the_attending_doctor_need_no_membership():
    wanted = commission(*FULL, sitting("expert"), sitting("attending"))
    schedule.check_composition(wanted, wanted.sittings)


@pytest.mark.parametrize(
    "members,rule",
    [
        ([member(CHAIR, "chair"), member(DEPUTY, "deputy")], "required_role"),
        ([member(CHAIR, "chair"), member(FIRST), member(SECRETARY, "secretary")], "required_role"),
        ([member(CHAIR, "chair"), member(DEPUTY, "chair"), *COMMISSION.members[1:3]], "person_twice"),
        ([*COMMISSION.members[:3], member(FIRST, "chair")], "one_of_role"),
        ([*COMMISSION.members[:3], member(SUBSTITUTE, instead=SECOND)], "deputises_for_nobody"),
        ([*COMMISSION.members[:3], member(FIRST, since=0, until=-1)], "term_ends_before_it_begins"),
    ],
)
def test_a_body_that_180n_does_not_know_is_not_established(members, rule):
    error = refused("composition_invalid", schedule.check_body, body(*members))
    assert error.details["rule"] == rule


def test_a_commission_may_have_several_deputies():
    schedule.check_body(body(*COMMISSION.members[:3], member(FIRST, "deputy")))


# --- planning -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "when", [AT - timedelta(minutes=16), AT + timedelta(days=400), AT.replace(tzinfo=None)]
)
def test_a_consilium_is_not_planned_into_the_past_or_the_far_future(when):
    refused("invalid_field", schedule.check_time, when, AT)


@pytest.mark.parametrize(
    "status", [S.SENT, S.RETURNED, S.SCHEDULED, S.DECIDED, S.REFUSED, S.CANCELLED, S.SEALED]
)
def test_only_accepted_cases_are_planned(status):
    refused("wrong_step", schedule.check_cases, board(cases=[case(status)]), COORDINATOR)


def test_cases_of_another_organisation_do_not_exist():
    foreign = case(S.ACCEPTED, receiver_id=THIRD)
    refused("not_found", schedule.check_cases, board(cases=[foreign]), COORDINATOR)


def test_the_same_case_is_not_heard_twice():
    one = case(S.ACCEPTED)
    refused("duplicate", schedule.check_cases, board(cases=[one, one]), COORDINATOR)


def test_a_goal_that_only_a_consilium_decides_is_not_brought_before_a_commission():
    wanted = commission(*FULL)
    error = refused(
        "composition_invalid",
        schedule.check_cases,
        replace(wanted, cases=[case(S.ACCEPTED, goal_code="5")]),
        COORDINATOR,
    )
    assert error.details["rule"] == "goal_not_for_kind"


@pytest.mark.parametrize(
    "kind,organisation,held",
    [
        ("general", RECEIVER, True),
        ("general", SENDER, True),
        ("general", THIRD, False),
        ("commission", SENDER, False),
    ],
)
def test_the_own_or_the_sending_organisation_registers_but_a_commission_its_own(kind, organisation, held):
    wanted = board(kind=kind, organisation_id=organisation)
    if held:
        schedule.check_registering(wanted, COORDINATOR)
    else:
        refused("invalid_field", schedule.check_registering, wanted, COORDINATOR)


def test_a_doctor_without_the_duty_does_not_plan():
    wanted = board()
    refused("forbidden", schedule.schedule, wanted, wanted.sittings, person(RECEIVER), "КС-1", AT)


def test_planning_takes_the_cases_and_seats_people_in_the_order_of_their_roles():
    expert_on = case(S.ACCEPTED)
    wanted = board(
        sitting("expert", case_ids=(expert_on.id,)), sitting("secretary"), cases=[case(S.ACCEPTED), expert_on]
    )
    meeting, (event,), told = schedule.schedule(wanted, wanted.sittings, COORDINATOR, "КС-2026-000001", AT)
    assert [one.role for one in meeting.seats] == ["chair", "secretary", "member", "member", "expert"]
    assert [one.order for one in meeting.seats] == [1, 2, 3, 4, 5]
    assert meeting.seats[-1].invited_items == [meeting.agenda[1].id]
    assert [one.status for one in wanted.cases] == [S.SCHEDULED, S.SCHEDULED]
    assert (event.cases, event.seats, len(told)) == (2, 5, 2)


def test_of_several_cases_each_attending_doctor_is_invited_to_his_own():
    first, second = case(S.ACCEPTED), case(S.ACCEPTED, author_id=uuid4())
    wanted = board(cases=[first, second])
    lookup = {
        one.author_id: (person(SENDER, id=one.author_id), sitting("member").organisation)
        for one in wanted.cases
    }
    added = {one.case_ids: one.role for one in schedule.completed(wanted, lookup) if one.case_ids}
    assert added == {(first.id,): "attending", (second.id,): "attending"}


def test_a_doctor_who_asked_about_two_cases_is_invited_to_these_two():
    first, other = case(S.ACCEPTED), case(S.ACCEPTED, author_id=uuid4())
    second = case(S.ACCEPTED, author_id=first.author_id)
    wanted = board(cases=[first, second, other])
    lookup = {
        one.author_id: (person(SENDER, id=one.author_id), sitting("member").organisation)
        for one in wanted.cases
    }
    added = schedule.completed(wanted, lookup)[len(wanted.sittings) :]
    assert [one.case_ids for one in added] == [(first.id, second.id), (other.id,)]


def test_whoever_already_sits_is_not_added_as_attending_doctor():
    author = person(SENDER)
    wanted = board(sitting("expert", author), cases=[case(S.ACCEPTED, author_id=author.id)])
    assert len(schedule.completed(wanted, {})) == len(wanted.sittings)


# --- changing -------------------------------------------------------------------------------------


def meeting(status=ConsiliumStatus.PLANNED):
    return consilium(seat("chair"), seat("member", 2), seat("member", 3), status=status)


def seats_of(one):
    return [sitting(each.role, person(id=each.person_id)) for each in one.seats]


@pytest.mark.parametrize("status", [ConsiliumStatus.OPEN, ConsiliumStatus.CLOSED, ConsiliumStatus.CANCELLED])
def test_what_has_begun_or_ended_is_neither_moved_nor_cancelled(status):
    one = meeting(status)
    refused("wrong_step", schedule.reschedule, one, [], AT, 30, AT)
    refused("wrong_step", schedule.cancel, one, [], "Нет кворума")


def test_a_cancellation_needs_a_reason():
    refused("reason_required", schedule.cancel, meeting(), [], "  ")


def test_a_stale_plan_shows_the_current_one():
    one = meeting()
    one.revision = 3
    error = refused("stale_revision", schedule.require_revision, one, 2)
    assert error.details["current"]["duration_minutes"] == 30


def test_in_a_running_consilium_nobody_is_moved_or_taken_away():
    one = meeting(ConsiliumStatus.OPEN)
    fewer = seats_of(one)[:2]
    refused("wrong_step", schedule.change_seats, one, board(), fewer)
    moved = [replace(each, role="member") for each in seats_of(one)]
    refused("wrong_step", schedule.change_seats, one, board(), moved)


def test_somebody_who_was_inside_stays_on_the_list():
    one = meeting()
    one.attendance.append(stay(one.seats[1], 0, 5))
    others = [*seats_of(one)[:1], *seats_of(one)[2:], sitting("member")]
    refused("wrong_step", schedule.change_seats, one, board(), others)


def test_a_late_expert_joins_a_running_consilium_at_the_end_of_the_list():
    one = meeting(ConsiliumStatus.OPEN)
    before = [each.id for each in one.seats]
    schedule.change_seats(one, board(), [*seats_of(one), sitting("expert")])
    assert [each.id for each in one.seats][:3] == before
    assert (one.seats[3].role, one.seats[3].order) == ("expert", 4)


def test_whoever_keeps_his_place_keeps_his_seat():
    one = meeting()
    ids = {each.person_id: each.id for each in one.seats}
    schedule.change_seats(one, board(), [*seats_of(one)[:2], sitting("member"), sitting("secretary")])
    assert len(one.seats) == 4
    assert one.seats[0].id == ids[one.seats[0].person_id]
    assert one.revision == 1


def test_a_cancelled_consilium_gives_its_cases_back():
    one, waiting = meeting(), case(S.SCHEDULED)
    waiting.consilium_id = one.id
    _, told = schedule.cancel(one, [waiting], "Председатель болен")
    assert (one.status, waiting.status, waiting.consilium_id) == (
        ConsiliumStatus.CANCELLED,
        S.ACCEPTED,
        None,
    )
    assert [type(event).__name__ for event in told[waiting.id]] == ["CasePostponed"]


def test_only_coordinators_of_the_organiser_change_a_plan():
    one = meeting()
    insider = person(RECEIVER, id=one.seats[1].person_id)
    refused("forbidden", schedule.require_organiser, one, insider)
    refused("not_found", schedule.require_organiser, one, person(THIRD, "coordinator"))
    schedule.require_organiser(one, COORDINATOR)
