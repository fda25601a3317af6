"""Whether a person's means of signing will work on the day, said days before (SG-06)."""

from __future__ import annotations

import hmac
from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Literal
from uuid import UUID

from consilium.errors import Conflict
from consilium.events import Event, ReadinessTested
from consilium.model import Readiness

FRESH = timedelta(days=30)
CHALLENGE_LIFE = timedelta(minutes=10)

State = Literal["ready", "expiring", "stale", "broken", "unknown"]
"""expiring: the certificate ends before it is needed. stale: the test is a month old. broken: the last test failed."""


def content(person_id: UUID, challenge: str, at: datetime) -> bytes:
    """The harmless document of a trial: it says of itself that it means nothing."""
    return (
        "Проверочный документ. Юридической силы не имеет. "
        "A document for a trial signature, without any legal force.\n"
        f"{person_id} {at.isoformat()} {challenge}\n"
    ).encode()


def begin(row: Readiness, challenge: str, at: datetime) -> None:
    row.challenge = challenge
    row.challenge_at = at.replace(microsecond=0)


def require_challenge(row: Readiness, challenge: str, at: datetime) -> datetime:
    """The moment that was given out. Raises Conflict challenge_expired."""
    known = bool(row.challenge) and hmac.compare_digest(row.challenge.encode(), challenge.encode())
    if row.challenge_at is None or not known or at - row.challenge_at > CHALLENGE_LIFE:
        raise Conflict("challenge_expired")
    return row.challenge_at


def proven(row: Readiness, certificate_sha256: str, until: datetime, at: datetime) -> list[Event]:
    """The strict verifier accepted the trial signature."""
    row.certificate_sha256 = certificate_sha256
    row.certificate_until = until
    return _tested(row, "OK", at)


def failed(row: Readiness, code: str, at: datetime) -> list[Event]:
    """The verifier refused it, or the page found nothing to sign with."""
    row.certificate_sha256 = ""
    row.certificate_until = None
    return _tested(row, code, at)


def _tested(row: Readiness, code: str, at: datetime) -> list[Event]:
    row.code = code
    row.checked_at = at
    row.challenge = ""
    return [ReadinessTested(person=row.person_id, provider=row.provider, code=code)]


def best(rows: Sequence[Readiness]) -> Readiness | None:
    """The newest trial that went well, else the newest of all."""
    done = sorted((one for one in rows if one.checked_at), key=lambda one: (one.code == "OK", one.checked_at))
    return done[-1] if done else None


def state(row: Readiness | None, needed_at: datetime, at: datetime, revoked: Collection[str] = ()) -> State:
    """How ready somebody is for `needed_at`; `revoked`: SHA-256 of certificates known to be revoked."""
    if row is None or row.checked_at is None:
        return "unknown"
    if row.code != "OK" or row.certificate_sha256 in revoked:
        return "broken"
    if row.certificate_until is None or row.certificate_until <= max(needed_at, at):
        return "expiring"
    return "stale" if at - row.checked_at > FRESH else "ready"
