"""The JSON that travels between the product and a registry, and the seal that proves who sent it.

Names follow РЭМД's registerDocument and sendRegisterDocumentResult (registration without the file, pull by localUid,
answer by callback). Both directions carry `X-Consilium-Time` and `X-Consilium-Signature`: HMAC-SHA256 with a shared
secret over purpose, target, time and the sha256 of the body, so that a message for one purpose is worthless for
another. A clock may differ by five minutes; replays inside that window do nothing, because every receiver is
idempotent.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Annotated, Literal
from urllib.parse import urlsplit
from uuid import UUID

import msgspec

from consilium.filing.port import (
    Filing,
    FilingError,
    FilingPatient,
    FilingSigner,
    OrganisationSignature,
    PersonalSignature,
    RegistryError,
)

REPLACES = "RPLC"
TIME_HEADER = "X-Consilium-Time"
SIGNATURE_HEADER = "X-Consilium-Signature"
KEY_HEADER = "Idempotency-Key"
CLOCK_SKEW_SECONDS = 300
MAX_REGISTRATION_BYTES = 4 * 1024 * 1024
MAX_CALLBACK_BYTES = 64 * 1024

Purpose = Literal["register", "find", "pull", "callback", "soap", "webhook"]
Short = Annotated[str, msgspec.Meta(max_length=200)]
Name = Annotated[str, msgspec.Meta(max_length=400)]
Address = Annotated[str, msgspec.Meta(min_length=8, max_length=600)]
Digest = Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}$")]
Cms = Annotated[bytes, msgspec.Meta(min_length=1, max_length=256 * 1024)]


class WireError(FilingError):
    """A message that is not of the declared shape, not from the partner, or too old."""

    code = "wire_refused"


class Code(msgspec.Struct, frozen=True):
    """A value of a national dictionary."""

    code: Short


class PatientDto(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    surname: Name
    name: Name
    patr_name: Name
    snils: Annotated[str, msgspec.Meta(pattern="^([0-9]{11})?$")]
    birth_date: date | None = None
    sex: Short
    local_id: Short


class SignerDto(msgspec.Struct, frozen=True, rename="camel"):
    local_id: Short
    role: Code
    position: Code
    speciality: Code
    surname: Name
    name: Name
    patr_name: Name
    snils: Annotated[str, msgspec.Meta(pattern="^([0-9]{11})?$")]
    organization: Short


class SignatureDto(msgspec.Struct, frozen=True):
    """A detached CMS (base64 in JSON) and the sha256 of the document it covers."""

    data: Cms
    checksum: Digest


class PersonalSignatureDto(msgspec.Struct, frozen=True):
    signer: SignerDto
    signature: SignatureDto


class AssociationDto(msgspec.Struct, frozen=True):
    """A tie to a document filed before; type RPLC (99.2.122): this one takes its place."""

    type: Short
    target: UUID


class Registration(msgspec.Struct, frozen=True, rename="camel"):
    """registerDocument: everything but the document."""

    local_uid: UUID
    version: Annotated[int, msgspec.Meta(ge=1)]
    idempotency_key: Digest
    kind: Code
    document_number: Short
    creation_date_time: datetime
    organization: Short
    patient: PatientDto
    document_digest: Digest
    personal_signatures: Annotated[list[PersonalSignatureDto], msgspec.Meta(max_length=200)]
    org_signature: SignatureDto | None
    pull_url: Address
    callback_url: Address
    associations: Annotated[list[AssociationDto], msgspec.Meta(max_length=20)] = []


class Ack(msgspec.Struct, frozen=True, rename="camel"):
    """The synchronous answer to a registration."""

    message_id: Annotated[str, msgspec.Meta(min_length=1, max_length=200)]


class ErrorDto(msgspec.Struct, frozen=True):
    code: Annotated[str, msgspec.Meta(pattern="^[A-Z0-9_]{1,80}$")]
    number: Annotated[int, msgspec.Meta(ge=0, le=99_999)] = 0
    message: Annotated[str, msgspec.Meta(max_length=4000)] = ""


class Refusal(msgspec.Struct, frozen=True):
    """A synchronous refusal of a registration."""

    errors: Annotated[list[ErrorDto], msgspec.Meta(min_length=1, max_length=100)]


class RegistryItem(msgspec.Struct, frozen=True, rename="camel"):
    emdr_id: Short
    registration_date_time: datetime


class Callback(msgspec.Struct, frozen=True, rename="camel"):
    """sendRegisterDocumentResult: the registry's answer after its checks."""

    relates_to_message: Short
    local_uid: UUID
    status: Literal["success", "error"]
    kind: Short = ""
    organization: Short = ""
    registry_item: RegistryItem | None = None
    errors: Annotated[list[ErrorDto], msgspec.Meta(max_length=100)] = []


class Found(msgspec.Struct, frozen=True, rename="camel"):
    """The answer to "what do you know under this key"."""

    status: Literal["success", "error", "pending"]
    message_id: Short = ""
    registry_item: RegistryItem | None = None
    errors: Annotated[list[ErrorDto], msgspec.Meta(max_length=100)] = []


def encode(message: msgspec.Struct) -> bytes:
    """A message as JSON."""
    return msgspec.json.encode(message)


def registration(filing: Filing) -> Registration:
    """A filing in the registry's words."""
    seal = filing.organisation_signature
    return Registration(
        local_uid=filing.local_uid,
        version=filing.version,
        idempotency_key=filing.idempotency_key,
        kind=Code(filing.kind_code),
        document_number=filing.document_number,
        creation_date_time=filing.created_at.astimezone(UTC),
        organization=filing.organisation_oid,
        patient=_patient(filing.patient),
        document_digest=filing.document_sha256,
        personal_signatures=[_personal(one) for one in filing.personal_signatures],
        org_signature=_seal(seal) if seal else None,
        pull_url=filing.pull_url,
        callback_url=filing.callback_url,
        associations=associations(filing),
    )


def associations(filing: Filing) -> list[AssociationDto]:
    """A new version names the one whose place it takes."""
    return [AssociationDto(type=REPLACES, target=filing.replaces)] if filing.replaces else []


def _patient(one: FilingPatient) -> PatientDto:
    return PatientDto(
        surname=one.surname,
        name=one.given,
        patr_name=one.patronymic,
        snils=digits(one.snils),
        birth_date=one.birth_date,
        sex=one.sex,
        local_id=one.local_id,
    )


def _personal(one: PersonalSignature) -> PersonalSignatureDto:
    return PersonalSignatureDto(_signer(one.signer), SignatureDto(one.data, one.checksum))


def _signer(one: FilingSigner) -> SignerDto:
    return SignerDto(
        local_id=one.local_id,
        role=Code(one.role_code),
        position=Code(one.post_code),
        speciality=Code(one.speciality_code),
        surname=one.surname,
        name=one.given,
        patr_name=one.patronymic,
        snils=digits(one.snils),
        organization=one.organisation_oid,
    )


def _seal(one: OrganisationSignature) -> SignatureDto:
    return SignatureDto(one.data, one.checksum)


def digits(snils: str) -> str:
    """`112-233-445 95` as eleven digits."""
    return "".join(char for char in snils if char in "0123456789")


def registry_errors(rows: list[ErrorDto]) -> tuple[RegistryError, ...]:
    """Errors as values of the port; what cannot be printed is dropped from their words."""
    return tuple(
        RegistryError(code=one.code, number=one.number, message=printable(one.message)) for one in rows
    )


def printable(text: str) -> str:
    """Foreign text without control, bidirectional or invisible characters."""
    return "".join(char if char.isprintable() else " " for char in text).strip()


def under_allowed_base(url: str, allowed: tuple[str, ...]) -> bool:
    """Whether an address has scheme, host and port of an allowed base and lies under its path."""
    parts = urlsplit(url)
    if "\\" in url or ".." in parts.path or "%" in parts.path:
        return False
    for base in map(urlsplit, allowed):
        same_origin = (parts.scheme, parts.netloc) == (base.scheme, base.netloc)
        folder = base.path.rstrip("/")
        if same_origin and (parts.path == folder or parts.path.startswith(f"{folder}/")):
            return True
    return False


def partner_secret(secret_key: str) -> bytes:
    """The secret shared with the registry, derived from the product's own so that neither reveals the other."""
    return hmac.new(secret_key.encode(), b"consilium registry partner", hashlib.sha256).hexdigest().encode()


@dataclass(frozen=True, slots=True)
class Proof:
    """What both sides know: the shared secret, or the token a gateway in front of the registry understands."""

    secret: bytes = field(repr=False)
    token: str = field(default="", repr=False)

    def headers(self, purpose: Purpose, target: str, body: bytes, at: datetime) -> dict[str, str]:
        """What is sent along to be believed."""
        if self.token:
            return {"Authorization": f"Bearer {self.token}"}
        return sign(self.secret, purpose, target, body, at)

    def check(
        self, headers: Mapping[str, str], purpose: Purpose, target: str, body: bytes, at: datetime
    ) -> None:
        """Refuse a message that proves nothing. Raises WireError as `check`."""
        if not self.token:
            check(headers, self.secret, purpose, target, body, at)
            return
        given = next((value for name, value in headers.items() if name.lower() == "authorization"), "")
        if not hmac.compare_digest(given.encode("utf-8", "replace"), f"Bearer {self.token}".encode()):
            raise WireError("The message's token is not the agreed one.", "wire_forged")


def sign(secret: bytes, purpose: Purpose, target: str, body: bytes, at: datetime) -> dict[str, str]:
    """The two headers that prove a message. `target`: idempotency key (register, find), localUid (pull) or ""."""
    stamp = str(int(at.timestamp()))
    return {TIME_HEADER: stamp, SIGNATURE_HEADER: _mac(secret, purpose, target, stamp, body)}


def check(
    headers: Mapping[str, str], secret: bytes, purpose: Purpose, target: str, body: bytes, at: datetime
) -> None:
    """Refuse a message without a fresh and right signature. Raises WireError: wire_unsigned, wire_stale, wire_forged."""
    found = {name.lower(): value for name, value in headers.items()}
    stamp, mac = found.get(TIME_HEADER.lower(), ""), found.get(SIGNATURE_HEADER.lower(), "")
    if not stamp or not mac:
        raise WireError("The message carries no signature.", "wire_unsigned")
    if not (stamp.isascii() and stamp.isdigit() and len(stamp) <= 12):
        raise WireError("The message's time is no time.", "wire_forged")
    if not hmac.compare_digest(
        _mac(secret, purpose, target, stamp, body).encode(), mac.encode("utf-8", "replace")
    ):
        raise WireError("The message's signature does not match.", "wire_forged")
    if abs(int(stamp) - at.timestamp()) > CLOCK_SKEW_SECONDS:
        raise WireError("The message is too old, or a clock is wrong.", "wire_stale")


def _mac(secret: bytes, purpose: str, target: str, stamp: str, body: bytes) -> str:
    if len(secret) < 16:
        raise ValueError("the secret shared with the registry needs at least 16 bytes")
    message = "\n".join([purpose, target, stamp, hashlib.sha256(body).hexdigest()])
    return hmac.new(secret, message.encode(), hashlib.sha256).hexdigest()
