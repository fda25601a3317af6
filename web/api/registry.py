"""The registry's doors: it fetches the sealed bytes, and later says what became of them. Both prove themselves."""

from __future__ import annotations

import asyncio
from datetime import datetime
from uuid import UUID

from aiohttp import web

from consilium import clock, registering
from consilium.errors import Conflict, Forbidden, Invalid, NotFound, Unavailable
from consilium.filing import callback as proof
from consilium.filing import soap, wire
from consilium.filing.messages import Answer, DocumentFile, GetDocumentFile, RegisterDocumentResult
from consilium.filing.profile import Profile, load
from consilium.filing.registries import proof_of
from consilium.filing.wire import WireError
from consilium.queries import protocols
from web.api.documents import frozen
from web.site import identifier, site

SLOWEST = 30.0
# A forged, stale or unsigned message is told nothing more than that.
MALFORMED = frozenset({"wire_malformed", "wire_too_large"})


async def callback(request: web.Request) -> web.StreamResponse:
    """A number or coded errors. The same answer twice, late or out of order does no harm."""
    parts = site(request)
    body = await _body(request)
    try:
        result = proof.parse_callback(body, request.headers, _proof(request), clock.now())
    except WireError as error:
        raise _refused(error) from error
    await parts.pool.call(registering.registry_answered, parts.service, result)
    return web.json_response({"ok": True})


async def document(request: web.Request) -> web.StreamResponse:
    """The identical bytes, by the document's id, once they are sealed."""
    wanted, parts = identifier(request, "local_uid"), site(request)
    try:
        proof.check_pull(request.headers, _proof(request), wanted, clock.now())
    except WireError as error:
        raise _refused(error) from error
    content, digest = await parts.pool.call(_read, request, wanted)
    return frozen(content, digest, "document.xml")


async def soap_message(request: web.Request) -> web.StreamResponse:
    """РЭМД's own dialect: getDocumentFile and sendRegisterDocumentResult, one message in and one out."""
    proof_, shapes = _proof(request), _shapes(request)
    body = await _body(request)
    at = clock.now()
    try:
        envelope = soap.read(body, shapes, wire.MAX_CALLBACK_BYTES)
        proof_.check(request.headers, "soap", envelope.operation, body, at)
        operation, answer = await _answered(request, envelope, at)
    except WireError as error:
        malformed = error.code in MALFORMED
        return _fault(shapes, "invalid_message" if malformed else "forbidden", 400 if malformed else 403)
    except (NotFound, Conflict):  # of nobody, or of a paper that was never filed
        return _fault(shapes, "not_found", 404)
    header = soap.Header(
        to=envelope.header.reply_to, message_id=soap.new_id(), relates_to=envelope.header.message_id
    )
    written = soap.write(shapes, operation, header, answer)
    return web.Response(body=written, headers={"Content-Type": soap.CONTENT_TYPE})


async def _answered(
    request: web.Request, envelope: soap.Envelope, at: datetime
) -> tuple[str, DocumentFile | Answer]:
    parts = site(request)
    if envelope.operation == "getDocumentFile":
        wanted = soap.decode(envelope, "getDocumentFile", GetDocumentFile).local_uid
        content, _ = await parts.pool.call(_read, request, wanted)
        return "getDocumentFileResponse", DocumentFile(wanted, content)
    result = proof.result_of(soap.decode(envelope, "sendRegisterDocumentResult", RegisterDocumentResult))
    await parts.pool.call(registering.registry_answered, parts.service, result)
    return "sendRegisterDocumentResultResponse", Answer("success")


async def _body(request: web.Request) -> bytes:
    """All of it, or one byte more than a message may have: a network cuts a message where it likes."""
    body = bytearray()
    try:
        async with asyncio.timeout(SLOWEST):
            while left := wire.MAX_CALLBACK_BYTES + 1 - len(body):
                chunk = await request.content.read(left)
                if not chunk:
                    break
                body += chunk
    except TimeoutError:
        raise Unavailable("unknown") from None
    return bytes(body)


def _fault(shapes: Profile, reason: str, status: int) -> web.Response:
    fault = soap.write_fault(shapes, reason, receiver=False)
    return web.Response(body=fault, status=status, headers={"Content-Type": soap.CONTENT_TYPE})


def _shapes(request: web.Request) -> Profile:
    """Only an installation that speaks this dialect has this door."""
    settings = site(request).settings
    if settings.registry_protocol != "remd":
        raise NotFound
    return load(settings.registry_profile)


def _read(request: web.Request, wanted: UUID) -> tuple[bytes, str]:
    with site(request).service.parts.store.read() as reader:
        return protocols.pulled_document(reader, wanted)


def _proof(request: web.Request) -> wire.Proof:
    settings = site(request).settings
    if settings.registry_url is None:
        raise NotFound
    return proof_of(settings)


def _refused(error: WireError) -> Invalid | Forbidden:
    return Invalid("invalid_message") if error.code in MALFORMED else Forbidden("forbidden")
