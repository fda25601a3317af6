"""Old snapshot plus patches is the fresh snapshot, for every seat, after any command; and nothing leaks.

Hypothesis plays random commands of random seats through the service. After each one the committed events
name the sections to replace, exactly as the broadcast does it, and every seat compares.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from consilium import bootstrap, clock, snapshot
from consilium import commands as c
from consilium.errors import ConsiliumError
from consilium.model import Admission, Case, Consilium, Seat
from consilium.rules import access
from consilium.settings import Settings
from tests.boards import ROLES, VOTERS, Board

PATIENTS = ("Первушин", "Вторушин")
"""Two cases; the expert is invited to the second one only."""
HOW = ("for", "against", "abstain")


@pytest.fixture(scope="module")
def board(tmp_path_factory) -> Iterator[Board]:
    """On SQLite: what a snapshot is made from is the same on both, and tests/consilium/store holds that."""
    folder = tmp_path_factory.mktemp("snapshot")
    service = bootstrap.service(
        Settings.from_environment(
            {
                "CONSILIUM_DEMO": "1",
                "CONSILIUM_DATA_DIR": str(folder / "var"),
                "CONSILIUM_DATABASE_URL": f"sqlite:///{folder}/consilium.db",
                "CONSILIUM_MEDIA_ADDRESSES": "127.0.0.1",
            }
        )
    )
    yield Board(service)
    service.parts.close()


class Hall:
    """One consilium of two cases, and what every seat's screen holds."""

    def __init__(self, board: Board) -> None:
        self.board = board
        self.id = board.schedule(*(board.request(name) for name in PATIENTS), expert_item=1)
        self.screens: dict[str, dict[str, Any]] = {}
        self.seq = 0
        self.texts: dict[str, str] = {}
        for login in ROLES:
            self.screens[login] = self.fresh(login)
        self.seq = len(board.journal(self.id))

    def scene(self) -> snapshot.Scene:
        with self.board.service.parts.store.read() as reader:
            return snapshot.load(reader, self.id, clock.now())

    def fresh(self, login: str, scene: snapshot.Scene | None = None) -> dict[str, Any]:
        scene = scene or self.scene()
        return snapshot.snapshot(scene, self.seat(scene.consilium, login))

    def seat(self, consilium: Consilium, login: str) -> Seat:
        seat = consilium.seat(self.board.seat(consilium, login))
        assert seat is not None
        return seat

    def ask(self, login: str, make: Callable[[Hall, str], c.Command | None]) -> None:
        """One command, allowed or refused; then every screen follows and is compared."""
        command = make(self, login)
        if command is None:
            return
        try:
            reply = self.board.handle(login, command)
        except ConsiliumError:
            assert len(self.board.journal(self.id, self.seq)) == 0, "a refused command left a trace"
            return
        self.follow(reply.events)

    def follow(self, committed: Any) -> None:
        scene = self.scene()
        streams = {self.id, *(protocol.id for protocol in scene.protocols)}
        mine = [event for _, stream, _, event in committed if stream in streams]
        names = frozenset[str]().union(*(snapshot.SECTIONS.get(type(e), frozenset()) for e in mine))
        for login, screen in self.screens.items():
            seat = self.seat(scene.consilium, login)
            screen.update(snapshot.sections(scene, seat, names))
            assert_same(screen, self.fresh(login, scene), login, mine)
            assert_discreet(scene, seat, screen)
            for event in mine:
                told = snapshot.public(event, seat, may_admit=access.may_admit(scene.consilium, seat))
                assert_silent(scene.consilium, seat, told, type(event).__name__)
        self.seq = len(self.board.journal(self.id))

    def see(self) -> Consilium:
        return self.board.consilium(self.id)


def assert_same(screen: dict[str, Any], fresh: dict[str, Any], login: str, mine: list[Any]) -> None:
    happened = [type(event).__name__ for event in mine]
    for name in sorted(snapshot.ALL):
        kept, now = screen[name], fresh[name]
        if name == "consilium":
            kept, now = ({k: v for k, v in one.items() if k != "server_time"} for one in (kept, now))
        assert kept == now, (login, name, happened)


def assert_discreet(scene: snapshot.Scene, seat: Seat, screen: dict[str, Any]) -> None:
    """No clinical word for who is not admitted; another's case never for the expert; no vote before the close."""
    shown = str(screen)
    cases = [scene.cases[item.case_id] for item in scene.consilium.agenda]
    others = [one.text for one in scene.consilium.dissents if one.seat_id != seat.id]
    hidden = cases[:1] if seat.invited_items else []
    if seat.admission is not Admission.ADMITTED:
        hidden = cases
        assert screen["people"] == screen["agenda"] == screen["chat"] == screen["protocols"] == []
    for case in hidden:
        for word in clinical(case):
            assert word not in shown, (seat.role, word)
    for text in others:
        assert text not in shown, (seat.role, "another's dissent")
    ballot = scene.consilium.open_ballot
    if ballot is not None and screen["decision"]:
        running = str(screen["decision"]["ballot"])
        assert not any(f"'{choice}'" in running for choice in HOW)
        receipts = [
            v.receipt for v in scene.consilium.votes if v.ballot_id == ballot.id and v.seat_id != seat.id
        ]
        assert not any(receipt in shown for receipt in receipts)


def assert_silent(consilium: Consilium, seat: Seat, told: dict[str, Any] | None, name: str) -> None:
    """What accompanies an event says no more than the snapshot does."""
    if told is None:
        return
    if name == "VoteCast" and told["seat"] != str(seat.id):
        assert set(told) == {"ballot", "seat"}
    if name.startswith("Dissent") and told.get("seat") != str(seat.id):
        assert told == {}


def clinical(case: Case) -> list[str]:
    words = [
        case.patient.surname,
        case.number,
        case.question,
        case.course,
        case.condition,
        case.diagnosis_name,
    ]
    return [word for word in words if len(word) > 3]


# --- what a seat may wish -------------------------------------------------------------------------------


def item_of(hall: Hall, number: int) -> UUID:
    return sorted(hall.see().agenda, key=lambda item: item.order)[number].id


def current(hall: Hall) -> UUID:
    return hall.see().current_item_id or item_of(hall, 0)


def any_seat(hall: Hall, login: str) -> UUID:
    return hall.board.seat(hall.see(), login)


def newest(rows: list[Any]) -> Any:
    return rows[-1] if rows else None


def open_vote(hall: Hall, login: str) -> c.Command | None:
    drafts = [one for one in hall.see().resolutions if one.status == "draft"]
    one = newest(drafts)
    return one and c.OpenVote(consilium=hall.id, resolution=one.id, revision=one.revision)


def reword(hall: Hall, login: str) -> c.Command | None:
    one = newest(hall.see().resolutions)
    return one and c.RewordResolution(
        consilium=hall.id, resolution=one.id, revision=one.revision, wording=f"Иначе {uuid4().hex[:6]}"
    )


def withdraw_resolution(hall: Hall, login: str) -> c.Command | None:
    one = newest(hall.see().resolutions)
    return one and c.WithdrawResolution(consilium=hall.id, resolution=one.id)


def cast(choice: Any) -> Callable[[Hall, str], c.Command | None]:
    def make(hall: Hall, login: str) -> c.Command | None:
        one = newest(hall.see().ballots)
        return one and c.CastVote(consilium=hall.id, ballot=one.id, digest=one.digest, choice=choice)

    return make


def close_vote(hall: Hall, login: str) -> c.Command | None:
    one = newest(hall.see().ballots)
    return one and c.CloseVote(consilium=hall.id, ballot=one.id)


def dissent(hall: Hall, login: str) -> c.Command:
    mine = hall.board.seat(hall.see(), login)
    kept = [one for one in hall.see().dissents if one.seat_id == mine and one.item_id == current(hall)]
    return c.WriteDissent(
        consilium=hall.id,
        item=current(hall),
        text=f"Особое мнение {uuid4().hex}",
        revision=kept[0].revision if kept else 0,
    )


def show(hall: Hall, login: str) -> c.Command | None:
    scene = hall.scene()
    item = scene.consilium.item(scene.consilium.current_item_id)
    documents = scene.cases[item.case_id].documents if item else []
    return c.ShowDocument(consilium=hall.id, document=documents[0].id if documents else None)


def lose(hall: Hall, login: str) -> c.Command:
    """Not a wish but a fate: `play` lets the system ask for it."""
    late = clock.now() + timedelta(seconds=1)
    return c.LosePresence(consilium=hall.id, seat=any_seat(hall, login), last_seen=late)


WISHES: dict[str, Callable[[Hall, str], c.Command | None]] = {
    "enter": lambda hall, login: c.EnterConsilium(consilium=hall.id),
    "leave": lambda hall, login: c.LeaveConsilium(consilium=hall.id),
    "lose": lose,
    "admit all": lambda hall, login: c.AdmitAll(consilium=hall.id),
    "admit the expert": lambda hall, login: c.Admit(consilium=hall.id, seat=any_seat(hall, "expert")),
    "deny the observer": lambda hall, login: c.Deny(
        consilium=hall.id, seat=any_seat(hall, "observer"), reason="мест нет"
    ),
    "deny a member": lambda hall, login: c.Deny(
        consilium=hall.id, seat=any_seat(hall, "member2"), reason="ошибка"
    ),
    "take the chair": lambda hall, login: c.TakeChair(consilium=hall.id),
    "layout vote": lambda hall, login: c.SetLayout(consilium=hall.id, layout="vote"),
    "layout images": lambda hall, login: c.SetLayout(consilium=hall.id, layout="images"),
    "first case": lambda hall, login: c.OpenItem(consilium=hall.id, item=item_of(hall, 0)),
    "second case": lambda hall, login: c.OpenItem(consilium=hall.id, item=item_of(hall, 1)),
    "decided": lambda hall, login: c.CloseItem(consilium=hall.id, item=current(hall), outcome="decided"),
    "postponed": lambda hall, login: c.CloseItem(
        consilium=hall.id, item=current(hall), outcome="postponed", reason="нет КТ"
    ),
    "show": show,
    "presenter member1": lambda hall, login: c.PassPresenter(
        consilium=hall.id, seat=any_seat(hall, "member1")
    ),
    "presenter back": lambda hall, login: c.PassPresenter(consilium=hall.id, seat=None),
    "hand": lambda hall, login: c.RaiseHand(consilium=hall.id),
    "point of order": lambda hall, login: c.RaiseHand(consilium=hall.id, point_of_order=True),
    "lower": lambda hall, login: c.LowerHand(consilium=hall.id),
    "give the floor": lambda hall, login: c.GiveFloor(consilium=hall.id),
    "release the floor": lambda hall, login: c.ReleaseFloor(consilium=hall.id),
    "chat": lambda hall, login: c.SendChat(consilium=hall.id, text="коллеги"),
    "propose": lambda hall, login: c.ProposeResolution(
        consilium=hall.id, item=current(hall), wording="Оперировать"
    ),
    "reword": reword,
    "withdraw": withdraw_resolution,
    "open the vote": open_vote,
    "for": cast("for"),
    "against": cast("against"),
    "abstain": cast("abstain"),
    "close the vote": close_vote,
    "recuse": lambda hall, login: c.Recuse(consilium=hall.id, item=current(hall), reason="родственник"),
    "dissent": dissent,
    "withdraw dissent": lambda hall, login: c.WithdrawDissent(consilium=hall.id, item=current(hall)),
    "close the room": lambda hall, login: c.CloseConsilium(consilium=hall.id),
}
BEGINNING = (("chair", "enter"), ("deputy", "enter"), ("secretary", "enter"), ("member1", "enter"),
             ("member2", "enter"), ("expert", "enter"), ("observer", "enter"))  # fmt: skip
DECISION = (("chair", "admit all"), ("chair", "first case"), ("chair", "propose"), ("chair", "open the vote"))

moves = st.lists(
    st.one_of(
        st.tuples(st.sampled_from(sorted(ROLES)), st.sampled_from(sorted(WISHES))),
        # The chair's wishes are the ones that come true most often.
        st.tuples(st.just("chair"), st.sampled_from(sorted(WISHES))),
        st.tuples(st.sampled_from(VOTERS), st.sampled_from(["for", "against", "dissent", "recuse"])),
    ),
    min_size=5,
    max_size=40,
)


def play(board: Board, *parts: Any) -> Hall:
    hall = Hall(board)
    for login, wish in [move for part in parts for move in part]:
        if wish == "lose":
            hall.follow(board.handle("system", lose(hall, login)).events)
        else:
            hall.ask(login, WISHES[wish])
    return hall


RANDOM = settings(
    max_examples=15,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    derandomize=False,
    print_blob=True,
)
MUCH = settings(RANDOM, max_examples=400)


@pytest.mark.timeout(300)
@RANDOM
@given(moves)
def test_patches_make_the_fresh_snapshot_from_an_empty_room(board, moves):
    play(board, moves)


@pytest.mark.timeout(300)
@RANDOM
@given(moves)
def test_patches_make_the_fresh_snapshot_in_the_middle_of_a_decision(board, moves):
    play(board, BEGINNING, DECISION, moves)


@pytest.mark.long
@pytest.mark.timeout(1800)
@MUCH
@given(moves)
def test_patches_make_the_fresh_snapshot_hundreds_of_times(board, moves):
    play(board, BEGINNING, DECISION, moves)


def test_every_wish_comes_true_in_some_room(board):
    """The walk above refuses most of what it asks; this one shows that nothing in it is dead letter."""
    hall = play(
        board,
        BEGINNING,
        DECISION,
        (("member1", "for"), ("member2", "against"), ("member2", "dissent"), ("chair", "for")),
        (("deputy", "abstain"), ("chair", "close the vote"), ("chair", "show"), ("member1", "hand")),
        (("chair", "give the floor"), ("member1", "release the floor"), ("chair", "decided")),
        (("chair", "second case"), ("member1", "recuse"), ("expert", "chat"), ("chair", "postponed")),
        (("chair", "close the room"),),
    )
    done = {type(row.event).__name__ for row in board.journal(hall.id)}
    assert {
        "ItemOpened", "VoteClosed", "DissentWritten", "DocumentShown", "FloorGiven", "FloorReleased",
        "MemberRecused", "ItemClosed", "ChatSent", "ConsiliumClosed", "SeatAdmitted", "ParticipantLeft",
    } <= done  # fmt: skip
    assert [one.status for one in hall.see().agenda] == ["decided", "postponed"]
    assert hall.screens["chair"]["protocols"]
    assert hall.screens["expert"]["protocols"] == []


def test_the_expert_of_one_case_sees_the_other_one_s_place_and_nothing_of_it(board):
    hall = play(board, BEGINNING, DECISION, (("member1", "for"),))
    expert = hall.screens["expert"]
    first = expert["agenda"][0]
    assert (first["patient"], first["case"], first["question"]) == ("", None, "")
    assert expert["case"] is None
    assert expert["decision"] is None
    hall.ask("chair", WISHES["close the vote"])
    hall.ask("chair", WISHES["second case"])
    assert hall.screens["expert"]["case"]["patient"]["name"].startswith("Вторушин")


def test_somebody_denied_loses_what_was_on_his_screen(board):
    hall = play(board, BEGINNING, DECISION)
    assert "Первушин" in str(hall.screens["member2"])
    hall.ask("chair", WISHES["deny a member"])
    assert "Первушин" not in str(hall.screens["member2"])
    assert hall.screens["member2"]["me"]["denied_reason"] == "ошибка"
