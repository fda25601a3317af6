"""How everybody in a room fares: quality in a word, voices that do not arrive, and what is said when he leaves.

Looks at what `stage`, `upstream` and `downstream` measured; acts only to connect a deaf slot anew.
"""

from collections import deque
from collections.abc import Callable, Collection
from dataclasses import dataclass, field

from media.downstream import Downstream
from media.hearing import Action, Ear, Heard
from media.plane.table import Forwarder, Slot
from media.quality import Quality, Verdict, Way, judge
from media.stage import Receiver, Stage
from media.upstream import Upstream

LOOK_EVERY = 0.5  # seconds
ALIVE = 5.0  # seconds since anything of a receiver was heard, within which he counts as there
UNSENT_AGAIN = 10.0  # seconds between two notices about the same microphone
ROUND_TRIPS = 3600  # remembered of one person

Event = dict[str, object]


@dataclass(slots=True)
class Record:
    """One person's stay in the room, over all his connections."""

    since: float
    connections: int = 0
    unheard: int = 0
    round_trips: deque[float] = field(default_factory=lambda: deque(maxlen=ROUND_TRIPS))
    sent: tuple[int, int] = (0, 0)  # voice packets of his: expected, lost on the way to us
    received: tuple[int, int] = (0, 0)  # voice packets to him: expected, lost on the way to him

    def ended(self, *, upstream: Upstream | None = None, downstream: Downstream | None = None) -> None:
        """Take over what a connection measured before it is forgotten."""
        if upstream is not None:
            self.sent = _add(self.sent, upstream.voice_packets())
        if downstream is not None:
            self.received = _add(self.received, downstream.voice_packets())
            self.round_trips.extend(downstream.round_trips)


class Health:
    """One room. `rebuild` ends a receiver's connection, so that his browser makes another."""

    def __init__(self, stage: Stage, forwarder: Forwarder, rebuild: Callable[[Receiver], None]) -> None:
        self.quality = Quality()
        self._stage = stage
        self._forwarder = forwarder
        self._rebuild = rebuild
        self._records: dict[str, Record] = {}
        self._ears: dict[Slot, Ear] = {}
        self._unsent: dict[str, float] = {}
        self._looked = 0.0

    def arrived(self, peer: str, now: float, *, receives: bool = False) -> None:
        """A connection of his begins; those he receives on are counted."""
        self._records.setdefault(peer, Record(now)).connections += receives

    def ended(
        self, peer: str, *, upstream: Upstream | None = None, downstream: Downstream | None = None
    ) -> None:
        """A connection of his ends while he stays."""
        record = self._records.get(peer)
        if record is not None:
            record.ended(upstream=upstream, downstream=downstream)

    def look(self, peers: Collection[str], gone: Collection[str], late: float, now: float) -> list[Event]:
        """Every LOOK_EVERY, after `refresh`: what is to be told.

        gone: those whose connection ended by itself. late: seconds by which the room's own clock lags.
        """
        events = self._listen(now)
        judged = {
            peer: Verdict("lost") if peer in gone else judge(self._up(peer, now), self._down(peer, now), late)
            for peer in peers
        }
        told = self.quality.update(judged, now)
        if told:
            rows = {peer: {"grade": verdict.grade, "cause": verdict.cause} for peer, verdict in told.items()}
            events.append({"event": "quality", "peers": rows})
        self._looked = now
        return events

    def complain(self, peer: str, sender: str, now: float) -> list[Event]:
        """`peer`'s own page hears nothing of `sender`: connect him anew, or say that nothing comes from there."""
        receiver, publisher = self._stage.receivers.get(peer), self._stage.publishers.get(sender)
        mics = [feed.source for feed in self._stage.feeds() if feed.peer == sender and feed.name == "mic"]
        if publisher is None or not mics:
            if now - self._unsent.get(sender, -UNSENT_AGAIN) < UNSENT_AGAIN:
                return []
            self._unsent[sender] = now
            return [{"event": "unsent", "peer": sender, "by": peer}]
        slots = [slot for slot in receiver.leg.slots if slot.source is mics[0]] if receiver else []
        if receiver is None or not slots:
            return []  # not among those whose voices are forwarded just now
        action = self._ears.setdefault(slots[0], Ear()).treat(now)
        return self._treat(receiver, slots[0], sender, action, now) if action is not None else []

    def leave(self, peer: str, now: float) -> Event | None:
        """The summary of somebody who leaves; None for one who was never connected."""
        publisher, receiver = self._stage.publishers.get(peer), self._stage.receivers.get(peer)
        record = self._records.pop(peer, None)
        if record is None:
            return None
        record.ended(
            upstream=publisher.upstream if publisher else None,
            downstream=receiver.downstream if receiver else None,
        )
        trips = sorted(record.round_trips)
        return {
            "event": "summary",
            "peer": peer,
            "seconds": round(now - record.since, 1),
            "grades": self.quality.seconds(peer),
            "audio_loss_in": _fraction(record.sent),
            "audio_loss_out": _fraction(record.received),
            "rtt_p50_ms": _percentile(trips, 0.5),
            "rtt_p95_ms": _percentile(trips, 0.95),
            "reconnects": max(0, record.connections - 1),
            "unheard": record.unheard,
        }

    # --- quality ------------------------------------------------------------------------------

    def _up(self, peer: str, now: float) -> Way:
        publisher = self._stage.publishers.get(peer)
        if publisher is None:
            return Way()
        loss, jitter = publisher.upstream.quality()
        return Way(loss=loss, jitter=jitter, silent=_silent(publisher.leg.last_heard, now))

    def _down(self, peer: str, now: float) -> Way:
        receiver = self._stage.receivers.get(peer)
        if receiver is None:
            return Way()
        downstream = receiver.downstream
        publisher = self._stage.publishers.get(peer)
        if publisher is not None:
            publisher.upstream.rtt = downstream.rtt
        loss, jitter = downstream.quality(now)
        return Way(
            loss=loss,
            jitter=jitter,
            rtt=downstream.rtt,
            silent=_silent(receiver.leg.last_heard, now),
            starved="bandwidth" in receiver.paused.values(),
        )

    # --- hearing ------------------------------------------------------------------------------

    def _listen(self, now: float) -> list[Event]:
        events: list[Event] = []
        ears: dict[Slot, Ear] = {}
        for receiver in list(self._stage.receivers.values()):
            for slot in receiver.slots("audio"):
                ears[slot] = ear = self._ears.get(slot) or Ear()
                action = ear.look(self._heard(receiver, slot, now), now)
                sender = self._stage.owner(slot.source) if slot.source is not None else None
                if action is not None and sender is not None:
                    events += self._treat(receiver, slot, sender.peer, action, now)
        self._ears = ears
        return events

    def _heard(self, receiver: Receiver, slot: Slot, now: float) -> Heard:
        source = slot.source
        owner = self._stage.owner(source) if source is not None else None
        spoke = self._stage.speakers.spoke_at.get(owner.peer, 0.0) if owner is not None else 0.0
        return Heard(
            source=source,
            arrived=source.layers[0].packets if source is not None and source.layers else 0,
            sent=slot.packets,
            received=receiver.downstream.received(slot),
            reports=receiver.downstream.reports,
            loud=spoke >= self._looked,
            alive=0 < now - receiver.leg.last_heard < ALIVE,
        )

    def _treat(self, receiver: Receiver, slot: Slot, sender: str, action: Action, now: float) -> list[Event]:
        source = slot.source
        record = self._records.get(receiver.peer)
        if record is not None:
            record.unheard += 1
        if action == "reconnected":
            self._forwarder.connect(slot, None, 0)
            self._forwarder.connect(slot, source, 0)
        else:
            self._rebuild(receiver)
        return [{"event": "unheard", "peer": receiver.peer, "from": sender, "action": action}]


def _silent(last_heard: float, now: float) -> float | None:
    return now - last_heard if last_heard else None


def _add(one: tuple[int, int], other: tuple[int, int]) -> tuple[int, int]:
    return one[0] + other[0], one[1] + other[1]


def _fraction(packets: tuple[int, int]) -> float | None:
    return round(packets[1] / packets[0], 4) if packets[0] else None


def _percentile(values: list[float], share: float) -> float | None:
    return round(values[min(len(values) - 1, int(len(values) * share))] * 1000, 1) if values else None
