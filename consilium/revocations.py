"""Keeps the lists of revoked certificates fresh, so that a signature is judged without waiting for a network."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import sqlalchemy as sa

from consilium import clock
from consilium.parts import Parts
from consilium.store.tables import certificates, signatures

IN_USE = timedelta(days=400)


def refresh(parts: Parts, payload: dict[str, Any]) -> None:
    """Fetch what the settings, the trusted authorities and the certificates in use name.

    A list that is not to be had now stays what it was until it ends; then signatures by its authority are refused,
    and the seal waits.
    """
    at = clock.now()
    made = sa.select(signatures.c.certificate).where(signatures.c.signed_at > at - IN_USE).distinct()
    issued = sa.select(certificates.c.der).where(certificates.c.not_after > at)
    with parts.store.read(at) as reader:
        known = [der for query in (made, issued) for der in reader.connection.execute(query).scalars() if der]
    trust = parts.trust()
    authorities = (*trust.roots, *trust.intermediates)
    parts.evidence.revocation.refresh([*trust.intermediates, *known], authorities)
