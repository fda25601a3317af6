"""One-way audio is noticed and treated."""

import itertools
from dataclasses import dataclass

from media.hearing import DEAF_FOR, MUTE_FOR, REPORTED_WITHIN, TREAT_EVERY, TREATMENTS, Action, Ear, Heard

PER_LOOK = 10  # packets in 0.2 s


@dataclass
class Slot:
    """A slot under watch: what flows where, and what was decided when."""

    source: str | None = "anna"
    flows_in: bool = True
    flows_out: bool = True
    reported: bool = True
    loud: bool = True
    alive: bool = True
    now: float = 100.0
    arrived: int = 0
    sent: int = 0
    received: int | None = None
    reports: int = 0
    silent: bool = False  # his reports do not come at all

    def __post_init__(self) -> None:
        self.ear = Ear()

    def watch(self, seconds: float) -> list[tuple[float, Action]]:
        begun, done = self.now, []
        while self.now < begun + seconds - 1e-6:
            self.now += 0.2
            self.arrived += PER_LOOK * self.flows_in
            self.sent += PER_LOOK * self.flows_out
            if round(self.now * 5) % 5 == 0 and not self.silent:
                self.reports += 1
                self.received = self.sent if self.reported else self.received
            heard = Heard(
                self.source, self.arrived, self.sent, self.received, self.reports, self.loud, self.alive
            )
            if (action := self.ear.look(heard, self.now)) is not None:
                done.append((round(self.now - begun, 1), action))
        return done


def test_who_hears_needs_no_cure():
    assert Slot().watch(60) == []


def test_a_voice_that_does_not_reach_the_receiver_is_connected_anew():
    ((at, action), *_) = Slot(reported=False).watch(20)
    assert action == "reconnected"
    assert REPORTED_WITHIN <= at < REPORTED_WITHIN + 1


def test_a_voice_that_does_not_leave_the_relay_is_connected_anew():
    ((at, action), *_) = Slot(flows_out=False).watch(20)
    assert action == "reconnected"
    assert DEAF_FOR <= at < DEAF_FOR + 1.5


def test_reports_that_stop_in_the_middle_are_noticed():
    slot = Slot()
    assert slot.watch(20) == []
    slot.reported = False
    assert slot.watch(20)[0][1] == "reconnected"


def test_reports_that_get_lost_prove_nothing_for_a_while():
    ((at, action), *_) = Slot(reported=False, silent=True).watch(30)
    assert action == "reconnected"
    assert MUTE_FOR <= at < MUTE_FOR + 1


def test_silence_is_no_proof():
    assert Slot(reported=False, loud=False).watch(60) == []


def test_a_publisher_who_sends_nothing_is_another_matter():
    assert Slot(flows_in=False, flows_out=False).watch(60) == []


def test_a_receiver_who_is_gone_is_another_matter():
    assert Slot(reported=False, alive=False).watch(60) == []


def test_an_empty_slot_is_not_deaf():
    assert Slot(source=None, reported=False).watch(60) == []


def test_cures_are_spaced_and_end_with_a_new_connection():
    done = Slot(reported=False).watch(60)
    assert [action for _, action in done[: TREATMENTS + 1]] == ["reconnected"] * TREATMENTS + ["rebuild"]
    assert all(later[0] - earlier[0] >= TREAT_EVERY for earlier, later in itertools.pairwise(done))


def test_a_cure_that_helped_starts_the_count_afresh():
    slot = Slot(reported=False)
    assert len(slot.watch(2 * TREAT_EVERY + REPORTED_WITHIN)) >= 2
    slot.reported = True
    slot.watch(2)
    assert slot.watch(30) == []
    slot.reported = False
    assert [action for _, action in slot.watch(14)] == ["reconnected"]


def test_a_receivers_own_complaint_is_treated_at_once_and_not_twice():
    ear = Ear()
    assert ear.treat(10.0) == "reconnected"
    assert ear.treat(11.0) is None
    assert ear.treat(10.0 + TREAT_EVERY) == "reconnected"
