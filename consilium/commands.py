"""Everything a person (or, where said, the system) can ask for.

One frozen dataclass per wish. `WIRE` names them `noun.verb`; the same schema serves Socket.IO (room
commands) and `POST /api/<noun>.<verb>` (all others). The actor never comes from the payload: it is the
session's. Limits on text stand in the types and become part of the generated `docs/wire.md`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Annotated, Literal
from uuid import UUID

from msgspec import Meta

from consilium.model.particulars import Particulars

Line = Annotated[str, Meta(max_length=300)]
Code = Annotated[str, Meta(max_length=5)]
Paragraph = Annotated[str, Meta(max_length=4_000)]
Text = Annotated[str, Meta(max_length=40_000)]
Reason = Annotated[str, Meta(max_length=1_000)]
Digest = Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]
Page = Annotated[int, Meta(ge=1, le=10_000)]


class Command:
    """Marker base: what `service.handle` accepts."""

    __slots__ = ()


# --- sign-in and self ---------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeSettings(Command):
    language: Literal["ru", "en"] | None = None
    theme: Literal["auto", "light", "dark"] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangePassword(Command):
    current: Line
    new: Annotated[str, Meta(min_length=8, max_length=300)]


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestCertificate(Command):
    """`csr` is base64 DER; the authority sets the subject from the person's record."""

    csr: Annotated[str, Meta(max_length=8_000)]


@dataclass(frozen=True, slots=True, kw_only=True)
class RevokeCertificate(Command):
    certificate: UUID
    reason: Reason


# --- directory (admin) ----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class AddPerson(Command):
    login: Annotated[str, Meta(min_length=2, max_length=60, pattern="^[a-z0-9._-]+$")]
    password: Annotated[str, Meta(min_length=8, max_length=300)]
    surname: Line
    given: Line
    patronymic: Line = ""
    snils: Annotated[str, Meta(pattern="^[0-9]{11}$")]
    position: Line
    position_code: Line = ""
    speciality: Line = ""
    duties: list[Literal["doctor", "coordinator", "registrar", "admin", "operator"]]
    organisation: UUID | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenRoute(Command):
    """The receiving organisation's admin opens a profile to a sender (RQ-01)."""

    profile: Line
    sender: UUID
    open: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeOrganisation(Command):
    """What documents in the state's formats say of one's own organisation (guides 190, 185: custodian and provider)."""

    okpo: Annotated[str, Meta(pattern="^([0-9]{8}|[0-9]{10})?$")]
    phone: Annotated[str, Meta(pattern="^(\\+[0-9]{5,15})?$")]
    address: Line
    region: Annotated[str, Meta(pattern="^([0-9]{2})?$")]
    region_name: Line
    postal_code: Annotated[str, Meta(pattern="^([0-9]{6})?$")]
    licence: Line
    licence_issuer: Line


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportRegister(Command):
    """The register of a body's year leaves as a file: it holds patients, so it is journaled (947н п. 20)."""

    keeper: UUID
    year: Annotated[int, Meta(ge=2000, le=9999)]
    format: Literal["xlsx", "csv", "pdf"]


@dataclass(frozen=True, slots=True, kw_only=True)
class BodySeat:
    person: UUID
    role: Literal["chair", "deputy", "secretary", "member"]
    since: date
    until: date | None = None
    deputises_for: UUID | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class EstablishBody(Command):
    """A standing medical commission by order (AD-01)."""

    name: Line
    order_number: Line
    order_date: date
    members: list[BodySeat]
    signing_order: Literal["parallel", "sequential", "by_step"] = "parallel"
    signing_days: Annotated[int, Meta(ge=0, le=30)] = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class SetWebhook(Command):
    """Where results of the organisation's own requests are sent, signed with `secret` (FX-02)."""

    url: Annotated[str, Meta(max_length=600)]
    secret: Annotated[str, Meta(min_length=20, max_length=200)]


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoveWebhook(Command):
    """Nothing is sent any more."""


# --- request ----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestFields:
    """Fields of the request form (facts of the regulation, 6.2). Absent = leave as it is."""

    receiver: UUID | None = None
    profile: Line | None = None
    surname: Line | None = None
    given: Line | None = None
    patronymic: Line | None = None
    birth_date: date | None = None
    sex: Literal["", "1", "2"] | None = None
    snils: Annotated[str, Meta(pattern="^([0-9]{11})?$")] | None = None
    record_number: Line | None = None
    place: Line | None = None
    region_code: Code | None = None
    region_name: Line | None = None
    postal_code: Annotated[str, Meta(pattern="^([0-9]{6})?$")] | None = None
    paper_kind: Code | None = None
    paper_kind_name: Line | None = None
    paper_series: Line | None = None
    paper_number: Line | None = None
    paper_issuer: Line | None = None
    paper_issuer_code: Annotated[str, Meta(max_length=10)] | None = None
    paper_issued_on: date | None = None
    policy_kind: Code | None = None
    policy_kind_name: Line | None = None
    policy_series: Line | None = None
    policy_number: Annotated[str, Meta(max_length=20)] | None = None
    policy_valid_from: date | None = None
    policy_valid_to: date | None = None
    payment_code: Code | None = None
    card_code: Code | None = None
    card_opened_on: date | None = None
    severity_code: Code | None = None
    diagnosis_code: Annotated[str, Meta(max_length=10)] | None = None
    diagnosis_name: Line | None = None
    question: Paragraph | None = None
    goal_code: Code | None = None
    goal_text: Paragraph | None = None
    urgency_code: Literal["1", "2", "3"] | None = None
    course: Text | None = None
    condition: Text | None = None
    wants_kind: Literal["general", "oncological", "consultation", "commission"] | None = None
    consent_basis: Literal["", "consent", "ground"] | None = None
    consent_date: date | None = None
    consent_reference: Line | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateRequest(Command):
    fields: RequestFields = field(default_factory=RequestFields)


@dataclass(frozen=True, slots=True, kw_only=True)
class SaveRequest(Command):
    request: UUID
    revision: int
    fields: RequestFields


@dataclass(frozen=True, slots=True, kw_only=True)
class CompleteRecord(Command):
    """What only the registry asks for is filled in by those who take part, until the protocol is sealed."""

    request: UUID
    fields: RequestFields


@dataclass(frozen=True, slots=True, kw_only=True)
class SendRequest(Command):
    request: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class ReturnRequest(Command):
    """Back to the sender with an itemised list of what is missing (RQ-04)."""

    request: UUID
    items: Annotated[list[Paragraph], Meta(min_length=1, max_length=30)]


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerMissing(Command):
    request: UUID
    item: UUID
    answer: Paragraph


@dataclass(frozen=True, slots=True, kw_only=True)
class AcceptRequest(Command):
    request: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class RefuseRequest(Command):
    request: UUID
    reason_code: Literal["insufficient_data", "poor_quality", "not_our_profile", "duplicate", "other"]
    reason: Reason


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelRequest(Command):
    request: UUID
    reason: Reason


@dataclass(frozen=True, slots=True, kw_only=True)
class AttachDocument(Command):
    """The file is already in the store (upload route); this makes it part of the case."""

    request: UUID
    title: Line
    kind: Literal["extract", "image", "laboratory", "consent", "referral", "other"] = "other"
    dated: date | None = None
    digest: Digest
    size: int
    media_type: Line


@dataclass(frozen=True, slots=True, kw_only=True)
class DetachDocument(Command):
    request: UUID
    document: UUID


# --- consilium: planning ----------------------------------------------------------------------------

SeatRole = Literal["chair", "deputy", "secretary", "member", "attending", "consultant", "expert", "observer"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SeatPlan:
    """`items` are the places in `cases` this person is invited to; none means all of them."""

    person: UUID
    role: SeatRole
    items: Annotated[list[int], Meta(max_length=40)] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduleConsilium(Command):
    kind: Literal["general", "oncological", "consultation", "commission"]
    organisation: UUID
    scheduled_at: datetime
    duration_minutes: Annotated[int, Meta(ge=5, le=600)] = 30
    cases: Annotated[list[UUID], Meta(min_length=1, max_length=40)]
    seats: Annotated[list[SeatPlan], Meta(min_length=2, max_length=60)]
    body: UUID | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RescheduleConsilium(Command):
    consilium: UUID
    revision: int
    scheduled_at: datetime
    duration_minutes: Annotated[int, Meta(ge=5, le=600)]


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeSeats(Command):
    """New composition while planned; while open only additions (a late expert, a substitute)."""

    consilium: UUID
    revision: int
    seats: Annotated[list[SeatPlan], Meta(min_length=2, max_length=60)]


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelConsilium(Command):
    consilium: UUID
    reason: Reason


# --- consilium: lobby and presence ------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class EnterConsilium(Command):
    """Knock, or come back. Chair, deputy and secretary enter; everyone else waits for the chair."""

    consilium: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaveConsilium(Command):
    consilium: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class LosePresence(Command):
    """System: no heartbeat for the grace period; the stay ends at `last_seen`."""

    consilium: UUID
    seat: UUID
    last_seen: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Admit(Command):
    consilium: UUID
    seat: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class AdmitAll(Command):
    consilium: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class Deny(Command):
    """Denies a waiting person or removes a present one."""

    consilium: UUID
    seat: UUID
    reason: Reason


@dataclass(frozen=True, slots=True, kw_only=True)
class TakeChair(Command):
    """By the person the chair is offered to, or by the appointed chair coming back (RM-04)."""

    consilium: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class CloseConsilium(Command):
    consilium: UUID


# --- consilium: floor, agenda, record ---------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class SetLayout(Command):
    consilium: UUID
    layout: Literal["discussion", "record", "images", "vote", "protocol"]


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenItem(Command):
    """Case switch: closes the view of the previous patient on every screen (IM-01)."""

    consilium: UUID
    item: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class CloseItem(Command):
    """`decided` starts the protocol's draft; `postponed` sends the case back to accepted."""

    consilium: UUID
    item: UUID
    outcome: Literal["decided", "postponed"]
    reason: Reason = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ShowDocument(Command):
    """The presenter's document and page, state for all (IM-06). None takes it off the stage."""

    consilium: UUID
    document: UUID | None
    page: Page = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenDocument(Command):
    """One person opens a document of the case: journaled (IM-12), answered with its digest and type."""

    consilium: UUID | None = None
    request: UUID
    document: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class PassPresenter(Command):
    """The chair makes somebody presenter; None takes it back."""

    consilium: UUID
    seat: UUID | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RaiseHand(Command):
    consilium: UUID
    point_of_order: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class LowerHand(Command):
    """One's own, or (chair) another's."""

    consilium: UUID
    seat: UUID | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class GiveFloor(Command):
    """To a seat, or to the head of the queue when `seat` is None; the hand goes down."""

    consilium: UUID
    seat: UUID | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseFloor(Command):
    consilium: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class SendChat(Command):
    consilium: UUID
    text: Annotated[str, Meta(min_length=1, max_length=2_000)]


# --- decision ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class AskRecording(Command):
    """The chair wants the meeting recorded; it begins when everybody present has agreed (RM-14).

    `ground`: how the patient's consent to the recording was given.
    """

    consilium: UUID
    ground: Line


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerRecording(Command):
    """One's own consent, given or taken back at any time."""

    consilium: UUID
    agrees: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class StopRecording(Command):
    consilium: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenRecording(Command):
    """One file of a recording is about to be given out; asked by its address, not by name."""

    consilium: UUID
    segment: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportRecording(Command):
    """System: whether bytes reach the disk (RM-15). `reason` of an outage: worker, disk, codec."""

    consilium: UUID
    reason: Literal["worker", "disk", "codec"]
    healthy: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreSegment(Command):
    """System: the media worker finished a file."""

    consilium: UUID
    seat: UUID
    what: Line
    number: int
    file: Line
    began_at: datetime
    milliseconds: int
    bytes: int
    digest: str
    lost: int
    cut: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ProposeResolution(Command):
    consilium: UUID
    item: UUID
    wording: Annotated[str, Meta(min_length=1, max_length=4_000)]


@dataclass(frozen=True, slots=True, kw_only=True)
class RewordResolution(Command):
    consilium: UUID
    resolution: UUID
    revision: int
    wording: Annotated[str, Meta(min_length=1, max_length=4_000)]


@dataclass(frozen=True, slots=True, kw_only=True)
class WithdrawResolution(Command):
    consilium: UUID
    resolution: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenVote(Command):
    """Freezes and hashes the wording; refused without quorum (DL-05, DL-08)."""

    consilium: UUID
    resolution: UUID
    revision: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CastVote(Command):
    """`digest` is of the wording the voter had before his eyes."""

    consilium: UUID
    ballot: UUID
    choice: Literal["for", "against", "abstain"]
    digest: Digest


@dataclass(frozen=True, slots=True, kw_only=True)
class CloseVote(Command):
    consilium: UUID
    ballot: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class Recuse(Command):
    """One's own conflict of interest for one item (DL-12); quorum is counted anew."""

    consilium: UUID
    item: UUID
    reason: Reason


@dataclass(frozen=True, slots=True, kw_only=True)
class WriteDissent(Command):
    """Begins or changes one's own dissenting opinion on an item (DL-13)."""

    consilium: UUID
    item: UUID
    text: Annotated[str, Meta(min_length=1, max_length=10_000)]
    revision: int = 0
    ballot: UUID | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class WithdrawDissent(Command):
    consilium: UUID
    item: UUID


# --- protocol ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class WriteProtocol(Command):
    """One CRDT update of the shared draft, base64; appended to the database before its ack (PR-03)."""

    protocol: UUID
    update: Annotated[str, Meta(max_length=60_000)]


@dataclass(frozen=True, slots=True, kw_only=True)
class RewriteSection(Command):
    """One section of the draft in other words, once nobody sits in the room any more; `before` is what was seen (PR-05)."""

    protocol: UUID
    section: Literal["reasons", "course", "state", "decision"]
    before: Digest
    text: Text


@dataclass(frozen=True, slots=True, kw_only=True)
class WriteParticulars(Command):
    """The whole of what the consilium settled on; `before` is the digest of what was seen. Chair or secretary.

    Nothing entered: the document repeats the referral's diagnosis.
    """

    protocol: UUID
    before: Digest
    particulars: Particulars


@dataclass(frozen=True, slots=True, kw_only=True)
class FreezeProtocol(Command):
    """One rendering, byte-exact from then on (PR-06). Chair or secretary.

    `order`: who signs when (SG-03); empty: as the body's order or the kind has it.
    """

    protocol: UUID
    order: Literal["", "parallel", "sequential", "by_step"] = ""


Means = Literal["browser", "cryptopro", "rutoken", "file"]
"""What makes a signature (SG-05): a key in the browser, a plug-in, a desktop program's file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenForSigning(Command):
    """The signer has the document before him; `digest` is what his browser computed of it (SG-07)."""

    protocol: UUID
    digest: Digest


@dataclass(frozen=True, slots=True, kw_only=True)
class BeginSigning(Command):
    """Marks the document as opened by the signer and answers {digest, signing_time, challenge}."""

    protocol: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class AttachSignature(Command):
    """`cms` is base64 DER of a detached CAdES-BES over the frozen bytes; `challenge` of BeginSigning."""

    protocol: UUID
    challenge: Line
    digest: Digest
    cms: Annotated[str, Meta(max_length=40_000)]
    provider: Means = "browser"


@dataclass(frozen=True, slots=True, kw_only=True)
class AttachDissentSignature(Command):
    protocol: UUID
    dissent: UUID
    challenge: Line
    digest: Digest
    cms: Annotated[str, Meta(max_length=40_000)]


@dataclass(frozen=True, slots=True, kw_only=True)
class UploadSignature(Command):
    """A detached .sig made by a desktop program (SG-05): `file` is base64 of its bytes (DER, base64 or PEM).

    Over the frozen document, or over one's own dissent when that is named.
    """

    protocol: UUID
    digest: Digest
    file: Annotated[str, Meta(max_length=400_000)]
    dissent: UUID | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BeginReadinessTest(Command):
    """A harmless document to try one's means of signing on, days before (SG-06)."""

    provider: Means
    device: Line


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerReadinessTest(Command):
    """What came of the trial: a signature for the strict verifier, or what is missing on this device."""

    provider: Means
    device: Line
    challenge: Line = ""
    cms: Annotated[str, Meta(max_length=400_000)] = ""
    problem: Literal["", "NO_PLUGIN", "NO_TOKEN", "NO_KEY", "CANCELLED", "FAILED"] = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeclineSignature(Command):
    """Returns the protocol to drafting; every signature of this version falls (SG-08)."""

    protocol: UUID
    reason: Reason


@dataclass(frozen=True, slots=True, kw_only=True)
class ReopenProtocol(Command):
    """Chair or secretary take a frozen protocol back; signatures of the version fall."""

    protocol: UUID
    reason: Reason


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseSigner(Command):
    """The chair releases one who neither signs nor declines, with a reason (SG-01)."""

    protocol: UUID
    signature: UUID
    reason: Reason


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplaceSigner(Command):
    """Somebody else who took part signs in his own name in the place of one who cannot (SG-09)."""

    protocol: UUID
    signature: UUID
    stand_in: UUID
    reason: Reason


@dataclass(frozen=True, slots=True, kw_only=True)
class RemindSigner(Command):
    """System (worker): the notice with this number is due (SG-10)."""

    protocol: UUID
    signature: UUID
    number: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseDissent(Command):
    """The chair ends the wait for a dissent's signature; the text stays in the protocol."""

    protocol: UUID
    dissent: UUID
    reason: Reason


@dataclass(frozen=True, slots=True, kw_only=True)
class MakeExtract(Command):
    """From a commission's sealed protocol, for its patient; frozen at once, signed by chair and secretary.

    `reason`: at whose application (502н п. 20: on a written one); `addressee`: where it is to be shown.
    """

    protocol: UUID
    reason: Paragraph = ""
    addressee: Line = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class MakeReferral(Command):
    """The paper of a sent request (kind 57), by the doctor who asks; frozen at once, he signs it."""

    request: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class AnnulProtocol(Command):
    """By the chair, a referral by its doctor: an act of its own; with its seal the paper stops to count (SG-15)."""

    protocol: UUID
    reason: Reason


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplaceProtocol(Command):
    """The draft of the version that takes an annulled protocol's place: same set, next version (PR-08)."""

    protocol: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class WithdrawPaper(Command):
    """An extract, a referral or an act is given up before its seal; its number stays in the journal."""

    protocol: UUID
    reason: Reason


@dataclass(frozen=True, slots=True, kw_only=True)
class FileAgain(Command):
    """Sends a rejected or dead filing again under the same key (FX-04)."""

    protocol: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordSeal(Command):
    """System (worker): the organisation's signature and the package.

    `signed`: `rules.sealing.signed` of the signatures inside it.
    """

    protocol: UUID
    signed: Digest
    seal_cms: bytes
    seal_certificate: bytes
    package_digest: Digest
    package_name: Line


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordRenewal(Command):
    """System (worker): the package has one more archive timestamp (SG-11). `before` is the digest it grew from."""

    protocol: UUID
    before: Digest
    package_digest: Digest
    package_name: Line
    number: int
    stamped_at: datetime
    good_until: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordSealWait(Command):
    """System (worker): the seal waits for somebody outside; `reason` is the code of what he answered."""

    protocol: UUID
    version: int
    waits_for: Literal["timestamp", "revocation", "seal_key", "check"]
    reason: Line


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordLapse(Command):
    """System (worker): a signature's certificate was revoked before anybody could prove the signature's time."""

    protocol: UUID
    version: int
    signature: UUID
    reason: Line


@dataclass(frozen=True, slots=True, kw_only=True)
class RegistryFault:
    """One coded error of the registry (99.2.305)."""

    code: Line
    number: int = 0
    message: Paragraph = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordFiling(Command):
    """System (worker or registry callback): what happened; `filing.states` decides what follows.

    started and acknowledged (`message_id`) are of a registration; failed names its `failure` and `reason`;
    answered is the registry's final word and asked its reply to a question: a number, faults, a message id
    (still pending) or nothing (unknown there).
    """

    protocol: UUID
    step: Literal["started", "acknowledged", "failed", "answered", "asked"]
    message_id: Line = ""
    registry_number: Line = ""
    registered_at: datetime | None = None
    faults: list[RegistryFault] = field(default_factory=list)
    failure: Literal["", "unavailable", "refused", "broken"] = ""
    reason: Line = ""
    retry_after: float | None = None
    jitter: Annotated[float, Meta(ge=0, lt=1)] = 0.0


WIRE: dict[str, type[Command]] = {
    "settings.change": ChangeSettings,
    "password.change": ChangePassword,
    "certificate.request": RequestCertificate,
    "certificate.revoke": RevokeCertificate,
    "person.add": AddPerson,
    "route.open": OpenRoute,
    "webhook.set": SetWebhook,
    "webhook.remove": RemoveWebhook,
    "body.establish": EstablishBody,
    "organisation.change": ChangeOrganisation,
    "register.export": ExportRegister,
    "request.create": CreateRequest,
    "request.save": SaveRequest,
    "request.complete": CompleteRecord,
    "request.send": SendRequest,
    "request.return": ReturnRequest,
    "request.answer": AnswerMissing,
    "request.accept": AcceptRequest,
    "request.refuse": RefuseRequest,
    "request.cancel": CancelRequest,
    "document.attach": AttachDocument,
    "document.detach": DetachDocument,
    "document.open": OpenDocument,
    "consilium.schedule": ScheduleConsilium,
    "consilium.reschedule": RescheduleConsilium,
    "consilium.seats": ChangeSeats,
    "consilium.cancel": CancelConsilium,
    "room.enter": EnterConsilium,
    "room.leave": LeaveConsilium,
    "room.close": CloseConsilium,
    "seat.admit": Admit,
    "seat.admit_all": AdmitAll,
    "seat.deny": Deny,
    "chair.take": TakeChair,
    "layout.set": SetLayout,
    "agenda.open": OpenItem,
    "agenda.close": CloseItem,
    "document.show": ShowDocument,
    "presenter.pass": PassPresenter,
    "hand.raise": RaiseHand,
    "hand.lower": LowerHand,
    "floor.give": GiveFloor,
    "floor.release": ReleaseFloor,
    "chat.send": SendChat,
    "recording.ask": AskRecording,
    "recording.answer": AnswerRecording,
    "recording.stop": StopRecording,
    "resolution.propose": ProposeResolution,
    "resolution.reword": RewordResolution,
    "resolution.withdraw": WithdrawResolution,
    "vote.open": OpenVote,
    "vote.cast": CastVote,
    "vote.close": CloseVote,
    "member.recuse": Recuse,
    "dissent.write": WriteDissent,
    "dissent.withdraw": WithdrawDissent,
    "protocol.write": WriteProtocol,
    "protocol.rewrite": RewriteSection,
    "protocol.particulars": WriteParticulars,
    "protocol.freeze": FreezeProtocol,
    "readiness.begin": BeginReadinessTest,
    "readiness.answer": AnswerReadinessTest,
    "protocol.open": OpenForSigning,
    "protocol.begin_signing": BeginSigning,
    "protocol.upload_signature": UploadSignature,
    "protocol.sign": AttachSignature,
    "dissent.sign": AttachDissentSignature,
    "protocol.decline": DeclineSignature,
    "protocol.reopen": ReopenProtocol,
    "protocol.release": ReleaseSigner,
    "protocol.replace_signer": ReplaceSigner,
    "dissent.release": ReleaseDissent,
    "protocol.extract": MakeExtract,
    "referral.make": MakeReferral,
    "protocol.annul": AnnulProtocol,
    "protocol.replace": ReplaceProtocol,
    "protocol.withdraw": WithdrawPaper,
    "protocol.file_again": FileAgain,
}
"""Wire name -> command, for people. System commands (LosePresence, Record*) have no wire name."""

ROOM: frozenset[str] = frozenset(
    {
        "room.enter", "room.leave", "room.close", "seat.admit", "seat.admit_all", "seat.deny", "chair.take",
        "layout.set", "agenda.open", "agenda.close", "document.open", "document.show", "presenter.pass",
        "hand.raise", "hand.lower", "floor.give", "floor.release", "chat.send", "recording.ask",
        "recording.answer", "recording.stop", "resolution.propose",
        "resolution.reword", "resolution.withdraw", "vote.open", "vote.cast", "vote.close",
        "member.recuse", "dissent.write", "dissent.withdraw", "protocol.write",
    }
)  # fmt: skip
"""Those that travel over Socket.IO; all others (and document.open too) by POST."""
