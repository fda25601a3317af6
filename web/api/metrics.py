"""`/metrics` for Prometheus: figures of this process and of what it can reach, without a word about anybody."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from aiohttp import web

from consilium import clock, metrics
from consilium.errors import ConsiliumError
from web.site import site

Source = Callable[[], Awaitable[list[metrics.Metric]]]

SOURCES: web.AppKey[list[Source]] = web.AppKey("metrics_sources", list)
"""What else lives in this process and has figures; the edge adds signaling."""


async def metrics_text(request: web.Request) -> web.StreamResponse:
    """404 for who may not ask: the address is nobody else's business."""
    parts = site(request)
    if not metrics.allowed(parts.settings, request.remote, request.headers):
        raise web.HTTPNotFound
    found: list[metrics.Metric] = []
    try:
        found += await parts.pool.call(metrics.stored, parts.service.parts.store, clock.now())
        up = 1.0
    except ConsiliumError:
        up = 0.0
    found.append(metrics.single("consilium_database_up", "gauge", "Whether the database answers.", up))
    for source in request.config_dict[SOURCES]:
        found += await source()
    return web.Response(body=metrics.text(found).encode(), headers={"Content-Type": metrics.CONTENT_TYPE})
