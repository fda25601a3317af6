"""The request: who may do what with it, in which status, and what it must hold (RQ-01 … RQ-07).

draft → sent → returned ↔ sent → accepted → scheduled → …; out of it by refused and cancelled (regulation,
6.3). The author works for the sender; coordinators of the receiver triage.
"""

from __future__ import annotations

import re
from collections.abc import Container
from dataclasses import fields as fields_of
from datetime import date, datetime
from functools import reduce
from typing import Any
from uuid import UUID

from consilium.commands import AttachDocument, RequestFields
from consilium.errors import Conflict, Forbidden, Invalid, NotFound
from consilium.events import (
    DocumentAttached,
    DocumentDetached,
    Event,
    MissingAnswered,
    RecordCompleted,
    RequestAccepted,
    RequestCancelled,
    RequestCreated,
    RequestRefused,
    RequestReturned,
    RequestSaved,
    RequestSent,
)
from consilium.model import Case, CaseDocument, CaseStatus, Consilium, ConsiliumStatus, MissingItem, Person
from consilium.model.meeting import Admission
from consilium.rules import access, codes, kinds

PATIENT_FIELDS = ("surname", "given", "patronymic", "birth_date", "sex", "snils", "record_number")
# Form field -> where the case keeps it, when it has another name or lies deeper.
PLACES: dict[str, tuple[str, ...]] = {
    **{name: ("patient", name) for name in PATIENT_FIELDS},
    "receiver": ("receiver_id",),
    "consent_basis": ("consent", "basis"),
    "consent_date": ("consent", "given_on"),
    "consent_reference": ("consent", "reference"),
    "place": ("patient", "place", "text"),
    "region_code": ("patient", "place", "region", "code"),
    "region_name": ("patient", "place", "region", "name"),
    "postal_code": ("patient", "place", "postal_code"),
    "paper_kind": ("patient", "paper", "kind", "code"),
    "paper_kind_name": ("patient", "paper", "kind", "name"),
    "paper_series": ("patient", "paper", "series"),
    "paper_number": ("patient", "paper", "number"),
    "paper_issuer": ("patient", "paper", "issuer"),
    "paper_issuer_code": ("patient", "paper", "issuer_code"),
    "paper_issued_on": ("patient", "paper", "issued_on"),
    "policy_kind": ("patient", "policy", "kind", "code"),
    "policy_kind_name": ("patient", "policy", "kind", "name"),
    "policy_series": ("patient", "policy", "series"),
    "policy_number": ("patient", "policy", "number"),
    "policy_valid_from": ("patient", "policy", "valid_from"),
    "policy_valid_to": ("patient", "policy", "valid_to"),
}
# What the decision does not depend on, and the state's formats ask for.
REGISTRY_FIELDS = frozenset(
    {
        "snils", "place", "region_code", "region_name", "postal_code", "paper_kind", "paper_kind_name",
        "paper_series", "paper_number", "paper_issuer", "paper_issuer_code", "paper_issued_on", "policy_kind",
        "policy_kind_name", "policy_series", "policy_number", "policy_valid_from",
        "policy_valid_to", "payment_code", "card_code", "card_opened_on",
        "severity_code",
    }
)  # fmt: skip
COMPLETABLE = frozenset({CaseStatus.SENT, CaseStatus.ACCEPTED, CaseStatus.SCHEDULED, CaseStatus.DECIDED})
CODED: dict[str, Container[str]] = {
    "goal_code": codes.GOALS,
    "severity_code": codes.SEVERITIES,
    "card_code": codes.CARDS,
    "payment_code": codes.PAYMENTS,
}
DATES = ("birth_date", "consent_date", "paper_issued_on", "policy_valid_from", "card_opened_on")
# Facts of the regulation 6.2; course and state are two of the five statutory items of 323-ФЗ ст. 48 ч. 4.
REQUIRED_TO_SEND = (
    "receiver",
    "profile",
    "surname",
    "given",
    "birth_date",
    "sex",
    "diagnosis_code",
    "diagnosis_name",
    "question",
    "goal_code",
    "urgency_code",
    "course",
    "condition",
)
EDITABLE = frozenset({CaseStatus.DRAFT, CaseStatus.RETURNED})
ATTACHABLE_BY_AUTHOR = EDITABLE | {CaseStatus.SENT}
ATTACHABLE_BY_RECEIVER = frozenset({CaseStatus.ACCEPTED, CaseStatus.SCHEDULED})
CANCELLABLE = frozenset({CaseStatus.DRAFT, CaseStatus.SENT, CaseStatus.RETURNED, CaseStatus.ACCEPTED})
REFUSABLE = frozenset({CaseStatus.SENT, CaseStatus.ACCEPTED})
MAX_DOCUMENTS = 60
OLDEST = date(1890, 1, 1)
# МКБ-10: a letter, two digits, and up to two more after a point.
DIAGNOSIS = re.compile(r"[A-Z][0-9]{2}(\.[0-9]{1,2})?")


# --- who ----------------------------------------------------------------------------------------


def is_author(case: Case, person: Person) -> bool:
    """The doctor who asks; he keeps the case through all its steps."""
    return case.author_id == person.id


def is_triage(case: Case, person: Person) -> bool:
    """A coordinator of the receiving organisation, from the moment the request reached it."""
    return (
        case.sent_at is not None
        and case.receiver_id == person.organisation_id
        and "coordinator" in person.duties
    )


def sees_case(case: Case, person: Person, consilium: Consilium | None) -> bool:
    """Whether this person may know of the case's contents at all; absent and hidden look the same."""
    if is_author(case, person):
        return True
    if case.sender_id == person.organisation_id and "coordinator" in person.duties:
        return True
    if is_triage(case, person):
        return True
    if case.sent_at and case.receiver_id == person.organisation_id and "registrar" in person.duties:
        return True
    return consilium is not None and sits_over(case, person, consilium)


def sits_over(case: Case, person: Person, consilium: Consilium) -> bool:
    """Whether a seat opens this case: presiding, deputy and secretary always, others once admitted.

    Who is invited to certain items sees these cases alone (323-ФЗ ст. 13: those taking part in the care).
    """
    seat = consilium.seat_of(person.id)
    item = next((one for one in consilium.agenda if one.case_id == case.id), None)
    if seat is None or item is None or consilium.status is ConsiliumStatus.CANCELLED:
        return False
    if not access.sees_item(seat, item) or seat.admission is Admission.DENIED:
        return False
    return seat.admission is Admission.ADMITTED or kinds.enters_directly(consilium.kind, seat.role)


def require_seen(case: Case, person: Person, consilium: Consilium | None) -> None:
    """Raise NotFound for whom the case does not exist."""
    if not sees_case(case, person, consilium):
        raise NotFound


def _require_author(case: Case, person: Person) -> None:
    if not is_author(case, person):
        raise Forbidden("forbidden")


def _require_triage(case: Case, person: Person) -> None:
    if not is_triage(case, person):
        raise Forbidden("forbidden")


def _require_status(case: Case, *allowed: CaseStatus) -> None:
    if case.status not in allowed:
        raise Conflict("wrong_step", status=str(case.status))


# --- writing ------------------------------------------------------------------------------------


def create(case_id: UUID, author: Person, at: datetime) -> tuple[Case, list[Event]]:
    """An empty draft of a doctor."""
    if "doctor" not in author.duties:
        raise Forbidden("forbidden")
    case = Case(
        id=case_id,
        number="",
        status=CaseStatus.DRAFT,
        author_id=author.id,
        sender_id=author.organisation_id,
        receiver_id=None,
        profile="",
        created_at=at,
    )
    return case, [RequestCreated(author=author.id, sender=author.organisation_id)]


def save(case: Case, author: Person, revision: int, given: RequestFields, at: datetime) -> list[Event]:
    """Change the given fields; absent ones stay. A stale revision answers with the current values."""
    _require_author(case, author)
    _require_status(case, *EDITABLE)
    if revision != case.revision:
        raise Conflict("stale_revision", current=values(case), revision=case.revision)
    changed = fill(case, given, at)
    if not changed:
        return []
    case.revision += 1
    return [RequestSaved(revision=case.revision, fields=changed)]


def may_complete(case: Case, person: Person, consilium: Consilium | None) -> bool:
    """Its author, the coordinator who has it, and who leads or keeps the minutes of its consilium."""
    if case.status not in COMPLETABLE:
        return False
    seat = consilium.seat_of(person.id) if consilium else None
    keeps = consilium is not None and seat is not None and kinds.enters_directly(consilium.kind, seat.role)
    return is_author(case, person) or is_triage(case, person) or keeps


def complete(
    case: Case, person: Person, consilium: Consilium | None, given: RequestFields, at: datetime
) -> list[Event]:
    """Fill in registry fields; a frozen document keeps the words it was frozen with."""
    if not may_complete(case, person, consilium):
        raise Forbidden("forbidden")
    named = {one.name for one in fields_of(given) if getattr(given, one.name) is not None}
    if named - REGISTRY_FIELDS:
        raise Invalid("invalid_field", field=min(named - REGISTRY_FIELDS))
    changed = fill(case, given, at)
    if not changed:
        return []
    case.revision += 1
    return [RecordCompleted(person=person.id, fields=changed)]


def fill(case: Case, given: RequestFields, at: datetime) -> list[str]:
    """Put the given fields into the case; the names of those that changed. Checks before it changes."""
    wanted = {one.name: value for one in fields_of(given) if (value := getattr(given, one.name)) is not None}
    _check_values(wanted, at.date())
    changed = [name for name, value in wanted.items() if _value(case, name) != value]
    for name in changed:
        _put(case, name, wanted[name])
    return changed


def values(case: Case) -> dict[str, Any]:
    """Every form field by its name, as JSON: what a conflict answers and a page shows."""
    return {one.name: _plain(_value(case, one.name)) for one in fields_of(RequestFields)}


def _plain(value: Any) -> Any:
    if isinstance(value, date):
        return value.isoformat()
    return str(value) if isinstance(value, UUID) else value


def _value(case: Case, name: str) -> Any:
    owner, attribute = _place(case, name)
    return getattr(owner, attribute)


def _put(case: Case, name: str, value: Any) -> None:
    owner, attribute = _place(case, name)
    setattr(owner, attribute, value)


def _place(case: Case, name: str) -> tuple[Any, str]:
    *way, attribute = PLACES.get(name, (name,))
    return reduce(getattr, way, case), attribute


def _check_values(wanted: dict[str, Any], today: date) -> None:
    for name in DATES:
        moment = wanted.get(name)
        if moment is not None and not OLDEST <= moment <= today:
            raise Invalid("invalid_field", field=name)
    for name, known in CODED.items():
        if wanted.get(name) and wanted[name] not in known:
            raise Invalid("unknown_code", field=name, value=wanted[name])
    if wanted.get("diagnosis_code") and not DIAGNOSIS.fullmatch(wanted["diagnosis_code"]):
        raise Invalid("invalid_field", field="diagnosis_code")
    if wanted.get("snils") and not snils_is_valid(wanted["snils"]):
        raise Invalid("invalid_field", field="snils")


def snils_is_valid(snils: str) -> bool:
    """Check digits of a СНИЛС (11 digits); numbers up to 001-001-998 were given without them."""
    if len(snils) != 11 or not snils.isascii() or not snils.isdecimal():
        return False
    number, control = snils[:9], int(snils[9:])
    if int(number) <= 1_001_998:
        return True
    total = sum(int(digit) * weight for digit, weight in zip(number, range(9, 0, -1), strict=True))
    return total % 101 % 100 == control


# --- sending and triage -------------------------------------------------------------------------


def missing_to_send(case: Case) -> list[str]:
    """Names of the mandatory fields that are empty, in the order of the form.

    An oncological protocol (kind 371) is not registered without the patient's СНИЛС (НСИ 11.1520), and
    after the signing it would be too late to ask.
    """
    missing = [name for name in REQUIRED_TO_SEND if not _filled(_value(case, name))]
    if case.wants_kind == "oncological" and not case.patient.snils:
        missing.append("snils")
    if case.goal_code == codes.OTHER_GOAL and not _filled(case.goal_text):
        missing.append("goal_text")
    return missing


def _filled(value: Any) -> bool:
    return bool(value.strip()) if isinstance(value, str) else value is not None


def consent_missing(case: Case) -> list[str]:
    """What the consent, or the ground that replaces it, still lacks (RQ-06; 323-ФЗ ст. 20)."""
    consent = case.consent
    if consent.basis == "consent":
        return [] if consent.given_on else ["consent_date"]
    if consent.basis == "ground":
        return [] if consent.reference.strip() else ["consent_reference"]
    return ["consent_basis"]


def check_ready(case: Case, *, route_open: bool) -> None:
    """Everything a request must hold before it leaves. Raises Invalid, or Conflict no_route (RQ-01)."""
    missing = missing_to_send(case)
    if missing:
        raise Invalid("field_required", field=missing[0], fields=missing)
    if not codes.goal_allowed(case.wants_kind, case.goal_code):
        raise Invalid("invalid_field", field="goal_code", value=case.goal_code)
    lacking = consent_missing(case)
    if lacking:
        raise Invalid("consent_required", field=lacking[0])
    unanswered = [item for item in case.missing if item.answered_at is None]
    if unanswered:
        raise Invalid("field_required", field="missing", items=[str(item.id) for item in unanswered])
    if not route_open:
        raise Conflict("no_route", profile=case.profile)


def require_sendable(case: Case, author: Person) -> None:
    """The author, from a draft or after a return."""
    _require_author(case, author)
    _require_status(case, *EDITABLE)


def send(case: Case, author: Person, *, route_open: bool, number: str, at: datetime) -> list[Event]:
    """To the receiver. `number` counts the first time only; the term starts anew with every sending."""
    require_sendable(case, author)
    check_ready(case, route_open=route_open)
    assert case.receiver_id is not None
    case.number = case.number or number
    case.status = CaseStatus.SENT
    case.sent_at = at
    case.deadline = at + codes.DEADLINES[case.urgency_code]
    case.revision += 1
    return [
        RequestSent(
            number=case.number,
            receiver=case.receiver_id,
            urgency_code=case.urgency_code,
            deadline=case.deadline,
        )
    ]


def return_for(case: Case, by: Person, items: list[tuple[UUID, str]], at: datetime) -> list[Event]:
    """Back to the author with an itemised list (RQ-04); answers given before stay."""
    _require_triage(case, by)
    _require_status(case, CaseStatus.SENT)
    if any(not text.strip() for _, text in items):
        raise Invalid("field_required", field="items")
    case.missing += [MissingItem(id=id_, text=text, asked_by=by.id, asked_at=at) for id_, text in items]
    case.status = CaseStatus.RETURNED
    case.revision += 1
    return [RequestReturned(items=[id_ for id_, _ in items])]


def answer(case: Case, author: Person, item_id: UUID, text: str, at: datetime) -> list[Event]:
    """One line of the list is answered; it may be answered again until the request is sent."""
    _require_author(case, author)
    _require_status(case, CaseStatus.RETURNED)
    item = next((one for one in case.missing if one.id == item_id), None)
    if item is None:
        raise NotFound
    if not text.strip():
        raise Invalid("field_required", field="answer")
    item.answer = text
    item.answered_at = at
    case.revision += 1
    return [MissingAnswered(item=item.id)]


def accept(case: Case, by: Person) -> list[Event]:
    """The request becomes a case: nothing is typed again (RQ-05)."""
    _require_triage(case, by)
    _require_status(case, CaseStatus.SENT)
    case.status = CaseStatus.ACCEPTED
    case.revision += 1
    return [RequestAccepted()]


def refuse(case: Case, by: Person, reason_code: str, reason: str) -> list[Event]:
    """With a coded reason and words: both are mandatory (regulation, 1.5)."""
    _require_triage(case, by)
    _require_status(case, *REFUSABLE)
    if not reason.strip():
        raise Invalid("reason_required", field="reason")
    if reason_code not in codes.REFUSAL_REASONS:
        raise Invalid("unknown_code", field="reason_code", value=reason_code)
    _close(case, CaseStatus.REFUSED, reason_code, reason)
    return [RequestRefused(reason_code=reason_code)]


def cancel(case: Case, author: Person, reason: str) -> list[Event]:
    """By its author, until a consilium is planned for it."""
    _require_author(case, author)
    _require_status(case, *CANCELLABLE)
    if not reason.strip():
        raise Invalid("reason_required", field="reason")
    _close(case, CaseStatus.CANCELLED, "", reason)
    return [RequestCancelled()]


def _close(case: Case, status: CaseStatus, reason_code: str, reason: str) -> None:
    case.status = status
    case.closed_reason_code = reason_code
    case.closed_reason = reason
    case.revision += 1


# --- documents ----------------------------------------------------------------------------------


def require_may_attach(case: Case, person: Person) -> None:
    """The author while he still writes or waits; the receiver's coordinator once the case is his."""
    if is_author(case, person):
        _require_status(case, *ATTACHABLE_BY_AUTHOR)
        return
    _require_triage(case, person)
    _require_status(case, *ATTACHABLE_BY_RECEIVER)


def attach(
    case: Case, person: Person, wanted: AttachDocument, document_id: UUID, at: datetime
) -> list[Event]:
    """Make a stored file part of the case. The same bytes lie in a case once."""
    require_may_attach(case, person)
    if not wanted.title.strip():
        raise Invalid("field_required", field="title")
    if wanted.dated is not None and not OLDEST <= wanted.dated <= at.date():
        raise Invalid("invalid_field", field="dated")
    if any(one.digest == wanted.digest for one in case.documents):
        raise Conflict("duplicate", field="document")
    if len(case.documents) >= MAX_DOCUMENTS:
        raise Invalid("too_large", field="documents", limit=MAX_DOCUMENTS)
    case.documents.append(
        CaseDocument(
            id=document_id,
            title=wanted.title,
            kind=wanted.kind,
            dated=wanted.dated,
            digest=wanted.digest,
            size=wanted.size,
            media_type=wanted.media_type,
            added_by=person.id,
            added_at=at,
        )
    )
    case.revision += 1
    return [
        DocumentAttached(
            document=document_id, digest=wanted.digest, media_type=wanted.media_type, size=wanted.size
        )
    ]


def detach(case: Case, person: Person, document_id: UUID) -> list[Event]:
    """Take a document out again; a coordinator only what he put in. The bytes stay in the store."""
    require_may_attach(case, person)
    document = document_of(case, document_id)
    if not is_author(case, person) and document.added_by != person.id:
        raise Forbidden("forbidden")
    case.documents.remove(document)
    case.revision += 1
    return [DocumentDetached(document=document.id, digest=document.digest)]


def document_of(case: Case, document_id: UUID) -> CaseDocument:
    """The document, or NotFound."""
    document = next((one for one in case.documents if one.id == document_id), None)
    if document is None:
        raise NotFound
    return document
