"""Frozen bytes: the document to sign, a dissent's own document, the sealed package, the list of the revoked."""

from __future__ import annotations

import hashlib
from pathlib import Path
from uuid import UUID

from aiohttp import web

from consilium import clock, sealing
from consilium.errors import NotFound
from consilium.model import Person
from consilium.queries import protocols, referrals
from consilium.rules import signing
from consilium.store import Reader
from web.api.files import SANDBOX
from web.pages.asking import ask
from web.site import caller, identifier, site

PACKAGE = "application/vnd.etsi.asic-e+zip"
CRL_SECONDS = 60


async def protocol_document(request: web.Request) -> web.StreamResponse:
    """The very bytes that are signed, and their digest beside them."""
    content = await ask(request, protocols.frozen_document, identifier(request))
    return frozen(content, hashlib.sha256(content).hexdigest(), "document.xml")


async def protocol_status(request: web.Request) -> web.StreamResponse:
    """Where a protocol stands, for a script that waits: status, digest, filing, the registry's number."""
    return web.json_response(await ask(request, protocols.protocol_status, identifier(request)))


async def dissent_document(request: web.Request) -> web.StreamResponse:
    """One's own dissenting opinion as the small document that is signed."""
    ids = identifier(request), identifier(request, "dissent")
    content, digest = await ask(request, _dissent, *ids)
    return frozen(content, digest, "dissent.xml")


def _dissent(reader: Reader, person: Person, protocol_id: UUID, dissent_id: UUID) -> tuple[bytes, str]:
    protocol, _, _, _ = protocols.seen_paper(reader, person, protocol_id)
    paper = signing.dissent_of(protocol, dissent_id)
    return paper.document, paper.digest


async def referral_document(request: web.Request) -> web.StreamResponse:
    """The referral of a sent request (guide 185), for the sender's own system to sign and file."""
    parts = site(request)
    made = await parts.pool.call(
        referrals.made, parts.service.parts, caller(request).person, identifier(request), clock.now()
    )
    return frozen(made.content, hashlib.sha256(made.content).hexdigest(), "referral.xml")


def frozen(content: bytes, digest: str, name: str) -> web.Response:
    """Bytes nobody may interpret on the way."""
    response = web.Response(body=content, content_type="application/octet-stream")
    response.headers["X-Digest"] = digest
    response.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    response.headers["Content-Security-Policy"] = SANDBOX
    response.headers["Cache-Control"] = "no-store"
    return response


async def package(request: web.Request) -> web.StreamResponse:
    """The sealed package; it carries its own instructions."""
    name, digest = await ask(request, protocols.package_of, identifier(request))
    parts = site(request)
    path: Path = sealing.packages(parts.service.parts) / name
    if not await parts.pool.call(path.is_file):
        raise NotFound
    response = frozen(await parts.pool.call(path.read_bytes), digest, name)
    response.content_type = PACKAGE
    return response


async def revocation_list(request: web.Request) -> web.StreamResponse:
    """The demonstration authority's CRL (RFC 5280), public like every authority's."""
    parts = site(request)
    authority = parts.service.parts.authority
    if authority is None:
        raise NotFound
    content = await parts.pool.call(authority.crl, clock.now())
    response = web.Response(body=content, content_type="application/pkix-crl")
    response.headers["Cache-Control"] = f"public, max-age={CRL_SECONDS}"
    return response
