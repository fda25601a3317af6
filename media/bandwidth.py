"""What a receiver's link carries of video: an estimate out of his REMB, his receiver reports and careful trying.

REMB (draft-alvestrand-rmcat-remb) as libwebrtc computes it is about the packets that carry their send time: video.
It says three things: it *falls* when delay grows (to 85 % of what came through), it *stays* while that lasts, and it
*rises* by a few per cent a second up to one and a half times what we send. So a REMB above what we send is no measure
of the link, and one below it is none either as long as it rises; falling is congestion, and so is staying while a
better layer is tried. A busy computer makes it fall too, so REMB alone never takes the lowest layer away.
Loss and a growing round-trip time tell the same of receivers without REMB.

The estimate never falls for lack of traffic. It rises by REMB, by what has been carried without complaint, and
by trying: the next better layer is simply sent for a while, the first time as much as was carried before the congestion.
A failed try costs the link TRY_FOR seconds at most and is repeated ever more rarely.

Losing nearly everything is no congestion but an outage, and what was lost before a move to another address says
nothing about the new path.
"""

from dataclasses import dataclass, field
from typing import Literal

START = 1_500_000  # bit/s until something is known
FLOOR = 50_000  # bit/s; below it there is nothing worth deciding
FALLING = 0.97  # of the REMB before
KEEPS = 0.85  # of what came through, after congestion without REMB's word on it
HALF = 0.5  # of what is sent: no single REMB lowers the estimate further,
REMB_FLOOR = 200_000  # bit/s; nor all of them together
LOSS_QUIET = 0.02  # fraction; below it loss is taken for radio, not for a full queue
LOSS_HIGH = 0.10
OUTAGE = 0.5  # of all packets; believed to be congestion only when the next report complains too
MOVED_WITHIN = 8.0  # seconds before a move in which congestion is taken for the outage that led to it
QUEUE = 0.2  # seconds of round-trip time above the least that mean a queue is growing
RTT_WINDOW = 60.0  # seconds over which the least round-trip time is remembered
REACTED = 1.0  # seconds (and a round trip) in which one congestion is answered once
TRY_FOR = 4.0  # seconds without complaint after which a try has succeeded
TRY_AFTER = 5.0  # seconds without complaint before a try
TRY_AFTER_MAX = 40.0
HELD = 3  # REMBs in a row, below what is sent, that did not rise during a try

# A key frame is many times the size of the frames between, and one that is cut off is asked for again: the
# packet path may send bursts; the choice of layers is what keeps to the estimate.
BURST = 2.0
BUDGET_MIN = 600_000

Sign = Literal["remb", "loss", "queue", "held"]


@dataclass(slots=True)
class _Try:
    ends: float
    before: float


@dataclass(slots=True)
class Downlink:
    """One receiver. All rates in bit/s of video; `now` is any monotonic clock."""

    estimate: float = START
    rtt: float | None = None  # seconds, smoothed
    loss: float = 0.0  # fraction of the last report
    congested_at: float | None = None  # before the first: when the first packets were sent
    signs: dict[Sign, int] = field(default_factory=dict)  # what congestion was seen by, counted
    _reacted_at: float = -1e9
    _remb: float = 0.0
    _held: int = 0
    _sent: float = 0.0
    _least_rtt: list[tuple[float, float]] = field(default_factory=list)  # (from when, seconds), rising
    _wait: float = TRY_AFTER
    _proven: float = 0.0  # carried without complaint since the last congestion
    _goal: float = 0.0  # carried before it
    _outage: bool = False
    _trying: _Try | None = None

    @property
    def trying(self) -> bool:
        return self._trying is not None

    def sent(self, rate: float, now: float) -> None:
        """What was sent lately; twice a second or so. What was carried without complaint is proven."""
        if self.congested_at is None:
            self.congested_at = now
        self._sent = rate if rate < self._sent else (self._sent + rate) / 2
        if self._trying is not None and now >= self._trying.ends:
            self._trying = None
            self._wait = TRY_AFTER
        if self._trying is None and now - self.congested_at > TRY_AFTER:
            self._proven = max(self._proven, self._sent)
            self.estimate = max(self.estimate, self._sent)

    def remb(self, bits: float, now: float) -> None:
        before, self._remb = self._remb, bits
        if before and bits < before * FALLING and bits < self._sent * 1.1:
            self._congested("remb", max(bits, self._sent * HALF, REMB_FLOOR), now)
        elif self._trying is not None and bits <= before and self._sent > bits:
            self._held += 1
            if self._held >= HELD:
                self._congested("held", self._trying.before, now)
        else:
            self._held = 0
            self.estimate = max(self.estimate, bits)

    def report(self, loss: float, rtt: float | None, now: float) -> None:
        """A receiver report: fraction lost over all slots, round-trip time in seconds if it could be told."""
        self.loss = loss
        was_out, self._outage = self._outage, loss > OUTAGE
        if loss > LOSS_HIGH and (loss <= OUTAGE or was_out):
            self._congested("loss", self._sent * (1 - loss / 2), now)
        if rtt is None:
            return
        self.rtt = rtt if self.rtt is None else self.rtt * 0.7 + rtt * 0.3
        if rtt - self._least(rtt, now) > QUEUE:
            self._congested("queue", self._sent * KEEPS, now)

    def may_try(self, now: float) -> bool:
        """Whether more than the estimate may be sent for a while: nothing has complained for long enough."""
        if self.congested_at is None or self._trying is not None:
            return False
        return now - self.congested_at > self._wait and self.loss <= LOSS_QUIET

    def begin_try(self, bits: float, now: float) -> None:
        """From now on `estimate` is `bits`; a complaint before TRY_FOR has passed takes it back."""
        self._trying = _Try(now + TRY_FOR, self.estimate)
        self._held = 0
        self.estimate = max(self.estimate, bits, self._goal)

    def moved(self, now: float) -> None:
        """Packets go to another address from now on: the estimate goes on from before the outage."""
        if self.congested_at is not None and now - self.congested_at < MOVED_WITHIN:
            self.estimate = max(self.estimate, self._goal)
        self.rtt, self.loss, self._remb, self._held, self._outage = None, 0.0, 0.0, 0, False
        self._least_rtt.clear()

    def budget(self, wished: float) -> int:
        """For `Forwarder.budget`: -1 while the link carries all that is wished."""
        if wished <= self.estimate and self._trying is None:
            return -1
        return max(BUDGET_MIN, int(self.estimate * BURST))

    def _congested(self, sign: Sign, carried: float, now: float) -> None:
        self.signs[sign] = self.signs.get(sign, 0) + 1
        if self._trying is not None:
            carried = min(carried, self._trying.before)
            self._trying = None
            self._wait = min(self._wait * 2, TRY_AFTER_MAX)
            self._goal = self._proven = 0.0
        elif sign != "remb" and now - self._reacted_at < REACTED + (self.rtt or 0.0):
            return
        self._reacted_at = now
        self.congested_at = now
        self._goal, self._proven = max(self._goal, self._proven), 0.0
        self.estimate = max(FLOOR, min(self.estimate, carried))

    def _least(self, rtt: float, now: float) -> float:
        """The least of the window: a rising list whose head is the answer."""
        while self._least_rtt and self._least_rtt[-1][1] >= rtt:
            self._least_rtt.pop()
        self._least_rtt.append((now, rtt))
        while now - self._least_rtt[0][0] > RTT_WINDOW:
            self._least_rtt.pop(0)
        return self._least_rtt[0][1]
