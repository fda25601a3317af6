"""`consilium demo`, as a newcomer types it, for every kind: judged by the state's rules, openssl, pyHanko and ourselves."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import zipfile
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest

from consilium.demo_settled import settled
from consilium.documents.conformance import check
from consilium.documents.guides import Official
from consilium.seal.instructions import commands
from consilium.seal.package import read_package
from consilium.seal.report import verify_package
from signaling.bots.scenario import SCENARIOS
from tests.consilium.seal import pyhanko_gost, test_signature
from tests.installations import environment
from tests.journeys import foreign

pytestmark = [pytest.mark.needs_openssl, pytest.mark.needs_gost, pytest.mark.timeout(240)]

# Every kind, and every sort of key, in as few plays as hold both.
PLAYS = (("190", "p256"), ("307", "gost256"), ("40", "p256"), ("99", "gost512"))
# Kinds that have official rules (schematron) in the folder; 40 has a schema alone, 307 nothing that is published.
RULED, SCHEMED = {"190", "99"}, {"190", "99", "40"}
SIGNED = {"190": 7, "307": 7, "40": 2, "99": 2}


@dataclass(frozen=True)
class Play:
    """A finished demonstration."""

    kind: str
    keys: str
    done: subprocess.CompletedProcess[str]
    folder: Path

    @property
    def package(self) -> Path:
        """From the last line, as a script would take it."""
        assert self.done.returncode == 0, self.done.stdout + self.done.stderr
        return Path(self.done.stdout.splitlines()[-1].removeprefix("package: "))


@pytest.fixture(scope="module", params=PLAYS, ids="-".join)
def play(request, tmp_path_factory) -> Play:
    kind, keys = request.param
    folder = tmp_path_factory.mktemp("demonstration")
    command = [sys.executable, "-m", "consilium.cli", "demo", "--kind", kind, "--keys", keys]
    done = subprocess.run(
        command, env=environment(folder), cwd=folder, capture_output=True, text=True, timeout=200, check=False
    )
    return Play(kind, keys, done, folder)


def test_every_step_is_played_and_nothing_but_the_package_is_left(play):
    package = play.package
    for step in range(1, 12):
        assert f"{step}/11" in play.done.stdout
    assert package.is_relative_to(play.folder)
    assert [path.name for path in package.parent.iterdir()] == [package.name]


def test_both_judges_have_spoken(play):
    assert verify_package(play.package).held
    said = re.search(r"^openssl: удалось проверок (\d+) из (\d+)\.", play.done.stdout, re.MULTILINE)
    assert said, play.done.stdout
    assert said[1] == said[2]
    assert int(said[1]) == len(commands(read_package(play.package)["VERIFY.txt"])) + 1, "and the text itself"
    assert "FAILED" not in play.done.stdout


@pytest.mark.needs_semd
def test_the_filed_document_is_what_the_states_rules_demand(play, semd_dir):
    document = read_package(play.package)["document.xml"]
    report = check(document, Official.load(semd_dir))
    assert [one.en for one in report.errors] == []
    assert report.guide == (play.kind if play.kind in SCHEMED else "")
    assert report.xsd == (play.kind in SCHEMED)
    assert (report.rules_fired > 100) == (play.kind in RULED), report.rules_fired


def test_the_filed_document_carries_what_was_settled_on(play):
    document = read_package(play.package)["document.xml"].decode()
    given = settled(SCENARIOS[play.kind].kind, datetime.now(UTC).date())
    for words in [one.text for one in (*given.diagnoses, *given.advice)]:
        assert words in document
    assert [one.code for one in given.diagnoses] == re.findall(
        r' code="([A-Z][0-9.]+)" codeSystem="[0-9.]+\.11\.1005"', document
    )


async def test_pyhanko_accepts_every_signature(play, monkeypatch):
    members = read_package(play.package)
    trust, moment = foreign.evidence(members)
    says = test_signature if play.keys == "p256" else pyhanko_gost
    monkeypatch.setattr(says, "AT", moment)
    if says is pyhanko_gost:
        pyhanko_gost.taught(monkeypatch)
    signed = foreign.signed(members)
    for name, covered in signed.items():
        assert await says.pyhanko_says(members[covered], members[name], trust) == (True, True, True), name
    assert sum(name.startswith("signatures/") for name in signed) == SIGNED[play.kind] + 1


def test_pyhanko_accepts_every_timestamp_and_none_that_is_another_signatures(play, monkeypatch):
    members = read_package(play.package)
    if play.keys != "p256":
        pyhanko_gost.taught(monkeypatch)
    tokens = foreign.stamped(members)
    said = foreign.pyhanko_stamps(members, tokens, gost_keys=play.keys != "p256")
    assert said == dict.fromkeys(tokens, (True, True, True))
    first, second = sorted(tokens)[:2]
    swapped = {first: tokens[second]}
    answers = foreign.pyhanko_stamps(members, swapped, gost_keys=play.keys != "p256")
    assert answers == {first: (False, True, True)}


@pytest.mark.needs_java
def test_bouncycastle_accepts_every_signature_and_timestamp_and_no_changed_byte(play, tmp_path):
    members = read_package(play.package)
    signed, tokens = foreign.signed(members), foreign.stamped(members)
    changed = {f"{name}.changed": members[name] + b"\n" for name in {*signed.values(), *tokens.values()}}
    good = [f"signature {name} {covered}" for name, covered in signed.items()]
    good += [f"token {name} {about}" for name, about in tokens.items()]
    bad = [f"signature {name} {covered}.changed" for name, covered in signed.items()]
    bad += [f"token {name} {about}.changed" for name, about in tokens.items()]
    first = min(name for name in signed if name.startswith("signatures/"))
    bad += [f"token {name} {first}" for name, about in tokens.items() if about != first]
    said = foreign.bouncycastle_says(members | changed, tmp_path, good + bad)
    assert {question: said[question] for question in good} == dict.fromkeys(good, "held")
    assert [question for question in bad if said[question] == "held"] == []


def test_verify_agrees_and_refuses_a_changed_byte(play, tmp_path):
    changed = tmp_path / "changed.asice"
    with zipfile.ZipFile(play.package) as whole, zipfile.ZipFile(changed, "w") as copy:
        for member in whole.infolist():
            content = whole.read(member)
            if member.filename == "document.xml":
                content = content.replace(b"<title>", b"<title> ", 1)
            copy.writestr(member, content)
    assert _verify(play.package) == 0
    assert _verify(changed) == 1


def _verify(package: Path) -> int:
    command = [sys.executable, "-m", "consilium.cli", "verify", str(package), "--openssl"]
    return subprocess.run(command, env=dict(os.environ), capture_output=True, check=False).returncode
