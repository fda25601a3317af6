"""Adapter to a registry that speaks РЭМД's flow as plain JSON over HTTP: the simulator's own dialect, the default.

It is the one dialect with an idempotency key and a question by that key. There is no state here: the same filing sent
twice carries the same key.
"""

from __future__ import annotations

from typing import TypeVar

import msgspec

from consilium import clock
from consilium.filing import callback, wire
from consilium.filing.line import ACCEPTED_STATUSES, DENIED_STATUSES, REFUSED_STATUSES, Line, LineSettings
from consilium.filing.port import (
    Acknowledgement,
    Filing,
    FilingError,
    Pending,
    Registered,
    RegistryBroken,
    RegistryRefused,
    Rejected,
)

_Message = TypeVar("_Message", bound=msgspec.Struct)
_JSON = {"Accept": "application/json"}


class Plain:
    """A `port.Registry` over HTTP. One instance may be used by one thread at a time."""

    def __init__(self, settings: LineSettings) -> None:
        self._line = Line(settings)
        self._proof = settings.proof

    def close(self) -> None:
        """Give the connections back."""
        self._line.close()

    def register(self, filing: Filing) -> Acknowledgement:
        """Send metadata and signatures. Raises RegistryUnavailable, RegistryRefused, RegistryBroken."""
        body = wire.encode(wire.registration(filing))
        key = filing.idempotency_key
        proof = self._proof.headers("register", key, body, clock.now())
        headers = {**_JSON, "Content-Type": "application/json", wire.KEY_HEADER: key, **proof}
        status, answer = self._line.ask("POST", "/register", headers, body)
        if status in ACCEPTED_STATUSES:
            return Acknowledgement(message_id=decoded(answer, wire.Ack).message_id)
        raise refusal(status, answer)

    def find(self, filing: Filing) -> Registered | Rejected | Pending | None:
        """Ask for the fate of a key. Raises RegistryUnavailable, RegistryRefused, RegistryBroken."""
        key = filing.idempotency_key
        headers = {**_JSON, **self._proof.headers("find", key, b"", clock.now())}
        status, answer = self._line.ask("GET", f"/documents/{key}", headers, b"")
        if status == 404:
            return None
        if status not in ACCEPTED_STATUSES:
            raise refusal(status, answer)
        return found(decoded(answer, wire.Found))


def found(answer: wire.Found) -> Registered | Rejected | Pending:
    """What an answer to a question says. Raises RegistryBroken when it contradicts itself."""
    if answer.status == "pending":
        return Pending(message_id=answer.message_id)
    try:
        return callback.outcome(answer.status, answer.registry_item, answer.errors)
    except wire.WireError as error:
        raise RegistryBroken(error.message) from error


def decoded(answer: bytes, kind: type[_Message]) -> _Message:
    """JSON of a declared shape. Raises RegistryBroken."""
    try:
        return msgspec.json.decode(answer, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise RegistryBroken("The registry's answer is not of the agreed shape.") from error


def refusal(status: int, answer: bytes) -> FilingError:
    """What an answer that is no acceptance means."""
    if status in DENIED_STATUSES:
        return RegistryRefused("The registry does not know this system.", "registry_access_denied")
    if status in REFUSED_STATUSES:
        rows = decoded(answer, wire.Refusal).errors
        return RegistryRefused("The registry refused the registration.", errors=wire.registry_errors(rows))
    return RegistryBroken(f"The registry answered {status}.")
