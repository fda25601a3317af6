"""The registry's door as a regional proxy has it: the document comes with the registration and is asked about."""

from __future__ import annotations

import asyncio
import hashlib

import msgspec
from aiohttp import web

from consilium import clock
from consilium.filing import wire
from consilium.filing.proxy import PersonalSigned, Signed, Smd, SmdAnswer, SmdError, SmdStatus
from web.simulator.archive import DuplicateError, Entry
from web.simulator.doors import ARCHIVE, DESK, PROOF, hang_up, misbehave

NOWHERE = "http://127.0.0.1/nowhere"  # a proxy fetches nothing and calls nobody back


async def register(request: web.Request) -> web.Response:
    """Take a document with everything."""
    desk = request.app[DESK]
    body = await request.read()
    key = request.headers.get(wire.KEY_HEADER, "")
    ordered = desk.behaviour("register", key)
    if early := await misbehave(ordered):
        return early
    if ordered.name == "refuse":
        return _refused(422, ordered.value)
    try:
        request.app[PROOF].check(request.headers, "register", key, body, clock.now())
        one = msgspec.json.decode(body, type=Smd)
        kept = _registration(one)
    except wire.WireError:
        return _refused(401, "ACCESS_DENIED")
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return _refused(400, "VALIDATION_ERROR")
    if hashlib.sha256(one.doc_content.document).hexdigest() != one.doc_content.check_sum:
        return _refused(422, "DIGEST_MISMATCH")
    message = f"forgotten-{one.local_uid}"
    if ordered.name != "forget":
        try:
            entry = await asyncio.to_thread(
                request.app[ARCHIVE].receive,
                kept,
                clock.now(),
                dialect="proxy",
                document=one.doc_content.document,
            )
        except DuplicateError:
            return _refused(409, "NOT_UNIQUE_PROVIDED_ID")
        message = entry.message_id
    desk.wake()
    if ordered.name == "drop":
        return hang_up(request)
    return _json(SmdAnswer(message_id=message), 202)


async def find(request: web.Request) -> web.Response:
    """What became of a document."""
    uid = request.match_info["uid"]
    ordered = request.app[DESK].when_asked(uid)
    if early := await misbehave(ordered):
        return early
    try:
        request.app[PROOF].check(request.headers, "find", uid, b"", clock.now())
    except wire.WireError:
        return _refused(401, "ACCESS_DENIED")
    entry = await asyncio.to_thread(request.app[ARCHIVE].by_local_uid, uid)
    if entry is None or ordered.name == "forget":
        return _refused(404, "REGISTRY_ITEM_NOT_FOUND")
    return _json(_status(entry))


def _status(entry: Entry) -> SmdStatus:
    if entry.status == "received":
        return SmdStatus(status="processing", message_id=entry.message_id)
    if entry.status == "rejected":
        rows = [SmdError(one.code, one.message) for one in entry.errors]
        return SmdStatus(status="rejected", message_id=entry.message_id, errors=rows)
    return SmdStatus(
        status="registered",
        message_id=entry.message_id,
        emdr_id=entry.emdr_id,
        registration_date_time=entry.decided_at,
    )


def _registration(one: Smd) -> wire.Registration:
    """A proxy's words as the archive keeps them. Raises msgspec.ValidationError."""
    return wire.Registration(
        local_uid=one.local_uid,
        version=1,
        idempotency_key=hashlib.sha256(str(one.local_uid).encode()).hexdigest(),
        kind=wire.Code(one.doc_type),
        document_number=one.doc_number,
        creation_date_time=one.doc_date,
        organization=one.organization,
        patient=msgspec.convert(one.patient, wire.PatientDto),
        document_digest=one.doc_content.check_sum,
        personal_signatures=[_personal(row) for row in one.personal_signatures],
        org_signature=_signature(one.org_signature) if one.org_signature else None,
        pull_url=NOWHERE,
        callback_url=NOWHERE,
        associations=[wire.AssociationDto(row.type, row.target) for row in one.associations],
    )


def _personal(row: PersonalSigned) -> wire.PersonalSignatureDto:
    said = row.signer
    signer = wire.SignerDto(
        local_id=said.local_id,
        role=wire.Code(said.role),
        position=wire.Code(said.position),
        speciality=wire.Code(said.speciality),
        surname=said.surname,
        name=said.name,
        patr_name=said.patr_name,
        snils=said.snils,
        organization=said.organization,
    )
    return wire.PersonalSignatureDto(signer, _signature(row.signature))


def _signature(one: Signed) -> wire.SignatureDto:
    return wire.SignatureDto(one.data, one.check_sum)


def _refused(status: int, code: str) -> web.Response:
    return _json(SmdAnswer(errors=[SmdError(code)]), status)


def _json(message: msgspec.Struct, status: int = 200) -> web.Response:
    return web.Response(body=msgspec.json.encode(message), status=status, content_type="application/json")
