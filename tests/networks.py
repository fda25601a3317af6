"""Bad networks for tests: `bench.network.Link` where this machine allows it, and what may be asked across it.

A test process may stand on the far side (`Link.inside`) beside the servers; browsers on the near side are children.
"""

import asyncio
import json
import os
import shlex
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.async_api import Browser, async_playwright

from bench.network import Conditions, Link, Side
from tests import conftest, services

# Answers every datagram with itself.
_ECHO = """
import socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.bind((sys.argv[1], 7)); print("ready", flush=True)
while True: s.sendto(*s.recvfrom(2048))
"""

# Sends COUNT datagrams at a pace, then says [[number, seconds until its echo], ...] in the order of arrival.
_PROBE = """
import json, socket, sys, time
to, count, pace = (sys.argv[1], 7), int(sys.argv[2]), float(sys.argv[3])
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.settimeout(0.5)
sent, got, start = {}, [], time.monotonic()
def take():
    try: number = int(s.recv(2048))
    except TimeoutError: return False
    got.append([number, time.monotonic() - sent[number]])
    return True
for number in range(count):
    while (left := start + number * pace - time.monotonic()) > 0:
        s.settimeout(left); take()
    sent[number] = time.monotonic(); s.sendto(b"%d" % number, to)
s.settimeout(0.5)
while take(): pass
print(json.dumps(got))
"""


@contextmanager
def link(conditions: Conditions | None = None) -> Iterator[Link]:
    """A link, or the test is skipped (failed where CI promised everything) by the kernel's own reason."""
    try:
        made = Link(conditions)
    except OSError as error:
        refuse = pytest.fail if os.environ.get("CI") == "true" else pytest.skip
        refuse(f"network namespaces and TUN: run as root; {str(error).splitlines()[-1]}")
    conftest.OWN.add(made.far_address)
    try:
        with made:
            yield made
    finally:
        conftest.OWN.discard(made.far_address)


# What a browser asks for itself goes to a closed port; everything a page may ask is left as it is.
QUIET = "MAP accounts.* 127.0.0.1:9, MAP update.* 127.0.0.1:9, MAP clients*.* 127.0.0.1:9"
CHROMIUM_FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    f"--host-resolver-rules={QUIET}",
    "--autoplay-policy=no-user-gesture-required",
    "--use-fake-ui-for-media-stream",
    "--use-fake-device-for-media-stream=fps=10",
    # The servers beyond the link have certificates of their own making.
    "--ignore-certificate-errors",
)


def executable(made: Link, side: Side, path: str, folder: Path, *flags: str) -> Path:
    """A program in `folder` that is `path` with the network of this side, for whoever starts programs by name."""
    wrapper = folder / f"{Path(path).name}-{side}"
    wrapper.write_text(f'#!/bin/sh\nexec {shlex.join(made.command(side, [path, *flags]))} "$@"\n')
    wrapper.chmod(0o755)
    return wrapper


@asynccontextmanager
async def forwarded(made: Link, port: int) -> AsyncIterator[None]:
    """What is on 127.0.0.1 of the far side is on `far_address` too; the caller is inside the far side."""

    async def join(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection("127.0.0.1", port)
        await asyncio.gather(_pour(reader, back), _pour(there, writer))

    server = await asyncio.start_server(join, made.far_address, port)
    try:
        yield
    finally:
        server.close()


async def _pour(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(ConnectionError):
        while data := await reader.read(65_536):
            writer.write(data)
            await writer.drain()
    writer.close()


@asynccontextmanager
async def chromium(made: Link, folder: Path) -> AsyncIterator[Browser]:
    """A Chromium whose network is the near side."""
    program = executable(made, "near", str(services.program("chromium", "chromium-browser")), folder)
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=program, args=list(CHROMIUM_FLAGS))
        try:
            yield browser
        finally:
            await browser.close()


@dataclass(frozen=True, slots=True)
class Echoes:
    """What came back of `sent` numbered datagrams: numbers in order of arrival, seconds of each round trip."""

    sent: int
    numbers: list[int]
    seconds: list[float]


@contextmanager
def child(made: Link, side: Side, *words: str) -> Iterator["subprocess.Popen[str]"]:
    """A process on one side, ended with the block."""
    process = subprocess.Popen(
        made.command(side, list(words)), stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def echoes(made: Link, count: int, pace: float = 0.001) -> Echoes:
    """Send `count` datagrams from near to far, one every `pace` seconds, and collect what comes back."""
    with child(made, "far", sys.executable, "-Ic", _ECHO, made.far_address) as far:
        assert far.stdout is not None
        assert far.stdout.readline() == "ready\n"
        words = [sys.executable, "-Ic", _PROBE, made.far_address, str(count), str(pace)]
        said = subprocess.run(made.command("near", words), capture_output=True, text=True, check=True).stdout
    got = json.loads(said)
    return Echoes(count, [number for number, _ in got], [seconds for _, seconds in got])
