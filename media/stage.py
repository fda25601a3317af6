"""What everybody in a room receives: which sources in which slots, in which layers, within what each link carries.

`Stage` is told who publishes and who receives, and acts through the forwarder. `rewire` looks again at who is in
which slot, `balance` at layers and links; both change nothing when there is nothing to change.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import chain

from media.downstream import Downstream
from media.feeds import Feed, assign, rank
from media.layers import Paused, Rates, Share, Tile, largest, share, useful, wanted_rids, wish_for
from media.plane.table import RED_DISTANCE, Forwarder, Leg, Slot, Source
from media.speakers import Speakers, Voices
from media.upstream import Upstream

BALANCE_EVERY = 0.4  # seconds, or so
CONTENT_FOR = 2.0  # seconds for which a receiver who gets all he wishes is left alone
UNWANTED_FOR = 5.0  # seconds a layer is of no use to anybody before its publisher is told
PATIENCE = 3.0  # seconds a link must be too narrow before the lowest layer yields too
REPAIR_AT = (0.01, 0.04)  # loss from which every voice packet repeats one, two earlier frames
REPAIR_FOR = 15.0  # seconds without such loss after which it does no longer

Row = dict[str, str | None]


@dataclass(slots=True, eq=False)
class Publisher:
    """A person who sends."""

    peer: str
    leg: Leg
    upstream: Upstream
    wanted: dict[Source, list[str]] = field(default_factory=dict)  # RIDs, as he was told
    unwanted_since: dict[Source, float] = field(default_factory=dict)


@dataclass(slots=True, eq=False)
class Receiver:
    """A person who receives. `tiles` by MID, as his page told; what is not named is visible and large."""

    peer: str
    leg: Leg
    downstream: Downstream
    tiles: dict[str, Tile] = field(default_factory=dict)
    paused: dict[Slot, Paused] = field(default_factory=dict)
    told: list[Row] = field(default_factory=list)
    repair: int = 0
    lossy_at: float = -1e9
    narrow_since: float | None = None
    content_until: float = 0.0
    content_with: tuple[float, int] = (0.0, 0)  # estimate, shed
    _bytes: tuple[float, int] | None = None

    def tile(self, slot: Slot) -> Tile:
        return self.tiles.get(slot.mid, Tile())

    def slots(self, kind: str) -> list[Slot]:
        return [slot for slot in self.leg.slots if slot.kind == kind]

    def rate(self, now: float) -> float | None:
        """Bit/s of video sent since the last call."""
        before, self._bytes = self._bytes, (now, sum(slot.bytes for slot in self.slots("video")))
        if before is None or now <= before[0]:
            return None
        return (self._bytes[1] - before[1]) * 8 / (now - before[0])


class Stage:
    """One room. With `echo` people receive their own sources only."""

    def __init__(self, forwarder: Forwarder, *, echo: bool = False) -> None:
        self.echo = echo
        self.shed = 0  # layers nobody gets, from the top: the worker is too busy
        self.publishers: dict[str, Publisher] = {}
        self._by_leg: dict[Leg, Publisher] = {}
        self.receivers: dict[str, Receiver] = {}
        self.speakers = Speakers()
        self.voices = Voices()
        self._forwarder = forwarder
        self._rates = Rates()

    # --- who is where -------------------------------------------------------------------------

    def publish(self, publisher: Publisher) -> None:
        """In place of what the same person published before."""
        self.unpublish(publisher.peer)
        self.publishers[publisher.peer] = self._by_leg[publisher.leg] = publisher

    def unpublish(self, peer: str) -> None:
        publisher = self.publishers.pop(peer, None)
        if publisher is not None:
            del self._by_leg[publisher.leg]

    def feeds(self) -> list[Feed]:
        """Sources that flow and may be seen, in the order of arrival."""
        return [
            Feed(publisher.peer, source)
            for publisher in self.publishers.values()
            for source in publisher.leg.sources
            if source.open and any(layer.flowing for layer in source.layers)
        ]

    def owner(self, source: Source) -> Publisher | None:
        return self._by_leg.get(source.leg)

    def rewire(self, now: float) -> list[Receiver]:
        """Look again at what everybody should receive; returns those whose slots have changed."""
        feeds = self.feeds()
        mics = {feed.peer for feed in feeds if feed.source.kind == "audio"}
        if mics != set(self.voices.heard):
            self._hear(feeds, now)
        return [receiver for receiver in self.receivers.values() if self._place(receiver, feeds, now)]

    def place(self, receiver: Receiver, now: float) -> bool:
        """The same for one receiver; True when his slots have changed."""
        return self._place(receiver, self.feeds(), now)

    def hear(self, now: float) -> tuple[bool, bool]:
        """Some times a second, after `refresh`: (speakers are worth telling, slots have to be looked at again)."""
        feeds = [feed for feed in self.feeds() if feed.source.kind == "audio"]
        tell = self.speakers.update({feed.peer: feed.source.loudest for feed in feeds}, now)
        changed = self._hear(feeds, now)
        return tell, tell or changed

    def voice(self, source: Source, now: float) -> bool:
        """Somebody begins to speak; True when slots have to be looked at again, at once."""
        owner = self.owner(source)
        if owner is None or not source.open:
            return False
        self.speakers.spoke_at[owner.peer] = now
        return self.voices.began(owner.peer, now) or self._unplaced(owner.peer)

    def _unplaced(self, peer: str) -> bool:
        """Whether somebody who should hear this person has no slot for him at present."""
        if self.echo or peer not in self.voices.chosen:
            return False
        for receiver in self.receivers.values():
            placed = {slot.source.leg for slot in receiver.slots("audio") if slot.source is not None}
            if receiver.peer != peer and self.publishers[peer].leg not in placed:
                return True
        return False

    def _hear(self, feeds: list[Feed], now: float) -> bool:
        mics = {feed.peer for feed in feeds if feed.source.kind == "audio"}
        levels = {peer: self.speakers.level(peer) for peer in mics}
        return self.voices.update(levels, now)

    # --- slots --------------------------------------------------------------------------------

    def _place(self, receiver: Receiver, feeds: list[Feed], now: float) -> bool:
        before = receiver.told
        mine = [feed for feed in feeds if (feed.peer == receiver.peer) == self.echo]
        owners = {feed.source: feed for feed in mine}
        beside = self._place_voices(receiver, mine, owners)
        slots = receiver.slots("video")
        current = [owners.get(slot.source) if slot.source else None for slot in slots]
        large = largest([receiver.tile(slot) for slot in slots])
        looked_at = current[large] if large is not None else None
        pictures = [feed for feed in mine if feed.source.kind == "video"]
        ranking = rank(pictures, self.speakers.spoke_at, looked_at)
        placed = assign(current, ranking, beside)
        self._layer(receiver, dict(zip(slots, placed, strict=True)), ranking, now)
        receiver.told = self.rows(receiver)
        return receiver.told != before

    def _place_voices(
        self, receiver: Receiver, mine: list[Feed], owners: dict[Source, Feed]
    ) -> dict[str, int]:
        """Connect voices; returns peer -> index of his voice."""
        slots = receiver.slots("audio")
        current = [owners.get(slot.source) if slot.source else None for slot in slots]
        chosen = set(self.voices.chosen)
        voices = [feed for feed in mine if feed.source.kind == "audio" and feed.peer in chosen]
        placed = assign(current, rank(voices, self.speakers.spoke_at), {})
        for slot, feed in zip(slots, placed, strict=True):
            source = feed.source if feed is not None else None
            if slot.source is not source:
                self._forwarder.connect(slot, source, 0)
        return {feed.peer: index for index, feed in enumerate(placed) if feed is not None}

    def _layer(
        self, receiver: Receiver, placed: dict[Slot, Feed | None], ranking: list[Feed], now: float
    ) -> Share:
        """Share the link among what is visible, and connect or choose accordingly."""
        filled = [(slot, feed) for slot, feed in placed.items() if feed is not None]
        filled.sort(key=lambda pair: ranking.index(pair[1]))
        shown = [(slot, feed) for slot, feed in filled if receiver.tile(slot).visible]
        tiles = [receiver.tile(slot) for slot, _ in shown]
        large = largest(tiles)
        wishes = [
            wish_for(slot, feed.source, tile, self._rates, large=index == large, shed=self.shed)
            for index, ((slot, feed), tile) in enumerate(zip(shown, tiles, strict=True))
        ]
        result = share(wishes, receiver.downstream.downlink.estimate)
        given = {slot: layer for (slot, _), layer in zip(shown, result.layers, strict=True)}
        self._be_patient(receiver, given, now)
        receiver.paused = {slot: "hidden" for slot, _ in filled if slot not in given}
        receiver.paused |= {slot: "bandwidth" for slot, layer in given.items() if layer < 0}
        for slot, feed in placed.items():
            self._connect(slot, feed.source if feed is not None else None, given.get(slot, -1))
        return result

    def _be_patient(self, receiver: Receiver, given: dict[Slot, int], now: float) -> None:
        """What flows goes down to its lowest layer at once, but stops only when the link stays too narrow."""
        stopping = [
            slot
            for slot, layer in given.items()
            if layer < 0 and slot.source is not None and slot.wanted >= 0
        ]
        if not stopping:
            receiver.narrow_since = None
            return
        if receiver.narrow_since is None:
            receiver.narrow_since = now
        if now - receiver.narrow_since < PATIENCE:
            given.update(dict.fromkeys(stopping, 0))

    def _connect(self, slot: Slot, source: Source | None, layer: int) -> None:
        if source is not None and layer >= 0 and not source.layers[layer].flowing:
            layer = next((n for n, each in enumerate(source.layers) if each.flowing), layer)
        if slot.source is not source:
            self._forwarder.connect(slot, source, layer if source is not None else 0)
        elif source is not None and slot.wanted != layer:
            self._forwarder.choose(slot, layer)

    def rows(self, receiver: Receiver) -> list[Row]:
        """His slots as the wire tells them."""
        return [self._row(receiver, slot) for slot in receiver.leg.slots]

    def _row(self, receiver: Receiver, slot: Slot) -> Row:
        source = slot.source
        owner = self.owner(source) if source is not None else None
        layers = source.layers if source is not None else []
        return {
            "mid": slot.mid,
            "kind": slot.kind,
            "from": owner.peer if owner is not None else None,
            "source": source.name if source is not None else None,
            "layer": layers[slot.wanted].rid or None if 0 <= slot.wanted < len(layers) else None,
            "paused": receiver.paused.get(slot) if source is not None else None,
        }

    # --- links --------------------------------------------------------------------------------

    def balance(self, now: float) -> list[Receiver]:
        """Every BALANCE_EVERY, after `refresh`: measure, share anew, try; returns those whose slots have changed."""
        layers = chain.from_iterable(p.upstream.layers() for p in self.publishers.values())
        self._rates.measure(layers, now)
        owners = {feed.source: feed for feed in self.feeds()}
        changed = []
        for receiver in self.receivers.values():
            downlink = receiver.downstream.downlink
            rate = receiver.rate(now)
            if rate is not None:
                downlink.sent(rate, now)
            self._repair(receiver, now)
            content = now < receiver.content_until and receiver.content_with == (downlink.estimate, self.shed)
            if (downlink.trying or not content) and self._rebalance(receiver, owners, now):
                changed.append(receiver)
        return changed

    def _rebalance(self, receiver: Receiver, owners: dict[Source, Feed], now: float) -> bool:
        before = receiver.told
        slots = receiver.slots("video")
        placed = {slot: owners.get(slot.source) if slot.source else None for slot in slots}
        ranking = rank([feed for feed in placed.values() if feed is not None], self.speakers.spoke_at)
        result = self._layer(receiver, placed, ranking, now)
        downlink = receiver.downstream.downlink
        if result.better is not None and downlink.may_try(now):
            downlink.begin_try(result.better, now)
            result = self._layer(receiver, placed, ranking, now)
        if result.better is None and not receiver.paused:
            receiver.content_until = now + CONTENT_FOR
            receiver.content_with = (downlink.estimate, self.shed)
        wished = result.better if result.better is not None else result.cost
        self._forwarder.budget(receiver.leg, downlink.budget(wished))
        receiver.told = self.rows(receiver)
        return receiver.told != before

    def _repair(self, receiver: Receiver, now: float) -> None:
        """More loss, more repetition of voices (RFC 2198); at once up, late down."""
        loss, _ = receiver.downstream.quality(now)
        latest = receiver.downstream.downlink.loss  # pictures are reported on more often than voices
        needed = sum(1 for limit in REPAIR_AT if max(loss or 0.0, latest) >= limit)
        if needed >= receiver.repair:
            receiver.lossy_at = now
        elif now - receiver.lossy_at < REPAIR_FOR:
            return
        receiver.repair = min(needed, RED_DISTANCE)
        for slot in receiver.slots("audio"):
            distance = receiver.repair if slot.red_payload_type >= 0 else 0
            if slot.red_distance != distance:
                self._forwarder.redundancy(slot, distance)

    # --- towards publishers -------------------------------------------------------------------

    def wanted(self, now: float) -> list[tuple[Publisher, Source, list[str]]]:
        """Layers somebody has use for, where that has changed; more at once, fewer after UNWANTED_FOR."""
        tops: dict[Source, list[int]] = {}
        for receiver in self.receivers.values():
            for slot in receiver.slots("video"):
                if slot.source is not None and receiver.tile(slot).visible:
                    tops.setdefault(slot.source, []).append(
                        useful(receiver.tile(slot), len(slot.source.layers))
                    )
        told = []
        for publisher in self.publishers.values():
            for source in publisher.leg.sources:
                if len(source.layers) > 1 and source.open:
                    rids = wanted_rids(source, tops.get(source, ()))
                    if self._worth_telling(publisher, source, rids, now):
                        publisher.wanted[source] = rids
                        told.append((publisher, source, rids))
        return told

    @staticmethod
    def _worth_telling(publisher: Publisher, source: Source, rids: list[str], now: float) -> bool:
        before = publisher.wanted.get(source, [layer.rid for layer in source.layers])
        if len(rids) >= len(before):
            publisher.unwanted_since.pop(source, None)
            return len(rids) > len(before)
        since = publisher.unwanted_since.setdefault(source, now)
        if now - since < UNWANTED_FOR:
            return False
        del publisher.unwanted_since[source]
        return True

    # --- key frames ---------------------------------------------------------------------------

    def keyframe(self, slot: Slot) -> None:
        """A receiver's decoder asks, or a slot still waits."""
        source = slot.source
        owner = self.owner(source) if source is not None else None
        if source is None or owner is None or slot.kind != "video":
            return
        layer = slot.wanted if slot.waiting else slot.layer
        if 0 <= layer < len(source.layers):
            owner.upstream.keyframe(source.layers[layer])

    def ask_again(self) -> None:
        """Once a second, after `refresh`: requests and their answers get lost too."""
        for slot in self._slots():
            if slot.waiting:
                self.keyframe(slot)

    def timestamp(self, slot: Slot, now: float) -> int | None:
        """For `Downstream.report`."""
        owner = self.owner(slot.source) if slot.source is not None else None
        if slot.source is None or owner is None or not 0 <= slot.layer < len(slot.source.layers):
            return None
        return owner.upstream.timestamp(slot.source.layers[slot.layer], now)

    def _slots(self) -> Iterable[Slot]:
        return chain.from_iterable(receiver.leg.slots for receiver in self.receivers.values())
