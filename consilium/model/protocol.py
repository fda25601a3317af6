"""The protocol of one agenda item: draft, frozen bytes, signatures, seal, filing."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from uuid import UUID


class ProtocolStatus(StrEnum):
    DRAFTING = "drafting"
    SIGNING = "signing"
    SEALING = "sealing"  # every signer decided; the worker adds the seal and writes the package
    SEALED = "sealed"


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
    """One signer of one version. Rows of fallen versions stay, `version` tells them apart."""

    id: UUID
    version: int
    seat_id: UUID
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


@dataclass(slots=True, kw_only=True)
class Protocol:
    """The aggregate. `document` are the frozen bytes of `version`; never re-serialised (PR-06)."""

    id: UUID
    set_id: UUID
    number: str
    consilium_id: UUID
    item_id: UUID
    case_id: UUID
    organisation_id: UUID
    status: ProtocolStatus
    created_at: datetime
    version: int = 1
    document_id: UUID | None = None
    document: bytes = b""
    digest: str = ""
    frozen_at: datetime | None = None
    frozen_by: UUID | None = None
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
