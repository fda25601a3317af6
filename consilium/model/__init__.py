"""The nouns. Plain dataclasses that rules change in memory and the store keeps as rows.

Every id is a UUID made before the database sees it; every time is aware UTC; every collection of an
aggregate is a list of rows with its own id, so that the store can save what changed and no more.
"""

from consilium.model.case import Case, CaseDocument, CaseStatus, Consent, MissingItem, Patient
from consilium.model.directory import Body, BodyMember, Certificate, Organisation, Person, Route
from consilium.model.meeting import (
    Admission,
    AgendaItem,
    Attendance,
    Ballot,
    ChatMessage,
    Choice,
    Consilium,
    ConsiliumStatus,
    Dissent,
    Hand,
    ItemStatus,
    Layout,
    Recusal,
    Resolution,
    ResolutionStatus,
    Seat,
    Vote,
)
from consilium.model.protocol import (
    DissentPaper,
    FilingStatus,
    Protocol,
    ProtocolStatus,
    Signature,
    SignatureStatus,
)

__all__ = [
    "Admission",
    "AgendaItem",
    "Attendance",
    "Ballot",
    "Body",
    "BodyMember",
    "Case",
    "CaseDocument",
    "CaseStatus",
    "Certificate",
    "ChatMessage",
    "Choice",
    "Consent",
    "Consilium",
    "ConsiliumStatus",
    "Dissent",
    "DissentPaper",
    "FilingStatus",
    "Hand",
    "ItemStatus",
    "Layout",
    "MissingItem",
    "Organisation",
    "Patient",
    "Person",
    "Protocol",
    "ProtocolStatus",
    "Recusal",
    "Resolution",
    "ResolutionStatus",
    "Route",
    "Seat",
    "Signature",
    "SignatureStatus",
    "Vote",
]
