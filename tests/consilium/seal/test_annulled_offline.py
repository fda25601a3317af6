"""`verify PACKAGE --with ACT`: an act that holds, of the same organisation, puts a document out of force, and nothing else."""

import hashlib
import json
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

import pytest

from consilium.documents.annulment import ActSigner, Annulled, Annulment, render_annulment
from consilium.seal import RU_UKEP, OrganisationSubject, PackageContents, write_package
from consilium.seal.__main__ import main
from consilium.seal.acts import Judge, beside, with_acts
from consilium.seal.inventory import check_folder
from consilium.seal.package import PersonalSignature, signed_files
from consilium.seal.timestamp import covered_by
from consilium.seal.verdicts import PackageReport, report_json, report_lines, signatures_json
from tests.consilium.seal import chains
from tests.consilium.seal.conftest import AT, DOCUMENT, Signer, World
from tests.consilium.seal.eras import Era, roots, stamped

DAY = timedelta(days=1)
LATER, MUCH_LATER = AT + 3 * DAY, AT + 30 * DAY


def act_on(document: bytes, snils: str, number: str = "7-А") -> bytes:
    annulled = Annulled(
        document_id="d",
        set_id="s",
        version=1,
        sha256=hashlib.sha256(document).hexdigest(),
        title="Протокол",
        number="2026-00001",
        sealed_at=AT,
    )
    chair = ActSigner(
        person_id="p", name="Ёлкина", post="врач", snils=snils, role="CHAIR", role_name="Председатель"
    )
    return render_annulment(
        Annulment(
            document_id="a",
            set_id="b",
            number=number,
            organisation_oid="1.2.643",
            organisation="НМИЦ онкологии",
            case_number="1",
            made_at=LATER,
            annulled=annulled,
            reason="Ошибка в диагнозе",
            signers=(chair,),
        )
    )


def contents_of(world: World, era: Era, document: bytes, by: Signer, seal: Signer) -> PackageContents:
    """A paper of one signature, sealed three days after the protocol."""
    signature, org = by.sign(document, LATER), seal.sign(document, LATER)
    signatures = (PersonalSignature("chair", signature),)
    early, late = era.at(LATER + timedelta(seconds=20)), era.at(LATER + timedelta(seconds=40))
    named = signed_files(signatures, org)
    return replace(
        world.contents(document),
        signatures=signatures,
        org_signature=org,
        dissents=(),
        authorities=(world.authority.root, *early.material().certificates),
        crls=(world.authority.crl(LATER), *early.material().crls),
        audit=chains.journal(document, (by.certificate,), (), AT, "act"),
        seal=lambda content: seal.sign(content, LATER),
        tokens={name: early.stamp(covered_by(cms)) for name, cms in named.items()},
        stamp=late.stamp,
    )


@dataclass(frozen=True)
class Shelf:
    """A folder with the protocol, and what may lie beside it."""

    world: World
    era: Era
    folder: Path

    @property
    def protocol(self) -> Path:
        return self.folder / "protocol.asice"

    @property
    def judge(self) -> Judge:
        return Judge(roots(self.world, self.era), None, None, MUCH_LATER)

    def put(self, name: str, document: bytes, **changes: object) -> Path:
        path = self.folder / name
        parties = {"by": self.world.chair, "seal": self.world.organisation} | {
            key: changes.pop(key) for key in ("by", "seal") if key in changes
        }
        write_package(path, replace(contents_of(self.world, self.era, document, **parties), **changes))
        return path

    def judged(self, *acts: Path, judge: Judge | None = None) -> PackageReport:
        used = judge or self.judge
        others = {name: used.act(found) for name, found in beside(self.protocol, list(acts)).items()}
        return with_acts(used.report(self.protocol), others, used.moment)


@pytest.fixture(scope="module")
def era() -> Era:
    return Era.make(AT)


@pytest.fixture
def shelf(world: World, era: Era, tmp_path: Path) -> Shelf:
    write_package(tmp_path / "protocol.asice", stamped(world, era))
    return Shelf(world, era, tmp_path)


@pytest.fixture
def act(shelf: Shelf) -> Path:
    return shelf.put("act.asice", act_on(DOCUMENT, shelf.world.chair.expected.snils))


def code_of(report: PackageReport) -> str:
    return next(one.code for one in report.verdicts if one.kind == "act")


def test_a_document_that_was_annulled_is_whole_and_out_of_force(shelf: Shelf, act: Path) -> None:
    assert shelf.judge.report(shelf.protocol).annulled is None
    report = shelf.judged(act)
    assert report.held
    assert report.annulled is not None
    assert report.annulled.number == "7-А"
    assert report.annulled_at == (LATER + timedelta(seconds=40))
    assert code_of(report) == "ANNULLED"
    last = report_lines(report)[-1]
    assert last == (
        "Все проверки пройдены, но документ не действует: аннулирован актом 7-А от 2026-11-26 09:30:55 UTC."
    )
    assert json.loads(report_json(report))["annulled"] == {"act": "7-А", "at": "2026-11-26T09:30:55+00:00"}


def test_before_the_act_was_sealed_the_document_was_in_force(shelf: Shelf, act: Path) -> None:
    report = shelf.judged(act, judge=replace(shelf.judge, at=AT + DAY))
    assert report.held
    assert report.annulled is None
    assert code_of(report) == "ACT_LATER"
    assert "позднее аннулирован актом 7-А" in "\n".join(report_lines(report))


def test_a_broken_act_annuls_nothing_and_is_told_of(shelf: Shelf, act: Path) -> None:
    content = bytearray(act.read_bytes())
    content[content.index(b"2026-00001")] ^= 1
    act.write_bytes(content)
    report = shelf.judged(act)
    assert (report.annulled, report.held, code_of(report)) == (None, False, "ACT_NOT_HELD")


def test_an_act_without_a_timestamp_annuls_nothing(shelf: Shelf) -> None:
    document = act_on(DOCUMENT, shelf.world.chair.expected.snils)
    bare = shelf.put("bare.asice", document, tokens={}, stamp=None)
    report = shelf.judged(bare)
    assert (report.annulled, code_of(report)) == (None, "ACT_NOT_HELD")


def test_another_organisations_act_annuls_nothing(shelf: Shelf) -> None:
    key = shelf.world.authority.new_key()
    subject = OrganisationSubject("Другая больница", "1027700132195", "7707083893")
    certificate = shelf.world.authority.issue_organisation(key.csr(), subject, AT)
    stranger = Signer(key, certificate, shelf.world.organisation.expected)
    document = act_on(DOCUMENT, shelf.world.chair.expected.snils)
    report = shelf.judged(shelf.put("foreign.asice", document, seal=stranger))
    assert (report.annulled, report.held, code_of(report)) == (None, False, "ACT_ORGANISATION")


@pytest.mark.needs_gost
def test_a_representative_annuls_what_he_sealed_and_nothing_another_one_did(
    gost_world: World, era: Era, tmp_path: Path
) -> None:
    """By the certificate's СНИЛС: the power of attorney beside it is anybody's to write."""
    head, other = (
        gost_world.doctor(surname, snils)
        for surname, snils in (("Главнова", "55667788990"), ("Громов", "33445566778"))
    )
    document = act_on(DOCUMENT, gost_world.chair.expected.snils)

    def sealed(signer: Signer) -> dict[str, bytes]:
        power = {"number": "3f1d7c2e", "person": {"snils": signer.expected.snils}}
        ground = json.dumps({"power_of_attorney": power}).encode()
        return {"signatures.json": signatures_json({}, {}, RU_UKEP), "seal.json": ground}

    by_power = Shelf(replace(gost_world, organisation=head), era, tmp_path)
    write_package(by_power.protocol, replace(stamped(by_power.world, era), reports=sealed(head)))
    assert by_power.judge.report(by_power.protocol).held
    his = by_power.put("his.asice", document, reports=sealed(head))
    anothers = by_power.put("anothers.asice", document, seal=other, reports=sealed(other))
    assert by_power.judged(anothers).annulled is None
    assert code_of(by_power.judged(anothers)) == "ACT_ORGANISATION"
    assert by_power.judged(his).annulled is not None


def test_an_act_signed_by_somebody_it_does_not_name_annuls_nothing(shelf: Shelf) -> None:
    document = act_on(DOCUMENT, shelf.world.member.expected.snils)
    report = shelf.judged(shelf.put("unnamed.asice", document))
    assert (report.annulled, code_of(report)) == (None, "ACT_NOT_HELD")
    assert "SIGNER_NOT_NAMED" in report.verdicts[-1].en


def test_an_act_about_another_document_or_about_two_says_nothing_of_this_one(shelf: Shelf) -> None:
    snils = shelf.world.chair.expected.snils
    other = shelf.put("other.asice", act_on(b"<protocol>other</protocol>", snils))
    line = b"  <annulled"
    single = act_on(DOCUMENT, snils)
    start, end = single.index(line), single.index(b"</annulled>") + len(b"</annulled>\n")
    double = shelf.put("double.asice", single[:end] + single[start:end] + single[end:])
    for path in (other, double, shelf.protocol):
        report = shelf.judged(path)
        assert (report.annulled, report.held, code_of(report)) == (None, True, "ACT_OTHER"), path.name


def test_an_act_that_tells_another_history_of_the_meeting_is_refused(shelf: Shelf) -> None:
    document = act_on(DOCUMENT, shelf.world.chair.expected.snils)
    meeting = chains.chain("consilium", chains.votes("against"), AT)
    paper = chains.chain("protocol", chains.signing(document, [shelf.world.chair.certificate]), AT, "act")
    forked = shelf.put("forked.asice", document, audit=chains.written([*meeting, *paper]))
    report = shelf.judged(forked)
    assert (report.annulled, report.held, code_of(report)) == (None, False, "JOURNAL_FORK")


def test_of_several_acts_the_first_one_counts(shelf: Shelf, act: Path, world: World, era: Era) -> None:
    second = shelf.put(
        "second.asice", act_on(DOCUMENT, world.chair.expected.snils, "8-А"), stamp=era.at(LATER + DAY).stamp
    )
    report = shelf.judged(second, act)
    assert report.annulled is not None
    assert report.annulled.number == "7-А"


def test_of_a_folder_only_the_acts_on_this_document_are_taken(shelf: Shelf, act: Path) -> None:
    shelf.put("other.asice", act_on(b"<protocol>other</protocol>", shelf.world.chair.expected.snils))
    (shelf.folder / "rubbish.asice").write_bytes(b"PK rubbish")
    assert list(beside(shelf.protocol, [shelf.folder])) == [str(act)]
    assert shelf.judged(shelf.folder).annulled is not None


def test_acts_of_one_name_in_many_folders_are_all_taken(shelf: Shelf, act: Path) -> None:
    """As an export lays them out: every paper in a folder of its own, each package under the same name."""
    other = shelf.put("other.asice", act_on(b"<protocol>other</protocol>", shelf.world.chair.expected.snils))
    paths = []
    for number, file in enumerate((act, other)):
        paths.append(shelf.folder / "export" / str(number) / "package.asice")
        paths[-1].parent.mkdir(parents=True)
        file.rename(paths[-1])
    assert shelf.judged(*paths).annulled is not None
    assert list(beside(shelf.protocol, paths)) == [str(one) for one in paths]
    assert list(beside(shelf.protocol, [shelf.folder])) == [str(paths[0])]


def test_a_file_name_redraws_no_terminal(shelf: Shelf, act: Path, capsys: pytest.CaptureFixture[str]) -> None:
    act.rename(shelf.folder / "\x1b[2Jact\u202e.asice")
    assert main(["--archive", str(shelf.folder), "--at", MUCH_LATER.isoformat()]) == 0
    told = capsys.readouterr().out
    assert "аннулирован актом" in told
    assert "\x1b" not in told
    assert "\u202e" not in told


def test_an_archive_holds_both_and_names_what_is_out_of_force(shelf: Shelf, act: Path) -> None:
    for _ in range(2):  # the second run takes its verdicts over
        summary = check_folder(shelf.folder, roots=shelf.judge.roots, at=None, now=MUCH_LATER)
        assert summary.held
        assert [(one.name, one.act, one.number) for one in summary.annulled] == [
            ("protocol.asice", "act.asice", "7-А")
        ]
    assert summary.taken_over == 2
    act.write_bytes(act.read_bytes()[:-1])
    assert check_folder(shelf.folder, roots=shelf.judge.roots, at=None, now=MUCH_LATER).annulled == ()


def test_the_command_has_a_status_of_its_own_for_what_is_out_of_force(
    shelf: Shelf, act: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from consilium.cli import main as consilium

    at = ["--at", MUCH_LATER.isoformat()]
    assert main([str(shelf.protocol), *at]) == 0
    assert main([str(shelf.protocol), *at, "--lang", "en", "--with", str(act)]) == 3
    assert "the document is out of force: annulled by act 7-А" in capsys.readouterr().out
    assert consilium(["verify", str(shelf.protocol), *at, "--with", str(shelf.folder)]) == 3
    assert "АННУЛ. " in capsys.readouterr().out
    assert consilium(["verify", "--archive", str(shelf.folder), *at]) == 0
    assert "protocol.asice: аннулирован актом 7-А" in capsys.readouterr().out
    assert main([str(shelf.protocol), *at, "--with", str(shelf.folder / "missing.asice")]) == 2
