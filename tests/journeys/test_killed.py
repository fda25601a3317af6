"""kill -9 of every part at the worst moments of a meeting: what was acknowledged is there, the rest goes on."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from signaling.bots.demo import BOARD, WORDING, Demonstration
from signaling.bots.person import Bot
from tests import installations
from tests.installations import Installation
from tests.journeys.judging import (
    all_is_well,
    authority_behaves,
    journal,
    production,
    registry,
    registry_behaves,
)
from tests.services import until

pytestmark = [pytest.mark.timeout(300), pytest.mark.needs_openssl]

BEFORE = ("sign_in", "ask", "schedule", "lobby")
SIGNERS = (*BOARD, "expert")


class Meeting(Demonstration):
    """The demonstration's people, led step by step, with somebody at the plug."""

    def __init__(self, installation: Installation, package: Path) -> None:
        super().__init__(installation.url, package, print, installation.signaling_urls)
        self.installation = installation
        self.vote: dict[str, str] = {}

    async def begin(self) -> None:
        for step in BEFORE:
            await getattr(self, step)()

    async def open_ballot(self) -> None:
        chair = self["chair"]
        item = (await chair.until(lambda s: s["agenda"], "the agenda"))[0]["item"]
        await chair.room("agenda.open", item=item)
        proposed = await chair.room("resolution.propose", item=item, wording=WORDING)
        opened = await chair.room("vote.open", resolution=proposed["resolution"], revision=0)
        self.vote = {"ballot": opened["ballot"], "digest": opened["digest"]}

    async def close_ballot(self) -> dict[str, Any]:
        chair = self["chair"]
        await chair.room("vote.close", ballot=self.vote["ballot"])
        result = (await chair.until(lambda s: s["decision"]["results"], "the result"))[0]
        item = chair.state["case"]["item"]
        closed = await chair.room("agenda.close", item=item, outcome="decided")
        self.protocol = closed["protocol"]
        return result

    async def kill(self, part: str) -> None:
        """SIGKILL, and wait until the supervisor's next one answers."""
        before = self.installation.pid(part)
        self.installation.kill(part)
        await asyncio.to_thread(
            until,
            lambda: installations.processes(self.installation.settings).get(part) not in (None, before),
            f"{part} again",
        )
        await asyncio.to_thread(self.installation.until_healthy)

    async def come_back(self, *logins: str) -> None:
        """The page's own reconnect: the session's cookie is enough, nobody signs in again."""
        for login in logins:
            await self[login].connect(self.consilium)

    async def status(self) -> dict[str, Any]:
        return json.loads(await self["chair"].get(f"/api/protocol.status/{self.protocol}"))

    async def until_filing(self, *wanted: str) -> None:
        async with asyncio.timeout(40):
            while (await self.status())["filing"] not in wanted:
                await asyncio.sleep(0.05)


async def media_between(*bots: Bot) -> None:
    """New frames and sounds from each to each, after everything received so far is forgotten."""
    for bot in bots:
        assert bot.media is not None
        bot.media.seen.clear()
        bot.media.heard.clear()
    async with asyncio.timeout(20):
        while not all(
            bot.media is not None and bot.media.proven(other.state["me"]["seat"])
            for bot in bots
            for other in bots
            if other is not bot
        ):
            await asyncio.sleep(0.05)


async def test_media_comes_back_by_itself_after_its_worker_is_killed(tmp_path):
    """F25: no reload, no new sign-in; the socket that was there stays."""
    with installations.one_machine() as machine:
        meeting = Meeting(machine, tmp_path / "p.asice")
        async with meeting.people():
            await meeting.begin()
            pair = [meeting["chair"], meeting["member1"]]
            for number, bot in enumerate(pair):
                await bot.start_media(number)
            await media_between(*pair)
            sockets = [bot._sio for bot in pair]
            await meeting.kill("media-1")
            await media_between(*pair)
            assert [bot._sio for bot in pair] == sockets
            assert all(socket is not None and socket.connected for socket in sockets)
            await meeting["chair"].room("chat.send", text="слышно")
            await meeting["member1"].until(lambda s: s["chat"], "the chat")


async def test_an_edge_killed_in_mid_vote_and_while_signing_loses_no_acknowledged_vote_or_signature(tmp_path):
    with installations.one_machine() as machine:
        meeting = Meeting(machine, tmp_path / "p.asice")
        async with meeting.people():
            await meeting.begin()
            pair = [meeting["chair"], meeting["member1"]]
            for number, bot in enumerate(pair):
                await bot.start_media(number)
            await media_between(*pair)
            await meeting.open_ballot()
            acked, unknown = str(uuid4()), str(uuid4())
            answer = await meeting["member1"].room("vote.cast", command=acked, choice="for", **meeting.vote)
            member2 = meeting["member2"]
            await member2._sio.emit("vote.cast", {"command": unknown, "choice": "against", **meeting.vote})

            await meeting.kill("edge")
            await meeting.come_back("chair", "deputy", "secretary", "member1", "member2", "ivanova", "expert")
            for number, bot in enumerate(pair):
                await bot.start_media(number)
            await media_between(*pair)
            mine = meeting["member1"].state["me"]["vote"]
            assert (mine["choice"], mine["receipt"]) == ("for", answer["receipt"])
            again = await meeting["member1"].room("vote.cast", command=acked, choice="for", **meeting.vote)
            assert again["receipt"] == answer["receipt"]
            await member2.room("vote.cast", command=unknown, choice="against", **meeting.vote)
            for login in ("chair", "deputy"):
                await meeting[login].room("vote.cast", choice="for", **meeting.vote)
            result = await meeting.close_ballot()
            assert (result["votes_for"], result["votes_against"], result["adopted"]) == (3, 1, True)

            await meeting.draft()
            await asyncio.gather(*(meeting[login].get_certificate() for login in SIGNERS))
            first, *others = SIGNERS
            await meeting[first].sign(meeting.protocol)
            digest = (await meeting.status())["digest"]
            await meeting.kill("edge")
            assert (await meeting.status())["digest"] == digest
            for login in others:
                await meeting[login].sign(meeting.protocol)
            await meeting.file()
            await meeting.fetch()
        all_is_well(machine, meeting.package)
        names = [row.name for row in journal(machine)]
        assert names.count("VoteCast") == 4
        assert names.count("SignatureAttached") == len(SIGNERS)


async def test_worker_and_edge_killed_while_the_registry_is_to_answer_file_exactly_once(tmp_path):
    with installations.one_machine(CONSILIUM_LEASE_SECONDS="2") as machine:
        meeting = Meeting(machine, tmp_path / "p.asice")
        registry_behaves(machine, "slow:1.5")
        async with meeting.people():
            await decided_and_drafted(meeting)
            await asyncio.gather(*(meeting[login].get_certificate() for login in SIGNERS))
            for login in SIGNERS:
                await meeting[login].sign(meeting.protocol)
            await meeting.kill("worker")
            await asyncio.to_thread(until, lambda: registry(machine), "the registration at the registry")
            await meeting.kill("worker")
            await meeting.until_filing("waiting", "registered")
            await meeting.kill("edge")
            registry_behaves(machine, "ok")
            await meeting.file()
            await meeting.fetch()
        all_is_well(machine, meeting.package)


async def test_a_silent_timestamp_authority_delays_the_seal_and_the_page_says_so(tmp_path):
    with installations.one_machine() as machine:
        meeting = Meeting(machine, tmp_path / "p.asice")
        async with meeting.people():
            await decided_and_drafted(meeting)
            await asyncio.gather(*(meeting[login].get_certificate() for login in SIGNERS))
            authority_behaves(machine, "tsa", "down")
            for login in SIGNERS:
                await meeting[login].sign(meeting.protocol)
            async with asyncio.timeout(40):
                while (await meeting.status())["waits_for"] != "timestamp":
                    await asyncio.sleep(0.05)
            page = await meeting["chair"].get(f"/protocols/{meeting.protocol}")
            assert "Скрепление ждёт службу меток времени" in page.decode()
            await meeting.kill("worker")
            authority_behaves(machine, "tsa", "ok")
            await meeting.file()
            await meeting.fetch()
        all_is_well(machine, meeting.package)


SEALING = (
    "sealing.stamped",
    "sealing.evidence_collected",
    "sealing.organisation_signed",
    "sealing.package_named",
    "sealing.package_written",
)
POINTS = (*SEALING, "tasks.before_effect", "registering.registered", "tasks.after_effect")
"""Every step of the seal, before an effect, after the registry's yes, before the row's end."""


@pytest.mark.needs_postgres
@pytest.mark.needs_redis
async def test_a_worker_that_dies_at_every_named_point_seals_and_files_exactly_once(
    tmp_path, postgres_url, redis_url
):
    """One worker after the other dies at its point; the last one has none and ends the work."""
    with production(postgres_url, redis_url, CONSILIUM_LEASE_SECONDS="1") as house:
        meeting = Meeting(house, tmp_path / "p.asice")
        assert house.start is not None
        house.parts["worker"].terminate()
        house.parts["worker"].wait(10)
        async with meeting.people():
            await decided_and_drafted(meeting)
            await asyncio.gather(*(meeting[login].get_certificate() for login in SIGNERS))
            for login in SIGNERS:
                await meeting[login].sign(meeting.protocol)
            died = []
            for point in POINTS:
                house.start("worker", CONSILIUM_FAILPOINTS=point)
                if await asyncio.to_thread(dies, house.parts["worker"], 25.0):
                    died.append(point)
            house.start("worker")
            await meeting.file()
            await meeting.fetch()
        all_is_well(house, meeting.package)
        assert {*SEALING, "registering.registered"} <= set(died), died
        assert len(list((house.settings.data_dir / "packages").glob("*.asice"))) == 1


async def decided_and_drafted(meeting: Meeting) -> None:
    await meeting.begin()
    await meeting.open_ballot()
    for login in ("chair", "deputy", "member1", "member2"):
        await meeting[login].room("vote.cast", choice="for", **meeting.vote)
    await meeting.close_ballot()
    await meeting.draft()


def dies(process: subprocess.Popen[bytes], seconds: float) -> bool:
    """Whether the process died at its point within that time; otherwise it is killed here."""
    try:
        return process.wait(seconds) == -signal.SIGKILL
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        return False
