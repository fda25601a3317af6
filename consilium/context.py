"""What a handler works with: one transaction, one asker, one moment."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from consilium.actor import Actor
    from consilium.parts import Parts
    from consilium.store.transaction import Transaction


@dataclass(slots=True, kw_only=True)
class Context:
    """What a handler works with. `parts` are the long-lived pieces made by bootstrap."""

    tx: Transaction
    actor: Actor
    at: datetime
    parts: Parts
