"""The process: healthy, alone on its port, and gone soon after SIGTERM."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
import requests


@pytest.fixture
def port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


@pytest.mark.parametrize("module", ["web", "web.edge"])
def test_a_process_ends_before_the_supervisor_loses_patience_even_with_a_connection_open(
    module: str, loaded: Path, tmp_path: Path, port: int
) -> None:
    environment = {
        **os.environ,
        "CONSILIUM_DEMO": "1",
        "CONSILIUM_DATA_DIR": str(tmp_path / "var"),
        "CONSILIUM_PORT": str(port),
    }
    process = subprocess.Popen([sys.executable, "-m", module], env=environment, stderr=subprocess.PIPE)
    try:
        until_started(process)
        report = requests.get(f"http://127.0.0.1:{port}/health", timeout=5)
        assert report.json()["database"] == {"ok": True, "kind": "sqlite"}
        with socket.create_connection(("127.0.0.1", port)) as held:
            held.sendall(b"GET /health HTTP/1.1\r\nHost: x\r\n")
            began = time.monotonic()
            process.send_signal(signal.SIGTERM)
            _, said = process.communicate(timeout=10)
            # A second for open connections, and the interpreter's own end; five is the supervisor's patience.
            assert time.monotonic() - began < 5
        assert process.returncode == 0 and b"Traceback" not in said
    finally:
        process.kill()


def until_started(process: subprocess.Popen[bytes]) -> None:
    """Read what it says until it says that it serves."""
    assert process.stderr is not None
    said = []
    for line in process.stderr:
        if b"serving.started" in line:
            return
        said.append(line)
    raise AssertionError(b"".join(said).decode())
