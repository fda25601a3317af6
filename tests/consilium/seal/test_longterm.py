"""A package years later: renewed twice it holds after twenty years, left alone it does not, and openssl agrees."""

import re
import subprocess
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509

from consilium.seal import (
    PackageRefused,
    PackageReport,
    container,
    instructions,
    manifest,
    openssl_verify,
    read_package,
    report_lines,
    verify_package,
    write_package,
)
from consilium.seal.archive import good_until, renew, renewal_due
from consilium.seal.names import names_in
from consilium.seal.policy import RU_UKEP
from consilium.seal.stamps import ARCHIVE
from consilium.seal.tight import tighten
from consilium.seal.verdicts import report_json
from tests.consilium.seal.conftest import AT, World, make_world
from tests.consilium.seal.eras import (
    EIGHTEEN,
    NINE,
    TWENTY,
    YEAR,
    Ages,
    Era,
    Material,
    roots,
    stamped,
    three_ages,
)


def codes(report: PackageReport) -> dict[str, str]:
    return {verdict.name: verdict.code for verdict in report.verdicts if not verdict.held}


def certificates(content: bytes) -> Iterator[x509.Certificate]:
    for name, member in read_package(content).items():
        if name.endswith(".crt"):
            yield x509.load_pem_x509_certificate(member)


def test_a_package_renewed_twice_holds_after_twenty_years(ages: Ages) -> None:
    report = ages.judge(ages.twice, TWENTY)
    assert codes(report) == {}
    assert report.held
    assert (report.renewals, report.at) == (2, TWENTY)
    ended = [one for one in certificates(ages.twice) if one.not_valid_after_utc < TWENTY]
    alive = [one.serial_number for one in certificates(ages.twice) if one.not_valid_after_utc >= TWENTY]
    assert len(ended) >= 8
    assert set(alive) == {names_in(one).serial for one in (ages.third.certificate, ages.third.root)}


def test_without_renewal_it_fails_and_says_when_the_authority_ended(ages: Ages) -> None:
    assert ages.judge(ages.sealed, NINE).held
    report = ages.judge(ages.sealed, TWENTY)
    assert not report.held
    assert codes(report)["META-INF/signature.tst"] == "TST_CERT_EXPIRED"
    assert codes(report)["signatures/01-chair.sig"] == "TIME_UNPROVEN"


def test_a_second_renewal_that_was_forgotten_fails_too(ages: Ages) -> None:
    assert ages.judge(ages.once, EIGHTEEN).held
    assert codes(ages.judge(ages.once, TWENTY))["META-INF/archive-timestamp-001.tst"] == "TST_CERT_EXPIRED"


def test_a_package_is_judged_by_its_own_roots_where_none_are_given_and_says_so(ages: Ages) -> None:
    report = verify_package(ages.twice, at=TWENTY)
    assert report.held
    assert not report.anchored
    assert any("Корень доверия взят из самого пакета" in line for line in report_lines(report))


def test_the_newest_authority_must_be_among_the_trusted_roots(ages: Ages) -> None:
    report = verify_package(ages.twice, roots=roots(ages.world, ages.first, ages.second), at=TWENTY)
    assert codes(report)["META-INF/archive-timestamp-002.tst"] == "TST_UNTRUSTED"


def test_a_renewal_changes_no_byte_of_what_was_there(ages: Ages) -> None:
    sealed, once, twice = (read_package(one) for one in (ages.sealed, ages.once, ages.twice))
    assert sealed.items() < once.items() < twice.items()
    added = set(twice) - set(once)
    assert all("002" in name for name in added)


def test_a_renewal_that_came_too_late_is_refused(ages: Ages) -> None:
    with pytest.raises(PackageRefused, match=r"ARCHIVE_NOT_HELD.*TST_CERT_EXPIRED"):
        ages.renewed(ages.sealed, ages.first, ages.third, EIGHTEEN)


def test_a_renewal_after_the_first_authority_ended_proves_nothing(ages: Ages) -> None:
    """Someone who renews by hand and does not look: the time between is a gap that no later timestamp closes."""
    members = read_package(ages.sealed)
    late = ages.third.at(EIGHTEEN)
    members["evidence-001/VERIFY.txt"] = instructions.render(members, 1, "sha512")
    members["META-INF/ASiCArchiveManifest001.xml"] = manifest.render_archive_manifest(members, 1, "sha512")
    members["META-INF/archive-timestamp-001.tst"] = tighten(
        late.stamp(members["META-INF/ASiCArchiveManifest001.xml"], "sha512")
    )
    with_lists = members | {}
    report = ages.judge(container.pack(with_lists), TWENTY)
    assert not report.held


def test_an_authority_revoked_before_the_renewal_is_refused(ages: Ages) -> None:
    revoked = ages.first.at(NINE).material(ages.first.serial)
    with pytest.raises(PackageRefused, match="TST_REVOKED"):
        ages.renewed(ages.sealed, ages.first, ages.second, NINE, old_material=revoked)


@pytest.mark.parametrize("minutes, code", [(5, ""), (-5, "REVOKED")])
def test_a_doctor_revoked_after_the_timestamp_changes_nothing_and_before_it_everything(
    tmp_path: Path, minutes: int, code: str
) -> None:
    world, era = make_world(tmp_path / "authority"), Era.make(AT)
    serial = f"{names_in(world.member.certificate).serial:x}"
    contents = stamped(world, era)
    world.authority.revoke(serial, AT + timedelta(minutes=minutes))
    lists = (world.authority.crl(AT + timedelta(minutes=10)), *contents.crls[1:])
    path = tmp_path / "revoked.asice"
    write_package(path, replace(contents, crls=lists))
    found = codes(verify_package(path, roots=roots(world, era)))
    assert found == ({"signatures/02-member.sig": code, "dissent/01.sig": code} if code else {})


def test_renewal_is_due_before_the_authority_ends_and_when_a_digest_does(ages: Ages) -> None:
    members, ahead = read_package(ages.sealed), timedelta(days=90)
    ends = good_until(members)
    assert abs(ends - ages.first.until) < timedelta(seconds=2)
    assert renewal_due(members, ends - timedelta(days=100), ahead) == ""
    assert renewal_due(members, ends - timedelta(days=80), ahead) == "certificate"
    weaker = replace(ARCHIVE, id="archive/2", ends=(("sha256", AT + 5 * YEAR), ("sha512", None)))
    assert renewal_due(members, AT + YEAR, ahead, weaker) == ""
    assert renewal_due(members, AT + 4.9 * YEAR, ahead, weaker) == "digest"
    assert renewal_due(read_package(ages.twice), AT + 19 * YEAR, ahead, weaker) == ""


def test_a_digest_that_ended_before_the_renewal_is_refused_and_after_it_is_not(ages: Ages) -> None:
    known = roots(ages.world, ages.first, ages.second, ages.third)
    for ended, held in ((AT + 5 * YEAR, False), (AT + 12 * YEAR, True)):
        weaker = replace(ARCHIVE, ends=(("sha256", ended), ("sha512", None)))
        report = verify_package(ages.twice, roots=known, at=TWENTY, archive=weaker)
        assert report.held is held
        assert held or codes(report)["META-INF/signature.tst"] == "TST_DIGEST_ENDED"


def test_the_archive_uses_the_longer_digest(ages: Ages) -> None:
    listed = read_package(ages.twice)["META-INF/ASiCArchiveManifest002.xml"]
    assert b"xmlenc#sha512" in listed
    assert b"xmlenc#sha256" not in listed


def test_an_authority_that_answers_with_another_key_is_asked_again(ages: Ages) -> None:
    spare, at = Era.make(AT + 8 * YEAR), NINE
    answers = iter([spare, ages.second, ages.second])

    def gather(token: bytes) -> Material:
        own = next(one for one in (spare, ages.second, ages.first) if one.certificate in token)
        return own.at(at).material()

    packed, _ = renew(
        ages.sealed,
        stamp=lambda covered, digest="sha256": next(answers).at(at).stamp(covered, digest),
        gather=gather,
        roots=roots(ages.world, ages.first, ages.second),
        at=at,
    )
    assert ages.judge(packed, TWENTY - 3 * YEAR).held


def test_a_package_that_does_not_hold_is_never_renewed(ages: Ages) -> None:
    members = read_package(ages.sealed)
    members["document.xml"] += b" "
    with pytest.raises(PackageRefused, match="ARCHIVE_NOT_HELD"):
        ages.renewed(container.pack(members), ages.first, ages.second, NINE)


def test_the_report_for_a_program_says_the_same(ages: Ages) -> None:
    text = report_json(ages.judge(ages.twice, TWENTY))
    assert '"held": true' in text
    assert '"renewals": 2' in text
    assert AT.isoformat()[:10] in text


def unpacked(content: bytes, folder: Path) -> Path:
    import io

    zipfile.ZipFile(io.BytesIO(content)).extractall(folder)
    return folder


def run_all(folder: Path, name: str) -> dict[str, bool]:
    """Every command of that text, run as a person would: in order, in the folder, by the shell."""
    return {
        line: subprocess.run(["sh", "-c", line], cwd=folder, capture_output=True, check=False).returncode == 0
        for line in instructions.commands((folder / name).read_bytes())
    }


@pytest.mark.needs_openssl
@pytest.mark.parametrize("age", ["sealed", "once", "twice"])
def test_every_printed_command_succeeds_by_openssl_alone(ages: Ages, age: str, tmp_path: Path) -> None:
    newest = {"sealed": "VERIFY.txt", "once": "evidence-001/VERIFY.txt", "twice": "evidence-002/VERIFY.txt"}
    outcomes = run_all(unpacked(getattr(ages, age), tmp_path), newest[age])
    assert [line for line, succeeded in outcomes.items() if not succeeded] == []
    kinds = {word: sum(f"openssl {word} " in line for line in outcomes) for word in ("cms", "ts")}
    assert kinds == {"cms": 5, "ts": {"sealed": 5, "once": 6, "twice": 7}[age]}


Edit = Callable[[dict[str, bytes]], None]


def damaged(name: str, place: int = -20) -> Edit:
    def edit(members: dict[str, bytes]) -> None:
        content = bytearray(members[name])
        content[place] ^= 1
        members[name] = bytes(content)

    return edit


# What is damaged -> what the failing command must mention.
DAMAGES: dict[str, str] = {
    "document.xml": r"cms -verify.*signatures/01-chair.sig",
    "signatures/01-chair.sig": r"cms -verify.*signatures/01-chair.sig",
    "signatures/org.sig": r"cms -verify.*signatures/org.sig",
    "dissent/01.xml": r"cms -verify.*dissent/01.sig",
    "evidence/tst/02-member.tst": r"ts -verify.*evidence/tst/02-member.tst",
    "evidence/tst/dissent-01.tst": r"ts -verify.*evidence/tst/dissent-01.tst",
    "META-INF/ASiCManifest.xml": r"cms -verify.*META-INF/signature.p7s",
    "META-INF/signature.p7s": r"ts -verify.*META-INF/signature.tst",
    "META-INF/signature.tst": r"ts -verify.*META-INF/signature.tst",
    "META-INF/ASiCArchiveManifest001.xml": r"ts -verify.*archive-timestamp-001",
    "META-INF/archive-timestamp-002.tst": r"ts -verify.*archive-timestamp-002",
    "audit/chain.jsonl": r"grep.*audit/chain.jsonl.*ASiCManifest.xml",
    "document.pdf": r"grep.*document.pdf.*ASiCManifest.xml",
    "evidence-001/crl/01-ca.crl": r"grep.*evidence-001/crl/01-ca.crl.*ASiCArchiveManifest002.xml",
}


@pytest.mark.needs_openssl
@pytest.mark.parametrize("name", DAMAGES)
def test_the_command_for_a_damaged_file_fails_and_others_do_not(
    ages: Ages, name: str, tmp_path: Path
) -> None:
    members = read_package(ages.twice)
    place = len(members[name]) // 2 if name.endswith((".crl", ".xml", ".pdf")) else -20
    damaged(name, place)(members)
    outcomes = run_all(unpacked(container.pack(members), tmp_path), "evidence-002/VERIFY.txt")
    failed = [line for line, succeeded in outcomes.items() if not succeeded]
    assert any(re.search(DAMAGES[name], line) for line in failed), failed
    assert len(failed) < len(outcomes) / 2
    untouched = "signatures/02-member.sig -content" if name != "document.xml" else "dissent/01.sig -content"
    assert not any(untouched in line for line in failed if not name.endswith((".crl",)))


@pytest.mark.needs_openssl
def test_the_program_runs_the_newest_commands_itself(ages: Ages) -> None:
    outcomes = openssl_verify(ages.twice)
    assert all(held for _, held in outcomes)
    assert outcomes[-1] == ("evidence-002/VERIFY.txt", True)


@pytest.mark.needs_gost
@pytest.mark.needs_openssl
def test_a_house_of_gost_keys_stands_as_long(gost_world: World, tmp_path: Path) -> None:
    gost = three_ages(gost_world, tmp_path, RU_UKEP)
    report = gost.judge(gost.twice, TWENTY)
    assert codes(report) == {}
    assert (report.held, report.policy_id) == (True, RU_UKEP.id)
    assert [command for command, held in openssl_verify(gost.twice) if not held] == []
