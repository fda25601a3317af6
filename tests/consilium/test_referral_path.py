"""The referral of a request as a paper, by real commands, keys and packages: refused, made, sealed, annulled, anew."""

import threading
from dataclasses import replace
from pathlib import Path
from uuid import UUID, uuid4

import pytest
import sqlalchemy as sa
from lxml import etree

from consilium import commands as c
from consilium import migrations, sealing
from consilium.actor import SYSTEM
from consilium.documents.conformance import check
from consilium.errors import Conflict, ConsiliumError
from consilium.filing.compose import registry_kind
from consilium.model import CaseStatus, FilingStatus, Paper, Protocol, ProtocolStatus
from consilium.queries import referrals, register
from consilium.queries.papers import referrals_of
from consilium.rules import codes
from consilium.rules import referrals as rules
from consilium.seal.openssl import openssl_verify
from consilium.seal.package import read_package
from consilium.seal.report import verify_package
from consilium.store import tables
from consilium.store.transaction import Transaction
from tests.consilium.conftest import embedded
from tests.consilium.test_papers_path import act_about, seal, signed_and_sealed
from tests.people import World, inhabited

REASON = "Направление выписано не в ту организацию"
NS = {"h": "urn:hl7-org:v3"}


def made(world: World, case: UUID) -> Protocol:
    return world.protocol(UUID(world.do("ivanova", c.MakeReferral(request=case))["protocol"]))


def of_sent(world: World) -> Protocol:
    return made(world, world.sent())


def annulled(world: World, paper: Protocol) -> Protocol:
    signed_and_sealed(world, act_about(world, paper, "ivanova"))
    return world.protocol(paper.id)


# --- refused --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "login,code",
    [
        ("coordinator", "forbidden"),
        ("registrar", "not_found"),
        ("chair", "not_found"),
        ("outsider", "not_found"),
    ],
)
def test_only_the_doctor_who_asks_makes_the_referral(shared: World, login: str, code: str):
    case = shared.sent()
    assert shared.refusal(login, c.MakeReferral(request=case)).code == code


def test_an_unsent_a_returned_and_a_closed_request_have_none(shared: World):
    draft, returned, refused = shared.draft(), shared.sent(), shared.sent()
    shared.do("coordinator", c.ReturnRequest(request=returned, items=["КТ"]))
    shared.do(
        "coordinator", c.RefuseRequest(request=refused, reason_code="not_our_profile", reason="Иной профиль")
    )
    for case in (draft, returned, refused):
        assert shared.refusal("ivanova", c.MakeReferral(request=case)).code == "wrong_step"


def test_one_referral_stands_at_a_time(shared: World):
    paper = of_sent(shared)
    assert shared.refusal("ivanova", c.MakeReferral(request=paper.case_id)).code == "already_referred"
    signed_and_sealed(shared, paper.id)
    assert shared.refusal("ivanova", c.MakeReferral(request=paper.case_id)).code == "already_referred"


def test_the_same_press_told_twice_makes_one_paper(shared: World):
    case, press = shared.sent(), uuid4()
    first = shared.do("ivanova", c.MakeReferral(request=case), press)
    assert shared.do("ivanova", c.MakeReferral(request=case), press) == first
    with shared.parts.store.read() as reader:
        assert len(referrals_of(reader, case)) == 1


def test_what_the_guide_would_miss_is_named_and_takes_no_number(shared: World):
    lacking = shared.sent(snils="")
    refused = shared.refusal("ivanova", c.MakeReferral(request=lacking))
    assert refused.code == "referral_incomplete"
    assert [one["code"] for one in refused.details["missing"]] == ["patient_snils_missing"]
    before, after = of_sent(shared), of_sent(shared)
    assert int(after.number[-5:]) == int(before.number[-5:]) + 1


def test_what_belongs_to_a_meeting_is_not_done_to_a_referral(shared: World):
    paper = of_sent(shared)
    row = paper.signatures[0]
    commands = (
        c.FreezeProtocol(protocol=paper.id),
        c.ReopenProtocol(protocol=paper.id, reason=REASON),
        c.MakeExtract(protocol=paper.id),
        c.ReplaceProtocol(protocol=paper.id),
        c.ReleaseSigner(protocol=paper.id, signature=row.id, reason=REASON),
        c.ReplaceSigner(protocol=paper.id, signature=row.id, stand_in=uuid4(), reason=REASON),
    )
    for command in commands:
        assert shared.refusal("ivanova", command).code == "not_found"
    assert shared.protocol(paper.id) == paper


def test_nobody_but_its_doctor_signs_declines_annuls_or_gives_it_up(shared: World):
    paper = of_sent(shared)
    for login, code in (("coordinator", "not_a_signer"), ("outsider", "not_found"), ("chair", "not_found")):
        assert shared.refusal(login, c.BeginSigning(protocol=paper.id)).code == code
        declined = c.DeclineSignature(protocol=paper.id, reason=REASON)
        assert shared.refusal(login, declined).code == code
    for login, code in (("coordinator", "forbidden"), ("outsider", "not_found")):
        assert shared.refusal(login, c.WithdrawPaper(protocol=paper.id, reason=REASON)).code == code
        assert shared.refusal(login, c.AnnulProtocol(protocol=paper.id, reason=REASON)).code == code
    assert shared.refusal("ivanova", c.AnnulProtocol(protocol=paper.id, reason=REASON)).code == "wrong_step"


# --- done -----------------------------------------------------------------------------------------


def test_a_referral_is_signed_sealed_and_filed_like_any_paper(world: World):
    case = world.sent()
    paper = made(world, case)
    assert (paper.status, paper.paper) == (ProtocolStatus.SIGNING, Paper.REFERRAL)
    assert (paper.consilium_id, paper.item_id) == (None, None)
    assert world.signer_logins(paper.id) == ["ivanova"]
    done = signed_and_sealed(world, paper.id)
    assert done.document == paper.document
    assert (done.status, done.filing) == (ProtocolStatus.SEALED, FilingStatus.QUEUED)
    assert registry_kind(done.document) == "185"
    content = (sealing.packages(world.parts) / done.package_name).read_bytes()
    report = verify_package(content, roots=world.parts.trust(), at=world.now)
    assert report.held, report.verdicts
    members = read_package(sealing.packages(world.parts) / done.package_name)
    assert members["document.xml"] == paper.document
    assert {"VERIFY.txt", "document.pdf"} <= set(members)
    assert world.case(case).status is CaseStatus.SENT


def test_its_seal_is_the_senders_and_its_number_is_of_the_senders_series(shared: World):
    done = signed_and_sealed(shared, of_sent(shared).id)
    doctor = shared.person("ivanova")
    assert done.organisation_id == doctor.organisation_id
    assert done.series.startswith(f"referral:{doctor.organisation_id}:")
    root = etree.fromstring(done.document)
    assert root.find("h:setId", NS).get("extension") == str(done.set_id)
    assert root.find("h:id", NS).get("extension") == str(done.document_id)
    assert done.number in "".join(root.itertext())


def test_the_frozen_bytes_are_what_everybody_gets(shared: World):
    case = shared.sent()
    with shared.parts.store.read() as reader:
        coordinator = reader.person(shared.id("coordinator"))
    draft = referrals.made(shared.parts, coordinator, case, shared.now)
    paper = made(shared, case)
    taken = referrals.made(shared.parts, coordinator, case, shared.now)
    assert draft.content != taken.content == paper.document
    assert taken.number == paper.number


def test_later_words_of_the_request_change_no_frozen_byte(shared: World):
    paper = of_sent(shared)
    shared.do("coordinator", c.ReturnRequest(request=paper.case_id, items=["КТ"]))
    item = shared.case(paper.case_id).missing[0].id
    shared.do("ivanova", c.AnswerMissing(request=paper.case_id, item=item, answer="Сделана"))
    fields = c.RequestFields(question="Другой вопрос")
    revision = shared.case(paper.case_id).revision
    shared.do("ivanova", c.SaveRequest(request=paper.case_id, revision=revision, fields=fields))
    shared.do("ivanova", c.SendRequest(request=paper.case_id))
    assert shared.protocol(paper.id).document == paper.document
    shared.do("ivanova", c.WithdrawPaper(protocol=paper.id, reason=REASON))
    second = made(shared, paper.case_id)
    assert "Другой вопрос" in second.document.decode()
    assert (second.version, second.replaces_id) == (1, None)


def test_an_annulled_referral_is_made_again_in_the_same_set_with_the_next_version(shared: World):
    first = signed_and_sealed(shared, of_sent(shared).id)
    gone = annulled(shared, first)
    assert gone.annulled_at is not None
    assert gone.document == first.document
    assert shared.case(first.case_id).status is CaseStatus.SENT
    second = made(shared, first.case_id)
    assert (second.set_id, second.version, second.replaces_id) == (first.set_id, 2, first.id)
    assert str(first.document_id) in second.document.decode()
    with shared.parts.store.read() as reader:
        found = register.lines(reader, first.organisation_id, shared.now.year)
    mine = [one for one in found if one.case_number == shared.case(first.case_id).number]
    assert {(one.paper, one.state) for one in mine} == {
        ("referral", "annulled"),
        ("annulment", "sealed"),
        ("referral", "signing"),
    }
    act = next(one for one in mine if one.paper == "annulment")
    assert act.remark == f"к направлению № {first.number}"


def test_a_declined_referral_is_withdrawn_and_makes_room(shared: World):
    paper = of_sent(shared)
    shared.do("ivanova", c.DeclineSignature(protocol=paper.id, reason=REASON))
    assert shared.protocol(paper.id).status is ProtocolStatus.WITHDRAWN
    assert made(shared, paper.case_id).version == 1


def test_a_cancelled_request_takes_its_unsealed_referral_with_it_and_no_sealed_one(shared: World):
    waiting, sealed = of_sent(shared), signed_and_sealed(shared, of_sent(shared).id)
    for paper in (waiting, sealed):
        shared.do("ivanova", c.CancelRequest(request=paper.case_id, reason="Пациент переведён"))
    given_up = shared.protocol(waiting.id)
    assert (given_up.status, given_up.withdrawn_reason) == (ProtocolStatus.WITHDRAWN, "Пациент переведён")
    assert shared.journal("protocol", waiting.id)[-1] == "PaperWithdrawn"
    assert shared.refusal("ivanova", c.BeginSigning(protocol=waiting.id)).code == "wrong_step"
    assert shared.protocol(sealed.id) == sealed
    annulled(shared, sealed)


@pytest.mark.needs_openssl
def test_openssl_alone_follows_its_instructions(shared: World):
    done = signed_and_sealed(shared, of_sent(shared).id)
    told = openssl_verify(sealing.packages(shared.parts) / done.package_name)
    assert told
    assert [command for command, held in told if not held] == []


def test_the_consilium_goes_its_way_whatever_becomes_of_the_referral(shared: World):
    case = shared.accepted()
    referral = made(shared, case)
    protocol = seal(shared, shared.signed("deputy", "secretary", "member1", "ivanova", cases=[case]).id)
    assert shared.case(case).status is CaseStatus.SEALED
    signed_and_sealed(shared, referral.id)
    filed(shared, referral)
    assert shared.case(case).status is CaseStatus.SEALED
    annulled(shared, shared.protocol(referral.id))
    assert shared.case(case).status is CaseStatus.SEALED
    assert shared.protocol(protocol.id).annulled_at is None


def test_presses_at_once_make_one_paper(world: World):
    case = world.sent()
    outcomes: list[str] = []
    line = threading.Barrier(4)

    def press() -> None:
        line.wait()
        try:
            world.do("ivanova", c.MakeReferral(request=case))
            outcomes.append("made")
        except ConsiliumError as refused:
            outcomes.append(refused.code)

    threads = [threading.Thread(target=press) for _ in range(4)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert sorted(outcomes) == ["already_referred"] * 3 + ["made"]
    assert made(world, world.sent()).number.endswith("-00002")


def test_the_database_itself_refuses_a_second_one_and_half_a_consilium(world: World):
    """What the rules forgot, should they ever."""
    paper = of_sent(world)
    second = rules.born(world.case(paper.case_id), paper.series, "2026-99999", world.now)

    def keep(tx: Transaction) -> None:
        tx.add(second)
        tx.commit()

    with pytest.raises(Conflict) as refused:
        world.parts.store.run(world.now, keep)
    assert refused.value.code == "already_referred"
    protocol = world.frozen("deputy", "secretary", "member1", "ivanova")
    for table, change in (
        (tables.protocols, {"item_id": None}),
        (tables.protocols, {"item_id": None, "consilium_id": None}),
    ):
        with pytest.raises(sa.exc.IntegrityError), world.parts.store.write(world.now) as tx:
            tx.connection.execute(sa.update(table).where(table.c.id == protocol.id).values(change))


def test_an_older_database_has_none_and_goes_forth_again(world: World):
    """Annulled, replaced, sealed and waiting ones, with their signatures and the act."""
    first = annulled(world, signed_and_sealed(world, of_sent(world).id))
    waiting = made(world, first.case_id)
    engine = world.parts.store.engine
    migrations.downgrade(engine, "0002")
    migrations.upgrade(engine)
    with world.parts.store.read() as reader:
        assert referrals_of(reader, waiting.case_id) == []
        assert reader.case(waiting.case_id).status is CaseStatus.SENT


@pytest.mark.needs_semd
def test_a_real_requests_referral_holds_before_the_states_rules(tmp_path: Path, semd_dir: Path):
    """With the official files installed the gate itself judges; here it is asked once more, and of an act's successor."""
    settings = replace(embedded(tmp_path), semd_dir=semd_dir)
    with inhabited(settings) as world:
        first = of_sent(world)
        annulled(world, signed_and_sealed(world, first.id))
        for paper in (first, made(world, first.case_id)):
            parts = world.parts
            report = check(paper.document, parts.official(), parts.terms())
            assert (report.guide, report.xsd, report.errors) == ("185", True, ())
            assert report.rules_fired > 150
            assert "dictionaries" not in report.unchecked


# What a request may be sent without, and a referral can be made without.
BARE = {
    "patronymic": "",
    "record_number": "",
    "place": "",
    "region_code": "",
    "region_name": "",
    "postal_code": "",
    "paper_kind": "",
    "paper_kind_name": "",
    "paper_series": "",
    "paper_number": "",
    "paper_issuer": "",
    "paper_issuer_code": "",
    "paper_issued_on": None,
    "policy_kind": "",
    "policy_kind_name": "",
    "policy_number": "",
    "policy_valid_from": None,
    "card_code": "",
    "card_opened_on": None,
    "severity_code": "",
}


@pytest.mark.needs_semd
def test_a_bare_request_and_any_payer_are_referred_within_the_states_rules(tmp_path: Path, semd_dir: Path):
    with inhabited(replace(embedded(tmp_path), semd_dir=semd_dir)) as world:
        payers = [BARE | {"payment_code": one} for one in ("", *codes.PAYMENTS)]
        for asked in ({}, BARE, *payers, {"urgency_code": "3"}, {"goal_code": "10", "goal_text": "Иное"}):
            paper = made(world, world.sent(**asked))
            report = check(paper.document, world.parts.official(), world.parts.terms())
            assert (report.errors, report.rules_fired > 150) == ((), True), asked


@pytest.mark.needs_semd
def test_what_the_states_rules_refuse_is_not_frozen(tmp_path: Path, semd_dir: Path):
    """A region that no dictionary knows: the paper is not made, and no number is taken."""
    with inhabited(replace(embedded(tmp_path), semd_dir=semd_dir)) as world:
        case = world.sent(region_code="00", region_name="Нет такого региона")
        refused = world.refusal("ivanova", c.MakeReferral(request=case))
        assert refused.code == "document_refused"
        assert refused.details["findings"]
        assert of_sent(world).number.endswith("-00001")


def filed(world: World, paper: Protocol) -> None:
    """The registry's number, as its callback tells it."""
    word = c.RecordFiling(
        protocol=paper.id,
        step="answered",
        registry_number=f"77.26.11.{paper.number[-3:]}.{paper.id.int % 10**9:09}",
        registered_at=world.now,
    )
    world.service.handle(word, SYSTEM, uuid4(), world.now)
    assert world.protocol(paper.id).filing is FilingStatus.REGISTERED
