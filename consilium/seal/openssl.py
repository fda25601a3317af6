"""Check a package with the `openssl` program alone: a second opinion that shares no code with ours."""

import subprocess
import tempfile
from pathlib import Path

from consilium.seal import instructions
from consilium.seal.errors import SealError
from consilium.seal.layers import layers_of
from consilium.seal.package import read_package

__all__ = ["openssl_verify"]

SECONDS = 30


def openssl_verify(source: Path | bytes) -> list[tuple[str, bool]]:
    """Unpack into a temporary folder and run every command of the newest VERIFY.txt: (command, did it succeed).

    The commands are rendered anew from the files and never taken from the package, which may be hostile.
    Raises PackageRefused when the package cannot be read.
    """
    members = read_package(source)
    layers = layers_of(members)
    name = layers[-1].instructions if layers else "VERIFY.txt"
    try:
        text = instructions.render(members, max(len(layers) - 1, 0))
    except (SealError, ValueError):
        return [(name, False)]
    with tempfile.TemporaryDirectory(prefix="consilium-verify-") as folder:
        for member, content in members.items():
            path = Path(folder) / member
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        outcomes = [(command, _succeeds(command, Path(folder))) for command in instructions.commands(text)]
    return [*outcomes, (name, members[name] == text)]


def _succeeds(command: str, folder: Path) -> bool:
    # The names in it are those that `container.NAME` lets through, so that no letter means anything to the shell.
    words = ["sh", "-c", command]
    try:
        done = subprocess.run(words, cwd=folder, capture_output=True, timeout=SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0
