"""A signaling server that hangs says on what, while it hangs."""

from __future__ import annotations

import asyncio
import time


async def test_a_loop_that_hangs_writes_what_it_hangs_on(hall, monkeypatch, capfd, caplog):
    """F14. The stacks come from a thread that needs neither the loop nor the interpreter's lock."""
    caplog.set_level("ERROR")  # a command line run in this process before may have quietened everything
    monkeypatch.setattr("signaling.server.STALLED", 0.3)
    await hall.restart()
    await asyncio.sleep(0)
    time.sleep(0.8)  # noqa: ASYNC251  # this is the bad call
    async with asyncio.timeout(10):
        while "loop.stalled" not in caplog.text:
            await asyncio.sleep(0.01)
    assert "in test_a_loop_that_hangs_writes_what_it_hangs_on" in capfd.readouterr().err


async def test_a_loop_that_runs_writes_nothing(hall, monkeypatch, capfd, caplog):
    monkeypatch.setattr("signaling.server.STALLED", 5.0)
    await hall.restart()
    await (await hall.socket("chair")).call("room.sync")
    assert "loop.stalled" not in caplog.text
    assert "most recent call first" not in capfd.readouterr().err
