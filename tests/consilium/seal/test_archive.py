"""A folder of packages: judged once each, gone on with after a break, at a cost that does not grow."""

import json
from datetime import timedelta
from pathlib import Path

import pytest

from consilium.seal.__main__ import main
from consilium.seal.inventory import Progress, Summary, check_folder
from tests.consilium.seal.conftest import AT
from tests.consilium.seal.eras import YEAR, Ages, roots

YEAR_TEN = AT + 10 * YEAR


@pytest.fixture
def folder(ages: Ages, tmp_path: Path) -> Path:
    archive = tmp_path / "archive"
    archive.mkdir()
    for number in range(12):
        (archive / f"{number:03d}.asice").write_bytes(ages.once if number % 2 else ages.sealed)
    (archive / "notes.txt").write_text("not a package")
    return archive


def check(ages: Ages, folder: Path, **given: object) -> Summary:
    known = roots(ages.world, ages.first, ages.second, ages.third)
    asked = {"roots": known, "at": None, "now": YEAR_TEN} | given
    return check_folder(folder, **asked)


def test_every_package_is_judged_and_the_first_end_is_named(ages: Ages, folder: Path) -> None:
    summary = check(ages, folder)
    assert summary.held
    assert (summary.total, summary.taken_over, summary.at) == (12, 0, YEAR_TEN)
    assert summary.ends_first == ages.first.until.replace(microsecond=0).isoformat()


def test_a_broken_off_run_goes_on_where_it_was_and_at_the_same_moment(ages: Ages, folder: Path) -> None:
    state = folder / "verified.jsonl"
    whole = check(ages, folder)
    lines = state.read_text().splitlines()
    state.write_text("\n".join([*lines[:6], lines[6][:25]]))  # five verdicts and one torn by a power cut
    summary = check(ages, folder, now=YEAR_TEN + timedelta(days=3))
    assert summary.held
    assert (summary.taken_over, summary.at) == (5, whole.at)
    third = check(ages, folder)
    assert third.taken_over == 12


def test_a_package_that_changed_since_is_judged_again(ages: Ages, folder: Path) -> None:
    check(ages, folder)
    changed = folder / "003.asice"
    content = bytearray(changed.read_bytes())
    content[len(content) // 2] ^= 1
    changed.write_bytes(content)
    summary = check(ages, folder)
    assert summary.taken_over == 11
    assert [one.name for one in summary.refused] == ["003.asice"]
    assert summary.refused[0].codes


def test_another_moment_or_other_roots_begin_anew(ages: Ages, folder: Path) -> None:
    check(ages, folder)
    later = check(ages, folder, at=AT + 12 * YEAR)
    assert later.taken_over == 0
    assert [one.codes for one in later.refused] == ["TIME_UNPROVEN, TST_CERT_EXPIRED"] * 6
    assert check(ages, folder, at=AT + 12 * YEAR).taken_over == 12
    fewer = check(ages, folder, roots=roots(ages.world, ages.first))
    assert fewer.taken_over == 0
    assert len(fewer.refused) == 6


def test_progress_is_told_and_a_run_stopped_in_the_middle_lost_nothing(ages: Ages, folder: Path) -> None:
    told: list[Progress] = []
    check(ages, folder, tell=told.append)
    assert (told[-1].done, told[-1].total, told[-1].refused) == (12, 12, 0)
    assert told[-1].seconds_left == 0


def test_rubbish_among_the_packages_is_a_refusal_and_not_the_end(ages: Ages, folder: Path) -> None:
    (folder / "000a.asice").write_bytes(b"PK rubbish")
    (folder / "verified.jsonl").write_bytes(b"\x00\xff not a state\n{}\n[]\n")
    summary = check(ages, folder, state=folder.parent / "state.jsonl")
    assert [(one.name, one.codes) for one in summary.refused] == [("000a.asice", "PACKAGE_FORMAT")]
    assert summary.total == 13


@pytest.mark.parametrize(
    "line", ["[1]", '{"at": "x", "roots": ""}', '{"name": 1}', "\x00", '{"roots": null}']
)
def test_a_state_nobody_wrote_is_begun_anew(ages: Ages, folder: Path, line: str) -> None:
    (folder / "verified.jsonl").write_text(line + "\n")
    assert check(ages, folder).taken_over == 0
    assert check(ages, folder).taken_over == 12


def test_the_command_tells_progress_and_ends_with_a_summary(
    ages: Ages, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    at = YEAR_TEN.isoformat()
    assert main(["--archive", str(folder), "--at", at, "--lang", "en"]) == 0
    told = capsys.readouterr()
    assert "Packages 12" in told.out
    assert "checked 12 of 12 (100 %), refused 0" in told.err
    (folder / "bad.asice").write_bytes(ages.sealed[:-1])
    assert main(["--archive", str(folder), "--at", at]) == 1
    told = capsys.readouterr()
    assert "ОТКАЗ bad.asice" in told.out
    assert "из прежнего прогона 12, отказов 1" in told.out
    rows = [json.loads(line) for line in (folder / "verified.jsonl").read_text().splitlines() if line]
    assert len(rows) == 14


def test_an_empty_folder_is_not_a_success(ages: Ages, tmp_path: Path) -> None:
    assert not check(ages, tmp_path).held
