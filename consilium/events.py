"""Everything that can have happened. Past tense, ids and facts only, frozen.

Each event is journaled once in its aggregate's stream: (stream kind, stream id, seq, hash over the
predecessor and the payload's digest). `snapshot.SECTIONS` says which parts of the room a client must
redraw after it; `snapshot.public` says what of it a given seat may see.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar
from uuid import UUID


class Event:
    """Marker base. `stream` is the kind of aggregate the event belongs to."""

    __slots__ = ()
    stream: ClassVar[str]


class CaseEvent(Event):
    __slots__ = ()
    stream = "case"


class ConsiliumEvent(Event):
    __slots__ = ()
    stream = "consilium"


class ProtocolEvent(Event):
    __slots__ = ()
    stream = "protocol"


class DirectoryEvent(Event):
    """Stream id is the organisation's."""

    __slots__ = ()
    stream = "directory"


# --- directory -------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class PersonAdded(DirectoryEvent):
    person: UUID
    login: str
    duties: list[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class SettingsChanged(DirectoryEvent):
    person: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class PasswordChanged(DirectoryEvent):
    person: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedIn(DirectoryEvent):
    person: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class SignInRefused(DirectoryEvent):
    login_digest: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedOut(DirectoryEvent):
    person: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteOpened(DirectoryEvent):
    route: UUID
    profile: str
    sender: UUID
    open: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookSet(DirectoryEvent):
    host: str


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookRemoved(DirectoryEvent):
    pass


@dataclass(frozen=True, slots=True, kw_only=True)
class OrganisationChanged(DirectoryEvent):
    fields: list[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class RegisterExported(DirectoryEvent):
    keeper: UUID
    year: int
    format: str
    person: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class BodyEstablished(DirectoryEvent):
    body: UUID
    order_number: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CertificateIssued(DirectoryEvent):
    person: UUID
    certificate: UUID
    serial: str
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadinessTested(DirectoryEvent):
    """`code`: "OK" or what was wrong with the test signature (SG-06)."""

    person: UUID
    provider: str
    code: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CertificateRevoked(DirectoryEvent):
    person: UUID
    certificate: UUID
    serial: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AnchorWritten(DirectoryEvent):
    heads: int
    digest: str


# --- case ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestCreated(CaseEvent):
    author: UUID
    sender: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestSaved(CaseEvent):
    revision: int
    fields: list[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordCompleted(CaseEvent):
    person: UUID
    fields: list[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestSent(CaseEvent):
    number: str
    receiver: UUID
    urgency_code: str
    deadline: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestReturned(CaseEvent):
    items: list[UUID]


@dataclass(frozen=True, slots=True, kw_only=True)
class MissingAnswered(CaseEvent):
    item: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestAccepted(CaseEvent):
    pass


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestRefused(CaseEvent):
    reason_code: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestCancelled(CaseEvent):
    pass


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseScheduled(CaseEvent):
    consilium: UUID
    scheduled_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class CasePostponed(CaseEvent):
    consilium: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseDecided(CaseEvent):
    consilium: UUID
    protocol: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseSealed(CaseEvent):
    protocol: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseDecisionAnnulled(CaseEvent):
    """The act is sealed; the case waits for the protocol that takes the annulled one's place."""

    protocol: UUID
    act: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseRegistered(CaseEvent):
    protocol: UUID
    registry_number: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentAttached(CaseEvent):
    document: UUID
    digest: str
    media_type: str
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentDetached(CaseEvent):
    document: UUID
    digest: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentOpened(CaseEvent):
    document: UUID
    digest: str
    person: UUID
    consilium: UUID | None


# --- consilium -------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsiliumScheduled(ConsiliumEvent):
    kind: str
    organisation: UUID
    scheduled_at: datetime
    seats: int
    cases: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsiliumRescheduled(ConsiliumEvent):
    scheduled_at: datetime
    duration_minutes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SeatsChanged(ConsiliumEvent):
    seats: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsiliumCancelled(ConsiliumEvent):
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsiliumOpened(ConsiliumEvent):
    pass


@dataclass(frozen=True, slots=True, kw_only=True)
class SeatWaiting(ConsiliumEvent):
    seat: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class SeatAdmitted(ConsiliumEvent):
    seat: UUID
    by: UUID | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SeatDenied(ConsiliumEvent):
    seat: UUID
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ParticipantJoined(ConsiliumEvent):
    seat: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class ParticipantLeft(ConsiliumEvent):
    seat: UUID
    left_at: datetime
    lost: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ChairOffered(ConsiliumEvent):
    seat: UUID
    lost_seat: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class ChairTaken(ConsiliumEvent):
    seat: UUID
    from_seat: UUID | None


@dataclass(frozen=True, slots=True, kw_only=True)
class LayoutSet(ConsiliumEvent):
    layout: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemOpened(ConsiliumEvent):
    item: UUID
    case: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemClosed(ConsiliumEvent):
    item: UUID
    outcome: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentShown(ConsiliumEvent):
    document: UUID | None
    page: int
    presenter: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class PresenterPassed(ConsiliumEvent):
    seat: UUID | None


@dataclass(frozen=True, slots=True, kw_only=True)
class HandRaised(ConsiliumEvent):
    seat: UUID
    point_of_order: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class HandLowered(ConsiliumEvent):
    seat: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class FloorGiven(ConsiliumEvent):
    seat: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class FloorReleased(ConsiliumEvent):
    seat: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatSent(ConsiliumEvent):
    message: UUID
    seat: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class ResolutionProposed(ConsiliumEvent):
    resolution: UUID
    item: UUID
    number: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ResolutionReworded(ConsiliumEvent):
    resolution: UUID
    revision: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ResolutionWithdrawn(ConsiliumEvent):
    resolution: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class VoteOpened(ConsiliumEvent):
    ballot: UUID
    resolution: UUID
    digest: str
    entitled: int
    present: int
    need: int


@dataclass(frozen=True, slots=True, kw_only=True)
class VoteCast(ConsiliumEvent):
    ballot: UUID
    seat: UUID
    choice: str
    receipt: str
    changed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class VoteClosed(ConsiliumEvent):
    ballot: UUID
    resolution: UUID
    votes_for: int
    votes_against: int
    votes_abstain: int
    adopted: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class MemberRecused(ConsiliumEvent):
    item: UUID
    seat: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class DissentWritten(ConsiliumEvent):
    dissent: UUID
    item: UUID
    seat: UUID
    revision: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DissentWithdrawn(ConsiliumEvent):
    dissent: UUID
    item: UUID
    seat: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordingAsked(ConsiliumEvent):
    recording: UUID
    seat: UUID
    ground: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordingAnswered(ConsiliumEvent):
    recording: UUID
    seat: UUID
    agrees: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordingStarted(ConsiliumEvent):
    """Everybody present had agreed: their seats."""

    recording: UUID
    agreed: list[UUID]


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordingPaused(ConsiliumEvent):
    """Somebody present has not agreed."""

    recording: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordingResumed(ConsiliumEvent):
    recording: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordingRefused(ConsiliumEvent):
    recording: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordingInterrupted(ConsiliumEvent):
    recording: UUID
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordingRestored(ConsiliumEvent):
    recording: UUID
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordingSegmentStored(ConsiliumEvent):
    recording: UUID
    seat: UUID
    what: str
    number: int
    file: str
    bytes: int
    digest: str
    lost: int
    cut: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordingOpened(ConsiliumEvent):
    """Somebody was given a file: a medical secret left the shelf."""

    segment: UUID
    digest: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordingStopped(ConsiliumEvent):
    recording: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsiliumClosed(ConsiliumEvent):
    pass


# --- protocol --------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class ProtocolDrafted(ProtocolEvent):
    item: UUID
    case: UUID
    number: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DraftWritten(ProtocolEvent):
    update: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ParticularsWritten(ProtocolEvent):
    """What was settled on became another text; `digest` is its sha256 (hex), of the empty text for nothing."""

    by: UUID
    digest: str
    diagnoses: int
    advice: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ProtocolFrozen(ProtocolEvent):
    version: int
    digest: str
    size: int
    signers: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentOpenedForSigning(ProtocolEvent):
    person: UUID
    version: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SignatureAttached(ProtocolEvent):
    person: UUID
    version: int
    certificate_sha256: str
    signing_time: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class SignatureRefused(ProtocolEvent):
    person: UUID
    version: int
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SignatureDeclined(ProtocolEvent):
    person: UUID
    version: int
    reason: str
    fallen: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SignerReleased(ProtocolEvent):
    person: UUID
    version: int
    by: UUID
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SignerReplaced(ProtocolEvent):
    """Released with a reason, and somebody else signs in his own name (SG-09)."""

    person: UUID
    version: int
    by: UUID
    stand_in: UUID
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnsOpened(ProtocolEvent):
    """The turn of these people has come; they have until `due_at` (SG-03, SG-10)."""

    version: int
    people: list[UUID]
    due_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class SignerReminded(ProtocolEvent):
    """`overdue`: the chair is told too."""

    person: UUID
    version: int
    number: int
    overdue: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class DissentSigned(ProtocolEvent):
    person: UUID
    version: int
    dissent: UUID
    certificate_sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DissentReleased(ProtocolEvent):
    person: UUID
    version: int
    dissent: UUID
    by: UUID
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ProtocolReopened(ProtocolEvent):
    version: int
    by: UUID
    reason: str
    fallen: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SigningCompleted(ProtocolEvent):
    version: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SealDelayed(ProtocolEvent):
    """The seal waits: for a timestamp, for word about revocation, for its key, for a package that holds."""

    version: int
    waits_for: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SignatureLapsed(ProtocolEvent):
    """The certificate was revoked before the signature's time was proven: he is asked to sign anew."""

    version: int
    signature: UUID
    person: UUID
    certificate_sha256: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ProtocolSealed(ProtocolEvent):
    version: int
    seal_certificate_sha256: str
    package_digest: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchiveRenewed(ProtocolEvent):
    """One more archive timestamp lies over the package: what was sealed holds until `good_until` (SG-11)."""

    version: int
    number: int
    before: str
    package_digest: str
    stamped_at: datetime
    good_until: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class ExtractMade(ProtocolEvent):
    """The extract of a commission's sealed protocol, frozen at once."""

    protocol: UUID
    number: str
    version: int
    by: UUID
    addressee: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReferralMade(ProtocolEvent):
    """The referral of a sent request, frozen at once."""

    case: UUID
    number: str
    version: int
    by: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class AnnulmentMade(ProtocolEvent):
    """The act that annuls a sealed paper, frozen at once; it takes effect with its seal (SG-15)."""

    annuls: UUID
    number: str
    by: UUID
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PaperWithdrawn(ProtocolEvent):
    """An extract or act was given up before its seal; its number stays (PR-08)."""

    version: int
    by: UUID
    reason: str
    fallen: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ProtocolAnnulled(ProtocolEvent):
    act: UUID
    number: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ProtocolReplaced(ProtocolEvent):
    by: UUID
    number: str
    version: int


@dataclass(frozen=True, slots=True, kw_only=True)
class FilingQueued(ProtocolEvent):
    key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FilingAcknowledged(ProtocolEvent):
    attempt: int


@dataclass(frozen=True, slots=True, kw_only=True)
class FilingDelayed(ProtocolEvent):
    attempt: int
    next_try: datetime
    cause: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FilingRejected(ProtocolEvent):
    codes: list[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class FilingDead(ProtocolEvent):
    attempt: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ProtocolRegistered(ProtocolEvent):
    registry_number: str
    registered_at: datetime


EVENTS: dict[str, type[Event]] = {
    one.__name__: one
    for one in (
        PersonAdded,
        SettingsChanged,
        PasswordChanged,
        SignedIn,
        SignInRefused,
        SignedOut,
        RouteOpened,
        WebhookSet,
        WebhookRemoved,
        BodyEstablished,
        OrganisationChanged,
        RegisterExported,
        CertificateIssued,
        CertificateRevoked,
        ReadinessTested,
        AnchorWritten,
        RequestCreated,
        RequestSaved,
        RecordCompleted,
        RequestSent,
        RequestReturned,
        MissingAnswered,
        RequestAccepted,
        RequestRefused,
        RequestCancelled,
        CaseScheduled,
        CasePostponed,
        CaseDecided,
        CaseSealed,
        CaseDecisionAnnulled,
        CaseRegistered,
        DocumentAttached,
        DocumentDetached,
        DocumentOpened,
        ConsiliumScheduled,
        ConsiliumRescheduled,
        SeatsChanged,
        ConsiliumCancelled,
        ConsiliumOpened,
        SeatWaiting,
        SeatAdmitted,
        SeatDenied,
        ParticipantJoined,
        ParticipantLeft,
        ChairOffered,
        ChairTaken,
        LayoutSet,
        ItemOpened,
        ItemClosed,
        DocumentShown,
        PresenterPassed,
        HandRaised,
        HandLowered,
        FloorGiven,
        FloorReleased,
        ChatSent,
        ResolutionProposed,
        ResolutionReworded,
        ResolutionWithdrawn,
        VoteOpened,
        VoteCast,
        VoteClosed,
        MemberRecused,
        DissentWritten,
        DissentWithdrawn,
        RecordingAsked,
        RecordingAnswered,
        RecordingStarted,
        RecordingPaused,
        RecordingResumed,
        RecordingRefused,
        RecordingInterrupted,
        RecordingRestored,
        RecordingSegmentStored,
        RecordingOpened,
        RecordingStopped,
        ConsiliumClosed,
        ProtocolDrafted,
        DraftWritten,
        ParticularsWritten,
        ProtocolFrozen,
        DocumentOpenedForSigning,
        SignatureAttached,
        SignatureRefused,
        SignatureDeclined,
        SignerReleased,
        SignerReplaced,
        TurnsOpened,
        SignerReminded,
        DissentSigned,
        DissentReleased,
        ProtocolReopened,
        SigningCompleted,
        SealDelayed,
        SignatureLapsed,
        ProtocolSealed,
        ArchiveRenewed,
        ExtractMade,
        ReferralMade,
        AnnulmentMade,
        PaperWithdrawn,
        ProtocolAnnulled,
        ProtocolReplaced,
        FilingQueued,
        FilingAcknowledged,
        FilingDelayed,
        FilingRejected,
        FilingDead,
        ProtocolRegistered,
    )
}
"""Journal name -> class; the store reads rows back through it."""
