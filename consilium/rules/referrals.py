"""The referral of a request: its doctor's own paper, made once the request is sent (guide 185, kind 57).

It goes before any consilium, so nothing of a meeting bears on it: the doctor who asks makes it, signs it and answers
for it, his organisation seals and files it, and what becomes of it changes no step of the request. It is corrected as
every paper is: given up before its seal, annulled by an act after it, and made anew from the request as it then stands.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID, uuid4

from consilium.errors import Conflict, Forbidden
from consilium.model import Case, CaseStatus, Consilium, Paper, Person, Protocol, ProtocolStatus
from consilium.rules import request
from consilium.rules.papers import Signer, standing

# While the request is with its receiver and nothing was decided; a returned one is corrected and sent first.
REFERABLE = frozenset({CaseStatus.SENT, CaseStatus.ACCEPTED, CaseStatus.SCHEDULED})
ROLE = "attending"
SIGNING_DAYS = 1
"""Working days the doctor has for his own signature, as a consultation's signers."""

REGISTERS = frozenset({"coordinator", "registrar"})


def require_referable(case: Case, person: Person, made: Sequence[Protocol]) -> None:
    """`made`: the papers the case already has. Raises Forbidden, Conflict: wrong_step, already_referred.

    Who has left the sender refers nobody in its name; what he signed he may still annul.
    """
    if not request.is_author(case, person) or person.organisation_id != case.sender_id:
        raise Forbidden("forbidden")
    if case.status not in REFERABLE:
        raise Conflict("wrong_step", status=str(case.status))
    if standing(made, Paper.REFERRAL):
        raise Conflict("already_referred")


def require_doctor(case: Case, person: Person) -> None:
    """Who gives a referral up or annuls it. Raises Forbidden."""
    if not request.is_author(case, person):
        raise Forbidden("forbidden")


def born(case: Case, series: str, number: str, at: datetime, replaced: Protocol | None = None) -> Protocol:
    """The sender's paper; in the place of an annulled one it carries its set on."""
    return Protocol(
        id=uuid4(),
        set_id=replaced.set_id if replaced else uuid4(),
        series=series,
        number=number,
        consilium_id=None,
        item_id=None,
        case_id=case.id,
        organisation_id=case.sender_id,
        status=ProtocolStatus.DRAFTING,
        created_at=at,
        paper=Paper.REFERRAL,
        replaces_id=replaced.id if replaced else None,
        version=replaced.version + 1 if replaced else 1,
    )


def replaced_by_next(made: Sequence[Protocol]) -> Protocol | None:
    """The annulled referral whose place the next one takes."""
    taken: set[UUID | None] = {one.replaces_id for one in made}
    gone = [one for one in made if one.paper is Paper.REFERRAL and one.annulled_at and one.id not in taken]
    return gone[-1] if gone else None


def signer(person: Person) -> Signer:
    """The doctor who asks, alone."""
    return Signer(person_id=person.id, role=ROLE, position=person.position)


def sees(paper: Protocol, case: Case, person: Person, consilium: Consilium | None) -> bool:
    """Who sees the case, and those who register at the sender. `consilium`: the one the case came to, if any."""
    registers = person.organisation_id == paper.organisation_id and not REGISTERS.isdisjoint(person.duties)
    return registers or request.sees_case(case, person, consilium)
