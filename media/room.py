"""A room: who is in it, and the clock by which everything that is measured is looked at.

What people receive is decided by `stage`, how they fare by `health`; this file negotiates, and tells.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from media import sdp
from media.engine import Engine
from media.errors import NoSuchPeer
from media.health import Health
from media.layers import Tile
from media.link import Link
from media.load import shed_for
from media.peer import Peer
from media.plane.table import Layer, Leg
from media.publish import Publish, Stream
from media.recorder import Recorder
from media.stage import Publisher, Receiver, Row, Stage
from media.subscribe import Subscribe

Event = dict[str, object]
Answer = dict[str, object]

BEAT = 0.1  # seconds; transport-wide feedback
LEVELS = 2  # beats; the rate of `speakers` events
LOOK = 4  # beats; layers, links
HEALTH = 8  # beats; quality, one-way audio
REPORT = 8  # beats; RTCP reports
IDLE_AFTER = 5.0  # seconds without a packet after which a source has stopped
IDLE_IMAGE_AFTER = 12.0  # a screen that stands still says little
LAYER_IDLE_AFTER = 2.0  # a layer, while others of the same source flow
LATENESS = 0.1  # of a beat's lateness in the mean: one hiccup is no overload

logger = logging.getLogger(__name__)


class Room:
    """All media of one incarnation (`epoch`) of a room. With `echo` people receive their own sources only."""

    def __init__(
        self, name: str, epoch: int, engine: Engine, emit: Callable[[Event], None], *, echo: bool = False
    ) -> None:
        self.name = name
        self.epoch = epoch
        self.echo = echo
        self.peers: dict[str, Peer] = {}
        self.stage = Stage(engine.forwarder, echo=echo)
        self.health = Health(self.stage, engine.forwarder, self._rebuild)
        self._engine = engine
        self._emit = emit
        self._closed = False
        self._recorder: Recorder | None = None
        self._consenting: frozenset[str] = frozenset()
        self._beats = 0
        self._late = 0.0  # seconds by which the clock lags, smoothed
        self._task = asyncio.create_task(self._run())

    # --- requests -----------------------------------------------------------------------------

    def peer(self, name: str) -> Peer:
        try:
            return self.peers[name]
        except KeyError:
            raise NoSuchPeer(f"{name} is not in the room") from None

    def peer_for_entry(self, name: str) -> Peer:
        return self.peers.setdefault(name, Peer(name))

    async def publish(self, name: str, offer: str, names: dict[str, str], may: frozenset[str]) -> str:
        """Answer an offer; one that does not continue the connection begins another, which replaces it."""
        read = sdp.read(offer, sdp.MAX_PUBLISH_SECTIONS)
        peer = self.peer_for_entry(name)
        async with peer.lock:
            old = peer.publish
            if old is not None and (old.closed or not old.continues(read)):
                await self._drop_link(peer, old, "replaced")
            link = peer.publish
            fresh = link is None
            if link is None:
                link = self._new_publish(peer)
            peer.may = may
            try:
                answer = link.answer(read, names, may)
            except BaseException:
                if fresh:
                    await self._drop_link(peer, link, "bad offer")
                    self._forget_if_empty(peer)
                raise
        self._sources_changed(peer)
        return answer

    def permit(self, name: str, may: frozenset[str]) -> None:
        peer = self.peer(name)
        peer.may = may
        if peer.publish is not None:
            peer.publish.permit(may)
            self._sources_changed(peer)

    async def subscribe(self, name: str, audio: int, video: int) -> str:
        """Offer a pool of slots; a second call replaces the connection of the first."""
        peer = self.peer_for_entry(name)
        async with peer.lock:
            if peer.subscribe is not None:
                await self._drop_link(peer, peer.subscribe, "replaced")
            link = Subscribe(
                self._engine,
                name,
                self.stage,
                lambda state, reason: self._on_state(peer, link, state, reason),
                lambda: self._ready(link),
            )
            peer.subscribe = link
            link.expect_connection()
            return link.offer(audio, video)

    async def restart(self, name: str) -> str:
        """The offer of a standing subscribe connection again, with fresh ICE credentials."""
        peer = self.peer(name)
        async with peer.lock:
            return self._receiving(peer).restart()

    async def accept(self, name: str, answer: str) -> list[Row]:
        read = sdp.read(answer, sdp.MAX_SUBSCRIBE_SECTIONS)
        peer = self.peer(name)
        async with peer.lock:
            link = self._receiving(peer)
            link.accept(read)
            receiver = self.stage.receivers.get(name)
            if receiver is None or receiver.leg is not link.leg:
                receiver = Receiver(name, link.leg, link.downstream)
                self.stage.receivers[name] = receiver
                self.health.arrived(name, time.monotonic(), receives=True)
            self.stage.place(receiver, time.monotonic())
            return receiver.told

    def view(self, name: str, tiles: Mapping[str, Tile]) -> list[Row]:
        """What his page shows of the video slots; MIDs that are not named stay as they were."""
        self.peer(name)
        receiver = self.stage.receivers.get(name)
        if receiver is None:
            return []
        receiver.tiles.update(tiles)
        self.stage.place(receiver, time.monotonic())
        return receiver.told

    def unheard(self, name: str, sender: str) -> None:
        """His page hears nothing of `sender`, whose microphone is said to be on."""
        self.peer(name)
        for event in self.health.complain(name, sender, time.monotonic()):
            self._tell(**event)

    async def record(self, root: Path | None, consenting: frozenset[str]) -> Answer:
        """Record these people below this folder, nobody else; None ends it. Proves what was written so far."""
        if root is None:
            await self._stop_recording("stopped")
            return {"bytes": 0, "behind": 0.0}
        if self._recorder is None:
            self._recorder = Recorder(root, self.name, self._tell_recorded, self._ask_keyframe)
        for name in self._consenting - consenting:
            self._recorder.end(name)
        self._consenting = consenting
        for peer in self.peers.values():
            if peer.publish is not None:
                peer.publish.record(self._recorder_of(peer.id))
        return {
            "bytes": self._recorder.bytes_proved(),
            "behind": round(self._recorder.behind(), 1),
            "recorder": self._recorder.folder.name,
        }

    def _recorder_of(self, name: str) -> Recorder | None:
        return self._recorder if name in self._consenting else None

    async def _stop_recording(self, reason: str) -> None:
        recorder, self._recorder, self._consenting = self._recorder, None, frozenset()
        if recorder is None:
            return
        for peer in self.peers.values():
            if peer.publish is not None:
                peer.publish.record(None)
        await recorder.close(reason)

    def _tell_recorded(self, event: Event) -> None:
        """Also after the room has closed: the last files end then."""
        self._emit({"room": self.name, "epoch": self.epoch, **event})

    def _ask_keyframe(self, name: str, what: str) -> None:
        peer = self.peers.get(name)
        if peer is not None and peer.publish is not None:
            peer.publish.ask_keyframes("camera" if what == "person" else what)

    async def close_peer(self, name: str, reason: str) -> None:
        peer = self.peers.pop(name, None)
        if peer is not None:
            self._leaves(name)
            if self._recorder is not None:
                self._recorder.end(name)
            await peer.close(reason)
            self._sources_changed(peer)

    async def close(self, reason: str) -> None:
        if self._closed:
            return
        for name in self.peers:
            self._leaves(name)
        self._closed = True
        self._task.cancel()
        await self._stop_recording(reason)
        peers = list(self.peers.values())
        self.peers.clear()
        await asyncio.gather(*(peer.close(reason) for peer in peers))

    def rewire(self) -> None:
        """Look again at what everybody should receive."""
        self._told(self.stage.rewire(time.monotonic()))

    def legs(self) -> list[Leg]:
        return [link.leg for peer in self.peers.values() for link in peer.links() if not link.closed]

    # --- connections --------------------------------------------------------------------------

    def _new_publish(self, peer: Peer) -> Publish:
        link = Publish(
            self._engine,
            peer.id,
            lambda state, reason: self._on_state(peer, link, state, reason),
            self._started,
            self._voice,
        )
        peer.publish = link
        link.record(self._recorder_of(peer.id))
        self.stage.publish(Publisher(peer.id, link.leg, link.upstream))
        self.health.arrived(peer.id, time.monotonic())
        return link

    @staticmethod
    def _receiving(peer: Peer) -> Subscribe:
        if peer.subscribe is None or peer.subscribe.closed:
            raise NoSuchPeer(f"{peer.id} has no subscribe connection")
        return peer.subscribe

    def _ready(self, link: Subscribe) -> None:
        """Packets may flow: what was asked for before was asked in vain."""
        self._engine.forwarder.refresh([link.leg])
        for slot in link.leg.slots:
            if slot.waiting:
                self.stage.keyframe(slot)

    def _rebuild(self, receiver: Receiver) -> None:
        peer = self.peers.get(receiver.peer)
        if peer is not None and peer.subscribe is not None:
            peer.subscribe.fail("unheard")

    def _forget_if_empty(self, peer: Peer) -> None:
        if not peer.links() and self.peers.get(peer.id) is peer:
            del self.peers[peer.id]

    async def _drop_link(self, peer: Peer, link: Link, reason: str) -> None:
        if link is peer.publish:
            peer.publish = None
        elif link is peer.subscribe:
            peer.subscribe = None
        await link.close(reason)
        self._forget_link(link)

    def _forget_link(self, link: Link) -> None:
        """Nothing of this connection is forwarded any more; what it measured is kept. Idempotent."""
        if isinstance(link, Publish):
            link.shut()
            for stream in link.streams.values():
                if stream.live:
                    self._stopped(stream)
            publisher = self.stage.publishers.get(link.peer)
            if publisher is not None and publisher.leg is link.leg:
                self.stage.unpublish(link.peer)
                self.health.ended(link.peer, upstream=link.upstream)
        elif isinstance(link, Subscribe):
            receiver = self.stage.receivers.get(link.peer)
            if receiver is not None and receiver.leg is link.leg:
                del self.stage.receivers[link.peer]
                self.health.ended(link.peer, downstream=link.downstream)
        self.rewire()

    def _leaves(self, name: str) -> None:
        summary = self.health.leave(name, time.monotonic())
        if summary is not None and not self.echo:
            self._tell(**summary)
        self.stage.speakers.forget(name)

    def _on_state(self, peer: Peer, link: Link | None, state: str, reason: str) -> None:
        if link is None or self._closed:
            return
        self._tell("peer.state", peer=peer.id, pc=link.name, state=state, reason=reason)
        if state in {"failed", "closed"}:
            self._forget_link(link)

    # --- sources ------------------------------------------------------------------------------

    def _sources_changed(self, peer: Peer) -> None:
        for stream in peer.streams():
            if stream.live and not stream.source.open:
                self._stopped(stream)
        self.rewire()

    def _started(self, stream: Stream) -> None:
        """The first packet of a layer."""
        self._engine.forwarder.refresh([stream.source.leg])
        if not stream.live:
            stream.live = True
            self._tell("source", peer=stream.peer, source=stream.name, state="started")
        self.rewire()

    def _stopped(self, stream: Stream) -> None:
        stream.live = False
        if not stream.publish.closed:
            for layer in stream.source.layers:
                self._rest(layer)
        self._tell("source", peer=stream.peer, source=stream.name, state="stopped")

    def _rest(self, layer: Layer) -> None:
        self._engine.forwarder.rest(layer)
        layer.flowing = False

    def _voice(self, stream: Stream) -> None:
        """Somebody begins to speak: he is heard with this very packet."""
        if self.stage.voice(stream.source, time.monotonic()):
            self.rewire()

    # --- the clock ----------------------------------------------------------------------------

    async def _run(self) -> None:
        due = time.monotonic()
        while True:
            due = max(due + BEAT, time.monotonic() - BEAT)
            await asyncio.sleep(due - time.monotonic())
            now = time.monotonic()
            self._late += LATENESS * (now - due - self._late)
            try:
                self._beat(now)
            except Exception:
                logger.exception("room beat failed")

    def _beat(self, now: float) -> None:
        self._beats += 1
        for publisher in list(self.stage.publishers.values()):
            publisher.upstream.feedback()
        if self._beats % LEVELS == 0:
            looking = self._beats % LOOK == 0
            sending = [publisher.leg for publisher in self.stage.publishers.values()]
            self._engine.forwarder.refresh(self.legs() if looking else sending)
            self._hear(now)
            if self._recorder is not None:
                self._recorder.tick()
        if self._beats % LOOK == 0:
            self._look(now)
        if self._beats % REPORT == 0:
            for peer in list(self.peers.values()):
                peer.check_silence(now)
                peer.report()
            self.stage.ask_again()

    def _hear(self, now: float) -> None:
        tell, changed = self.stage.hear(now)
        if tell:
            speakers = self.stage.speakers
            self._tell("speakers", loudest=speakers.loudest, levels=dict(speakers.levels))
        if changed:
            self.rewire()

    def _look(self, now: float) -> None:
        self._notice_idle(now)
        self.stage.shed = max(self._engine.shed, shed_for(self._late))
        self._told(self.stage.balance(now))
        for publisher, source, rids in self.stage.wanted(now):
            self._tell("layers", peer=publisher.peer, source=source.name, wanted=rids)
        if self._beats % HEALTH:
            return
        gone = [name for name, peer in self.peers.items() if peer.gone]
        for event in self.health.look(self.peers, gone, self._late, now):
            self._tell(**event)

    def _notice_idle(self, now: float) -> None:
        changed = False
        for stream in [stream for peer in self.peers.values() for stream in peer.streams() if stream.live]:
            patience = IDLE_AFTER if stream.name in {"mic", "camera"} else IDLE_IMAGE_AFTER
            if now - stream.last_packet > patience:
                self._stopped(stream)
                changed = True
                continue
            for layer in stream.source.layers:
                if layer.flowing and len(stream.source.layers) > 1 and _silent(layer, now):
                    self._rest(layer)
                    changed = True
        if changed:
            self.rewire()

    def _told(self, changed: Iterable[Receiver]) -> None:
        for receiver in changed:
            self._tell("slots", peer=receiver.peer, slots=receiver.told)

    def _tell(self, event: object, **fields: object) -> None:
        if not self._closed:
            self._emit({"event": event, "room": self.name, "epoch": self.epoch, **fields})


def _silent(layer: Layer, now: float) -> bool:
    return now - layer.last_packet > LAYER_IDLE_AFTER
