"""Requests and their documents: look up, let `rules.request` decide, journal on the case."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

from consilium import commands as c
from consilium.errors import Forbidden, Invalid, NotFound
from consilium.events import DocumentOpened, Event
from consilium.handlers.asker import Table, person_of, tidied
from consilium.model import Case, Consilium, Organisation, Paper, Person
from consilium.queries.papers import referrals_of
from consilium.rules import papers, request
from consilium.rules.protocol import UNDER_WAY

if TYPE_CHECKING:
    from consilium.context import Context

STARTS = (
    (b"%PDF-", "application/pdf"),
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
)


def create(context: Context, command: c.CreateRequest) -> dict[str, Any]:
    author = person_of(context)
    case, happened = request.create(uuid4(), author, context.at)
    request.fill(case, _tidied_fields(context, command.fields), context.at)
    context.tx.add(case)
    record(context, case, happened)
    return {"request": str(case.id), "revision": case.revision}


def save(context: Context, command: c.SaveRequest) -> dict[str, Any]:
    case, author = _seen(context, command.request)
    given = _tidied_fields(context, command.fields)
    record(context, case, request.save(case, author, command.revision, given, context.at))
    return {"revision": case.revision}


def complete(context: Context, command: c.CompleteRecord) -> dict[str, Any]:
    case, person = _seen(context, command.request)
    given = _tidied_fields(context, command.fields)
    record(context, case, request.complete(case, person, _consilium_of(context, case), given, context.at))
    return {"revision": case.revision}


def _tidied_fields(context: Context, given: c.RequestFields) -> c.RequestFields:
    if given.receiver is not None and context.tx.find(Organisation, given.receiver) is None:
        raise Invalid("invalid_field", field="receiver")
    texts: dict[str, Any] = {
        one.name: tidied(value, one.name)
        for one in fields(given)
        if isinstance(value := getattr(given, one.name), str)
    }
    return replace(given, **texts)


def send(context: Context, command: c.SendRequest) -> dict[str, Any]:
    """The number is taken last: a refused request leaves no gap."""
    case, author = _seen(context, command.request)
    request.require_sendable(case, author)
    route_open = _route_open(context, case)
    request.check_ready(case, route_open=route_open)
    number = case.number or _number(context)
    happened = request.send(case, author, route_open=route_open, number=number, at=context.at)
    record(context, case, happened)
    assert case.deadline is not None
    return {"number": case.number, "deadline": case.deadline.isoformat(), "revision": case.revision}


def _number(context: Context) -> str:
    year = context.at.year
    return f"ТМК-{year}-{context.tx.next_number(f'case:{year}'):06}"


def _route_open(context: Context, case: Case) -> bool:
    if case.receiver_id is None:
        return False
    route = context.tx.route(case.profile, case.sender_id, case.receiver_id)
    return route is not None and route.open


def return_request(context: Context, command: c.ReturnRequest) -> dict[str, Any]:
    case, coordinator = _seen(context, command.request)
    items = [(uuid4(), tidied(text, "items")) for text in command.items]
    record(context, case, request.return_for(case, coordinator, items, context.at))
    return {"items": [str(id_) for id_, _ in items], "revision": case.revision}


def answer(context: Context, command: c.AnswerMissing) -> dict[str, Any]:
    case, author = _seen(context, command.request)
    text = tidied(command.answer, "answer")
    record(context, case, request.answer(case, author, command.item, text, context.at))
    return {"revision": case.revision}


def accept(context: Context, command: c.AcceptRequest) -> dict[str, Any]:
    case, coordinator = _seen(context, command.request)
    record(context, case, request.accept(case, coordinator))
    return {"revision": case.revision}


def refuse(context: Context, command: c.RefuseRequest) -> dict[str, Any]:
    case, coordinator = _seen(context, command.request)
    reason = tidied(command.reason, "reason")
    record(context, case, request.refuse(case, coordinator, command.reason_code, reason))
    return {"revision": case.revision}


def cancel(context: Context, command: c.CancelRequest) -> dict[str, Any]:
    case, author = _seen(context, command.request)
    reason = tidied(command.reason, "reason")
    record(context, case, request.cancel(case, author, reason))
    _give_up_referral(context, case, author, reason)
    return {"revision": case.revision}


def _give_up_referral(context: Context, case: Case, author: Person, reason: str) -> None:
    """What he has not signed yet, or what is not sealed, goes with his request; a sealed one he annuls himself."""
    waiting = papers.standing(referrals_of(context.tx, case.id), Paper.REFERRAL)
    paper = context.tx.protocol(waiting.id) if waiting else None
    if paper is None or paper.status not in UNDER_WAY:
        return
    for event in papers.withdraw(paper, author.id, reason, context.at):
        context.tx.record(event, paper.id, paper.organisation_id, context.actor)


def attach(context: Context, command: c.AttachDocument) -> dict[str, Any]:
    """The stored bytes must be what the command says they are."""
    case, person = _seen(context, command.request)
    request.require_may_attach(case, person)
    _require_stored(context, command)
    wanted = replace(command, title=tidied(command.title, "title"))
    document_id = uuid4()
    record(context, case, request.attach(case, person, wanted, document_id, context.at))
    return {"document": str(document_id), "revision": case.revision}


def _require_stored(context: Context, command: c.AttachDocument) -> None:
    path = context.parts.files.path(command.digest)
    if not path.is_file() or path.stat().st_size != command.size:
        raise Invalid("invalid_field", field="digest")
    with path.open("rb") as file:
        start = file.read(12)
    if command.media_type != _kept_type(start):
        raise Invalid("invalid_field", field="media_type")


def _kept_type(start: bytes) -> str:
    """The type of a file the store has kept: it was looked through at upload, its first bytes tell the kind."""
    for magic, media_type in STARTS:
        if start.startswith(magic):
            return media_type
    return "image/webp" if start[:4] == b"RIFF" and start[8:] == b"WEBP" else "text/plain"


def detach(context: Context, command: c.DetachDocument) -> dict[str, Any]:
    case, person = _seen(context, command.request)
    record(context, case, request.detach(case, person, command.document))
    return {"revision": case.revision}


def open_document(context: Context, command: c.OpenDocument) -> dict[str, Any]:
    """Journaled on the case (IM-12); answers where the bytes are. Room or page, the same rights."""
    person = person_of(context)
    case = context.tx.peek(Case, command.request)
    consilium = _consilium_of(context, case)
    through_room = consilium is not None and request.sits_over(case, person, consilium)
    if not through_room and not request.sees_case(case, person, None):
        raise (
            NotFound
            if consilium is None or consilium.seat_of(person.id) is None
            else Forbidden("not_admitted")
        )
    document = request.document_of(case, command.document)
    opened = DocumentOpened(
        document=document.id,
        digest=document.digest,
        person=person.id,
        consilium=consilium.id if consilium is not None and through_room else None,
    )
    record(context, case, [opened])
    return {
        "digest": document.digest,
        "media_type": document.media_type,
        "title": document.title,
        "size": document.size,
    }


def _consilium_of(context: Context, case: Case) -> Consilium | None:
    return context.tx.peek(Consilium, case.consilium_id) if case.consilium_id else None


def _seen(context: Context, case_id: UUID) -> tuple[Case, Person]:
    """The locked case and who asks, or NotFound for whom it does not exist."""
    person = person_of(context)
    case = context.tx.case(case_id)
    request.require_seen(case, person, _consilium_of(context, case))
    return case, person


def record(context: Context, case: Case, happened: list[Event]) -> None:
    """Journal on the case's stream, which belongs to the sender for good."""
    for event in happened:
        context.tx.record(event, case.id, case.sender_id, context.actor)


HANDLERS: Table = {
    c.CreateRequest: create,
    c.SaveRequest: save,
    c.CompleteRecord: complete,
    c.SendRequest: send,
    c.ReturnRequest: return_request,
    c.AnswerMissing: answer,
    c.AcceptRequest: accept,
    c.RefuseRequest: refuse,
    c.CancelRequest: cancel,
    c.AttachDocument: attach,
    c.DetachDocument: detach,
    c.OpenDocument: open_document,
}
