"""The registry's door for РЭМД's own dialect: registerDocument and searchRegistryItem over SOAP 1.2."""

from __future__ import annotations

import asyncio
import hashlib

import msgspec
from aiohttp import web

from consilium import clock
from consilium.filing import soap, wire
from consilium.filing.messages import Answer, Match, Matches, RegisterDocument, SearchRegistryItem
from consilium.filing.soap import Envelope, Header
from web.simulator.archive import DuplicateError, Entry
from web.simulator.doors import ARCHIVE, DESK, PROFILE, PROOF, hang_up, misbehave
from web.simulator.modes import Mode
from web.simulator.signatures import error

MOST_MATCHES = 1000


async def answer(request: web.Request) -> web.Response:
    """One message in, one out; what is no message gets a fault."""
    body = await request.read()
    try:
        envelope = soap.read(body, request.app[PROFILE], wire.MAX_REGISTRATION_BYTES)
        request.app[PROOF].check(request.headers, "soap", envelope.operation, body, clock.now())
        if envelope.operation == "registerDocument":
            return await _register(request, envelope)
        return await _search(request, envelope)
    except wire.WireError as refused:
        status = 401 if refused.code in {"wire_unsigned", "wire_forged", "wire_stale"} else 400
        fault = soap.write_fault(request.app[PROFILE], refused.code, receiver=False)
        return web.Response(body=fault, status=status, headers={"Content-Type": soap.CONTENT_TYPE})


async def _register(request: web.Request, envelope: Envelope) -> web.Response:
    told = soap.decode(envelope, "registerDocument", RegisterDocument)
    one = _registration(told, envelope.header.reply_to)
    desk = request.app[DESK]
    ordered = desk.behaviour("register", one.idempotency_key)
    if early := await misbehave(ordered):
        return early
    refusal = _refusal(ordered, one, desk.product.bases)
    if refusal is None and ordered.name != "forget":
        try:
            await asyncio.to_thread(
                request.app[ARCHIVE].receive,
                one,
                clock.now(),
                dialect="remd",
                message_id=envelope.header.message_id,
            )
        except DuplicateError:
            refusal = error(
                "NOT_UNIQUE_PROVIDED_ID", 25, "Документ с указанным идентификатором уже зарегистрирован"
            )
    desk.wake()
    if ordered.name == "drop":
        return hang_up(request)
    answer = Answer("error", [refusal]) if refusal else Answer("success")
    return _reply(request, envelope, "registerDocumentResponse", answer)


def _refusal(ordered: Mode, one: wire.Registration, bases: tuple[str, ...]) -> wire.ErrorDto | None:
    if ordered.name == "refuse":
        return error(ordered.value, 0, "Отказ по заказу испытателя")
    if not wire.under_allowed_base(one.callback_url, bases):
        return error("NO_RMIS", 19, "Адрес системы не зарегистрирован в реестре")
    return None


def _registration(told: RegisterDocument, reply_to: str) -> wire.Registration:
    """РЭМД's words as the archive keeps them: the key is made of the localUid, the digest is the signatures'."""
    sums = [one.signature.checksum for one in told.personal_signatures]
    sums += [told.org_signature.checksum] if told.org_signature else []
    try:
        return msgspec.convert(
            {
                "localUid": told.local_uid,
                "version": 1,
                "idempotencyKey": hashlib.sha256(str(told.local_uid).encode()).hexdigest(),
                "kind": told.kind,
                "documentNumber": told.document_number,
                "creationDateTime": told.creation_date_time,
                "organization": told.organization,
                "patient": told.patient,
                "documentDigest": sums[0] if sums else "0" * 64,
                "personalSignatures": told.personal_signatures,
                "orgSignature": told.org_signature,
                "pullUrl": reply_to,
                "callbackUrl": reply_to,
                "associations": told.associations,
            },
            wire.Registration,
        )
    except msgspec.ValidationError as refused:
        raise wire.WireError("No address to answer to.", "wire_malformed") from refused


async def _search(request: web.Request, envelope: Envelope) -> web.Response:
    asked = soap.decode(envelope, "searchRegistryItem", SearchRegistryItem)
    ordered = request.app[DESK].when_asked(asked.patient_snils)
    if early := await misbehave(ordered):
        return early
    entries = await asyncio.to_thread(request.app[ARCHIVE].entries, 100_000)
    rows = [] if ordered.name == "forget" else [one for one in entries if _matches(one, asked)]
    matches = [
        Match(one.registration.local_uid, one.decided_at or one.received_at, one.emdr_id)
        for one in rows[:MOST_MATCHES]
    ]
    return _reply(request, envelope, "searchRegistryItemResponse", Matches(matches))


def _matches(entry: Entry, asked: SearchRegistryItem) -> bool:
    one = entry.registration
    day = (entry.decided_at or entry.received_at).date()
    return (
        entry.status == "accepted"
        and (one.organization, one.kind.code) == (asked.organization, asked.kind)
        and asked.register_date_begin <= day <= asked.register_date_end
        and asked.patient_snils in {"", one.patient.snils}
    )


def _reply(request: web.Request, envelope: Envelope, operation: str, message: msgspec.Struct) -> web.Response:
    header = Header(
        to=envelope.header.reply_to, message_id=soap.new_id(), relates_to=envelope.header.message_id
    )
    body = soap.write(request.app[PROFILE], operation, header, message)
    return web.Response(body=body, headers={"Content-Type": soap.CONTENT_TYPE})
