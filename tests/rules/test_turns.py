"""Who signs when, until when, who is reminded (SG-03, SG-10). Refusals first."""

from datetime import UTC, date, datetime, timedelta
from uuid import uuid4

import pytest

from consilium.errors import ConsiliumError
from consilium.events import SignerReminded, TurnsOpened
from consilium.model import SignatureStatus
from consilium.rules import signing, turns
from tests.rules.makers import AT, body, consilium, protocol, seat, signature

S = SignatureStatus


def board(order: str = "parallel", days: int = 3, kind: str = "general", roles=None):
    """A frozen protocol with its consilium: two members, secretary, chair, seated in the order of `roles`."""
    seats = [seat(role, place) for place, role in enumerate(roles or ROLES, 1)]
    meeting = consilium(*seats, kind=kind)
    rows = [
        signature(one.person_id, seat_id=one.id, role=one.role, order=place)
        for place, one in enumerate(seats, 1)
    ]
    paper = protocol(*rows, frozen_at=AT)
    meeting.chair_seat_id = next(one.id for one in seats if one.role in {"chair", "consultant"})
    turns.arrange(paper, meeting, order, days)
    return paper, {one.role + str(one.order): one for one in rows}


ROLES = ("chair", "secretary", "member", "member")


def refused(code: str, action, *args) -> ConsiliumError:
    with pytest.raises(ConsiliumError) as caught:
        action(*args)
    assert caught.value.code == code
    return caught.value


@pytest.mark.parametrize(
    "order,steps",
    [
        ("parallel", {"chair1": 1, "secretary2": 1, "member3": 1, "member4": 1}),
        ("sequential", {"member3": 1, "member4": 2, "secretary2": 3, "chair1": 4}),
        ("by_step", {"member3": 1, "member4": 1, "secretary2": 2, "chair1": 3}),
    ],
)
def test_an_order_gives_every_signer_his_step(order, steps):
    _, rows = board(order)
    assert {name: row.step for name, row in rows.items()} == steps


def test_steps_without_a_secretary_have_no_gap():
    _, rows = board("by_step", roles=("chair", "member"))
    assert {name: row.step for name, row in rows.items()} == {"member2": 1, "chair1": 2}


def test_who_acts_as_chair_signs_last():
    seats = [seat("deputy", 1), seat("member", 2)]
    rows = [
        signature(one.person_id, seat_id=one.id, role=one.role, order=one.order, id=uuid4()) for one in seats
    ]
    paper = protocol(*rows)
    turns.arrange(paper, consilium(*seats, chair_seat_id=seats[0].id), "by_step", 3)
    assert [row.step for row in rows] == [2, 1]


def test_a_signer_out_of_turn_is_refused_and_told_whom_he_waits_for():
    paper, rows = board("by_step")
    error = refused("not_your_turn", signing.require_may_sign, paper, rows["secretary2"].person_id)
    assert error.details["waits_for"] == [str(rows[one].person_id) for one in ("member3", "member4")]
    refused("not_your_turn", signing.begin, paper, rows["chair1"].person_id, "challenge", AT)
    assert rows["chair1"].challenge == ""


def test_the_next_may_sign_when_those_before_him_signed_or_were_released():
    paper, rows = board("by_step")
    rows["member3"].status = S.SIGNED
    refused("not_your_turn", turns.require_turn, paper, rows["secretary2"])
    rows["member4"].status = S.RELEASED
    turns.require_turn(paper, rows["secretary2"])
    refused("not_your_turn", turns.require_turn, paper, rows["chair1"])


def test_a_row_of_a_fallen_version_holds_nobody_up():
    paper, rows = board("by_step")
    old = signature(uuid4(), version=0, role="member", order=9)
    paper.signatures.append(old)
    for name in ("member3", "member4"):
        rows[name].status = S.SIGNED
    assert turns.ahead_of(paper, rows["secretary2"]) == []


def test_only_those_whose_turn_it_is_get_a_deadline_and_they_get_it_once():
    paper, rows = board("by_step")
    fresh, (event,) = turns.open_turns(paper, AT)
    assert fresh == [rows["member3"], rows["member4"]]
    assert isinstance(event, TurnsOpened)
    assert event.people == [rows["member3"].person_id, rows["member4"].person_id]
    assert turns.open_turns(paper, AT + timedelta(hours=1)) == ([], [])
    rows["member3"].status = rows["member4"].status = S.SIGNED
    later = AT + timedelta(days=1)
    fresh, _ = turns.open_turns(paper, later)
    assert fresh == [rows["secretary2"]]
    assert rows["secretary2"].due_at == turns.deadline(later, 3)


def test_the_bodys_order_goes_before_the_kinds_and_the_freezings_before_both():
    meeting = consilium(seat("chair"), kind="commission")
    own = body()
    own.signing_order, own.signing_days = "sequential", 5
    assert (turns.order_of(meeting, own), turns.days_of(meeting, own)) == ("sequential", 5)
    assert turns.order_of(meeting, own, "by_step") == "by_step"
    assert (turns.order_of(meeting, None), turns.days_of(meeting, None)) == ("parallel", 3)


# 23.11.2026 is a Monday; AT is noon in Moscow.
@pytest.mark.parametrize(
    "start,days,last",
    [
        (date(2026, 11, 23), 1, date(2026, 11, 24)),
        (date(2026, 11, 23), 5, date(2026, 11, 30)),
        (date(2026, 11, 27), 1, date(2026, 11, 30)),
        (date(2026, 12, 31), 1, date(2027, 1, 11)),
        (date(2026, 11, 3), 1, date(2026, 11, 5)),
    ],
)
def test_deadlines_count_working_days(start, days, last):
    assert turns.working_day(start, days) == last


def test_a_deadline_is_the_end_of_a_working_day_in_moscow():
    assert turns.deadline(AT, 1) == datetime(2026, 11, 24, 15, 0, tzinfo=UTC)
    # One in the night in Moscow is the next day already.
    assert turns.deadline(datetime(2026, 11, 23, 22, 0, tzinfo=UTC), 1) == datetime(
        2026, 11, 25, 15, 0, tzinfo=UTC
    )


def test_notices_come_on_the_last_morning_at_the_end_and_every_working_morning_then_stop():
    due = turns.deadline(AT, 4)  # Friday
    found = [turns.next_notice(due, count) for count in range(turns.MOST_REMINDERS + 1)]
    assert [one.strftime("%d %H") for one in found[:4]] == ["27 06", "27 15", "30 06", "01 06"]
    assert found[-1] is None


def reminding(at):
    paper, rows = board(days=1)
    turns.open_turns(paper, AT)
    row = rows["member3"]
    return paper, row, lambda number, moment=at: turns.remind(paper, row, number, moment)


def test_a_notice_is_given_once_and_never_early():
    due = turns.deadline(AT, 1)
    _, row, remind = reminding(due)
    assert remind(0, AT) == []
    (event,) = remind(0, turns.next_notice(due, 0))
    assert isinstance(event, SignerReminded)
    assert (event.number, event.overdue, row.reminders) == (1, False, 1)
    assert remind(0) == []
    (late,) = remind(1)
    assert (late.number, late.overdue) == (2, True)


@pytest.mark.parametrize("status", set(S) - {S.AWAITED})
def test_who_has_decided_is_not_reminded(status):
    _, row, remind = reminding(turns.deadline(AT, 1))
    row.status = status
    assert remind(0) == []


def test_a_signer_of_a_fallen_version_is_not_reminded():
    paper, _, remind = reminding(turns.deadline(AT, 1))
    paper.version += 1
    assert remind(0) == []


def test_a_secretary_is_late_only_after_the_deadline():
    paper, rows = board(days=1)
    turns.open_turns(paper, AT)
    due = turns.deadline(AT, 1)
    assert not turns.overdue(rows["secretary2"], due - timedelta(seconds=1))
    assert turns.overdue(rows["secretary2"], due)
    assert turns.waiting_for(paper) == paper.current_signatures()
