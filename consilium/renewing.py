"""The worker's care for sealed packages: before the newest timestamp of one loses its force, it gets another (SG-11).

`look` runs by itself and only finds; each package is then a row of its own, so that one that cannot be renewed
holds up no other. Killed anywhere, the protocol has its old package or the new one: the new file lies beside the
old under its own name, the word about it is one transaction, and only what nothing refers to is removed, days later.
"""

from __future__ import annotations

import hashlib
import logging
import random
import time
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from consilium import clock
from consilium.actor import SYSTEM
from consilium.commands import RecordRenewal
from consilium.errors import Conflict, Unavailable
from consilium.model import Protocol, ProtocolStatus
from consilium.packing import packages
from consilium.parts import Parts
from consilium.seal.archive import good_until, renew, weakest_digest
from consilium.seal.errors import AuthoritySilent, SealError
from consilium.seal.layers import layers_of
from consilium.seal.package import read_package, write_whole
from consilium.seal.report import PackageReport
from consilium.seal.stamps import ARCHIVE
from consilium.service import Service
from consilium.store import archive_looks, outbox
from consilium.store.archive_looks import Sealed
from consilium.store.failpoint import failpoint

__all__ = ["look", "renew_package"]

log = logging.getLogger(__name__)

BATCH = 1000
UNREADABLE = "unreadable"
# An authority that is silent is asked again until the timestamp ends; a day has many chances.
PAUSE = timedelta(minutes=30)
STRAYS_KEPT = timedelta(days=2)


def look(parts: Parts, payload: dict[str, Any]) -> datetime | None:
    """Read packages that nobody has read yet, and put those whose end is near to work; answers now for more."""
    del payload
    at = clock.now()
    with parts.store.read(at) as reader:
        fresh = archive_looks.unread(reader.connection, BATCH)
    for package in fresh:
        _read(parts, package, at)
    by = at + timedelta(days=parts.settings.archive_renew_days)
    weakening = [digest for digest, end in ARCHIVE.ends if end is not None and end <= by]
    with parts.store.read(at) as reader:
        found = archive_looks.due(reader.connection, by, [*weakening, UNREADABLE], BATCH)
    for package in found:
        _put_to_work(parts, package, at)
    log.info("archive.looked", extra={"read": len(fresh), "due": len(found)})
    return at if len(fresh) == BATCH else None


def _read(parts: Parts, package: Sealed, at: datetime) -> None:
    """Write down when the package's force ends; one that cannot be read is put to work, where its fault is seen."""
    until: datetime | None = None
    weakest = ""
    try:
        members = read_package(packages(parts) / package.name)
        if layers_of(members):
            until, weakest = good_until(members), weakest_digest(members)
    except SealError as error:
        log.exception("archive.unreadable", extra={"protocol": str(package.protocol_id), "cause": error.code})
        weakest = UNREADABLE
    parts.store.run(at, lambda tx: archive_looks.keep(tx.connection, package, until, weakest, at))


def _put_to_work(parts: Parts, package: Sealed, at: datetime) -> None:
    key = f"{package.protocol_id}:{package.digest}"
    payload = {"protocol": str(package.protocol_id), "package": package.digest}

    with parts.store.write(at) as tx:
        if not outbox.enqueue(tx.connection, "archive.renew", key, payload, at):
            outbox.again(tx.connection, "archive.renew", key, at)


def renew_package(parts: Parts, payload: dict[str, Any]) -> datetime | None:
    """One more archive timestamp over one package. Answers when to ask again while an authority is silent.

    Raises Unavailable package_missing where the file is not the one that was sealed, and PackageRefused where it
    does not hold: what is broken is not prolonged, and stays before the operator's eyes.
    """
    at = clock.now()
    with parts.store.read(at) as reader:
        protocol: Protocol = reader.protocol(UUID(payload["protocol"]))
    if protocol.status is not ProtocolStatus.SEALED or protocol.package_digest != payload["package"]:
        return None
    try:
        packed, report = renew(
            _content(parts, protocol),
            stamp=parts.stamps.stamp,
            gather=lambda token: parts.evidence.of_token(token, clock.now()),
            roots=parts.trust(),
            at=at,
        )
    except AuthoritySilent as silent:
        log.warning("archive.waits", extra={"protocol": str(protocol.id), "cause": silent.code})
        return at + PAUSE * random.uniform(0.8, 1.2)  # noqa: S311  # spreads askers, guards nothing
    _replace(parts, protocol, packed, report)
    _sweep(parts, protocol.id)
    return None


def _content(parts: Parts, protocol: Protocol) -> bytes:
    try:
        content = (packages(parts) / protocol.package_name).read_bytes()
    except OSError as error:
        raise Unavailable("package_missing") from error
    if hashlib.sha256(content).hexdigest() != protocol.package_digest:
        raise Unavailable("package_missing")
    return content


def _replace(parts: Parts, protocol: Protocol, packed: bytes, report: PackageReport) -> None:
    """The new file first, under its own name; then the word that it is the protocol's package."""
    digest = hashlib.sha256(packed).hexdigest()
    name = f"{protocol.document_id}-{digest[:16]}.asice"
    write_whole(packages(parts) / name, packed)
    failpoint("renewing.package_written")
    assert report.at is not None
    assert report.good_until is not None
    command = RecordRenewal(
        protocol=protocol.id,
        before=protocol.package_digest,
        package_digest=digest,
        package_name=name,
        number=report.renewals,
        stamped_at=report.at,
        good_until=report.good_until,
    )
    told = outbox.command_id("archive.renew", str(protocol.id), digest)
    try:
        Service(parts).handle(command, SYSTEM, told, clock.now())
    except Conflict as refused:
        if refused.code != "wrong_step":
            raise
        # Another worker was first; its package stands and ours is swept one day.
        log.info("archive.renewed_by_another", extra={"protocol": str(protocol.id)})
    failpoint("renewing.told")


def _sweep(parts: Parts, protocol_id: UUID) -> None:
    """Remove packages of this document that nothing refers to; a while later, for somebody may be reading one."""
    with parts.store.read() as reader:
        protocol: Protocol = reader.protocol(protocol_id)
    before = time.time() - STRAYS_KEPT.total_seconds()
    for path in packages(parts).glob(f"{protocol.document_id}-*.asice"):
        if path.name != protocol.package_name and path.stat().st_mtime < before:
            path.unlink(missing_ok=True)
