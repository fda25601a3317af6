"""`make help` is the door: it lists every command there is, and only those."""

import re
import subprocess

import pytest

from tests.conftest import ROOT

COMMANDS = {"help", "run", "demo", "test", "test-long", "check", "bench", "bench-media", "build"}
INTERNAL = {"preflight", "test-parts", "dev", "client"}


def makefile() -> str:
    return (ROOT / "Makefile").read_text(encoding="utf-8")


def test_help_lists_every_command_with_a_sentence():
    said = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    lines = dict(re.fullmatch(r"make (\S+)\s+(.+)", line).groups() for line in said.splitlines())
    assert set(lines) == COMMANDS


def test_every_target_is_listed_or_internal():
    targets = set(re.findall(r"^([a-z][a-z-]*):", makefile(), re.MULTILINE))
    assert targets == COMMANDS | INTERNAL
    phony = set(re.search(r"^\.PHONY: (.+)$", makefile(), re.MULTILINE).group(1).split())
    assert phony == targets


def test_make_alone_shows_the_help():
    said = subprocess.run(["make"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert "make run" in said


def test_ci_runs_check_and_test():
    script = ROOT / ".ci" / "run"
    assert script.stat().st_mode & 0o111
    lines = script.read_text(encoding="utf-8").splitlines()
    assert lines[0] == "#!/usr/bin/env bash"
    assert lines[-2:] == ["make check", "make test"]


@pytest.mark.parametrize("line", ["web", "signaling", "media", "worker"])
def test_the_procfile_names_each_process_of_production(line):
    found = dict(re.findall(r"^(\w+): (.+)$", (ROOT / "Procfile").read_text(encoding="utf-8"), re.MULTILINE))
    assert found[line].startswith("python -m ")
    assert len(found) == 4
