"""What РЭМД's messages carry (regulation 5.1), free of XML: `soap` writes and reads them under a profile's names."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Literal
from uuid import UUID

import msgspec

from consilium.filing import wire
from consilium.filing.port import Filing
from consilium.filing.wire import (
    AssociationDto,
    Code,
    ErrorDto,
    PatientDto,
    PersonalSignatureDto,
    Short,
    SignatureDto,
)

Errors = Annotated[list[ErrorDto], msgspec.Meta(max_length=100)]
MAX_FILE_BYTES = 8 * 1024 * 1024


class RegisterDocument(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """Metadata and signatures; the file is asked for later."""

    local_uid: UUID
    kind: Code
    document_number: Short
    creation_date_time: datetime
    organization: Short
    patient: PatientDto
    personal_signatures: Annotated[list[PersonalSignatureDto], msgspec.Meta(max_length=200)] = []
    org_signature: SignatureDto | None = None
    associations: Annotated[list[AssociationDto], msgspec.Meta(max_length=20)] = []


class Answer(msgspec.Struct, frozen=True, rename="camel"):
    """The synchronous answer to any request that asks for nothing back."""

    status: Literal["success", "error"]
    errors: Errors = []


class GetDocumentFile(msgspec.Struct, frozen=True, rename="camel"):
    local_uid: UUID


class DocumentFile(msgspec.Struct, frozen=True, rename="camel"):
    """The identical bytes (base64 in XML)."""

    local_uid: UUID
    data: Annotated[bytes, msgspec.Meta(min_length=1, max_length=MAX_FILE_BYTES)]


class RegisterDocumentResult(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """The registry's answer after its checks."""

    relates_to_message: Short
    local_uid: UUID
    status: Literal["success", "error"]
    kind: Short = ""
    organization: Short = ""
    registry_item: wire.RegistryItem | None = None
    errors: Errors = []


class SearchRegistryItem(msgspec.Struct, frozen=True, rename="camel"):
    organization: Short
    kind: Short
    register_date_begin: date
    register_date_end: date
    patient_snils: Annotated[str, msgspec.Meta(pattern="^([0-9]{11})?$")] = ""


class Match(msgspec.Struct, frozen=True, rename="camel"):
    local_uid: UUID
    registration_date_time: datetime
    emdr_id: Short = ""


class Matches(msgspec.Struct, frozen=True, rename="camel"):
    matches: Annotated[list[Match], msgspec.Meta(max_length=10_000)] = []


def register_document(filing: Filing) -> RegisterDocument:
    """A filing in РЭМД's words: no digest of the document, no addresses, no key."""
    told = wire.registration(filing)
    return RegisterDocument(
        local_uid=told.local_uid,
        kind=told.kind,
        document_number=told.document_number,
        creation_date_time=told.creation_date_time,
        organization=told.organization,
        patient=told.patient,
        personal_signatures=told.personal_signatures,
        org_signature=told.org_signature,
        associations=told.associations,
    )
