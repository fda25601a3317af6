"""Adapter to a regional proxy: `POST /api/smd` with the document in it, as many МИС do it (regulation 5.1).

The shape of the request was seen in public tests of one region; what a proxy answers and how it is asked is inference
and stands in this one file: 200 or 202 {MessageId}, 4xx {Errors}, and `GET /api/smd/{LocalUid}` {Status, …}. Nothing
is called back: the proxy is asked.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

import msgspec

from consilium import clock
from consilium.filing import callback, wire
from consilium.filing.line import ACCEPTED_STATUSES, DENIED_STATUSES, REFUSED_STATUSES, Line, LineSettings
from consilium.filing.plain import decoded
from consilium.filing.port import (
    Acknowledgement,
    Filing,
    FilingError,
    FilingSigner,
    Pending,
    Registered,
    RegistryBroken,
    RegistryRefused,
    Rejected,
)
from consilium.filing.profile import Profile

Bytes = Annotated[bytes, msgspec.Meta(max_length=8 * 1024 * 1024)]


class Content(msgspec.Struct, frozen=True, rename="pascal"):
    document: Bytes
    check_sum: wire.Digest


class Signed(msgspec.Struct, frozen=True, rename="pascal"):
    data: wire.Cms
    check_sum: wire.Digest


class Signer(msgspec.Struct, frozen=True, rename="pascal"):
    local_id: wire.Short
    role: wire.Short
    position: wire.Short
    speciality: wire.Short
    surname: wire.Name
    name: wire.Name
    patr_name: wire.Name
    snils: Annotated[str, msgspec.Meta(pattern="^([0-9]{11})?$")]
    organization: wire.Short


class PersonalSigned(msgspec.Struct, frozen=True, rename="pascal"):
    signer: Signer
    signature: Signed


class Vmcl(msgspec.Struct, frozen=True):
    """Where a proxy sends the document on to; 99: the registry alone."""

    vmcl: int
    trigger_point: int | None = msgspec.field(default=None, name="triggerPoint")
    doc_type_version: str | None = msgspec.field(default=None, name="docTypeVersion")


class Association(msgspec.Struct, frozen=True, rename="pascal"):
    type: wire.Short
    target: UUID


class Smd(msgspec.Struct, frozen=True, rename="pascal", kw_only=True):
    """One document on its way through the proxy."""

    local_uid: UUID
    patient_guid: wire.Short
    doc_type: wire.Short
    doc_number: wire.Short
    doc_date: datetime
    organization: wire.Short
    patient: dict[str, Any]
    doc_content: Content
    vmcl: Annotated[list[Vmcl], msgspec.Meta(max_length=10)] = msgspec.field(name="VMCL")
    org_signature: Signed | None
    personal_signatures: Annotated[list[PersonalSigned], msgspec.Meta(max_length=200)]
    associations: Annotated[list[Association], msgspec.Meta(max_length=20)] = []


class SmdError(msgspec.Struct, frozen=True, rename="pascal"):
    code: Annotated[str, msgspec.Meta(pattern="^[A-Z0-9_]{1,80}$")]
    message: Annotated[str, msgspec.Meta(max_length=4000)] = ""


class SmdAnswer(msgspec.Struct, frozen=True, rename="pascal"):
    """To a registration."""

    message_id: wire.Short = ""
    errors: Annotated[list[SmdError], msgspec.Meta(max_length=100)] = []


class SmdStatus(msgspec.Struct, frozen=True, rename="pascal"):
    """To a question."""

    status: Literal["processing", "registered", "rejected"]
    message_id: wire.Short = ""
    emdr_id: wire.Short = ""
    registration_date_time: datetime | None = None
    errors: Annotated[list[SmdError], msgspec.Meta(max_length=100)] = []


class Proxy:
    """A `port.Registry` over a regional proxy; `documents` gives the frozen bytes. One thread at a time."""

    def __init__(self, settings: LineSettings, profile: Profile, documents: Callable[[UUID], bytes]) -> None:
        self._line = Line(settings)
        self._proof = settings.proof
        self._profile = profile
        self._documents = documents

    def close(self) -> None:
        """Give the connections back."""
        self._line.close()

    def register(self, filing: Filing) -> Acknowledgement:
        """Send everything. Raises RegistryUnavailable, RegistryRefused, RegistryBroken."""
        body = msgspec.json.encode(smd(filing, self._documents(filing.local_uid), self._profile))
        key = filing.idempotency_key
        proof = self._proof.headers("register", key, body, clock.now())
        headers = {"Content-Type": "application/json", wire.KEY_HEADER: key, **proof}
        status, answer = self._line.ask("POST", self._profile.proxy_path, headers, body)
        if status not in ACCEPTED_STATUSES:
            raise _refusal(status, answer)
        told = decoded(answer, SmdAnswer)
        if told.errors:
            raise RegistryRefused("The proxy refused the document.", errors=_errors(told.errors))
        return Acknowledgement(message_id=told.message_id or str(filing.local_uid))

    def find(self, filing: Filing) -> Registered | Rejected | Pending | None:
        """Ask what became of the document. Raises RegistryUnavailable, RegistryRefused, RegistryBroken."""
        key = str(filing.local_uid)
        headers = self._proof.headers("find", key, b"", clock.now())
        status, answer = self._line.ask("GET", f"{self._profile.proxy_path}/{key}", headers, b"")
        if status == 404:
            return None
        if status not in ACCEPTED_STATUSES:
            raise _refusal(status, answer)
        return _found(decoded(answer, SmdStatus), key)


def smd(filing: Filing, document: bytes, profile: Profile) -> Smd:
    """A filing with its document in the proxy's words. Raises FilingError when the bytes are not the filed ones."""
    if hashlib.sha256(document).hexdigest() != filing.document_sha256:
        raise FilingError("The stored document is not the one that was sealed.", "not_filed")
    seal = filing.organisation_signature
    return Smd(
        local_uid=filing.local_uid,
        patient_guid=filing.patient.local_id,
        doc_type=filing.kind_code,
        doc_number=filing.document_number,
        doc_date=filing.created_at,
        organization=filing.organisation_oid,
        patient=msgspec.to_builtins(wire.registration(filing).patient),
        doc_content=Content(document, filing.document_sha256),
        vmcl=[Vmcl(code) for code in profile.vmcl],
        org_signature=Signed(seal.data, seal.checksum) if seal else None,
        personal_signatures=[
            PersonalSigned(_signer(one.signer), Signed(one.data, one.checksum))
            for one in filing.personal_signatures
        ],
        associations=[Association(one.type, one.target) for one in wire.associations(filing)],
    )


def _signer(one: FilingSigner) -> Signer:
    return Signer(
        local_id=one.local_id,
        role=one.role_code,
        position=one.post_code,
        speciality=one.speciality_code,
        surname=one.surname,
        name=one.given,
        patr_name=one.patronymic,
        snils=wire.digits(one.snils),
        organization=one.organisation_oid,
    )


def _found(told: SmdStatus, key: str) -> Registered | Rejected | Pending:
    if told.status == "processing":
        return Pending(message_id=told.message_id or key)
    item = None
    if told.status == "registered" and told.registration_date_time is not None:
        item = wire.RegistryItem(told.emdr_id, told.registration_date_time)
    rows = [wire.ErrorDto(one.code, 0, one.message) for one in told.errors]
    try:
        return callback.outcome("success" if told.status == "registered" else "error", item, rows)
    except wire.WireError as error:
        raise RegistryBroken(error.message) from error


def _refusal(status: int, answer: bytes) -> FilingError:
    if status in DENIED_STATUSES:
        return RegistryRefused("The proxy does not know this system.", "registry_access_denied")
    if status in REFUSED_STATUSES:
        rows = decoded(answer, SmdAnswer).errors
        return RegistryRefused("The proxy refused the document.", errors=_errors(rows))
    return RegistryBroken(f"The proxy answered {status}.")


def _errors(rows: list[SmdError]) -> tuple[Any, ...]:
    return wire.registry_errors([wire.ErrorDto(one.code, 0, one.message) for one in rows])
