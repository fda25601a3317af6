"""The throwaway services are what production has, on loopback only."""

import socket

import psycopg
import pytest
import redis
import sqlalchemy as sa

from tests import conftest, services


def test_the_throwaway_postgres_keeps_what_it_acknowledged(postgres_url):
    with psycopg.connect(postgres_url) as connection:
        shown = {
            name: connection.execute(f"SHOW {name}").fetchone()[0] for name in ("fsync", "synchronous_commit")
        }
    assert shown == {"fsync": "on", "synchronous_commit": "on"}


def test_each_test_gets_an_empty_database(database_url):
    engine = sa.create_engine(database_url)
    assert sa.inspect(engine).get_table_names() == []
    with engine.begin() as connection:
        connection.execute(sa.text("CREATE TABLE left_behind (id integer)"))
    engine.dispose()


def test_redis_answers(redis_url):
    with redis.Redis.from_url(redis_url) as client:
        assert client.ping()


def test_coturn_listens_on_loopback(coturn: services.Turn):
    with socket.create_connection((coturn.host, coturn.port), 2):
        pass


def test_a_test_may_not_leave_this_machine():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger, pytest.raises(PermissionError):
        stranger.sendto(b"x", ("192.0.2.1", 9))
    with pytest.raises(PermissionError):
        socket.getaddrinfo("stun.example", 3478)
    assert len(conftest._strangers) == 2
    conftest._strangers.clear()


def test_the_settings_fixture_keeps_to_the_tests_own_folder(settings, tmp_path):
    assert settings.data_dir == tmp_path / "var"
    assert settings.demo


def test_a_missing_part_skips_by_name_and_fails_where_ci_promised_it(monkeypatch):
    monkeypatch.setitem(conftest.PARTS, "needs_redis", (lambda: None, "apt install redis-server"))
    monkeypatch.delenv("CI", raising=False)
    with pytest.raises(pytest.skip.Exception, match="needs_redis: apt install redis-server"):
        conftest.require("needs_redis")
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match="needs_redis: apt install redis-server"):
        conftest.require("needs_redis")


def test_every_part_has_its_marker_described(pytestconfig):
    described = {line.partition(":")[0] for line in pytestconfig.getini("markers")}
    assert set(conftest.PARTS) <= described
