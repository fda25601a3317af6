"""Extracts, acts of annulment, versions that take a place: what is refused, then what follows."""

from datetime import timedelta
from uuid import uuid4

import pytest

from consilium.errors import Conflict, Invalid
from consilium.events import (
    AnnulmentMade,
    ExtractMade,
    PaperWithdrawn,
    ProtocolAnnulled,
    ProtocolDrafted,
    ProtocolFrozen,
    ProtocolReplaced,
    SignatureDeclined,
)
from consilium.model import Consilium, Paper, Protocol, ProtocolStatus, Seat, SignatureStatus
from consilium.rules import papers
from consilium.rules import protocol as rules
from tests.rules.makers import AT, consilium, protocol, seat, signature, stay

SEALED = ProtocolStatus.SEALED


def sealed(**changes) -> Protocol:
    return protocol(**({"status": SEALED, "sealed_at": AT} | changes))


def made(
    paper: Paper, parent: Protocol, status: ProtocolStatus = ProtocolStatus.SIGNING, **changes
) -> Protocol:
    return protocol(paper=paper, parent_id=parent.id, status=status, **changes)


def code(wanted) -> str:
    with pytest.raises((Conflict, Invalid)) as refused:
        wanted()
    return refused.value.code


def commission(*roles: str, chair: int = 0) -> tuple[Consilium, list[Seat]]:
    """Everybody of these roles was there; the seat of that place presides."""
    seats = [seat(role) for role in roles]
    here = [stay(each, 0, 30) for each in seats]
    found = consilium(*seats, kind="commission", attendance=here, chair_seat_id=seats[chair].id)
    return found, seats


# --- extract: refused -----------------------------------------------------------------------------


@pytest.mark.parametrize("status", [one for one in ProtocolStatus if one is not SEALED])
def test_no_extract_is_taken_from_what_is_not_sealed(status: ProtocolStatus):
    assert code(lambda: papers.require_extractable(protocol(status=status), "commission", [])) == "wrong_step"


@pytest.mark.parametrize("kind", ["general", "oncological", "consultation"])
def test_only_a_commissions_protocol_has_an_extract(kind: str):
    assert code(lambda: papers.require_extractable(sealed(), kind, [])) == "wrong_step"


@pytest.mark.parametrize("paper", [Paper.EXTRACT, Paper.ANNULMENT])
def test_no_extract_is_taken_from_an_extract_or_an_act(paper: Paper):
    assert code(lambda: papers.require_extractable(sealed(paper=paper), "commission", [])) == "wrong_step"


def test_no_extract_is_taken_from_what_was_annulled():
    gone = sealed(annulled_at=AT)
    assert code(lambda: papers.require_extractable(gone, "commission", [])) == "annulled"


@pytest.mark.parametrize("status", sorted(papers.STANDS))
def test_no_extract_is_taken_while_an_act_is_under_way(status: ProtocolStatus):
    parent = sealed()
    act = made(Paper.ANNULMENT, parent, status)
    assert code(lambda: papers.require_extractable(parent, "commission", [act])) == "annulled"


@pytest.mark.parametrize("status", sorted(papers.STANDS))
def test_one_extract_stands_at_a_time(status: ProtocolStatus):
    parent = sealed()
    first = made(Paper.EXTRACT, parent, status)
    assert code(lambda: papers.require_extractable(parent, "commission", [first])) == "already_extracted"


def test_a_withdrawn_or_annulled_extract_makes_room_for_another():
    parent = sealed()
    gone = made(Paper.EXTRACT, parent, ProtocolStatus.WITHDRAWN)
    annulled = made(Paper.EXTRACT, parent, SEALED, annulled_at=AT)
    dropped = made(Paper.ANNULMENT, parent, ProtocolStatus.WITHDRAWN)
    papers.require_extractable(parent, "commission", [gone, annulled, dropped])


# --- annulment: refused ---------------------------------------------------------------------------


@pytest.mark.parametrize("status", [one for one in ProtocolStatus if one is not SEALED])
def test_what_is_not_sealed_is_taken_back_and_not_annulled(status: ProtocolStatus):
    assert code(lambda: papers.require_annullable(protocol(status=status), [], "Ошибка")) == "wrong_step"


def test_an_act_is_not_annulled():
    act = sealed(paper=Paper.ANNULMENT)
    assert code(lambda: papers.require_annullable(act, [], "Ошибка")) == "wrong_step"


@pytest.mark.parametrize("reason", ["", "  \n"])
def test_nothing_is_annulled_without_a_reason(reason: str):
    assert code(lambda: papers.require_annullable(sealed(), [], reason)) == "reason_required"


def test_nothing_is_annulled_twice():
    parent = sealed(annulled_at=AT)
    assert code(lambda: papers.require_annullable(parent, [], "Ошибка")) == "annulled"


@pytest.mark.parametrize("status", sorted(papers.STANDS))
def test_two_acts_about_one_paper_are_one_too_many(status: ProtocolStatus):
    parent = sealed()
    act = made(Paper.ANNULMENT, parent, status)
    assert code(lambda: papers.require_annullable(parent, [act], "Ошибка")) == "already_annulled"


@pytest.mark.parametrize("status", sorted(papers.STANDS))
def test_a_protocol_is_not_annulled_before_its_extract(status: ProtocolStatus):
    parent = sealed()
    extract = made(Paper.EXTRACT, parent, status)
    assert code(lambda: papers.require_annullable(parent, [extract], "Ошибка")) == "extract_stands"


def test_an_extract_is_annulled_like_a_protocol():
    papers.require_annullable(sealed(paper=Paper.EXTRACT), [], "Не тот адресат")


# --- replacement: refused -------------------------------------------------------------------------


@pytest.mark.parametrize("status", list(ProtocolStatus))
def test_what_was_not_annulled_is_not_replaced(status: ProtocolStatus):
    assert code(lambda: papers.require_replaceable(protocol(status=status), None)) == "wrong_step"


def test_an_act_or_extract_gets_no_draft_in_its_place():
    for paper in (Paper.EXTRACT, Paper.ANNULMENT):
        gone = sealed(paper=paper, annulled_at=AT)
        assert code(lambda one=gone: papers.require_replaceable(one, None)) == "wrong_step"


def test_one_version_takes_the_place_and_no_second():
    gone = sealed(annulled_at=AT)
    papers.require_replaceable(gone, None)
    assert code(lambda: papers.require_replaceable(gone, protocol())) == "already_replaced"


# --- withdrawing: refused -------------------------------------------------------------------------


def test_a_protocol_is_reopened_and_not_withdrawn():
    row = signature(uuid4())
    assert code(lambda: papers.withdraw(protocol(row), uuid4(), "Передумал", AT)) == "wrong_step"


@pytest.mark.parametrize("paper", [Paper.EXTRACT, Paper.ANNULMENT])
def test_an_extract_or_act_is_withdrawn_and_not_reopened(paper: Paper):
    one = protocol(signature(uuid4()), paper=paper)
    assert code(lambda: rules.reopen(one, uuid4(), "Опечатка")) == "wrong_step"
    assert one.status is ProtocolStatus.SIGNING


@pytest.mark.parametrize("status", [SEALED, ProtocolStatus.WITHDRAWN])
def test_what_is_sealed_or_given_up_is_not_withdrawn(status: ProtocolStatus):
    act = protocol(paper=Paper.ANNULMENT, status=status)
    assert code(lambda: papers.withdraw(act, uuid4(), "Передумал", AT)) == "wrong_step"


def test_nothing_is_withdrawn_without_a_reason():
    act = protocol(paper=Paper.ANNULMENT)
    assert code(lambda: papers.withdraw(act, uuid4(), " ", AT)) == "reason_required"


def test_a_paper_nobody_would_sign_is_not_frozen():
    act = papers.born(Paper.ANNULMENT, sealed(), "s", "2026-00001", AT)
    refused = code(lambda: papers.freeze(act, uuid4(), b"<a/>", "ab" * 32, [], uuid4(), AT))
    assert refused == "protocol_incomplete"


# --- who signs ------------------------------------------------------------------------------------


def test_an_extract_is_signed_by_chair_and_secretary():
    found, seats = commission("chair", "deputy", "secretary", "member")
    assert papers.extract_signers(found, found.agenda[0], AT) == [seats[0], seats[2]]


def test_who_presided_signs_the_extract_for_an_absent_chair():
    found, seats = commission("deputy", "secretary", "member")
    assert papers.extract_signers(found, found.agenda[0], AT) == [seats[0], seats[1]]


def test_an_act_is_signed_by_who_annuls_and_the_secretary():
    found, seats = commission("chair", "deputy", "secretary", "member")
    assert papers.act_signers(found, found.agenda[0], seats[0], AT) == [seats[0], seats[2]]
    assert papers.act_signers(found, found.agenda[0], seats[1], AT) == [seats[1], seats[2]]


# --- done -----------------------------------------------------------------------------------------


def test_an_extract_is_a_paper_of_its_own_frozen_at_birth():
    parent = sealed()
    found, seats = commission("chair", "secretary")
    extract = papers.born(Paper.EXTRACT, parent, "extract:b:2026", "2026-00001", AT)
    by = seats[1].person_id
    happened = papers.freeze(extract, uuid4(), b"<x/>", "cd" * 32, papers.seated(seats), by, AT)
    assert (extract.status, extract.version, extract.digest) == (ProtocolStatus.SIGNING, 1, "cd" * 32)
    assert extract.set_id != parent.set_id
    assert [one.person_id for one in extract.signatures] == [one.person_id for one in found.seats]
    told, frozen = happened
    assert isinstance(told, ExtractMade)
    assert (told.protocol, told.number, told.by) == (parent.id, "2026-00001", by)
    assert isinstance(frozen, ProtocolFrozen)


def test_an_extract_in_an_annulled_ones_place_carries_its_set_on():
    first = sealed(paper=Paper.EXTRACT, version=2, annulled_at=AT)
    second = papers.born(Paper.EXTRACT, sealed(), "s", "2026-00002", AT, first)
    assert (second.set_id, second.version, second.replaces_id) == (first.set_id, 3, first.id)


def test_the_seal_of_the_act_annuls_once_and_leaves_the_bytes():
    parent = sealed()
    before = (parent.document, parent.digest, parent.status, parent.signatures)
    act = made(Paper.ANNULMENT, parent, reason="Не тот пациент")
    (told,) = papers.annul(parent, act, AT)
    assert told == ProtocolAnnulled(act=act.id, number=act.number, reason="Не тот пациент")
    assert (parent.annulled_at, parent.annulled_by, parent.annul_reason) == (AT, act.id, "Не тот пациент")
    assert (parent.document, parent.digest, parent.status, parent.signatures) == before
    assert papers.annul(parent, act, AT + timedelta(minutes=1)) == []
    assert parent.annulled_at == AT


def test_a_replacement_keeps_the_set_and_raises_the_version():
    old = sealed(version=3, annulled_at=AT)
    new, drafted, replaced = papers.replace(old, "protocol:o:2026", "2026-00007", AT)
    assert (new.set_id, new.version, new.replaces_id, new.parent_id) == (old.set_id, 4, old.id, None)
    assert (new.status, new.paper, new.document) == (ProtocolStatus.DRAFTING, Paper.PROTOCOL, b"")
    assert drafted == [ProtocolDrafted(item=old.item_id, case=old.case_id, number="2026-00007")]
    assert replaced == [ProtocolReplaced(by=new.id, number="2026-00007", version=4)]


def test_an_act_says_what_it_annuls_and_why():
    parent = sealed()
    _, seats = commission("chair", "secretary")
    act = papers.born(Paper.ANNULMENT, parent, "s", "2026-00001", AT)
    act.reason = "Описка"
    told, _ = papers.freeze(
        act, uuid4(), b"<a/>", "ef" * 32, papers.seated(seats[:1]), seats[0].person_id, AT
    )
    assert told == AnnulmentMade(
        annuls=parent.id, number="2026-00001", by=seats[0].person_id, reason="Описка"
    )


def test_a_withdrawn_paper_keeps_its_number_and_counts_its_fallen():
    signed = signature(uuid4(), status=SignatureStatus.SIGNED)
    act = protocol(signed, signature(uuid4()), paper=Paper.ANNULMENT)
    by = uuid4()
    told = papers.withdraw(act, by, "Не нужен", AT)
    assert told == [PaperWithdrawn(version=1, by=by, reason="Не нужен", fallen=1)]
    assert (act.status, act.number, act.withdrawn_reason) == (
        ProtocolStatus.WITHDRAWN,
        "2026-00001",
        "Не нужен",
    )


@pytest.mark.parametrize("paper", [Paper.EXTRACT, Paper.ANNULMENT])
def test_a_declined_extract_or_act_is_withdrawn_and_never_edited(paper: Paper):
    who = uuid4()
    one = protocol(signature(who), paper=paper)
    told = rules.decline(one, who, "Не согласен", AT)
    assert told == [SignatureDeclined(person=who, version=1, reason="Не согласен", fallen=0)]
    assert (one.status, one.withdrawn_by) == (ProtocolStatus.WITHDRAWN, who)
    assert (one.document, one.version) == (b"<xml/>", 1)
