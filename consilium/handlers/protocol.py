"""The protocol from its first draft to the registry's number: look up, let the rules decide, journal.

A command names a protocol; its case and consilium are looked at first without a lock, so that locks are
always taken in the order Case, Consilium, Protocol.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import secrets
from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

from consilium import commands as c
from consilium import drafts
from consilium.documents import cda
from consilium.documents.draft import draft_sections
from consilium.errors import Conflict, Invalid, NotFound
from consilium.events import CaseSealed, DraftWritten, Event, SigningCompleted
from consilium.filing.compose import registry_kind
from consilium.handlers import filing
from consilium.handlers.asker import Table, person_of, require_system, tidied
from consilium.handlers.requests import record as record_case
from consilium.model import (
    AgendaItem,
    Case,
    CaseStatus,
    Consilium,
    DissentPaper,
    Person,
    Protocol,
)
from consilium.queries.protocol_facts import dissent_text, protocol_facts
from consilium.rules import protocol as rules
from consilium.rules import signing
from consilium.seal.dissent import Dissent as DissentDocument
from consilium.seal.dissent import render_dissent
from consilium.seal.errors import SignatureRefused
from consilium.seal.names import ExpectedSigner
from consilium.seal.verify import VerifiedSignature, verify

if TYPE_CHECKING:
    from consilium.context import Context


# --- drafting -------------------------------------------------------------------------------------


def start_protocol(context: Context, consilium: Consilium, item: AgendaItem, case: Case) -> Protocol:
    """The draft of a decided item, written from the facts in the transaction that decided it (PR-01).

    Number per organisation and year. The caller sets `item.protocol_id` and changes the case.
    """
    year = context.at.year
    number = context.tx.next_number(f"protocol:{consilium.organisation_id}:{year}")
    protocol, happened = rules.start(consilium, item, case, f"{year}-{number:05}", context.at)
    context.tx.add(protocol)
    known = {"reasons": "", "course": case.course, "state": case.condition, "decision": ""}
    draft = draft_sections(protocol_facts(context.tx, protocol, consilium, case, known, context.at))
    context.tx.flush()
    prose = {name: draft[name] for name in drafts.SECTIONS}
    context.tx.append_draft(protocol.id, drafts.initial(prose), None)
    record(context, protocol, happened)
    return protocol


def write(context: Context, command: c.WriteProtocol) -> dict[str, Any]:
    """One update, kept before it is acknowledged."""
    person = person_of(context)
    protocol, consilium, _ = _seen(context, command.protocol, person)
    editor = rules.require_editor(consilium, person.id)
    rules.require_drafting(protocol)
    update = drafts.decoded(command.update)
    drafts.check((one for _, one in context.tx.draft_updates(protocol.id)), update)
    number = context.tx.append_draft(protocol.id, update, editor.person_id)
    record(context, protocol, [DraftWritten(update=number)])
    return {"update": number}


def freeze(context: Context, command: c.FreezeProtocol) -> dict[str, Any]:
    """One rendering, byte-exact from then on (PR-06). The consilium is held too: no opinion slips in."""
    person = person_of(context)
    consilium = context.tx.consilium(context.tx.peek(Protocol, command.protocol).consilium_id)
    protocol, _, case = _seen(context, command.protocol, person, consilium)
    rules.require_editor(consilium, person.id)
    rules.require_drafting(protocol)
    item = _item(consilium, protocol)
    document_id = uuid4()
    document = _rendered(context, protocol, consilium, case, document_id)
    digest = hashlib.sha256(document).hexdigest()
    signers = rules.signers(consilium, item, context.at)
    papers = _papers(context, protocol, consilium, item, document_id, digest)
    happened = rules.freeze(protocol, document_id, document, digest, signers, papers, person.id, context.at)
    record(context, protocol, happened)
    return {
        "digest": digest,
        "size": len(document),
        "version": protocol.version,
        "document": str(document_id),
        "signers": len(signers),
    }


def _rendered(
    context: Context, protocol: Protocol, consilium: Consilium, case: Case, document_id: UUID
) -> bytes:
    """The bytes of this version. Raises Invalid: protocol_incomplete, text_refused."""
    prose = drafts.texts(update for _, update in context.tx.draft_updates(protocol.id))
    facts = protocol_facts(context.tx, protocol, consilium, case, prose, context.at, document_id)
    return cda.render(facts)


def _papers(
    context: Context,
    protocol: Protocol,
    consilium: Consilium,
    item: AgendaItem,
    document_id: UUID,
    digest: str,
) -> list[DissentPaper]:
    """Each standing opinion as a small document of its own, bound to the protocol by its digest (SG-12)."""
    papers: list[DissentPaper] = []
    for order, dissent in enumerate(rules.standing_dissents(consilium, item), 1):
        seat = consilium.seat(dissent.seat_id)
        assert seat is not None
        author = context.tx.person(seat.person_id)
        content = render_dissent(
            DissentDocument(
                protocol_sha256=digest,
                document_id=str(document_id),
                author=author.full_name,
                snils=author.snils,
                text=dissent_text(dissent),
                recorded_at=dissent.written_at,
            )
        )
        papers.append(
            DissentPaper(
                id=uuid4(),
                version=protocol.version,
                dissent_id=dissent.id,
                seat_id=seat.id,
                person_id=author.id,
                order=order,
                document=content,
                digest=hashlib.sha256(content).hexdigest(),
            )
        )
    return papers


def reopen(context: Context, command: c.ReopenProtocol) -> dict[str, Any]:
    person = person_of(context)
    protocol, consilium, _ = _seen(context, command.protocol, person)
    rules.require_editor(consilium, person.id)
    happened = rules.reopen(protocol, person.id, tidied(command.reason, "reason"))
    record(context, protocol, happened)
    return {"version": protocol.version, "fallen": _fallen(happened)}


# --- signing --------------------------------------------------------------------------------------


def begin_signing(context: Context, command: c.BeginSigning) -> dict[str, Any]:
    """What the signer's browser needs: digests, the time to state, a challenge for ten minutes."""
    person = person_of(context)
    protocol = _to_sign(context, command.protocol, person)
    challenge = secrets.token_urlsafe(24)
    record(context, protocol, signing.begin(protocol, person.id, challenge, context.at))
    waiting = signing.awaited_of(protocol, person.id)
    return {
        "challenge": challenge,
        "signing_time": context.at.replace(microsecond=0).isoformat(),
        "version": protocol.version,
        "digest": protocol.digest,
        "document": any(not isinstance(one, DissentPaper) for one in waiting),
        "dissents": [
            {
                "id": str(one.dissent_id),
                "digest": one.digest,
                "content": base64.b64encode(one.document).decode(),
            }
            for one in waiting
            if isinstance(one, DissentPaper)
        ],
    }


def attach_signature(context: Context, command: c.AttachSignature) -> dict[str, Any]:
    """Only what the strict verifier accepts becomes a signature; a refusal changes nothing."""
    person = person_of(context)
    protocol = _to_sign(context, command.protocol, person)
    row = signing.require_may_sign(protocol, person.id)
    signing_time = signing.require_challenge(
        row, command.challenge, command.digest, protocol.digest, context.at
    )
    cms = _der(command.cms)
    verified = _verified(context, person, protocol.document, cms, signing_time)
    happened = signing.attach(
        protocol, row, cms, verified.certificate, verified.certificate_sha256, verified.signing_time
    )
    _record_signing(context, protocol, happened)
    return _standing(protocol)


def attach_dissent_signature(context: Context, command: c.AttachDissentSignature) -> dict[str, Any]:
    person = person_of(context)
    protocol = _to_sign(context, command.protocol, person)
    rules.require_signing(protocol)
    row = signing.dissent_of(protocol, command.dissent, person.id)
    rules.require_awaited(row)
    signing_time = signing.require_challenge(row, command.challenge, command.digest, row.digest, context.at)
    cms = _der(command.cms)
    verified = _verified(context, person, row.document, cms, signing_time)
    happened = signing.attach_dissent(
        protocol, row, cms, verified.certificate, verified.certificate_sha256, verified.signing_time
    )
    _record_signing(context, protocol, happened)
    return _standing(protocol)


def _verified(
    context: Context, person: Person, document: bytes, cms: bytes, signing_time: datetime
) -> VerifiedSignature:
    expected = ExpectedSigner.person(
        snils=person.snils,
        surname=person.surname,
        given=" ".join(part for part in (person.given, person.patronymic) if part),
    )
    try:
        verified = verify(
            document,
            cms,
            policy=context.parts.policy,
            trust=context.parts.trust(),
            at=context.at,
            signer=expected,
            signing_time=signing_time,
        )
        _require_not_revoked(context, person, verified)
    except SignatureRefused as refused:
        raise Conflict(
            "signature_refused", reason=refused.code, sentence=refused.message(person.language)
        ) from refused
    return verified


def _require_not_revoked(context: Context, person: Person, verified: VerifiedSignature) -> None:
    """Our own record knows of a revocation before the next list does."""
    known = next((one for one in context.tx.certificates(person.id) if one.der == verified.certificate), None)
    if known is not None and known.revoked_at is not None:
        raise SignatureRefused("REVOKED")


def _der(cms: str) -> bytes:
    try:
        return base64.b64decode(cms, validate=True)
    except (binascii.Error, ValueError):
        raise Invalid("invalid_field", field="cms") from None


def decline(context: Context, command: c.DeclineSignature) -> dict[str, Any]:
    """Back to drafting; the answer and the journal say how many signatures fell (SG-08)."""
    person = person_of(context)
    protocol, _, _ = _seen(context, command.protocol, person)
    happened = rules.decline(protocol, person.id, tidied(command.reason, "reason"), context.at)
    record(context, protocol, happened)
    return {"version": protocol.version, "fallen": _fallen(happened)}


def release_signer(context: Context, command: c.ReleaseSigner) -> dict[str, Any]:
    person = person_of(context)
    protocol, consilium, _ = _seen(context, command.protocol, person)
    rules.require_chair(consilium, person.id)
    reason = tidied(command.reason, "reason")
    happened = signing.release(protocol, command.signature, person.id, reason, context.at)
    _record_signing(context, protocol, happened)
    return _standing(protocol)


def release_dissent(context: Context, command: c.ReleaseDissent) -> dict[str, Any]:
    person = person_of(context)
    protocol, consilium, _ = _seen(context, command.protocol, person)
    rules.require_chair(consilium, person.id)
    reason = tidied(command.reason, "reason")
    happened = signing.release_dissent(protocol, command.dissent, person.id, reason, context.at)
    _record_signing(context, protocol, happened)
    return _standing(protocol)


def _record_signing(context: Context, protocol: Protocol, happened: Sequence[Event]) -> None:
    record(context, protocol, happened)
    if any(isinstance(one, SigningCompleted) for one in happened):
        key = f"{protocol.id}:{protocol.version}"
        context.tx.enqueue("protocol.seal", key, {"protocol": str(protocol.id)})


def _standing(protocol: Protocol) -> dict[str, Any]:
    return {
        "status": str(protocol.status),
        "version": protocol.version,
        "waiting": sum(one.status == "awaited" for one in rules.rows_of(protocol)),
    }


def _fallen(happened: Sequence[Event]) -> int:
    return sum(getattr(one, "fallen", 0) for one in happened)


# --- seal and filing ------------------------------------------------------------------------------


def record_seal(context: Context, command: c.RecordSeal) -> dict[str, Any]:
    """The worker's word. Told twice, it happened once; then the filing begins."""
    require_system(context)
    case = context.tx.case(context.tx.peek(Protocol, command.protocol).case_id)
    protocol = context.tx.protocol(command.protocol)
    _require_this_version(protocol, command.package_name)
    happened = signing.seal(
        protocol,
        command.seal_cms,
        command.seal_certificate,
        hashlib.sha256(command.seal_certificate).hexdigest(),
        command.package_digest,
        command.package_name,
        context.at,
    )
    if not happened:
        return {"status": str(protocol.status)}
    record(context, protocol, happened)
    case.status = CaseStatus.SEALED
    case.revision += 1
    record_case(context, case, [CaseSealed(protocol=protocol.id)])
    if registry_kind(protocol.document) is not None:  # a commission's stays with the organisation (kind 87)
        filing.begin(context, protocol)
    return {"status": str(protocol.status)}


def _require_this_version(protocol: Protocol, package_name: str) -> None:
    """A package carries the document's id, which is new for every version: a late one is of the past."""
    if not package_name.startswith(f"{protocol.document_id}-"):
        raise Conflict("wrong_step", status=str(protocol.status))


# --- common ---------------------------------------------------------------------------------------


def _seen(
    context: Context, protocol_id: UUID, person: Person, consilium: Consilium | None = None
) -> tuple[Protocol, Consilium, Case]:
    """The locked protocol with its consilium and case, or NotFound for whom it does not exist."""
    peeked = context.tx.peek(Protocol, protocol_id)
    consilium = consilium or context.tx.peek(Consilium, peeked.consilium_id)
    case = context.tx.peek(Case, peeked.case_id)
    if not rules.sees_protocol(consilium, _item(consilium, peeked), case, person):
        raise NotFound
    return context.tx.protocol(protocol_id), consilium, case


def _to_sign(context: Context, protocol_id: UUID, person: Person) -> Protocol:
    """As `_seen`; a seat that may not read it knows of the consilium and learns that it does not sign."""
    peeked = context.tx.peek(Protocol, protocol_id)
    if context.tx.peek(Consilium, peeked.consilium_id).seat_of(person.id) is not None:
        return context.tx.protocol(protocol_id)
    protocol, _, _ = _seen(context, protocol_id, person)
    return protocol


def _item(consilium: Consilium, protocol: Protocol) -> AgendaItem:
    item = consilium.item(protocol.item_id)
    if item is None:
        raise NotFound(what="item")
    return item


def record(context: Context, protocol: Protocol, happened: Sequence[Event]) -> None:
    """Journal on the protocol's stream, which belongs to the organisation that registers."""
    for event in happened:
        context.tx.record(event, protocol.id, protocol.organisation_id, context.actor)


HANDLERS: Table = {
    c.WriteProtocol: write,
    c.FreezeProtocol: freeze,
    c.ReopenProtocol: reopen,
    c.BeginSigning: begin_signing,
    c.AttachSignature: attach_signature,
    c.AttachDissentSignature: attach_dissent_signature,
    c.DeclineSignature: decline,
    c.ReleaseSigner: release_signer,
    c.ReleaseDissent: release_dissent,
    c.RecordSeal: record_seal,
    **filing.HANDLERS,
}
