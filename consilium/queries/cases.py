"""Requests and cases as pages show them."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from consilium.model import Case, CaseStatus, Consilium, Person
from consilium.queries.papers import referral_card, state
from consilium.queries.shown import case_line, moment, names_of, organisation_names
from consilium.rules import protocol, request
from consilium.store import Entry, Reader
from consilium.store.tables import cases, protocols

ARCHIVE = (
    CaseStatus.REGISTERED,
    CaseStatus.REFUSED,
    CaseStatus.CANCELLED,
)
STEPS = ("draft", "sent", "accepted", "scheduled", "decided", "sealed", "registered")
PAGE = 200


# --- lists ----------------------------------------------------------------------------------------


def boxes_of(person: Person) -> list[str]:
    """incoming: for those who triage; outgoing: of one's own or, for a coordinator, the organisation's."""
    triages = not {"coordinator", "registrar"}.isdisjoint(person.duties)
    asks = not {"doctor", "coordinator"}.isdisjoint(person.duties)
    return [*(["incoming"] if triages else []), *(["outgoing"] if asks else []), "archive"]


def requests_inbox(reader: Reader, person: Person, box: str = "") -> dict[str, Any]:
    """{box, boxes: [{code, count}], rows}: the most urgent term first, drafts last."""
    boxes = boxes_of(person)
    box = box if box in boxes else boxes[0]
    counts = [{"code": code, "count": len(_ids(reader, person, code))} for code in boxes]
    found = reader.all(Case, cases.c.id.in_(_ids(reader, person, box)))
    found.sort(key=lambda one: (one.deadline is None, one.deadline or one.created_at, one.number))
    names = organisation_names(reader, {one for case in found for one in (case.sender_id, case.receiver_id)})
    rows = [_inbox_row(case, person, names) for case in found]
    return {"box": box, "boxes": counts, "rows": rows}


def _inbox_row(case: Case, person: Person, names: dict[UUID | None, str]) -> dict[str, Any]:
    other = case.receiver_id if case.sender_id == person.organisation_id else case.sender_id
    missing = request.missing_to_send(case)
    return {
        **case_line(case, names[other]),
        "filled": len(request.REQUIRED_TO_SEND) - len(missing),
        "required": len(request.REQUIRED_TO_SEND),
        "documents": len(case.documents),
    }


def _ids(reader: Reader, person: Person, box: str) -> list[UUID]:
    table = cases.c
    incoming = sa.and_(table.receiver_id == person.organisation_id, table.sent_at.is_not(None))
    own = table.author_id == person.id
    outgoing = (
        sa.or_(own, sa.and_(table.sender_id == person.organisation_id, table.status != "draft"))
        if "coordinator" in person.duties
        else own
    )
    ended = table.status.in_([str(one) for one in ARCHIVE])
    if box == "incoming":
        where = sa.and_(incoming, sa.not_(ended))
    elif box == "outgoing":
        where = sa.and_(outgoing, sa.not_(ended))
    else:
        triages = "incoming" in boxes_of(person)
        where = sa.and_(sa.or_(outgoing, incoming) if triages else outgoing, ended)
    query = sa.select(table.id).where(where).order_by(table.created_at.desc()).limit(PAGE)
    return list(reader.connection.execute(query).scalars())


# --- one request ----------------------------------------------------------------------------------


def seen_case(reader: Reader, person: Person, case_id: UUID) -> tuple[Case, Consilium | None]:
    """The case and its consilium. Raises NotFound for whom it does not exist."""
    case = reader.case(case_id)
    consilium = reader.find(Consilium, case.consilium_id)
    request.require_seen(case, person, consilium)
    return case, consilium


def request_page(reader: Reader, person: Person, case_id: UUID, at: datetime) -> dict[str, Any]:
    """Everything the page of one request shows, and what this person may do with it now."""
    case, consilium = seen_case(reader, person, case_id)
    organisations = organisation_names(reader, {case.sender_id, case.receiver_id})
    people = names_of(
        reader,
        {case.author_id, *(one.added_by for one in case.documents), *(one.asked_by for one in case.missing)},
    )
    return {
        "id": str(case.id),
        "number": case.number,
        "status": str(case.status),
        "revision": case.revision,
        "fields": request.values(case),
        "patient": case.patient.full_name,
        "author": people[case.author_id],
        "author_id": str(case.author_id),
        "sender_name": organisations[case.sender_id],
        "receiver_name": organisations[case.receiver_id],
        "created_at": moment(case.created_at),
        "sent_at": moment(case.sent_at),
        "deadline": moment(case.deadline),
        "closed_reason_code": case.closed_reason_code,
        "closed_reason": case.closed_reason,
        "can": allowed(case, person, consilium),
        "next": next_step(case, person),
        "steps": steps(case),
        "missing_to_send": request.missing_to_send(case),
        "consent_missing": request.consent_missing(case),
        "consilium": _consilium_line(consilium),
        "protocols": _readable(reader, case, consilium, person),
        "referral": referral_card(reader, person, case),
        "documents": [
            {
                "id": str(one.id),
                "title": one.title,
                "kind": one.kind,
                "dated": moment(one.dated),
                "media_type": one.media_type,
                "size": one.size,
                "digest": one.digest,
                "added_by": people.get(one.added_by, ""),
                "added_at": moment(one.added_at),
                "removable": _removable(case, person, one.added_by),
            }
            for one in case.documents
        ],
        "missing": [
            {
                "id": str(one.id),
                "text": one.text,
                "asked_by": people.get(one.asked_by, ""),
                "asked_at": moment(one.asked_at),
                "answer": one.answer,
                "answered_at": moment(one.answered_at),
            }
            for one in case.missing
        ],
    }


def allowed(case: Case, person: Person, consilium: Consilium | None = None) -> list[str]:
    """Subset of edit, complete, send, answer, cancel, return, accept, refuse, schedule, attach."""
    author, triage = request.is_author(case, person), request.is_triage(case, person)
    rights = {
        "edit": author and case.status in request.EDITABLE,
        "complete": request.may_complete(case, person, consilium),
        "send": author and case.status in request.EDITABLE,
        "answer": author and case.status is CaseStatus.RETURNED,
        "cancel": author and case.status in request.CANCELLABLE,
        "return": triage and case.status is CaseStatus.SENT,
        "accept": triage and case.status is CaseStatus.SENT,
        "refuse": triage and case.status in request.REFUSABLE,
        "schedule": triage and case.status is CaseStatus.ACCEPTED,
        "attach": may_attach(case, person),
    }
    return [name for name, granted in rights.items() if granted]


def may_attach(case: Case, person: Person) -> bool:
    """The author while he still writes or waits; the receiver's coordinator once the case is his."""
    if request.is_author(case, person):
        return case.status in request.ATTACHABLE_BY_AUTHOR
    return request.is_triage(case, person) and case.status in request.ATTACHABLE_BY_RECEIVER


def _removable(case: Case, person: Person, added_by: UUID) -> bool:
    return may_attach(case, person) and (request.is_author(case, person) or added_by == person.id)


def next_step(case: Case, person: Person) -> str:
    """Code of the sentence that says what is to happen now: whose turn it is, his or another's."""
    author, triage = request.is_author(case, person), request.is_triage(case, person)
    mine = {
        CaseStatus.DRAFT: author,
        CaseStatus.RETURNED: author,
        CaseStatus.SENT: triage,
        CaseStatus.ACCEPTED: triage,
    }.get(case.status, False)
    return f"{case.status}.{'mine' if mine else 'theirs'}"


def steps(case: Case) -> list[tuple[str, str]]:
    """(status, done | now | ahead) along the main way; a returned request stands at `sent`."""
    if case.status in {CaseStatus.REFUSED, CaseStatus.CANCELLED}:
        reached = "sent" if case.sent_at else "draft"
        return [(one, "done" if STEPS.index(one) <= STEPS.index(reached) else "ahead") for one in STEPS]
    now = "sent" if case.status is CaseStatus.RETURNED else str(case.status)
    place = STEPS.index(now)
    return [
        (one, "done" if at < place else "now" if at == place else "ahead") for at, one in enumerate(STEPS)
    ]


def _consilium_line(consilium: Consilium | None) -> dict[str, Any] | None:
    if consilium is None:
        return None
    return {
        "id": str(consilium.id),
        "number": consilium.number,
        "kind": consilium.kind,
        "status": str(consilium.status),
        "scheduled_at": moment(consilium.scheduled_at),
    }


def _readable(
    reader: Reader, case: Case, consilium: Consilium | None, person: Person
) -> list[dict[str, Any]]:
    """The case's papers for those who may read them: the referral for who sees the case, the rest by the seat."""
    reads = False
    if consilium is not None:
        item = next((one for one in consilium.agenda if one.case_id == case.id), None)
        reads = item is not None and protocol.sees_protocol(consilium, item, case, person)
    return [one for one in _protocols(reader, case) if reads or one["of_case"]]


def _protocols(reader: Reader, case: Case) -> list[dict[str, Any]]:
    table = protocols.c
    columns = (
        table.id,
        table.paper,
        table.number,
        table.status,
        table.annulled_at,
        table.waits_for,
        table.consilium_id,
    )
    query = sa.select(*columns).where(table.case_id == case.id).order_by(table.created_at, table.id)
    return [
        {
            "id": str(row.id),
            "paper": str(row.paper),
            "number": row.number,
            "status": str(row.status),
            "state": state(str(row.status), row.annulled_at, row.waits_for),
            "of_case": row.consilium_id is None,
        }
        for row in reader.connection.execute(query)
    ]


# --- journal --------------------------------------------------------------------------------------


def case_journal(reader: Reader, person: Person, case_id: UUID) -> dict[str, Any]:
    """The case's events with those of its protocols and of its item in the consilium, in time.

    Of a consilium with several cases only what concerns this one or the meeting as a whole is shown; how
    somebody voted stands in the protocol, not here.
    """
    case, consilium = seen_case(reader, person, case_id)
    entries = _all_events(reader, "case", case.id)
    for line in _protocols(reader, case):
        entries += _all_events(reader, "protocol", UUID(line["id"]))
    if consilium is not None:
        entries += [
            one for one in _all_events(reader, "consilium", consilium.id) if _concerns(one, case, consilium)
        ]
    entries.sort(key=lambda one: one.position)
    names = names_of(reader, {one.actor_id for one in entries})
    return {
        "id": str(case.id),
        "number": case.number,
        "entries": [
            {
                "position": one.position,
                "stream": one.stream_kind,
                "seq": one.seq,
                "at": moment(one.at),
                "name": one.name,
                "actor": names.get(one.actor_id, ""),
                "hash": one.hash,
                "data": _data(reader, one, case, consilium),
            }
            for one in entries
        ],
    }


def _all_events(reader: Reader, kind: str, stream_id: UUID) -> list[Entry]:
    found: list[Entry] = []
    while True:
        page = reader.events(kind, stream_id, len(found))
        found += page
        if not page:
            return found


def _concerns(entry: Entry, case: Case, consilium: Consilium) -> bool:
    """Whether an event of the consilium belongs to this case or to none in particular."""
    item = next((one.id for one in consilium.agenda if one.case_id == case.id), None)
    ours = {one.id for one in consilium.resolutions if one.item_id == item}
    ours |= {one.id for one in consilium.ballots if one.item_id == item}
    for name, mine in (("item", {item}), ("resolution", ours), ("ballot", ours), ("case", {case.id})):
        value = getattr(entry.event, name, None)
        if value is not None and value not in mine:
            return False
    return True


# What a line of the journal may say of an event, beside its name.
TOLD = (
    "number",
    "deadline",
    "scheduled_at",
    "reason_code",
    "reason",
    "version",
    "digest",
    "signers",
    "fallen",
    "outcome",
    "votes_for",
    "votes_against",
    "votes_abstain",
    "adopted",
    "registry_number",
    "codes",
    "fields",
    "lost",
    "update",
)


def _data(reader: Reader, entry: Entry, case: Case, consilium: Consilium | None) -> dict[str, Any]:
    """Plain facts of an event: scalars, the title of a document, the name behind a seat or a person."""
    event = entry.event
    told = {name: _plain(value) for name in TOLD if (value := getattr(event, name, None)) not in (None, "")}
    document = next((one for one in case.documents if one.id == getattr(event, "document", None)), None)
    if document is not None:
        told["title"] = document.title
    seat = consilium.seat(getattr(event, "seat", None)) if consilium else None
    if seat is not None:
        told["who"] = seat.name
    person_id = getattr(event, "person", None)
    if person_id is not None and person_id != entry.actor_id:
        told["who"] = names_of(reader, {person_id}).get(person_id, "")
    return told


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    return str(value) if isinstance(value, UUID) else value
