"""Who there is: organisations, people, routes between organisations, standing bodies, certificates."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime
from uuid import UUID


@dataclass(slots=True, kw_only=True)
class Organisation:
    """A medical organisation. `oid` is its ФРМО OID; `ogrn`/`inn` go into the seal's certificate.

    The rest stands in documents in the state's formats: `region` (НСИ 99.2.206) with its name, ОКПО, the licence.
    """

    id: UUID
    oid: str
    name: str
    short_name: str
    ogrn: str
    inn: str
    address: str
    okpo: str = ""
    phone: str = ""
    region: str = ""
    region_name: str = ""
    postal_code: str = ""
    licence: str = ""
    licence_issuer: str = ""


@dataclass(slots=True, kw_only=True)
class Person:
    """A medical worker with an account. `snils` is 11 digits; `duties` are account-wide rights.

    duties: doctor (asks and takes part), coordinator (triages, schedules), registrar (watches filing),
    admin (people, routes, bodies of the own organisation), operator (health of the installation).
    """

    id: UUID
    organisation_id: UUID
    login: str
    password_hash: str
    surname: str
    given: str
    patronymic: str
    snils: str
    position: str
    position_code: str
    speciality: str
    duties: list[str]
    language: str = "ru"
    theme: str = "auto"
    active: bool = True
    revision: int = 0

    @property
    def full_name(self) -> str:
        return " ".join(part for part in (self.surname, self.given, self.patronymic) if part)


@dataclass(slots=True, kw_only=True)
class Route:
    """Profile × receiving organisation, open to one sending organisation (RQ-01)."""

    id: UUID
    profile: str
    sender_id: UUID
    receiver_id: UUID
    open: bool = True


@dataclass(slots=True, kw_only=True)
class BodyMember:
    """Membership by date (AD-01). `deputises_for` names the member this one stands in for."""

    id: UUID
    person_id: UUID
    role: str
    since: date
    until: date | None = None
    deputises_for: UUID | None = None


@dataclass(slots=True, kw_only=True)
class Body:
    """A standing medical commission, established by an order of the organisation's head (180н).

    `signing_order` and `signing_days` (working days, 0: as the kind has it) are what its order says of signing.
    """

    id: UUID
    organisation_id: UUID
    name: str
    order_number: str
    order_date: date
    kind: str = "commission"
    signing_order: str = "parallel"
    signing_days: int = 0
    members: list[BodyMember] = field(default_factory=list)


@dataclass(slots=True, kw_only=True)
class Certificate:
    """A signing certificate the demonstration authority issued to a person."""

    id: UUID
    person_id: UUID
    serial: str
    der: bytes
    not_before: datetime
    not_after: datetime
    issued_at: datetime
    revoked_at: datetime | None = None


@dataclass(slots=True, kw_only=True)
class Readiness:
    """The last test signature of a person by one means on one device (SG-06).

    `code` is "OK", a code of the strict verifier, or what the page found missing; `challenge` is spent by the
    test that answers it.
    """

    id: UUID
    person_id: UUID
    provider: str
    device: str
    challenge: str = ""
    challenge_at: datetime | None = None
    code: str = ""
    certificate_sha256: str = ""
    certificate_until: datetime | None = None
    checked_at: datetime | None = None
