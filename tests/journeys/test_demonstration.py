"""`consilium demo`, as a newcomer types it: a whole consilium, a package, and judges who see a changed byte."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from consilium.seal.report import verify_package
from tests.installations import environment

pytestmark = [pytest.mark.needs_openssl, pytest.mark.timeout(240)]


@pytest.fixture(scope="module")
def played(tmp_path_factory):
    """The finished demonstration: (its process, its folder)."""
    folder = tmp_path_factory.mktemp("demonstration")
    command = [sys.executable, "-m", "consilium.cli", "demo"]
    done = subprocess.run(
        command, env=environment(folder), cwd=folder, capture_output=True, text=True, timeout=200, check=False
    )
    return done, folder


@pytest.fixture
def package(played):
    """Path of the package, taken from the last line as a script would."""
    done, _ = played
    assert done.returncode == 0, done.stdout + done.stderr
    return Path(done.stdout.splitlines()[-1].removeprefix("package: "))


def test_every_step_is_played_and_the_package_is_the_last_line(played, package):
    done, folder = played
    for step in range(1, 12):
        assert f"{step}/11" in done.stdout
    assert package.is_file()
    assert package.is_relative_to(folder)


def test_nothing_but_the_package_is_left(played, package):
    assert [path.name for path in package.parent.iterdir()] == [package.name]


def test_both_judges_have_spoken(played, package):
    done, _ = played
    assert "OK       openssl" in done.stdout
    assert "FAILED" not in done.stdout
    assert verify_package(package).held


def test_verify_agrees_and_refuses_a_changed_byte(package, tmp_path):
    changed = tmp_path / "changed.asice"
    with zipfile.ZipFile(package) as whole, zipfile.ZipFile(changed, "w") as copy:
        for member in whole.infolist():
            content = whole.read(member)
            if member.filename == "document.xml":
                content = content.replace(b"<title>", b"<title> ", 1)
            copy.writestr(member, content)
    assert _verify(package) == 0
    assert _verify(changed) == 1


def _verify(package: Path) -> int:
    command = [sys.executable, "-m", "consilium.cli", "verify", str(package), "--openssl"]
    return subprocess.run(command, env=dict(os.environ), capture_output=True, check=False).returncode
