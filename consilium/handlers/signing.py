"""Signatures, release and seal of a frozen protocol: look up, let the rules decide, journal."""

from __future__ import annotations

import base64
import binascii
import hashlib
import secrets
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, TypeVar
from uuid import UUID

from consilium import commands as c
from consilium.errors import Conflict, Invalid, NotFound
from consilium.events import DissentSigned, Event, SignatureAttached, SigningCompleted
from consilium.handlers import filing, papers, turns
from consilium.handlers.asker import Table, person_of, require_system, tidied
from consilium.handlers.protocol import fallen, item_of, record, seen_protocol
from consilium.model import Consilium, DissentPaper, Person, Protocol
from consilium.rules import protocol as rules
from consilium.rules import sealing, signing
from consilium.rules.protocol import Row
from consilium.seal.certificates import certificate_of
from consilium.seal.errors import SignatureRefused
from consilium.seal.file import der_of_file
from consilium.seal.names import ExpectedSigner
from consilium.seal.verify import VerifiedSignature, verify
from consilium.store import seal_works

if TYPE_CHECKING:
    from consilium.context import Context

T = TypeVar("T")


def open_for_signing(context: Context, command: c.OpenForSigning) -> dict[str, Any]:
    person = person_of(context)
    protocol = _to_sign(context, command.protocol, person)
    record(context, protocol, signing.open_document(protocol, person.id, command.digest, context.at))
    return {"version": protocol.version}


def begin_signing(context: Context, command: c.BeginSigning) -> dict[str, Any]:
    """What the signer's browser needs: digests, the time to state, a challenge for ten minutes."""
    person = person_of(context)
    protocol = _to_sign(context, command.protocol, person)
    challenge = secrets.token_urlsafe(24)
    record(context, protocol, signing.begin(protocol, person.id, challenge, context.at))
    waiting = signing.signable_of(protocol, person.id)
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
    cms = der_of(command.cms)
    verified = _verified(context, person, protocol.document, cms, signing_time)
    _attach(context, protocol, row, cms, verified, command.provider)
    return _standing(protocol)


def _attach(
    context: Context,
    protocol: Protocol,
    row: Row,
    cms: bytes,
    verified: VerifiedSignature,
    provider: str = "",
) -> None:
    proof = (cms, verified.certificate, verified.certificate_sha256, verified.signing_time)
    if isinstance(row, DissentPaper):
        happened = signing.attach_dissent(protocol, row, *proof)
    else:
        happened = signing.attach(protocol, row, *proof, provider)
    _record_signing(context, protocol, happened)


def upload_signature(context: Context, command: c.UploadSignature) -> dict[str, Any]:
    """A desktop program's file: the same strict verifier; its signing time is bounded by the bytes' own life."""
    person = person_of(context)
    protocol = _to_sign(context, command.protocol, person)
    row, document, digest = _uploaded_for(protocol, command, person)
    signing.require_digest(command.digest, digest)
    cms = _refusable(person, lambda: der_of_file(der_of(command.file), context.parts.policy.size))
    verified = _verified(context, person, document, cms, None)
    signing.require_uploaded_moment(protocol, verified.signing_time, context.at, context.parts.policy.skew)
    _attach(context, protocol, row, cms, verified, "file")
    return _standing(protocol)


def _uploaded_for(protocol: Protocol, command: c.UploadSignature, person: Person) -> tuple[Row, bytes, str]:
    """The awaited row, the bytes it covers, and their digest."""
    if command.dissent is None:
        return signing.require_may_sign(protocol, person.id), protocol.document, protocol.digest
    rules.require_signing(protocol)
    row = signing.dissent_of(protocol, command.dissent, person.id)
    rules.require_awaited(row)
    return row, row.document, row.digest


def _refusable(person: Person, work: Callable[[], T]) -> T:
    """The verifier's refusal as the domain's, in the signer's language."""
    try:
        return work()
    except SignatureRefused as refused:
        raise Conflict(
            "signature_refused", reason=refused.code, sentence=refused.message(person.language)
        ) from refused


def attach_dissent_signature(context: Context, command: c.AttachDissentSignature) -> dict[str, Any]:
    person = person_of(context)
    protocol = _to_sign(context, command.protocol, person)
    rules.require_signing(protocol)
    row = signing.dissent_of(protocol, command.dissent, person.id)
    rules.require_awaited(row)
    signing_time = signing.require_challenge(row, command.challenge, command.digest, row.digest, context.at)
    cms = der_of(command.cms)
    verified = _verified(context, person, row.document, cms, signing_time)
    _attach(context, protocol, row, cms, verified)
    return _standing(protocol)


def _verified(
    context: Context, person: Person, document: bytes, cms: bytes, signing_time: datetime | None
) -> VerifiedSignature:
    return _refusable(person, lambda: verified_of(context, person, document, cms, signing_time))


def verified_of(
    context: Context, person: Person, document: bytes, cms: bytes, signing_time: datetime | None
) -> VerifiedSignature:
    """The person's signature over these bytes, by the installation's policy. Raises SignatureRefused."""
    expected = ExpectedSigner.person(
        snils=person.snils,
        surname=person.surname,
        given=" ".join(part for part in (person.given, person.patronymic) if part),
    )
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
    return verified


def _require_not_revoked(context: Context, person: Person, verified: VerifiedSignature) -> None:
    """Our own record knows of a revocation before the next list does.

    A certificate is told by its issuer and number: an ECDSA signature on it has a second spelling that anybody can
    compute, so the same certificate may come in other bytes.
    """
    used = certificate_of(verified.certificate)
    for one in context.tx.certificates(person.id):
        known = certificate_of(one.der) if one.revoked_at is not None else None
        if known is not None and (known.issuer, known.serial) == (used.issuer, used.serial):
            raise SignatureRefused("REVOKED")


def der_of(cms: str) -> bytes:
    """The bytes a page sent as base64. Raises Invalid."""
    try:
        return base64.b64decode(cms, validate=True)
    except (binascii.Error, ValueError):
        raise Invalid("invalid_field", field="cms") from None


def decline(context: Context, command: c.DeclineSignature) -> dict[str, Any]:
    """Back to drafting; the answer and the journal say how many signatures fell (SG-08)."""
    person = person_of(context)
    protocol, _, _ = papers.seen_paper(context, command.protocol, person)
    happened = rules.decline(protocol, person.id, tidied(command.reason, "reason"), context.at)
    record(context, protocol, happened)
    return {"version": protocol.version, "fallen": fallen(happened)}


def release_signer(context: Context, command: c.ReleaseSigner) -> dict[str, Any]:
    person = person_of(context)
    protocol, consilium, _ = seen_protocol(context, command.protocol, person)
    signing.require_excuser(consilium, protocol, command.signature, person.id)
    reason = tidied(command.reason, "reason")
    happened = signing.release(protocol, command.signature, person.id, reason, context.at)
    _record_signing(context, protocol, happened)
    return _standing(protocol)


def replace_signer(context: Context, command: c.ReplaceSigner) -> dict[str, Any]:
    """Another who took part signs in his own name; the signatures that are there stay (SG-09)."""
    person = person_of(context)
    protocol, consilium, _ = seen_protocol(context, command.protocol, person)
    signing.require_excuser(consilium, protocol, command.signature, person.id)
    reason = tidied(command.reason, "reason")
    row = next((one for one in protocol.current_signatures() if one.id == command.signature), None)
    seat = consilium.seat(command.stand_in)
    if row is None or seat is None:
        raise NotFound
    body = turns.body_of(context, consilium)
    allowed = signing.stand_ins(consilium, item_of(consilium, protocol), row, body, context.at)
    happened = signing.replace(protocol, row.id, seat, allowed, person.id, reason, context.at)
    _record_signing(context, protocol, happened)
    return _standing(protocol)


def release_dissent(context: Context, command: c.ReleaseDissent) -> dict[str, Any]:
    person = person_of(context)
    protocol, consilium, _ = seen_protocol(context, command.protocol, person)
    rules.require_chair(consilium, person.id)
    reason = tidied(command.reason, "reason")
    happened = signing.release_dissent(protocol, command.dissent, person.id, reason, context.at)
    _record_signing(context, protocol, happened)
    return _standing(protocol)


def _record_signing(context: Context, protocol: Protocol, happened: Sequence[Event]) -> None:
    record(context, protocol, happened)
    turns.open_turns(context, protocol)
    work = {"protocol": str(protocol.id)}
    if any(isinstance(one, SigningCompleted) for one in happened):
        # A row of its own each time: after a signature lapsed, signing is completed once more.
        context.tx.enqueue("protocol.seal", f"{protocol.id}:{protocol.version}:{protocol.revision}", work)
    elif any(isinstance(one, SignatureAttached | DissentSigned) for one in happened):
        context.tx.enqueue("protocol.stamp", f"{protocol.id}:{protocol.version}:{protocol.revision}", work)


def _standing(protocol: Protocol) -> dict[str, Any]:
    return {
        "status": str(protocol.status),
        "version": protocol.version,
        "waiting": sum(one.status == "awaited" for one in rules.rows_of(protocol)),
    }


def record_seal(context: Context, command: c.RecordSeal) -> dict[str, Any]:
    """The worker's word. Told twice, it happened once; then the filing begins."""
    require_system(context)
    protocol, case = papers.locked(context, command.protocol)
    _require_this_version(protocol, command)
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
    sealing.clear(protocol)
    seal_works.forget(context.tx.connection, protocol.id)
    papers.sealed(context, protocol, case)
    filing.begin(context, protocol, case)
    return {"status": str(protocol.status)}


def _require_this_version(protocol: Protocol, command: c.RecordSeal) -> None:
    """A package carries the document's id, which is new for every version: a late one is of the past.

    So is one made before a signature lapsed and was made anew over the same bytes.
    """
    named = command.package_name.startswith(f"{protocol.document_id}-")
    if not named or command.signed != sealing.signed(protocol):
        raise Conflict("wrong_step", status=str(protocol.status))


def _to_sign(context: Context, protocol_id: UUID, person: Person) -> Protocol:
    """As `seen_protocol`; a seat that may not read it knows of the consilium and learns that it does not sign."""
    peeked = context.tx.peek(Protocol, protocol_id)
    consilium = context.tx.peek(Consilium, peeked.consilium_id) if peeked.consilium_id else None
    if consilium is not None and consilium.seat_of(person.id) is not None:
        return context.tx.protocol(protocol_id)
    protocol, _, _ = papers.seen_paper(context, protocol_id, person)
    return protocol


HANDLERS: Table = {
    c.OpenForSigning: open_for_signing,
    c.BeginSigning: begin_signing,
    c.UploadSignature: upload_signature,
    c.AttachSignature: attach_signature,
    c.AttachDissentSignature: attach_dissent_signature,
    c.DeclineSignature: decline,
    c.ReleaseSigner: release_signer,
    c.ReplaceSigner: replace_signer,
    c.ReleaseDissent: release_dissent,
    c.RecordSeal: record_seal,
}
