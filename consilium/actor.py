"""Who asks: a person of a session, or the system itself."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class Actor:
    """Who asks: taken from the session, never from a payload. `SYSTEM` has no person."""

    person_id: UUID | None
    organisation_id: UUID | None
    duties: frozenset[str] = frozenset()
    name: str = ""


SYSTEM = Actor(person_id=None, organisation_id=None, duties=frozenset({"system"}), name="system")
