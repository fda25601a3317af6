"""Whether this installation works, part by part. Numbers and words of state only: nothing about anybody."""

from __future__ import annotations

import asyncio
import shutil
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from consilium import clock, relays
from consilium.errors import ConsiliumError
from consilium.settings import Settings
from consilium.store import Store, outbox, tables
from web.site import Site

LATE_SECONDS = 60
LOW_DISK = 512 * 2**20

Look = dict[str, Any]


async def report(parts: Site) -> dict[str, Any]:
    """`ok`: the database answers and a media relay does. Work that is late or dead is said, not fatal."""
    at = clock.now()
    stored, *found = await asyncio.gather(
        _database(parts, at), *(_relay(parts.settings, address) for address in parts.settings.media_controls)
    )
    media = {"ok": any(one["ok"] for one in found), "relays": found}
    disk = _disk(parts.settings)
    looks = {**stored, "media": media, "disk": disk}
    return {"ok": looks["database"]["ok"] and media["ok"] and disk["ok"], "at": at.isoformat(), **looks}


async def _database(parts: Site, at: datetime) -> dict[str, Look]:
    try:
        return await parts.pool.call(_stored, parts.service.parts.store, at)
    except (ConsiliumError, sa.exc.SQLAlchemyError):
        return {"database": {"ok": False}}


def _stored(store: Store, at: datetime) -> dict[str, Look]:
    with store.read(at) as reader:
        counts = outbox.counts(reader.connection)
        due = sa.select(sa.func.min(tables.outbox.c.not_before)).where(
            tables.outbox.c.status == "waiting", tables.outbox.c.not_before <= at
        )
        oldest = reader.connection.execute(due).scalar_one()
        filing = sa.select(tables.protocols.c.filing, sa.func.count()).group_by(tables.protocols.c.filing)
        registry = {row[0]: row[1] for row in reader.connection.execute(filing) if row[0] != "none"}
    late = max(0, int((at - oldest).total_seconds())) if oldest else 0
    return {
        "database": {"ok": True, "kind": store.engine.dialect.name},
        "worker": {
            "ok": late < LATE_SECONDS and not counts.get("dead"),
            "late_seconds": late,
            "waiting": counts.get("waiting", 0),
            "dead": counts.get("dead", 0),
        },
        "registry": {"ok": not registry.get("dead") and not registry.get("rejected"), "filings": registry},
    }


async def _relay(settings: Settings, address: str) -> Look:
    """What the worker says of itself; numbers alone, rooms are nobody's business here."""
    name = f"media-{settings.media_controls.index(address) + 1}"
    try:
        said = await asyncio.to_thread(relays.introduction, address, settings.media_key_file)
    except relays.NoAnswer:
        return {"ok": False, "worker": name}
    kept = ("worker", "forwarder", "realtime", "people", "capacity", "draining")
    return {"ok": True, **{word: said.get(word) for word in kept}, "rooms": len(said.get("rooms") or ())}


def _disk(settings: Settings) -> Look:
    free = shutil.disk_usage(settings.data_dir).free
    return {"ok": free > LOW_DISK // 8, "free_bytes": free, "low": free < LOW_DISK}
