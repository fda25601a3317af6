"""`verify --policy ID`: the reader's rules come before those the package names."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from consilium.seal import DEMO_ECDSA, DEMO_ECDSA_2, POLICIES, RU_UKEP, Policy, verify_package, write_package
from consilium.seal.__main__ import main
from consilium.seal.inventory import check_folder
from consilium.seal.package import read_package
from consilium.seal.report import report_json, report_lines
from consilium.seal.verdicts import signatures_json
from tests.consilium.seal.conftest import AT, DOCUMENT, World
from tests.consilium.seal.eras import Era, roots, stamped
from tests.consilium.seal.old_package import old_package


@pytest.fixture(scope="module")
def era() -> Era:
    return Era.make(AT)


def package(folder: Path, world: World, era: Era, named: bytes | Policy) -> Path:
    path = folder / "p.asice"
    report = named if isinstance(named, bytes) else signatures_json({}, {}, named)
    write_package(path, replace(stamped(world, era, DOCUMENT), reports={"signatures.json": report}))
    return path


def test_the_report_names_the_rules_and_their_digest(world: World, era: Era, tmp_path: Path) -> None:
    path = package(tmp_path, world, era, DEMO_ECDSA)
    for asked, used in ((None, DEMO_ECDSA), (DEMO_ECDSA_2, DEMO_ECDSA_2), (DEMO_ECDSA, DEMO_ECDSA)):
        report = verify_package(path, roots=roots(world, era), policy=asked)
        said = json.loads(report_json(report))
        assert report.held
        assert (said["policy"], said["policy_digest"]) == (used.id, used.digest)
        assert said["policy_named"] == DEMO_ECDSA.id
        line = next(one for one in report_lines(report) if one.startswith("Политика подписи"))
        assert used.digest in line
        assert ("в пакете названа demo-ecdsa/1" in line) == (used is not DEMO_ECDSA)


def test_a_package_that_names_weaker_rules_is_judged_by_the_readers(
    world: World, era: Era, tmp_path: Path
) -> None:
    path = package(tmp_path, world, era, DEMO_ECDSA)
    assert verify_package(path, roots=roots(world, era)).held
    report = verify_package(path, roots=roots(world, era), policy=RU_UKEP)
    assert not report.held
    found = {one.name: one.code for one in report.verdicts if not one.held}
    assert found["signatures/01-chair.sig"] == "UNKNOWN_ALGORITHM"
    assert found["META-INF/signature.p7s"] == "UNKNOWN_ALGORITHM"


@pytest.mark.needs_gost
def test_qualified_signatures_hold_by_the_readers_rules_and_not_by_demonstration_ones(
    gost_world: World, era: Era, tmp_path: Path
) -> None:
    path = package(tmp_path, gost_world, era, RU_UKEP)
    trusted = roots(gost_world, era)
    assert verify_package(path, roots=trusted, policy=RU_UKEP).held
    assert not verify_package(path, roots=trusted, policy=DEMO_ECDSA_2).held


@pytest.mark.parametrize("policy", [DEMO_ECDSA_2, RU_UKEP])
def test_what_has_no_timestamps_is_never_judged_by_later_rules(world: World, policy: Policy) -> None:
    report = verify_package(old_package(world), roots=world.trust, policy=policy)
    assert [one.code for one in report.verdicts] == ["PACKAGE_MISSING"]
    assert verify_package(old_package(world), roots=world.trust, policy=DEMO_ECDSA).held


@pytest.mark.needs_gost
def test_qualified_signatures_without_timestamps_do_not_hold_by_the_readers_wish(
    gost_world: World, tmp_path: Path
) -> None:
    path = tmp_path / "p.asice"
    write_package(path, gost_world.contents())
    assert not verify_package(path, roots=gost_world.trust, policy=RU_UKEP).held


@pytest.mark.parametrize(
    "said",
    [
        b'{"policy":{"id":"ru-ukep/9","digest":""}}',
        b'{"policy":{"id":"demo-ecdsa/1","digest":"0"}}',
        b'{"policy":{"id":"\\u001b[31mred","digest":"0"}}',
    ],
)
def test_rules_nobody_knows_are_refused_unless_the_reader_brings_his_own(
    world: World, era: Era, tmp_path: Path, said: bytes
) -> None:
    path = package(tmp_path, world, era, said)
    assert [one.code for one in verify_package(path, roots=roots(world, era)).verdicts] == ["POLICY_UNKNOWN"]
    report = verify_package(path, roots=roots(world, era), policy=DEMO_ECDSA_2)
    assert report.held
    assert "\x1b" not in "".join(report_lines(report))


def test_rubbish_in_place_of_a_policy_is_refused_in_any_case(world: World, era: Era, tmp_path: Path) -> None:
    path = package(tmp_path, world, era, b"[" * 50_000)
    for policy in (None, *POLICIES.values()):
        report = verify_package(path, roots=roots(world, era), policy=policy)
        assert [one.code for one in report.verdicts] == ["POLICY_UNKNOWN"]


def test_the_commands_take_a_policy_by_its_id_and_no_other_word(
    world: World, era: Era, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from consilium.cli import main as consilium

    path = package(tmp_path, world, era, DEMO_ECDSA)
    at = ["--at", AT.replace(year=2027).isoformat()]
    for command in (main, lambda rest: consilium(["verify", *rest])):
        assert command([str(path), *at, "--policy", "demo-ecdsa/2"]) == 0
        assert f"demo-ecdsa/2, SHA-256 {DEMO_ECDSA_2.digest}" in capsys.readouterr().out
        assert command([str(path), *at, "--policy", "ru-ukep/1"]) == 1
        capsys.readouterr()
        assert command([str(path), *at, "--policy", "none"]) == 2
        assert "demo-ecdsa/1, demo-ecdsa/2, ru-ukep/1" in capsys.readouterr().out


def test_a_folder_judged_by_other_rules_is_judged_anew(world: World, era: Era, tmp_path: Path) -> None:
    path = package(tmp_path, world, era, DEMO_ECDSA)
    assert "report/signatures.json" in read_package(path)
    known, now = roots(world, era), AT.replace(year=2027)
    first = check_folder(tmp_path, roots=known, at=None, now=now)
    other = check_folder(tmp_path, roots=known, at=None, now=now, policy=RU_UKEP)
    again = check_folder(tmp_path, roots=known, at=None, now=now, policy=RU_UKEP)
    assert (first.held, other.held, other.taken_over, again.taken_over) == (True, False, 0, 1)
