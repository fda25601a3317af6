"""What is asked of an installation after a journey: its registry, its journal, its package."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from consilium import upkeep
from consilium.cli import _judged
from consilium.store import Store, verify
from consilium.store.journal import Entry
from tests import installations, services
from tests.installations import Installation


@contextmanager
def production(
    postgres_url: str, redis_url: str, *, signaling: int = 1, media: int = 1, **variables: str
) -> Iterator[Installation]:
    """The Procfile's lines on a database of their own, with the demonstration's people in it."""
    with (
        services.fresh_database(postgres_url) as database,
        installations.production(
            database, redis_url, signaling=signaling, media=media, **variables
        ) as installation,
    ):
        assert upkeep.load_demonstration(installation.settings) == 0
        yield installation


def registry(installation: Installation) -> list[dict[str, Any]]:
    """What the registry holds, asked at its own door."""
    with urllib.request.urlopen(_registry(installation, "documents.json"), timeout=5) as answer:
        return json.load(answer)["documents"]


def registry_behaves(installation: Installation, mode: str) -> None:
    body = json.dumps({"mode": mode}).encode()
    headers = {"Content-Type": "application/json"}
    request = urllib.request.Request(_registry(installation, "mode"), body, headers)
    with urllib.request.urlopen(request, timeout=5) as answer:
        assert answer.status == 200


def authority_behaves(installation: Installation, service: str, behaviour: str) -> None:
    """Make a service of the authority simulator silent, wrong or honest again."""
    body = json.dumps({"service": service, "behaviour": behaviour}).encode()
    url = f"http://127.0.0.1:{installation.settings.authority_port}/mode"
    request = urllib.request.Request(url, body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=5) as answer:
        assert answer.status == 200


def journal(installation: Installation) -> list[Entry]:
    """Every event, oldest first, once the whole chain has been verified."""
    store = Store(installation.settings.database_url, installation.settings)
    try:
        with store.read() as reader:
            verdict = verify.verify(reader)
        assert verdict.whole, verdict.broken
        return store.journal_after(0, 100_000)
    finally:
        store.close()


def all_is_well(installation: Installation, package: Path, papers: int = 1) -> None:
    """The package holds for both judges, the chain is whole, the registry has each of the papers exactly once."""
    assert _judged(package), "our verifier and the openssl program agree"
    rows = journal(installation)
    assert [row.name for row in rows].count("VoteClosed") == 1
    for once in ("SigningCompleted", "ProtocolSealed", "ProtocolRegistered"):
        told = [row.stream_id for row in rows if row.name == once]
        assert len(told) == len(set(told)) == papers, once
    assert [one["status"] for one in registry(installation)] == ["accepted"] * papers


def _registry(installation: Installation, path: str) -> str:
    return f"http://127.0.0.1:{installation.settings.registry_port}/{path}"
