"""What a newcomer reads when his machine lacks something: one line to type, and no traceback."""

import subprocess
import sys

import pytest

from consilium import preflight
from tests.conftest import ROOT

(VIDEO,) = [loss for loss in preflight.OPTIONAL if "video" in loss]
(COPY,) = [loss for loss in preflight.OPTIONAL if "PDF" in loss]
COMPLETE = ("node", "npm", "openssl", "gcc", "evp.h", "Python.h", "DejaVuSans.ttf", "gost.so")


@pytest.fixture
def machine(tmp_path, monkeypatch):
    """A machine with exactly the programs that the test puts on it."""
    programs = tmp_path / "bin"
    programs.mkdir()
    monkeypatch.setenv("PATH", str(programs))
    monkeypatch.setattr(preflight, "SYSTEM_PATH", str(programs))
    monkeypatch.setattr(preflight, "LIBRARY_FOLDERS", (str(programs),))
    # Headers and fonts lie where they lie: here a program stands for each.
    monkeypatch.setitem(preflight.OPTIONAL[VIDEO], "libssl-dev", ("evp.h",))
    monkeypatch.setitem(preflight.OPTIONAL[VIDEO], "python3-dev", ("Python.h",))
    monkeypatch.setitem(preflight.OPTIONAL[COPY], "fonts-dejavu-core", ("DejaVuSans.ttf",))

    def put(name: str, says: str = "") -> None:
        (programs / name).write_text(f"#!/bin/sh\necho {says}\n")
        (programs / name).chmod(0o755)

    return put


def test_everything_that_is_missing_stands_in_one_line(machine, capsys):
    assert preflight.main(["preflight", "run"]) == 1
    lines = [line for line in capsys.readouterr().err.splitlines() if "apt install -y" in line]
    assert lines[0].endswith("apt install -y nodejs npm")


def test_an_optional_part_is_named_with_what_is_lost_and_stops_nothing(machine, capsys):
    machine("node", "v20.1.0")
    machine("npm")
    assert preflight.main(["preflight", "run"]) == 0
    said = capsys.readouterr().err
    assert "apt install -y openssl" in said
    assert "apt install -y gcc libssl-dev python3-dev" in said


def test_a_complete_machine_says_nothing(machine, capsys):
    for name in COMPLETE:
        machine(name, "v22.0.0")
    assert preflight.main(["preflight", "run"]) == 0
    assert capsys.readouterr().err == ""


def test_an_old_node_is_one_sentence(machine, capsys):
    for name in COMPLETE:
        machine(name, "v18.19.0")
    assert preflight.main(["preflight", "run"]) == 1
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "18" in said and "nodejs.org" in said


def test_an_old_python_is_one_sentence(monkeypatch):
    monkeypatch.setattr(sys, "version_info", (3, 9, 2))
    assert any("make PYTHON=" in sentence for sentence in preflight.unusable_versions())


def test_a_python_without_venv_is_told_the_package(machine, monkeypatch):
    monkeypatch.setattr(preflight.importlib.util, "find_spec", lambda name: None)
    assert preflight.missing_packages() == ["python3-venv", "nodejs", "npm"]


def test_a_full_disk_is_one_sentence(monkeypatch):
    monkeypatch.setattr(preflight, "FREE_MEGABYTES_ONCE_BUILT", 2**40)
    monkeypatch.setattr(preflight, "FREE_MEGABYTES", 2**40)
    assert len(preflight.full_disk()) == 1


def test_without_root_missing_parts_of_tests_are_listed_with_their_markers(machine, capsys, monkeypatch):
    monkeypatch.setattr(preflight.os, "geteuid", lambda: 1000)
    assert preflight.main(["preflight", "tests"]) == 0
    said = capsys.readouterr().err
    for package, (programs, marker) in preflight.TEST_PARTS.items():
        # A folder is there whatever PATH says.
        assert marker in said or programs[0].startswith("/"), package


def test_every_part_of_the_tests_has_a_marker():
    from tests.conftest import PARTS

    assert {marker for _, marker in preflight.TEST_PARTS.values()} == set(PARTS) - {"needs_semd"}


def test_it_runs_alone_on_a_bare_python():
    """Isolated from the checkout and from installed packages, as on a machine where nothing is made yet."""
    command = [sys.executable, "-I", "-S", "consilium/preflight.py", "run"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert "Traceback" not in done.stderr
