"""Trial signatures, days before the session: what was tried on which device and what came of it (SG-06)."""

from __future__ import annotations

import base64
import hashlib
import secrets
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from consilium import commands as c
from consilium.errors import Invalid
from consilium.events import Event
from consilium.handlers.asker import Table, person_of, tidied
from consilium.handlers.signing import der_of, verified_of
from consilium.model import Person, Readiness
from consilium.rules import readiness as rules
from consilium.seal.errors import SignatureRefused
from consilium.seal.file import der_of_file
from consilium.seal.verify import VerifiedSignature
from consilium.store.tables import readiness

if TYPE_CHECKING:
    from consilium.context import Context

MOST_DEVICES = 20


def begin(context: Context, command: c.BeginReadinessTest) -> dict[str, Any]:
    """A harmless document, the time to state, a challenge for ten minutes."""
    person = person_of(context)
    row = _row(context, person, command.provider, command.device)
    rules.begin(row, secrets.token_urlsafe(24), context.at)
    assert row.challenge_at is not None
    content = rules.content(person.id, row.challenge, row.challenge_at)
    return {
        "challenge": row.challenge,
        "signing_time": row.challenge_at.isoformat(),
        "content": base64.b64encode(content).decode(),
        "digest": hashlib.sha256(content).hexdigest(),
    }


def answer(context: Context, command: c.AnswerReadinessTest) -> dict[str, Any]:
    """{ready, code, sentence, until}: a refusal is an answer too, and is kept for the chair to see."""
    person = person_of(context)
    row = _row(context, person, command.provider, command.device)
    if command.problem:
        _record(context, person, rules.failed(row, command.problem, context.at))
        return _said(row, "")
    rules.require_challenge(row, command.challenge, context.at)
    try:
        verified = _tried(context, person, row, command)
    except SignatureRefused as refused:
        _record(context, person, rules.failed(row, refused.code, context.at))
        return _said(row, refused.message(person.language))
    _record(
        context,
        person,
        rules.proven(row, verified.certificate_sha256, verified.not_after, context.at),
    )
    return _said(row, "")


def _tried(
    context: Context, person: Person, row: Readiness, command: c.AnswerReadinessTest
) -> VerifiedSignature:
    """A file comes later than its challenge by as long as the person took; its document is bound to it anyway."""
    given = row.challenge_at
    assert given is not None
    content = rules.content(person.id, row.challenge, given)
    if command.provider != "file":
        return verified_of(context, person, content, der_of(command.cms), given)
    cms = der_of_file(der_of(command.cms), context.parts.policy.size)
    return verified_of(context, person, content, cms, None)


def _said(row: Readiness, sentence: str) -> dict[str, Any]:
    until = row.certificate_until
    return {
        "ready": row.code == "OK",
        "code": row.code,
        "sentence": sentence,
        "until": until.isoformat() if until else None,
    }


def _row(context: Context, person: Person, provider: str, device: str) -> Readiness:
    """The row of these means on this device, made on first use; bounded, for a device is what a page says it is."""
    name = tidied(device, "device")
    if not name:
        raise Invalid("field_required", field="device")
    rows = context.tx.all(Readiness, readiness.c.person_id == person.id)
    found = next((one for one in rows if (one.provider, one.device) == (provider, name)), None)
    if found is not None:
        return found
    if len(rows) < MOST_DEVICES:
        row = Readiness(id=uuid4(), person_id=person.id, provider=provider, device=name)
        context.tx.add(row)
        return row
    oldest = min(rows, key=lambda one: (one.checked_at is not None, one.checked_at or context.at))
    oldest.provider, oldest.device = provider, name
    oldest.code, oldest.challenge, oldest.challenge_at = "", "", None
    oldest.certificate_sha256, oldest.certificate_until, oldest.checked_at = "", None, None
    return oldest


def _record(context: Context, person: Person, happened: Sequence[Event]) -> None:
    for event in happened:
        context.tx.record(event, person.organisation_id, person.organisation_id, context.actor)


HANDLERS: Table = {c.BeginReadinessTest: begin, c.AnswerReadinessTest: answer}
