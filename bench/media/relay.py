"""What is asked of a relay under measurement, ours or another's."""

from pathlib import Path
from typing import Protocol

CORE = 0  # the relay's; the generator has the others


class Relay(Protocol):
    """A relay as a process of its own, on a core of its own."""

    name: str
    pid: int

    async def open_room(self, room: str) -> None: ...
    async def close_room(self, room: str) -> None: ...

    async def publish(self, room: str, person: str, offer: str) -> str:
        """Returns the answer."""

    async def offer(self, room: str, person: str, slots: int) -> str:
        """What the relay offers somebody who wants up to `slots` voices and pictures."""

    async def answer(self, room: str, person: str, answer: str) -> None: ...


def cpu_seconds(pid: int) -> float:
    """Time on a CPU of all threads (first field of schedstat, nanoseconds)."""
    total = 0
    for task in Path(f"/proc/{pid}/task").iterdir():
        total += int((task / "schedstat").read_text().split()[0])
    return total / 1e9


def resident_bytes(pid: int) -> int:
    """Memory of this process alone: private pages, as smaps_rollup counts them."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    sizes = {line.split()[0]: int(line.split()[1]) for line in lines[1:]}
    return 1024 * (sizes["Private_Clean:"] + sizes["Private_Dirty:"])
