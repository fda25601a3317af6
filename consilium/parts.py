"""The long-lived pieces of a process; `bootstrap` makes them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from consilium.hints import Hints
    from consilium.records.files import FileStore
    from consilium.seal.authority import DemoAuthority
    from consilium.seal.policy import Policy
    from consilium.seal.trust import TrustStore
    from consilium.settings import Settings
    from consilium.store import Store


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What handlers and tasks work with. `trust` is called per verification: lists of revoked change.

    `authority` exists in demonstration mode alone.
    """

    settings: Settings
    store: Store
    files: FileStore
    hints: Hints
    authority: DemoAuthority | None
    trust: Callable[[], TrustStore]
    policy: Policy

    def close(self) -> None:
        """End threads and connections; idempotent."""
        self.hints.close()
        self.store.close()
