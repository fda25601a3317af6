"""The worker dies after the registry took the document and before we wrote it down: it is still one document."""

import json
import os
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from consilium import clock, registering, sealing
from consilium.filing.states import REGISTERING_LIMIT
from consilium.model import FilingStatus
from consilium.settings import Settings
from tests import services
from tests.people import World, inhabited

ROOT = Path(__file__).resolve().parents[3]
ALL = ("deputy", "secretary", "member1", "ivanova")


@pytest.fixture
def registry(settings: Settings, tmp_path: Path) -> Iterator[str]:
    """The registry simulator as the real server it is."""
    port = services.free_port()
    address = f"http://127.0.0.1:{port}"
    folder = tmp_path / "registry"
    folder.mkdir()
    command = [sys.executable, "-m", "web.simulator", "--port", str(port), "--data", str(folder)]
    env = os.environ | {"CONSILIUM_SECRET_KEY": settings.secret_key, "PYTHONPATH": str(ROOT)}
    with services.running([*command, "--product", settings.public_origin], folder, env=env):
        services.until(lambda: documents(address) == [], "the registry answers")
        yield address


def documents(address: str) -> Any:
    try:
        with urllib.request.urlopen(f"{address}/documents.json", timeout=2) as answer:
            return json.load(answer)["documents"]
    except OSError:
        return None


@pytest.fixture
def world(settings: Settings, registry: str) -> Iterator[World]:
    with inhabited(replace(settings, registry_url=registry)) as made:
        yield made


def file_and_die(world: World, protocol: str) -> int:
    code = (
        "import sys; from consilium import bootstrap, registering; from consilium.settings import Settings; "
        "parts = bootstrap.build(Settings.from_environment()); "
        "registering.file_protocol(parts, {'protocol': sys.argv[1]})"
    )
    env = os.environ | world.parts.settings.to_environment()
    env |= {"PYTHONPATH": str(ROOT), "CONSILIUM_FAILPOINTS": "registering.registered"}
    return subprocess.run([sys.executable, "-c", code, protocol], env=env, check=False, timeout=60).returncode


def test_a_registration_nobody_wrote_down_is_made_again_under_its_key_and_is_one_document(
    world: World, registry: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    protocol = world.signed(*ALL)
    payload = {"protocol": str(protocol.id)}
    sealing.seal_protocol(world.parts, payload)
    assert file_and_die(world, payload["protocol"]) == -signal.SIGKILL
    assert len(documents(registry)) == 1
    assert world.protocol(protocol.id).filing is FilingStatus.QUEUED
    assert "FilingAcknowledged" not in world.journal("protocol", protocol.id)
    later = clock.now() + REGISTERING_LIMIT + timedelta(seconds=1)
    # Only the filing's own clock: the registry's is the real one, and messages from its future are refused.
    monkeypatch.setattr(registering, "clock", SimpleNamespace(now=lambda: later))
    registering.file_protocol(world.parts, payload)
    assert len(documents(registry)) == 1
    assert world.protocol(protocol.id).filing is FilingStatus.WAITING
    assert world.journal("protocol", protocol.id).count("FilingAcknowledged") == 1
