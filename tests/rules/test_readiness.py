"""Whether somebody will be able to sign on the day (SG-06). Refusals first."""

from datetime import timedelta
from uuid import uuid4

import pytest

from consilium.errors import Conflict
from consilium.model import Readiness
from consilium.rules import readiness
from tests.rules.makers import AT

DAY = timedelta(days=1)


def row(**changes) -> Readiness:
    values = {"id": uuid4(), "person_id": uuid4(), "provider": "browser", "device": "ward"}
    return Readiness(**(values | changes))


def good(until=AT + 90 * DAY, **changes) -> Readiness:
    values = {
        "code": "OK",
        "certificate_sha256": "ab" * 32,
        "certificate_until": until,
        "checked_at": AT - DAY,
    }
    return row(**(values | changes))


@pytest.mark.parametrize("challenge,minutes", [("", 1), ("another", 1), ("challenge", 11)])
def test_a_trial_answers_a_fresh_challenge(challenge, minutes):
    one = row()
    readiness.begin(one, "challenge", AT)
    with pytest.raises(Conflict, match="challenge_expired"):
        readiness.require_challenge(one, challenge, AT + timedelta(minutes=minutes))
    assert readiness.require_challenge(one, "challenge", AT + timedelta(minutes=1)) == AT


def test_a_challenge_is_spent_by_its_trial():
    one = row()
    readiness.begin(one, "challenge", AT)
    readiness.failed(one, "NO_PLUGIN", AT)
    with pytest.raises(Conflict, match="challenge_expired"):
        readiness.require_challenge(one, "challenge", AT)


@pytest.mark.parametrize(
    "one,state",
    [
        (None, "unknown"),
        (row(), "unknown"),
        (row(code="NO_PLUGIN", checked_at=AT), "broken"),
        (good(), "ready"),
        (good(until=AT + 2 * DAY), "expiring"),
        (good(until=AT - DAY), "expiring"),
        (good(checked_at=AT - 31 * DAY), "stale"),
        (good(certificate_until=None), "expiring"),
    ],
)
def test_readiness_looks_at_the_day_it_is_needed(one, state):
    assert readiness.state(one, AT + 3 * DAY, AT) == state


def test_a_revoked_certificate_is_no_readiness():
    assert readiness.state(good(), AT, AT, {"ab" * 32}) == "broken"


def test_a_trial_that_failed_later_elsewhere_does_not_hide_one_that_went_well():
    fine = good()
    assert readiness.best([row(code="NO_TOKEN", checked_at=AT), fine, row()]) is fine
    assert readiness.best([row()]) is None


def test_what_failed_forgets_the_certificate_that_once_was_good():
    one = good()
    (event,) = readiness.failed(one, "CERT_EXPIRED", AT)
    assert (event.code, one.certificate_until, one.certificate_sha256) == ("CERT_EXPIRED", None, "")
    (event,) = readiness.proven(one, "cd" * 32, AT + DAY, AT)
    assert (event.code, readiness.state(one, AT, AT)) == ("OK", "ready")


def test_every_trial_has_a_document_of_its_own():
    who = uuid4()
    assert readiness.content(who, "a", AT) != readiness.content(who, "b", AT)
    assert "Юридической силы не имеет" in readiness.content(who, "a", AT).decode()
