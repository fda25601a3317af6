"""A whole consilium by synthetic participants, on one machine and in the production shape.

The same eleven steps as `consilium demo`; here against SQLite in one process, and against the Procfile's own
lines with PostgreSQL, Redis, two signaling servers and two media workers.
"""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from consilium import upkeep
from consilium.cli import _judged
from consilium.store import Store, verify
from signaling.bots.demo import Demonstration
from tests import installations, services
from tests.installations import Installation

pytestmark = [pytest.mark.timeout(240), pytest.mark.needs_openssl]


@contextmanager
def production(postgres_url: str, redis_url: str, **counts: int) -> Iterator[Installation]:
    with (
        services.fresh_database(postgres_url) as database,
        installations.production(database, redis_url, **counts) as installation,
    ):
        assert upkeep.load_demonstration(installation.settings) == 0
        yield installation


async def played(demonstration: Demonstration, package: Path) -> None:
    await demonstration.play()
    assert _judged(package), "our verifier and the openssl program agree"


def registry(installation: Installation) -> list[dict[str, Any]]:
    """What the registry holds, asked at its own door."""
    url = f"http://127.0.0.1:{installation.settings.registry_port}/documents.json"
    with urllib.request.urlopen(url, timeout=5) as answer:
        return json.load(answer)["documents"]


def journal_is_whole(installation: Installation) -> None:
    store = Store(installation.settings.database_url, installation.settings)
    try:
        with store.read() as reader:
            verdict = verify.verify(reader)
    finally:
        store.close()
    assert verdict.whole, verdict.broken
    assert verdict.rows > 50
    assert [one["status"] for one in registry(installation)] == ["accepted"]


async def test_a_whole_consilium_on_one_machine(tmp_path):
    with installations.one_machine() as machine:
        package = tmp_path / "package.asice"
        await played(Demonstration(machine.url, package, print), package)
        journal_is_whole(machine)


@pytest.mark.needs_postgres
@pytest.mark.needs_redis
async def test_a_whole_consilium_in_the_production_shape(tmp_path, postgres_url, redis_url):
    with production(postgres_url, redis_url, signaling=2, media=2) as house:
        package = tmp_path / "package.asice"
        await played(Demonstration(house.url, package, print, house.signaling_urls), package)
        journal_is_whole(house)
