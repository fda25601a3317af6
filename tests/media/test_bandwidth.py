"""The estimate of a receiver's link, on a link of known capacity and a clock of our own."""

import itertools
from dataclasses import dataclass, field

from media.bandwidth import BUDGET_MIN, FLOOR, REMB_FLOOR, START, TRY_AFTER, TRY_FOR, Downlink


@dataclass
class Link:
    """A link with a queue, and a receiver who computes REMB as libwebrtc does (AimdRateControl)."""

    capacity: float
    queue: float = 0.0  # bits
    limit: float = 2.0  # seconds of queue before packets are lost
    remb: float = 0.0
    rtt: float = 0.05
    age: float = 0.0
    loss: float = 0.0
    delays: list[float] = field(default_factory=list)

    def carry(self, sent: float, seconds: float) -> float:
        self.age += seconds
        before = self.queue
        arrived = sent * seconds
        self.queue = max(0.0, self.queue + arrived - self.capacity * seconds)
        room = self.limit * self.capacity
        lost, self.queue = max(0.0, self.queue - room), min(self.queue, room)
        self.loss = lost / arrived if arrived else 0.0
        self.delays.append(self.queue / self.capacity)
        through = min(sent * seconds + before, self.capacity * seconds) / seconds
        if self.queue > before and self.queue / self.capacity > 0.03:
            if not self.remb or through * 0.85 < self.remb:
                self.remb = through * 0.85
        elif self.queue:
            pass  # held until the queue is empty
        elif self.age >= 5 and not self.remb:
            self.remb = through
        elif self.remb:
            self.remb = max(self.remb, min(self.remb * (1 + 0.08 * seconds), through * 1.5 + 10_000))
        return self.queue / self.capacity


def run(
    link: Link, downlink: Downlink, steps: tuple[float, ...], seconds: float, *, remb: bool = True
) -> list[float]:
    """Send the best step the estimate allows, try the next when allowed; returns what was sent each half second."""
    sent = []
    for tick in range(int(seconds * 2)):
        now = 1000 + link.age
        best = max([step for step in steps if step <= downlink.estimate], default=steps[0])
        better = [step for step in steps if step > best]
        if better and downlink.may_try(now):
            downlink.begin_try(better[0], now)
            best = better[0]
        link.carry(best, 0.5)
        now = 1000 + link.age
        downlink.sent(best, now)
        if remb and link.remb and tick % 2:
            downlink.remb(link.remb, now)
        downlink.report(link.loss, link.rtt + link.queue / link.capacity, now)
        sent.append(best)
    return sent


STEPS = (150_000, 600_000, 1_700_000)


def test_a_good_link_reaches_the_best_layer_and_stays_there():
    downlink = Downlink()
    sent = run(Link(8_000_000), downlink, STEPS, 40)
    assert sent[0] == 600_000, "what START allows"
    assert set(sent[-20:]) == {1_700_000}
    assert downlink.signs == {}


def test_without_remb_a_good_link_is_found_by_trying():
    sent = run(Link(8_000_000), Downlink(), STEPS, 40, remb=False)
    assert set(sent[-20:]) == {1_700_000}


def test_a_bloated_queue_is_left_within_ten_seconds():
    """F31: 500 kbit/s with two seconds of queue."""
    link, downlink = Link(500_000), Downlink()
    run(link, downlink, STEPS, 10)
    assert link.delays[-1] < 0.1
    assert FLOOR <= downlink.estimate < 600_000
    run(link, downlink, STEPS, 300)
    slow = [delay for delay in link.delays[20:] if delay > 0.4]
    assert len(slow) < 0.05 * len(link.delays), "tries are rare"


def test_the_same_without_remb():
    link = Link(500_000)
    run(link, Downlink(), STEPS, 310, remb=False)
    slow = [delay for delay in link.delays[20:] if delay > 0.4]
    assert link.delays[20] < 0.4
    assert len(slow) < 0.05 * len(link.delays)


def test_failed_tries_become_rare():
    link, downlink = Link(500_000), Downlink()
    sent = run(link, downlink, STEPS, 400)
    begun = [i / 2 for i in range(1, len(sent)) if sent[i] > sent[i - 1]]
    waits = [later - earlier for earlier, later in itertools.pairwise(begun)]
    assert len(waits) >= 3
    assert waits[-1] > 3 * waits[0]


def test_a_link_that_recovers_is_used_again():
    link, downlink = Link(500_000), Downlink()
    run(link, downlink, STEPS, 30)
    link.capacity = 8_000_000
    sent = run(link, downlink, STEPS, 180)
    assert sent[-1] == 1_700_000


def test_silence_is_not_congestion():
    downlink = Downlink()
    for tick in range(100):
        downlink.sent(0, tick / 2)
        downlink.remb(10_000, tick / 2)
        downlink.report(0.0, 0.05, tick / 2)
    assert downlink.estimate == START
    assert downlink.signs == {}


def test_radio_loss_holds_but_does_not_lower():
    downlink = Downlink()
    for tick in range(60):
        downlink.sent(600_000, tick)
        downlink.report(0.05, 0.05, tick)
    assert downlink.estimate == START
    assert not downlink.may_try(60)


def test_heavy_loss_lowers_to_what_comes_through():
    downlink = Downlink(estimate=2_000_000)
    for tick in range(6):
        downlink.sent(1_000_000, tick)
    downlink.report(0.3, None, 6)
    assert 700_000 < downlink.estimate < 900_000


def test_one_congestion_is_answered_once():
    downlink = Downlink(estimate=2_000_000)
    for tick in range(10):
        downlink.sent(1_000_000, tick)
    downlink.report(0.3, None, 10.0)
    once = downlink.estimate
    downlink.report(0.3, None, 10.2)
    assert downlink.estimate == once


def test_a_try_that_is_complained_about_is_taken_back():
    downlink = Downlink()
    downlink.sent(500_000, 0)
    assert not downlink.may_try(TRY_AFTER - 1)
    assert downlink.may_try(TRY_AFTER + 1)
    downlink.begin_try(1_700_000, 10)
    assert downlink.estimate == 1_700_000 and downlink.trying
    assert not downlink.may_try(11)
    downlink.sent(1_700_000, 11)
    downlink.report(0.2, None, 11)
    assert not downlink.trying
    assert downlink.estimate <= START
    assert not downlink.may_try(11 + TRY_AFTER + 1)
    assert downlink.may_try(11 + 2 * TRY_AFTER + 1) is False, "the loss has not gone"
    downlink.report(0.0, None, 12)
    assert downlink.may_try(11 + 2 * TRY_AFTER + 1)


def test_a_try_nobody_complains_about_is_kept():
    downlink = Downlink()
    downlink.begin_try(1_700_000, 10)
    downlink.sent(1_700_000, 10 + TRY_FOR)
    assert downlink.estimate == 1_700_000 and not downlink.trying


def test_a_remb_that_stands_still_during_a_try_ends_it():
    downlink = Downlink()
    downlink.remb(400_000, 9)
    downlink.begin_try(1_700_000, 10)
    downlink.sent(1_700_000, 10.5)
    downlink.sent(1_700_000, 11)
    for second in (11, 12, 13):
        downlink.remb(400_000, second)
    assert not downlink.trying and downlink.estimate == START
    assert downlink.signs == {"held": 1}


def test_a_remb_that_rises_below_what_is_sent_is_no_complaint():
    downlink = Downlink()
    downlink.remb(225_000, 9)
    downlink.begin_try(1_700_000, 10)
    downlink.sent(1_700_000, 10.5)
    for second in range(6):
        downlink.remb(225_000 * 1.08**second + 1, 11 + second)
        downlink.sent(1_700_000, 11.5 + second)
    assert downlink.estimate == 1_700_000


def test_the_packet_path_is_limited_only_while_something_has_to_yield():
    downlink = Downlink(estimate=1_000_000)
    assert downlink.budget(900_000) == -1
    assert downlink.budget(1_500_000) == 2_000_000
    downlink.estimate = 100_000
    assert downlink.budget(1_500_000) == BUDGET_MIN


def test_remb_alone_does_not_take_the_lowest_layer_away():
    """A busy computer delays packets too."""
    downlink = Downlink()
    for tick in range(20):
        downlink.sent(150_000, tick)
        downlink.remb(200_000 * 0.85**tick, tick)
    assert downlink.estimate == REMB_FLOOR
    downlink.report(0.5, None, 30)
    assert downlink.estimate < REMB_FLOOR


def carrying(rate: float, seconds: int) -> Downlink:
    downlink = Downlink()
    for second in range(seconds):
        downlink.sent(rate, second)
        downlink.report(0.0, 0.05, second)
    return downlink


def test_a_moment_without_any_packet_is_an_outage_and_lowers_nothing():
    downlink = carrying(1_200_000, 20)
    before = downlink.estimate
    downlink.report(0.9, None, 20)
    downlink.report(0.0, 0.05, 21)
    assert downlink.estimate == before
    downlink.report(0.9, None, 30)
    downlink.report(0.6, None, 31)
    assert downlink.estimate < before, "it goes on"


def test_after_a_short_congestion_what_was_carried_before_is_tried_at_once():
    downlink = carrying(1_200_000, 20)
    for second in (20, 21, 22):
        downlink.report(0.4, None, second)
        downlink.sent(300_000, second)
    assert downlink.estimate < 500_000
    downlink.report(0.0, 0.05, 23)
    assert downlink.may_try(22 + TRY_AFTER + 1)
    downlink.begin_try(400_000, 22 + TRY_AFTER + 1)
    assert downlink.estimate >= 1_100_000
    downlink.report(0.4, None, 22 + TRY_AFTER + 3)
    assert downlink.estimate < 500_000
    downlink.report(0.0, 0.05, 22 + TRY_AFTER + 4)
    downlink.begin_try(400_000, 60)
    assert downlink.estimate == 400_000, "not a second time"


def test_a_move_to_another_address_forgets_the_outage_before_it():
    downlink = carrying(1_200_000, 20)
    before = downlink.estimate
    downlink.report(0.4, 2.0, 20)
    downlink.report(0.4, 2.0, 22)
    assert downlink.estimate < before
    downlink.moved(23)
    assert downlink.estimate > 1_190_000
    assert (downlink.rtt, downlink.loss) == (None, 0.0)


def test_a_move_long_after_a_congestion_changes_nothing():
    downlink = carrying(1_200_000, 20)
    downlink.report(0.4, None, 20)
    lowered = downlink.estimate
    downlink.moved(40)
    assert downlink.estimate == lowered
