"""The referral: who makes it, when, who answers for it and who reads it. Refusals first."""

from dataclasses import replace
from uuid import uuid4

import pytest

from consilium.errors import ConsiliumError
from consilium.events import ProtocolFrozen, ReferralMade
from consilium.model import CaseStatus, Paper, Protocol, ProtocolStatus
from consilium.rules import papers, referrals
from tests.rules.makers import AT, AUTHOR, COORDINATOR, RECEIVER, SENDER, STRANGER, case, person, protocol

COLLEAGUE = person(SENDER, "doctor")
SENDERS_REGISTRAR = person(SENDER, "registrar")
RECEIVERS_REGISTRAR = person(RECEIVER, "registrar")


def code(action, *args) -> str:
    with pytest.raises(ConsiliumError) as refused:
        action(*args)
    return refused.value.code


def referral(**changes) -> Protocol:
    values = {"paper": Paper.REFERRAL, "consilium_id": None, "item_id": None, "organisation_id": SENDER}
    return protocol(**(values | changes))


# --- refused --------------------------------------------------------------------------------------


@pytest.mark.parametrize("who", [COLLEAGUE, COORDINATOR, SENDERS_REGISTRAR, STRANGER])
def test_only_the_author_of_a_sent_request_makes_its_referral(who):
    assert code(referrals.require_referable, case(CaseStatus.SENT), who, []) == "forbidden"
    assert code(referrals.require_doctor, case(CaseStatus.SENT), who) == "forbidden"


def test_who_has_left_the_sender_makes_no_paper_in_its_name_and_still_annuls_his_own():
    one = case(CaseStatus.SENT)
    moved = replace(AUTHOR, organisation_id=RECEIVER)
    assert code(referrals.require_referable, one, moved, []) == "forbidden"
    referrals.require_doctor(one, moved)


@pytest.mark.parametrize("status", set(CaseStatus) - {"sent", "accepted", "scheduled"})
def test_no_referral_is_made_before_the_sending_or_after_the_decision(status):
    assert code(referrals.require_referable, case(status), AUTHOR, []) == "wrong_step"


@pytest.mark.parametrize("status", ["signing", "sealing", "sealed"])
def test_while_one_counts_or_is_under_way_no_second_is_made(status):
    standing = referral(status=ProtocolStatus(status))
    assert code(referrals.require_referable, case(CaseStatus.SENT), AUTHOR, [standing]) == "already_referred"


# --- done -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", ["sent", "accepted", "scheduled"])
def test_what_was_given_up_or_annulled_makes_room(status):
    gone = [referral(status=ProtocolStatus.WITHDRAWN), referral(status=ProtocolStatus.SEALED, annulled_at=AT)]
    referrals.require_referable(case(CaseStatus(status)), AUTHOR, gone)


def test_a_referral_is_the_senders_paper_and_its_doctors_to_sign():
    one = case(CaseStatus.SENT)
    paper = referrals.born(one, "referral:o:2026", "2026-00001", AT)
    assert (paper.consilium_id, paper.item_id, paper.organisation_id) == (None, None, one.sender_id)
    told, frozen = papers.freeze(
        paper, uuid4(), b"<x/>", "cd" * 32, [referrals.signer(AUTHOR)], AUTHOR.id, AT
    )
    assert told == ReferralMade(case=one.id, number="2026-00001", version=1, by=AUTHOR.id)
    assert isinstance(frozen, ProtocolFrozen)
    (row,) = paper.signatures
    assert (row.person_id, row.seat_id, row.role) == (AUTHOR.id, None, "attending")


def test_the_next_one_takes_the_place_of_the_annulled_one_and_of_no_withdrawn_one():
    annulled = referral(status=ProtocolStatus.SEALED, annulled_at=AT, version=2)
    withdrawn = referral(status=ProtocolStatus.WITHDRAWN)
    assert referrals.replaced_by_next([withdrawn]) is None
    assert referrals.replaced_by_next([annulled, withdrawn]) is annulled
    heir = referral(status=ProtocolStatus.WITHDRAWN, replaces_id=annulled.id)
    assert referrals.replaced_by_next([annulled, heir]) is None
    paper = referrals.born(case(CaseStatus.SENT), "s", "2026-00002", AT, annulled)
    assert (paper.set_id, paper.version, paper.replaces_id) == (annulled.set_id, 3, annulled.id)


def test_a_referral_is_annulled_like_any_sealed_paper_and_never_extracted_or_replaced():
    sealed = referral(status=ProtocolStatus.SEALED)
    papers.require_annullable(sealed, [], "Описка")
    assert code(papers.require_extractable, sealed, "commission", []) == "wrong_step"
    annulled = referral(status=ProtocolStatus.SEALED, annulled_at=AT)
    assert code(papers.require_replaceable, annulled, None) == "wrong_step"


@pytest.mark.parametrize(
    "who,sees",
    [
        (AUTHOR, True),
        (COORDINATOR, True),
        (SENDERS_REGISTRAR, True),
        (RECEIVERS_REGISTRAR, True),
        (COLLEAGUE, False),
        (STRANGER, False),
    ],
)
def test_who_sees_the_case_and_who_registers_for_the_sender_read_it(who, sees):
    sent = case(CaseStatus.SENT, sent_at=AT)
    assert referrals.sees(referral(), sent, who, None) is sees
