"""Rules of a sealed package's long life (SG-11): it may only grow, and only from what it is."""

from __future__ import annotations

from datetime import datetime

from consilium.errors import Conflict
from consilium.events import ArchiveRenewed, Event
from consilium.model import Protocol, ProtocolStatus


def renew(
    protocol: Protocol,
    *,
    before: str,
    digest: str,
    name: str,
    number: int,
    stamped_at: datetime,
    good_until: datetime,
) -> list[Event]:
    """The package is now the one with one more archive timestamp. Told twice, it happened once.

    Raises Conflict wrong_step when it grew from another package than the protocol's, or nothing is sealed.
    """
    if protocol.package_digest == digest:
        return []
    if protocol.status is not ProtocolStatus.SEALED or protocol.package_digest != before:
        raise Conflict("wrong_step", status=str(protocol.status))
    protocol.package_digest = digest
    protocol.package_name = name
    protocol.revision += 1
    return [
        ArchiveRenewed(
            version=protocol.version,
            number=number,
            before=before,
            package_digest=digest,
            stamped_at=stamped_at,
            good_until=good_until,
        )
    ]
