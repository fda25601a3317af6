"""Check a package with the `openssl` program alone: a second opinion that shares no code with ours."""

import subprocess
import tempfile
from pathlib import Path

from consilium.seal import instructions
from consilium.seal.package import read_package

__all__ = ["openssl_verify"]

SECONDS = 30


def openssl_verify(source: Path | bytes) -> list[tuple[str, bool]]:
    """Unpack into a temporary folder and run every command of VERIFY.txt: (command, whether it succeeded).

    The commands are rendered anew from the files and never taken from the package, which may be hostile.
    Raises PackageRefused when the package cannot be read.
    """
    members = read_package(source)
    commands = instructions.commands(instructions.render(members))
    with tempfile.TemporaryDirectory(prefix="consilium-verify-") as folder:
        for name, content in members.items():
            path = Path(folder) / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        outcomes = [(command, _succeeds(command, Path(folder))) for command in commands]
    return [*outcomes, ("VERIFY.txt", members["VERIFY.txt"] == instructions.render(members))]


def _succeeds(command: str, folder: Path) -> bool:
    words = command.split()
    try:
        if words[0] == "cat":
            joined = b"".join((folder / name).read_bytes() for name in words[1:-2])
            (folder / words[-1]).write_bytes(joined)
            return True
        done = subprocess.run(words, cwd=folder, capture_output=True, timeout=SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0
