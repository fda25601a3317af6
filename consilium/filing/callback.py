"""The registry's answer, as it arrives at the product's door: hostile until proven otherwise.

`web/api` hands over the raw body and headers; whatever comes back is for `states.answered`. The same answer may come
twice, late or out of order: that is decided there, not here.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import msgspec

from consilium.filing import wire
from consilium.filing.messages import RegisterDocumentResult
from consilium.filing.port import Registered, Rejected
from consilium.filing.wire import WireError

# Both forms of the РЭМД number known from guide 190.
EMDR_ID = re.compile(
    r"[0-9]{2}[.][0-9]{2}[.][0-9]{3,4}[.][0-9]{9}|[0-9]{1,3}[.][0-9]{2}[.][0-9]{2}[.][0-9]{2}[.][0-9]{9}"
)


FIRST_YEAR, LAST_YEAR = 2000, 2199


@dataclass(frozen=True, slots=True, kw_only=True)
class CallbackResult:
    """A proven answer about one document version."""

    local_uid: UUID
    message_id: str
    answer: Registered | Rejected


def parse_callback(
    body: bytes, headers: Mapping[str, str], proof: wire.Proof, at: datetime
) -> CallbackResult:
    """Check size, signature and shape, in this order.

    Raises WireError: wire_too_large, wire_unsigned, wire_forged, wire_stale, wire_malformed.
    """
    if len(body) > wire.MAX_CALLBACK_BYTES:
        raise WireError("The answer is too large.", "wire_too_large")
    proof.check(headers, "callback", "", body, at)
    try:
        message = msgspec.json.decode(body, type=wire.Callback)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise WireError("The answer is not of the agreed shape.", "wire_malformed") from error
    answer = outcome(message.status, message.registry_item, message.errors)
    return CallbackResult(local_uid=message.local_uid, message_id=message.relates_to_message, answer=answer)


def result_of(message: RegisterDocumentResult) -> CallbackResult:
    """The same from РЭМД's own message. Raises WireError("wire_malformed")."""
    answer = outcome(message.status, message.registry_item, message.errors)
    return CallbackResult(local_uid=message.local_uid, message_id=message.relates_to_message, answer=answer)


def outcome(
    status: str, item: wire.RegistryItem | None, errors: list[wire.ErrorDto]
) -> Registered | Rejected:
    """A success with a number, or an error with its codes; anything in between is malformed."""
    if status == "success" and item is not None and not errors:
        if not EMDR_ID.fullmatch(item.emdr_id) or not is_moment(item.registration_date_time):
            raise WireError("The registry's number or time is not valid.", "wire_malformed")
        return Registered(emdr_id=item.emdr_id, at=item.registration_date_time)
    if status == "error" and errors and item is None:
        return Rejected(errors=wire.registry_errors(errors))
    raise WireError("The answer contradicts itself.", "wire_malformed")


def is_moment(value: datetime) -> bool:
    """Whether it is a time that can be: with a zone, and of a year in which registries work.

    At the edges of the calendar a time cannot be told in another zone, and a page that shows it dies.
    """
    return value.tzinfo is not None and FIRST_YEAR <= value.year <= LAST_YEAR


def check_pull(headers: Mapping[str, str], proof: wire.Proof, local_uid: UUID, at: datetime) -> None:
    """Whether a request for the document's bytes comes from the registry. Raises WireError as `wire.check`."""
    proof.check(headers, "pull", str(local_uid), b"", at)
