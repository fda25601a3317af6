"""A whole consilium in real browsers, three Chromium and one Firefox, from the request to the registered number."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable

import pytest

from tests.journeys import after_the_room, before_the_room, in_the_room
from tests.journeys.table import Table, laid_table

pytestmark = [
    pytest.mark.needs_chromium,
    pytest.mark.needs_firefox,
    pytest.mark.needs_openssl,
    pytest.mark.timeout(400),
]

STEPS: tuple[Callable[[Table], Awaitable[None]], ...] = (
    before_the_room.sign_in,
    before_the_room.ask,
    before_the_room.schedule,
    before_the_room.check_devices,
    before_the_room.wait_in_the_lobby,
    in_the_room.see_each_other,
    in_the_room.follow_the_presenter,
    in_the_room.show_the_slice,
    in_the_room.switch_the_case,
    in_the_room.talk,
    in_the_room.vote,
    in_the_room.come_back_in_the_middle_of_the_vote,
    in_the_room.lose_the_chair,
    in_the_room.close_the_vote,
    in_the_room.write_together,
    after_the_room.leave,
    after_the_room.sign,
    after_the_room.register,
    after_the_room.verify,
)


async def test_four_browsers_hold_a_consilium_from_request_to_number(chromium_path, tmp_path):
    async with laid_table(chromium_path, tmp_path) as table:
        for step in STEPS:
            started = time.monotonic()
            await step(table)
            print(f"  {step.__name__}: {time.monotonic() - started:.1f} s")
        assert not table.errors
