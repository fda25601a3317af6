"""The consilium: seats, lobby, agenda, floor, resolutions, ballots, dissent, attendance.

What survives a crash is here; presence, media and the presenter's pointer live in signaling's memory.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from uuid import UUID


class ConsiliumStatus(StrEnum):
    PLANNED = "planned"
    OPEN = "open"
    CLOSED = "closed"
    CANCELLED = "cancelled"


class Admission(StrEnum):
    """Where a seat stands towards the room. Only the chair's word leads from waiting to admitted."""

    OUTSIDE = "outside"
    WAITING = "waiting"
    ADMITTED = "admitted"
    DENIED = "denied"


class ItemStatus(StrEnum):
    WAITING = "waiting"
    OPEN = "open"
    DECIDED = "decided"
    POSTPONED = "postponed"


class ResolutionStatus(StrEnum):
    DRAFT = "draft"
    VOTING = "voting"
    ADOPTED = "adopted"
    REJECTED = "rejected"
    WITHDRAWN = "withdrawn"


class Choice(StrEnum):
    FOR = "for"
    AGAINST = "against"
    ABSTAIN = "abstain"


class RecordingStatus(StrEnum):
    """`asked`: not everybody has agreed yet. `paused`: somebody present has not, or no longer, agreed."""

    ASKED = "asked"
    RUNNING = "running"
    PAUSED = "paused"
    REFUSED = "refused"
    STOPPED = "stopped"


class GapReason(StrEnum):
    """Why a stretch is missing: no consent of somebody present, no worker, a full or slow disk, a codec."""

    CONSENT = "consent"
    WORKER = "worker"
    DISK = "disk"
    CODEC = "codec"


class Layout(StrEnum):
    DISCUSSION = "discussion"
    RECORD = "record"
    IMAGES = "images"
    VOTE = "vote"
    PROTOCOL = "protocol"


@dataclass(slots=True, kw_only=True)
class Seat:
    """One person in one role (RM-03). Name, post and organisation are those of the day it was made.

    role: chair, deputy, secretary, member, attending, consultant, expert, observer. `invited_items` are
    the items the seat is for; empty means all of them.
    """

    id: UUID
    person_id: UUID
    role: str
    order: int
    name: str
    position: str
    organisation_id: UUID
    organisation_name: str
    admission: Admission = Admission.OUTSIDE
    waiting_since: datetime | None = None
    invited_items: list[UUID] = field(default_factory=list)
    denied_reason: str = ""
    online: bool = False
    last_seen: datetime | None = None


@dataclass(slots=True, kw_only=True)
class Attendance:
    """One stay in the room. `left_at` is the last heartbeat when the connection was lost."""

    id: UUID
    seat_id: UUID
    joined_at: datetime
    left_at: datetime | None = None


@dataclass(slots=True, kw_only=True)
class AgendaItem:
    id: UUID
    case_id: UUID
    order: int
    status: ItemStatus = ItemStatus.WAITING
    opened_at: datetime | None = None
    closed_at: datetime | None = None
    protocol_id: UUID | None = None


@dataclass(slots=True, kw_only=True)
class Hand:
    """A raised hand. The queue's order is the server's: point of order first, then `raised_at`, `order`."""

    id: UUID
    seat_id: UUID
    raised_at: datetime
    order: int
    point_of_order: bool = False


@dataclass(slots=True, kw_only=True)
class Resolution:
    """A numbered wording. `digest` is sha256 of its NFC UTF-8 text, set when it is put to the vote."""

    id: UUID
    item_id: UUID
    number: int
    wording: str
    author_seat_id: UUID
    status: ResolutionStatus = ResolutionStatus.DRAFT
    digest: str = ""
    revision: int = 0


@dataclass(slots=True, kw_only=True)
class Ballot:
    """One vote on one frozen wording. `entitled`: seat ids of the moment it opened (DL-07)."""

    id: UUID
    resolution_id: UUID
    item_id: UUID
    digest: str
    opened_at: datetime
    opened_by: UUID
    entitled: list[UUID]
    present: list[UUID]
    quorum_need: int
    closed_at: datetime | None = None
    closed_by: UUID | None = None
    votes_for: int = 0
    votes_against: int = 0
    votes_abstain: int = 0
    majority_need: int = 0
    adopted: bool | None = None


@dataclass(slots=True, kw_only=True)
class Vote:
    """One seat's choice in one ballot: one row ever, changed until the close (DL-10)."""

    id: UUID
    ballot_id: UUID
    seat_id: UUID
    choice: Choice
    digest: str
    cast_at: datetime
    receipt: str
    changes: int = 0


@dataclass(slots=True, kw_only=True)
class Recusal:
    id: UUID
    item_id: UUID
    seat_id: UUID
    reason: str
    at: datetime


@dataclass(slots=True, kw_only=True)
class Dissent:
    """Особое мнение (323-ФЗ ст. 48 ч. 4). Only its author writes it, until the protocol freezes."""

    id: UUID
    item_id: UUID
    seat_id: UUID
    ballot_id: UUID | None
    text: str
    written_at: datetime
    withdrawn: bool = False
    revision: int = 0


@dataclass(slots=True, kw_only=True)
class ChatMessage:
    id: UUID
    seat_id: UUID
    text: str
    at: datetime
    item_id: UUID | None = None


@dataclass(slots=True, kw_only=True)
class Recording:
    """One recording of the meeting (RM-14). `ground`: how the patient's consent was given."""

    id: UUID
    asked_by: UUID
    asked_at: datetime
    ground: str
    status: RecordingStatus = RecordingStatus.ASKED
    started_at: datetime | None = None
    stopped_at: datetime | None = None


@dataclass(slots=True, kw_only=True)
class RecordingAnswer:
    """What one seat answered last; without an answer nobody is recorded."""

    id: UUID
    recording_id: UUID
    seat_id: UUID
    agrees: bool
    at: datetime


@dataclass(slots=True, kw_only=True)
class RecordingGap:
    """A stretch that is missing (RM-15); several may run at once, for different reasons."""

    id: UUID
    recording_id: UUID
    reason: GapReason
    began_at: datetime
    ended_at: datetime | None = None


@dataclass(slots=True, kw_only=True)
class RecordingSegment:
    """One file of a recording. `file` is below the recordings folder; `digest` is sha256 of its bytes.

    `what`: person (voice and camera), screen, camera2, ...; `lost`: packets that never came.
    """

    id: UUID
    consilium_id: UUID
    recording_id: UUID
    seat_id: UUID
    what: str
    number: int
    file: str
    began_at: datetime
    milliseconds: int
    bytes: int
    digest: str
    lost: int
    cut: bool


@dataclass(slots=True, kw_only=True)
class Consilium:
    """The aggregate. `chair_seat_id` holds the acting chair: exactly one at any moment (RM-04)."""

    id: UUID
    number: str
    kind: str
    status: ConsiliumStatus
    organisation_id: UUID
    organiser_id: UUID
    coordinator_id: UUID
    scheduled_at: datetime
    duration_minutes: int
    created_at: datetime
    body_id: UUID | None = None
    chair_seat_id: UUID | None = None
    chair_offered_to: UUID | None = None
    chair_lost_at: datetime | None = None
    opened_at: datetime | None = None
    closed_at: datetime | None = None
    cancelled_reason: str = ""
    current_item_id: UUID | None = None
    layout: Layout = Layout.DISCUSSION
    presenter_seat_id: UUID | None = None
    shown_document_id: UUID | None = None
    shown_page: int = 1
    floor_seat_id: UUID | None = None
    floor_since: datetime | None = None
    next_order: int = 1
    seats: list[Seat] = field(default_factory=list)
    agenda: list[AgendaItem] = field(default_factory=list)
    attendance: list[Attendance] = field(default_factory=list)
    hands: list[Hand] = field(default_factory=list)
    resolutions: list[Resolution] = field(default_factory=list)
    ballots: list[Ballot] = field(default_factory=list)
    votes: list[Vote] = field(default_factory=list)
    recusals: list[Recusal] = field(default_factory=list)
    dissents: list[Dissent] = field(default_factory=list)
    chat: list[ChatMessage] = field(default_factory=list)
    recordings: list[Recording] = field(default_factory=list)
    recording_answers: list[RecordingAnswer] = field(default_factory=list)
    recording_gaps: list[RecordingGap] = field(default_factory=list)
    revision: int = 0

    def seat(self, seat_id: UUID | None) -> Seat | None:
        return next((seat for seat in self.seats if seat.id == seat_id), None)

    def seat_of(self, person_id: UUID) -> Seat | None:
        return next((seat for seat in self.seats if seat.person_id == person_id), None)

    def item(self, item_id: UUID | None) -> AgendaItem | None:
        return next((item for item in self.agenda if item.id == item_id), None)

    def resolution(self, resolution_id: UUID) -> Resolution | None:
        return next((one for one in self.resolutions if one.id == resolution_id), None)

    def ballot(self, ballot_id: UUID) -> Ballot | None:
        return next((ballot for ballot in self.ballots if ballot.id == ballot_id), None)

    @property
    def open_ballot(self) -> Ballot | None:
        return next((ballot for ballot in self.ballots if ballot.closed_at is None), None)

    def recused(self, seat_id: UUID, item_id: UUID | None) -> bool:
        return any(one.seat_id == seat_id and one.item_id == item_id for one in self.recusals)
