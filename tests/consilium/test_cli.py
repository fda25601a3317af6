"""The operator's command line as a person uses it: by its own process, its words and its exit status."""

import os
import re
import shutil
import socket
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from consilium import upkeep
from consilium.cli import COMMANDS
from consilium.demo import ORGANISATIONS
from consilium.settings import Settings
from tests.services import free_port

SOME_ORGANISATION = next(iter(ORGANISATIONS.values())).id


@pytest.fixture
def consilium(tmp_path):
    """Run `consilium WORDS…` with an environment of its own; returns the finished process."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("CONSILIUM_")}
    own = {
        "CONSILIUM_DEMO": "1",
        "CONSILIUM_DATA_DIR": str(tmp_path / "var"),
        "CONSILIUM_PORT": str(free_port()),
    }

    def run(*words: str, stdin: str = "", **env: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "consilium.cli", *words]
        return subprocess.run(
            command, env={**clean, **own, **env}, input=stdin, capture_output=True, text=True, check=False
        )

    return run


@pytest.fixture(scope="module")
def loaded_once(tmp_path_factory):
    """A data folder with the demonstration data in it."""
    folder = tmp_path_factory.mktemp("loaded") / "var"
    settings = Settings.from_environment({"CONSILIUM_DEMO": "1", "CONSILIUM_DATA_DIR": str(folder)})
    assert upkeep.load_demonstration(settings) == 0
    return folder


@pytest.fixture
def loaded(loaded_once, tmp_path):
    """The data folder of `consilium`, filled."""
    return Path(shutil.copytree(loaded_once, tmp_path / "var"))


def test_the_help_lists_every_command(consilium):
    said = consilium("--help").stdout
    for words in COMMANDS:
        assert re.search(rf"^    {words.split()[0]}\b", said, re.MULTILINE), words


@pytest.mark.parametrize("words", COMMANDS)
def test_every_command_explains_itself(consilium, words):
    done = consilium(*words.split(), "--help")
    assert done.returncode == 0
    assert COMMANDS[words][1].split(" / ")[0].split()[0] in done.stdout


@pytest.mark.parametrize(
    "words,env,said",
    [
        (["serve"], {"CONSILIUM_DEMO": "0"}, "CONSILIUM_SECRET_KEY"),
        (["serve", "--host", "0.0.0.0"], {}, "consilium certificate make"),
        (["serve", "--tls-cert", "no.crt", "--tls-key", "no.key"], {}, "no.crt"),
        (["serve", "--tls-cert", "no.crt"], {}, "CONSILIUM_TLS_KEY"),
        (["serve", "--port", "70000"], {}, "65535"),
        pytest.param(["serve", "--turn"], {}, "CONSILIUM_MEDIA_ADDRESSES", marks=pytest.mark.needs_coturn),
        (["migrate"], {"CONSILIUM_DATABASE_URL": "postgresql://127.0.0.1:1/none"}, "CONSILIUM_DATABASE_URL"),
        (["migrate"], {"CONSILIUM_DATA_DIR": "/proc/none"}, "CONSILIUM_DATA_DIR"),
        (["certificate", "make", "a.example", "--folder", "/proc/none"], {}, "certificate was not made"),
    ],
)
def test_a_refusal_is_one_plain_line_and_status_2(consilium, words, env, said):
    done = consilium(*words, **env)
    assert done.returncode == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_busy_port_is_one_plain_line_and_status_2(consilium):
    with socket.create_server(("127.0.0.1", 0)) as busy:
        done = consilium("serve", "--demo", "--port", str(busy.getsockname()[1]))
    assert done.returncode == 2
    assert "занят" in done.stderr and "busy" in done.stderr
    assert done.stderr.count("\n") == 1


def test_migrate_makes_the_database_and_may_be_repeated(consilium, tmp_path):
    assert consilium("migrate").returncode == 0
    assert (tmp_path / "var" / "consilium.db").stat().st_size
    assert consilium("migrate").returncode == 0


def test_the_doctor_names_what_is_wrong(consilium):
    well = consilium("doctor")
    assert well.returncode == 0, well.stdout
    ill = consilium("doctor", CONSILIUM_REDIS_URL="redis://127.0.0.1:1/0")
    assert ill.returncode == 1
    assert next(line for line in ill.stdout.splitlines() if line.startswith("ПЛОХО")).split()[1] == "redis:"


def test_a_demonstration_certificate_is_made_with_the_command_to_use_it(consilium, tmp_path):
    done = consilium("certificate", "make", "board.example", "192.0.2.7")
    assert done.returncode == 0
    assert (tmp_path / "var" / "tls" / "board.example.crt").exists()
    assert "consilium serve --host board.example --tls-cert" in done.stdout


def test_a_package_that_is_none_does_not_verify(consilium, tmp_path):
    (tmp_path / "none.asice").write_bytes(b"PK\x03\x04 not a package")
    done = consilium("verify", str(tmp_path / "none.asice"), "--lang", "en")
    assert done.returncode != 0
    assert "Traceback" not in done.stderr


def test_the_demonstration_data_are_loaded_once_and_the_journal_is_whole(consilium, loaded):
    first = consilium("user", "list").stdout
    assert len(first.splitlines()) >= 10
    assert consilium("demo-data").returncode == 0
    assert consilium("user", "list").stdout == first
    whole = consilium("journal", "verify")
    assert (whole.returncode, "The journal is whole" in whole.stdout) == (0, True)


def test_an_edited_journal_is_found_and_named(consilium, loaded):
    """Somebody with the file in his hands takes the guards away first."""
    with closing(sqlite3.connect(loaded / "consilium.db")) as database:
        for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
            database.execute(f"DROP TRIGGER {name}")
        database.execute("UPDATE journal SET payload = replace(payload, 'a', 'b') WHERE position = 3")
        database.commit()
    broken = consilium("journal", "verify")
    assert broken.returncode == 1
    assert "position 3" in broken.stdout


NEWCOMER = ["--surname", "Петров", "--given", "Пётр", "--snils", "11223344595", "--position", "врач"]


def test_an_operator_adds_a_person_and_the_password_is_no_argument(consilium, loaded):
    words = ["user", "add", "petrov", "--organisation", str(SOME_ORGANISATION), *NEWCOMER]
    added = consilium(*words, stdin="a long enough password\n")
    assert added.returncode == 0, added.stderr
    assert [line for line in consilium("user", "list").stdout.splitlines() if line.startswith("petrov ")]


@pytest.mark.parametrize(
    "organisation,password,said",
    [("Нет такой", "a long enough password", "No such"), (str(SOME_ORGANISATION), "short", "password")],
)
def test_a_person_who_cannot_be_added_is_refused_in_words(consilium, loaded, organisation, password, said):
    listed = consilium("user", "list").stdout
    refused = consilium(
        "user", "add", "petrov", "--organisation", organisation, *NEWCOMER, stdin=f"{password}\n"
    )
    assert refused.returncode == 2
    assert said in refused.stderr
    assert consilium("user", "list").stdout == listed


def test_a_reader_who_has_seen_enough_is_no_fault(loaded):
    env = {**os.environ, "CONSILIUM_DEMO": "1", "CONSILIUM_DATA_DIR": str(loaded)}
    command = f"{sys.executable} -u -m consilium.cli user list | head -1"
    done = subprocess.run(["bash", "-c", command], env=env, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_tasks_that_ran_out_of_attempts_are_put_to_work_again(consilium, loaded):
    with closing(sqlite3.connect(loaded / "consilium.db")) as base, base:
        row = ("protocol.seal", "one", "{}", "dead", 30, "no_space", "2026-11-23 09:00:00.000000")
        base.execute(
            "INSERT INTO outbox (kind, key, payload, status, attempts, last_error, created_at, not_before, ended_at)"
            " VALUES (?, ?, ?, ?, ?, ?, ?7, ?7, ?7)",
            row,
        )
    done = consilium("outbox", "again")
    assert done.returncode == 0, done.stderr
    assert "protocol.seal one: no_space" in done.stdout
    assert "1" in done.stdout.splitlines()[-1]
    with closing(sqlite3.connect(loaded / "consilium.db")) as base:
        found = base.execute("SELECT status, attempts, ended_at FROM outbox WHERE key = 'one'").fetchall()
    assert found == [("waiting", 0, None)]
    assert consilium("outbox", "again").stdout.splitlines()[-1].endswith(" 0")
