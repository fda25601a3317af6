"""An absent signer is replaced by one who took part; an uploaded file has its time (SG-05, SG-09). Refusals first."""

from datetime import timedelta
from uuid import uuid4

import pytest

from consilium.errors import ConsiliumError
from consilium.events import SignerReplaced, SigningCompleted
from consilium.model import Recusal, SignatureStatus
from consilium.rules import signing
from tests.rules.makers import AT, body, consilium, member, person, protocol, seat, signature, stay

S = SignatureStatus
SKEW = timedelta(minutes=5)


def refused(code: str, action, *args) -> ConsiliumError:
    with pytest.raises(ConsiliumError) as caught:
        action(*args)
    assert caught.value.code == code
    return caught.value


def signing_board(*roles: str, signers=(), kind: str = "general"):
    """A consilium where everybody attended, its protocol signed by the roles in `signers` (all by default)."""
    seats = {role: seat(role, place) for place, role in enumerate(roles, 1)}
    meeting = consilium(*seats.values(), kind=kind)
    meeting.attendance = [stay(one, 0, 30) for one in seats.values()]
    rows = {
        role: signature(one.person_id, seat_id=one.id, role=role, order=one.order, step=one.order)
        for role, one in seats.items()
        if role in (signers or roles)
    }
    return meeting, protocol(*rows.values(), frozen_at=AT), seats, rows


def allowed(meeting, row, own=None):
    return signing.stand_ins(meeting, meeting.agenda[0], row, own, AT)


# --- refused --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "absent,other,may",
    [
        ("chair", "deputy", True),
        ("chair", "member", False),
        ("chair", "secretary", False),
        ("chair", "observer", False),
        ("secretary", "member", True),
        ("secretary", "observer", False),
        ("secretary", "chair", False),
        ("member", "deputy", True),
        ("member", "secretary", False),
        ("attending", "member", False),
    ],
)
def test_a_role_is_taken_only_by_those_the_law_lets_act_for_it(absent, other, may):
    meeting, _, seats, _ = signing_board(absent, other)
    row = signature(seats[absent].person_id, seat_id=seats[absent].id, role=absent)
    assert (seats[other] in allowed(meeting, row)) is may


def test_nobody_stands_in_who_was_not_there():
    meeting, _, _, rows = signing_board("chair", "deputy")
    meeting.attendance = meeting.attendance[:1]
    assert allowed(meeting, rows["chair"]) == []


def test_nobody_stands_in_who_recused_himself():
    meeting, _, seats, rows = signing_board("chair", "deputy")
    meeting.recusals = [
        Recusal(id=uuid4(), item_id=meeting.agenda[0].id, seat_id=seats["deputy"].id, reason="родство", at=AT)
    ]
    assert allowed(meeting, rows["chair"]) == []


def test_the_order_of_a_body_names_who_deputises_on_which_days():
    absent, other = person(), person()
    seats = [seat("attending", 1, absent), seat("expert", 2, other)]
    meeting = consilium(*seats, kind="general")
    meeting.attendance = [stay(one, 0, 30) for one in seats]
    row = signature(absent.id, seat_id=seats[0].id, role="attending")
    assert allowed(meeting, row, body(member(absent), member(other, instead=absent))) == [seats[1]]
    assert allowed(meeting, row, body(member(absent), member(other, until=-1, instead=absent))) == []
    assert allowed(meeting, row, body(member(absent), member(other))) == []


def test_who_only_watched_stands_in_for_nobody_though_the_order_names_him():
    absent, other = person(), person()
    seats = [seat("attending", 1, absent), seat("observer", 2, other)]
    meeting = consilium(*seats, kind="general")
    meeting.attendance = [stay(one, 0, 30) for one in seats]
    row = signature(absent.id, seat_id=seats[0].id, role="attending")
    assert allowed(meeting, row, body(member(absent), member(other, instead=absent))) == []


def test_a_replacement_needs_a_reason_a_waiting_signer_and_somebody_allowed():
    meeting, paper, seats, rows = signing_board("chair", "deputy", "member")
    deputy, chair = seats["deputy"], rows["chair"]
    by = seats["member"].person_id
    may = allowed(meeting, chair)
    refused("reason_required", signing.replace, paper, chair.id, deputy, may, by, " ", AT)
    refused("not_found", signing.replace, paper, uuid4(), deputy, may, by, "Болен", AT)
    refused("cannot_stand_in", signing.replace, paper, chair.id, seats["member"], may, by, "Болен", AT)
    refused("forbidden", signing.replace, paper, chair.id, deputy, may, chair.person_id, "Болен", AT)
    chair.status = S.SIGNED
    refused("already_signed", signing.replace, paper, chair.id, deputy, may, by, "Болен", AT)


@pytest.mark.parametrize("status", [S.RELEASED, S.DECLINED])
def test_who_was_excused_himself_stands_in_for_nobody(status):
    meeting, paper, seats, rows = signing_board("chair", "deputy", "member")
    rows["deputy"].status = status
    may = allowed(meeting, rows["chair"])
    by = seats["member"].person_id
    refused(
        "cannot_stand_in", signing.replace, paper, rows["chair"].id, seats["deputy"], may, by, "Болен", AT
    )
    assert rows["chair"].status is S.AWAITED


@pytest.mark.parametrize(
    "asker,about,roles,may",
    [
        ("chair", "member", ("chair", "deputy", "secretary", "member"), True),
        ("member", "secretary", ("chair", "deputy", "secretary", "member"), False),
        ("secretary", "member", ("chair", "deputy", "secretary", "member"), False),
        ("deputy", "member", ("chair", "deputy", "secretary", "member"), False),
        ("deputy", "chair", ("chair", "deputy", "secretary", "member"), True),
        ("secretary", "chair", ("chair", "deputy", "secretary", "member"), False),
        ("secretary", "chair", ("chair", "secretary", "member"), True),
        ("member", "chair", ("chair", "secretary", "member"), False),
    ],
)
def test_the_chair_excuses_others_and_his_deputy_or_the_secretary_the_chair(asker, about, roles, may):
    meeting, paper, seats, rows = signing_board(*roles)
    arguments = (meeting, paper, rows[about].id, seats[asker].person_id)
    if may:
        assert signing.require_excuser(*arguments) is seats[asker]
    else:
        refused("not_your_role", signing.require_excuser, *arguments)
    refused("not_found", signing.require_excuser, meeting, paper, rows[about].id, uuid4())


# --- replaced -------------------------------------------------------------------------------------


def test_a_stand_in_who_does_not_sign_yet_gets_a_row_of_his_own():
    meeting, paper, seats, rows = signing_board(
        "chair", "secretary", "attending", signers=("chair", "secretary")
    )
    rows["chair"].status = S.SIGNED
    secretary = rows["secretary"]
    may = allowed(meeting, secretary)
    (event,) = signing.replace(
        paper, secretary.id, seats["attending"], may, seats["chair"].person_id, "В отпуске", AT
    )
    added = paper.current_signatures()[-1]
    assert isinstance(event, SignerReplaced)
    assert event.stand_in == added.person_id == seats["attending"].person_id
    assert (added.role, added.order, added.step, added.status) == ("attending", 3, secretary.step, S.AWAITED)
    assert (secretary.status, secretary.stand_in) == (S.RELEASED, seats["attending"].id)
    assert rows["chair"].status is S.SIGNED


def test_a_deputy_who_signs_anyway_does_not_sign_twice():
    meeting, paper, seats, rows = signing_board("chair", "deputy", "member")
    for role in ("deputy", "member"):
        rows[role].status = S.SIGNED
    chair = rows["chair"]
    may = allowed(meeting, chair)
    happened = signing.replace(paper, chair.id, seats["deputy"], may, seats["deputy"].person_id, "Болен", AT)
    assert len(paper.current_signatures()) == 3
    assert chair.stand_in == seats["deputy"].id
    assert isinstance(happened[-1], SigningCompleted)


# --- the time of an uploaded file -----------------------------------------------------------------


@pytest.mark.parametrize(
    "minutes,code",
    [
        (-6, "SIGNED_BEFORE_FREEZE"),
        (-5, None),
        (0, None),
        (60, None),
        (65, None),
        (66, "SIGNING_TIME_SKEW"),
    ],
)
def test_a_file_is_signed_between_the_freezing_and_now(minutes, code):
    """Frozen at AT, brought an hour later; five minutes of a wrong clock are forgiven either way."""
    paper = protocol(frozen_at=AT)
    arguments = (paper, AT + timedelta(minutes=minutes), AT + timedelta(hours=1), SKEW)
    if code is None:
        signing.require_uploaded_moment(*arguments)
    else:
        error = refused("signature_refused", signing.require_uploaded_moment, *arguments)
        assert error.details["reason"] == code


def test_a_file_over_what_was_never_frozen_has_no_time():
    refused("signature_refused", signing.require_uploaded_moment, protocol(), AT, AT, SKEW)


def test_a_document_is_opened_by_its_signer_with_its_own_digest_once():
    _, paper, seats, rows = signing_board("chair", "deputy")
    mine = seats["chair"].person_id
    refused("digest_mismatch", signing.open_document, paper, mine, "00" * 32, AT)
    refused("not_a_signer", signing.open_document, paper, uuid4(), paper.digest, AT)
    assert rows["chair"].opened_at is None
    assert len(signing.open_document(paper, mine, paper.digest, AT)) == 1
    assert signing.open_document(paper, mine, paper.digest, AT) == []
    assert rows["chair"].opened_at == AT
