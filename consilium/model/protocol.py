"""The protocol of an agenda item, the papers made from it, and the referral of a request: from draft to filing."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from uuid import UUID


class Paper(StrEnum):
    """What an aggregate of this kind is. Everything but a protocol is frozen at birth."""

    PROTOCOL = "protocol"
    EXTRACT = "extract"  # of a commission's protocol, for one patient
    ANNULMENT = "annulment"  # the act by which a sealed paper stops to count
    REFERRAL = "referral"  # of a sent request: its doctor's own paper, without any consilium


class ProtocolStatus(StrEnum):
    DRAFTING = "drafting"
    SIGNING = "signing"
    SEALING = "sealing"  # every signer decided; the worker adds the seal and writes the package
    SEALED = "sealed"
    WITHDRAWN = "withdrawn"  # a paper frozen at birth that was given up before its seal; its number stays


class SignatureStatus(StrEnum):
    AWAITED = "awaited"
    SIGNED = "signed"
    DECLINED = "declined"
    RELEASED = "released"


class FilingStatus(StrEnum):
    NONE = "none"
    QUEUED = "queued"
    WAITING = "waiting"  # acknowledged, the registry's answer is awaited
    REGISTERED = "registered"
    REJECTED = "rejected"
    DEAD = "dead"


@dataclass(slots=True, kw_only=True)
class Signature:
    """One signer of one version. Rows of fallen versions stay, `version` tells them apart.

    `step`: rows of a lower step are signed first (SG-03). `due_at` stands from the moment the turn has come;
    `reminders` counts the notices since. `provider`: what made the signature, as the signer's page says.
    `stand_in`: the seat that takes the place of a released signer (SG-09). `seat_id` is None where the paper belongs
    to no consilium.
    """

    id: UUID
    version: int
    seat_id: UUID | None
    person_id: UUID
    role: str
    order: int
    status: SignatureStatus = SignatureStatus.AWAITED
    challenge: str = ""
    challenge_at: datetime | None = None
    opened_at: datetime | None = None
    cms: bytes = b""
    certificate: bytes = b""
    signed_at: datetime | None = None
    reason: str = ""
    decided_by: UUID | None = None
    step: int = 1
    due_at: datetime | None = None
    reminders: int = 0
    provider: str = ""
    stand_in: UUID | None = None


@dataclass(slots=True, kw_only=True)
class DissentPaper:
    """A dissenting opinion as its own small document over the protocol's digest (SG-12)."""

    id: UUID
    version: int
    dissent_id: UUID
    seat_id: UUID
    person_id: UUID
    order: int
    document: bytes
    digest: str
    status: SignatureStatus = SignatureStatus.AWAITED
    challenge: str = ""
    challenge_at: datetime | None = None
    cms: bytes = b""
    certificate: bytes = b""
    signed_at: datetime | None = None
    reason: str = ""
    due_at: datetime | None = None
    reminders: int = 0


@dataclass(slots=True, kw_only=True)
class Protocol:
    """The aggregate. `document` are the frozen bytes of `version`; never re-serialised (PR-06).

    A referral, and an act about one, belongs to a case alone: `consilium_id` and `item_id` are None.

    `series` and `number` are its place in the continuous numbering of the body and year (PR-08). `parent_id`:
    the paper an extract or an annulment speaks of. `replaces_id`: the annulled paper whose place this one
    takes, with the same `set_id` and a higher version. `annulled_by`: the sealed act. `reason`: why an act
    annuls, at whose application an extract was made. `edition`: the templateId the bytes were frozen under.
    `waits_for`: what the sealing waits for ("timestamp", "revocation", "seal_key", "check" or nothing), since
    when, and `waits_reason`: the code of what it was answered last.
    """

    id: UUID
    set_id: UUID
    number: str
    consilium_id: UUID | None
    item_id: UUID | None
    case_id: UUID
    organisation_id: UUID
    status: ProtocolStatus
    created_at: datetime
    paper: Paper = Paper.PROTOCOL
    series: str = ""
    parent_id: UUID | None = None
    replaces_id: UUID | None = None
    reason: str = ""
    addressee: str = ""
    edition: str = ""
    particulars: str = ""  # JSON of model.particulars.Particulars, empty while nothing was entered
    version: int = 1
    document_id: UUID | None = None
    document: bytes = b""
    digest: str = ""
    frozen_at: datetime | None = None
    frozen_by: UUID | None = None
    signing_order: str = "parallel"
    signing_days: int = 0
    waits_for: str = ""
    waits_reason: str = ""
    waits_since: datetime | None = None
    withdrawn_at: datetime | None = None
    withdrawn_by: UUID | None = None
    withdrawn_reason: str = ""
    annulled_at: datetime | None = None
    annulled_by: UUID | None = None
    annul_reason: str = ""
    sealed_at: datetime | None = None
    seal_cms: bytes = b""
    seal_certificate: bytes = b""
    package_digest: str = ""
    package_name: str = ""
    filing: FilingStatus = FilingStatus.NONE
    filing_attempts: int = 0
    filing_message: str = ""
    filing_error_codes: list[str] = field(default_factory=list)
    registry_number: str = ""
    registered_at: datetime | None = None
    filing_next_try: datetime | None = None
    filing_asked_at: datetime | None = None
    filing_state: str = ""  # JSON of filing.states.FilingState; the fields above are what people see of it
    signatures: list[Signature] = field(default_factory=list)
    dissents: list[DissentPaper] = field(default_factory=list)
    revision: int = 0

    def current_signatures(self) -> list[Signature]:
        return [one for one in self.signatures if one.version == self.version]

    def current_dissents(self) -> list[DissentPaper]:
        return [one for one in self.dissents if one.version == self.version]
