from collections.abc import AsyncIterator
from pathlib import Path

import aioice.ice
import pytest

from media.plane.compiled import CompiledForwarder
from media.plane.python import PythonForwarder
from tests.media.rig import Relay, running_relay
from tests.media.traffic import Traffic


@pytest.fixture(autouse=True)
def clients_on_loopback(monkeypatch: pytest.MonkeyPatch) -> None:
    """Plain aiortc clients skip 127.0.0.1; the relay under test is told its address by its own setting."""
    monkeypatch.setattr(aioice.ice, "get_host_addresses", lambda use_ipv4, use_ipv6: ["127.0.0.1"])


@pytest.fixture(params=["python", "compiled"])
def both_forwarders(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every `Traffic` of the test is carried by one forwarder, and in a second run by the other."""
    kinds = {"python": PythonForwarder, "compiled": CompiledForwarder}
    monkeypatch.setattr(Traffic, "make", staticmethod(kinds[request.param]))


@pytest.fixture
async def relay(tmp_path: Path) -> AsyncIterator[Relay]:
    async with running_relay(tmp_path) as relay:
        yield relay
