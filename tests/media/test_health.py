"""How people in a room fare, over the forwarder, on a clock that stands still."""

import pytest

from media.health import UNSENT_AGAIN, Event, Health
from media.hearing import TREAT_EVERY, TREATMENTS
from media.plane.table import Slot
from media.quality import BAD_FOR, EVERY, GOOD_FOR, SILENT
from media.stage import Receiver
from tests.media.gathering import Gathering, Person

pytestmark = pytest.mark.usefixtures("both_forwarders")


class Clinic(Gathering):
    """The room with its health looked at twice a second; everybody reports once a second."""

    def __init__(self) -> None:
        super().__init__()
        self.rebuilt: list[Receiver] = []
        self.health = Health(self.stage, self.traffic.forwarder, self.rebuilt.append)
        self.events: list[Event] = []
        self.loss_down: dict[str, float] = {}
        self.deaf: tuple[Slot, ...] = ()
        self.late = 0.0
        self.gone: set[str] = set()
        self.on_step = self._half_second
        self.begun = self.traffic.clock.now

    def enters(self, name: str, audio: int = 8, video: int = 9) -> Person:
        self.health.arrived(name, self.traffic.clock.now, receives=True)
        return super().enters(name, audio, video)

    def _half_second(self) -> None:
        now = self.traffic.clock.now
        for person in self.people.values():
            person.receiving.leg.last_heard = max(person.receiving.leg.last_heard, now - 0.1)
        if self.steps % 50 == 0:
            for person in self.people.values():
                person.reports(self.loss_down.get(person.name, 0.0), deaf=self.deaf)
                person.publisher.upstream.report()
        if self.steps % 25 == 0:
            self.events += self.health.look(list(self.people), self.gone, self.late, now)

    def told(self, kind: str) -> list[Event]:
        return [event for event in self.events if event["event"] == kind]

    def grade(self, name: str) -> tuple[str, str | None]:
        verdict = self.health.quality.of(name)
        assert verdict is not None
        return verdict.grade, verdict.cause


def meeting() -> Clinic:
    """Anna speaks, Boris listens and sends too."""
    clinic = Clinic()
    for name in ("anna", "boris"):
        clinic.enters(name).sends("mic")
    clinic.people["anna"].loudness = 20
    clinic.run(3)
    return clinic


# --- quality ----------------------------------------------------------------------------------


def test_a_good_meeting_is_excellent_and_said_once():
    clinic = meeting()
    clinic.run(20)
    (event,) = clinic.told("quality")
    assert event["peers"] == {
        "anna": {"grade": "excellent", "cause": None},
        "boris": {"grade": "excellent", "cause": None},
    }


def test_loss_on_the_way_to_the_relay_is_his_uplink():
    clinic = meeting()
    anna = clinic.people["anna"]
    drop = anna.seq

    def lose() -> None:
        clinic._half_second()
        for layer in drop:
            drop[layer] += clinic.steps % 5 == 0  # every sixth packet is lost

    clinic.on_step = lose
    clinic.run(15)
    assert clinic.grade("anna") == ("poor", "uplink")
    assert clinic.grade("boris")[0] == "excellent", "what she loses is not his fault"
    clinic.on_step = clinic._half_second
    clinic.run(GOOD_FOR + 8)
    assert clinic.grade("anna") == ("excellent", None)


def test_loss_on_the_way_to_him_is_his_downlink():
    clinic = meeting()
    clinic.loss_down["boris"] = 0.2
    clinic.run(BAD_FOR + 8)
    assert clinic.grade("boris") == ("poor", "downlink")
    assert clinic.grade("anna") == ("excellent", None)


def test_video_that_had_to_yield_is_his_downlink():
    clinic = meeting()
    clinic.people["anna"].sends("camera", "lmh")
    clinic.run(3)
    clinic.people["boris"].downstream.downlink.estimate = 60_000
    clinic.people["boris"].downstream.downlink.congested_at = clinic.traffic.clock.now + 10
    clinic.run(BAD_FOR + 5)
    assert clinic.grade("boris") == ("poor", "downlink")


def test_a_late_worker_is_nobodys_link():
    clinic = meeting()
    clinic.late = 0.8
    clinic.run(BAD_FOR + EVERY)
    assert {clinic.grade(name) for name in clinic.people} == {("poor", "relay")}


def test_who_is_not_heard_any_more_is_lost():
    clinic = meeting()
    boris = clinic.people["boris"]
    boris.active.clear()
    now = clinic.traffic.clock.now
    for leg in (boris.sending.leg, boris.receiving.leg):
        leg.last_heard = now - SILENT - 1
    clinic.health.look(["anna", "boris"], (), 0.0, now)
    assert clinic.grade("boris") == ("lost", None)


def test_whose_connection_has_failed_is_lost():
    clinic = meeting()
    clinic.gone = {"boris"}
    clinic.run(EVERY + 0.5)
    assert clinic.grade("boris") == ("lost", None)
    assert clinic.told("quality")[-1]["peers"] == {"boris": {"grade": "lost", "cause": None}}


# --- one-way audio ----------------------------------------------------------------------------


def test_a_voice_that_does_not_arrive_is_connected_anew_and_told():
    clinic = meeting()
    boris = clinic.people["boris"]
    slot = boris.slot("mic", "anna")
    clinic.deaf = (slot,)
    clinic.run(12)
    (event, *_) = clinic.told("unheard")
    assert event == {"event": "unheard", "peer": "boris", "from": "anna", "action": "reconnected"}
    assert boris.slot("mic", "anna") is slot
    count = len(boris.receiving.received)
    clinic.run(1)
    assert len(boris.receiving.received) > count, "it flows again"


def test_a_slot_that_stays_deaf_gets_a_new_connection():
    clinic = meeting()
    clinic.deaf = (clinic.people["boris"].slot("mic", "anna"),)
    clinic.run(12 + TREAT_EVERY * (TREATMENTS + 1))
    assert clinic.rebuilt[0] is clinic.people["boris"].receiver
    assert clinic.told("unheard")[-1]["action"] == "rebuild"


def test_everybody_else_is_left_in_peace():
    clinic = meeting()
    clinic.enters("vera").sends("mic")
    clinic.run(2)
    clinic.deaf = (clinic.people["boris"].slot("mic", "anna"),)
    clinic.run(15)
    assert {(event["peer"], event["from"]) for event in clinic.told("unheard")} == {("boris", "anna")}


def test_a_complaint_connects_anew_at_once():
    clinic = meeting()
    now = clinic.traffic.clock.now
    assert clinic.health.complain("boris", "anna", now) == [
        {"event": "unheard", "peer": "boris", "from": "anna", "action": "reconnected"}
    ]
    assert clinic.health.complain("boris", "anna", now + 1) == [], "the cure is given time"


def test_a_complaint_about_a_microphone_that_sends_nothing_is_told_to_its_owner():
    clinic = meeting()
    now = clinic.traffic.clock.now
    clinic.enters("vera")
    assert clinic.health.complain("boris", "vera", now) == [
        {"event": "unsent", "peer": "vera", "by": "boris"}
    ]
    assert clinic.health.complain("anna", "vera", now + 1) == []
    assert clinic.health.complain("anna", "vera", now + UNSENT_AGAIN) != []


def test_a_complaint_about_somebody_who_is_not_there_is_no_error():
    clinic = meeting()
    assert clinic.health.complain("nobody", "anna", clinic.traffic.clock.now) == []


# --- the summary ------------------------------------------------------------------------------


def test_the_summary_of_a_stay():
    clinic = meeting()
    clinic.loss_down["boris"] = 0.2
    clinic.run(17)
    now = clinic.traffic.clock.now
    summary = clinic.health.leave("boris", now)
    assert summary is not None
    assert summary["seconds"] == 20.0
    grades = summary["grades"]
    assert isinstance(grades, dict) and 10 < grades["poor"] < 19 and grades["excellent"] > 1
    assert 0.1 < summary["audio_loss_out"] < 0.2
    assert summary["audio_loss_in"] == 0
    assert (summary["rtt_p50_ms"], summary["reconnects"], summary["unheard"]) == (None, 0, 0)
    assert clinic.health.leave("boris", now) is None


def test_the_summary_spans_several_connections():
    clinic = meeting()
    now = clinic.traffic.clock.now
    boris = clinic.people["boris"]
    boris.downstream.round_trips.extend([0.1] * 90)
    clinic.health.ended("boris", downstream=boris.downstream, upstream=boris.publisher.upstream)
    boris.downstream.round_trips.clear()
    boris.downstream.round_trips.extend([0.3] * 10)
    clinic.health.arrived("boris", now, receives=True)
    summary = clinic.health.leave("boris", now + 1)
    assert summary is not None
    assert (summary["rtt_p50_ms"], summary["rtt_p95_ms"], summary["reconnects"]) == (100.0, 300.0, 1)
