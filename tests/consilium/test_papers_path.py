"""Annulling, replacing, extracts: by real commands, keys and packages. Refusals first."""

import hashlib
import threading
from uuid import UUID, uuid4

import pytest
from lxml import etree

from consilium import commands as c
from consilium import drafts, sealing
from consilium.documents.annulment import parse_annulment
from consilium.documents.view import read_document
from consilium.model import (
    CaseStatus,
    FilingStatus,
    Paper,
    Protocol,
    ProtocolStatus,
)
from consilium.queries.papers import papers_of
from consilium.seal.acts import Judge, beside, with_acts
from consilium.seal.inventory import check_folder
from consilium.seal.report import verify_package
from tests.people import World

ALL = ("deputy", "secretary", "member1", "ivanova")
REASON = "Протокол составлен на другого пациента"


def seal(world: World, protocol_id: UUID) -> Protocol:
    """What the worker does once everybody has signed."""
    sealing.seal_protocol(world.parts, {"protocol": str(protocol_id)})
    return world.protocol(protocol_id)


def sealed(world: World, **options) -> Protocol:
    return seal(world, world.signed(*ALL, **options).id)


def signed_and_sealed(world: World, protocol_id: UUID) -> Protocol:
    for login in world.signer_logins(protocol_id):
        world.sign(login, protocol_id)
    return seal(world, protocol_id)


def act_about(world: World, protocol: Protocol, by: str = "chair") -> UUID:
    return UUID(world.do(by, c.AnnulProtocol(protocol=protocol.id, reason=REASON))["protocol"])


def annulled(world: World, protocol: Protocol) -> Protocol:
    signed_and_sealed(world, act_about(world, protocol))
    return world.protocol(protocol.id)


# --- annulment: refused ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    "login,code",
    [
        ("deputy", "not_your_role"),
        ("secretary", "not_your_role"),
        ("member1", "not_your_role"),
        ("ivanova", "not_your_role"),
        ("nmic.admin", "not_found"),
        ("coordinator", "not_found"),
        ("outsider", "not_found"),
    ],
)
def test_only_the_chair_annuls(shared: World, login: str, code: str):
    protocol = sealed(shared)
    assert shared.refusal(login, c.AnnulProtocol(protocol=protocol.id, reason=REASON)).code == code
    assert shared.protocol(protocol.id).annulled_at is None


def test_a_protocol_on_its_way_to_the_seal_is_not_annulled(shared: World):
    for protocol in (shared.decided(*ALL), shared.frozen(*ALL), shared.signed(*ALL)):
        wanted = c.AnnulProtocol(protocol=protocol.id, reason=REASON)
        assert shared.refusal("chair", wanted).code == "wrong_step"


def test_what_counts_is_not_replaced(shared: World):
    protocol = sealed(shared)
    assert shared.refusal("chair", c.ReplaceProtocol(protocol=protocol.id)).code == "wrong_step"
    act_about(shared, protocol)
    assert shared.refusal("chair", c.ReplaceProtocol(protocol=protocol.id)).code == "wrong_step"


def test_a_sealed_protocol_is_neither_reopened_nor_written_nor_withdrawn(shared: World):
    protocol = sealed(shared)
    for command in (
        c.ReopenProtocol(protocol=protocol.id, reason="Опечатка"),
        c.WithdrawPaper(protocol=protocol.id, reason="Опечатка"),
    ):
        assert shared.refusal("chair", command).code == "wrong_step"
    assert shared.refusal("chair", c.FreezeProtocol(protocol=protocol.id)).code == "draft_frozen"


def test_a_consiliums_protocol_has_no_extract(shared: World):
    protocol = sealed(shared)
    assert shared.refusal("chair", c.MakeExtract(protocol=protocol.id)).code == "wrong_step"


# --- annulment: done ------------------------------------------------------------------------------


def test_until_the_acts_seal_the_protocol_counts_and_from_then_on_it_is_flagged(shared: World):
    protocol = sealed(shared)
    act_id = act_about(shared, protocol)
    assert shared.signer_logins(act_id) == ["chair", "secretary"]
    shared.sign("chair", act_id)
    assert shared.protocol(protocol.id).annulled_at is None
    assert shared.case(protocol.case_id).status is CaseStatus.SEALED
    shared.sign("secretary", act_id)
    act = seal(shared, act_id)
    found = shared.protocol(protocol.id)
    assert (found.annulled_by, found.annul_reason) == (act.id, REASON)
    assert found.annulled_at == act.sealed_at
    assert shared.case(protocol.case_id).status is CaseStatus.DECIDED
    assert shared.journal("protocol", protocol.id)[-1] == "ProtocolAnnulled"
    assert shared.journal("case", protocol.case_id)[-1] == "CaseDecisionAnnulled"
    assert shared.journal("protocol", act.id)[:2] == ["AnnulmentMade", "ProtocolFrozen"]


def test_the_annulled_package_still_verifies_and_its_bytes_are_the_same(shared: World):
    protocol = sealed(shared)
    path = sealing.packages(shared.parts) / protocol.package_name
    before = path.read_bytes()
    after = annulled(shared, protocol)
    assert path.read_bytes() == before
    assert (after.document, after.digest, after.package_name) == (
        protocol.document,
        protocol.digest,
        protocol.package_name,
    )
    assert verify_package(before, roots=shared.parts.trust(), at=shared.now).held


def test_offline_the_annulled_package_is_known_by_the_acts_package_beside_it(shared: World):
    protocol = sealed(shared)
    path = sealing.packages(shared.parts) / protocol.package_name
    other = sealed(shared)
    act = signed_and_sealed(shared, act_about(shared, protocol))
    folder = sealing.packages(shared.parts)
    judge = Judge(shared.parts.trust(), shared.parts.policy, None, shared.now)
    for package, code in ((path, "ANNULLED"), (folder / other.package_name, "ACT_OTHER")):
        found = beside(package, [folder / act.package_name])
        report = with_acts(
            judge.report(package), {name: judge.act(one) for name, one in found.items()}, judge.moment
        )
        assert report.held, [one for one in report.verdicts if not one.held]
        assert report.verdicts[-1].code == code
        assert (report.annulled is not None) == (code == "ANNULLED")
    assert list(beside(path, [folder])) == [str(folder / act.package_name)]
    summary = check_folder(folder, roots=shared.parts.trust(), at=None, now=shared.now)
    assert [one.name for one in summary.annulled if one.number == act.number] == [path.name]


def test_the_act_is_a_package_of_its_own_that_names_what_it_annuls(shared: World):
    protocol = sealed(shared)
    act = signed_and_sealed(shared, act_about(shared, protocol))
    content = (sealing.packages(shared.parts) / act.package_name).read_bytes()
    report = verify_package(content, roots=shared.parts.trust(), at=shared.now)
    assert report.held
    assert report.document_sha256 == hashlib.sha256(act.document).hexdigest()
    said = parse_annulment(act.document)
    assert (said.annulled.document_id, said.annulled.sha256) == (str(protocol.document_id), protocol.digest)
    assert (said.annulled.number, said.reason) == (protocol.number, REASON)
    assert [one.role for one in said.signers] == ["CHAIRMAN", "SECRETARY"]
    read = read_document(act.document)
    assert "аннулировании" in read.title


def test_an_act_says_nothing_about_the_patient(shared: World):
    protocol = sealed(shared)
    act = shared.protocol(act_about(shared, protocol))
    patient = shared.case(protocol.case_id).patient
    text = act.document.decode()
    for secret in (patient.surname, patient.snils, patient.birth_date.isoformat()):
        assert secret not in text


def test_a_declined_act_is_withdrawn_and_another_may_be_made_with_the_next_number(world: World):
    protocol = sealed(world)
    first = act_about(world, protocol)
    again = c.AnnulProtocol(protocol=protocol.id, reason=REASON)
    assert world.refusal("chair", again).code == "already_annulled"
    world.do("secretary", c.DeclineSignature(protocol=first, reason="Неверная причина"))
    assert world.protocol(first).status is ProtocolStatus.WITHDRAWN
    second = act_about(world, protocol)
    numbers = [world.protocol(one).number for one in (first, second)]
    assert [one[-5:] for one in numbers] == ["00001", "00002"]
    world.do("chair", c.WithdrawPaper(protocol=second, reason="Ошибки нет"))
    assert world.journal("protocol", second)[-1] == "PaperWithdrawn"
    assert world.protocol(protocol.id).annulled_at is None


def test_two_chairs_hands_at_once_make_one_act(world: World):
    protocol = sealed(world)
    line = threading.Barrier(3)
    seen: list[str] = []

    def press() -> None:
        line.wait()
        try:
            world.do("chair", c.AnnulProtocol(protocol=protocol.id, reason=REASON))
            seen.append("made")
        except Exception as refused:  # noqa: BLE001 - whatever it is, it is compared below
            seen.append(getattr(refused, "code", repr(refused)))

    threads = [threading.Thread(target=press) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(seen) == ["already_annulled", "already_annulled", "made"]
    with world.parts.store.read() as reader:
        acts = [one for one in reader.all(Protocol) if one.paper is Paper.ANNULMENT]
    assert [one.number[-5:] for one in acts] == ["00001"]


# --- replacement ----------------------------------------------------------------------------------


def test_the_replacement_begins_with_the_old_words_and_is_signed_by_everybody_anew(world: World):
    old = annulled(world, sealed(world))
    answer = world.do("secretary", c.ReplaceProtocol(protocol=old.id))
    new = world.protocol(UUID(answer["protocol"]))
    assert (new.set_id, new.version, new.replaces_id) == (old.set_id, old.version + 1, old.id)
    assert new.number != old.number
    with world.parts.store.read() as reader:
        texts = [drafts.texts(one for _, one in reader.draft_updates(key)) for key in (old.id, new.id)]
    assert texts[0] == texts[1]
    assert world.consilium(old.consilium_id).agenda[0].protocol_id == new.id
    assert world.refusal("chair", c.ReplaceProtocol(protocol=old.id)).code == "already_replaced"
    world.do("chair", c.FreezeProtocol(protocol=new.id))
    frozen = world.protocol(new.id)
    assert len(frozen.current_signatures()) == 5
    assert frozen.document_id != old.document_id
    root = etree.fromstring(frozen.document)
    number = root.find("{*}versionNumber")
    identity = root.find("{*}setId")
    assert number is not None
    assert identity is not None
    assert (number.get("value"), identity.get("extension")) == (str(old.version + 1), str(old.set_id))
    done = signed_and_sealed(world, new.id)
    assert (done.status, done.filing) == (ProtocolStatus.SEALED, FilingStatus.QUEUED)
    assert world.case(old.case_id).status is CaseStatus.SEALED
    assert world.journal("protocol", old.id)[-2:] == ["ProtocolAnnulled", "ProtocolReplaced"]


def test_the_replacement_may_be_annulled_and_replaced_in_its_turn(world: World):
    chain = [annulled(world, sealed(world))]
    for _ in range(2):
        new = UUID(world.do("chair", c.ReplaceProtocol(protocol=chain[-1].id))["protocol"])
        world.do("chair", c.FreezeProtocol(protocol=new))
        signed_and_sealed(world, new)
        chain.append(annulled(world, world.protocol(new)))
    assert [one.version for one in chain] == [1, 2, 3]
    assert {one.set_id for one in chain} == {chain[0].set_id}
    with world.parts.store.read() as reader:
        told = papers_of(reader, chain[0].item_id)
    assert [one["paper"] for one in told] == ["protocol", "annulment"] * 3
    assert [one["replaced_by"] for one in told if one["paper"] == "protocol"] == [
        str(chain[1].id),
        str(chain[2].id),
        None,
    ]


def test_a_replacement_reopened_keeps_counting_from_its_own_first_version(shared: World):
    old = annulled(shared, sealed(shared))
    new = UUID(shared.do("chair", c.ReplaceProtocol(protocol=old.id))["protocol"])
    shared.do("chair", c.FreezeProtocol(protocol=new))
    answer = shared.do("member1", c.DeclineSignature(protocol=new, reason="Описка"))
    assert answer["version"] == old.version + 2


def test_a_paper_nobody_knows_is_not_found(shared: World):
    for command in (
        c.AnnulProtocol(protocol=uuid4(), reason=REASON),
        c.ReplaceProtocol(protocol=uuid4()),
        c.WithdrawPaper(protocol=uuid4(), reason=REASON),
        c.MakeExtract(protocol=uuid4()),
    ):
        assert shared.refusal("chair", command).code == "not_found"
