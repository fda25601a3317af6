"""What the consilium settled on beside the wording of its decision: for the coded parts of the document.

Kept with the protocol as one JSON text; an empty one says that nothing was entered, then the document repeats the
referral's diagnosis and names the consilium as the service.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import date
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

MOST_DIAGNOSES = 20
MOST_ADVICE = 40
MOST_SERVICES = 20
MAIN_DIAGNOSIS = "1"  # 11.1077

Code = Annotated[str, Meta(max_length=20)]
Words = Annotated[str, Meta(max_length=1_000)]
Long = Annotated[str, Meta(max_length=8_000)]
AdviceKind = Literal["treatment", "examination", "medication", "diet", "regime", "other"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Picked:
    """Words with the code of a national dictionary where it was picked from one; both empty: not said."""

    name: Words = ""
    code: Code = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SettledDiagnosis:
    """`code` is МКБ-10, `kind` 11.1077, `certainty` 99.2.795, `nature` 11.1049; `text` the doctors' wording.

    A tumour besides has `stage` in words and the categories of TNM (99.2.547).
    """

    code: Code
    kind: Code
    text: Words
    certainty: Code = ""
    nature: Code = ""
    stage: Annotated[str, Meta(max_length=100)] = ""
    tumour: Picked = Picked()
    node: Picked = Picked()
    metastasis: Picked = Picked()


@dataclass(frozen=True, slots=True, kw_only=True)
class Advice:
    """One line of what was recommended. `method` (11.1518), `stage` and `planned_on` belong to a treatment.

    `stage`: its number in the plan; 0 for "as it stands in the list".
    """

    kind: AdviceKind
    text: Annotated[str, Meta(max_length=4_000)]
    method: Picked = Picked()
    stage: Annotated[int, Meta(ge=0, le=99)] = 0
    planned_on: date | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class GivenService:
    """A service given at the consilium: a code of 11.1070, or words alone."""

    name: Words
    code: Code = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Particulars:
    """`complaints` are asked for by the telemedicine consultation (kind 40); `clinical_group` (99.2.146) by 190."""

    diagnoses: Annotated[tuple[SettledDiagnosis, ...], Meta(max_length=MOST_DIAGNOSES)] = ()
    clinical_group: Picked = Picked()
    advice: Annotated[tuple[Advice, ...], Meta(max_length=MOST_ADVICE)] = ()
    services: Annotated[tuple[GivenService, ...], Meta(max_length=MOST_SERVICES)] = ()
    complaints: Long = ""


def kept(particulars: Particulars) -> str:
    """As the protocol keeps it; nothing entered is an empty text."""
    return "" if particulars == Particulars() else msgspec.json.encode(particulars).decode()


def read_particulars(text: str) -> Particulars:
    """What `kept` has written."""
    return msgspec.json.decode(text, type=Particulars) if text else Particulars()


def plain(particulars: Particulars) -> dict[str, Any]:
    """For JSON: dicts, lists, texts."""
    found: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(particulars))
    return found


def digest_of(text: str) -> str:
    """sha256 (hex) of a kept text: what an editor says he has seen."""
    return hashlib.sha256(text.encode()).hexdigest()
