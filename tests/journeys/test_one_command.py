"""`consilium serve --demo`: comes up, says where and who, brings back what dies, and ends cleanly."""

import os
import signal
import time

import pytest

from tests import installations
from tests.installations import processes
from tests.services import fresh_database, until

pytestmark = pytest.mark.timeout(180)


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """One folder for all: every start but the first finds the demonstration data of the one before."""
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="class")
def lasting(home):
    """One machine for several tests."""
    with installations.one_machine(home) as installation:
        yield installation


@pytest.fixture
def machine(home):
    """A machine of the test's own."""
    with installations.one_machine(home) as installation:
        yield installation


class TestARunningMachine:
    def test_it_says_where_it_is_and_who_may_sign_in(self, lasting):
        said = lasting.log.read_text(encoding="utf-8")
        assert lasting.settings.public_origin in said
        assert len([line for line in said.splitlines() if " demonstration " in line]) >= 10

    def test_it_listens_on_loopback_alone(self, lasting):
        """Demonstration passwords are public, so nobody else's machine may reach any of the ports."""
        loopback = {"0100007F", "00000000000000000000000001000000"}
        found = installations.listening(lasting.settings)
        assert found
        assert found - loopback == set()

    @pytest.mark.parametrize("part", ["edge", "media-1", "worker", "registry", "authority"])
    def test_a_part_that_is_killed_comes_back(self, lasting, part):
        before = lasting.pid(part)
        lasting.kill(part)
        until(lambda: processes(lasting.settings).get(part) not in (None, before), f"{part} again", 20)
        lasting.until_healthy()


def test_ctrl_c_ends_every_process_within_five_seconds(machine):
    began = time.monotonic()
    machine.main.send_signal(signal.SIGINT)
    assert machine.main.wait(10) == 0
    assert time.monotonic() - began < 5
    assert processes(machine.settings) == {}


def test_kill_9_of_the_supervisor_leaves_nothing_behind(machine):
    machine.main.kill()
    machine.main.wait()
    until(lambda: processes(machine.settings) == {}, "all ended", 5)


def test_a_later_start_is_quick_and_finds_what_was_there(home):
    """Eight seconds are for a machine that does nothing else; on a busy one its processor time says the same."""
    secret = (home / "var" / "secret").read_text(encoding="ascii")
    began, before = time.monotonic(), os.times()
    with installations.one_machine(home) as machine:
        took = time.monotonic() - began
        assert machine.settings.secret_key == secret
    after = os.times()
    spent = after.children_user + after.children_system - before.children_user - before.children_system
    assert min(took, spent) < 8


@pytest.mark.needs_postgres
@pytest.mark.needs_redis
def test_the_lines_of_the_procfile_start_the_shape_of_production(postgres_url, redis_url):
    with (
        fresh_database(postgres_url) as database,
        installations.production(database, redis_url, media=2) as running,
    ):
        assert set(running.parts) == {
            "web",
            "signaling-1",
            "media-1",
            "media-2",
            "worker",
            "registry",
            "authority",
        }
        assert [name for name, process in running.parts.items() if process.poll() is not None] == []
