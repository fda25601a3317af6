"""The configuration written for coturn: what it says, who may read it, when it is refused."""

import stat
from dataclasses import replace
from pathlib import Path

import pytest

from consilium import certificate, clock
from consilium.coturn import configuration, urls_of_one_machine
from consilium.settings import Settings
from consilium.turn import Url, parse
from tests.consilium.test_cli import consilium
from tests.installations import one_machine
from tests.services import free_port, listening_ports, until

__all__ = ["consilium"]

UDP, TCP, TLS = "turn:t.example?transport=udp", "turn:t.example?transport=tcp", "turns:t.example:443"


@pytest.fixture
def installed(tmp_path: Path) -> Settings:
    """Settings with a certificate and all three rungs."""
    cert, key = certificate.make(["t.example"], tmp_path / "tls", clock.now())
    settings = Settings.from_environment({"CONSILIUM_DEMO": "1", "CONSILIUM_DATA_DIR": str(tmp_path / "var")})
    return replace(
        settings, tls_cert=cert, tls_key=key, turn_urls=(UDP, TCP, TLS), public_origin="https://c.example"
    )


def lines(settings: Settings, *, peers=("10.0.0.5",), **more) -> list[str]:
    return configuration(settings, "s3cret", peers=peers, **more).splitlines()


@pytest.mark.parametrize(
    "text,url",
    [
        ("turn:t.example", Url("t.example", 3478, "udp")),
        (TCP, Url("t.example", 3478, "tcp")),
        ("turns:t.example", Url("t.example", 5349, "tls")),
        (TLS, Url("t.example", 443, "tls")),
        ("turn:[2001:db8::1]:80?transport=udp", Url("[2001:db8::1]", 80, "udp")),
        ("turn:t.example:65536", None),
        ("turn:t.example?transport=sctp", None),
        ("turn:user@t.example", None),
        ("turn://t.example", None),
        ("https://t.example", None),
    ],
)
def test_addresses_are_read_as_browsers_read_them(text, url):
    assert parse(text) == url


def test_only_the_media_workers_are_allowed(installed):
    said = lines(installed, peers=["10.0.0.5", "2001:db8::5"])
    assert [line for line in said if line.startswith("denied")] == [
        "denied-peer-ip=0.0.0.0-255.255.255.255",
        "denied-peer-ip=::-ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
    ]
    allowed = [line for line in said if line.startswith("allowed")]
    assert allowed == ["allowed-peer-ip=10.0.0.5", "allowed-peer-ip=2001:db8::5"]
    assert "allow-loopback-peers" not in said
    assert {"no-tcp-relay", "no-multicast-peers", "no-cli", "use-auth-secret", "fingerprint"} <= set(said)


def test_it_listens_where_browsers_are_sent_and_speaks_nothing_else(installed):
    said = lines(installed)
    assert {"listening-port=3478", "tls-listening-port=443", "no-tlsv1", "no-tlsv1_1", "no-dtls"} <= set(said)
    assert not {"no-udp", "no-tcp", "no-tls"} & set(said)
    only_tls = lines(replace(installed, turn_urls=(TLS,)), listen=["192.0.2.7"], relay=["10.0.0.4"])
    assert {"no-udp", "no-tcp", "listening-ip=192.0.2.7", "relay-ip=10.0.0.4"} <= set(only_tls)
    assert "no-tls" in lines(replace(installed, turn_urls=(UDP,), tls_cert=None, tls_key=None))


@pytest.mark.parametrize(
    "changes,peers,why",
    [
        ({}, [], "no media worker"),
        ({}, ["10.0.0.0/8"], "10.0.0.0/8"),
        ({}, ["10.0.0.5\nallowed-peer-ip=0.0.0.0-255.255.255.255"], "does not appear to be"),
        ({"tls_cert": None}, ["10.0.0.5"], "CONSILIUM_TLS_CERT"),
        ({"turn_urls": (UDP, "turn:t.example:3479?transport=tcp")}, ["10.0.0.5"], "one port"),
    ],
)
def test_what_would_not_work_is_refused(installed, changes, peers, why):
    with pytest.raises(ValueError, match=why):
        lines(replace(installed, **changes), peers=peers)


def test_one_machine_offers_tls_when_it_has_a_certificate(installed):
    assert urls_of_one_machine(installed)[2] == "turns:c.example:5349?transport=tcp"
    assert len(urls_of_one_machine(replace(installed, tls_cert=None, tls_key=None))) == 2


def test_the_command_writes_secret_and_configuration_for_their_owner_alone(consilium, tmp_path):
    secret = tmp_path / "turn.secret"
    env = {"CONSILIUM_TURN_URLS": UDP, "CONSILIUM_TURN_SECRET_FILE": str(secret)}
    done = consilium("turn", "config", "--peer", "10.0.0.5", **env)
    assert done.returncode == 0, done.stderr
    written = tmp_path / "var" / "turn" / "turnserver.conf"
    assert done.stdout == f"turnserver -c {written}\n"
    assert f"static-auth-secret={secret.read_text().strip()}" in written.read_text()
    assert {stat.S_IMODE(path.stat().st_mode) for path in (secret, written)} == {0o600}
    before = secret.read_text()
    assert consilium("turn", "config", "--peer", "10.0.0.6", **env).returncode == 0
    assert secret.read_text() == before, "signaling has read it already"


@pytest.mark.needs_coturn
@pytest.mark.timeout(150)
def test_one_command_starts_coturn_beside_the_rest(tmp_path):
    """`serve --turn`: the secret is there before signaling reads it, and coturn listens where browsers are sent."""
    port = free_port()
    urls = f"turn:127.0.0.1:{port}?transport=udp,turn:127.0.0.1:{port}?transport=tcp"
    secret = tmp_path / "turn.secret"
    more = {"CONSILIUM_TURN_URLS": urls, "CONSILIUM_TURN_SECRET_FILE": str(secret)}
    with one_machine(tmp_path, "--turn", **more) as machine:
        pid = machine.pid("turn")
        until(lambda: port in listening_ports(pid), "coturn listens")
        assert f"static-auth-secret={secret.read_text().strip()}" in _configuration(tmp_path)
    assert not Path(f"/proc/{pid}").exists(), "it ends with the rest"


def _configuration(folder: Path) -> str:
    return (folder / "var" / "turn" / "turnserver.conf").read_text()


def test_the_command_says_what_is_missing(consilium, tmp_path):
    without = consilium("turn", "config", "--peer", "10.0.0.5")
    assert (without.returncode, "CONSILIUM_TURN_URLS" in without.stderr) == (2, True)
    env = {"CONSILIUM_TURN_URLS": UDP, "CONSILIUM_TURN_SECRET_FILE": str(tmp_path / "s")}
    nobody = consilium("turn", "config", **env)
    assert (nobody.returncode, "media worker" in nobody.stderr) == (2, True)
