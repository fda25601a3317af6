"""A whole consilium by synthetic participants, on one machine and in the production shape.

The same eleven steps as `consilium demo`, the protocol and its request's referral filed; here against SQLite in one process, and against the Procfile's own
lines with PostgreSQL, Redis, two signaling servers and two media workers.
"""

from __future__ import annotations

import pytest

from signaling.bots.demo import Demonstration
from tests import installations
from tests.journeys.judging import all_is_well, production

pytestmark = [pytest.mark.timeout(240), pytest.mark.needs_openssl]


async def test_a_whole_consilium_on_one_machine(tmp_path):
    with installations.one_machine() as machine:
        package = tmp_path / "package.asice"
        await Demonstration(machine.url, package, print).play()
        all_is_well(machine, package, papers=2)


@pytest.mark.needs_postgres
@pytest.mark.needs_redis
async def test_a_whole_consilium_in_the_production_shape(tmp_path, postgres_url, redis_url):
    with production(postgres_url, redis_url, signaling=2, media=2) as house:
        package = tmp_path / "package.asice"
        await Demonstration(house.url, package, print, house.signaling_urls).play()
        all_is_well(house, package, papers=2)
