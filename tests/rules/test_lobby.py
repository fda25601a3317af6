"""Lobby, presence and the chair's succession. Refusals first."""

import pytest

from consilium.errors import Conflict, ConsiliumError, Forbidden, Invalid, NotFound
from consilium.model import Admission, ConsiliumStatus
from consilium.rules import access, lobby
from tests.rules.meetings import NOON, away, consilium, later, meeting, names, seat


def test_somebody_without_a_seat_does_not_learn_that_the_consilium_exists():
    with pytest.raises(NotFound):
        access.seat_of(consilium(), None)


def test_a_closed_consilium_is_not_entered():
    one = consilium()
    one.status = ConsiliumStatus.CLOSED
    with pytest.raises(Conflict, match="wrong_step"):
        lobby.enter(one, seat(one, "member"), NOON)


def test_a_waiting_person_is_not_inside():
    one = meeting()
    member = seat(one, "member")
    member.admission = Admission.WAITING
    with pytest.raises(Forbidden, match="not_admitted"):
        access.inside(one, member.person_id)


@pytest.mark.parametrize("role", ["member", "attending", "expert", "observer", "deputy"])
def test_only_the_acting_chair_and_the_secretary_admit(role):
    one = meeting()
    with pytest.raises(Forbidden, match="not_your_role"):
        access.must_be_officer(one, seat(one, role).person_id)


def test_nobody_is_admitted_who_has_not_knocked():
    one = meeting()
    member = seat(one, "member")
    member.admission = Admission.OUTSIDE
    with pytest.raises(Conflict, match="wrong_step"):
        lobby.admit(one, seat(one, "chair"), member, NOON)


def test_turning_away_needs_a_reason():
    one = meeting()
    with pytest.raises(Invalid, match="reason_required"):
        lobby.deny(one, seat(one, "chair"), seat(one, "observer"), "  ", NOON)


@pytest.mark.parametrize("role", ["chair", "deputy", "secretary"])
def test_officers_cannot_be_removed(role):
    one = meeting()
    with pytest.raises(Forbidden):
        lobby.deny(one, seat(one, "secretary"), seat(one, role), "reason", NOON)


def test_those_who_came_early_are_not_let_in_by_the_chair_s_entry():
    one = consilium()
    member, chair = seat(one, "member"), seat(one, "chair")
    assert names(lobby.enter(one, member, NOON)) == ["SeatWaiting"]
    assert names(lobby.enter(one, chair, NOON)) == ["SeatAdmitted", "ParticipantJoined", "ConsiliumOpened"]
    assert member.admission is Admission.WAITING
    assert not member.online


def test_being_let_in_begins_the_stay():
    one = consilium()
    member = seat(one, "member")
    lobby.enter(one, member, NOON)
    lobby.enter(one, seat(one, "chair"), later(1))
    happened = lobby.admit(one, seat(one, "chair"), member, later(2))
    assert names(happened) == ["SeatAdmitted", "ParticipantJoined"]
    assert [stay.joined_at for stay in one.attendance if stay.seat_id == member.id] == [later(2)]


def test_knocking_twice_is_one_knock():
    one = consilium()
    lobby.enter(one, seat(one, "member"), NOON)
    assert lobby.enter(one, seat(one, "member"), later(1)) == []
    assert seat(one, "member").waiting_since == NOON


def test_an_admitted_person_comes_back_to_his_seat_without_knocking():
    one = meeting()
    member = seat(one, "member")
    lobby.leave(one, member, later(5), lost=True)
    assert names(lobby.enter(one, member, later(9))) == ["ParticipantJoined"]
    stays = [(stay.joined_at, stay.left_at) for stay in one.attendance if stay.seat_id == member.id]
    assert stays == [(NOON, later(5)), (later(9), None)]


def test_a_lost_person_keeps_his_hand_and_one_who_leaves_lowers_it():
    for lost, kept in ((True, 1), (False, 0)):
        one = meeting()
        member = seat(one, "member")
        from consilium.rules import floor

        floor.raise_hand(one, member, NOON, point_of_order=False)
        lobby.leave(one, member, later(5), lost=lost)
        assert len(one.hands) == kept


def test_a_sign_of_life_elsewhere_overrules_a_late_report_of_loss():
    one = meeting()
    member = seat(one, "member")
    member.last_seen = later(30)
    assert lobby.leave(one, member, later(10), lost=True) == []
    assert member.online


def test_somebody_lost_in_the_lobby_waits_no_longer_unless_heard_since():
    one = consilium()
    member = seat(one, "member")
    lobby.enter(one, member, NOON)
    assert lobby.leave(one, member, later(-1), lost=True) == []
    assert member.admission is Admission.WAITING
    assert names(lobby.leave(one, member, later(5), lost=True)) == ["ParticipantLeft"]
    assert member.admission is Admission.OUTSIDE


def test_the_chair_is_offered_to_the_deputy_then_to_the_next_voting_member():
    one = meeting()
    chair, deputy, member = seat(one, "chair"), seat(one, "deputy"), seat(one, "member")
    assert names(lobby.leave(one, chair, NOON, lost=True)) == ["ParticipantLeft", "ChairOffered"]
    assert one.chair_offered_to == deputy.id
    assert names(lobby.leave(one, deputy, later(1), lost=True)) == ["ParticipantLeft", "ChairOffered"]
    assert one.chair_offered_to == member.id


def test_nobody_takes_the_chair_from_a_present_chair():
    one = meeting()
    with pytest.raises(Conflict, match="chair_present"):
        lobby.take_chair(one, seat(one, "deputy"), NOON)


@pytest.mark.parametrize("role", ["secretary", "member", "attending", "expert", "observer"])
def test_only_the_one_it_is_offered_to_takes_the_chair(role):
    one = meeting()
    lobby.leave(one, seat(one, "chair"), NOON, lost=True)
    with pytest.raises(Forbidden):
        lobby.take_chair(one, seat(one, role), NOON)


def test_there_is_one_chair_after_the_deputy_took_over_and_the_appointed_one_may_return():
    one = meeting()
    chair, deputy = seat(one, "chair"), seat(one, "deputy")
    lobby.leave(one, chair, NOON, lost=True)
    lobby.take_chair(one, deputy, later(1))
    assert one.chair_seat_id == deputy.id
    lobby.enter(one, chair, later(2))
    assert one.chair_seat_id == deputy.id, "coming back alone takes nothing"
    with pytest.raises(ConsiliumError):
        access.must_preside(one, chair.person_id)
    lobby.take_chair(one, chair, later(3))
    assert one.chair_seat_id == chair.id


def test_a_chair_who_is_back_in_time_makes_the_offer_void():
    one = meeting()
    chair, deputy = seat(one, "chair"), seat(one, "deputy")
    lobby.leave(one, chair, NOON, lost=True)
    lobby.enter(one, chair, later(3))
    assert one.chair_offered_to is None
    with pytest.raises(Conflict, match="chair_present"):
        lobby.take_chair(one, deputy, later(4))


def test_an_absent_chair_at_the_hour_is_stood_in_for_and_the_consilium_opens():
    one = consilium()
    deputy = seat(one, "deputy")
    happened = lobby.enter(one, deputy, later(60))
    assert names(happened)[-1] == "ChairOffered"
    assert names(lobby.take_chair(one, deputy, later(61))) == ["ChairTaken", "ConsiliumOpened"]


def test_closing_ends_every_stay_now():
    one = meeting()
    away(seat(one, "observer"))
    lobby.close(one, later(600))
    assert one.status is ConsiliumStatus.CLOSED
    open_stays = [stay for stay in one.attendance if stay.left_at is None]
    assert [stay.seat_id for stay in open_stays] == [seat(one, "observer").id]
