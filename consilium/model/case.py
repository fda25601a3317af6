"""The request and, once accepted, the case: one object from the first draft to the filed protocol."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum
from uuid import UUID


class CaseStatus(StrEnum):
    """facts of the regulation, 6.3: draft → sent → returned ↔ sent → accepted → scheduled → …"""

    DRAFT = "draft"
    SENT = "sent"
    RETURNED = "returned"
    ACCEPTED = "accepted"
    SCHEDULED = "scheduled"
    DECIDED = "decided"
    SEALED = "sealed"
    REGISTERED = "registered"
    REFUSED = "refused"
    CANCELLED = "cancelled"


@dataclass(slots=True, kw_only=True)
class Choice:
    """A code of a national dictionary with the name it had when it was chosen; both empty: not chosen (AD-03)."""

    code: str = ""
    name: str = ""


@dataclass(slots=True, kw_only=True)
class Place:
    """Where the patient is registered. `region` is НСИ 99.2.206."""

    text: str = ""
    region: Choice = field(default_factory=Choice)
    postal_code: str = ""


@dataclass(slots=True, kw_only=True)
class IdentityPaper:
    """The paper that proves who the patient is. `kind` is НСИ 99.2.48."""

    kind: Choice = field(default_factory=Choice)
    series: str = ""
    number: str = ""
    issuer: str = ""
    issuer_code: str = ""
    issued_on: date | None = None


@dataclass(slots=True, kw_only=True)
class Policy:
    """The policy of compulsory insurance. `kind` is НСИ 11.1035; only the old form has a series."""

    kind: Choice = field(default_factory=Choice)
    series: str = ""
    number: str = ""
    valid_from: date | None = None
    valid_to: date | None = None


@dataclass(slots=True, kw_only=True)
class Patient:
    """The patient as typed once (RQ-05). `sex` is НСИ 11.1040: 1 male, 2 female."""

    surname: str = ""
    given: str = ""
    patronymic: str = ""
    birth_date: date | None = None
    sex: str = ""
    snils: str = ""
    record_number: str = ""
    place: Place = field(default_factory=Place)
    paper: IdentityPaper = field(default_factory=IdentityPaper)
    policy: Policy = field(default_factory=Policy)

    @property
    def full_name(self) -> str:
        return " ".join(part for part in (self.surname, self.given, self.patronymic) if part)


@dataclass(slots=True, kw_only=True)
class Consent:
    """Informed consent, or the statutory ground for its absence (323-ФЗ ст. 20), RQ-06."""

    basis: str = ""  # "consent" | "ground"
    given_on: date | None = None
    reference: str = ""


@dataclass(slots=True, kw_only=True)
class CaseDocument:
    """A file of the case, stored by digest. `dated` is the study's own date, for its age."""

    id: UUID
    title: str
    kind: str
    dated: date | None
    digest: str
    size: int
    media_type: str
    added_by: UUID
    added_at: datetime


@dataclass(slots=True, kw_only=True)
class MissingItem:
    """One line of an itemised return (RQ-04) and its answer."""

    id: UUID
    text: str
    asked_by: UUID
    asked_at: datetime
    answer: str = ""
    answered_at: datetime | None = None


@dataclass(slots=True, kw_only=True)
class Case:
    """A request/case aggregate. `number` is given on sending; `revision` guards concurrent edits."""

    id: UUID
    number: str
    status: CaseStatus
    author_id: UUID
    sender_id: UUID
    receiver_id: UUID | None
    profile: str
    created_at: datetime
    patient: Patient = field(default_factory=Patient)
    consent: Consent = field(default_factory=Consent)
    diagnosis_code: str = ""
    diagnosis_name: str = ""
    question: str = ""
    goal_code: str = ""
    goal_text: str = ""
    urgency_code: str = "1"
    course: str = ""
    condition: str = ""
    severity_code: str = ""  # НСИ 11.1006
    card_code: str = ""  # НСИ 99.2.723: which record the case of care belongs to
    card_opened_on: date | None = None
    payment_code: str = ""  # НСИ 11.1039
    wants_kind: str = "general"
    deadline: datetime | None = None
    sent_at: datetime | None = None
    closed_reason_code: str = ""
    closed_reason: str = ""
    consilium_id: UUID | None = None
    documents: list[CaseDocument] = field(default_factory=list)
    missing: list[MissingItem] = field(default_factory=list)
    revision: int = 0
