"""Every error that leaves the domain. `code` is API, the message is for a person.

    ConsiliumError
    ├── NotFound          404  not_found          absent, or not yours: the same answer for both
    ├── Forbidden         403  forbidden, not_your_role, not_admitted, observer_cannot …
    ├── Unauthenticated   401  not_signed_in, bad_credentials, session_expired
    ├── Invalid           422  invalid_field, too_long, file_too_large, protocol_incomplete …
    ├── Conflict          409  stale_revision, wrong_step, already_closed, no_quorum, seat_taken …
    ├── TooMany           429  rate_limited
    └── Unavailable       503  busy, unknown, storage_full, media_unavailable, media_full

A leaf is not a class but a code: `raise Conflict("no_quorum", have=3, need=4)`. Sentences live in the
catalogues (`web/locale/*.json`, key `error.<code>`); `CODES` lists every code, and a test holds the
catalogues, `docs/wire.md` and this table together. `details` are safe to show: ids, numbers, field
names, the other person's text on a revision conflict; never another patient's data.
"""

from __future__ import annotations

from typing import Any, ClassVar

CODES: dict[str, str] = {
    # not found / forbidden / sign-in
    "not_found": "Absent, or not visible to this person.",
    "forbidden": "This person may not do that.",
    "not_your_role": "The seat's role does not allow it.",
    "not_admitted": "The chair has not admitted this person to the room.",
    "not_a_member": "The person has no seat in this consilium.",
    "not_signed_in": "No session.",
    "bad_credentials": "Unknown login or wrong password (the same answer for both).",
    "session_expired": "The session ended.",
    "locked_out": "Too many failed sign-ins; wait.",
    "bad_origin": "The request came from another site.",
    "bad_ticket": "The ticket is unknown, used or expired.",
    # invalid
    "invalid_message": "The message is not of the declared shape.",
    "unknown_command": "No such command.",
    "invalid_field": "A field's value is refused; details.field says which.",
    "field_required": "A required field is empty; details.field says which.",
    "unknown_code": "A coded value is not in its dictionary.",
    "consent_required": "Neither consent nor a statutory ground is given (RQ-06).",
    "too_long": "A text is longer than its field takes; details.field says which.",
    "too_large": "The message or file is over its limit.",
    "file_too_large": "The file is over the limit.",
    "file_type_refused": "The content is none of PDF, PNG, JPEG, text.",
    "file_refused": "The file is damaged, encrypted or carries active content.",
    "reason_required": "A reason is mandatory here.",
    "composition_invalid": "The composition breaks a rule of the kind; details.rule says which.",
    "protocol_incomplete": "Statutory items are missing (323-ФЗ ст. 48); details.missing lists them.",
    "referral_incomplete": "The guide of referrals asks for what the request lacks; details.missing lists it.",
    "document_refused": "The document does not conform to its guide; details.findings lists why.",
    "text_refused": "Control or bidirectional characters.",
    "command_id_reused": "The same command id came with another payload.",
    "main_diagnosis": "There is not exactly one main diagnosis (11.1077).",
    "no_place": "The document of this kind has no place for it; details.field.",
    # conflict
    "stale_revision": "Somebody changed it first; details.current is the other text.",
    "wrong_step": "Not possible in this status; details.status says which it is.",
    "nothing_decided": "No resolution of the item has been voted on.",
    "already_closed": "Closed before this came.",
    "already_open": "Another one is open.",
    "no_quorum": "Fewer present than the rule needs; details.have, details.need.",
    "not_entitled": "Not on the list of those entitled to vote.",
    "recused": "Recused from this item.",
    "wording_changed": "The digest is not of the wording put to the vote.",
    "no_route": "No open route for this profile and organisation.",
    "seat_taken": "The person already has a seat.",
    "chair_present": "The chair is present; nothing to take over.",
    "already_signed": "This person has already signed.",
    "already_decided": "The signer has already signed, declined or been released.",
    "not_a_signer": "Not in the signer set.",
    "not_your_turn": "Others sign first; details.waits_for names them (SG-03).",
    "cannot_stand_in": "This person may not take the place of that signer (SG-09).",
    "signature_refused": "The strict verifier refused it; details.reason is its code.",
    "challenge_expired": "The signing challenge is unknown or too old.",
    "digest_mismatch": "The digest is not of the frozen document.",
    "no_certificate": "The person has no valid certificate.",
    "package_missing": "The file of the sealed package is missing or is not the one that was sealed.",
    "draft_frozen": "The draft is frozen; nothing can be changed.",
    "annulled": "The document was annulled; it is corrected by the one that takes its place.",
    "already_annulled": "The act that annuls it is made already.",
    "already_replaced": "Another version has taken its place already.",
    "already_extracted": "An extract of this protocol stands; annul it to make another.",
    "already_referred": "A referral of this request stands; give it up or annul it to make another.",
    "extract_stands": "An extract was taken from it: that is annulled first.",
    "duplicate": "It exists already.",
    "pdf_unavailable": "The printed copy cannot be made here: the font DejaVu Sans is not installed.",
    "media_unavailable": "The media relay cannot be reached now.",
    "media_full": "Every media relay is at its capacity.",
    "media_refused": "The media relay refused; details.reason is its code.",
    "stale_epoch": "The room moved to another relay; negotiate again.",
    # load and faults
    "rate_limited": "Too many in a short time.",
    "busy": "Overloaded; try again with the same command id.",
    "storage_full": "No space left; nothing was changed.",
    "unknown": "No answer in time; ask again with the same command id.",
    "internal": "A fault of ours, logged under details.ref.",
}


class ConsiliumError(Exception):
    """An expected refusal. Nothing was changed."""

    status: ClassVar[int] = 400

    def __init__(self, code: str, **details: Any) -> None:
        if code not in CODES:
            raise LookupError(f"error code {code!r} is not declared in consilium.errors.CODES")
        self.code = code
        self.details = details
        super().__init__(f"{code} {details}" if details else code)


class NotFound(ConsiliumError):
    status = 404

    def __init__(self, **details: Any) -> None:
        super().__init__("not_found", **details)


class Forbidden(ConsiliumError):
    status = 403


class Unauthenticated(ConsiliumError):
    status = 401


class Invalid(ConsiliumError):
    status = 422


class Conflict(ConsiliumError):
    status = 409


class TooMany(ConsiliumError):
    status = 429


class Unavailable(ConsiliumError):
    status = 503
