"""The long-lived pieces of a process; `bootstrap` makes them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from consilium.directory.installed import Installed
    from consilium.documents.guides import Official
    from consilium.documents.terms import Terms
    from consilium.hints import Hints
    from consilium.records.files import FileStore
    from consilium.seal.authority import DemoAuthority
    from consilium.seal.evidence import Collector
    from consilium.seal.policy import Policy
    from consilium.seal.stamping import TimestampAuthority
    from consilium.seal.trust import TrustStore
    from consilium.settings import Settings
    from consilium.store import Reader, Store


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What handlers and tasks work with. `trust` is called per verification: lists of revoked change.

    `authority` exists in demonstration mode alone. `stamps` and `evidence` ask authorities over the network: for
    the worker alone, never inside a transaction.
    """

    settings: Settings
    store: Store
    files: FileStore
    installed: Installed
    hints: Hints
    authority: DemoAuthority | None
    trust: Callable[[], TrustStore]
    policy: Policy
    stamps: TimestampAuthority
    evidence: Collector

    def official(self) -> Official | None:
        """The state's schemas and rules that are installed here; None where there are none."""
        return self.installed.official()

    def terms(self, reader: Reader | None = None) -> Terms:
        """Dictionaries a document of today is written with. Inside a transaction, ask with it."""
        return self.installed.terms(reader)

    def close(self) -> None:
        """End threads and connections; idempotent."""
        self.hints.close()
        self.store.close()
