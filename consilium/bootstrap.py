"""Puts the long-lived pieces together, once per process; the only module that knows them all.

    parts = bootstrap.build(Settings.from_environment())
    service = bootstrap.service(settings)          # the same, as the door to change anything

Imports of heavy parts stay inside: the command line asks for little and should start at once.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from consilium import clock
from consilium.hints import Hints
from consilium.parts import Parts
from consilium.settings import Settings
from consilium.store import Store

if TYPE_CHECKING:
    from consilium.seal.authority import DemoAuthority
    from consilium.seal.trust import TrustStore
    from consilium.service import Service


def build(settings: Settings) -> Parts:
    """Open everything, bringing the database to the newest shape first.

    Raises store.NotDurable when the database may lose what it acknowledged.
    """
    from consilium.directory.installed import Installed
    from consilium.records.files import FileStore
    from consilium.seal.policy import DEMO_ECDSA

    settings.data_dir.mkdir(parents=True, exist_ok=True)
    store = Store(settings.database_url, settings)
    store.migrate()
    authority = _authority(settings)
    return Parts(
        settings=settings,
        store=store,
        files=FileStore(settings.data_dir / "files"),
        hints=Hints(settings),
        installed=Installed(settings, store),
        authority=authority,
        trust=_trust(authority, settings.data_dir / "trust"),
        policy=DEMO_ECDSA,
    )


def service(settings: Settings) -> Service:
    """The door to change anything, with everything behind it."""
    from consilium.service import Service

    return Service(build(settings))


def _authority(settings: Settings) -> DemoAuthority | None:
    if not settings.demo:
        return None
    from consilium.seal.authority import DemoAuthority

    return DemoAuthority.create(settings.data_dir / "authority")


def _trust(authority: DemoAuthority | None, folder: Path) -> Callable[[], TrustStore]:
    """The demonstration authority's own material, or the folder an administrator fills."""
    from consilium.seal.trust import TrustStore

    if authority is not None:
        return lambda: authority.trust(clock.now())
    return lambda: TrustStore.load(folder) if folder.is_dir() else TrustStore(())
