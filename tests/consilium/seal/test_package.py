"""The sealed package: what is refused, what is reported, and that openssl alone agrees."""

import hashlib
import io
import random
import subprocess
import zipfile
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from consilium.seal import (
    Dissent,
    DissentFile,
    OrganisationSubject,
    PackageContents,
    PackageRefused,
    PackageReport,
    PersonalSignature,
    SoftwareKey,
    TrustStore,
    container,
    manifest,
    openssl_verify,
    parse_dissent,
    read_package,
    render_dissent,
    report_lines,
    verify_package,
    write_package,
)
from consilium.seal.__main__ import main
from consilium.seal.instructions import commands
from consilium.seal.names import names_in
from tests.consilium.seal.conftest import AT, DOCUMENT, World, make_world
from tests.consilium.seal.forge import Forgery, OtherAuthority
from tests.consilium.seal.old_package import old_package


@pytest.fixture
def package(world: World, tmp_path: Path) -> Path:
    path = tmp_path / "protocol.asice"
    write_package(path, world.contents())
    return path


def codes(report: PackageReport) -> dict[str, str]:
    return {verdict.name: verdict.code for verdict in report.verdicts if not verdict.held}


def judged(world: World, contents: PackageContents, tmp_path: Path) -> PackageReport:
    path = tmp_path / "other.asice"
    write_package(path, contents)
    return verify_package(path, roots=world.trust)


def changed(path: Path, edit: Callable[[dict[str, bytes]], None]) -> bytes:
    """The package with its files edited and packed again as the writer would."""
    members = read_package(path)
    edit(members)
    return container.pack(members)


def resealed(world: World, edit: Callable[[dict[str, bytes]], None]) -> Callable[[dict[str, bytes]], None]:
    """An edit after which the manifest is made and signed anew: a forger inside the organisation."""

    def apply(members: dict[str, bytes]) -> None:
        edit(members)
        members[manifest.MANIFEST] = manifest.render_manifest(members)
        members[manifest.MANIFEST_SIGNATURE] = world.organisation.sign(members[manifest.MANIFEST])

    return apply


def flip(content: bytes, place: int = -1) -> bytes:
    damaged = bytearray(content)
    damaged[place] ^= 1
    return bytes(damaged)


def zipped(*entries: tuple[str, bytes], compression: int = zipfile.ZIP_STORED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as archive:
        for name, content in entries:
            archive.writestr(name, content)
    return buffer.getvalue()


OPINION = render_dissent(Dissent("00" * 32, "42", "Ильина", "22334455667", "Против", AT))
MIMETYPE = ("mimetype", container.MIMETYPE)
CONTAINERS = {
    "nothing": ("PACKAGE_FORMAT", b""),
    "not a zip": ("PACKAGE_FORMAT", b"certainly not a zip file"),
    "another kind of zip": ("PACKAGE_FORMAT", container.pack({"mimetype": b"text/plain"})),
    "a file above the folder": ("PACKAGE_NAME", zipped(MIMETYPE, ("../evil.sig", b"x"))),
    "an absolute name": ("PACKAGE_NAME", zipped(MIMETYPE, ("/etc/passwd", b"x"))),
    "a backslash": ("PACKAGE_NAME", zipped(MIMETYPE, ("signatures\\01-chair.sig", b"x"))),
    "a name nobody writes": ("PACKAGE_NAME", zipped(MIMETYPE, ("readme.html", b"x"))),
    "a folder": ("PACKAGE_NAME", zipped(MIMETYPE, ("signatures/", b""))),
    "a name with a line end": ("PACKAGE_NAME", zipped(MIMETYPE, ("document.xml\n", b"x"))),
    "a compressed bomb": ("PACKAGE_REPACKED", zipped(("document.xml", bytes(10 << 20)), compression=zipfile.ZIP_DEFLATED)),
    "packed by another tool": ("PACKAGE_REPACKED", zipped(MIMETYPE, ("document.xml", b"x"))),
    "a part missing": ("PACKAGE_MISSING", container.pack(dict([MIMETYPE, ("document.xml", b"x")]))),
}  # fmt: skip


@pytest.mark.parametrize("code, content", CONTAINERS.values(), ids=CONTAINERS)
def test_a_hostile_container_is_refused(code: str, content: bytes) -> None:
    with pytest.raises(PackageRefused) as refused:
        read_package(content)
    assert refused.value.code == code


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_two_files_of_one_name_are_refused() -> None:
    with pytest.raises(PackageRefused, match="PACKAGE_DUPLICATE"):
        read_package(zipped(MIMETYPE, ("document.xml", b"shown"), ("document.xml", b"hidden")))


def test_a_directory_of_a_million_entries_is_refused_before_it_is_read() -> None:
    with pytest.raises(PackageRefused, match="PACKAGE_TOO_LARGE"):
        read_package(b"PK\x01\x02" * 1_000_000)


def test_a_package_that_is_not_there_is_refused(tmp_path: Path) -> None:
    report = verify_package(tmp_path / "missing.asice")
    assert codes(report) == {"package": "PACKAGE_FORMAT"}


def test_bytes_before_after_or_between_the_files_are_refused(package: Path) -> None:
    content = package.read_bytes()
    for hidden in (b"PK" + content, content + b"hidden", content[:-2] + b"\x03\x00abc"):
        with pytest.raises(PackageRefused):
            read_package(hidden)


def test_one_changed_byte_anywhere_in_the_package_is_refused(world: World, package: Path) -> None:
    content, chance = package.read_bytes(), random.Random(5)
    for place in sorted(chance.sample(range(len(content)), 400)):
        report = verify_package(flip(content, place), roots=world.trust)
        assert not report.held, place


MEMBERS = [
    *("document.xml", "signatures/01-chair.sig", "signatures/org.sig", "dissent/01.xml", "dissent/01.sig"),
    *("evidence/certs/01-elkina.crt", "audit/chain.jsonl", "VERIFY.txt", "META-INF/ASiCManifest.xml"),
    "META-INF/signature.p7s",
]


@pytest.mark.parametrize("name", MEMBERS)
def test_a_changed_byte_in_a_file_is_refused_even_when_packed_well(
    world: World, package: Path, name: str
) -> None:
    def edit(members: dict[str, bytes]) -> None:
        members[name] = flip(members[name], len(members[name]) // 2)

    report = verify_package(changed(package, edit), roots=world.trust)
    assert not report.held


def test_damage_behind_a_renewed_manifest_is_reported_and_never_escapes(world: World, package: Path) -> None:
    """A forger inside the organisation damages one file and seals again: a report, never another error."""
    chance, names = random.Random(11), [name for name in MEMBERS if not name.startswith("META-INF")]
    names += ["evidence/certs/01-ca.crt", "evidence/crl/01-ca.crl"]
    for _ in range(300):
        name, place = chance.choice(names), chance.random()

        def edit(members: dict[str, bytes], name: str = name, place: float = place) -> None:
            content = members[name]
            cut = int(place * len(content))
            members[name] = content[:cut] + chance.randbytes(3) + content[cut + chance.randrange(6) :]

        report = verify_package(changed(package, resealed(world, edit)), roots=world.trust)
        unsigned = name in ("audit/chain.jsonl", "VERIFY.txt") or name.startswith("evidence/")
        assert unsigned or not report.held, name
        assert "CHECK_FAILED" not in codes(report).values()


MANIFESTS: dict[str, Callable[[bytes], bytes]] = {
    "not XML": lambda content: content[:-5],
    "another digest": lambda content: content.replace(b"xmlenc#sha256", b"xmlenc#sha512"),
    "a file listed twice": lambda content: content.replace(
        b"</asic:ASiCManifest>", content[content.index(b"<asic:Data") :], 1
    ),
    "written another way": lambda content: content.replace(b"\n  <", b"\n<"),
}


@pytest.mark.parametrize("edit", MANIFESTS.values(), ids=MANIFESTS)
def test_a_manifest_of_another_shape_is_refused(
    world: World, package: Path, edit: Callable[[bytes], bytes]
) -> None:
    def reshape(members: dict[str, bytes]) -> None:
        members[manifest.MANIFEST] = edit(members[manifest.MANIFEST])
        members[manifest.MANIFEST_SIGNATURE] = world.organisation.sign(members[manifest.MANIFEST])

    report = verify_package(changed(package, reshape), roots=world.trust)
    assert codes(report) == {manifest.MANIFEST: "MANIFEST_FORMAT"}


def test_a_manifest_sealed_with_another_certificate_of_the_organisation_is_refused(
    world: World, tmp_path: Path
) -> None:
    key = SoftwareKey.generate()
    subject = OrganisationSubject("НМИЦ онкологии", "1027739552642", "7726074986")
    certificate = world.authority.issue_organisation(key.csr(), subject, AT)
    evidence = replace(world.contents(), authorities=(world.authority.root, certificate))
    contents = replace(evidence, seal=lambda listed: key.sign(listed, certificate, AT))
    assert codes(judged(world, contents, tmp_path)) == {manifest.MANIFEST: "MANIFEST_SEALER"}


def test_a_signer_without_his_certificate_in_the_evidence_is_refused(world: World, package: Path) -> None:
    def edit(members: dict[str, bytes]) -> None:
        del members["evidence/certs/01-elkina.crt"]

    report = verify_package(changed(package, resealed(world, edit)), roots=world.trust)
    assert codes(report) == {"signatures/01-chair.sig": "EVIDENCE_CERT"}


def test_a_dissent_without_its_signature_is_refused(package: Path) -> None:
    for name in ("dissent/01.sig", "dissent/01.xml"):
        with pytest.raises(PackageRefused, match="PACKAGE_MISSING"):
            read_package(changed(package, lambda members, name=name: members.pop(name)))


def test_a_signature_without_a_certificate_is_not_packed(world: World, tmp_path: Path) -> None:
    bare = Forgery(world.chair.key.private, world.chair.certificate, DOCUMENT, AT, certificates=[]).build()
    contents = replace(world.contents(), signatures=(PersonalSignature("chair", bare),))
    with pytest.raises(PackageRefused, match="EVIDENCE_CERT"):
        write_package(tmp_path / "never.asice", contents)


def test_a_file_beyond_the_limit_is_refused_unread(tmp_path: Path) -> None:
    path = tmp_path / "huge.asice"
    with path.open("wb") as file:
        file.truncate(container.SIZE_LIMIT + 1)
    with pytest.raises(PackageRefused, match="PACKAGE_TOO_LARGE"):
        read_package(path)


def test_a_declared_size_beyond_the_limit_is_refused_unread() -> None:
    content = bytearray(container.pack({"mimetype": container.MIMETYPE}))
    directory = content.index(b"PK\x01\x02")
    content[directory + 20 : directory + 28] = (container.SIZE_LIMIT + 1).to_bytes(4, "little") * 2
    with pytest.raises(PackageRefused, match="PACKAGE_TOO_LARGE"):
        read_package(bytes(content))


def test_an_added_and_a_removed_file_are_refused(world: World, package: Path) -> None:
    def add(members: dict[str, bytes]) -> None:
        members["signatures/03-expert.sig"] = members["signatures/02-member.sig"]

    def remove(members: dict[str, bytes]) -> None:
        del members["signatures/02-member.sig"]

    for edit in (add, remove):
        report = verify_package(changed(package, edit), roots=world.trust)
        assert codes(report)["META-INF/ASiCManifest.xml"] == "MANIFEST_MISMATCH"


def test_a_rewritten_journal_with_a_rewritten_manifest_is_refused(world: World, package: Path) -> None:
    def edit(members: dict[str, bytes]) -> None:
        members["audit/chain.jsonl"] = b"{}\n"
        members[manifest.MANIFEST] = manifest.render_manifest(members)

    report = verify_package(changed(package, edit), roots=world.trust)
    assert codes(report) == {
        "META-INF/signature.p7s": "DIGEST_MISMATCH",
        "audit/chain.jsonl": "JOURNAL_FORMAT",
    }


def test_a_manifest_sealed_by_another_organisation_is_refused(world: World, package: Path) -> None:
    other = make_world(package.parent / "authority")

    def edit(members: dict[str, bytes]) -> None:
        members[manifest.MANIFEST_SIGNATURE] = other.organisation.sign(members[manifest.MANIFEST])

    report = verify_package(changed(package, edit), roots=world.trust)
    assert codes(report) == {"META-INF/signature.p7s": "UNTRUSTED"}


def test_a_manifest_sealed_by_a_doctor_is_refused(world: World, tmp_path: Path) -> None:
    report = judged(world, replace(world.contents(), seal=world.chair.sign), tmp_path)
    assert codes(report) == {"META-INF/signature.p7s": "SIGNER_MISMATCH"}


def test_a_protocol_changed_by_the_organisation_itself_is_refused(world: World, package: Path) -> None:
    def edit(members: dict[str, bytes]) -> None:
        members["document.xml"] = DOCUMENT.replace(b"protocol", b"Protocol")
        members["signatures/org.sig"] = world.organisation.sign(members["document.xml"])

    report = verify_package(changed(package, resealed(world, edit)), roots=world.trust)
    assert codes(report) == {
        "signatures/01-chair.sig": "DIGEST_MISMATCH",
        "signatures/02-member.sig": "DIGEST_MISMATCH",
        "dissent/01.sig": "DISSENT_OTHER_PROTOCOL",
    }


def test_a_dissent_about_another_protocol_is_refused(world: World, tmp_path: Path) -> None:
    opinion = render_dissent(Dissent("00" * 32, "42", "Ильина", "22334455667", "Против", AT))
    dissents = (DissentFile(opinion, world.member.sign(opinion)),)
    report = judged(world, replace(world.contents(), dissents=dissents), tmp_path)
    assert codes(report) == {"dissent/01.sig": "DISSENT_OTHER_PROTOCOL"}


def test_a_dissent_signed_by_another_than_its_author_is_refused(world: World, tmp_path: Path) -> None:
    opinion = world.contents().dissents[0].xml
    dissents = (DissentFile(opinion, world.chair.sign(opinion)),)
    report = judged(world, replace(world.contents(), dissents=dissents), tmp_path)
    assert codes(report) == {"dissent/01.sig": "SIGNER_MISMATCH"}


@pytest.mark.parametrize(
    "opinion",
    [
        b"<dissent/>",
        b"not xml",
        b'<!DOCTYPE d [<!ENTITY e SYSTEM "file:///etc/passwd">]><dissent xmlns="urn:consilium:dissent:1">&e;</dissent>',
        b'<dissent xmlns="urn:consilium:dissent:1"><text>a</text><text>b</text></dissent>',
        OPINION.replace(b"2026-11-23T", b"yesterday "),
        OPINION.replace("Против".encode(), b"x" * (1 << 20)),
        OPINION.replace("Против".encode(), b"<b>x</b>"),
        OPINION.replace(b":dissent:1", b":dissent:2"),
    ],
)
def test_a_dissent_of_another_shape_is_refused(opinion: bytes) -> None:
    with pytest.raises(PackageRefused, match="DISSENT_FORMAT"):
        parse_dissent(opinion)


def test_a_dissent_with_characters_xml_cannot_carry_is_refused() -> None:
    with pytest.raises(PackageRefused, match="DISSENT_FORMAT"):
        render_dissent(Dissent("00" * 32, "42", "Ильина", "22334455667", "a\0b", AT))


def test_a_dissent_reads_back_as_it_was_written() -> None:
    dissent = Dissent("ab" * 32, "42", "Ильина <А>", "22334455667", 'Не & "согласна"\n]]> <b>', AT)
    assert parse_dissent(render_dissent(dissent)) == dissent


def test_a_person_who_signed_twice_is_refused(world: World, tmp_path: Path) -> None:
    twice = (
        *world.contents().signatures,
        PersonalSignature("expert", world.chair.sign(DOCUMENT, AT + timedelta(0, 1))),
    )
    contents = replace(
        world.contents(),
        signatures=twice,
        org_signature=world.organisation.sign(DOCUMENT, AT + timedelta(0, 2)),
    )
    assert codes(judged(world, contents, tmp_path)) == {"signatures/03-expert.sig": "SIGNATURE_DUPLICATION"}


def test_a_doctor_who_signed_after_the_organisation_is_refused(world: World, tmp_path: Path) -> None:
    late = (PersonalSignature("chair", world.chair.sign(DOCUMENT, AT + timedelta(minutes=1))),)
    report = judged(world, replace(world.contents(), signatures=late), tmp_path)
    assert codes(report) == {"signatures/01-chair.sig": "ORG_BEFORE_PERSON"}


def test_a_person_in_place_of_the_organisation_is_refused(world: World, tmp_path: Path) -> None:
    contents = replace(world.contents(), org_signature=world.chair.sign(DOCUMENT))
    assert codes(judged(world, contents, tmp_path))["signatures/org.sig"] == "SIGNER_MISMATCH"


def test_an_organisation_in_place_of_a_person_is_refused(world: World, tmp_path: Path) -> None:
    signatures = (PersonalSignature("chair", world.organisation.sign(DOCUMENT)),)
    report = judged(world, replace(world.contents(), signatures=signatures), tmp_path)
    assert codes(report) == {"signatures/01-chair.sig": "SIGNER_MISMATCH"}


def test_a_package_without_a_personal_signature_is_refused(world: World, tmp_path: Path) -> None:
    report = judged(world, replace(world.contents(), signatures=()), tmp_path)
    assert codes(report) == {"signatures/": "PACKAGE_MISSING"}


def test_a_package_without_a_revocation_list_is_refused(world: World, tmp_path: Path) -> None:
    report = judged(world, replace(world.contents(), crls=()), tmp_path)
    assert set(codes(report).values()) == {"NO_CRL"}


def test_a_signer_revoked_before_the_seal_is_refused(tmp_path: Path) -> None:
    world = make_world(tmp_path / "authority")
    honest = world.contents()
    serial = f"{names_in(world.member.certificate).serial:x}"
    world.authority.revoke(serial, AT)
    contents = replace(honest, crls=(world.authority.crl(AT),))
    report = judged(world, contents, tmp_path)
    assert codes(report) == {"signatures/02-member.sig": "REVOKED", "dissent/01.sig": "REVOKED"}


def test_a_package_of_an_unknown_authority_is_refused_where_roots_are_given(package: Path) -> None:
    report = verify_package(package, roots=OtherAuthority(AT).trust)
    assert set(codes(report).values()) == {"UNTRUSTED"}


def test_a_package_judged_by_its_own_root_says_so(package: Path) -> None:
    report = verify_package(package)
    assert report.held
    assert not report.anchored
    assert any("Корень доверия взят из самого пакета" in line for line in report_lines(report, "ru"))


def test_a_package_read_years_later_still_holds_for_its_moment(world: World, package: Path) -> None:
    assert verify_package(package, roots=world.trust).held
    late = verify_package(package, roots=world.trust, at=AT + timedelta(days=900))
    assert "CERT_EXPIRED" in codes(late).values()


def test_a_package_of_the_first_layout_is_judged_as_it_was_when_given_out(world: World) -> None:
    old = old_package(world)
    report = verify_package(old, roots=world.trust, now=AT + timedelta(days=5000))
    assert report.held
    assert (report.at, report.sealed_at, report.renewals) == (AT, None, 0)
    assert any("нет доверенной метки времени" in line for line in report_lines(report, "ru"))
    assert not verify_package(flip(old, 400), roots=world.trust).held


@pytest.mark.needs_openssl
def test_openssl_still_accepts_the_first_layout_by_its_own_text(world: World) -> None:
    outcomes = openssl_verify(old_package(world))
    assert all(held for _, held in outcomes)
    assert outcomes[-1] == ("VERIFY.txt", True)


def test_an_honest_package_is_reported_file_by_file(world: World, package: Path) -> None:
    report = verify_package(package, roots=world.trust)
    assert report.held
    assert report.document_sha256 == hashlib.sha256(DOCUMENT).hexdigest()
    assert [(verdict.kind, verdict.signer) for verdict in report.verdicts] == [
        ("manifest", "НМИЦ онкологии"),
        ("signature", "Ёлкина Анна Петровна"),
        ("signature", "Ильина Анна Петровна"),
        ("seal", "НМИЦ онкологии"),
        ("dissent", "Ильина Анна Петровна"),
        ("journal", ""),
    ]
    assert report_lines(report, "ru")[-1] == "Все проверки пройдены."
    assert report_lines(report, "en")[-1] == "Every check held."


def test_the_same_contents_give_the_same_bytes(world: World, package: Path) -> None:
    again = package.with_name("again.asice")
    write_package(again, world.contents())
    assert again.read_bytes() == package.read_bytes()


def test_what_was_packed_is_read_back_unchanged(world: World, package: Path) -> None:
    members, contents = read_package(package), world.contents()
    assert members["document.xml"] == contents.document
    assert members["signatures/01-chair.sig"] == contents.signatures[0].cms
    assert members["audit/chain.jsonl"] == contents.audit
    assert [name for name in members if name.endswith("-ca.crt")] == ["evidence/certs/01-ca.crt"]
    assert zipfile.ZipFile(package).infolist()[0].filename == "mimetype"


def test_a_failed_write_leaves_the_old_package_and_no_rubbish(world: World, package: Path) -> None:
    before = package.read_bytes()
    bad = replace(world.contents(), signatures=(PersonalSignature("../chair", world.chair.sign(DOCUMENT)),))
    with pytest.raises(PackageRefused, match="PACKAGE_NAME"):
        write_package(package, bad)
    assert package.read_bytes() == before
    assert list(package.parent.iterdir()) == [package]


@pytest.mark.needs_openssl
def test_openssl_alone_accepts_the_package(package: Path) -> None:
    outcomes = openssl_verify(package)
    assert len(outcomes) >= 7
    assert all(held for _, held in outcomes)


@pytest.mark.needs_openssl
def test_openssl_alone_refuses_a_changed_protocol(package: Path) -> None:
    content = changed(package, lambda members: members.update({"document.xml": DOCUMENT + b" "}))
    failed = [command for command, held in openssl_verify(content) if not held]
    assert len([command for command in failed if "document.xml" in command]) == 3


@pytest.mark.needs_openssl
def test_the_printed_commands_run_as_they_are(package: Path, tmp_path: Path) -> None:
    folder = tmp_path / "unpacked"
    zipfile.ZipFile(package).extractall(folder)
    printed = commands((folder / "VERIFY.txt").read_bytes())
    answers = [
        subprocess.run(["sh", "-c", line], cwd=folder, capture_output=True, text=True, check=True)
        for line in printed
    ]
    verified = [answer for answer in answers if "CAdES Verification successful" in answer.stderr]
    assert len(verified) == 5
    digest = next(answer.stdout for answer in answers if "document.xml" in answer.stdout)
    assert hashlib.sha256(DOCUMENT).hexdigest() in digest


@pytest.mark.needs_openssl
def test_a_command_in_a_hostile_package_is_never_run(package: Path, tmp_path: Path) -> None:
    trap = tmp_path / "trap"

    def edit(members: dict[str, bytes]) -> None:
        members["VERIFY.txt"] = f"openssl rand -out {trap} 8\n".encode()

    outcomes = openssl_verify(changed(package, edit))
    assert ("VERIFY.txt", False) in outcomes
    assert not trap.exists()


@pytest.mark.parametrize("lang, words", [("ru", "Все проверки пройдены."), ("en", "Every check held.")])
def test_the_command_line_says_what_holds(
    package: Path, capsys: pytest.CaptureFixture[str], lang: str, words: str
) -> None:
    assert main([str(package), "--lang", lang, "--openssl"]) == 0
    assert words in capsys.readouterr().out


def test_the_command_line_fails_for_a_bad_package(package: Path, capsys: pytest.CaptureFixture[str]) -> None:
    package.write_bytes(flip(package.read_bytes(), 300))
    assert main([str(package), "--lang", "en"]) == 1
    assert "REFUSED" in capsys.readouterr().out


def test_a_store_without_roots_trusts_nobody(world: World, package: Path) -> None:
    report = verify_package(package, roots=TrustStore(()))
    assert set(codes(report).values()) == {"UNTRUSTED"}
