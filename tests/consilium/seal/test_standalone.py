"""`python -m consilium.seal` alone: no database, nothing of the product but its own folder, any later date."""

import json
import os
import shutil
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest

from consilium.seal.__main__ import ARGUMENTS, main
from tests.consilium.seal.conftest import AT
from tests.consilium.seal.eras import TWENTY, YEAR, Ages

REPOSITORY = Path(__file__).resolve().parents[3]
FOREIGN = ("sqlalchemy", "celery", "kombu", "aiohttp", "asyncio", "socketio", "msgspec", "jinja2", "alembic")
PROBE = """
import runpy, sys
sys.argv = ["consilium.seal", *sys.argv[1:]]
try:
    runpy.run_module("consilium.seal", run_name="__main__")
finally:
    ours = sorted(name for name in sys.modules if name.split(".")[0] == "consilium")
    print("MODULES", *sorted(sys.modules), file=sys.stderr)
"""


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the verifier as someone would carry it away."""
    folder = tmp_path_factory.mktemp("carried") / "consilium"
    folder.mkdir()
    (folder / "__init__.py").write_text("")
    shutil.copytree(
        REPOSITORY / "consilium" / "seal", folder / "seal", ignore=shutil.ignore_patterns("__pycache__")
    )
    return folder.parent


@pytest.fixture
def package(ages: Ages, tmp_path: Path) -> Path:
    path = tmp_path / "carried.asice"
    path.write_bytes(ages.twice)
    return path


@pytest.fixture
def trusted(ages: Ages, tmp_path: Path) -> Path:
    folder = tmp_path / "roots"
    folder.mkdir()
    known = (ages.world.authority.root, ages.first.root, ages.second.root, ages.third.root)
    for number, root in enumerate(known):
        (folder / f"{number}.crt").write_bytes(root)
    return folder


def alone(tree: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", PROBE, *arguments],
        cwd=tree,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(tree), "PYTHONIOENCODING": "utf-8"},
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_verifier_works_from_its_own_folder_alone(tree: Path, package: Path, trusted: Path) -> None:
    answer = alone(tree, str(package), "--at", TWENTY.isoformat(), "--roots", str(trusted), "--json")
    assert answer.returncode == 0, answer.stderr[-2000:]
    said = json.loads(answer.stdout)
    assert said["held"]
    assert said["anchored"]
    assert said["renewals"] == 2
    loaded = set(answer.stderr.partition("MODULES ")[2].split())
    assert {name for name in loaded if name.split(".")[0] in FOREIGN} == set()
    assert {
        name for name in loaded if name.startswith("consilium.") and not name.startswith("consilium.seal")
    } == set()


def test_a_date_after_the_last_timestamp_ended_is_a_refusal_with_a_status(
    tree: Path, package: Path, trusted: Path
) -> None:
    answer = alone(tree, str(package), "--at", "2060-01-01", "--roots", str(trusted), "--lang", "en")
    assert answer.returncode == 1
    assert "TST_CERT_EXPIRED" in answer.stdout
    assert "The package is not accepted." in answer.stdout


def test_today_is_the_moment_unless_another_is_asked_for(
    ages: Ages, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "future.asice"
    path.write_bytes(ages.twice)
    assert main([str(path), "--json"]) == 1
    said = json.loads(capsys.readouterr().out)
    newest = next(one for one in said["verdicts"] if one["file"].endswith("timestamp-002.tst"))
    assert newest["code"] == "TST_TIME"


@pytest.mark.parametrize(
    "arguments",
    [["--at", "yesterday", "x.asice"], [], ["--archive", "/nowhere"], ["--roots", "/nowhere", "x"]],
)
def test_what_cannot_be_asked_is_a_sentence_and_another_status(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 2
    assert capsys.readouterr().out.strip()


def test_the_operators_command_says_the_same(
    package: Path, trusted: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from consilium.cli import main as consilium

    at = (AT + 19 * YEAR + timedelta(hours=1)).isoformat()
    assert consilium(["verify", str(package), "--at", at, "--roots", str(trusted)]) == 0
    assert "Все проверки пройдены." in capsys.readouterr().out
    assert consilium(["verify", str(package), "--at", "2070-01-01", "--roots", str(trusted)]) == 1


def test_both_commands_take_the_same_options(capsys: pytest.CaptureFixture[str]) -> None:
    """The operator's command lists them itself, so that it starts without reading the verifier."""
    from consilium.cli import main as consilium

    for command in (lambda: main(["--help"]), lambda: consilium(["verify", "--help"])):
        with pytest.raises(SystemExit):
            command()
        shown = capsys.readouterr().out
        assert {name for name in ARGUMENTS if name not in shown and name != "package"} == set()
