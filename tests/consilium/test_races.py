"""Two at once: exactly one outcome, in the database and in the journal (F02, F16, F17, F18, F19).

A hundred rounds each by default; a thousand (`-m long`) run in `make test-long`. Every round starts its
commands together from threads of their own.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any
from uuid import UUID, uuid4

import pytest

from consilium import bootstrap, events
from consilium import commands as c
from consilium.errors import ConsiliumError
from consilium.settings import Settings
from consilium.store import verify
from tests import services
from tests.boards import VOTERS, Board

ROUNDS = [pytest.param(100, id="100"), pytest.param(1000, id="1000", marks=pytest.mark.long)]
SMALL = {"chair": "chair", "deputy": "deputy", "member1": "member", "member2": "member"}
PER_MEETING = 20
"""Rounds in one consilium: it grows with every ballot, and loading it is not what is raced here."""

rounds_of = pytest.mark.parametrize("rounds", ROUNDS)


@pytest.fixture(scope="module", params=["sqlite", pytest.param("postgres", marks=pytest.mark.needs_postgres)])
def board(request, tmp_path_factory) -> Iterator[Board]:
    folder = tmp_path_factory.mktemp("races")
    if request.param == "sqlite":
        yield from _board(folder, f"sqlite:///{folder}/consilium.db")
        return
    with services.fresh_database(request.getfixturevalue("postgres_url")) as address:
        yield from _board(folder, address)


def _board(folder, address) -> Iterator[Board]:
    settings = Settings.from_environment(
        {
            "CONSILIUM_DEMO": "1",
            "CONSILIUM_DATA_DIR": str(folder / "var"),
            "CONSILIUM_DATABASE_URL": address,
            "CONSILIUM_MEDIA_ADDRESSES": "127.0.0.1",
        }
    )
    service = bootstrap.service(settings)
    yield Board(service)
    service.parts.close()


@pytest.fixture(scope="module")
def threads() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(8) as pool:
        yield pool


def meetings(board: Board, rounds: int) -> Iterator[UUID]:
    """The consilium of each round; its journal is checked when it has done its share."""
    consilium = None
    for number in range(rounds):
        if number % PER_MEETING == 0:
            if consilium is not None:
                whole(board, consilium)
            consilium = board.meeting(SMALL)
        assert consilium is not None
        yield consilium
    assert consilium is not None
    whole(board, consilium)
    with board.service.parts.store.read() as reader:
        verdict = verify.verify(reader)
    assert verdict.whole, verdict.broken


def whole(board: Board, consilium: UUID) -> None:
    """Numbers without a gap, and the journal tells the same story as the tables."""
    rows = board.journal(consilium)
    assert [row.seq for row in rows] == list(range(1, len(rows) + 1))
    now = board.consilium(consilium)
    for ballot in now.ballots:
        mine = [row.event for row in rows if getattr(row.event, "ballot", None) == ballot.id]
        last: dict[UUID, events.VoteCast] = {}
        for one in mine[1:-1]:
            assert isinstance(one, events.VoteCast), "between the opening and the close there are votes only"
            last[one.seat] = one
        assert isinstance(mine[0], events.VoteOpened)
        assert isinstance(mine[-1], events.VoteClosed)
        kept = {vote.seat_id: vote for vote in now.votes if vote.ballot_id == ballot.id}
        assert {seat: (vote.choice, vote.receipt) for seat, vote in kept.items()} == {
            seat: (one.choice, one.receipt) for seat, one in last.items()
        }
        counted = Counter(vote.choice for vote in kept.values())
        assert (ballot.votes_for, ballot.votes_against) == (counted["for"], counted["against"])
        assert (mine[-1].votes_for, mine[-1].votes_against) == (counted["for"], counted["against"])


def together(threads: ThreadPoolExecutor, *asked: tuple[Any, ...]) -> list[Any]:
    """Start all (function, arguments …) at one moment; an answer or the refusal of each."""
    gate = Barrier(len(asked))

    def run(ask: tuple[Any, ...]) -> Any:
        gate.wait(10)
        try:
            return ask[0](*ask[1:])
        except ConsiliumError as refused:
            return refused

    return [one.result(30) for one in [threads.submit(run, ask) for ask in asked]]


def code(answer: Any) -> str:
    return answer.code if isinstance(answer, ConsiliumError) else "done"


def vote(consilium: UUID, ballot: UUID, digest: str, choice: Any) -> c.CastVote:
    return c.CastVote(consilium=consilium, ballot=ballot, digest=digest, choice=choice)


@rounds_of
@pytest.mark.timeout(900)
def test_two_votes_of_one_seat_at_once_leave_one_vote_and_it_is_the_last(board, threads, rounds):
    for consilium in meetings(board, rounds):
        ballot, digest = board.ballot(consilium)
        answers = together(
            threads,
            (board.do, "member1", vote(consilium, ballot, digest, "for")),
            (board.do, "member1", vote(consilium, ballot, digest, "against")),
        )
        assert [code(one) for one in answers] == ["done", "done"]
        votes = [one for one in board.consilium(consilium).votes if one.ballot_id == ballot]
        assert [(one.changes, one.receipt in {a["receipt"] for a in answers}) for one in votes] == [(1, True)]
        board.do("chair", c.CloseVote(consilium=consilium, ballot=ballot))


@rounds_of
@pytest.mark.timeout(900)
def test_a_vote_against_the_close_is_counted_or_refused_never_lost_never_late(board, threads, rounds):
    outcomes: Counter[str] = Counter()
    for consilium in meetings(board, rounds):
        ballot, digest = board.ballot(consilium)
        voters = VOTERS[1:]
        asked = [(board.do, login, vote(consilium, ballot, digest, "for")) for login in voters]
        close = c.CloseVote(consilium=consilium, ballot=ballot)
        *cast, closed = together(threads, *asked, (board.do, "chair", close))
        assert code(closed) == "done"
        assert {code(one) for one in cast} <= {"done", "already_closed"}
        now = board.consilium(consilium)
        acknowledged = {
            board.seat(now, login)
            for login, one in zip(voters, cast, strict=True)
            if not isinstance(one, ConsiliumError)
        }
        counted = {one.seat_id for one in now.votes if one.ballot_id == ballot}
        assert acknowledged == counted
        outcomes.update(code(one) for one in cast)
    assert outcomes["done"], outcomes
    assert outcomes["already_closed"], f"no vote ever came too late: nothing was raced: {outcomes}"


@rounds_of
@pytest.mark.timeout(900)
def test_of_two_closes_at_once_one_closes_and_the_other_hears_that_it_is_closed(board, threads, rounds):
    for consilium in meetings(board, rounds):
        ballot, _ = board.ballot(consilium)
        close = c.CloseVote(consilium=consilium, ballot=ballot)
        answers = together(threads, *[(board.do, "chair", close)] * 2)
        assert sorted(code(one) for one in answers) == ["already_closed", "done"]


@rounds_of
@pytest.mark.timeout(900)
def test_a_chair_who_comes_back_while_the_deputy_takes_over_leaves_one_acting_chair(board, threads, rounds):
    """F19: whoever was chair at that number of the journal closed the vote, nobody else."""
    outcomes: Counter[str] = Counter()
    for consilium in meetings(board, rounds):
        ballot, _ = board.ballot(consilium)
        board.lose(consilium, "chair")
        take = c.TakeChair(consilium=consilium)
        close = c.CloseVote(consilium=consilium, ballot=ballot)
        deputy, member, chair, *closes = together(
            threads,
            (board.do, "deputy", take),
            (board.do, "member1", take),
            (come_back, board, consilium),
            (board.do, "deputy", close),
            (board.do, "chair", close),
        )
        assert code(member) in {"not_your_role", "chair_present"}
        assert code(chair) == "done", "the appointed chair may always take it back"
        assert code(deputy) in {"done", "chair_present", "not_your_role"}
        assert {code(one) for one in closes} <= {"done", "already_closed", "not_your_role"}
        assert [code(one) for one in closes].count("done") <= 1
        now = board.consilium(consilium)
        assert now.chair_seat_id == board.seat(now, "chair")
        if now.open_ballot is not None:
            board.do("chair", close)
        outcomes[code(deputy)] += 1
        closed_by_the_chair_of_that_moment(board, consilium)
    assert len(outcomes) > 1, f"the deputy always met the same fate: nothing was raced: {outcomes}"


def come_back(board: Board, consilium: UUID) -> Any:
    board.do("chair", c.EnterConsilium(consilium=consilium))
    return board.do("chair", c.TakeChair(consilium=consilium))


def closed_by_the_chair_of_that_moment(board: Board, consilium: UUID) -> None:
    now = board.consilium(consilium)
    acting = board.seat(now, "chair")
    for row in board.journal(consilium):
        if isinstance(row.event, events.ChairTaken):
            assert row.event.from_seat == acting, "the chair is handed on, never held by two"
            acting = row.event.seat
        if isinstance(row.event, events.VoteClosed):
            seat = now.seat_of(row.actor_id)
            assert seat is not None
            assert seat.id == acting


@rounds_of
@pytest.mark.timeout(900)
def test_the_same_command_from_two_threads_is_done_once_and_answers_the_same(board, threads, rounds):
    for consilium in meetings(board, rounds):
        ballot, digest = board.ballot(consilium)
        cast, command_id = vote(consilium, ballot, digest, "for"), uuid4()
        first, second = together(threads, *[(board.handle, "member1", cast, command_id)] * 2)
        assert first.result == second.result
        assert sorted([first.repeated, second.repeated]) == [False, True]
        (kept,) = [one for one in board.consilium(consilium).votes if one.ballot_id == ballot]
        assert (kept.changes, kept.receipt) == (0, first.result["receipt"])
        close, close_id = c.CloseVote(consilium=consilium, ballot=ballot), uuid4()
        closed = together(threads, *[(board.handle, "chair", close, close_id)] * 2)
        assert closed[0].result == closed[1].result
        assert sorted(one.repeated for one in closed) == [False, True]


@rounds_of
@pytest.mark.timeout(900)
def test_a_retried_command_answers_what_it_answered_even_after_the_close(board, rounds):
    for consilium in meetings(board, rounds):
        ballot, digest = board.ballot(consilium)
        cast, command_id = vote(consilium, ballot, digest, "for"), uuid4()
        first = board.handle("member1", cast, command_id)
        board.do("chair", c.CloseVote(consilium=consilium, ballot=ballot))
        head = len(board.journal(consilium))
        again = board.handle("member1", cast, command_id)
        assert (again.result, again.repeated, again.events) == (first.result, True, ())
        with pytest.raises(ConsiliumError) as refused:
            board.handle("member1", vote(consilium, ballot, digest, "against"), command_id)
        assert refused.value.code == "command_id_reused"
        with pytest.raises(ConsiliumError) as late:
            board.handle("member1", cast, uuid4())
        assert late.value.code == "already_closed"
        assert len(board.journal(consilium)) == head
