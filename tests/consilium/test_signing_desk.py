"""The signing desk by real commands: files of desktop programs, turns, reminders, stand-ins, trials. Refusals first."""

import base64
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from uuid import UUID, uuid4

import pytest
import sqlalchemy as sa

from consilium import clock, reminding
from consilium import commands as c
from consilium.actor import SYSTEM
from consilium.errors import ConsiliumError
from consilium.model import Protocol, ProtocolStatus, Readiness, Signature, SignatureStatus
from consilium.queries import day, signing
from consilium.rules import turns
from consilium.seal.errors import SignatureRefused
from consilium.seal.file import der_of_file
from consilium.seal.providers import SoftwareKey
from consilium.store.tables import outbox
from tests.consilium.conftest import embedded
from tests.people import World, inhabited

BOARD = ("deputy", "secretary", "member1")
S = SignatureStatus


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with inhabited(embedded(tmp_path_factory.mktemp("desk"))) as made:
        yield made


def row_of(world: World, protocol: Protocol, login: str) -> Signature:
    who = world.id(login)
    return next(one for one in world.protocol(protocol.id).current_signatures() if one.person_id == who)


def upload(
    world: World, login: str, protocol: Protocol, moment: datetime | None = None, **changes: object
) -> c.UploadSignature:
    cms = world.cms(login, protocol.document, (moment or world.now).replace(microsecond=0).isoformat())
    values = {"protocol": protocol.id, "digest": protocol.digest, "file": cms}
    return c.UploadSignature(**(values | changes))


# --- files ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"not a signature",
        b"-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n",
        b"-----BEGIN CMS-----\nMAA=\n-----END PKCS7-----\n",
        b"-----BEGIN CMS-----\nMAA=\n-----END CMS-----\n-----BEGIN CMS-----\nMAA=\n-----END CMS-----\n",
        b"-----BEGIN CMS-----\n" + b" " * 5000,
        base64.b64encode(b"\x31\x00"),
        b"PK\x03\x04" + b"\x00" * 50,
    ],
)
def test_a_file_that_holds_no_signature_is_refused_with_a_code(content):
    with pytest.raises(SignatureRefused) as caught:
        der_of_file(content, 1 << 20)
    assert caught.value.code == "NOT_CMS"


def test_a_file_over_the_limit_is_not_even_decoded():
    for content in (b"\x30" * 2000, base64.b64encode(b"\x30" * 2000)):
        with pytest.raises(SignatureRefused) as caught:
            der_of_file(content, 999)
        assert caught.value.code == "TOO_LARGE"


@pytest.mark.parametrize("label", ["CMS", "PKCS7", "SIGNATURE"])
def test_der_base64_and_pem_are_the_same_signature(label):
    der = b"\x30\x82\x01\x00" + bytes(256)
    text = base64.encodebytes(der)
    armoured = f"-----BEGIN {label}-----\n".encode() + text + f"-----END {label}-----\n".encode()
    for content in (der, text, base64.b64encode(der), b"\xef\xbb\xbf" + text, armoured):
        assert der_of_file(content, 1000) == der


@pytest.mark.parametrize(
    "changes,code",
    [
        ({"digest": "00" * 32}, "digest_mismatch"),
        ({"file": "!!"}, "invalid_field"),
        ({"file": base64.b64encode(b"nothing").decode()}, "signature_refused"),
        ({"dissent": uuid4()}, "not_found"),
    ],
)
def test_an_uploaded_file_is_refused_and_nothing_is_changed(shared: World, changes, code):
    protocol = shared.frozen(*BOARD)
    assert shared.refusal("member1", upload(shared, "member1", protocol, **changes)).code == code
    assert row_of(shared, protocol, "member1").status is S.AWAITED


def test_nobody_brings_anothers_file(shared: World):
    protocol = shared.frozen(*BOARD)
    foreign = upload(shared, "deputy", protocol)
    assert shared.refusal("member1", foreign).details["reason"] == "SIGNER_MISMATCH"
    assert shared.refusal("expert", foreign).code in {"not_found", "not_a_signer"}


@pytest.mark.parametrize("minutes,reason", [(-60, "SIGNED_BEFORE_FREEZE"), (60, "SIGNING_TIME_SKEW")])
def test_a_file_signed_before_the_freezing_or_in_the_future_is_refused(shared: World, minutes, reason):
    protocol = shared.frozen(*BOARD)
    certified_yesterday(shared, "deputy")
    at = protocol.frozen_at + timedelta(minutes=minutes)
    error = shared.refusal("deputy", upload(shared, "deputy", protocol, at))
    assert (error.code, error.details["reason"]) == ("signature_refused", reason)
    assert row_of(shared, protocol, "deputy").status is S.AWAITED


def certified_yesterday(world: World, login: str) -> str:
    """A key whose certificate is a day old; the id of its row."""
    key = SoftwareKey.generate()
    csr = base64.b64encode(key.csr(login)).decode()
    made = world.do(login, c.RequestCertificate(csr=csr), at=world.now - timedelta(days=1))
    world.keys[login] = (key, base64.b64decode(made["der"]))
    return str(made["certificate"])


def test_a_file_signs_the_paper_and_the_opinion(shared: World):
    protocol = shared.frozen(*BOARD, dissent_by="member1")
    (paper,) = protocol.current_dissents()
    moment = shared.now.replace(microsecond=0).isoformat()
    opinion = shared.cms("member1", paper.document, moment)
    shared.do(
        "member1",
        c.UploadSignature(protocol=protocol.id, digest=paper.digest, file=opinion, dissent=paper.dissent_id),
    )
    answer = shared.do("member1", upload(shared, "member1", protocol))
    assert answer["waiting"] == 3
    assert row_of(shared, protocol, "member1").provider == "file"
    assert shared.protocol(protocol.id).current_dissents()[0].status is S.SIGNED


# --- turns ----------------------------------------------------------------------------------------


def test_in_steps_nobody_signs_before_his_turn_by_any_means(shared: World):
    protocol = shared.decided(*BOARD)
    shared.do("chair", c.FreezeProtocol(protocol=protocol.id, order="by_step"))
    protocol = shared.protocol(protocol.id)
    for login in ("secretary", "chair"):
        assert shared.refusal(login, c.BeginSigning(protocol=protocol.id)).code == "not_your_turn"
        assert shared.refusal(login, upload(shared, login, protocol)).code == "not_your_turn"
    desk = asked(shared, "chair", signing.waiting_protocols, shared.now)
    line = next(one for one in desk if one["id"] == str(protocol.id))
    assert (line["turn"], len(line["waits_for"]), line["due_at"]) == (False, 3, None)
    for login in ("deputy", "member1", "secretary"):
        shared.sign(login, protocol.id)
    assert row_of(shared, protocol, "chair").due_at is not None
    assert shared.sign("chair", protocol.id)["status"] == "sealing"
    assert shared.journal("protocol", protocol.id).count("TurnsOpened") == 3


def test_who_is_not_next_may_decline_at_once(shared: World):
    protocol = shared.decided(*BOARD)
    shared.do("chair", c.FreezeProtocol(protocol=protocol.id, order="sequential"))
    answer = shared.do("secretary", c.DeclineSignature(protocol=protocol.id, reason="Ошибка в дате"))
    assert answer["version"] == 2


def asked(world: World, login: str, query, *args):
    with world.parts.store.read() as reader:
        return query(reader, world.person(login), *args)


# --- reminders ------------------------------------------------------------------------------------


def payload_of(row: Signature, protocol: Protocol) -> dict[str, str]:
    return {"protocol": str(protocol.id), "signature": str(row.id)}


def late(world: World, days: int = 10) -> Protocol:
    """Frozen some days ago."""
    protocol = world.decided(*BOARD)
    world.do("chair", c.FreezeProtocol(protocol=protocol.id), at=world.now - timedelta(days=days))
    return world.protocol(protocol.id)


def test_freezing_leaves_a_reminder_for_each_signer_and_no_early_notice(shared: World):
    protocol = shared.frozen(*BOARD)
    rows = protocol.current_signatures()
    with shared.parts.store.read() as reader:
        found = reader.connection.execute(
            sa.select(outbox.c.key, outbox.c.not_before).where(outbox.c.kind == "signing.remind")
        ).all()
    due = {one.key: one.not_before for one in found}
    assert {str(one.id) for one in rows} <= set(due)
    for one in rows:
        assert due[str(one.id)] == turns.next_notice(one.due_at, 0)
        assert reminding.remind(shared.parts, payload_of(one, protocol)) == turns.next_notice(one.due_at, 0)
        assert row_of(shared, protocol, "deputy").reminders == 0


def test_reminders_run_again_and_again_and_the_chair_learns_who_is_late(shared: World):
    protocol = late(shared)
    row = row_of(shared, protocol, "member1")
    assert not any(
        one["id"] == str(protocol.id) for one in asked(shared, "deputy", signing.late_signers, shared.now)
    )
    payload = payload_of(row, protocol)
    when = reminding.remind(shared.parts, payload)
    while when is not None and when <= clock.now():
        when = reminding.remind(shared.parts, payload)
    told = row_of(shared, protocol, "member1").reminders
    assert told >= 2
    assert reminding.remind(shared.parts, payload) == when
    assert row_of(shared, protocol, "member1").reminders == told
    assert shared.journal("protocol", protocol.id).count("SignerReminded") == told
    lines = asked(shared, "chair", signing.late_signers, shared.now)
    line = next(one for one in lines if one["id"] == str(protocol.id))
    assert shared.person("member1").full_name in line["names"]
    assert "Образцов" not in str(line), "no patient's data in a notice"
    mine = asked(shared, "member1", day.my_day, shared.now)["signing"]
    assert next(one for one in mine if one["id"] == str(protocol.id))["overdue"]


def test_who_has_signed_is_waited_for_no_more(shared: World):
    protocol = late(shared)
    row = row_of(shared, protocol, "member1")
    shared.sign("member1", protocol.id)
    assert reminding.remind(shared.parts, payload_of(row, protocol)) is None
    assert row_of(shared, protocol, "member1").reminders == 0
    shared.do("chair", c.ReopenProtocol(protocol=protocol.id, reason="Опечатка"))
    other = next(one for one in protocol.current_signatures() if one.id != row.id)
    assert reminding.remind(shared.parts, payload_of(other, protocol)) is None


def test_only_the_system_reminds(shared: World):
    protocol = late(shared)
    row = row_of(shared, protocol, "member1")
    command = c.RemindSigner(protocol=protocol.id, signature=row.id, number=0)
    assert shared.refusal("chair", command).code == "forbidden"
    answer = shared.service.handle(command, SYSTEM, uuid4(), shared.now).result
    again = shared.service.handle(command, SYSTEM, uuid4(), shared.now).result
    assert (answer["reminded"], again["reminded"]) == (True, False)


# --- stand-ins ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "login,code",
    [
        ("member1", "not_your_role"),
        ("secretary", "not_your_role"),
        ("coordinator", "not_your_role"),
        ("outsider", "not_found"),
    ],
)
def test_only_who_leads_lets_another_sign(shared: World, login, code):
    protocol = shared.frozen(*BOARD)
    assert shared.refusal(login, replacing(shared, protocol, "secretary", "member1")).code in {
        code,
        "not_found",
    }
    assert row_of(shared, protocol, "secretary").status is S.AWAITED


def replacing(world: World, protocol: Protocol, absent: str, other: str) -> c.ReplaceSigner:
    consilium = world.consilium(protocol.consilium_id)
    seat = consilium.seat_of(world.id(other))
    return c.ReplaceSigner(
        protocol=protocol.id,
        signature=row_of(world, protocol, absent).id,
        stand_in=seat.id if seat else uuid4(),
        reason="В отпуске",
    )


def test_the_deputy_takes_the_absent_chairs_place_and_signatures_stay(shared: World):
    protocol = shared.frozen(*BOARD)
    shared.sign("member1", protocol.id)
    assert shared.refusal("deputy", replacing(shared, protocol, "chair", "member1")).code == "cannot_stand_in"
    shared.do("deputy", replacing(shared, protocol, "chair", "deputy"))
    assert row_of(shared, protocol, "chair").status is S.RELEASED
    assert row_of(shared, protocol, "member1").status is S.SIGNED
    shared.sign("secretary", protocol.id)
    assert shared.sign("deputy", protocol.id)["status"] == "sealing"
    assert "SignerReplaced" in shared.journal("protocol", protocol.id)


def test_after_a_replacement_the_next_turn_opens(shared: World):
    protocol = shared.decided(*BOARD)
    shared.do("chair", c.FreezeProtocol(protocol=protocol.id, order="by_step"))
    for login in ("deputy", "member1"):
        shared.sign(login, protocol.id)
    shared.do("chair", replacing(shared, protocol, "secretary", "member1"))
    assert row_of(shared, protocol, "chair").due_at is not None
    assert shared.sign("chair", protocol.id)["status"] == "sealing"
    assert shared.protocol(protocol.id).status is ProtocolStatus.SEALING


# --- trials ---------------------------------------------------------------------------------------


def trial(world: World, login: str, provider: str = "browser", signer: str = "", device: str = "ward"):
    begun = world.do(login, c.BeginReadinessTest(provider=provider, device=device))
    content = base64.b64decode(begun["content"])
    cms = world.cms(signer or login, content, begun["signing_time"])
    return c.AnswerReadinessTest(provider=provider, device=device, challenge=begun["challenge"], cms=cms)


def standing(world: World, login: str) -> dict[str, object]:
    return asked(world, login, signing.own_readiness, world.now)


def test_a_trial_answers_its_own_challenge(shared: World):
    answer = trial(shared, "deputy")
    other = replace(answer, challenge="another")
    assert shared.refusal("deputy", other).code == "challenge_expired"
    assert shared.do("deputy", answer)["ready"]
    assert shared.refusal("deputy", answer).code == "challenge_expired"


def test_anothers_certificate_is_found_days_before(shared: World):
    answer = shared.do("member1", trial(shared, "member1", signer="deputy"))
    assert (answer["ready"], answer["code"]) == (False, "SIGNER_MISMATCH")
    assert answer["sentence"]
    assert standing(shared, "member1")["state"] == "broken"


def test_what_a_page_found_missing_is_kept(shared: World):
    missing = c.AnswerReadinessTest(provider="cryptopro", device="home", problem="NO_PLUGIN")
    assert shared.do("secretary", missing)["code"] == "NO_PLUGIN"
    assert standing(shared, "secretary")["code"] == "NO_PLUGIN"


def test_a_trial_by_file_is_as_good(shared: World):
    assert shared.do("chair", trial(shared, "chair", provider="file"))["ready"]
    found = standing(shared, "chair")
    assert (found["state"], found["means"]) == ("ready", "file")


def test_devices_are_bounded_and_the_oldest_gives_way(shared: World):
    for number in range(25):
        shared.do("expert", c.BeginReadinessTest(provider="browser", device=f"device {number}"))
    with shared.parts.store.read() as reader:
        rows = [one for one in reader.all(Readiness) if one.person_id == shared.id("expert")]
    assert len(rows) == 20
    assert "device 24" in {one.device for one in rows}


def test_the_chair_sees_who_is_ready_and_members_do_not(shared: World):
    consilium = shared.planned()
    shared.do("chair", trial(shared, "chair"))
    seen = asked(shared, "chair", signing.board_readiness, consilium.id, shared.now)
    assert seen[str(shared.id("chair"))]["state"] == "ready"
    assert set(seen) >= {str(shared.id(login)) for login in BOARD}
    assert asked(shared, "member1", signing.board_readiness, consilium.id, shared.now) == {}
    assert asked(shared, "coordinator", signing.board_readiness, consilium.id, shared.now) == seen


def test_a_revoked_certificate_is_no_longer_ready(shared: World):
    certificate = UUID(certified_yesterday(shared, "ivanova"))
    assert shared.do("ivanova", trial(shared, "ivanova"))["ready"]
    shared.do("ivanova", c.RevokeCertificate(certificate=certificate, reason="Утерян"))
    assert standing(shared, "ivanova")["state"] == "broken"


def test_opening_a_paper_is_noted_once_with_the_digest_that_was_read(shared: World):
    protocol = shared.frozen(*BOARD)
    wrong = c.OpenForSigning(protocol=protocol.id, digest="00" * 32)
    assert shared.refusal("member1", wrong).code == "digest_mismatch"
    right = c.OpenForSigning(protocol=protocol.id, digest=protocol.digest)
    shared.do("member1", right)
    shared.do("member1", right)
    assert shared.journal("protocol", protocol.id).count("DocumentOpenedForSigning") == 1
    assert row_of(shared, protocol, "member1").opened_at is not None
    with pytest.raises(ConsiliumError):
        shared.do("ivanova", c.UploadSignature(protocol=uuid4(), digest="00" * 32, file=""))
