"""`consilium doctor`: what is there, what is worse than it could be, what is bad, in one screen and one exit status."""

import json
import os
import socket
import subprocess
import sys
import threading
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from consilium import certificate, clock, doctor, metrics, relays, sealing
from consilium.settings import Settings
from tests.conftest import ROOT
from tests.people import authority_beside, inhabited
from tests.services import free_port, running, until


@pytest.fixture
def settings(tmp_path):
    return Settings.from_environment(
        {
            "CONSILIUM_DEMO": "1",
            "CONSILIUM_DATA_DIR": str(tmp_path / "var"),
            "CONSILIUM_PORT": str(free_port()),
            "CONSILIUM_MEDIA_WORKERS": "1",
        }
    )


def seen(settings: Settings) -> dict[str, doctor.Look]:
    return {look.name.partition(" ")[0]: look for look in doctor.looks(settings)}


def states(settings: Settings) -> dict[str, str]:
    return {name: look.state for name, look in seen(settings).items()}


@contextmanager
def worker(settings: Settings, *arguments: str):
    """A real media worker at the first control address."""
    control = settings.media_controls[0]
    Path(control.removeprefix("unix:")).parent.mkdir(parents=True, exist_ok=True)
    command = [
        sys.executable,
        "-m",
        "media",
        "--name",
        "media-1",
        "--control",
        control,
        "--address",
        "127.0.0.1",
    ]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with running([*command, *arguments], settings.data_dir, env=environment):
        until(lambda: answers(control), "the worker answers", 20)
        yield


def answers(control: str) -> bool:
    try:
        return bool(relays.introduction(control, None))
    except relays.NoAnswer:
        return False


def test_before_the_start_nothing_is_bad(settings):
    found = states(settings)
    assert {name for name, state in found.items() if state == "bad"} == set()
    assert (found["data"], found["database"], found["edge"], found["media"]) == (
        "ok",
        "ok",
        "warning",
        "warning",
    )
    lines, status = doctor.examine(settings)
    assert status == 0
    assert len(lines) == len(list(doctor.looks(settings)))


def test_it_says_which_forwarder_a_worker_runs_and_why(settings):
    with worker(settings, "--forwarder", "python"):
        look = seen(settings)["media"]
    assert look.state == "warning"
    assert "Python" in look.ru and "media-1" in look.ru and "0/" in look.en


@pytest.mark.parametrize(
    "hello, state, words",
    [
        ({"forwarder": "compiled", "realtime": True}, "ok", "realtime priority"),
        ({"forwarder": "compiled", "realtime": False}, "warning", "LimitRTPRIO"),
        ({"forwarder": "python", "realtime": False}, "warning", "Python"),
    ],
)
def test_a_worker_slower_than_it_could_be_is_a_warning_with_what_to_do(hello, state, words):
    found = doctor._forwarding(hello)
    assert found[0] == state
    assert words in found[2]


def test_a_worker_behind_a_key_is_asked_with_it_and_a_wrong_one_is_named(settings, tmp_path):
    (tmp_path / "key").write_text("right\n")
    (tmp_path / "wrong").write_text("wrong")
    address = f"tcp:127.0.0.1:{free_port()}"
    over_tcp = replace(settings, media_controls=(address,), media_key_file=tmp_path / "key")
    command = [sys.executable, "-m", "media", "--control", address, "--address", "127.0.0.1"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with running([*command, "--key-file", str(tmp_path / "key")], tmp_path, env=environment):
        until(lambda: "forwards" in seen(over_tcp)["media"].en, "the worker answers", 20)
        assert "unauthorised" in seen(replace(over_tcp, media_key_file=tmp_path / "wrong"))["media"].en


def test_what_is_bad_makes_the_exit_status_and_the_first_word_of_its_line(settings):
    lines, status = doctor.examine(replace(settings, redis_url="redis://127.0.0.1:1/0"), "en")
    assert status == 1
    assert [line.split()[1] for line in lines if line.startswith("BAD")] == ["redis:"]


@pytest.mark.parametrize("left, state", [(100, "ok"), (10, "warning"), (-1, "bad")])
def test_a_certificate_near_its_end_is_a_warning_and_an_expired_one_bad(settings, tmp_path, left, state):
    made_at = clock.now() - timedelta(days=certificate.VALID_DAYS - left, hours=-1)
    cert, key = certificate.make(["127.0.0.1"], tmp_path, made_at)
    assert states(replace(settings, tls_cert=cert, tls_key=key))["tls"] == state


def test_the_official_files_are_named_and_half_of_them_is_bad(settings, tmp_path):
    assert states(settings)["official"] == "warning"
    rows = [{"ID": "1", "NAME": "Тяжёлое"}]
    content = {"oid": "1.2.643.5.1.13.13.11.1006", "version": "2.4", "fullName": "Тяжесть", "rows": rows}
    (tmp_path / "semd" / "nsi").mkdir(parents=True)
    (tmp_path / "semd" / "nsi" / "11.1006.json").write_text(json.dumps(content))
    half = replace(settings, semd_dir=tmp_path / "semd")
    assert states(half)["official"] == "bad"
    (tmp_path / "semd" / "guides").mkdir()
    rules = '<schema xmlns="http://purl.oclc.org/dsdl/schematron"/>'
    (tmp_path / "semd" / "guides" / "190.sch").write_text(rules)
    look = seen(half)["official"]
    assert look.state == "ok"
    assert look.en.endswith("kinds 190; НСИ: 11.1006 2.4")
    (tmp_path / "semd" / "guides" / "99.sch").write_text("no rules")
    assert states(half)["official"] == "bad"


@pytest.mark.needs_coturn
def test_a_turn_server_that_answers_is_told_from_one_that_does_not(settings, coturn):
    for transport in ("udp", "tcp"):
        with_turn = replace(settings, turn_urls=(f"turn:127.0.0.1:{coturn.port}?transport={transport}",))
        assert states(with_turn)["turn"] == "ok"
        nobody = replace(settings, turn_urls=(f"turn:127.0.0.1:{free_port()}?transport={transport}",))
        assert states(nobody)["turn"] == "bad"


def test_something_else_on_the_turn_port_is_not_taken_for_one(settings):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as line:
        line.bind(("127.0.0.1", 0))
        line.settimeout(5)

        def echo() -> None:
            _, asker = line.recvfrom(100)
            line.sendto(b"\x00" * 20, asker)

        thread = threading.Thread(target=echo)
        thread.start()
        found = doctor._turn(f"turn:127.0.0.1:{line.getsockname()[1]}?transport=udp")
        thread.join()
    assert (found.state, "something else" in found.en) == ("bad", True)


def test_a_worker_that_talks_nonsense_is_no_worker(tmp_path):
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(tmp_path / "m.sock"))
        listening.listen()

        def talk() -> None:
            line, _ = listening.accept()
            with line:
                line.recv(100)
                line.sendall(json.dumps(["hello"]).encode() + b"\n")

        thread = threading.Thread(target=talk)
        thread.start()
        with pytest.raises(relays.NoAnswer):
            relays.introduction(f"unix:{tmp_path}/m.sock", None)
        thread.join()


def test_the_command_prints_the_screen_in_the_language_asked_for(settings):
    environment = {**os.environ, **settings.to_environment(), "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "consilium.cli", "doctor", "--lang", "en"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    assert done.stdout.count("WARNING") >= 2
    assert "data: " in done.stdout


def test_a_token_is_really_asked_for_and_verified(settings):
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    silent = replace(settings, timestamp_urls=(f"http://127.0.0.1:{free_port()}/tsa",))
    assert states(silent)["timestamps"] == "warning"  # the simulator is started with the rest
    with authority_beside(settings) as (asking, desk):
        look = seen(asking)["timestamps"]
        assert (look.state, "проверена" in look.ru) == ("ok", True)
        desk.behave("tsa", "foreign")
        assert states(asking)["timestamps"] == "bad"
    assert states(replace(settings, timestamp_urls=()))["timestamps"] == "bad"


def test_seals_that_wait_are_counted_and_an_hour_is_bad(settings):
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    with inhabited(settings) as world:
        assert states(settings)["seals"] == "ok"
        protocol = world.signed("deputy", "secretary")
        world.desk.behave("tsa", "down")
        assert sealing.seal_protocol(world.parts, {"protocol": str(protocol.id)}) is not None
        look = seen(settings)["seals"]
        assert (look.state, "1" in look.ru) == ("warning", True)
        figures = {one.name: one.samples for one in metrics.stored(world.parts.store, clock.now())}
        assert figures["consilium_seals_waiting"][("for", "timestamp"),] == 1
        assert figures["consilium_seals_waiting"][("for", "check"),] == 0
        late = clock.now() + timedelta(hours=2)
        ages = {one.name: one.samples for one in metrics.stored(world.parts.store, late)}
        assert 7000 < ages["consilium_seal_wait_seconds"][("for", "timestamp"),] < 8000
