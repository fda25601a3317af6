"""What the state's guides want to know beside the decision: papers, addresses, diagnoses, results, recommendations.

Building blocks of facts.py. A code is a code of the national dictionary (НСИ 1.2.643.5.1.13.13.*) whose last arcs
stand beside the field; an empty code with a name means "in words, not in the dictionary".
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum


@dataclass(frozen=True, slots=True, kw_only=True)
class Coded:
    """A code of a national dictionary with its display name as it was shown to the person who chose it."""

    code: str
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PersonName:
    """A Russian personal name; the patronymic may be empty."""

    surname: str
    given: str
    patronymic: str = ""

    def full(self) -> str:
        """`Иванов Иван Иванович`."""
        return " ".join(part for part in (self.surname, self.given, self.patronymic) if part)

    def short(self) -> str:
        """`Иванов И. И.`: the form used in lists of votes."""
        initials = [f"{part[0]}." for part in (self.given, self.patronymic) if part]
        return " ".join([self.surname, *initials])


SNILS_DIGITS = 11


def snils_digits(value: str) -> str:
    """The eleven digits of a СНИЛС however it was typed; empty for anything else."""
    digits = "".join(char for char in value if char in "0123456789")
    return digits if len(digits) == SNILS_DIGITS else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """An address in words with the region (99.2.206, two digits).

    `kind` is a code of 11.1504 and is written for a patient only (1 permanent registration, 2 temporary, 3 actual).
    `object_id` and `house_id` are ФИАС identifiers of the street and the house (UUID).
    """

    text: str
    region: Coded
    postal_code: str = ""
    kind: str = "1"
    object_id: str = ""
    house_id: str = ""

    @property
    def whole(self) -> bool:
        """Whether it has what every guide wants of an address."""
        return bool(self.text.strip() and self.region.code)


@dataclass(frozen=True, slots=True, kw_only=True)
class Licence:
    """The licence of a medical organisation: its number and who gave it."""

    number: str
    issuer: str


@dataclass(frozen=True, slots=True, kw_only=True)
class IdentityPaper:
    """A paper that proves who somebody is (`kind`: 99.2.48) or whose rights he acts with (99.2.313)."""

    kind: Coded
    number: str
    issued_on: date
    series: str = ""
    issuer: str = ""
    issuer_code: str = ""

    @property
    def whole(self) -> bool:
        """Whether it can be named by code and number."""
        return bool(self.kind.code and self.number.strip())


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """A policy of compulsory health insurance (`kind`: 11.1035); only the old form has a series."""

    kind: Coded
    number: str
    series: str = ""
    valid_from: date | None = None
    valid_to: date | None = None

    @property
    def whole(self) -> bool:
        """Whether it can be named by code and number."""
        return bool(self.kind.code and self.number.strip())


@dataclass(frozen=True, slots=True, kw_only=True)
class Guardian:
    """The legal representative who acts for a patient (`relation`: 99.2.14)."""

    name: PersonName
    relation: Coded | None = None
    snils: str = ""
    authority: IdentityPaper | None = None


class ResultKind(StrEnum):
    """Which part of the record an earlier result belongs to."""

    CONSULTATION = "consultation"
    INSTRUMENTAL = "instrumental"
    LABORATORY = "laboratory"
    HISTOLOGY = "histology"


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentReference:
    """Where an earlier document is found: its id in our system and its РЭМД number, each may be unknown (empty)."""

    local_id: str = ""
    registry_number: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ResultAuthor:
    """Who made an earlier conclusion (`post`: 11.1002); `person_id` is his id in our system where he has one."""

    name: PersonName
    post: Coded
    person_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """An earlier result the consilium looked at: its conclusion in words, its date, author and document.

    `study` is the study (11.1471 instrumental, 11.1476 laboratory). A consultation goes into its coded section only
    with an author, a laboratory result only with a coded study; without them it stands in the narrative.
    """

    kind: ResultKind
    conclusion: str
    at: datetime
    author: ResultAuthor | None = None
    study: Coded | None = None
    document: DocumentReference = DocumentReference()


@dataclass(frozen=True, slots=True, kw_only=True)
class Tnm:
    """A TNM classification; each category is a code of 99.2.547."""

    tumour: Coded
    metastasis: Coded
    node: Coded | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnosis:
    """A diagnosis: `code` 11.1005 (МКБ-10), `kind` 11.1077, `certainty` 99.2.795, `nature` 11.1049.

    `text` is the doctor's wording; empty means the dictionary's name says it all. `stage` of a tumour, in words.
    """

    code: Coded
    kind: Coded
    text: str = ""
    certainty: Coded | None = None
    nature: Coded | None = None
    tnm: Tnm | None = None
    stage: str = ""

    def wording(self) -> str:
        """The doctor's words, or the name of the code."""
        return self.text.strip() or self.code.name


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """A medical service that was done: `what` is 11.1070, or words alone (empty code)."""

    what: Coded
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Treatment:
    """A recommended treatment: `method` 11.1518, `stage` its number in the plan, `planned_on` when (None: not said)."""

    text: str
    method: Coded
    stage: int
    planned_on: date | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Recommendations:
    """What the decision asks for beside its wording; every part may be empty."""

    treatments: tuple[Treatment, ...] = ()
    examinations: str = ""
    other: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Payment:
    """Who pays (`source`: 11.1039); `policy` is needed for compulsory insurance (source 1)."""

    source: Coded
    policy: Policy | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Hospitalisation:
    """What a commission decided about admission: `decision` 11.1512, `refusal` 11.1497, `planned_on` the day."""

    decision: Coded
    refusal: Coded | None = None
    planned_on: date | None = None
