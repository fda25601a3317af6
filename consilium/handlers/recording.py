"""The recording: asked for, agreed to, interrupted, stored."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import NAMESPACE_URL, uuid5

from consilium import commands as c
from consilium import events
from consilium.errors import Conflict, Forbidden, NotFound
from consilium.handlers.asker import Table, person_of, require_system, tidied
from consilium.handlers.meeting import record
from consilium.model import GapReason, RecordingSegment
from consilium.rules import access, recording

if TYPE_CHECKING:
    from consilium.context import Context


def ask(context: Context, command: c.AskRecording) -> dict[str, Any]:
    consilium = context.tx.consilium(command.consilium)
    chair = access.must_preside(consilium, context.actor.person_id)
    record(context, consilium, recording.ask(consilium, chair, tidied(command.ground, "ground"), context.at))
    return {}


def answer(context: Context, command: c.AnswerRecording) -> dict[str, Any]:
    consilium = context.tx.consilium(command.consilium)
    seat = access.inside(consilium, context.actor.person_id)
    record(context, consilium, recording.answer(consilium, seat, context.at, agrees=command.agrees))
    return {}


def stop(context: Context, command: c.StopRecording) -> dict[str, Any]:
    consilium = context.tx.consilium(command.consilium)
    access.must_preside(consilium, context.actor.person_id)
    record(context, consilium, recording.stop(consilium, context.at))
    return {}


def open_segment(context: Context, command: c.OpenRecording) -> dict[str, Any]:
    """Raises NotFound for whom there is no such consilium or file, Forbidden for the others of the room."""
    consilium = context.tx.consilium(command.consilium)
    person = person_of(context)
    if not recording.may_open(consilium, person):
        access.seat_of(consilium, person.id)
        raise Forbidden("not_your_role", need="chair, secretary")
    segment = context.tx.find(RecordingSegment, command.segment)
    if segment is None or segment.consilium_id != consilium.id:
        raise NotFound(what="recording")
    record(context, consilium, [events.RecordingOpened(segment=segment.id, digest=segment.digest)])
    return {"file": segment.file, "digest": segment.digest}


def report(context: Context, command: c.ReportRecording) -> dict[str, Any]:
    require_system(context)
    consilium = context.tx.consilium(command.consilium)
    reason = GapReason(command.reason)
    record(context, consilium, recording.report(consilium, reason, context.at, healthy=command.healthy))
    return {}


def store(context: Context, command: c.StoreSegment) -> dict[str, Any]:
    """The id follows from the file's name, so that two servers that heard of one file store it once."""
    require_system(context)
    consilium = context.tx.consilium(command.consilium)
    access.seat_by_id(consilium, command.seat)
    newest = recording.newest(consilium)
    if newest is None:
        raise Conflict("wrong_step", status="no_recording")
    key = uuid5(NAMESPACE_URL, f"{consilium.id}/{command.file}")
    if context.tx.find(RecordingSegment, key) is not None:
        return {}
    context.tx.add(
        RecordingSegment(
            id=key,
            consilium_id=consilium.id,
            recording_id=newest.id,
            seat_id=command.seat,
            what=command.what,
            number=command.number,
            file=command.file,
            began_at=command.began_at,
            milliseconds=command.milliseconds,
            bytes=command.bytes,
            digest=command.digest,
            lost=command.lost,
            cut=command.cut,
        )
    )
    stored = events.RecordingSegmentStored(
        recording=newest.id,
        seat=command.seat,
        what=command.what,
        number=command.number,
        file=command.file,
        bytes=command.bytes,
        digest=command.digest,
        lost=command.lost,
        cut=command.cut,
    )
    record(context, consilium, [stored])
    return {}


HANDLERS: Table = {
    c.AskRecording: ask,
    c.AnswerRecording: answer,
    c.StopRecording: stop,
    c.OpenRecording: open_segment,
    c.ReportRecording: report,
    c.StoreSegment: store,
}
