"""`/metrics`: figures for whoever may ask, names for nobody."""

from __future__ import annotations

import re
from dataclasses import replace
from uuid import uuid4

import pytest

from consilium import metrics
from consilium.settings import Settings, SettingsError
from media.control_server import ControlServer
from media.engine import SocketPlan
from media.plane.choose import forwarder
from media.worker import Worker
from web.app import make_app
from web.edge import make_edge

TOKEN = "0123456789abcdef0123"
LINE = re.compile(r'^[a-z_]+(\{[a-z_]+="[^"]*"(,[a-z_]+="[^"]*")*\})? -?[0-9.e+-]+$')


def figures(body: str) -> dict[str, float]:
    """Name with labels -> value; every line is what Prometheus can read."""
    rows = {}
    for line in body.splitlines():
        if not line.startswith("#"):
            assert LINE.match(line), line
            name, _, value = line.rpartition(" ")
            rows[name] = float(value)
    return rows


@pytest.fixture
def asked(aiohttp_client, service, web_settings):
    async def ask(headers: dict[str, str] | None = None, **changes: object) -> tuple[int, str]:
        client = await aiohttp_client(make_app(service, replace(web_settings, **changes)))
        answer = await client.get("/metrics", headers=headers or {})
        return answer.status, await answer.text()

    return ask


async def test_this_machine_may_read_them(asked):
    status, body = await asked()
    assert status == 200
    rows = figures(body)
    assert rows["consilium_database_up"] == 1
    assert rows["consilium_journal_position"] > 0
    assert rows['consilium_outbox_rows{status="dead"}'] == 0


@pytest.mark.parametrize("header", metrics.FORWARDED)
async def test_who_comes_through_a_proxy_is_not_this_machine(asked, header):
    assert (await asked({header: "203.0.113.7"}))[0] == 404


async def test_behind_a_public_name_without_our_own_tls_there_may_be_a_proxy(asked):
    assert (await asked(public_origin="https://consilium.example"))[0] == 404


@pytest.mark.parametrize(
    "given, status",
    [({}, 404), ({"Authorization": "Bearer guess"}, 404), ({"Authorization": f"Bearer {TOKEN}"}, 200)],
)
async def test_with_a_token_the_token_alone_counts(asked, given, status):
    for origin in ("http://127.0.0.1", "https://consilium.example"):
        assert (await asked(given, metrics_token=TOKEN, public_origin=origin))[0] == status


@pytest.mark.parametrize("remote", ["192.0.2.1", "::ffff:192.0.2.1", None, "localhost.example"])
def test_another_machine_may_not(web_settings, remote):
    assert not metrics.allowed(web_settings, remote, {})


def test_a_short_token_is_refused_at_the_start(tmp_path):
    environment = {
        "CONSILIUM_DEMO": "1",
        "CONSILIUM_DATA_DIR": str(tmp_path),
        "CONSILIUM_METRICS_TOKEN": "short",
    }
    with pytest.raises(SettingsError) as caught:
        Settings.from_environment(environment)
    assert caught.value.code == "settings_metrics_token"


async def test_the_edge_tells_sockets_commands_and_every_worker(
    aiohttp_client, service, web_settings, tmp_path
):
    worker = Worker("media-1", SocketPlan(("127.0.0.1",)), 20, 1_000_000, forwarder("python"))
    control = ControlServer(worker, f"unix:{tmp_path}/m.sock", None)
    await control.start()
    settings = replace(web_settings, media_controls=(control.address, f"unix:{tmp_path}/nobody.sock"))
    edge = make_edge(service, settings)
    client = await aiohttp_client(edge)
    signaling = next(value for value in edge.values() if type(value).__name__ == "Signaling")
    await signaling.media_clients[control.address].connect()
    await worker.perform("room.open", {"room": "r", "epoch": 1})
    await worker.perform("subscribe.open", {"room": "r", "epoch": 1, "peer": "p", "audio": 1, "video": 0})
    await signaling.dispatch.handle(f"made up {uuid4()}", "nobody")
    rows = figures(await (await client.get("/metrics")).text())
    assert rows['consilium_media_up{worker="media-1",forwarder="python"}'] == 1
    assert rows[f'consilium_media_up{{worker="{settings.media_controls[1]}",forwarder=""}}'] == 0
    assert rows['consilium_media_people{worker="media-1"}'] == 1
    assert rows['consilium_media_capacity{worker="media-1"}'] == 20
    assert rows['consilium_media_packets_in_total{worker="media-1"}'] == 0
    assert rows['consilium_messages_total{name="unknown",outcome="not_signed_in"}'] == 1
    assert rows['consilium_sockets{kind="room"}'] == 0
    await worker.close("test is over")
    await control.close("test is over")


async def test_no_word_in_them_is_of_a_person(asked, service):
    _, body = await asked()
    with service.parts.store.read() as reader:
        people = [person for home in reader.organisations() for person in reader.people(home.id)]
    assert people
    for person in people:
        for word in (person.login, person.surname, str(person.id)):
            assert word not in body


def test_figures_of_one_name_from_several_sources_stand_together():
    one = metrics.Metric("a_total", "counter", "A.", {(("worker", 'x"y\\z'),): 1})
    two = metrics.Metric("a_total", "counter", "A.", {(("worker", "b"),): 2.5})
    assert metrics.text([one, metrics.single("b", "gauge", "B.", 1e12), two]) == (
        "# HELP a_total A.\n# TYPE a_total counter\n"
        'a_total{worker="x\\"y\\\\z"} 1\na_total{worker="b"} 2.5\n'
        "# HELP b B.\n# TYPE b gauge\nb 1000000000000\n"
    )
