"""Packages made by a stranger who has keys, lists and timestamps of his own: no escape to looser rules, no crash."""

import json
import os
import struct
import tracemalloc
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding

from consilium.seal import (
    DEMO_ECDSA,
    DEMO_ECDSA_2,
    RU_UKEP,
    PackageReport,
    Policy,
    SignatureRefused,
    TrustStore,
    container,
    der,
    instructions,
    manifest,
    read_package,
    report_lines,
    verify,
    verify_package,
    write_package,
)
from consilium.seal.__main__ import main
from consilium.seal.inventory import check_folder
from consilium.seal.package import pem
from consilium.seal.verdicts import POWER_UNSEEN
from tests.consilium.seal.conftest import AT, DOCUMENT, World
from tests.consilium.seal.eras import Ages, Era, roots, stamped
from tests.consilium.seal.forge import Forgery, Tree
from tests.consilium.seal.old_package import old_package

Members = dict[str, bytes]


def codes(report: PackageReport) -> dict[str, str]:
    return {verdict.name: verdict.code for verdict in report.verdicts if not verdict.held}


def sealed_anew(world: World, members: Members, stamp: Callable[[bytes], bytes] | None = None) -> bytes:
    """The files under a manifest that the organisation's own key signs: a forger inside, or one who has its key."""
    members["VERIFY.txt"] = instructions.render(members)
    members[manifest.MANIFEST] = manifest.render_manifest(members)
    members[manifest.MANIFEST_SIGNATURE] = world.organisation.sign(members[manifest.MANIFEST])
    if stamp is not None:
        members[manifest.MANIFEST_TOKEN] = stamp(members[manifest.MANIFEST_SIGNATURE])
    return container.pack(members)


def named_policy(policy: Policy) -> bytes:
    return json.dumps({"policy": {"id": policy.id, "digest": policy.digest}}).encode()


# --- the first layout as an escape from timestamps -------------------------------------------------


@pytest.mark.parametrize("policy", [DEMO_ECDSA, DEMO_ECDSA_2])
def test_the_first_layout_names_no_policy_of_its_own(world: World, policy: Policy) -> None:
    members = read_package(old_package(world))
    members["report/signatures.json"] = named_policy(policy)
    report = verify_package(sealed_anew(world, members), roots=world.trust)
    assert not report.held


@pytest.mark.needs_gost
def test_qualified_signatures_are_never_judged_without_timestamps(gost_world: World, tmp_path: Path) -> None:
    path = tmp_path / "p.asice"
    contents = replace(gost_world.contents(), reports={"signatures.json": named_policy(RU_UKEP)})
    write_package(path, contents)
    report = verify_package(path, roots=gost_world.trust)
    assert not report.held


def test_a_revocation_known_to_the_reader_counts_against_a_package_without_timestamps(world: World) -> None:
    package = old_package(world)
    serial = x509.load_der_x509_certificate(world.chair.certificate).serial_number
    known = TrustStore((world.authority.root,), (), (revoking(world, serial, AT - timedelta(hours=1)),))
    assert verify_package(package, roots=world.trust).held
    assert codes(verify_package(package, roots=known)) == {"signatures/01-chair.sig": "REVOKED"}


def test_a_list_from_before_the_revocation_does_not_hide_it_from_a_reader_who_knows(ages: Ages) -> None:
    serial = x509.load_der_x509_certificate(ages.world.chair.certificate).serial_number
    known = roots(ages.world, ages.first)
    for since, expected in (
        (timedelta(hours=-1), {"signatures/01-chair.sig": "REVOKED"}),
        (timedelta(hours=1), {}),
    ):
        lists = (revoking(ages.world, serial, AT + since),)
        report = verify_package(ages.sealed, roots=replace(known, crls=lists))
        assert codes(report) == expected


def revoking(world: World, serial: int, since: datetime) -> bytes:
    """The authority's list of two days later."""
    root = x509.load_der_x509_certificate(world.authority.root)
    entry = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(since).build()
    builder = x509.CertificateRevocationListBuilder().issuer_name(root.subject).add_revoked_certificate(entry)
    builder = builder.last_update(AT + timedelta(days=2)).next_update(AT + timedelta(days=9))
    return builder.sign(world.authority.key.private, hashes.SHA256()).public_bytes(Encoding.DER)


# --- nothing escapes ------------------------------------------------------------------------------


def of_version(certificate: bytes, version: int) -> bytes:
    tree = Tree.read(certificate)
    tree.children[0].children[0] = Tree.read(der.context(0, der.integer(version)))
    return tree.write()


def test_a_certificate_of_a_version_nobody_knows_is_a_refusal(world: World) -> None:
    members = read_package(old_package(world))
    members["evidence/certs/02-ca.crt"] = pem("CERTIFICATE", of_version(world.authority.root, 7))
    assert not verify_package(sealed_by_force(world, members)).held


@pytest.mark.parametrize("serial", [b"\x02\x01\x00", b"\x02\x01\xff"])
def test_a_certificate_without_a_positive_serial_number_is_a_refusal_by_its_name(
    world: World, serial: bytes
) -> None:
    members = read_package(old_package(world))
    tree = Tree.read(world.authority.root)
    tree.children[0].children[1] = Tree.read(serial)
    members["evidence/certs/02-ca.crt"] = pem("CERTIFICATE", tree.write())
    report = verify_package(sealed_by_force(world, members))
    assert [one.code for one in report.verdicts] == ["BAD_CERTIFICATE"]


def test_a_list_of_a_version_nobody_knows_is_a_refusal(world: World) -> None:
    members = read_package(old_package(world))
    tree = Tree.read(world.authority.crl(AT))
    tree.children[0].children[0] = Tree.read(der.integer(7))
    members["evidence/crl/02-ca.crl"] = pem("X509 CRL", tree.write())
    assert not verify_package(sealed_by_force(world, members)).held


def sealed_by_force(world: World, members: Members) -> bytes:
    members[manifest.MANIFEST] = manifest.render_manifest(members)
    members[manifest.MANIFEST_SIGNATURE] = world.organisation.sign(members[manifest.MANIFEST])
    return container.pack(members)


def test_an_entry_beyond_the_end_of_numbers_is_a_refusal() -> None:
    good = container.pack({"mimetype": container.MIMETYPE, "document.xml": b"x"})
    # zip64 extra for offset
    at = good.index(b"PK\x01\x02")
    end = good.index(b"PK\x05\x06")
    second = good.index(b"PK\x01\x02", at + 4)
    entry = bytearray(good[second:end])
    extra = struct.pack("<HHQ", 1, 8, 2**63 + 5)
    entry[30:32] = struct.pack("<H", len(extra))
    entry[42:46] = b"\xff\xff\xff\xff"
    entry = bytes(entry) + extra
    tail = bytearray(good[end:])
    tail[12:16] = struct.pack("<I", second - at + len(entry))
    forged = good[:second] + entry + bytes(tail)
    assert not verify_package(forged).held


def test_a_device_in_place_of_a_package_is_a_refusal(tmp_path: Path) -> None:
    assert codes(verify_package(Path("/dev/null"))) == {"package": "PACKAGE_FORMAT"}
    pipe = tmp_path / "pipe.asice"
    os.mkfifo(pipe)
    assert codes(verify_package(pipe)) == {"package": "PACKAGE_FORMAT"}


def test_an_endless_file_is_not_read_to_its_end() -> None:
    assert codes(verify_package(Path("/dev/zero"))) == {"package": "PACKAGE_FORMAT"}


# --- bounded --------------------------------------------------------------------------------------


def peak(work: Callable[[], object]) -> int:
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_a_document_of_small_values_costs_no_more_than_its_size(world: World) -> None:
    document = der.tlv(0x31, der.sequence(der.oid("1.2.3.4")) * 200_000)
    cms = world.chair.sign(document)

    def work() -> None:
        with pytest.raises(SignatureRefused):
            verify(document, cms, policy=DEMO_ECDSA, trust=world.trust, at=AT, signer=None)

    assert peak(work) < 8 * len(document)


def test_unsigned_attributes_cannot_be_a_flood(world: World) -> None:
    flood = der.tlv(0xA1, b"\x05\x00" * 1_000_000)
    cms = Forgery(world.chair.key.private, world.chair.certificate, DOCUMENT, AT, unsigned=flood).build()

    def work() -> None:
        with pytest.raises(SignatureRefused):
            verify(DOCUMENT, cms, policy=DEMO_ECDSA_2, trust=world.trust, at=AT, signer=None)

    assert peak(work) < 8 * len(cms)


# --- whom the document names ------------------------------------------------------------------------


def clinical(*, people: tuple[str, ...], ogrn: str, patient: str = "") -> bytes:
    """As much of a protocol as says who made it, for whom, and where."""
    performers = "".join(
        f'<performer><assignedEntity><id root="1.2.643.100.3" extension="{one}"/></assignedEntity></performer>'
        for one in people
    )
    return (
        '<ClinicalDocument xmlns="urn:hl7-org:v3" xmlns:identity="urn:hl7-ru:identity"><recordTarget><patientRole>'
        f'<id root="1.2.643.100.3" extension="{patient}"/><providerOrganization><identity:Props>'
        f"<identity:Ogrn>{ogrn}</identity:Ogrn></identity:Props></providerOrganization></patientRole></recordTarget>"
        f"<documentationOf><serviceEvent>{performers}</serviceEvent></documentationOf></ClinicalDocument>"
    ).encode()


CHAIR, MEMBER, OURS = "112-233-445 95", "22334455667", "1027739552642"


@pytest.mark.parametrize(
    "document, expected",
    [
        (clinical(people=(CHAIR, MEMBER), ogrn=OURS), {}),
        (
            clinical(people=(CHAIR,), ogrn=OURS, patient=MEMBER),
            {"signatures/02-member.sig": "SIGNER_NOT_NAMED"},
        ),
        (
            clinical(people=(CHAIR, MEMBER), ogrn="1027700000000"),
            {
                "signatures/org.sig": "SEAL_OTHER_ORGANISATION",
                "META-INF/signature.p7s": "SEAL_OTHER_ORGANISATION",
            },
        ),
    ],
    ids=["those whom it names", "the patient in place of a doctor", "another organisation's seal"],
)
def test_only_whom_the_document_names_signs_and_seals_it(
    world: World, tmp_path: Path, document: bytes, expected: dict[str, str]
) -> None:
    path = tmp_path / "p.asice"
    write_package(path, world.contents(document))
    assert codes(verify_package(path, roots=world.trust)) == expected


@pytest.mark.parametrize(
    "before",
    [
        b'<!DOCTYPE ClinicalDocument [<!ENTITY say "in favour">]>',
        b'<!DOCTYPE ClinicalDocument SYSTEM "file:///etc/passwd">',
        b'<?xml-stylesheet type="text/xsl" href="other-words.xsl"?>',
    ],
    ids=["entity", "external document type", "stylesheet"],
)
def test_a_document_that_tells_its_viewer_what_to_show_is_refused(
    world: World, tmp_path: Path, before: bytes
) -> None:
    """A browser would show words that nobody judged."""
    document = clinical(people=(CHAIR, MEMBER), ogrn=OURS)
    for number, changed in enumerate((before + document, (before + document).decode().encode("utf-16"))):
        path = tmp_path / f"{number}.asice"
        write_package(path, world.contents(changed))
        assert codes(verify_package(path, roots=world.trust)) == {"package": "DOCUMENT_NOT_PLAIN"}


@pytest.mark.parametrize("ending, most", [(".sig", 201), (".crl", 64), (".ors", 512)])
def test_a_crowd_of_signatures_or_evidence_is_refused_unread(ages: Ages, ending: str, most: int) -> None:
    members = read_package(ages.sealed)
    folder = {".sig": "signatures/00-x", ".crl": "evidence/crl/x", ".ors": "evidence/ocsp/x"}[ending]
    crowd = {f"{folder}{number}{ending}": b"x" for number in range(most + 1)}
    assert codes(verify_package(container.pack(members | crowd))) == {"package": "PACKAGE_TOO_LARGE"}


# --- a folder of packages from a stranger --------------------------------------------------------


def test_verdicts_that_came_with_the_folder_are_not_taken_over(ages: Ages, tmp_path: Path) -> None:
    bad = ages.sealed[:-1]
    (tmp_path / "bad.asice").write_bytes(bad)
    known, now = roots(ages.world, ages.first), AT + timedelta(days=1)
    assert not check_folder(tmp_path, roots=known, at=None, now=now).held
    state = tmp_path / "verified.jsonl"
    lines = [json.loads(line) for line in state.read_text().splitlines()]
    lines[1]["held"] = True
    state.write_text("".join(json.dumps(line) + "\n" for line in lines))
    summary = check_folder(tmp_path, roots=known, at=None, now=now)
    assert (summary.held, summary.taken_over) == (False, 0)


def test_a_state_of_another_user_moves_no_clock(
    ages: Ages, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "old.asice").write_bytes(ages.sealed)
    known = roots(ages.world, ages.first)
    assert check_folder(tmp_path, roots=known, at=None, now=AT + timedelta(days=1)).held
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "mine"))
    summary = check_folder(tmp_path, roots=known, at=None, now=AT + timedelta(days=365 * 20))
    assert (summary.held, summary.taken_over) == (False, 0)


@pytest.mark.parametrize("content", [b"\xff\xfe", b"[" * 200_000, b'{"code": 1, "roots": {}}'])
def test_a_state_of_any_bytes_is_begun_anew(ages: Ages, tmp_path: Path, content: bytes) -> None:
    (tmp_path / "p.asice").write_bytes(ages.sealed)
    (tmp_path / "verified.jsonl").write_bytes(content)
    assert check_folder(tmp_path, roots=None, at=None, now=AT + timedelta(days=1)).taken_over == 0


def test_a_state_that_leads_elsewhere_overwrites_nothing(ages: Ages, tmp_path: Path) -> None:
    elsewhere, folder = tmp_path / "precious", tmp_path / "archive"
    elsewhere.write_text("mine")
    folder.mkdir()
    (folder / "p.asice").write_bytes(ages.sealed)
    (folder / "verified.jsonl").symlink_to(elsewhere)
    assert main(["--archive", str(folder)]) == 2
    assert elsewhere.read_text() == "mine"


@pytest.mark.needs_gost
def test_a_seal_by_a_power_that_anybody_may_write_says_that_it_was_not_looked_up(
    gost_world: World, tmp_path: Path
) -> None:
    """Whoever has a certificate may write that he has a power: the verdict says what it does not know."""
    era = Era.make(AT)
    stranger = gost_world.doctor("Чужаков", "99988877766")
    ground = {"power_of_attorney": {"number": "1", "person": {"snils": "99988877766"}}}
    world = replace(gost_world, organisation=stranger)
    reports = {"seal.json": json.dumps(ground).encode(), "signatures.json": named_policy(RU_UKEP)}
    path = tmp_path / "p.asice"
    write_package(path, replace(stamped(world, era), reports=reports))
    report = verify_package(path, roots=roots(world, era), now=AT + timedelta(days=1))
    said = {one.name: one.code for one in report.verdicts if one.kind in {"seal", "manifest"}}
    assert said == {"signatures/org.sig": "OK_BY_POWER", "META-INF/ASiCManifest.xml": "MANIFEST_OK"}
    assert POWER_UNSEEN[True] in report_lines(report, "ru")
    write_package(path, replace(stamped(world, era), reports={"signatures.json": named_policy(RU_UKEP)}))
    assert not verify_package(path, roots=roots(world, era), now=AT + timedelta(days=1)).held
