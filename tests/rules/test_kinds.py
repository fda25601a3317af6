"""Kinds of consilium as data: thresholds, roles, who signs (AD-02)."""

import pytest

from consilium.rules import kinds


@pytest.mark.parametrize(
    "kind,entitled,need",
    [
        ("general", 2, 2),
        ("general", 3, 2),
        ("general", 4, 3),
        ("general", 5, 3),
        ("general", 1, 2),
        ("oncological", 3, 3),
        ("oncological", 5, 3),
        ("oncological", 6, 4),
        ("oncological", 2, 3),
        ("consultation", 2, 2),
        ("consultation", 1, 2),
        ("commission", 3, 2),
        ("commission", 4, 3),
        ("commission", 5, 4),
        ("commission", 6, 4),
    ],
)
def test_quorum_is_counted_by_the_kind_and_never_below_its_floor(kind, entitled, need):
    assert kinds.quorum_need(kind, entitled) == need


@pytest.mark.parametrize(
    "kind,present,total,need",
    [
        ("general", 4, 9, 3),
        ("general", 5, 9, 3),
        ("general", 2, 9, 2),
        ("general", 0, 9, 1),
        ("oncological", 3, 5, 2),
        ("consultation", 1, 1, 1),
        ("commission", 4, 6, 4),
        ("commission", 4, 5, 4),
        ("commission", 2, 3, 2),
        ("commission", 3, 7, 5),
    ],
)
def test_a_commission_counts_its_majority_from_all_members_and_others_from_those_present(
    kind, present, total, need
):
    assert kinds.majority_need(kind, present, total) == need


@pytest.mark.parametrize("kind", kinds.KINDS)
def test_an_observer_neither_votes_nor_counts_nor_signs_nor_enters_unasked(kind):
    assert not kinds.is_voting(kind, "observer")
    assert not kinds.counts_for_quorum(kind, "observer")
    assert not kinds.signs(kind, "observer")
    assert not kinds.enters_directly(kind, "observer")


@pytest.mark.parametrize("kind", kinds.KINDS)
def test_an_expert_advises_without_a_vote(kind):
    assert not kinds.is_voting(kind, "expert")
    assert not kinds.counts_for_quorum(kind, "expert")


@pytest.mark.parametrize("kind", kinds.KINDS.values(), ids=lambda one: one.code)
def test_the_data_of_a_kind_agree_with_each_other(kind):
    assert kind.presiding_role in kind.required_roles
    assert kind.required_roles <= kind.allowed_roles <= frozenset(kinds.ROLES)
    assert kind.voting_roles <= kind.quorum_roles <= kind.allowed_roles
    assert kind.presiding_role in kind.voting_roles & kind.signer_roles
    assert kind.signer_roles <= kind.allowed_roles - {"observer"}
    assert kind.minimum >= len(kind.required_roles & kind.quorum_roles)


def test_in_a_consultation_the_consultant_presides_and_decides_alone():
    assert kinds.presides("consultation", "consultant")
    assert kinds.is_voting("consultation", "consultant")
    assert not kinds.is_voting("consultation", "attending")
    assert kinds.counts_for_quorum("consultation", "attending")


def test_a_commission_may_have_several_deputies_and_a_consilium_one():
    assert kinds.single("general", "deputy")
    assert not kinds.single("commission", "deputy")
    assert not kinds.single("general", "member")
