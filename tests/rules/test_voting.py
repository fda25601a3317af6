"""Resolutions, quorum, ballots, recusal, dissent. Refusals first."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consilium.errors import Conflict, Forbidden, Invalid
from consilium.model import Choice, ResolutionStatus
from consilium.rules import opinion, voting
from tests.rules.meetings import NOON, away, later, meeting, names, seat


def voted(one, wording="Оперировать"):
    resolution, _ = voting.propose(one, one.agenda[0], seat(one, "chair"), wording)
    ballot, _ = voting.open_vote(one, resolution, resolution.revision, seat(one, "chair"), NOON)
    return resolution, ballot


def cast(one, ballot, role, choice, nth=0):
    return voting.cast(one, ballot, seat(one, role, nth), Choice(choice), ballot.digest, later(5))


def test_a_vote_does_not_open_without_quorum():
    one = meeting()
    for role, nth in (("deputy", 0), ("member", 0), ("member", 1)):
        away(seat(one, role, nth))
    resolution, _ = voting.propose(one, one.agenda[0], seat(one, "chair"), "Оперировать")
    with pytest.raises(Conflict, match="no_quorum") as refused:
        voting.open_vote(one, resolution, 0, seat(one, "chair"), NOON)
    assert refused.value.details == {"have": 1, "need": 3}
    assert resolution.status is ResolutionStatus.DRAFT
    assert one.ballots == []


def test_a_vote_does_not_open_on_a_wording_somebody_changed():
    one = meeting()
    resolution, _ = voting.propose(one, one.agenda[0], seat(one, "chair"), "Оперировать")
    voting.reword(resolution, "Наблюдать", 0)
    with pytest.raises(Conflict, match="stale_revision") as refused:
        voting.open_vote(one, resolution, 0, seat(one, "chair"), NOON)
    assert refused.value.details["current"] == "Наблюдать"


def test_two_ballots_do_not_run_at_once():
    one = meeting()
    voted(one)
    second, _ = voting.propose(one, one.agenda[0], seat(one, "chair"), "Наблюдать")
    with pytest.raises(Conflict, match="already_open"):
        voting.open_vote(one, second, 0, seat(one, "chair"), NOON)


@pytest.mark.parametrize("role", ["secretary", "attending", "expert", "observer"])
def test_who_has_no_vote_does_not_vote(role):
    one = meeting()
    _, ballot = voted(one)
    with pytest.raises(Forbidden, match="not_entitled"):
        cast(one, ballot, role, "for")


def test_a_vote_on_another_wording_is_refused():
    one = meeting()
    _, ballot = voted(one)
    with pytest.raises(Conflict, match="wording_changed"):
        voting.cast(one, ballot, seat(one, "member"), Choice.FOR, voting.wording_digest("x"), later(5))
    assert one.votes == []


def test_a_late_vote_is_refused():
    one = meeting()
    _, ballot = voted(one)
    voting.close_vote(one, ballot, seat(one, "chair"), later(9))
    with pytest.raises(Conflict, match="already_closed"):
        cast(one, ballot, "member", "for")


def test_a_ballot_is_closed_once():
    one = meeting()
    _, ballot = voted(one)
    voting.close_vote(one, ballot, seat(one, "chair"), later(9))
    with pytest.raises(Conflict, match="already_closed"):
        voting.close_vote(one, ballot, seat(one, "chair"), later(9))


def test_a_voted_wording_is_not_reworded_or_withdrawn():
    one = meeting()
    resolution, _ = voted(one)
    for refused in (lambda: voting.reword(resolution, "x", 0), lambda: voting.withdraw(resolution)):
        with pytest.raises(Conflict, match="wrong_step"):
            refused()


def test_an_empty_wording_is_refused():
    one = meeting()
    with pytest.raises(Invalid, match="field_required"):
        voting.propose(one, one.agenda[0], seat(one, "chair"), "   ")


def test_a_vote_changed_until_the_close_counts_once_with_a_new_receipt():
    one = meeting()
    _, ballot = voted(one)
    first, _ = cast(one, ballot, "member", "against")
    receipt = first.receipt
    second, happened = cast(one, ballot, "member", "for")
    assert happened[0].changed
    assert second.receipt != receipt
    voting.close_vote(one, ballot, seat(one, "chair"), later(9))
    assert (ballot.votes_for, ballot.votes_against, len(one.votes)) == (1, 0, 1)


def test_the_digest_is_of_the_normal_form_of_the_wording():
    assert voting.wording_digest("й") == voting.wording_digest("й")


@pytest.mark.parametrize(
    "choices, adopted",
    [
        ("for for for against", True),
        ("for for against against", True),  # tie: the chair is for
        ("against for for against", False),  # tie: the chair is against
        ("for for abstain abstain", False),  # not more than half of those present, no tie
        ("for against abstain abstain", True),  # tie of one: the chair's voice casts
        ("abstain abstain abstain abstain", False),
        ("against against against against", False),
    ],
)
def test_a_general_consilium_decides_by_more_than_half_of_those_present(choices, adopted):
    one = meeting()
    _, ballot = voted(one)
    voters = [("chair", 0), ("deputy", 0), ("member", 0), ("member", 1)]
    for (role, nth), choice in zip(voters, choices.split(), strict=True):
        cast(one, ballot, role, choice, nth)
    voting.close_vote(one, ballot, seat(one, "chair"), later(9))
    assert ballot.adopted is adopted


def test_a_commission_needs_two_thirds_of_all_members():
    roles = ("chair", "deputy", "secretary", "member", "member", "member")
    for in_favour in (3, 4):
        one = meeting(*roles, kind="commission")
        away(seat(one, "member", 2))
        _, ballot = voted(one)
        voters = [("chair", 0), ("deputy", 0), ("member", 0), ("member", 1), ("secretary", 0)]
        entitled = [voter for voter in voters if seat(one, *voter).id in ballot.entitled]
        for voter in entitled[:in_favour]:
            cast(one, ballot, voter[0], "for", voter[1])
        voting.close_vote(one, ballot, seat(one, "chair"), later(9))
        need = -(-2 * len(ballot.entitled) // 3)
        assert ballot.majority_need == need
        assert ballot.adopted is (in_favour >= need)


def test_a_member_lost_when_the_vote_opened_may_come_back_and_vote():
    one = meeting()
    away(seat(one, "member", 1))
    _, ballot = voted(one)
    assert seat(one, "member", 1).id not in ballot.present
    cast(one, ballot, "member", "for", nth=1)
    voting.close_vote(one, ballot, seat(one, "chair"), later(9))
    assert ballot.votes_for == 1


def test_recusal_recounts_the_quorum_and_takes_the_vote_back():
    one = meeting()
    before = voting.quorum(one, one.current_item_id)
    _, ballot = voted(one)
    cast(one, ballot, "member", "for")
    assert names(voting.recuse(one, one.agenda[0], seat(one, "member"), "родственник", later(6))) == [
        "MemberRecused"
    ]
    after = voting.quorum(one, one.current_item_id)
    assert (before.total, after.total) == (4, 3)
    assert one.votes == []
    with pytest.raises(Forbidden, match="recused"):
        cast(one, ballot, "member", "for")


def test_a_recusal_needs_a_reason_and_a_vote_to_give_up():
    one = meeting()
    with pytest.raises(Invalid, match="reason_required"):
        voting.recuse(one, one.agenda[0], seat(one, "member"), " ", NOON)
    with pytest.raises(Forbidden, match="not_entitled"):
        voting.recuse(one, one.agenda[0], seat(one, "expert"), "родственник", NOON)


def test_a_resolution_falls_when_recusals_leave_no_quorum():
    one = meeting("chair", "deputy", "member", "secretary", kind="oncological")
    _, ballot = voted(one)
    voting.recuse(one, one.agenda[0], seat(one, "member"), "родственник", later(5))
    for role in ("chair", "deputy"):
        cast(one, ballot, role, "for")
    voting.close_vote(one, ballot, seat(one, "chair"), later(9))
    assert ballot.adopted is False


@given(st.lists(st.tuples(st.integers(0, 3), st.sampled_from(list(Choice))), max_size=40))
def test_whatever_is_cast_in_whatever_order_one_vote_per_seat_counts(moves):
    one = meeting()
    _, ballot = voted(one)
    voters = [("chair", 0), ("deputy", 0), ("member", 0), ("member", 1)]
    last = {}
    for who, choice in moves:
        cast(one, ballot, voters[who][0], choice, voters[who][1])
        last[who] = choice
    voting.close_vote(one, ballot, seat(one, "chair"), later(9))
    counted = (ballot.votes_for, ballot.votes_against, ballot.votes_abstain)
    assert counted == tuple(list(last.values()).count(choice) for choice in Choice)


@pytest.mark.parametrize("role", ["secretary", "expert", "observer"])
def test_who_is_no_doctor_of_the_consilium_writes_no_dissent(role):
    one = meeting()
    with pytest.raises(Forbidden, match="not_entitled"):
        opinion.write(one, one.agenda[0], seat(one, role), "Возражаю", 0, None, NOON)


def test_a_dissent_belongs_to_its_author_and_survives_a_withdrawal():
    one = meeting()
    member, other = seat(one, "member"), seat(one, "member", 1)
    first, _ = opinion.write(one, one.agenda[0], member, "Возражаю", 0, None, NOON)
    opinion.write(one, one.agenda[0], other, "И я", 0, None, NOON)
    with pytest.raises(Conflict, match="stale_revision") as refused:
        opinion.write(one, one.agenda[0], member, "Иначе", 7, None, NOON)
    assert refused.value.details["current"] == "Возражаю"
    opinion.withdraw(one, one.agenda[0], member)
    assert first.withdrawn
    opinion.write(one, one.agenda[0], member, "Всё-таки возражаю", first.revision, None, NOON)
    assert (first.withdrawn, first.text) == (False, "Всё-таки возражаю")
    assert [one.text for one in one.dissents][1] == "И я"
