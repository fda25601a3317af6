"""Named places where a test may kill the process, to see that nothing acknowledged is lost there.

`CONSILIUM_FAILPOINTS=store.before_commit` (comma-separated, `name:3` for the third time) kills this process
with SIGKILL when it gets there. Without the variable a failpoint is one look into an empty dict.
"""

from __future__ import annotations

import os
import signal

_armed: dict[str, int] = {
    name: int(count or 1)
    for part in os.environ.get("CONSILIUM_FAILPOINTS", "").split(",")
    if part
    for name, _, count in [part.partition(":")]
}


def failpoint(name: str) -> None:
    """Die here if the environment says so; `name` is `module.place`, a literal (a test collects them)."""
    if name not in _armed:
        return
    _armed[name] -= 1
    if _armed[name] <= 0:
        os.kill(os.getpid(), signal.SIGKILL)
