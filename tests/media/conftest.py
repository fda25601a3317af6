from collections.abc import AsyncIterator
from pathlib import Path

import aioice.ice
import pytest

from tests.media.rig import FORWARDERS, Relay, running_relay
from tests.media.traffic import Traffic


@pytest.fixture(autouse=True)
def clients_on_loopback(monkeypatch: pytest.MonkeyPatch) -> None:
    """Plain aiortc clients skip 127.0.0.1; the relay under test is told its address by its own setting."""
    monkeypatch.setattr(aioice.ice, "get_host_addresses", lambda use_ipv4, use_ipv6: ["127.0.0.1"])


@pytest.fixture(params=FORWARDERS)
def both_forwarders(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every `Traffic` of the test is carried by one forwarder, and in a second run by the other."""
    monkeypatch.setattr(Traffic, "choice", request.param)


@pytest.fixture(params=FORWARDERS)
async def either_relay(tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[Relay]:
    """A relay with one forwarder, and in a second run with the other."""
    async with running_relay(tmp_path, choice=request.param) as relay:
        yield relay


@pytest.fixture
async def relay(tmp_path: Path) -> AsyncIterator[Relay]:
    async with running_relay(tmp_path) as relay:
        yield relay
