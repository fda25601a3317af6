"""`/health`: whether this installation works, part by part, without a word about anybody."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from web import health
from web.site import site


async def health_json(request: web.Request) -> web.StreamResponse:
    """200 when everything needed for work answers, 503 otherwise; the parts say which."""
    parts = site(request)
    report: dict[str, Any] = await health.report(parts)
    return web.json_response(report, status=200 if report["ok"] else 503)
