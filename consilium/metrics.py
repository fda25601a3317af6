"""Figures for whoever watches the installation, in Prometheus' text format: numbers, never a name.

Each process tells its own; labels are words of ours (a reason, a command's name, a worker), never of a person, a
patient or a consilium. Who may ask: the bearer of `CONSILIUM_METRICS_TOKEN`; without that setting a program on this
machine, as long as no proxy can stand between it and us and make the whole world look like it.
"""

from __future__ import annotations

import hmac
import ipaddress
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from urllib.parse import urlsplit

import sqlalchemy as sa

from consilium.settings import Settings
from consilium.store import Store, outbox, tables

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
FORWARDED = ("Forwarded", "X-Forwarded-For", "X-Real-Ip", "Via")
"""Headers that only a proxy adds."""

Labels = tuple[tuple[str, str], ...]
WAITED_FOR = ("timestamp", "revocation", "seal_key", "check")


@dataclass(frozen=True, slots=True)
class Metric:
    """One figure with its samples. Counters end in `_total` and only grow while the process lives."""

    name: str
    kind: Literal["counter", "gauge"]
    meaning: str
    samples: Mapping[Labels, float]


def single(name: str, kind: Literal["counter", "gauge"], meaning: str, value: float) -> Metric:
    """A figure without labels."""
    return Metric(name, kind, meaning, {(): value})


def text(metrics: Iterable[Metric]) -> str:
    """Figures of the same name are told together, as the format asks."""
    merged: dict[str, Metric] = {}
    for one in metrics:
        before = merged.get(one.name)
        samples = {**(before.samples if before else {}), **one.samples}
        merged[one.name] = Metric(one.name, one.kind, one.meaning, samples)
    lines: list[str] = []
    for one in merged.values():
        lines += [f"# HELP {one.name} {one.meaning}", f"# TYPE {one.name} {one.kind}"]
        lines += [f"{one.name}{_labels(labels)} {value:.15g}" for labels, value in one.samples.items()]
    return "\n".join(lines) + "\n"


def allowed(settings: Settings, remote: str | None, headers: Mapping[str, str]) -> bool:
    """Whether this asker may read the figures."""
    if settings.metrics_token:
        given = headers.get("Authorization", "")
        return hmac.compare_digest(given.encode(), f"Bearer {settings.metrics_token}".encode())
    direct = settings.tls or _loopback(urlsplit(settings.public_origin).hostname)
    return direct and _loopback(remote) and not any(name in headers for name in FORWARDED)


def stored(store: Store, at: datetime) -> list[Metric]:
    """What the database knows: work that waits, and how far the journal is."""
    with store.read(at) as reader:
        counts = outbox.counts(reader.connection)
        due = sa.select(sa.func.min(tables.outbox.c.not_before)).where(
            tables.outbox.c.status == "waiting", tables.outbox.c.not_before <= at
        )
        oldest = reader.connection.execute(due).scalar_one()
        leases = reader.connection.execute(
            sa.select(sa.func.count())
            .select_from(tables.media_leases)
            .where(tables.media_leases.c.expires_at > at)
        ).scalar_one()
        held = tables.protocols.c.waits_for
        waiting = sa.select(held, sa.func.count(), sa.func.min(tables.protocols.c.waits_since))
        seals = reader.connection.execute(waiting.where(held != "").group_by(held)).all()
    depth: dict[Labels, float] = {
        (("status", status),): counts.get(status, 0) for status in ("waiting", "dead")
    }
    age = max(0.0, (at - oldest).total_seconds()) if oldest else 0.0
    return [
        Metric("consilium_outbox_rows", "gauge", "Work of the outbox that waits or was given up.", depth),
        single("consilium_outbox_age_seconds", "gauge", "How long the oldest due row has waited.", age),
        single(
            "consilium_journal_position", "counter", "Events of the journal, ever.", store.last_position()
        ),
        single("consilium_media_leases", "gauge", "Leases of media workers that run.", leases),
        *_seals({(("for", one),): (count, (at - since).total_seconds()) for one, count, since in seals}),
    ]


def _seals(waiting: dict[Labels, tuple[int, float]]) -> list[Metric]:
    """How many seals wait, for whom, and the longest of each."""
    none: dict[Labels, tuple[int, float]] = {(("for", one),): (0, 0.0) for one in WAITED_FOR}
    shown = none | waiting
    return [
        Metric(
            "consilium_seals_waiting",
            "gauge",
            "Signed protocols whose seal waits.",
            {labels: float(count) for labels, (count, _) in shown.items()},
        ),
        Metric(
            "consilium_seal_wait_seconds",
            "gauge",
            "How long the first of them has waited.",
            {labels: age for labels, (_, age) in shown.items()},
        ),
    ]


def _labels(labels: Labels) -> str:
    if not labels:
        return ""
    return "{" + ",".join(f'{name}="{_escaped(value)}"' for name, value in labels) + "}"


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _loopback(host: str | None) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host or "").is_loopback
    except ValueError:
        return False
