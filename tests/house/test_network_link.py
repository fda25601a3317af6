"""The tests' own bad network does what it is asked, no more and no less."""

import socket
import subprocess
import sys

from bench.network import NO_UDP, ONLY_TLS, Conditions
from tests import networks
from tests.networks import echoes

GREET = (
    "import socket, sys; socket.create_connection((sys.argv[1], int(sys.argv[2])), 1).close(); print('open')"
)


def test_a_good_link_loses_and_delays_nothing():
    with networks.link() as link:
        got = echoes(link, 300)
        assert got.numbers == list(range(300))
        assert min(got.seconds) < 0.02
        assert link.counts().strangers == {}


def test_loss_is_the_share_that_was_asked_for():
    with networks.link() as link:
        link.set(to_far=Conditions(loss=0.2))
        got = echoes(link, 1000, 0.0005)
        assert 720 < len(got.numbers) < 880  # six standard deviations
        assert link.counts().lost == 1000 - len(got.numbers)


def test_delay_and_jitter_keep_the_order():
    with networks.link() as link:
        link.set(to_far=Conditions(delay_ms=40, jitter_ms=10))
        got = echoes(link, 300, 0.002)
        assert got.numbers == list(range(300))
        assert 0.030 <= min(got.seconds) < 0.040, "a busy machine may add to it, never take away"


def test_some_packets_overtake_and_some_come_twice():
    with networks.link() as link:
        link.set(to_far=Conditions(delay_ms=20, reorder=0.1, duplicate=0.1))
        got = echoes(link, 400)
        overtakers = sum(
            later < earlier for earlier, later in zip(got.numbers, got.numbers[1:], strict=False)
        )
        assert 10 < overtakers < 100
        assert sorted(set(got.numbers)) == list(range(400))
        assert len(got.numbers) - 400 == link.counts().duplicated > 10


def test_a_slow_link_queues_and_then_drops():
    """400 kbit/s and 100 ms of queue: 100-byte packets every 0.5 ms are four times too many."""
    with networks.link() as link:
        link.set(to_far=Conditions(rate_kbps=400, queue_ms=100))
        got = echoes(link, 1000, 0.0001)
        assert link.counts().dropped == 1000 - len(got.numbers) > 300
        assert max(got.seconds) > 0.09


def test_a_firewall_refuses_in_silence():
    with networks.link() as link:
        link.restrict(NO_UDP)
        assert echoes(link, 20).numbers == []
        assert link.counts().refused == 20
        with link.inside("far"):
            open_ports = [socket.create_server((link.far_address, port)) for port in (443, 8443)]
        link.restrict(ONLY_TLS)
        assert [greet(link, port) for port in (443, 8443)] == [True, False]
        link.restrict(None)
        assert greet(link, 8443)
        for one in open_ports:
            one.close()


def greet(link: networks.Link, port: int) -> bool:
    words = [sys.executable, "-Ic", GREET, link.far_address, str(port)]
    done = subprocess.run(link.command("near", words), capture_output=True, text=True, check=False)
    return done.stdout == "open\n"


def test_a_nat_that_forgets_gives_another_port_and_lets_the_checksum_hold():
    with networks.link() as link:
        link.rebind()
        assert len(echoes(link, 50).numbers) == 50, "the far kernel checks every checksum"


QUERY = bytes.fromhex("000101000001000000000000") + b"\x04stun\x07example\x00\x00\x01\x00\x01"
STRAY = """
import socket, sys
for port, data in ((9, b"x"), (53, bytes.fromhex(sys.argv[1]))): socket.socket(2, 2).sendto(data, ("192.0.2.1", port))
"""


def test_who_speaks_to_somebody_else_is_counted_and_not_carried():
    with networks.link() as link:
        subprocess.run(link.command("near", [sys.executable, "-Ic", STRAY, QUERY.hex()]), check=True)
        counts = link.counts()
        assert counts.strangers == {"192.0.2.1": 1, "192.0.2.1 stun.example": 1}
        assert counts.passed == 0
