"""Between the last signature and the package: silent, wrong and late authorities, revoked keys, a worker that dies."""

import hashlib
import json
import shutil
import subprocess
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import msgspec
import pytest
from cryptography import x509
from cryptography.x509 import ocsp

from consilium import clock, demo, packing, revocations, seal_work, sealing
from consilium import commands as c
from consilium.errors import Conflict
from consilium.model import Protocol, ProtocolStatus, SignatureStatus
from consilium.seal import outward, tsp
from consilium.seal.authority import PersonSubject
from consilium.seal.package import read_package
from consilium.seal.report import verify_package
from consilium.seal.trust import TrustStore
from consilium.settings import Settings
from consilium.store.seal_works import kept as seal_works_of
from consilium.store.tables import outbox, seal_works
from tests.people import World, inhabited

ALL = ("deputy", "secretary", "member1", "ivanova")


@pytest.fixture(autouse=True)
def honest(request: pytest.FixtureRequest) -> Iterator[None]:
    """Whatever a test made of the shared authority, the next one finds it honest."""
    yield
    if "shared" in request.fixturenames:
        request.getfixturevalue("shared").desk.behave("all", "ok")


def seal(world: World, protocol: Protocol) -> bool:
    """One run of the worker's task; whether it asks to be run again later."""
    again = sealing.seal_protocol(world.parts, {"protocol": str(protocol.id)})
    if again is not None:
        assert timedelta(seconds=3) < again - clock.now() < timedelta(minutes=15)
    return again is not None


def sealed(world: World, protocol: Protocol) -> dict[str, bytes]:
    """The files of its package, which must hold for the strict verifier."""
    found = world.protocol(protocol.id)
    assert (found.status, found.waits_for, found.waits_since) == (ProtocolStatus.SEALED, "", None)
    content = (packing.packages(world.parts) / found.package_name).read_bytes()
    assert hashlib.sha256(content).hexdigest() == found.package_digest
    report = verify_package(content, roots=world.parts.trust(), at=clock.now())
    assert report.held, [one.code for one in report.verdicts if not one.held]
    return read_package(content)


def waits(world: World, protocol: Protocol) -> tuple[str, str]:
    found = world.protocol(protocol.id)
    assert found.status is ProtocolStatus.SEALING
    return found.waits_for, found.waits_reason


def later(monkeypatch: pytest.MonkeyPatch, by: timedelta) -> None:
    """Everybody's clock goes forward, the authority's too."""
    before = clock.now
    monkeypatch.setattr(clock, "now", lambda: before() + by)


# --- the whole ------------------------------------------------------------------------------------


def test_every_signature_has_its_timestamp_and_its_evidence_in_the_package(shared: World):
    protocol = shared.signed(*ALL, dissent_by="member1")
    power = {"number": "3f1d7c2e-0000-4000-8000-000000000001", "valid_until": "2027-11-23"}
    folder = shared.parts.settings.keys_dir / str(protocol.organisation_id)
    (folder / "power_of_attorney.json").write_text(json.dumps(power), encoding="utf-8")
    assert not seal(shared, protocol)
    files = sealed(shared, protocol)
    tokens = {name for name in files if name.startswith("evidence/tst/")}
    roles = ("01-chair", "02-deputy", "03-secretary", "04-member", "05-attending", "dissent-01", "org")
    assert tokens == {f"evidence/tst/{name}.tst" for name in roles}
    assert "META-INF/signature.tst" in files
    assert len([name for name in files if name.startswith("evidence/ocsp/")]) == len(roles)
    assert any(name.endswith("-tsa.crt") for name in files)
    assert any(name.endswith("-ocsp.crt") for name in files)
    assert json.loads(files["report/seal.json"])["power_of_attorney"] == power
    rows = json.loads(files["report/signatures.json"])["signatures"]
    assert set(rows) == set(roles)
    assert all(row["signing_time"] <= row["stamped_at"] for row in rows.values())
    assert files["document.pdf"].startswith(b"%PDF-")
    assert rows["org"]["signing_time"] >= max(rows[name]["signing_time"] for name in roles)
    (folder / "power_of_attorney.json").unlink()


@pytest.mark.needs_openssl
def test_openssl_finds_every_timestamp_of_the_package_good(shared: World, tmp_path: Path):
    protocol = shared.signed(*ALL)
    assert not seal(shared, protocol)
    files = sealed(shared, protocol)
    for name in ("evidence/tst/01-chair.tst", "META-INF/signature.tst"):
        covered = (
            sealing.covered_by(files["signatures/01-chair.sig"])
            if "chair" in name
            else files["META-INF/signature.p7s"]
        )
        chain = b"".join(content for path, content in files.items() if path.endswith(("-ca.crt", "-tsa.crt")))
        for file, content in (("t", files[name]), ("d", covered), ("ca", chain)):
            (tmp_path / file).write_bytes(content)
        command = ["openssl", "ts", "-verify", "-token_in", "-in", "t", "-data", "d", "-CAfile", "ca", "-untrusted", "ca"]  # fmt: skip
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=30)
        assert "Verification: OK" in done.stdout + done.stderr


def test_signatures_are_stamped_as_they_come_and_asked_for_once(shared: World):
    protocol = shared.frozen(*ALL)
    *first, last = shared.signer_logins(protocol.id)
    for login in first:
        shared.sign(login, protocol.id)
    with shared.parts.store.read() as reader:
        kinds = Counter(reader.connection.execute(outbox.select()).mappings().all()[n]["kind"] for n in [0])
        rows = [
            row["kind"]
            for row in reader.connection.execute(outbox.select()).mappings()
            if row["payload"].get("protocol") == str(protocol.id)
        ]
    assert kinds and Counter(rows)["protocol.stamp"] == len(first)
    asked = shared.desk.asked["tsa"]
    assert sealing.stamp_signatures(shared.parts, {"protocol": str(protocol.id)}) is None
    assert shared.desk.asked["tsa"] - asked == len(first)
    shared.sign(last, protocol.id)
    assert not seal(shared, protocol)
    sealed(shared, protocol)
    assert (
        shared.desk.asked["tsa"] - asked == len(first) + 3
    )  # the last signer, the organisation, the manifest


def test_the_seal_of_another_organisation_seals_nothing_here(shared: World):
    """SG-04: ОГРН and ИНН of the seal's certificate are those of the organisation that registers."""
    protocol = shared.signed(*ALL)
    folders = shared.parts.settings.keys_dir
    own, other = (folders / str(demo.ORGANISATIONS[name].id) for name in ("nmic", "region"))
    own.rename(folders / "away")
    shutil.copytree(other, own)
    try:
        assert seal(shared, protocol)
        assert waits(shared, protocol) == ("seal_key", "SIGNER_MISMATCH")
    finally:
        shutil.rmtree(own)
        (folders / "away").rename(own)
    power = own / "power_of_attorney.json"
    power.write_text('{"number": 7}', encoding="utf-8")
    assert seal(shared, protocol)
    assert waits(shared, protocol) == ("seal_key", "no_certificate")
    power.unlink()
    assert not seal(shared, protocol)
    sealed(shared, protocol)


@pytest.mark.needs_gost
def test_a_house_of_gost_keys_is_sealed_with_gost_timestamps(tmp_path: Path):
    """Signers, seal, timestamp authority and lists by GOST R 34.10-2012, judged by ru-ukep/1."""
    environment = {
        "CONSILIUM_DEMO": "1",
        "CONSILIUM_DATA_DIR": str(tmp_path),
        "CONSILIUM_SIGNATURE_POLICY": "ru-ukep/1",
    }
    with inhabited(Settings.from_environment(environment)) as world:
        protocol = world.signed("deputy", "secretary", "member1")
        assert not seal(world, protocol)
        files = sealed(world, protocol)
        rows = json.loads(files["report/signatures.json"])
        assert rows["policy"]["id"] == "ru-ukep/1"
        assert {row["algorithm"] for row in rows["signatures"].values()} == {"gost2012-256-streebog256"}
        token = tsp.read_token(files["META-INF/signature.tst"])
        assert token.digest_oid == "1.2.643.7.1.1.2.2"


@pytest.mark.needs_gost
def test_a_person_seals_for_the_organisation_by_a_power_of_attorney_alone(tmp_path: Path):
    environment = {
        "CONSILIUM_DEMO": "1",
        "CONSILIUM_DATA_DIR": str(tmp_path),
        "CONSILIUM_SIGNATURE_POLICY": "ru-ukep/1",
    }
    with inhabited(Settings.from_environment(environment)) as world:
        protocol = world.signed("deputy", "secretary")
        folder = world.parts.settings.keys_dir / str(protocol.organisation_id)
        key = world.desk.authority.new_key()
        head = PersonSubject("Главнова Анна Петровна", "Главнова", "Анна Петровна", "55667788990")
        (folder / "seal.crt").write_bytes(world.desk.authority.issue(key.csr(), head, clock.now()))
        key.save(folder / "seal.key")
        assert seal(world, protocol)
        assert waits(world, protocol) == ("seal_key", "POWER_OF_ATTORNEY")
        person = {"snils": "556-677-889 90", "surname": "Главнова", "given": "Анна Петровна"}
        power = {
            "number": "3f1d7c2e-0000-4000-8000-000000000001",
            "person": person | {"snils": "11111111111"},
        }
        (folder / "power_of_attorney.json").write_text(json.dumps(power), encoding="utf-8")
        assert seal(world, protocol)
        assert waits(world, protocol) == ("seal_key", "SIGNER_MISMATCH")
        power["person"] = person
        (folder / "power_of_attorney.json").write_text(json.dumps(power), encoding="utf-8")
        assert not seal(world, protocol)
        files = sealed(world, protocol)
        ground = json.loads(files["report/seal.json"])
        assert (ground["power_of_attorney"], ground["ogrn"]) == (power, "")


# --- authorities that do not answer, or answer wrongly --------------------------------------------


def test_a_timestamp_authority_silent_for_a_day_delays_the_seal_and_loses_nothing(
    world: World, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(outward, "TOTAL_SECONDS", 0.3)
    protocol = world.signed(*ALL)
    world.desk.behave("tsa", "silent")
    assert seal(world, protocol)
    assert waits(world, protocol) == ("timestamp", "OUT_SILENT")
    since = world.protocol(protocol.id).waits_since
    pauses = []
    for _ in range(4):
        later(monkeypatch, timedelta(hours=6))
        again = sealing.seal_protocol(world.parts, {"protocol": str(protocol.id)})
        assert again is not None
        pauses.append(again - clock.now())
    assert max(pauses) <= timedelta(minutes=12)
    assert world.protocol(protocol.id).waits_since == since
    assert world.journal("protocol", protocol.id).count("SealDelayed") == 1
    world.desk.behave("tsa", "ok")
    assert not seal(world, protocol)
    sealed(world, protocol)
    assert [one.name for one in packing.packages(world.parts).iterdir()] == [
        world.protocol(protocol.id).package_name
    ]
    with world.parts.store.read() as reader:
        assert reader.connection.execute(seal_works.select()).all() == []


@pytest.mark.parametrize(
    "behaviour,reason",
    [
        ("foreign", "TST_IMPRINT"),
        ("refuse", "TST_STATUS"),
        ("garbage", "TST_FORMAT"),
        ("down", "OUT_STATUS"),
        ("redirect", "OUT_REDIRECT"),
        ("huge", "OUT_TOO_LARGE"),
        ("drip", "OUT_SILENT"),
    ],
)
def test_a_wrong_answer_of_the_timestamp_authority_is_refused_and_waited_out(
    shared: World, waiting: Protocol, monkeypatch: pytest.MonkeyPatch, behaviour: str, reason: str
):
    monkeypatch.setattr(outward, "TOTAL_SECONDS", 0.5)
    shared.desk.behave("tsa", behaviour)
    assert seal(shared, waiting)
    assert waits(shared, waiting) == ("timestamp", reason)


@pytest.fixture(scope="module")
def waiting(shared: World) -> Protocol:
    """One protocol that waits through many wrong answers."""
    return shared.signed(*ALL)


def test_what_waited_through_all_that_is_sealed_once_the_authority_is_honest(shared: World):
    protocol = shared.signed(*ALL)
    shared.desk.behave("tsa", "down")
    assert seal(shared, protocol)
    shared.desk.behave("tsa", "ok")
    assert not seal(shared, protocol)
    sealed(shared, protocol)


@pytest.mark.parametrize(
    "behaviour,reason", [("down", "OUT_STATUS"), ("stale", "OCSP_STALE"), ("garbage", "OCSP_FORMAT")]
)
def test_without_word_about_revocation_nothing_is_sealed(shared: World, behaviour: str, reason: str):
    protocol = shared.signed(*ALL)
    shared.desk.behave("ocsp", behaviour)
    shared.desk.behave("crl", "stale")
    with_old_lists = shared.parts.evidence.trust
    old = shared.desk.authority.trust(clock.now() - timedelta(hours=1))
    object.__setattr__(shared.parts.evidence, "trust", lambda: old)
    try:
        assert seal(shared, protocol)
        assert waits(shared, protocol) == ("revocation", reason)
    finally:
        object.__setattr__(shared.parts.evidence, "trust", with_old_lists)
    shared.desk.behave("all", "ok")
    assert not seal(shared, protocol)
    sealed(shared, protocol)


def test_an_earlier_proof_is_dropped_only_when_its_authority_cannot_count_again(world: World):
    protocol = world.signed(*ALL)
    covered = sealing.covered_by(protocol.signatures[0].cms)
    work, kept = seal_work.Work.begun(world.parts, protocol.id), f"tst:{hashlib.sha256(covered).hexdigest()}"
    first = work.token(covered)
    collector, trust = world.parts.evidence, world.parts.evidence.trust
    # No list is to be had, and the one we had is gone: for the moment nobody can say whether the token counts.
    world.desk.behave("crl", "down")
    for one in collector.revocation.folder.iterdir():
        one.unlink()
    object.__setattr__(collector, "trust", lambda: TrustStore(trust().roots))
    with pytest.raises(seal_work.Waits, match="REVOCATION_MISSING"):
        work.token(covered)
    world.desk.behave("crl", "ok")
    asked = world.desk.asked["tsa"]
    assert work.token(covered).token == first.token
    assert world.desk.asked["tsa"] == asked
    # Its certificate is revoked: what it stamped proves nothing any more.
    authority = x509.load_der_x509_certificate(first.certificate)
    world.desk.authority.revoke(f"{authority.serial_number:x}", clock.now())
    object.__setattr__(collector, "trust", trust)
    for one in collector.revocation.folder.iterdir():
        one.unlink()
    with pytest.raises(seal_work.Waits, match="TST_REVOKED"):
        work.token(covered)
    with world.parts.store.read() as reader:
        assert seal_works_of(reader.connection, protocol.id, kept) is None


# --- a key revoked in between ---------------------------------------------------------------------


def revoke(world: World, login: str) -> str:
    """The person's certificate is revoked at this very moment; its serial number."""
    certificate = x509.load_der_x509_certificate(world.key(login)[1])
    serial = f"{certificate.serial_number:x}"
    world.desk.authority.revoke(serial, clock.now())
    del world.keys[login]
    return serial


def test_a_certificate_revoked_after_the_timestamp_does_not_undo_the_signature(
    world: World, monkeypatch: pytest.MonkeyPatch
):
    protocol = world.frozen(*ALL)
    *first, last = world.signer_logins(protocol.id)
    for login in first:
        world.sign(login, protocol.id)
    sealing.stamp_signatures(world.parts, {"protocol": str(protocol.id)})
    stamped = clock.now()
    later(monkeypatch, timedelta(minutes=1))
    serial = revoke(world, first[1])
    world.sign(last, protocol.id)
    assert not seal(world, protocol)
    files = sealed(world, protocol)
    told = [ocsp.load_der_ocsp_response(one) for name, one in files.items() if name.endswith(".ors")]
    revoked = {f"{one.serial_number:x}": one.revocation_time_utc for one in told if one.revocation_time_utc}
    # The package shows the revocation, and that it came after the proven time.
    assert set(revoked) == {serial}
    assert revoked[serial] > stamped
    assert len([name for name in files if name.startswith("evidence/crl/")]) == 1


def test_a_certificate_revoked_before_the_timestamp_makes_its_owner_sign_again(world: World):
    protocol = world.signed(*ALL)
    before = world.protocol(protocol.id)
    revoke(world, "deputy")
    assert not seal(world, protocol)
    lapsed = world.protocol(protocol.id)
    assert lapsed.status is ProtocolStatus.SIGNING
    assert (lapsed.version, lapsed.document) == (before.version, before.document)
    status = {one.role: one.status for one in lapsed.current_signatures()}
    assert status.pop("deputy") is SignatureStatus.AWAITED
    assert set(status.values()) == {SignatureStatus.SIGNED}
    assert "SignatureLapsed" in world.journal("protocol", protocol.id)
    world.sign("deputy", protocol.id)
    assert world.protocol(protocol.id).status is ProtocolStatus.SEALING
    assert not seal(world, protocol)
    sealed(world, protocol)


def test_a_package_made_before_a_signature_lapsed_is_not_told_after_it(
    world: World, monkeypatch: pytest.MonkeyPatch
):
    """One worker has written its package and hangs; another learns of the revocation; the owner signs anew."""
    protocol = world.signed(*ALL)
    before = {one.role: one.cms for one in protocol.current_signatures()}
    late = _written_by_a_worker_that_hangs(world, protocol, monkeypatch)
    (row,) = [one for one in protocol.current_signatures() if one.role == "deputy"]
    lapse = c.RecordLapse(protocol=protocol.id, version=protocol.version, signature=row.id, reason="REVOKED")
    world.service.handle(lapse, sealing.SYSTEM, UUID(int=1), clock.now())
    later(monkeypatch, timedelta(seconds=2))
    world.sign("deputy", protocol.id)
    with pytest.raises(Conflict, match="wrong_step"):
        world.service.handle(late, sealing.SYSTEM, UUID(int=2), clock.now())
    assert not seal(world, protocol)
    files = sealed(world, protocol)
    assert files["signatures/02-deputy.sig"] != before["deputy"]
    found = world.protocol(protocol.id)
    assert {one.cms for one in found.current_signatures()} == {
        content for name, content in files.items() if name.startswith("signatures/") and "org" not in name
    }


def _written_by_a_worker_that_hangs(
    world: World, protocol: Protocol, monkeypatch: pytest.MonkeyPatch
) -> c.RecordSeal:
    """What it will say once it goes on."""

    def hang(name: str) -> None:
        if name == "sealing.package_written":
            raise Killed

    with monkeypatch.context() as patched:
        patched.setattr(sealing, "failpoint", hang)
        with pytest.raises(Killed):
            seal(world, protocol)
    with world.parts.store.read() as reader:
        kept = seal_works_of(reader.connection, protocol.id, f"package:{protocol.document_id}")
    assert kept is not None
    return msgspec.msgpack.decode(kept, type=c.RecordSeal)


def test_nobody_but_the_worker_says_that_a_signature_lapsed_or_a_seal_waits(shared: World, waiting: Protocol):
    signature = waiting.current_signatures()[0].id
    for command in (
        c.RecordLapse(protocol=waiting.id, version=waiting.version, signature=signature, reason="REVOKED"),
        c.RecordSealWait(protocol=waiting.id, version=waiting.version, waits_for="check", reason="x"),
    ):
        assert shared.refusal("chair", command).code == "forbidden"
    late = c.RecordSealWait(protocol=waiting.id, version=waiting.version + 1, waits_for="check", reason="x")
    with pytest.raises(Conflict, match="wrong_step"):
        shared.service.handle(late, sealing.SYSTEM, UUID(int=1), clock.now())


# --- a worker that dies ---------------------------------------------------------------------------


class Killed(BaseException):
    """kill -9, as far as one process can play it."""


@pytest.mark.parametrize(
    "point,count",
    [
        ("sealing.stamped", 1),
        ("sealing.stamped", 3),
        ("sealing.evidence_collected", 1),
        ("sealing.organisation_signed", 1),
        ("sealing.stamped", 7),
        ("sealing.package_named", 1),
        ("sealing.package_written", 1),
    ],
)
def test_killed_anywhere_and_run_again_it_asks_for_no_timestamp_twice(
    shared: World, monkeypatch: pytest.MonkeyPatch, point: str, count: int
):
    protocol = shared.signed(*ALL)
    left = [count]

    def kill(name: str) -> None:
        left[0] -= name == point
        if name == point and not left[0]:
            raise Killed

    asked = shared.desk.asked["tsa"]
    known = set(packing.packages(shared.parts).iterdir())
    for module in (sealing, seal_work):
        monkeypatch.setattr(module, "failpoint", kill)
    with pytest.raises(Killed):
        seal(shared, protocol)
    monkeypatch.undo()
    assert shared.protocol(protocol.id).status is ProtocolStatus.SEALING
    assert not seal(shared, protocol)
    sealed(shared, protocol)
    # A package that had no name yet is written anew, and its new manifest has a timestamp of its own.
    more = 1 if (point, count) in {("sealing.stamped", 7), ("sealing.package_named", 1)} else 0
    assert shared.desk.asked["tsa"] - asked in {len(ALL) + 3, len(ALL) + 3 + more}
    assert len(set(packing.packages(shared.parts).iterdir()) - known) == 1
    assert shared.journal("protocol", protocol.id).count("ProtocolSealed") == 1


def test_lists_are_fetched_ahead_and_kept(shared: World):
    asked = shared.desk.asked["crl"]
    shared.desk.behave("all", "ok")
    object.__setattr__(shared.parts.evidence.revocation, "_asked", {})
    revocations.refresh(shared.parts, {})
    assert shared.desk.asked["crl"] == asked + 1
    (kept,) = shared.parts.evidence.revocation.kept()
    assert x509.load_der_x509_crl(kept).next_update_utc > clock.now()
