"""Handlers of rows for the tests of the worker; their effects are files and rows one can count."""

import threading
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from consilium import clock
from consilium.errors import Conflict, Unavailable
from consilium.parts import Parts
from consilium.store import outbox

# Set by a test, waited for by `stall`.
GO = threading.Event()


def touch(parts: Parts, payload: dict[str, Any]) -> None:
    """Append one line per run."""
    with Path(payload["file"]).open("a") as file:
        file.write(f"{payload.get('line', '')}\n")


def once(parts: Parts, payload: dict[str, Any]) -> None:
    """An effect as commands make it: under an id that comes from the row's key, so the second run is none."""
    done = outbox.command_id("test.once", payload["key"])
    with parts.store.write(clock.now()) as tx:
        if tx.command_reply(done, None) is None:
            tx.next_number("effects")
            tx.remember_command(done, None, "", {})


def refuse(parts: Parts, payload: dict[str, Any]) -> None:
    raise Unavailable("media_unavailable")


def break_down(parts: Parts, payload: dict[str, Any]) -> None:
    raise ValueError("the patient is called Ivanov")


def ask_again(parts: Parts, payload: dict[str, Any]) -> datetime | None:
    """Once 'later', then done."""
    touch(parts, payload)
    runs = len(Path(payload["file"]).read_text().splitlines())
    return clock.now() - timedelta(seconds=1) if runs == 1 else None


def stall(parts: Parts, payload: dict[str, Any]) -> None:
    touch(parts, payload)
    if not GO.wait(60):
        raise Conflict("wrong_step")


KINDS = {
    f"test.{one.__name__}": f"tests.consilium.store.work:{one.__name__}"
    for one in (touch, once, refuse, break_down, ask_again, stall)
}
