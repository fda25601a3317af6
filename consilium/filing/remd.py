"""Adapter to РЭМД's own flow: SOAP 1.2, registration without the file, the answer by a callback.

РЭМД knows no idempotency key: it tells a document by its localUid, refuses a second registration of it
(NOT_UNIQUE_PROVIDED_ID, which `states` takes as "ask"), and is asked by organisation, kind, days and СНИЛС. Every
registration is a message with an id of its own, which the callback names.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TypeVar

import msgspec

from consilium import clock
from consilium.filing import soap, wire
from consilium.filing.callback import EMDR_ID, is_moment
from consilium.filing.line import ACCEPTED_STATUSES, DENIED_STATUSES, Line, LineSettings
from consilium.filing.messages import Answer, Matches, SearchRegistryItem, register_document
from consilium.filing.port import (
    Acknowledgement,
    Filing,
    Pending,
    Registered,
    RegistryBroken,
    RegistryRefused,
    RegistryUnavailable,
    Rejected,
)
from consilium.filing.profile import Profile
from consilium.filing.soap import Envelope, Fault, Header

_DAY = timedelta(days=1)
_Message = TypeVar("_Message", bound=msgspec.Struct)


class Remd:
    """A `port.Registry` over SOAP. `door` is where the registry reaches this system. One thread at a time."""

    def __init__(self, settings: LineSettings, profile: Profile, door: str) -> None:
        self._line = Line(settings)
        self._proof = settings.proof
        self._profile = profile
        self._door = door

    def close(self) -> None:
        """Give the connections back."""
        self._line.close()

    def register(self, filing: Filing) -> Acknowledgement:
        """Send metadata and signatures under a new message id.

        Raises RegistryUnavailable, RegistryRefused, RegistryBroken.
        """
        message_id = soap.new_id()
        answer = self._decoded(
            self._ask("registerDocument", register_document(filing), message_id),
            "registerDocumentResponse",
            Answer,
        )
        if answer.status == "error" or answer.errors:
            if not answer.errors:
                raise RegistryBroken("The registry refused without a reason.")
            raise RegistryRefused(
                "The registry refused the registration.", errors=wire.registry_errors(answer.errors)
            )
        return Acknowledgement(message_id=message_id)

    def find(self, filing: Filing) -> Registered | Rejected | Pending | None:
        """Look for the document among the registered ones; what is not among them may still be examined."""
        question = SearchRegistryItem(
            organization=filing.organisation_oid,
            kind=filing.kind_code,
            register_date_begin=(filing.created_at - _DAY).date(),
            register_date_end=(clock.now() + _DAY).date(),
            patient_snils=wire.digits(filing.patient.snils),
        )
        answer = self._decoded(
            self._ask("searchRegistryItem", question, soap.new_id()), "searchRegistryItemResponse", Matches
        )
        for match in answer.matches:
            if match.local_uid == filing.local_uid and EMDR_ID.fullmatch(match.emdr_id):
                if not is_moment(match.registration_date_time):
                    raise RegistryBroken("The registry's time is not valid.")
                return Registered(emdr_id=match.emdr_id, at=match.registration_date_time)
        return Pending(message_id=str(filing.local_uid))

    def _ask(self, operation: str, message: msgspec.Struct, message_id: str) -> Envelope:
        header = Header(
            to=self._profile.to or f"{self._line.base}{self._profile.path}",
            message_id=message_id,
            reply_to=self._door,
            client=self._profile.client,
        )
        body = soap.write(self._profile, operation, header, message)
        proof = self._proof.headers("soap", operation, body, clock.now())
        action = self._profile.operations[operation].action
        headers = {"Content-Type": f'{soap.CONTENT_TYPE}; action="{action}"', **proof}
        status, answer = self._line.ask("POST", self._profile.path, headers, body, fault_body=True)
        if status in DENIED_STATUSES:
            raise RegistryRefused("The registry does not know this system.", "registry_access_denied")
        if status not in ACCEPTED_STATUSES | {400, 500}:
            raise RegistryBroken(f"The registry answered {status}.")
        return self._read(answer)

    def _read(self, answer: bytes) -> Envelope:
        try:
            return soap.read(answer, self._profile, len(answer))
        except Fault as fault:
            if fault.receiver:
                raise RegistryUnavailable(fault.message) from fault
            raise RegistryRefused(fault.message, "registry_fault") from fault
        except wire.WireError as error:
            raise RegistryBroken(error.message) from error

    def _decoded(self, envelope: Envelope, operation: str, kind: type[_Message]) -> _Message:
        try:
            return soap.decode(envelope, operation, kind)
        except wire.WireError as error:
            raise RegistryBroken(error.message) from error
