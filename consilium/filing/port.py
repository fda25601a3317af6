"""The one port every registry adapter implements, and the values that cross it.

The flow is РЭМД's: metadata and signatures are registered first and acknowledged at once; the registry pulls the
document bytes later by `local_uid`; the answer comes back by a callback. Nothing here carries the document itself.

Errors:
    FilingError
      RegistryUnavailable   the registry did not answer, or asked to come later: try again with the same key
      RegistryRefused       the registry understood and said no at once: trying again changes nothing
      RegistryBroken        the registry answered something that is no answer: an operator must look
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import date, datetime
from typing import Protocol
from uuid import UUID


class FilingError(Exception):
    """Base of everything this package raises; `code` is stable, the message is for a person."""

    code = "filing_error"

    def __init__(self, message: str, code: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        if code is not None:
            self.code = code


class RegistryUnavailable(FilingError):
    """No usable answer now; the same registration may be sent again. `retry_after` seconds when the registry said so."""

    code = "registry_unavailable"

    def __init__(self, message: str, code: str | None = None, retry_after: float | None = None) -> None:
        super().__init__(message, code)
        self.retry_after = retry_after


class RegistryRefused(FilingError):
    """A definite refusal at registration, with the registry's own errors."""

    code = "registry_refused"

    def __init__(self, message: str, code: str | None = None, errors: tuple[RegistryError, ...] = ()) -> None:
        super().__init__(message, code)
        self.errors = errors


class RegistryBroken(FilingError):
    """An answer that follows no contract (garbage, too big, a redirect)."""

    code = "registry_broken"


@dataclass(frozen=True, slots=True, kw_only=True)
class FilingPatient:
    """The patient as the registry wants him: СНИЛС as eleven digits or empty, sex a code of 11.1040."""

    surname: str
    given: str
    patronymic: str
    snils: str
    birth_date: date | None
    sex: str
    local_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FilingSigner:
    """A signing medical worker; role of 99.2.368, post of 11.1002, speciality of 11.1066 (may be empty)."""

    local_id: str
    role_code: str
    post_code: str
    speciality_code: str
    surname: str
    given: str
    patronymic: str
    snils: str
    organisation_oid: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PersonalSignature:
    """One detached CMS (DER) with one signer; `checksum` is the sha256 (hex) of the document it was made over."""

    signer: FilingSigner
    data: bytes
    checksum: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OrganisationSignature:
    """The organisation's detached CMS (DER) over the same document."""

    data: bytes
    checksum: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Filing:
    """One sealed document version on its way to a registry.

    `local_uid` is ClinicalDocument/id/@extension and new for every version; `kind_code` a code of 11.1520.
    `pull_url` is where the registry fetches the bytes, `callback_url` where it answers. `replaces` is the `local_uid`
    of the earlier version whose place this one takes.
    """

    local_uid: UUID
    version: int
    kind_code: str
    document_number: str
    created_at: datetime
    organisation_oid: str
    patient: FilingPatient
    document_sha256: str
    personal_signatures: tuple[PersonalSignature, ...]
    organisation_signature: OrganisationSignature | None
    pull_url: str
    callback_url: str
    replaces: UUID | None = None

    @property
    def idempotency_key(self) -> str:
        """sha256 (hex) of document id and version: the same filing always carries the same key."""
        return idempotency_key(self.local_uid, self.version)


def idempotency_key(local_uid: UUID, version: int) -> str:
    """The key under which a registry may accept a document once."""
    return hashlib.sha256(f"{local_uid}:{version}".encode()).hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class Acknowledgement:
    """The registry took the registration; its answer will name `message_id`."""

    message_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RegistryError:
    """One coded error of the registry: text code and number of 99.2.305, and its own words."""

    code: str
    number: int
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Registered:
    """The document is in the registry under this number."""

    emdr_id: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Rejected:
    """The registry checked the document and refused it; never empty."""

    errors: tuple[RegistryError, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Pending:
    """The registry knows the document and has not decided."""

    message_id: str


class Registry(Protocol):
    """What the product needs of a registry; adapters are synchronous and hold no state of a filing."""

    def register(self, filing: Filing) -> Acknowledgement:
        """Hand over metadata and signatures. Idempotent by `filing.idempotency_key`: sent twice, accepted once.

        Raises RegistryUnavailable, RegistryRefused, RegistryBroken.
        """
        ...

    def find(self, filing: Filing) -> Registered | Rejected | Pending | None:
        """What the registry knows about this document version; None when it never heard of it.

        Used when a callback is overdue. Raises RegistryUnavailable, RegistryRefused, RegistryBroken.
        """
        ...

    def close(self) -> None:
        """Give the connections back."""
        ...
