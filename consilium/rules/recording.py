"""The recording of a meeting: off until everybody present agrees, and only while that holds (RM-14, RM-15).

A doctor's voice and face are personal data (152-ФЗ ст. 9, 11), the patient's case is a medical secret
(323-ФЗ ст. 13); recording is not obligatory. So one refusal is enough, consent may be taken back at any moment,
and who comes in later is asked before he is recorded. What is missing is written down with its reason.
"""

from __future__ import annotations

from datetime import datetime
from uuid import UUID, uuid4

from consilium import events
from consilium.errors import Conflict, Invalid
from consilium.events import Event
from consilium.model import (
    Admission,
    Consilium,
    ConsiliumStatus,
    GapReason,
    Person,
    Recording,
    RecordingAnswer,
    RecordingGap,
    RecordingStatus,
    Seat,
)
from consilium.rules import access

LIVE = frozenset({RecordingStatus.ASKED, RecordingStatus.RUNNING, RecordingStatus.PAUSED})


def current(consilium: Consilium) -> Recording | None:
    """The one that is asked for, runs or is paused."""
    return next((one for one in consilium.recordings if one.status in LIVE), None)


def newest(consilium: Consilium) -> Recording | None:
    return max(consilium.recordings, key=lambda one: one.asked_at, default=None)


def ask(consilium: Consilium, chair: Seat, ground: str, at: datetime) -> list[Event]:
    """Who asks has agreed."""
    if not ground:
        raise Invalid("field_required", field="ground")
    if current(consilium) is not None:
        raise Conflict("wrong_step", status="recording")
    recording = Recording(id=uuid4(), asked_by=chair.id, asked_at=at, ground=ground)
    consilium.recordings.append(recording)
    asked = events.RecordingAsked(recording=recording.id, seat=chair.id, ground=ground)
    return [asked, *answer(consilium, chair, at, agrees=True)]


def answer(consilium: Consilium, seat: Seat, at: datetime, *, agrees: bool) -> list[Event]:
    """Repeating an answer changes nothing. A refusal before the start ends the matter for everybody."""
    recording = current(consilium)
    if recording is None:
        raise Conflict("wrong_step", status="no_recording")
    before = _answer(consilium, recording, seat.id)
    if before is not None and before.agrees == agrees:
        return []
    if before is not None:
        before.agrees, before.at = agrees, at
    else:
        consilium.recording_answers.append(
            RecordingAnswer(id=uuid4(), recording_id=recording.id, seat_id=seat.id, agrees=agrees, at=at)
        )
    happened: list[Event] = [events.RecordingAnswered(recording=recording.id, seat=seat.id, agrees=agrees)]
    if recording.status is RecordingStatus.ASKED and not agrees:
        recording.status, recording.stopped_at = RecordingStatus.REFUSED, at
        return [*happened, events.RecordingRefused(recording=recording.id)]
    return happened + settle(consilium, at)


def settle(consilium: Consilium, at: datetime) -> list[Event]:
    """What follows from who is present and what they answered; after every coming and going."""
    recording = current(consilium)
    if recording is None:
        return []
    if consilium.status is not ConsiliumStatus.OPEN:
        return stop(consilium, at)
    agreed = not awaited(consilium, recording)
    match recording.status:
        case RecordingStatus.ASKED if agreed:
            recording.status, recording.started_at = RecordingStatus.RUNNING, at
            seats = sorted(one.id for one in present(consilium))
            return [events.RecordingStarted(recording=recording.id, agreed=seats)]
        case RecordingStatus.RUNNING if not agreed:
            recording.status = RecordingStatus.PAUSED
            _open_gap(consilium, recording, GapReason.CONSENT, at)
            return [events.RecordingPaused(recording=recording.id)]
        case RecordingStatus.PAUSED if agreed:
            recording.status = RecordingStatus.RUNNING
            _close_gap(consilium, recording, GapReason.CONSENT, at)
            return [events.RecordingResumed(recording=recording.id)]
        case _:
            return []


def report(consilium: Consilium, reason: GapReason, at: datetime, *, healthy: bool) -> list[Event]:
    """Bytes stopped reaching the disk, or reach it again."""
    recording = current(consilium)
    if recording is None or recording.status is RecordingStatus.ASKED:
        return []
    if healthy:
        closed = _close_gap(consilium, recording, reason, at)
        return [events.RecordingRestored(recording=recording.id, reason=reason)] if closed else []
    opened = _open_gap(consilium, recording, reason, at)
    return [events.RecordingInterrupted(recording=recording.id, reason=reason)] if opened else []


def stop(consilium: Consilium, at: datetime) -> list[Event]:
    """By the chair, or with the meeting."""
    recording = current(consilium)
    if recording is None:
        return []
    for gap in open_gaps(consilium, recording):
        gap.ended_at = at
    recording.status, recording.stopped_at = RecordingStatus.STOPPED, at
    return [events.RecordingStopped(recording=recording.id)]


def may_open(consilium: Consilium, person: Person) -> bool:
    """The presiding seat, the secretary, and who coordinates or registers for the organisation that decides."""
    seat = consilium.seat_of(person.id)
    if seat is not None and (seat.role == "secretary" or access.presides(consilium, seat)):
        return True
    own = person.organisation_id == consilium.organisation_id
    return own and not {"coordinator", "registrar"}.isdisjoint(person.duties)


def present(consilium: Consilium) -> list[Seat]:
    return [seat for seat in consilium.seats if seat.online and seat.admission is Admission.ADMITTED]


def awaited(consilium: Consilium, recording: Recording) -> list[Seat]:
    """Who is present and has not agreed."""
    agreed = {
        one.seat_id for one in consilium.recording_answers if one.recording_id == recording.id and one.agrees
    }
    return [seat for seat in present(consilium) if seat.id not in agreed]


def gaps(consilium: Consilium, recording: Recording) -> list[RecordingGap]:
    found = [gap for gap in consilium.recording_gaps if gap.recording_id == recording.id]
    return sorted(found, key=lambda gap: gap.began_at)


def open_gaps(consilium: Consilium, recording: Recording) -> list[RecordingGap]:
    return [gap for gap in gaps(consilium, recording) if gap.ended_at is None]


def agreed(consilium: Consilium, recording: Recording, seat_id: UUID) -> bool | None:
    """What the seat answered; None when it has not."""
    found = _answer(consilium, recording, seat_id)
    return None if found is None else found.agrees


def _answer(consilium: Consilium, recording: Recording, seat_id: UUID) -> RecordingAnswer | None:
    return next(
        (
            one
            for one in consilium.recording_answers
            if one.recording_id == recording.id and one.seat_id == seat_id
        ),
        None,
    )


def _open_gap(consilium: Consilium, recording: Recording, reason: GapReason, at: datetime) -> bool:
    if any(gap.reason is reason for gap in open_gaps(consilium, recording)):
        return False
    consilium.recording_gaps.append(
        RecordingGap(id=uuid4(), recording_id=recording.id, reason=reason, began_at=at)
    )
    return True


def _close_gap(consilium: Consilium, recording: Recording, reason: GapReason, at: datetime) -> bool:
    found = [gap for gap in open_gaps(consilium, recording) if gap.reason is reason]
    for gap in found:
        gap.ended_at = at
    return bool(found)
