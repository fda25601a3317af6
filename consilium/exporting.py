"""The worker's export of a sealed paper to the folder that is always there; see `filing.export`."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from consilium import clock, sealing
from consilium.filing.compose import registry_kind
from consilium.filing.export import ExportedPaper, export
from consilium.model import Protocol, ProtocolStatus, SignatureStatus
from consilium.parts import Parts


def export_protocol(parts: Parts, payload: dict[str, Any]) -> datetime | None:
    """Write the sealed paper and its line in the index; run twice it is there once."""
    with parts.store.read(clock.now()) as reader:
        protocol = reader.protocol(UUID(payload["protocol"]))
        organisation = reader.organisation(protocol.organisation_id)
        replaced = reader.find(Protocol, protocol.replaces_id)
    if protocol.status is not ProtocolStatus.SEALED:
        return None
    export(parts.settings.export_dir, _exported(parts, protocol, organisation.oid, replaced))
    return None


def _exported(parts: Parts, protocol: Protocol, oid: str, replaced: Protocol | None) -> ExportedPaper:
    assert protocol.document_id is not None
    assert protocol.sealed_at is not None
    signed = [one for one in protocol.current_signatures() if one.status is SignatureStatus.SIGNED]
    return ExportedPaper(
        document_id=protocol.document_id,
        set_id=protocol.set_id,
        version=protocol.version,
        number=protocol.number,
        paper=str(protocol.paper),
        kind=registry_kind(protocol.document),
        organisation_oid=oid,
        sealed_at=protocol.sealed_at,
        replaces=replaced.document_id if replaced else None,
        document=protocol.document,
        signatures=tuple(
            (one.role, str(one.person_id), one.cms) for one in sorted(signed, key=lambda one: one.order)
        ),
        seal=protocol.seal_cms,
        package=(sealing.packages(parts) / protocol.package_name).read_bytes(),
    )
