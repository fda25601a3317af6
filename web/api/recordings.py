"""Files of a recording: given out to whom the rules let open them, each opening journaled, every byte checked first."""

from __future__ import annotations

import hashlib
from pathlib import Path
from uuid import uuid4

from aiohttp import web

from consilium import clock, commands
from consilium.errors import NotFound
from consilium.settings import Settings
from web.api.files import SANDBOX
from web.site import caller, identifier, site

CHUNK = 1 << 20


async def download(request: web.Request) -> web.StreamResponse:
    """One WebM file after `OpenRecording`. What no longer has its digest is not given out."""
    parts, who = site(request), caller(request)
    wanted = commands.OpenRecording(
        consilium=identifier(request, "id"), segment=identifier(request, "segment")
    )
    if request.method == "HEAD":
        raise web.HTTPMethodNotAllowed("HEAD", ["GET"])
    reply = await parts.pool.call(parts.service.handle, wanted, who.actor, uuid4(), clock.now())
    file, digest = str(reply.result["file"]), str(reply.result["digest"])
    path = await parts.pool.call(_found, parts.settings, file, digest)
    name = file.replace("/", "_")
    headers = {
        "Content-Disposition": f'attachment; filename="{name}"',
        "Content-Security-Policy": SANDBOX,
        "Cache-Control": "no-store",
        "Content-Type": "video/webm",
        "X-Digest": digest,
    }
    return web.FileResponse(path, headers=headers)


def _found(settings: Settings, file: str, digest: str) -> Path:
    """The file below the recordings folder; raises NotFound when it is gone, or is not what was recorded."""
    root = settings.recordings_dir.resolve()
    path = (root / file).resolve()
    if not path.is_relative_to(root) or not path.is_file():
        raise NotFound(what="recording")
    seen = hashlib.sha256()
    with path.open("rb") as source:
        while chunk := source.read(CHUNK):
            seen.update(chunk)
    if seen.hexdigest() != digest:
        raise NotFound(what="recording")
    return path
