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
from consilium.settings import Settings, SettingsError, variable
from consilium.store import Store

if TYPE_CHECKING:
    from consilium.seal.authority import DemoAuthority
    from consilium.seal.revocation import Revocation
    from consilium.seal.trust import TrustStore
    from consilium.service import Service


def build(settings: Settings) -> Parts:
    """Open everything, bringing the database to the newest shape first.

    Raises store.NotDurable when the database may lose what it acknowledged.
    """
    from consilium.directory.installed import Installed
    from consilium.records.files import FileStore
    from consilium.seal.evidence import Collector
    from consilium.seal.policy import POLICIES
    from consilium.seal.stamping import HttpAuthority

    settings.data_dir.mkdir(parents=True, exist_ok=True)
    store = Store(settings.database_url, settings)
    store.migrate()
    authority = _authority(settings)
    revocation = _revocation(settings)
    trust = _trust(authority, settings.data_dir / "trust", revocation)
    collector = Collector(trust, revocation)
    return Parts(
        settings=settings,
        store=store,
        files=FileStore(settings.data_dir / "files"),
        hints=Hints(settings),
        installed=Installed(settings, store),
        authority=authority,
        trust=trust,
        policy=POLICIES[settings.signature_policy],
        stamps=HttpAuthority(settings.timestamp_urls, revocation.allowed, collector.trust_for),
        evidence=collector,
    )


def service(settings: Settings) -> Service:
    """The door to change anything, with everything behind it."""
    from consilium.service import Service

    return Service(build(settings))


def _authority(settings: Settings) -> DemoAuthority | None:
    if not settings.demo:
        return None
    from consilium.seal.authority import DemoAuthority
    from consilium.seal.policy import POLICIES

    gost = bool(POLICIES[settings.signature_policy].gost_bits)
    folder = settings.data_dir / "authority"
    authority = DemoAuthority.create(folder, algorithm="gost256" if gost else "p256")
    if authority.gost != gost:
        raise SettingsError(
            "settings_signature_policy",
            f"Демонстрационный центр в {folder} заведён под другую политику подписи: смените "
            f"{variable('signature_policy')} или папку данных. The demonstration authority in this folder was made "
            "for another signature policy: change the policy or the data folder.",
        )
    return authority


def _revocation(settings: Settings) -> Revocation:
    """The one who asks authorities outside, and whom he may ask."""
    from consilium.seal.outward import Allowed
    from consilium.seal.revocation import Revocation

    own = (*settings.timestamp_urls, *settings.crl_urls, *filter(None, [settings.ocsp_url]))
    return Revocation(
        allowed=Allowed.of(settings.revocation_hosts, own),
        crl_urls=settings.crl_urls,
        ocsp_url=settings.ocsp_url or "",
        folder=settings.data_dir / "revocation",
    )


def _trust(authority: DemoAuthority | None, folder: Path, revocation: Revocation) -> Callable[[], TrustStore]:
    """The demonstration authority's own material, or the folder an administrator fills and the lists fetched since."""
    from consilium.seal.trust import TrustStore

    if authority is not None:
        return lambda: authority.trust(clock.now())

    def load() -> TrustStore:
        given = TrustStore.load(folder) if folder.is_dir() else TrustStore(())
        return given.joined(TrustStore((), (), revocation.kept()))

    return load
