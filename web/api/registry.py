"""The registry's doors: it fetches the sealed bytes, and later says what became of them. Both prove themselves."""

from __future__ import annotations

from uuid import UUID

from aiohttp import web

from consilium import clock, registering
from consilium.errors import Forbidden, Invalid, NotFound
from consilium.filing import callback as proof
from consilium.filing import wire
from consilium.filing.registries import proof_of
from consilium.filing.wire import WireError
from consilium.queries import protocols
from web.api.documents import frozen
from web.site import identifier, site

# A forged, stale or unsigned message is told nothing more than that.
MALFORMED = frozenset({"wire_malformed", "wire_too_large"})


async def callback(request: web.Request) -> web.StreamResponse:
    """A number or coded errors. The same answer twice, late or out of order does no harm."""
    parts = site(request)
    body = await request.content.read(wire.MAX_CALLBACK_BYTES + 1)
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
