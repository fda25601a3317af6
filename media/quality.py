"""How good the connection of each person is, in one word and with one cause.

Seen from the relay: `uplink` is what he sends and we receive, `downlink` what we send and his receiver reports say,
`relay` is this worker being late itself. Each takes the worst of its measures; the person gets the worst of the
three, without a cause where both his ways are equally bad (his network, whichever part of it). A grade falls after BAD_FOR seconds and rises after GOOD_FOR, so that one lost frame shows nowhere.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Grade = Literal["excellent", "good", "poor", "lost"]
Cause = Literal["uplink", "downlink", "relay"]

ORDER: tuple[Grade, ...] = ("excellent", "good", "poor", "lost")
LOSS = (0.02, 0.08)  # fraction up to which it is excellent, good; audio hides 8 % well, 20 % barely
JITTER = (0.03, 0.08)  # seconds
ROUND_TRIP = (0.25, 0.6)  # seconds
LATENESS = (0.1, 0.5)  # seconds by which the worker's own clock is late
SILENT = 7.0  # seconds without any packet; browsers check consent every 2.5 to 6
BAD_FOR = 2.0
GOOD_FOR = 6.0
EVERY = 2.0  # seconds between two events of a room


@dataclass(frozen=True, slots=True)
class Way:
    """One direction over the last seconds; None where nothing was measured."""

    loss: float | None = None
    jitter: float | None = None  # seconds
    rtt: float | None = None  # seconds
    silent: float | None = None  # seconds since anything was heard, None while there is no connection
    starved: bool = False  # video had to yield to the link


@dataclass(frozen=True, slots=True)
class Verdict:
    """`cause` is None where there is nothing to explain, or no single cause to be told."""

    grade: Grade
    cause: Cause | None = None


def judge(up: Way, down: Way, late: float) -> Verdict:
    """The verdict on this moment. `late`: seconds by which the worker itself lags."""
    uplink, downlink, relay = _way(up), _way(down), _step(late, LATENESS)
    worst = max(uplink, downlink, relay)
    if worst == 0:
        return Verdict("excellent")
    if relay == worst:
        return Verdict(ORDER[worst], "relay")
    if uplink == downlink:
        return Verdict(ORDER[worst])
    return Verdict(ORDER[worst], "uplink" if uplink > downlink else "downlink")


def _way(way: Way) -> int:
    if way.silent is not None and way.silent > SILENT:
        return 3
    steps = [_step(way.loss, LOSS), _step(way.jitter, JITTER), _step(way.rtt, ROUND_TRIP)]
    return max([*steps, 2 if way.starved else 0])


def _step(value: float | None, limits: tuple[float, float]) -> int:
    if value is None or value <= limits[0]:
        return 0
    return 1 if value <= limits[1] else 2


@dataclass(slots=True)
class _Shown:
    verdict: Verdict
    other: Verdict | None = None  # what was judged instead of it,
    since: float = 0.0  # since then
    last: float | None = None
    seconds: dict[Grade, float] = field(default_factory=dict)


class Quality:
    """Verdicts calm enough to be shown, and how long each grade lasted."""

    def __init__(self) -> None:
        self._people: dict[str, _Shown] = {}
        self._told: dict[str, Verdict] = {}
        self._told_at = -1e9

    def update(self, judged: Mapping[str, Verdict], now: float) -> dict[str, Verdict]:
        """Take this moment's verdicts; returns those worth telling (changed, and at most once per EVERY)."""
        for gone in set(self._people) - set(judged):
            del self._people[gone]
            self._told.pop(gone, None)
        for peer, verdict in judged.items():
            self._settle(self._people.setdefault(peer, _Shown(verdict)), verdict, now)
        changed = {
            p: shown.verdict for p, shown in self._people.items() if self._told.get(p) != shown.verdict
        }
        if not changed or now - self._told_at < EVERY:
            return {}
        self._told |= changed
        self._told_at = now
        return changed

    def seconds(self, peer: str) -> dict[Grade, float]:
        shown = self._people.get(peer)
        return {grade: round(spent, 1) for grade, spent in shown.seconds.items()} if shown else {}

    def of(self, peer: str) -> Verdict | None:
        shown = self._people.get(peer)
        return shown.verdict if shown else None

    @staticmethod
    def _settle(shown: _Shown, verdict: Verdict, now: float) -> None:
        if shown.last is not None:
            grade = shown.verdict.grade
            shown.seconds[grade] = shown.seconds.get(grade, 0.0) + now - shown.last
        shown.last = now
        if verdict == shown.verdict:
            shown.other = None
            return
        worse = ORDER.index(verdict.grade) >= ORDER.index(shown.verdict.grade)
        was_worse = shown.other is not None and (
            ORDER.index(shown.other.grade) >= ORDER.index(shown.verdict.grade)
        )
        if shown.other is None or worse != was_worse:
            shown.since = now
        shown.other = verdict
        if verdict.grade == "lost" or now - shown.since >= (BAD_FOR if worse else GOOD_FOR):
            shown.verdict, shown.other = verdict, None
