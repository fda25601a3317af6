"""A meeting that is recorded: everybody asked, the worker killed in the middle, the files what was said."""

from __future__ import annotations

import asyncio
import hashlib
import re
from collections import Counter
from pathlib import Path
from typing import Any

import av
import pytest

from signaling.bots.crowd import Crowd
from signaling.bots.media import tone_of
from signaling.bots.person import Bot
from tests.installations import Installation, one_machine

pytestmark = [pytest.mark.timeout(180)]

GROUND = "согласие подписано"
LINK = re.compile(r'href="(/recordings/[^"]+)"')


async def state(bot: Bot, *wanted: str) -> dict[str, Any]:
    found = await bot.until(
        lambda s: s["recording"] if s.get("recording") and s["recording"]["status"] in wanted else None,
        f"a recording that is {wanted}",
    )
    return dict(found)


async def recorded(bot: Bot, count: int, within: float = 30) -> list[bytes]:
    """The files on the consilium's page, once there are so many."""
    async with asyncio.timeout(within):
        while True:
            page = (await bot.get(f"/consilia/{bot.consilium}")).decode()
            if len(links := LINK.findall(page)) >= count:
                return [await bot.get(link) for link in links]
            await asyncio.sleep(0.2)


async def until_written(installation: Installation, size: int, within: float = 30) -> None:
    async with asyncio.timeout(within):
        while sum(_size(part) for part in parts(installation)) < size:
            await asyncio.sleep(0.1)


def parts(installation: Installation) -> list[Path]:
    return list(installation.settings.recordings_dir.rglob("*.part"))


def _size(path: Path) -> int:
    """A file may get its last name while it is looked at."""
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def tones(path: Path) -> Counter[int]:
    """Whose tones a file holds, by tenths of seconds or so."""
    found: Counter[int] = Counter()
    plain = av.AudioResampler(format="s16", layout="stereo", rate=48000)
    with av.open(str(path)) as file:
        for frame in file.decode(audio=0):
            for one in plain.resample(frame):
                found[tone_of(one)] += 1  # type: ignore[index]  # None for silence
    del found[None]  # type: ignore[arg-type]
    return found


async def test_everybody_is_asked_and_each_file_holds_the_voice_under_its_name(tmp_path: Path) -> None:
    with one_machine(tmp_path, CONSILIUM_MEDIA_WORKERS="1") as installation:
        crowd = Crowd(installation.url, rooms=1, people=3)
        async with crowd.there():
            await crowd.speak()
            await crowd.hear()
            chair, deputy, secretary = crowd.rooms[0]

            await chair.room("recording.ask", ground=GROUND)
            asked = await state(deputy, "asked")
            assert len(asked["awaited"]) == 2
            assert parts(installation) == []
            await deputy.room("recording.answer", agrees=True)
            await secretary.room("recording.answer", agrees=True)
            for bot in (chair, deputy, secretary):
                await state(bot, "running")
            await until_written(installation, 30_000)

            # Consent taken back: nobody is recorded while he is there.
            await deputy.room("recording.answer", agrees=False)
            await state(chair, "paused")
            files = await recorded(chair, 3)
            await deputy.room("recording.answer", agrees=True)
            await state(chair, "running")

            # The worker dies in the middle: what it had written is finished and counted by the next one.
            await until_written(installation, 30_000)
            installation.kill("media-1")
            files = await recorded(chair, 6)
            await until_written(installation, 30_000)
            await chair.room("recording.stop")
            stopped = await state(deputy, "stopped")
            assert {gap["reason"] for gap in stopped["gaps"]} == {"consent", "worker"}
            assert all(gap["ended_at"] for gap in stopped["gaps"])
            files = await recorded(chair, 9)
            for number, content in enumerate(files):
                (tmp_path / f"{number}.webm").write_bytes(content)

        voices = [tones(tmp_path / f"{number}.webm") for number in range(len(files))]
        # The first frame of a file is decoded out of nothing and may sound like anything.
        owners = [one.most_common(1)[0][0] for one in voices]
        assert all(sum(one.values()) - one[owner] <= 2 for one, owner in zip(voices, owners, strict=True)), (
            voices
        )
        assert Counter(owners) == Counter({0: 3, 1: 3, 2: 3})
        page = {hashlib.sha256(content).hexdigest() for content in files}
        assert len(page) == len(files)
