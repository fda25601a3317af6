"""A registry that is away for a day, or lies by a plan while the worker is killed, loses and doubles nothing.

Both servers and the worker are real; the worker is a process of its own. They share a clock that jumps to the next
moment at which anybody has something to do, so that weeks of waiting take seconds.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import sys
from collections import Counter
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import pytest
import sqlalchemy as sa

from consilium import clock, sealing
from consilium import commands as c
from consilium.filing import codes
from consilium.filing.codes import Remedy
from consilium.model import FilingStatus, Protocol
from consilium.settings import Settings
from consilium.store import tables
from tests.fast_clock import FastClock
from tests.filed import copies, keys
from tests.web.registries import Pair, pair
from web.simulator.modes import parse_mode
from web.simulator.plan import SHARES, Plan

ALL = ("deputy", "secretary", "member1", "ivanova")
OPEN = ("queued", "waiting")
WITHIN = 100.0
LOOK = 0.02
AT_LEAST = timedelta(minutes=15)


class Run:
    """Both sides, the clock and the worker of one test."""

    def __init__(self, both: Pair, fast: FastClock, path: Path) -> None:
        self.both, self.fast, self.path = both, fast, path
        self.worker: asyncio.subprocess.Process | None = None
        self.killed = 0

    async def begin_work(self) -> None:
        env = os.environ | self.both.world.parts.settings.to_environment()
        log = (self.path.parent / "worker.log").open("ab")
        with log:
            self.worker = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "tests.fast_clock", str(self.path),
                env=env, cwd=Path(__file__).resolve().parents[2], stdout=log, stderr=log,
            )  # fmt: skip

    async def kill(self) -> None:
        """SIGKILL wherever it is; its leases run out."""
        assert self.worker is not None
        self.worker.kill()
        await self.worker.wait()
        self.killed += 1
        self.fast.advance(timedelta(seconds=self.both.world.parts.settings.lease_seconds + 1))
        self.both.desk.wake()

    async def stop(self) -> None:
        if self.worker is not None and self.worker.returncode is None:
            self.worker.kill()
            await self.worker.wait()

    def open(self) -> bool:
        """Whether the worker has something to do now, or a filing has not ended."""
        due = self.next_work()
        if due is not None and due <= clock.now():
            return True
        with self.both.world.parts.store.read() as reader:
            query = sa.select(tables.protocols.c.id).where(tables.protocols.c.filing.in_(OPEN)).limit(1)
            return reader.connection.execute(query).first() is not None

    def next_work(self) -> datetime | None:
        """When the worker's next row is due; in the past while it still works."""
        table = tables.outbox
        query = (
            sa.select(table.c.not_before)
            .where(table.c.status == "waiting", table.c.kind == "protocol.file")
            .order_by(table.c.not_before)
            .limit(1)
        )
        with self.both.world.parts.store.read() as reader:
            return reader.connection.execute(query).scalar()

    async def step(self) -> None:
        """Wait until nobody has anything to do now, then move the clock to the next thing, and a little further."""
        due = await asyncio.to_thread(self.next_work)
        if due is not None and due <= clock.now():
            await asyncio.sleep(LOOK)
            return
        await asyncio.wait_for(self.both.desk.idle.wait(), WITHIN)
        soonest = await asyncio.to_thread(self.both.desk.archive.next_due)
        moments = [due] if due else []
        moments += [datetime.fromtimestamp(soonest, UTC)] if soonest is not None else []
        if moments and (gap := min(moments) - clock.now()) > timedelta(0):
            self.fast.advance(max(gap, AT_LEAST))
        self.both.desk.wake()

    async def until_all_ended(self) -> None:
        async with asyncio.timeout(WITHIN):
            while await asyncio.to_thread(self.open):
                await self.step()


@contextlib.asynccontextmanager
async def run(
    settings: Settings, folder: Path, count: int, monkeypatch: pytest.MonkeyPatch, mode: str
) -> AsyncIterator[tuple[Run, list[UUID]]]:
    async with pair(settings, folder, mode=mode) as both:

        def prepared() -> list[UUID]:
            protocol = both.world.signed(*ALL)
            sealing.seal_protocol(both.world.parts, {"protocol": str(protocol.id)})
            return [protocol.id, *copies(both.world, both.world.protocol(protocol.id), count - 1)]

        filed = await asyncio.to_thread(prepared)
        fast = FastClock(folder / "clock")
        monkeypatch.setattr(clock, "now", fast.now)
        one = Run(both, fast, folder / "clock")
        try:
            yield one, filed
        finally:
            await one.stop()


def found(one: Run, filed: list[UUID]) -> list[Protocol]:
    with one.both.world.parts.store.read() as reader:
        return [reader.protocol(each) for each in filed]


def told(one: Run, name: str) -> Counter[UUID]:
    """How often this was journaled, by stream."""
    query = sa.select(tables.journal.c.stream_id).where(tables.journal.c.name == name)
    with one.both.world.parts.store.read() as reader:
        return Counter(reader.connection.execute(query).scalars())


def check_once(one: Run, protocols: list[Protocol]) -> None:
    """One accepted document per registered protocol under its one key, told once, with the number the registry gave."""
    accepted = {
        entry.registration.local_uid: entry
        for entry in one.both.desk.archive.entries(1_000_000)
        if entry.status == "accepted"
    }
    registered = [protocol for protocol in protocols if protocol.filing is FilingStatus.REGISTERED]
    for protocol in registered:
        assert protocol.document_id is not None
        assert accepted[protocol.document_id].emdr_id == protocol.registry_number
    assert len({protocol.registry_number for protocol in registered}) == len(registered)
    assert {entry.key for entry in accepted.values()} <= keys(protocols)
    assert set(told(one, "ProtocolRegistered").values()) <= {1}
    assert set(told(one, "ProtocolRegistered")) == {protocol.id for protocol in registered}
    assert set(told(one, "CaseRegistered")) == {protocol.case_id for protocol in registered}
    assert one.both.desk.strangers == 0


async def test_a_registry_away_for_a_day_loses_and_doubles_nothing(
    web_settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with run(web_settings, tmp_path, 6, monkeypatch, "down") as (one, filed):
        await one.begin_work()
        back = clock.now() + timedelta(hours=24)
        async with asyncio.timeout(WITHIN):
            while clock.now() < back:
                await one.step()
        waiting = found(one, filed)
        assert {protocol.filing for protocol in waiting} == {FilingStatus.QUEUED}
        assert {protocol.filing_message for protocol in waiting} == {"registry_unavailable"}
        # Half an hour at most between two looks, and never a storm of them.
        assert all(24 <= protocol.filing_attempts <= 120 for protocol in waiting)
        assert one.both.desk.archive.entries() == []
        one.both.desk.mode = parse_mode("ok")
        began = clock.now()
        await one.until_all_ended()
        after = found(one, filed)
        assert {protocol.filing for protocol in after} == {FilingStatus.REGISTERED}
        assert clock.now() - began < timedelta(hours=1)
        check_once(one, after)


async def lied_to(
    settings: Settings, folder: Path, monkeypatch: pytest.MonkeyPatch, count: int, seed: int, kills: int
) -> None:
    async with run(settings, folder, count, monkeypatch, f"plan:{seed}") as (one, filed):
        throw = random.Random(seed)
        await one.begin_work()
        working = asyncio.create_task(one.until_all_ended())
        for _ in range(kills):
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(asyncio.shield(working), throw.uniform(1.5, 4.0))
            if working.done():
                break
            await one.kill()
            await one.begin_work()
        await working
        protocols = found(one, filed)
        check_once(one, protocols)
        for protocol in protocols:
            if protocol.filing is not FilingStatus.REGISTERED:
                # A dead letter says why, and what it says is no shrug.
                assert protocol.filing in {FilingStatus.REJECTED, FilingStatus.DEAD}
                reasons = protocol.filing_error_codes or [protocol.filing_message]
                assert all(codes.advice(code) is not codes.UNKNOWN for code in reasons)
                assert {codes.advice(code).remedy for code in reasons} != {Remedy.RETRY}
        plan = one.both.desk.plan
        assert isinstance(plan, Plan)
        assert set(plan.told) >= {f"{name}" for name in ("register.drop", "decide.retry", "callback.silent")}
        await sent_again_to_an_honest_registry(one, filed)


async def sent_again_to_an_honest_registry(one: Run, filed: list[UUID]) -> None:
    """Every dead letter is sent again under its old key: then all are there, each once."""
    one.both.desk.mode, one.both.desk.plan = parse_mode("ok"), None
    for protocol in found(one, filed):
        if protocol.filing is not FilingStatus.REGISTERED:
            again = c.FileAgain(protocol=protocol.id)
            await asyncio.to_thread(one.both.world.do, "nmic.admin", again)
    await one.until_all_ended()
    protocols = found(one, filed)
    assert {protocol.filing for protocol in protocols} == {FilingStatus.REGISTERED}
    check_once(one, protocols)


async def test_a_registry_that_lies_and_a_worker_that_is_killed_leave_one_registration_each(
    web_settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await lied_to(web_settings, tmp_path, monkeypatch, count=150, seed=20261123, kills=4)


@pytest.mark.long
@pytest.mark.timeout(7200)
@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_thousands_of_documents_survive_a_lying_registry(
    web_settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    monkeypatch.setattr(sys.modules[__name__], "WITHIN", 3600.0)
    await lied_to(web_settings, tmp_path, monkeypatch, count=2000, seed=seed, kills=25)


def test_a_plan_lies_in_the_same_way_again_and_ends() -> None:
    for key in ("a", "b"):
        first, second = Plan(7, SHARES), Plan(7, SHARES)
        said = [[str(plan.behave("register", key)) for _ in range(40)] for plan in (first, second)]
        assert said[0] == said[1]
        assert sum(word != "ok" for word in said[0]) <= first.most
    assert [str(Plan(8, SHARES).behave("decide", str(n))) for n in range(60)] != [
        str(Plan(9, SHARES).behave("decide", str(n))) for n in range(60)
    ]
