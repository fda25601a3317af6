"""Verifying an archive: CPU per package from the first to the last, memory, and what a resumed run costs.

    python -m bench.archive [PACKAGES]        # 10000 unless another number is given

Prints `name value unit`. Packages are of five signers with every timestamp; a hundred different ones, each under many
names. `archive.cpu.first` and `.last` are the first and the last tenth of the run: what grows would show there.
`archive.memory.growth` is the resident set after the run over that after its first tenth. `archive.resumed` is a
second run over the same state: reading and hashing alone.
"""

import os
import resource
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

from bench.seal import House
from consilium.seal.inventory import Progress, check_folder

DIFFERENT = 100


def main() -> int:
    """Print one line per figure."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
    with tempfile.TemporaryDirectory() as name:
        house = House(Path(name) / "authority", datetime.now(UTC).replace(microsecond=0))
        archive = Path(name) / "archive"
        archive.mkdir()
        fill(house, archive, count)
        told: list[tuple[int, float, int]] = []

        def tell(progress: Progress) -> None:
            told.append((progress.done, time.process_time(), _resident()))

        began = time.process_time()
        summary = check_folder(archive, roots=house.trust, at=None, now=house.at, tell=tell)
        spent = time.process_time() - began
        if not summary.held:
            raise SystemExit(f"{len(summary.refused)} refused: {summary.refused[0].codes}")
        _print(count, spent, [(0, began, 0), *told])
        began = time.process_time()
        check_folder(archive, roots=house.trust, at=None, now=house.at)
        print(f"archive.resumed {(time.process_time() - began) / count * 1000:.2f} cpu_ms_per_package")
    return 0


def fill(house: House, archive: Path, count: int) -> None:
    """The packages; names beyond the different ones are links, which costs no disk and verifies as much."""
    for number in range(count):
        path = archive / f"{number:06d}.asice"
        if number < DIFFERENT:
            document = f"<protocol>{number}{'x' * 50_000}</protocol>".encode()
            house.sealed(path, document, house.signed(document))
        else:
            os.link(archive / f"{number % DIFFERENT:06d}.asice", path)


def _print(count: int, spent: float, told: list[tuple[int, float, int]]) -> None:
    print(f"archive.packages {count} packages")
    print(f"archive.cpu {spent / count * 1000:.2f} cpu_ms_per_package")
    early = next(one for one in told if one[0] >= count / 10)
    late = next(one for one in reversed(told) if one[0] <= count * 9 / 10)
    print(f"archive.cpu.first {(early[1] - told[0][1]) / early[0] * 1000:.2f} cpu_ms_per_package")
    if told[-1][0] > late[0]:
        last = (told[-1][1] - late[1]) / (told[-1][0] - late[0])
        print(f"archive.cpu.last {last * 1000:.2f} cpu_ms_per_package")
    print(f"archive.memory.growth {(told[-1][2] - early[2]) / 1024:.1f} MiB")
    print(f"archive.memory.most {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MiB")


def _resident() -> int:
    """Resident set in KiB."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * resource.getpagesize() // 1024


if __name__ == "__main__":
    sys.exit(main())
