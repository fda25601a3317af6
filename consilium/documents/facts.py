"""What a protocol says, and nothing about how it is written down.

Every renderer (CDA XML, reading view, draft prose, registry metadata) starts from these values, so that a fact is
entered once. All times are aware UTC; `utc_offset_minutes` says which wall clock the text shows. Codes are the codes
of the national dictionaries (НСИ 1.2.643.5.1.13.13.*); the last arcs are named beside each field.
Source of the mandatory content: 323-ФЗ ст. 48 ч. 4 (surnames, reasons, course, state, decision, dissent).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum
from uuid import UUID

from consilium.documents.meeting import (
    Choice,
    Dissent,
    Interval,
    Outcome,
    Recorded,
    RecordingGap,
    RemoteStatement,
    Resolution,
    SeatKind,
    SigningNote,
    SigningNoteKind,
    Tally,
    Vote,
)
from consilium.documents.record import (
    Address,
    Coded,
    Diagnosis,
    DocumentReference,
    Guardian,
    Hospitalisation,
    IdentityPaper,
    Licence,
    Payment,
    PersonName,
    Policy,
    Recommendations,
    Result,
    Service,
)

__all__ = [
    "Address",
    "CaseDocument",
    "Choice",
    "Coded",
    "CommissionOrder",
    "Consent",
    "ConsentBasis",
    "Diagnosis",
    "Dissent",
    "DocumentReference",
    "Encounter",
    "Guardian",
    "Hospitalisation",
    "IdentityPaper",
    "Interval",
    "Licence",
    "Organisation",
    "Outcome",
    "Participant",
    "Patient",
    "Payment",
    "PersonName",
    "Policy",
    "ProtocolFacts",
    "ProtocolKind",
    "Recommendations",
    "Recorded",
    "RecordingGap",
    "RemoteStatement",
    "Resolution",
    "Result",
    "SeatKind",
    "Sections",
    "Service",
    "SigningNote",
    "SigningNoteKind",
    "Tally",
    "Vote",
]


class ProtocolKind(StrEnum):
    """Kinds of consilium; each carries its own header codes (documents/editions.py)."""

    GENERAL = "general"
    ONCOLOGICAL = "oncological"
    CONSULTATION = "consultation"
    COMMISSION = "commission"


class ConsentBasis(StrEnum):
    """Why the patient's data may be discussed: consent, or a clause of law that does without it."""

    CONSENT = "consent"
    STATUTORY = "statutory"


@dataclass(frozen=True, slots=True, kw_only=True)
class Organisation:
    """A medical organisation; `oid` is its ФРМО identifier (11.1461), dotted digits without leading zeros.

    `address` is for people; `place` is the same with region and index, as the guides want it from the organisation
    that registers the document. `phone` in the international form (+74950000000).
    """

    oid: str
    name: str
    ogrn: str = ""
    inn: str = ""
    address: str = ""
    okpo: str = ""
    phone: str = ""
    place: Address | None = None
    licence: Licence | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Patient:
    """The patient of the case. `sex` is a code of 11.1040 (1 male, 2 female, 3 undetermined).

    With `pseudonym` the name is a pseudonym and СНИЛС, papers, policy and addresses are withheld: the local id alone
    leads back to the person. `places` holds at most two addresses of different kinds.
    """

    local_id: str
    name: PersonName
    birth_date: date | None
    sex: str
    snils: str = ""
    address: str = ""
    pseudonym: bool = False
    paper: IdentityPaper | None = None
    policy: Policy | None = None
    places: tuple[Address, ...] = ()
    guardian: Guardian | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Encounter:
    """The case of care the consilium belongs to. `kind` is a code of 99.2.723 (1 out-patient, 2 in-patient, 3 other).

    `card` names the sort of another card (11.1522) and is needed for kind 3 alone.
    """

    card_number: str
    kind: Coded
    started_at: datetime | None = None
    card: Coded | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Consent:
    """The patient's consent or the clause that replaces it (323-ФЗ ст. 20); `reference` names the stored paper."""

    basis: ConsentBasis
    given_on: date | None = None
    ground: str = ""
    reference: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Participant:
    """One person of the consilium. `role_code` is a signer role of 99.2.368 (CHAIRMAN, SECRETARY, COMMISSIONER ...).

    `remote` comes from the call log (medService:serviceRemote); `attendance` from the journaled joins and leaves,
    empty for somebody who was appointed and did not come.
    """

    person_id: str
    name: PersonName
    post: Coded
    organisation: Organisation
    role_code: str
    seat: SeatKind
    speciality: Coded | None = None
    snils: str = ""
    remote: bool = False
    attendance: tuple[Interval, ...] = ()
    voted: bool = False
    recused: bool = False
    recusal_reason: str = ""
    qualification: str = ""

    @property
    def attended(self) -> bool:
        """Whether the person was in the room at all."""
        return bool(self.attendance)


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseDocument:
    """A document that lay before the consilium; `digest` is the sha256 (hex) of the stored bytes.

    With `kind` (11.1522) and a date it also becomes a coded reference; `paper` says that the original is on paper.
    """

    title: str
    media_type: str
    digest: str
    dated: date | None = None
    kind: Coded | None = None
    series: str = ""
    number: str = ""
    paper: bool = False
    reference: DocumentReference = field(default_factory=DocumentReference)


@dataclass(frozen=True, slots=True, kw_only=True)
class CommissionOrder:
    """The order that makes a commission a body (180н): its name, the order's number and date.

    `subcommission` is the sort of a subcommission in words or by code (field 12476; its dictionary is published
    nowhere we could find).
    """

    name: str
    order_number: str
    order_date: date | None = None
    subcommission: Coded | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Sections:
    """The prose of the statutory items; the fifth item, the members, comes from the participants."""

    reasons: str
    course: str
    state: str
    decision: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ProtocolFacts:
    """Everything one protocol says about one patient's case.

    `document_id` is new for every version, `set_id` is kept, `version` counts from 1 and `replaces` is the previous
    version's id. `form` is a code of 11.1508, `urgency` of 11.1551, `goal` of 11.1506; `goal_text` is mandatory for
    goal 10. `diagnosis` is what the patient was sent with; `diagnoses` what the consilium settled on, the main one
    first (none: the referral's diagnosis stands). `severity` is 11.1006, `consilium_type` 99.2.780, `service_type`
    11.1034, `service_conditions` 99.2.322, `clinical_group` 99.2.146; `consultation_type` and
    `consultation_goal` (99.2.46) belong to kind 40. `mis_number` and `instance_number` are the arcs of this installation in identifiers below the
    organisation's OID. `author_id` and `authenticator_id` are person ids among the participants.
    """

    document_id: UUID
    set_id: UUID
    version: int
    number: str
    kind: ProtocolKind
    form: Coded
    telemedicine: bool
    started_at: datetime
    ended_at: datetime
    frozen_at: datetime
    organisation: Organisation
    patient: Patient
    diagnosis: Coded
    question: str
    goal: Coded
    urgency: Coded
    consent: Consent
    participants: tuple[Participant, ...]
    sections: Sections
    author_id: str
    authenticator_id: str
    goal_text: str = ""
    case_number: str = ""
    agenda_number: int = 1
    replaces: UUID | None = None
    resolutions: tuple[Resolution, ...] = ()
    dissents: tuple[Dissent, ...] = ()
    statements: tuple[RemoteStatement, ...] = ()
    documents: tuple[CaseDocument, ...] = ()
    signing_notes: tuple[SigningNote, ...] = ()
    recordings: tuple[Recorded, ...] = ()
    commission: CommissionOrder | None = None
    requesting_organisation: Organisation | None = None
    encounter: Encounter | None = None
    edition_notes: tuple[str, ...] = ()
    confidentiality: str = "R"
    utc_offset_minutes: int = 180
    mis_number: int = 1
    instance_number: int = 1
    severity: Coded | None = None
    diagnoses: tuple[Diagnosis, ...] = ()
    services: tuple[Service, ...] = ()
    results: tuple[Result, ...] = ()
    recommendations: Recommendations = field(default_factory=Recommendations)
    consilium_type: Coded | None = None
    service_type: Coded | None = None
    service_conditions: Coded | None = None
    consultation_type: Coded | None = None
    consultation_goal: Coded | None = None
    complaints: str = ""
    clinical_group: Coded | None = None
    payment: Payment | None = None
    hospitalisation: Hospitalisation | None = None

    def person(self, person_id: str) -> Participant | None:
        """The participant with this id, or None."""
        return next((one for one in self.participants if one.person_id == person_id), None)

    def attended(self) -> tuple[Participant, ...]:
        """Those who were in the room, in the order of the list."""
        return tuple(one for one in self.participants if one.attended)
