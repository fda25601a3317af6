"""The recording of a meeting: everybody's consent, gaps with their reasons. Refusals first."""

import pytest

from consilium import events
from consilium.errors import Conflict, Forbidden, Invalid
from consilium.model import Admission, GapReason, RecordingStatus
from consilium.rules import access, lobby, recording
from tests.rules.meetings import NOON, away, consilium, later, meeting, names, seat

GROUND = "согласие подписано 23.11.2026"


def asked(one):
    recording.ask(one, seat(one, "chair"), GROUND, NOON)
    return recording.current(one)


def running(one):
    found = asked(one)
    for each in one.seats[1:]:
        recording.answer(one, each, later(1), agrees=True)
    assert found.status is RecordingStatus.RUNNING
    return found


def test_without_the_ground_of_the_patients_consent_nothing_is_asked():
    one = meeting()
    with pytest.raises(Invalid, match="field_required"):
        recording.ask(one, seat(one, "chair"), "", NOON)


def test_a_second_recording_beside_a_living_one_is_refused():
    one = meeting()
    asked(one)
    with pytest.raises(Conflict, match="wrong_step"):
        recording.ask(one, seat(one, "chair"), GROUND, later(1))


def test_an_answer_without_a_question_is_refused():
    one = meeting()
    with pytest.raises(Conflict, match="wrong_step"):
        recording.answer(one, seat(one, "member"), NOON, agrees=True)


@pytest.mark.parametrize("role", ["deputy", "secretary", "member", "observer"])
def test_only_the_acting_chair_asks_and_stops(role):
    one = meeting()
    with pytest.raises(Forbidden, match="not_your_role"):
        access.must_preside(one, seat(one, role).person_id)
    assert "record" in access.capabilities(one, seat(one, "chair"))
    assert "record" not in access.capabilities(one, seat(one, role))


def test_it_starts_with_the_last_consent_and_not_before():
    one = meeting()
    found = asked(one)
    for each in one.seats[1:-1]:
        recording.answer(one, each, later(1), agrees=True)
    assert found.status is RecordingStatus.ASKED
    happened = recording.answer(one, one.seats[-1], later(2), agrees=True)
    assert names(happened) == ["RecordingAnswered", "RecordingStarted"]
    assert happened[1].agreed == sorted(each.id for each in one.seats)
    assert found.started_at == later(2)


def test_one_refusal_ends_it_for_everybody():
    one = meeting()
    found = asked(one)
    happened = recording.answer(one, seat(one, "expert"), later(1), agrees=False)
    assert names(happened) == ["RecordingAnswered", "RecordingRefused"]
    assert (found.status, found.stopped_at) == (RecordingStatus.REFUSED, later(1))
    with pytest.raises(Conflict):
        recording.answer(one, seat(one, "expert"), later(2), agrees=True)


def test_who_is_away_is_not_waited_for_and_is_asked_when_he_comes_back():
    one = meeting()
    away(seat(one, "expert"))
    found = asked(one)
    for each in one.seats[1:]:
        if each.online:
            recording.answer(one, each, later(1), agrees=True)
    assert found.status is RecordingStatus.RUNNING
    happened = lobby.enter(one, seat(one, "expert"), later(5))
    assert "RecordingPaused" in names(happened)
    assert recording.awaited(one, found) == [seat(one, "expert")]
    assert [gap.reason for gap in recording.open_gaps(one, found)] == [GapReason.CONSENT]
    happened = recording.answer(one, seat(one, "expert"), later(9), agrees=True)
    assert names(happened) == ["RecordingAnswered", "RecordingResumed"]
    (gap,) = recording.gaps(one, found)
    assert (gap.began_at, gap.ended_at) == (later(5), later(9))


def test_consent_is_taken_back_at_any_moment_and_his_leaving_lets_it_go_on():
    one = meeting()
    found = running(one)
    happened = recording.answer(one, seat(one, "member"), later(3), agrees=False)
    assert names(happened) == ["RecordingAnswered", "RecordingPaused"]
    happened = lobby.leave(one, seat(one, "member"), later(7), lost=False)
    assert "RecordingResumed" in names(happened)
    assert found.status is RecordingStatus.RUNNING


def test_a_newcomer_pauses_it_with_his_admission():
    one = meeting()
    found = running(one)
    guest = seat(one, "expert")
    lobby.leave(one, guest, later(2), lost=False)
    guest.admission = Admission.WAITING
    one.recording_answers = [each for each in one.recording_answers if each.seat_id != guest.id]
    happened = lobby.admit(one, seat(one, "chair"), guest, later(4))
    assert names(happened)[-1] == "RecordingPaused"
    assert found.status is RecordingStatus.PAUSED


def test_repeated_answers_change_nothing():
    one = meeting()
    running(one)
    assert recording.answer(one, seat(one, "member"), later(3), agrees=True) == []


def test_the_end_of_the_meeting_ends_the_recording_and_its_gaps():
    one = meeting()
    found = running(one)
    recording.report(one, GapReason.WORKER, later(5), healthy=False)
    happened = lobby.close(one, later(9))
    assert isinstance(happened[0], events.RecordingStopped)
    assert (found.status, found.stopped_at) == (RecordingStatus.STOPPED, later(9))
    assert recording.open_gaps(one, found) == []


def test_an_outage_is_a_gap_with_its_reason_opened_and_closed_once():
    one = meeting()
    found = running(one)
    assert names(recording.report(one, GapReason.DISK, later(5), healthy=False)) == ["RecordingInterrupted"]
    assert recording.report(one, GapReason.DISK, later(6), healthy=False) == []
    assert recording.report(one, GapReason.WORKER, later(6), healthy=True) == []
    assert names(recording.report(one, GapReason.DISK, later(8), healthy=True)) == ["RecordingRestored"]
    assert recording.report(one, GapReason.DISK, later(9), healthy=True) == []
    (gap,) = recording.gaps(one, found)
    assert (gap.reason, gap.began_at, gap.ended_at) == (GapReason.DISK, later(5), later(8))


def test_without_a_recording_nothing_is_reported_and_nothing_settles():
    one = consilium()
    assert recording.report(one, GapReason.DISK, NOON, healthy=False) == []
    assert recording.settle(one, NOON) == []
    assert recording.stop(one, NOON) == []
