"""The hand queue, the agenda and the stage. Refusals first."""

from uuid import uuid4

import pytest

from consilium.errors import Conflict, Forbidden, NotFound
from consilium.model import ItemStatus, Layout
from consilium.rules import access, agenda, floor, voting
from tests.rules.meetings import NOON, away, case, later, meeting, names, seat


def test_an_observer_neither_speaks_nor_raises_a_hand():
    one = meeting()
    with pytest.raises(Forbidden, match="not_your_role"):
        access.must_speak(one, seat(one, "observer").person_id)


def test_the_floor_is_not_given_to_nobody():
    with pytest.raises(Conflict, match="wrong_step"):
        floor.give(meeting(), None, NOON)


def test_the_queue_is_by_arrival_with_points_of_order_first():
    one = meeting()
    for role in ("attending", "expert", "deputy"):
        floor.raise_hand(one, seat(one, role), NOON, point_of_order=role == "deputy")
    assert [hand.seat_id for hand in floor.queue(one)] == [
        seat(one, role).id for role in ("deputy", "attending", "expert")
    ]


def test_raising_twice_keeps_the_place_and_a_point_of_order_moves_it_up():
    one = meeting()
    for role in ("attending", "expert"):
        floor.raise_hand(one, seat(one, role), NOON, point_of_order=False)
    assert floor.raise_hand(one, seat(one, "attending"), later(5), point_of_order=False) == []
    floor.raise_hand(one, seat(one, "expert"), later(6), point_of_order=True)
    assert floor.queue(one)[0].seat_id == seat(one, "expert").id


def test_next_skips_one_who_is_away_and_lowers_the_receiver_s_hand():
    one = meeting()
    for role in ("attending", "expert"):
        floor.raise_hand(one, seat(one, role), NOON, point_of_order=False)
    away(seat(one, "attending"))
    assert names(floor.give(one, None, later(1))) == ["HandLowered", "FloorGiven"]
    assert one.floor_seat_id == seat(one, "expert").id
    assert [hand.seat_id for hand in one.hands] == [seat(one, "attending").id]


@pytest.mark.parametrize("role", ["deputy", "member", "expert", "secretary"])
def test_only_the_presenter_shows_a_document(role):
    one = meeting()
    with pytest.raises(Forbidden, match="not_your_role"):
        agenda.show(one, seat(one, role), case(uuid4()), None, 1)


def test_a_document_of_another_case_is_not_shown():
    one = meeting()
    with pytest.raises(NotFound):
        agenda.show(one, seat(one, "chair"), case(uuid4()), uuid4(), 1)


def test_a_case_switch_clears_the_previous_patient_from_the_stage():
    one = meeting()
    document = uuid4()
    agenda.pass_presenter(one, seat(one, "member"))
    agenda.show(one, seat(one, "member"), case(document), document, 3)
    floor.raise_hand(one, seat(one, "expert"), NOON, point_of_order=False)
    agenda.open_item(one, one.agenda[1], later(60))
    assert (one.shown_document_id, one.shown_page, one.presenter_seat_id) == (None, 1, None)
    assert one.hands == []
    assert one.agenda[0].status is ItemStatus.WAITING
    assert one.current_item_id == one.agenda[1].id


def test_the_case_is_not_switched_over_a_running_ballot():
    one = meeting()
    resolution, _ = voting.propose(one, one.agenda[0], seat(one, "chair"), "Оперировать")
    voting.open_vote(one, resolution, 0, seat(one, "chair"), NOON)
    for refused in (
        lambda: agenda.open_item(one, one.agenda[1], later(1)),
        lambda: agenda.close_item(one, one.agenda[0], "decided", later(1)),
        lambda: agenda.may_close(one),
    ):
        with pytest.raises(Conflict, match="already_open"):
            refused()


def test_an_item_is_not_decided_without_a_voted_resolution():
    one = meeting()
    with pytest.raises(Conflict, match="nothing_decided"):
        agenda.close_item(one, one.agenda[0], "decided", NOON)


def test_a_postponed_item_needs_no_vote_and_is_not_opened_again():
    one = meeting()
    agenda.close_item(one, one.agenda[0], "postponed", NOON)
    with pytest.raises(Conflict, match="wrong_step"):
        agenda.open_item(one, one.agenda[0], later(1))


def test_the_meeting_does_not_end_over_an_open_case():
    with pytest.raises(Conflict, match="already_open"):
        agenda.may_close(meeting())


def test_setting_the_same_layout_changes_nothing():
    one = meeting()
    assert names(agenda.set_layout(one, Layout.VOTE)) == ["LayoutSet"]
    assert agenda.set_layout(one, Layout.VOTE) == []
