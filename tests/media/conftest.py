from collections.abc import AsyncIterator
from pathlib import Path

import aioice.ice
import pytest

from tests.media.rig import Relay, running_relay


@pytest.fixture(autouse=True)
def clients_on_loopback(monkeypatch: pytest.MonkeyPatch) -> None:
    """Plain aiortc clients skip 127.0.0.1; the relay under test is told its address by its own setting."""
    monkeypatch.setattr(aioice.ice, "get_host_addresses", lambda use_ipv4, use_ipv6: ["127.0.0.1"])


@pytest.fixture
async def relay(tmp_path: Path) -> AsyncIterator[Relay]:
    async with running_relay(tmp_path) as relay:
        yield relay
