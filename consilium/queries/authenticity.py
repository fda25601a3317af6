"""What anybody who holds a paper copy may learn of a sealed document: nothing about the patient (SG-13).

The document's id is printed on the copy and cannot be guessed; whoever has it may ask whether the document exists,
who registered it, and by which digests its files are known.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

import sqlalchemy as sa

from consilium.errors import NotFound
from consilium.model import Protocol, ProtocolStatus, SignatureStatus
from consilium.queries.shown import moment
from consilium.store import Reader
from consilium.store.tables import protocols


def authenticity(reader: Reader, document_id: UUID) -> dict[str, Any]:
    """The sealed document of this id. Raises NotFound for anything else, a document that waits for its seal too."""
    query = sa.select(protocols.c.id).where(
        protocols.c.document_id == document_id, protocols.c.status == str(ProtocolStatus.SEALED)
    )
    found = reader.connection.execute(query).scalar()
    if found is None:
        raise NotFound
    protocol = reader.protocol(found)
    signed = [one for one in protocol.current_signatures() if one.status is SignatureStatus.SIGNED]
    return {
        "document": str(document_id),
        "paper": str(protocol.paper),
        "kind": reader.consilium(protocol.consilium_id).kind if protocol.consilium_id else "",
        "number": protocol.number,
        "version": protocol.version,
        "organisation": reader.organisation(protocol.organisation_id).name,
        "sealed_at": moment(protocol.sealed_at),
        "annulled_at": moment(protocol.annulled_at),
        "replaced_by": _replacement(reader, protocol),
        "signatures": len(signed),
        "registry_number": protocol.registry_number,
        "digest": protocol.digest,
        "package_digest": protocol.package_digest,
    }


def _replacement(reader: Reader, protocol: Protocol) -> str | None:
    """The id of the sealed document that stands in its place."""
    query = sa.select(protocols.c.document_id).where(
        protocols.c.replaces_id == protocol.id, protocols.c.status == str(ProtocolStatus.SEALED)
    )
    found = reader.connection.execute(query).scalar()
    return str(found) if found else None
