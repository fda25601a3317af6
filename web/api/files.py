"""Documents of a case: taken in as a stream, given out only to whom the case is open, each opening journaled."""

from __future__ import annotations

import asyncio
import os
from datetime import date
from typing import BinaryIO
from urllib.parse import quote
from uuid import UUID, uuid4

from aiohttp import web

from consilium import clock, commands
from consilium.errors import Invalid, Unavailable
from consilium.records.files import StoredFile, Upload
from web import limits
from web.api import parsing
from web.site import Site, caller, identifier, site

CHUNK = 256 * 1024
SLOWEST = 30.0
# A script that downloads a document shows it itself; a browser that is sent to one may run nothing in it.
SANDBOX = "default-src 'none'; sandbox; frame-ancestors 'none'"
SHOWN = frozenset({"image/png", "image/jpeg", "image/webp", "text/plain", "application/pdf"})


async def upload(request: web.Request) -> web.StreamResponse:
    """The raw body is the file; `request`, `title`, `kind`, `dated`, `command` stand in the query."""
    parts, who = site(request), caller(request)
    parts.limits.take("upload", str(who.person.id), limits.UPLOADS)
    if request.content_length is not None and request.content_length > parts.settings.upload_limit_bytes:
        raise Invalid("file_too_large", limit=parts.settings.upload_limit_bytes)
    asked = {key: parsing.tidied(value, key) for key, value in request.query.items()}
    wanted_id = parsing.command_id({"command": asked.get("command") or str(uuid4())})
    # Shape first: nobody sends sixty megabytes to learn that a title is missing.
    parsing.command_of(
        _described(asked, StoredFile(digest="0" * 64, size=0, media_type="")), commands.AttachDocument
    )
    stored = await _take_in(request, parts)
    wanted = parsing.command_of(_described(asked, stored), commands.AttachDocument)
    reply = await parts.pool.call(parts.service.handle, wanted, who.actor, wanted_id, clock.now())
    facts = {"digest": stored.digest, "size": stored.size, "media_type": stored.media_type}
    return web.json_response({"ok": True, **facts, **reply.result})


async def _take_in(request: web.Request, parts: Site) -> StoredFile:
    """Stream to the store; limits while streaming, a look at the content at the end."""
    incoming: Upload = await parts.pool.call(
        parts.service.parts.files.begin, parts.settings.upload_limit_bytes
    )
    try:
        while chunk := await asyncio.wait_for(request.content.read(CHUNK), SLOWEST):
            await parts.pool.call(incoming.write, chunk)
        return await parts.pool.call(incoming.finish)
    except TimeoutError:
        raise Unavailable("unknown") from None
    finally:
        await parts.pool.call(incoming.abort)


def _described(asked: dict[str, str], stored: StoredFile) -> dict[str, object]:
    dated = asked.get("dated") or None
    if dated is not None:
        try:
            date.fromisoformat(dated)
        except ValueError:
            raise Invalid("invalid_field", field="dated") from None
    return {
        "request": asked.get("request", ""),
        "title": asked.get("title", ""),
        "kind": asked.get("kind") or "other",
        "dated": dated,
        "digest": stored.digest,
        "size": stored.size,
        "media_type": stored.media_type,
    }


async def download(request: web.Request) -> web.StreamResponse:
    """One document's bytes after `OpenDocument`: visible to whom the case is, journaled, never kept."""
    parts, who = site(request), caller(request)
    wanted = commands.OpenDocument(
        request=identifier(request, "case"),
        document=identifier(request, "document"),
        consilium=_consilium(request),
    )
    if request.method == "HEAD":
        raise web.HTTPMethodNotAllowed("HEAD", ["GET"])
    reply = await parts.pool.call(parts.service.handle, wanted, who.actor, uuid4(), clock.now())
    found = reply.result
    inline = request.query.get("inline") == "1" and found["media_type"] in SHOWN
    source = await parts.pool.call(parts.service.parts.files.open, found["digest"])
    size = os.fstat(source.fileno()).st_size
    name = f"{found['title'] or 'document'}{_suffix(found['media_type'])}"
    response = answer(found["media_type"], size, name, inline=inline)
    response.headers["X-Digest"] = found["digest"]
    return await _give_out(request, parts, response, source)


def answer(media_type: str, size: int, name: str, *, inline: bool = False) -> web.StreamResponse:
    """Headers of a file: its type, its length, its name, and nothing it could do in a browser."""
    response = web.StreamResponse()
    response.content_type = media_type
    if media_type == "text/plain":
        response.charset = "utf-8"
    response.content_length = size
    way = "inline" if inline else "attachment"
    response.headers["Content-Disposition"] = f"{way}; filename*=UTF-8''{quote(name, safe='')}"
    response.headers["Content-Security-Policy"] = SANDBOX
    response.headers["Cache-Control"] = "no-store"
    return response


async def _give_out(
    request: web.Request, parts: Site, response: web.StreamResponse, source: BinaryIO
) -> web.StreamResponse:
    try:
        await response.prepare(request)
        while chunk := await parts.pool.call(source.read, CHUNK):
            await response.write(chunk)
        await response.write_eof()
    finally:
        source.close()
    return response


def _consilium(request: web.Request) -> UUID | None:
    wanted = request.query.get("consilium")
    if not wanted:
        return None
    try:
        return UUID(wanted)
    except ValueError:
        raise web.HTTPNotFound from None


def _suffix(media_type: str) -> str:
    return {
        "application/pdf": ".pdf",
        "image/png": ".png",
        "image/jpeg": ".jpg",
        "image/webp": ".webp",
        "text/plain": ".txt",
    }.get(media_type, "")
