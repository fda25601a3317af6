"""The supervisor with real child processes: started, brought back, ended; refusals in one sentence."""

import os
import signal
import socket
import ssl
import subprocess
import sys
import textwrap
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

from consilium import certificate, supervise
from consilium.settings import Settings
from tests.services import free_port, until

# A child that ignores SIGTERM, has a grandchild, and writes both process ids where the test looks.
STUBBORN = """
import os, pathlib, signal, subprocess, sys
signal.signal(signal.SIGTERM, signal.SIG_IGN)
inner = subprocess.Popen([sys.executable, "-c", "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); signal.pause()"])
file = pathlib.Path({path!r})
file.with_suffix(".part").write_text(f"{{os.getpid()}} {{inner.pid}}")
file.with_suffix(".part").rename(file)
while True: signal.pause()
"""
# A supervisor in a process of its own, as `consilium serve` is.
OUTER = """
import sys
from consilium.settings import Settings
from consilium.supervise import Part, Supervisor
settings = Settings.from_environment()
with Supervisor(settings) as supervisor:
    supervisor.start([Part("stubborn", ("-c", sys.argv[1]))])
    supervisor.forever()
"""


@pytest.fixture
def env(tmp_path):
    return {
        "CONSILIUM_DEMO": "1",
        "CONSILIUM_DATA_DIR": str(tmp_path / "var"),
        "CONSILIUM_PORT": str(free_port()),
    }


@pytest.fixture
def settings(env):
    return Settings.from_environment(env)


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.fixture
def outer(env, tmp_path):
    """A running supervisor with a stubborn child: (its process, ids of child and grandchild)."""
    file = tmp_path / "pids"
    child = STUBBORN.format(path=str(file))
    process = subprocess.Popen([sys.executable, "-c", OUTER, child], env={**os.environ, **env})
    try:
        until(file.exists, "the child started")
        yield process, [int(pid) for pid in file.read_text().split()]
    finally:
        process.kill()
        process.wait()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_every_child_and_grandchild_within_five_seconds(outer, number):
    process, pids = outer
    began = time.monotonic()
    process.send_signal(number)
    process.wait(10)
    assert time.monotonic() - began < 5
    assert [pid for pid in pids if alive(pid)] == []


def test_kill_9_of_the_supervisor_ends_its_child(outer):
    process, (child, grandchild) = outer
    process.kill()
    process.wait()
    try:
        until(lambda: not alive(child), "the child ended", 5)
    finally:
        os.kill(grandchild, signal.SIGKILL)


def test_a_child_that_died_is_started_again(settings, tmp_path):
    marks = tmp_path / "marks"
    code = f"open({str(marks)!r}, 'a').write('x'); import time, os; os.kill(os.getpid(), 9)"
    with supervise.Supervisor(settings) as supervisor:
        supervisor.start([supervise.Part("fragile", ("-c", code))])
        end = time.monotonic() + 10
        while time.monotonic() < end and len(marks.read_text() if marks.exists() else "") < 3:
            assert supervisor.wait(0.05) is False
    assert marks.read_text().startswith("xxx")


def test_a_child_that_never_comes_up_is_named_with_its_last_words(settings):
    code = "import sys; sys.exit('the dictionary is missing')"
    with supervise.Supervisor(settings) as supervisor:
        supervisor.start([supervise.Part("edge", ("-c", code))])
        with pytest.raises(supervise.CannotStart, match=r"(?s)edge.*the dictionary is missing"):
            supervisor.until_healthy(f"http://127.0.0.1:{settings.port}/health")


def test_health_is_waited_for(settings):
    code = textwrap.dedent(
        f"""
        from http.server import BaseHTTPRequestHandler, HTTPServer
        class Healthy(BaseHTTPRequestHandler):
            def do_GET(self):
                self.send_response(200 if self.path == "/health" else 404)
                self.end_headers()
        HTTPServer(("127.0.0.1", {settings.port}), Healthy).serve_forever()
        """
    )
    with supervise.Supervisor(settings) as supervisor:
        supervisor.start([supervise.Part("edge", ("-c", code))])
        assert supervisor.until_healthy(supervise.local_url(settings, "/health"))
        assert not supervise.answers(supervise.local_url(settings, "/elsewhere"))


def test_a_child_reads_the_settings_of_the_supervisor(settings, tmp_path):
    file = tmp_path / "read"
    code = f"from consilium.settings import Settings; open({str(file)!r}, 'w').write(Settings.from_environment().secret_key)"
    with supervise.Supervisor(settings) as supervisor:
        assert supervisor.run(supervise.Part("reader", ("-c", code))) == 0
    assert file.read_text() == settings.secret_key


def test_the_exit_status_of_a_step_is_passed_on(settings):
    with supervise.Supervisor(settings) as supervisor:
        assert supervisor.run(supervise.Part("step", ("-c", "raise SystemExit(7)"))) == 7


def test_signals_work_again_after_the_supervisor_closed(settings):
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [])
    with supervise.Supervisor(settings):
        assert signal.SIGINT in signal.pthread_sigmask(signal.SIG_BLOCK, [])
    assert signal.pthread_sigmask(signal.SIG_BLOCK, []) == before


def test_a_busy_port_is_one_sentence(settings):
    refused = pytest.raises(supervise.CannotStart, match=rf"{settings.port} занят.*--port.*busy")
    with socket.create_server(("127.0.0.1", settings.port)), refused:
        supervise.check(settings)
    supervise._check_port("127.0.0.1", settings.port, "--port")


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "board.example"])
def test_a_network_address_without_tls_is_refused_and_offers_a_certificate(env, host):
    with pytest.raises(supervise.CannotStart, match="consilium certificate make"):
        supervise.check(Settings.from_environment({**env, "CONSILIUM_HOST": host}))


def test_an_address_of_another_machine_is_refused(settings):
    with pytest.raises(supervise.CannotStart, match="--host"):
        supervise._check_port("192.0.2.1", settings.port, "--port")


def test_behind_a_proxy_that_speaks_tls_a_network_address_is_taken(env):
    env = {**env, "CONSILIUM_HOST": "0.0.0.0", "CONSILIUM_PUBLIC_ORIGIN": "https://board.example"}
    supervise.check_network(Settings.from_environment(env))


@pytest.mark.parametrize("content", [None, "not a certificate"])
def test_a_bad_tls_file_is_one_sentence(env, tmp_path, content):
    cert, key = tmp_path / "a.crt", tmp_path / "a.key"
    if content:
        cert.write_text(content)
        key.write_text(content)
    env = {**env, "CONSILIUM_TLS_CERT": str(cert), "CONSILIUM_TLS_KEY": str(key)}
    with pytest.raises(supervise.CannotStart, match=r"a\.crt.*a\.key.*certificate"):
        supervise.check(Settings.from_environment(env))


def test_the_demonstration_certificate_serves_its_names(env, tmp_path):
    cert, key = certificate.make(["board.example", "127.0.0.1", "::1"], tmp_path, datetime.now(UTC))
    settings = Settings.from_environment(
        {**env, "CONSILIUM_HOST": "127.0.0.1", "CONSILIUM_TLS_CERT": str(cert), "CONSILIUM_TLS_KEY": str(key)}
    )
    supervise.check_certificate(settings)
    assert key.stat().st_mode & 0o077 == 0
    decoded = ssl._ssl._test_decode_cert(str(cert))
    assert ("DNS", "board.example") in decoded["subjectAltName"]
    assert ("IP Address", "127.0.0.1") in decoded["subjectAltName"]


def test_a_full_disk_is_one_sentence(settings, monkeypatch):
    monkeypatch.setattr(supervise, "FREE_BYTES", 2**62)
    with pytest.raises(supervise.CannotStart, match="disk is full"):
        supervise.check(settings)


def test_a_data_folder_that_is_a_file_is_one_sentence(settings, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(supervise.CannotStart, match="CONSILIUM_DATA_DIR"):
        supervise.check_disk(tmp_path / "file")


def test_one_data_folder_has_one_supervisor(settings):
    settings.data_dir.mkdir(exist_ok=True)
    refused = pytest.raises(supervise.CannotStart, match="already runs")
    with supervise.only_one(settings.data_dir), refused, supervise.only_one(settings.data_dir):
        pass
    with supervise.only_one(settings.data_dir):
        pass


def test_one_media_process_per_local_control_address(env):
    controls = "unix:/run/a.sock,tcp:media.example:7000,unix:/run/b.sock"
    env = {**env, "CONSILIUM_MEDIA_CONTROLS": controls, "CONSILIUM_MEDIA_KEY_FILE": "key"}
    parts = supervise.parts_of_one_machine(Settings.from_environment(env))
    assert [part.name for part in parts] == ["media-1", "media-2", "registry", "authority", "worker", "edge"]


def test_outside_demonstration_mode_there_is_no_simulator(env):
    env = {**env, "CONSILIUM_DEMO": "0", "CONSILIUM_SECRET_KEY": "s" * 32}
    assert "registry" not in [
        part.name for part in supervise.parts_of_one_machine(Settings.from_environment(env))
    ]


def test_the_command_line_stands_over_the_environment():
    env = supervise.overridden({"CONSILIUM_PORT": "1", "PATH": "/bin"}, port=2, host=None)
    assert env == {"CONSILIUM_PORT": "2", "PATH": "/bin"}
