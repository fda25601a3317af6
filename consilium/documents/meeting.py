"""What happened at the table: who sat as what, when, what was put to the vote, said and noted.

Building blocks of facts.py, which re-exports them. All times are aware UTC.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class SeatKind(StrEnum):
    """What a person was at the table; `expert` advises without a vote, `observer` only listens."""

    CHAIR = "chair"
    DEPUTY = "deputy"
    SECRETARY = "secretary"
    MEMBER = "member"
    CONSULTANT = "consultant"
    ATTENDING = "attending"
    EXPERT = "expert"
    OBSERVER = "observer"


class Choice(StrEnum):
    """A named vote."""

    FOR = "for"
    AGAINST = "against"
    ABSTAIN = "abstain"


class Outcome(StrEnum):
    """What became of a resolution."""

    ADOPTED = "adopted"
    REJECTED = "rejected"
    NO_QUORUM = "no_quorum"
    WITHDRAWN = "withdrawn"


class SigningNoteKind(StrEnum):
    """Why somebody's signature is not expected on this version, or why an earlier version fell."""

    RELEASED = "released"
    DECLINED = "declined"


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """One stay in the room; `left` is None for somebody who was there until the end."""

    joined: datetime
    left: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Vote:
    """One named vote as it stood when the ballot closed."""

    person_id: str
    choice: Choice


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """The count of a closed ballot; `not_voted` are voting members present who cast nothing."""

    in_favour: int
    against: int
    abstained: int
    not_voted: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolution:
    """A question put to the vote. `wording_digest` is the sha256 (hex) frozen into every ballot.

    `quorum_line` and `rule_name` are the sentences the room showed: "присутствуют 4 из 5, требуется 3", and
    "простое большинство присутствующих".
    """

    number: int
    wording: str
    wording_digest: str
    rule_name: str
    quorum_line: str
    tally: Tally
    votes: tuple[Vote, ...]
    outcome: Outcome
    closed_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Dissent:
    """A record of a dissenting opinion (323-ФЗ ст. 48 ч. 4). The signed full text is a document of its own."""

    number: int
    author_id: str
    text: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteStatement:
    """What a remote participant said, entered by the medical worker beside the patient."""

    speaker_id: str
    recorded_by_id: str
    text: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordingGap:
    """A stretch that is missing; `reason` is consent, worker, disk or codec."""

    reason: str
    stay: Interval


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """The part of a recording that falls into this case. `ground`: how the patient's consent to it was given."""

    stay: Interval
    ground: str
    gaps: tuple[RecordingGap, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SigningNote:
    """Somebody released from signing by the chair, or who declined an earlier version, with his reason."""

    kind: SigningNoteKind
    person_id: str
    reason: str
    at: datetime
