"""From the decision to the registry's number, by real commands, keys and packages. Refusals first."""

import base64
import hashlib
import threading
from datetime import timedelta
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from lxml import etree

from consilium import commands as c
from consilium import demo, drafts, registering, sealing
from consilium.actor import SYSTEM
from consilium.errors import Conflict, NotFound
from consilium.filing.callback import CallbackResult
from consilium.filing.port import Registered, RegistryError, Rejected
from consilium.model import CaseStatus, FilingStatus, Patient, Protocol, ProtocolStatus, SignatureStatus
from consilium.rules import sealing as rules
from consilium.seal.report import verify_package
from consilium.store.failpoint import failpoint
from tests.people import World, typed

ALL = ("deputy", "secretary", "member1", "ivanova")
NUMBER = "77.26.01.000000001"


def write(world: World, protocol: Protocol, section: str, text: str) -> c.WriteProtocol:
    with world.parts.store.read() as reader:
        updates = [update for _, update in reader.draft_updates(protocol.id)]
    return c.WriteProtocol(protocol=protocol.id, update=typed(updates, section, text))


def sections(world: World, protocol: Protocol) -> dict[str, str]:
    with world.parts.store.read() as reader:
        return drafts.texts(update for _, update in reader.draft_updates(protocol.id))


# --- drafting -------------------------------------------------------------------------------------


def test_the_draft_is_there_with_the_decision_and_says_what_is_known(shared: World):
    protocol = shared.decided(*ALL)
    text = sections(shared, protocol)
    assert "Рекомендовать оперативное лечение." in text["decision"]
    assert "Районная больница г. Заречного" in text["reasons"]
    assert text["course"].startswith("Болен с августа")
    assert shared.case(protocol.case_id).status is CaseStatus.DECIDED
    assert shared.journal("protocol", protocol.id) == ["ProtocolDrafted"]


@pytest.mark.parametrize(
    "login,code",
    [
        ("deputy", "not_your_role"),
        ("member1", "not_your_role"),
        ("ivanova", "not_your_role"),
        ("coordinator", "not_found"),
        ("nmic.admin", "not_found"),
        ("member2", "not_found"),
        ("outsider", "not_found"),
    ],
)
def test_only_chair_and_secretary_write_and_freeze(shared: World, login: str, code: str):
    protocol = shared.decided(*ALL)
    update = write(shared, protocol, "course", "Подмена. ")
    freeze = c.FreezeProtocol(protocol=protocol.id)
    for command in (update, freeze, c.ReopenProtocol(protocol=protocol.id, reason="так")):
        assert shared.refusal(login, command).code == code
    assert "Подмена" not in sections(shared, protocol)["course"]


def test_what_is_written_is_kept_before_it_is_acknowledged(shared: World):
    protocol = shared.decided(*ALL)
    first = shared.do("chair", write(shared, protocol, "course", "Дополнено председателем. "))
    second = shared.do("secretary", write(shared, protocol, "state", "ECOG 1. "))
    assert (first, second) == ({"update": 2}, {"update": 3})
    text = sections(shared, protocol)
    assert text["course"].startswith("Дополнено председателем. Болен")
    assert text["state"].startswith("ECOG 1. ")


def test_a_malformed_update_is_refused_and_nothing_is_appended(shared: World):
    protocol = shared.decided(*ALL)
    before = sections(shared, protocol)
    refused = shared.refusal("chair", c.WriteProtocol(protocol=protocol.id, update="AQID"))
    assert refused.code == "invalid_field"
    assert sections(shared, protocol) == before


@pytest.mark.parametrize("section,missing", [("course", "course_missing"), ("state", "state_missing")])
def test_without_a_statutory_item_nothing_is_frozen(shared: World, section: str, missing: str):
    """A request is not sent without them, but the secretary may still empty a section."""
    protocol = shared.decided(*ALL)
    text = {name: "Есть." for name in drafts.SECTIONS if name != section}
    with shared.parts.store.write(shared.now) as tx:
        tx.compact_draft(protocol.id, 1, drafts.initial(text))
    refused = shared.refusal("chair", c.FreezeProtocol(protocol=protocol.id))
    assert refused.code == "protocol_incomplete"
    assert [one["code"] for one in refused.details["missing"]] == [missing]
    assert shared.protocol(protocol.id).status is ProtocolStatus.DRAFTING


def test_after_the_freeze_nothing_is_written_and_no_opinion_is_added(shared: World):
    protocol = shared.decided(*ALL)
    late = write(shared, protocol, "course", "Поздно. ")
    shared.do("secretary", c.FreezeProtocol(protocol=protocol.id))
    assert shared.refusal("chair", late).code == "draft_frozen"
    assert shared.refusal("chair", c.FreezeProtocol(protocol=protocol.id)).code == "draft_frozen"
    opinion = c.WriteDissent(consilium=protocol.consilium_id, item=protocol.item_id, text="Поздно")
    assert shared.refusal("member1", opinion).code == "draft_frozen"


def test_the_frozen_bytes_say_who_was_there_and_how_each_voted(shared: World):
    protocol = shared.frozen(*ALL, dissent_by="member1")
    assert protocol.digest == hashlib.sha256(protocol.document).hexdigest()
    text = " ".join(etree.fromstring(protocol.document).itertext())
    for words in (
        "Орлов Дмитрий Сергеевич",
        "Иванова Мария Петровна",
        "Считаю операцию преждевременной.",
        "присутствуют 3 из 3, требуется 2",
        "за – 2, против – 1",
        "Образцов",
    ):
        assert words in text


def test_somebody_who_never_came_is_named_absent_and_does_not_sign(shared: World):
    protocol = shared.frozen("secretary", "member1")
    assert shared.signer_logins(protocol.id) == ["chair", "secretary", "member1"]
    text = " ".join(etree.fromstring(protocol.document).itertext())
    assert "не присутствовал(а)" in text


def test_a_consultation_is_signed_by_consultant_and_attending_doctor(shared: World):
    protocol = shared.frozen("ivanova", kind="consultation", by="member1")
    assert shared.signer_logins(protocol.id) == ["member1", "ivanova"]


# --- signing: refused -----------------------------------------------------------------------------


def test_a_signature_is_refused_by_its_reason_and_changes_nothing(shared: World):
    protocol = shared.frozen(*ALL)
    begun = shared.do("chair", c.BeginSigning(protocol=protocol.id))
    shared.key("chair")
    shared.key("deputy")
    document = protocol.document
    cases = {
        "SIGNER_MISMATCH": shared.cms("deputy", document, begun["signing_time"]),
        "DIGEST_MISMATCH": shared.cms("chair", document + b" ", begun["signing_time"]),
        "SIGNING_TIME": shared.cms("chair", document, (shared.now - timedelta(hours=1)).isoformat()),
        "NOT_CMS": base64.b64encode(b"hello").decode(),
    }
    seen = {}
    for name, cms in cases.items():
        wanted = c.AttachSignature(
            protocol=protocol.id, challenge=begun["challenge"], digest=begun["digest"], cms=cms
        )
        refused = shared.refusal("chair", wanted)
        assert refused.code == "signature_refused"
        assert refused.details["sentence"]
        seen[name] = refused.details["reason"]
    assert seen["SIGNER_MISMATCH"] == "SIGNER_MISMATCH"
    assert seen["DIGEST_MISMATCH"] == "DIGEST_MISMATCH"
    assert len(set(seen.values())) == len(seen)
    assert {one.status for one in shared.protocol(protocol.id).signatures} == {SignatureStatus.AWAITED}


def test_a_revoked_certificate_signs_nothing(shared: World):
    protocol = shared.frozen(*ALL)
    shared.keys.pop("secretary", None)
    shared.key("secretary")
    with shared.parts.store.read() as reader:
        newest = reader.certificates(shared.id("secretary"))[0]
    shared.do("secretary", c.RevokeCertificate(certificate=newest.id, reason="утрачен"))
    refused = shared.refusal("secretary", shared.signing("secretary", protocol.id))
    assert refused.details["reason"] == "REVOKED"
    shared.keys.pop("secretary")
    shared.sign("secretary", protocol.id)


@pytest.mark.parametrize(
    "changes,code",
    [
        ({"challenge": "made up"}, "challenge_expired"),
        ({"digest": "00" * 32}, "digest_mismatch"),
        ({"cms": "не base64"}, "invalid_field"),
    ],
)
def test_a_signature_without_its_challenge_or_digest_is_refused(shared: World, changes, code):
    protocol = shared.frozen(*ALL)
    good = shared.signing("deputy", protocol.id)
    values = {name: getattr(good, name) for name in ("protocol", "challenge", "digest", "cms")}
    assert shared.refusal("deputy", c.AttachSignature(**(values | changes))).code == code


def test_a_challenge_lives_ten_minutes(shared: World):
    protocol = shared.frozen(*ALL)
    good = shared.signing("deputy", protocol.id)
    assert shared.refusal("deputy", good, at=shared.now + timedelta(minutes=11)).code == "challenge_expired"


@pytest.mark.parametrize(
    "login,code",
    [
        ("outsider", "not_found"),
        ("member2", "not_found"),
        ("coordinator", "not_a_signer"),
        ("observer", "not_found"),
    ],
)
def test_who_does_not_sign_cannot_begin_to(shared: World, login: str, code: str):
    protocol = shared.frozen(*ALL)
    assert shared.refusal(login, c.BeginSigning(protocol=protocol.id)).code == code


def test_nobody_signs_twice(shared: World):
    protocol = shared.frozen(*ALL)
    again = shared.signing("chair", protocol.id)
    shared.sign("chair", protocol.id)
    assert shared.refusal("chair", again).code == "already_signed"


def test_only_the_chair_releases_and_not_himself(shared: World):
    protocol = shared.frozen(*ALL)
    rows = {one.person_id: one for one in protocol.signatures}
    deputy = rows[shared.id("deputy")].id
    wanted = c.ReleaseSigner(protocol=protocol.id, signature=deputy, reason="Командировка")
    assert shared.refusal("secretary", wanted).code == "not_your_role"
    own = c.ReleaseSigner(protocol=protocol.id, signature=rows[shared.id("chair")].id, reason="Сам")
    assert shared.refusal("chair", own).code == "forbidden"
    assert shared.do("chair", wanted)["waiting"] == 4


@pytest.mark.parametrize("command", [c.RecordSeal, c.RecordFiling])
def test_the_workers_words_are_not_a_persons(shared: World, command):
    protocol = shared.frozen(*ALL)
    wanted = (
        c.RecordFiling(protocol=protocol.id, step="started")
        if command is c.RecordFiling
        else c.RecordSeal(
            protocol=protocol.id,
            signed="00" * 32,
            seal_cms=b"",
            seal_certificate=b"",
            package_digest="00" * 32,
            package_name="x",
        )
    )
    assert shared.refusal("chair", wanted).code == "forbidden"


# --- signing: done --------------------------------------------------------------------------------


def test_after_a_decline_the_next_version_is_signed_anew_and_says_why(shared: World):
    protocol = shared.frozen(*ALL)
    shared.sign("deputy", protocol.id)
    shared.sign("member1", protocol.id)
    answer = shared.do("secretary", c.DeclineSignature(protocol=protocol.id, reason="Описка в диагнозе"))
    assert answer == {"version": 2, "fallen": 2}
    shared.do("chair", c.FreezeProtocol(protocol=protocol.id))
    second = shared.protocol(protocol.id)
    assert second.digest != protocol.digest
    assert second.document_id != protocol.document_id
    assert [one.status for one in second.current_signatures()] == [SignatureStatus.AWAITED] * 5
    assert b"\xd0\x9e\xd0\xbf\xd0\xb8\xd1\x81\xd0\xba\xd0\xb0" in second.document  # «Описка»
    assert shared.journal("protocol", protocol.id).count("SignatureAttached") == 2


def test_an_opinion_is_signed_by_its_author_as_a_document_of_its_own(shared: World):
    protocol = shared.frozen(*ALL, dissent_by="deputy")
    (paper,) = protocol.dissents
    assert protocol.digest.encode() in paper.document
    foreign = shared.do("member1", c.BeginSigning(protocol=protocol.id))
    assert foreign["dissents"] == []
    begun = shared.do("deputy", c.BeginSigning(protocol=protocol.id))
    theft = c.AttachDissentSignature(
        protocol=protocol.id,
        dissent=paper.dissent_id,
        challenge=foreign["challenge"],
        digest=paper.digest,
        cms=shared.cms("member1", paper.document, begun["signing_time"]),
    )
    assert shared.refusal("member1", theft).code == "not_a_signer"
    shared.sign("deputy", protocol.id)
    assert shared.protocol(protocol.id).dissents[0].status is SignatureStatus.SIGNED


def test_five_signatures_at_once_complete_the_protocol_once(world: World):
    protocol = world.frozen(*ALL)
    wanted = {login: world.signing(login, protocol.id) for login in world.signer_logins(protocol.id)}
    threads = [threading.Thread(target=world.do, args=one) for one in wanted.items()]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert world.protocol(protocol.id).status is ProtocolStatus.SEALING
    assert world.journal("protocol", protocol.id).count("SigningCompleted") == 1


def test_a_released_opinion_and_signer_let_the_rest_be_sealed(shared: World):
    protocol = shared.frozen(*ALL, dissent_by="deputy")
    for login in ("chair", "secretary", "member1", "ivanova"):
        shared.sign(login, protocol.id)
    row = next(one for one in protocol.signatures if one.person_id == shared.id("deputy"))
    shared.do("chair", c.ReleaseSigner(protocol=protocol.id, signature=row.id, reason="Болен"))
    done = shared.do(
        "chair", c.ReleaseDissent(protocol=protocol.id, dissent=protocol.dissents[0].id, reason="Болен")
    )
    assert done["status"] == "sealing"
    sealing.seal_protocol(shared.parts, {"protocol": str(protocol.id)})
    assert shared.protocol(protocol.id).status is ProtocolStatus.SEALED


# --- seal -----------------------------------------------------------------------------------------


def package(world: World, protocol_id: UUID) -> Path:
    return sealing.packages(world.parts) / world.protocol(protocol_id).package_name


def test_the_package_is_sealed_verified_and_filed_from_one_word(world: World):
    protocol = world.signed(*ALL, dissent_by="member1")
    sealing.seal_protocol(world.parts, {"protocol": str(protocol.id)})
    sealed = world.protocol(protocol.id)
    content = package(world, protocol.id).read_bytes()
    assert hashlib.sha256(content).hexdigest() == sealed.package_digest
    report = verify_package(content, roots=world.parts.trust(), at=world.now)
    assert report.held
    assert report.document_sha256 == sealed.digest
    assert (sealed.status, sealed.filing) == (ProtocolStatus.SEALED, FilingStatus.QUEUED)
    assert world.case(protocol.case_id).status is CaseStatus.SEALED
    assert world.journal("protocol", protocol.id)[-2:] == ["ProtocolSealed", "FilingQueued"]


def test_a_worker_killed_before_its_word_seals_again_and_ends_the_same(
    world: World, monkeypatch: pytest.MonkeyPatch
):
    protocol = world.signed(*ALL)
    payload = {"protocol": str(protocol.id)}

    class Killed(BaseException):
        pass

    def kill(name: str) -> None:
        if name == "sealing.package_written":
            raise Killed

    monkeypatch.setattr(sealing, "failpoint", kill)
    with pytest.raises(Killed):
        sealing.seal_protocol(world.parts, payload)
    assert world.protocol(protocol.id).status is ProtocolStatus.SEALING
    monkeypatch.setattr(sealing, "failpoint", failpoint)
    sealing.seal_protocol(world.parts, payload)
    once = world.protocol(protocol.id).package_digest
    sealing.seal_protocol(world.parts, payload)
    assert world.protocol(protocol.id).package_digest == once
    assert world.journal("protocol", protocol.id).count("ProtocolSealed") == 1
    assert hashlib.sha256(package(world, protocol.id).read_bytes()).hexdigest() == once


def test_two_workers_at_once_leave_one_package_that_is_the_recorded_one(world: World):
    protocol = world.signed(*ALL)
    payload = {"protocol": str(protocol.id)}
    threads = [threading.Thread(target=sealing.seal_protocol, args=(world.parts, payload)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    recorded = world.protocol(protocol.id)
    assert hashlib.sha256(package(world, protocol.id).read_bytes()).hexdigest() == recorded.package_digest
    assert world.journal("protocol", protocol.id).count("ProtocolSealed") == 1


def test_a_seal_of_a_version_that_was_taken_back_is_not_recorded(shared: World):
    protocol = shared.signed(*ALL)
    shared.do("chair", c.ReopenProtocol(protocol=protocol.id, reason="Опечатка"))
    late = c.RecordSeal(
        protocol=protocol.id,
        signed=rules.signed(protocol),
        seal_cms=b"cms",
        seal_certificate=b"certificate",
        package_digest="ab" * 32,
        package_name=f"{protocol.document_id}-abab.asice",
    )
    with pytest.raises(Conflict):
        shared.service.handle(late, SYSTEM, uuid4(), shared.now)
    assert shared.protocol(protocol.id).status is ProtocolStatus.DRAFTING
    sealing.seal_protocol(shared.parts, {"protocol": str(protocol.id)})
    assert shared.protocol(protocol.id).status is ProtocolStatus.DRAFTING


def test_an_organisation_without_a_seal_waits_for_one(world: World):
    protocol = world.signed(*ALL)
    folder = world.parts.settings.keys_dir / str(demo.ORGANISATIONS["nmic"].id)
    (folder / "seal.crt").rename(folder / "away")
    assert sealing.seal_protocol(world.parts, {"protocol": str(protocol.id)}) is not None
    waiting = world.protocol(protocol.id)
    assert (waiting.status, waiting.waits_for) == (ProtocolStatus.SEALING, "seal_key")
    (folder / "away").rename(folder / "seal.crt")
    sealing.seal_protocol(world.parts, {"protocol": str(protocol.id)})
    assert world.protocol(protocol.id).status is ProtocolStatus.SEALED


def test_a_commissions_protocol_is_sealed_and_stays_with_the_organisation(world: World):
    protocol = world.signed("deputy", "secretary", "member1", "member2", kind="commission")
    sealing.seal_protocol(world.parts, {"protocol": str(protocol.id)})
    sealed = world.protocol(protocol.id)
    assert (sealed.status, sealed.filing) == (ProtocolStatus.SEALED, FilingStatus.NONE)
    assert registering.file_protocol(world.parts, {"protocol": str(protocol.id)}) is None


# --- filing ---------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def sealed(shared: World):
    def make() -> Protocol:
        protocol = shared.signed(*ALL)
        sealing.seal_protocol(shared.parts, {"protocol": str(protocol.id)})
        return shared.protocol(protocol.id)

    return make


def tell(world: World, protocol: Protocol, step: str, **more) -> dict:
    wanted = c.RecordFiling(protocol=protocol.id, step=step, **more)
    return world.service.handle(wanted, SYSTEM, uuid4(), world.now).result


def answered(world: World, protocol: Protocol, answer, message: str = "m1") -> dict:
    assert protocol.document_id is not None
    result = CallbackResult(local_uid=protocol.document_id, message_id=message, answer=answer)
    return registering.registry_answered(world.service, result)


FAULT = RegistryError(code="INVALID_DOCTOR_NAME", number=107, message="ФИО")


def test_what_is_not_sealed_is_not_filed(shared: World):
    protocol = shared.frozen(*ALL)
    with pytest.raises(Conflict):
        tell(shared, protocol, "started")


def test_an_answer_about_a_foreign_document_is_not_found(shared: World):
    result = CallbackResult(
        local_uid=uuid4(), message_id="m", answer=Registered(emdr_id=NUMBER, at=shared.now)
    )
    with pytest.raises(NotFound):
        registering.registry_answered(shared.service, result)


def test_a_registration_ends_with_a_number_on_protocol_and_case(shared: World, sealed):
    protocol = sealed()
    tell(shared, protocol, "started")
    tell(shared, protocol, "acknowledged", message_id="m1")
    assert shared.protocol(protocol.id).filing is FilingStatus.WAITING
    answered(shared, protocol, Registered(emdr_id="77.26.01.000000002", at=shared.now))
    found = shared.protocol(protocol.id)
    assert (found.filing, found.registry_number) == (FilingStatus.REGISTERED, "77.26.01.000000002")
    assert shared.case(protocol.case_id).status is CaseStatus.REGISTERED
    assert shared.journal("protocol", protocol.id)[-2:] == ["FilingAcknowledged", "ProtocolRegistered"]
    assert shared.journal("case", protocol.case_id)[-1] == "CaseRegistered"
    assert registering.file_protocol(shared.parts, {"protocol": str(protocol.id)}) is None


def test_an_answer_faster_than_its_acknowledgement_counts_and_a_second_one_changes_nothing(
    shared: World, sealed
):
    protocol = sealed()
    tell(shared, protocol, "started")
    number = Registered(emdr_id="77.26.01.000000003", at=shared.now)
    answered(shared, protocol, number)
    tell(shared, protocol, "acknowledged", message_id="m1")
    answered(shared, protocol, number)
    answered(shared, protocol, Rejected(errors=(FAULT,)), "m0")
    assert shared.protocol(protocol.id).filing is FilingStatus.REGISTERED
    assert shared.journal("protocol", protocol.id).count("ProtocolRegistered") == 1
    assert shared.journal("case", protocol.case_id).count("CaseRegistered") == 1


def test_a_rejection_is_kept_in_its_codes_and_may_be_sent_again_by_a_registrar(shared: World, sealed):
    protocol = sealed()
    tell(shared, protocol, "started")
    tell(shared, protocol, "acknowledged", message_id="m1")
    answered(shared, protocol, Rejected(errors=(FAULT,)))
    rejected = shared.protocol(protocol.id)
    assert (rejected.filing, rejected.filing_error_codes) == (FilingStatus.REJECTED, ["INVALID_DOCTOR_NAME"])
    again = c.FileAgain(protocol=protocol.id)
    assert shared.refusal("outsider.coordinator", again).code == "not_found"
    assert shared.refusal("chair", again).code == "forbidden"
    assert shared.do("nmic.admin", again) == {"filing": "queued"}
    assert shared.refusal("nmic.admin", again).code == "wrong_step"


def test_an_unreachable_registry_is_tried_again_later(shared: World, sealed):
    """Nothing listens on the demonstration's registry port here."""
    protocol = sealed()
    moment = registering.file_protocol(shared.parts, {"protocol": str(protocol.id)})
    found = shared.protocol(protocol.id)
    assert (found.filing, found.filing_message) == (FilingStatus.QUEUED, "registry_unavailable")
    assert moment == found.filing_next_try
    assert moment is not None
    assert moment > shared.now
    assert shared.journal("protocol", protocol.id)[-1] == "FilingDelayed"
    assert registering.file_protocol(shared.parts, {"protocol": str(protocol.id)}) == moment


def test_what_the_registry_is_told_is_read_from_the_frozen_bytes(shared: World, sealed):
    protocol = sealed()
    filing = registering.filing_of(shared.parts, protocol)
    assert (filing.local_uid, filing.document_sha256, filing.version) == (
        protocol.document_id,
        protocol.digest,
        1,
    )
    assert len(filing.personal_signatures) == 5
    assert filing.organisation_signature is not None
    assert filing.pull_url.endswith(f"/registry/documents/{protocol.document_id}")


def test_a_patient_without_papers_is_helped_where_no_guide_of_the_state_is_published(world: World):
    """Kind 307 has no published rules: what may be lacking is shown and stops nobody."""
    protocol = world.decided(*ALL)
    bare = Patient(surname="Неизвестный", given="Мужчина", sex="1")
    with world.parts.store.write(world.now) as tx:
        case = tx.case(protocol.case_id)
        case.patient, case.severity_code, case.card_code, case.payment_code = bare, "", "", ""
    world.do("secretary", c.FreezeProtocol(protocol=protocol.id))
    assert "Неизвестный".encode() in world.protocol(protocol.id).document


def closed(world: World) -> Protocol:
    protocol = world.decided(*ALL)
    world.do("chair", c.CloseConsilium(consilium=protocol.consilium_id))
    return protocol


def rewriting(world: World, protocol: Protocol, text: str, section: str = "course") -> c.RewriteSection:
    before = hashlib.sha256(sections(world, protocol)[section].encode()).hexdigest()
    return c.RewriteSection(protocol=protocol.id, section=section, before=before, text=text)  # type: ignore[arg-type]  # one of the four names


def test_after_the_meeting_a_section_is_corrected_by_who_may_write_and_journaled(world: World):
    protocol = closed(world)
    others = {name: text for name, text in sections(world, protocol).items() if name != "course"}
    assert world.refusal("member1", rewriting(world, protocol, "x")).code == "not_your_role"
    world.do("secretary", rewriting(world, protocol, "Исправлено: болен с июня."))
    found = sections(world, protocol)
    assert found.pop("course") == "Исправлено: болен с июня."
    assert found == others
    assert world.journal("protocol", protocol.id)[-1] == "DraftWritten"
    world.do("secretary", c.FreezeProtocol(protocol=protocol.id))
    assert "болен с июня".encode() in world.protocol(protocol.id).document


def test_words_somebody_else_changed_meanwhile_are_not_overwritten(world: World):
    protocol = closed(world)
    seen = rewriting(world, protocol, "Второй текст")
    world.do("chair", rewriting(world, protocol, "Первый текст"))
    refused = world.refusal("secretary", seen)
    assert (refused.code, refused.details["current"]) == ("stale_revision", "Первый текст")


def test_while_the_meeting_goes_on_the_text_is_written_in_its_room(world: World):
    protocol = world.decided(*ALL)
    assert world.refusal("chair", rewriting(world, protocol, "x")).code == "wrong_step"
    frozen = world.frozen(*ALL)
    world.do("chair", c.CloseConsilium(consilium=frozen.consilium_id))
    assert world.refusal("chair", rewriting(world, frozen, "x")).code == "draft_frozen"
