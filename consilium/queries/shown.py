"""How single things are shown in answers: ids and times as text, names beside ids."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime
from typing import Any
from uuid import UUID

from consilium.model import Case, Organisation, Person
from consilium.store import Reader
from consilium.store.tables import organisations, people


def moment(value: datetime | date | None) -> str | None:
    """ISO 8601, or None."""
    return value.isoformat() if value else None


def names_of(reader: Reader, ids: Iterable[UUID | None]) -> dict[UUID | None, str]:
    """Full names by person id; nobody (the system) is the empty string."""
    wanted = {one for one in ids if one is not None}
    found: dict[UUID | None, str] = {None: ""}
    found |= {one.id: one.full_name for one in reader.all(Person, people.c.id.in_(wanted))}
    return found


def organisation_names(reader: Reader, ids: Iterable[UUID | None]) -> dict[UUID | None, str]:
    """Short names by organisation id."""
    wanted = {one for one in ids if one is not None}
    found: dict[UUID | None, str] = {None: ""}
    found |= {one.id: one.short_name for one in reader.all(Organisation, organisations.c.id.in_(wanted))}
    return found


def case_line(case: Case, other: str) -> dict[str, Any]:
    """One row of a list of requests; `other` is the organisation on the far side."""
    return {
        "id": str(case.id),
        "number": case.number,
        "status": str(case.status),
        "patient": case.patient.full_name,
        "birth_date": moment(case.patient.birth_date),
        "diagnosis_code": case.diagnosis_code,
        "question": case.question,
        "profile": case.profile,
        "urgency_code": case.urgency_code,
        "deadline": moment(case.deadline) if case.status in OPEN else None,
        "other": other,
    }


OPEN = frozenset({"sent", "returned", "accepted"})
"""Statuses in which the receiver's term still runs."""
