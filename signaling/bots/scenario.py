"""What is played: one scenario for each kind of document that the state's registry takes.

The steps are the same (demo.py); a scenario says who meets as what, who votes how, and what is filed at the end.
Rules of the kinds: consilium/rules/kinds.py.
"""

from __future__ import annotations

from dataclasses import dataclass

from consilium.rules import kinds


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """`document` is the code of НСИ 11.1520 that is filed.

    `seats`: account -> role, in the order of the list; `guests` come without a camera; `turned_away` is sent home with
    a reason; `votes`: account -> choice; `dissents` writes a dissenting opinion; `extract`: an extract is filed.
    """

    document: str
    kind: str
    goal: str
    title: str
    seats: tuple[tuple[str, str], ...]
    votes: tuple[tuple[str, str], ...]
    dissents: str = ""
    turned_away: str = ""
    guests: tuple[str, ...] = ()
    extract: bool = False

    @property
    def board(self) -> tuple[str, ...]:
        """Those who meet on video."""
        away = {self.turned_away, *self.guests}
        return tuple(login for login, _ in self.seats if login not in away)

    @property
    def chair(self) -> str:
        """Who leads."""
        return next(login for login, role in self.seats if role in {"chair", "consultant"})

    @property
    def editors(self) -> tuple[str, ...]:
        """Those who write the protocol, the secretary last."""
        return tuple(login for login, role in self.seats if role in {"chair", "consultant", "secretary"})

    @property
    def watcher(self) -> str:
        """Somebody of the board who reads the draft and does not write it."""
        return next(login for login in reversed(self.board) if login not in self.editors)

    @property
    def signers(self) -> tuple[str, ...]:
        """Those who came and whose role signs."""
        came = (*self.board, *self.guests)
        return tuple(login for login, role in self.seats if login in came and kinds.signs(self.kind, role))

    @property
    def talkers(self) -> tuple[str, str]:
        """Two of the board who raise a hand."""
        others = [login for login in self.board if login != self.chair]
        first, second = others[1:3] if len(others) > 2 else others
        return first, second

    @property
    def direct(self) -> tuple[str, ...]:
        """Those who enter without waiting, after the chair."""
        return tuple(login for login, role in self.seats if role in {"deputy", "secretary"})

    @property
    def waiting(self) -> tuple[str, ...]:
        """Those who knock."""
        return tuple(login for login, _ in self.seats if login != self.chair and login not in self.direct)


_BOARD = (
    ("chair", "chair"),
    ("deputy", "deputy"),
    ("member1", "member"),
    ("member2", "member"),
    ("secretary", "secretary"),
    ("ivanova", "attending"),
)
_GUESTS = (("expert", "expert"), ("observer", "observer"))
_VOTES = (("chair", "for"), ("deputy", "for"), ("member1", "for"), ("member2", "against"))

SCENARIOS: dict[str, Scenario] = {
    one.document: one
    for one in (
        Scenario(
            document="190",
            kind="oncological",
            goal="5",
            title="онкологический консилиум / oncological consilium",
            seats=(*_BOARD, *_GUESTS),
            votes=_VOTES,
            dissents="member2",
            turned_away="observer",
            guests=("expert",),
        ),
        Scenario(
            document="307",
            kind="general",
            goal="5",
            title="консилиум врачей / consilium",
            seats=(*_BOARD, *_GUESTS),
            votes=_VOTES,
            dissents="member2",
            turned_away="observer",
            guests=("expert",),
        ),
        Scenario(
            document="40",
            kind="consultation",
            goal="5",
            title="телемедицинская консультация / telemedicine consultation",
            seats=(("chair", "consultant"), ("secretary", "secretary"), ("ivanova", "attending"), *_GUESTS),
            votes=(("chair", "for"),),
            turned_away="observer",
            guests=("expert",),
        ),
        Scenario(
            document="99",
            kind="commission",
            goal="25",
            title="врачебная комиссия и выписка / medical commission and its extract",
            seats=(*_BOARD, *_GUESTS),
            votes=(*_VOTES, ("secretary", "for")),
            dissents="member2",
            turned_away="observer",
            guests=("expert",),
            extract=True,
        ),
    )
}
