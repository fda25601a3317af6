"""The worker's work on a signed protocol: the organisation's seal and the package.

Each function is `(parts, payload) -> datetime | None` as `tasks` wants it. Killed at any point and run again
it ends the same: a package has the name of its content, and what happened is told by commands that take a
second telling without harm. The seal's key is read here and nowhere else.
"""

from __future__ import annotations

import logging
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4, uuid5

import msgspec
import sqlalchemy as sa

from consilium import clock
from consilium.actor import SYSTEM
from consilium.commands import RecordSeal
from consilium.errors import Conflict, Unavailable
from consilium.events import SigningCompleted
from consilium.model import Protocol, ProtocolStatus, SignatureStatus
from consilium.parts import Parts
from consilium.seal.package import DissentFile, PackageContents, PersonalSignature, write_package
from consilium.seal.providers import SoftwareKey
from consilium.seal.report import verify_package
from consilium.seal.trust import TrustStore
from consilium.service import Service
from consilium.store import Reader
from consilium.store.failpoint import failpoint
from consilium.store.tables import journal

log = logging.getLogger(__name__)

SPACE = UUID("b2a2f0a4-8f4f-4b1b-8c55-3f8b3d0c6a55")
# A reason a chair wrote about a person has no place in a package that travels.
WITHHELD = frozenset({"SeatDenied", "ConsiliumCancelled", "MemberRecused"})


def seal_protocol(parts: Parts, payload: dict[str, Any]) -> datetime | None:
    """The organisation's signature after all doctors', the package, and the word that both are there.

    Raises Unavailable when the organisation has no seal here, and whatever keeps the package from holding.
    """
    at = clock.now()
    with parts.store.read(at) as reader:
        protocol = reader.protocol(UUID(payload["protocol"]))
        if protocol.status is not ProtocolStatus.SEALING:
            return None
        audit = _audit(reader, protocol)
    trust = parts.trust()
    key, certificate = _seal_of(parts, protocol.organisation_id)
    moment = at.replace(microsecond=0)
    seal_cms = key.sign(protocol.document, certificate, moment)
    contents = PackageContents(
        document=protocol.document,
        signatures=_signatures(protocol),
        org_signature=seal_cms,
        authorities=(*trust.roots, *trust.intermediates),
        crls=trust.crls,
        audit=audit,
        seal=lambda manifest: key.sign(manifest, certificate, moment),
        dissents=_dissents(protocol),
    )
    digest, name = _write(parts, protocol, contents, trust, at)
    failpoint("sealing.package_written")
    command = RecordSeal(
        protocol=protocol.id,
        seal_cms=seal_cms,
        seal_certificate=certificate,
        package_digest=digest,
        package_name=name,
    )
    _tell(parts, command, f"seal:{protocol.id}:{protocol.version}:{digest}", at)
    return None


def _seal_of(parts: Parts, organisation_id: UUID) -> tuple[SoftwareKey, bytes]:
    folder = parts.settings.keys_dir / str(organisation_id)
    try:
        return SoftwareKey.load(folder / "seal.key"), (folder / "seal.crt").read_bytes()
    except OSError as error:
        raise Unavailable("no_certificate", what="seal") from error


def _signatures(protocol: Protocol) -> tuple[PersonalSignature, ...]:
    signed = [one for one in protocol.current_signatures() if one.status is SignatureStatus.SIGNED]
    return tuple(
        PersonalSignature(role=one.role, cms=one.cms) for one in sorted(signed, key=lambda one: one.order)
    )


def _dissents(protocol: Protocol) -> tuple[DissentFile, ...]:
    """Opinions signed by their authors; one whose signature was released stays in the protocol's text."""
    signed = [one for one in protocol.current_dissents() if one.status is SignatureStatus.SIGNED]
    return tuple(
        DissentFile(xml=one.document, cms=one.cms) for one in sorted(signed, key=lambda one: one.order)
    )


def _write(
    parts: Parts, protocol: Protocol, contents: PackageContents, trust: TrustStore, at: datetime
) -> tuple[str, str]:
    """Write, judge by the strict verifier, then give it the name of its content."""
    folder = packages(parts)
    draft = folder / f".{uuid4().hex}.draft"
    try:
        digest = write_package(draft, contents)
        report = verify_package(draft, roots=trust, at=at, policy=parts.policy)
        if not report.held:
            codes = [one.code for one in report.verdicts if not one.held]
            raise Conflict("signature_refused", reason=", ".join(codes))
        name = f"{protocol.document_id}-{digest[:16]}.asice"
        draft.replace(folder / name)
    finally:
        draft.unlink(missing_ok=True)
    return digest, name


def packages(parts: Parts) -> Path:
    """Where packages lie; `Protocol.package_name` is the file's name there."""
    folder = parts.settings.data_dir / "packages"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _audit(reader: Reader, protocol: Protocol) -> bytes:
    """The journal up to the last signature: protocol, consilium and case, a JSON line a row, in its order.

    A withheld payload leaves its digest, so that every chain can still be recomputed.
    """
    table = journal.c
    done = sa.select(sa.func.max(table.position)).where(
        table.stream_id == protocol.id, table.name == SigningCompleted.__name__
    )
    streams = [protocol.id, protocol.consilium_id, protocol.case_id]
    query = (
        sa.select(journal)
        .where(table.stream_id.in_(streams), table.position <= done.scalar_subquery())
        .order_by(table.stream_kind, table.stream_id, table.seq)
    )
    rows = reader.connection.execute(query).mappings()
    return b"".join(msgspec.json.encode(_audited(dict(row))) + b"\n" for row in rows)


def _audited(row: dict[str, Any]) -> dict[str, Any]:
    row.pop("position")
    if row["name"] in WITHHELD:
        row["payload"] = None
    return {name: str(value) if isinstance(value, UUID) else value for name, value in row.items()}


def _tell(parts: Parts, command: RecordSeal, key: str, at: datetime) -> None:
    try:
        Service(parts).handle(command, SYSTEM, uuid5(SPACE, key), at)
    except Conflict as refused:
        if refused.code != "wrong_step":
            raise
        # Taken back to drafting meanwhile: this version is no more, and nothing refers to its package.
        log.info("sealing.version_gone", extra={"protocol": str(command.protocol)})
