"""A backlog against a registry that lies: `python -m bench.filing [--documents 1000] [--seed 1]`.

The product's worker, its web server and the registry simulator are the real programs of one machine; worker and
servers share a clock that jumps over waiting, so that what is measured is work, not back-off. It ends when every
document is registered or is a dead letter with a reason, sends the dead letters again to a registry that no longer
lies, and counts: documents the registry holds, numbers the product knows, registrations journaled. Why the dead letters
are dead is listed by who has to act. How far it is goes to the error stream once a minute.
"""

from __future__ import annotations

import argparse
import asyncio
import resource
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from uuid import UUID

import sqlalchemy as sa

from consilium import clock, sealing
from consilium import commands as c
from consilium.filing import codes
from consilium.model import FilingStatus, Protocol
from consilium.store import tables
from tests.fast_clock import FastClock
from tests.filed import copies
from tests.web import test_lying_registry as lying
from tests.web.conftest import settings_in
from tests.web.registries import pair
from web.simulator.modes import parse_mode
from web.simulator.plan import Plan


def main() -> int:
    """Print the figures; 1 when anything was lost or doubled."""
    parser = argparse.ArgumentParser(prog="python -m bench.filing", description=__doc__)
    parser.add_argument("--documents", type=int, default=1_000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    lying.WITHIN, lying.LOOK = 4 * 3600.0, 0.1
    with tempfile.TemporaryDirectory(prefix="consilium-bench-") as folder:
        return asyncio.run(measured(Path(folder), options.documents, options.seed))


async def measured(folder: Path, count: int, seed: int) -> int:
    """One whole run in this folder."""
    async with pair(settings_in(folder / "var"), folder, mode=f"plan:{seed}") as both:

        def prepared() -> list[UUID]:
            protocol = both.world.signed(*lying.ALL)
            sealing.seal_protocol(both.world.parts, {"protocol": str(protocol.id)})
            return [protocol.id, *copies(both.world, both.world.protocol(protocol.id), count - 1)]

        began = time.monotonic()
        filed = await asyncio.to_thread(prepared)
        prepared_in = time.monotonic() - began
        fast = FastClock(folder / "clock")
        clock.now = fast.now
        one = lying.Run(both, fast, folder / "clock")
        began, at = time.monotonic(), clock.now()
        await one.begin_work()
        telling = asyncio.create_task(told_of(one, count))
        try:
            await one.until_all_ended()
            drained, waited = time.monotonic() - began, clock.now() - at
            ended = lying.found(one, filed)
            first, reasons = Counter(str(protocol.filing) for protocol in ended), why(ended)
            plan = both.desk.plan
            assert isinstance(plan, Plan)
            told = dict(plan.told)
            both.desk.mode, both.desk.plan = parse_mode("ok"), None
            for protocol in ended:
                if protocol.filing is not FilingStatus.REGISTERED:
                    await asyncio.to_thread(both.world.do, "nmic.admin", c.FileAgain(protocol=protocol.id))
            await one.until_all_ended()
            protocols = lying.found(one, filed)
            lying.check_once(one, protocols)
        finally:
            telling.cancel()
            await one.stop()
        held = both.desk.archive.counts()
        cpu = resource.getrusage(resource.RUSAGE_CHILDREN)
        worker = cpu.ru_utime + cpu.ru_stime
        figures = (
            ("documents", count, ""),
            ("prepared", f"{prepared_in:.0f}", "s"),
            ("drained", f"{drained:.0f}", "s"),
            ("rate", f"{count / drained:.1f}", "1/s"),
            ("worker.cpu", f"{1000 * worker / count:.1f}", "ms a document"),
            ("waited", f"{waited.total_seconds() / 3600:.1f}", "h of the product's clock"),
            ("lies", sum(told.values()), ""),
            ("registered", first["registered"], ""),
            ("dead_letters", count - first["registered"], "each with a reason"),
            (
                "after_sending_again",
                sum(each.filing is FilingStatus.REGISTERED for each in protocols),
                "registered",
            ),
            ("held_by_registry", held.get("accepted", 0), ""),
            ("doubled", sum(n - 1 for n in lying.told(one, "ProtocolRegistered").values()), ""),
            ("second_keys", both.desk.strangers, ""),
        )
        for name, value, unit in figures:
            sys.stdout.write(f"filing.{name} {value} {unit}".rstrip() + "\n")
        for reason, letters in reasons.most_common():
            sys.stdout.write(f"filing.dead_letters.{reason} {letters}\n")
        return 0 if held == {"accepted": count} else 1


def why(protocols: list[Protocol]) -> Counter[str]:
    """Dead letters by who acts on the registry's codes, or by the state machine's own word."""
    dead = [each for each in protocols if each.filing is not FilingStatus.REGISTERED]
    return Counter(
        "+".join(sorted({str(codes.advice(code).remedy) for code in each.filing_error_codes}))
        or each.filing_message
        for each in dead
    )


async def told_of(one: lying.Run, count: int) -> None:
    """Once a minute, how many have ended and how."""
    began, table = time.monotonic(), tables.protocols
    query = sa.select(table.c.filing, sa.func.count()).group_by(table.c.filing)

    def counted() -> dict[str, int]:
        with one.both.world.parts.store.read() as reader:
            return {row[0]: row[1] for row in reader.connection.execute(query)}

    while True:
        await asyncio.sleep(60)
        words = await asyncio.to_thread(counted)
        sys.stderr.write(f"{time.monotonic() - began:.0f} s, of {count}: {words}\n")


if __name__ == "__main__":
    sys.exit(main())
