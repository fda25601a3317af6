"""A room: who is in it, which source is in which slot, who is loudest."""

import asyncio
import logging
import time
from collections.abc import Callable
from pathlib import Path

from media import sdp
from media.engine import Engine
from media.errors import NoSuchPeer
from media.link import Link
from media.peer import Peer
from media.publish import Publish, Stream
from media.recorder import Recorder
from media.slots import assign, rank
from media.speakers import Speakers
from media.subscribe import Subscribe, View

Event = dict[str, object]
Answer = dict[str, object]

TICK = 0.2  # seconds; the rate of `speakers` events
ARRIVALS_EVERY = 0.1  # seconds between transport-wide reports
REPORT_EVERY = 5  # ticks
IDLE_AFTER = 5.0  # seconds without a packet after which a source has stopped

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
        self._engine = engine
        self._emit = emit
        self._speakers = Speakers()
        self._closed = False
        self._recorder: Recorder | None = None
        self._consenting: frozenset[str] = frozenset()
        self._ticks = 0
        self._task = asyncio.create_task(self._run())
        self._reporting = asyncio.create_task(self._report())

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
                link = Publish(
                    self._engine,
                    name,
                    lambda state, reason: self._on_state(peer, link, state, reason),
                    self._started,
                )
                peer.publish = link
                link.record(self._recorder_of(name))
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
                lambda state, reason: self._on_state(peer, link, state, reason),
                self.rewire,
            )
            peer.subscribe = link
            link.expect_connection()
            return link.offer(audio, video)

    async def restart(self, name: str) -> str:
        """The offer of a standing subscribe connection again, with fresh ICE credentials."""
        peer = self.peer(name)
        async with peer.lock:
            return self._receiving(peer).restart()

    async def accept(self, name: str, answer: str) -> View:
        read = sdp.read(answer, sdp.MAX_SUBSCRIBE_SECTIONS)
        peer = self.peer(name)
        async with peer.lock:
            link = self._receiving(peer)
            link.accept(read)
            self._assign(peer, link)
            link.told = link.view()
            return link.told

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
        return {"bytes": self._recorder.bytes_proved(), "behind": round(self._recorder.behind(), 1)}

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

    def candidate(self, name: str, pc: str, value: str) -> None:
        peer = self.peer(name)
        link: Link | None = peer.publish if pc == "publish" else peer.subscribe
        if link is None:
            raise NoSuchPeer(f"{name} has no {pc} connection")
        if value:
            link.add_candidate(value)

    async def close_peer(self, name: str, reason: str) -> None:
        peer = self.peers.pop(name, None)
        if peer is not None:
            self._speakers.forget(name)
            if self._recorder is not None:
                self._recorder.end(name)
            await peer.close(reason)
            self._sources_changed(peer)

    async def close(self, reason: str) -> None:
        if self._closed:
            return
        self._closed = True
        self._task.cancel()
        self._reporting.cancel()
        await self._stop_recording(reason)
        peers = list(self.peers.values())
        self.peers.clear()
        await asyncio.gather(*(peer.close(reason) for peer in peers))

    # --- routing ------------------------------------------------------------------------------

    def rewire(self) -> None:
        """Look again at what everybody should receive."""
        for peer in list(self.peers.values()):
            link = peer.subscribe
            if link is not None and link.answered and not link.closed:
                self._assign(peer, link)
                if link.told != (view := link.view()):
                    link.told = view
                    self._tell("slots", peer=peer.id, slots=view)

    @staticmethod
    def _receiving(peer: Peer) -> Subscribe:
        if peer.subscribe is None or peer.subscribe.closed:
            raise NoSuchPeer(f"{peer.id} has no subscribe connection")
        return peer.subscribe

    def _assign(self, peer: Peer, link: Subscribe) -> None:
        live = [stream for stream in self._live() if (stream.peer == peer.id) == self.echo]
        voices: dict[str, int] = {}
        for kind in ("audio", "video"):
            slots = [slot for slot in link.slots if slot.kind == kind]
            ranking = rank([stream for stream in live if stream.kind == kind], self._speakers.spoke_at)
            placed = assign([link.shown.get(slot) for slot in slots], ranking, voices)
            voices = {stream.peer: index for index, stream in enumerate(placed) if stream is not None}
            for slot, stream in zip(slots, placed, strict=True):
                if link.shown.get(slot) is not stream:
                    link.show(slot, stream)

    def _live(self) -> list[Stream]:
        return [s for peer in self.peers.values() for s in peer.streams() if s.source.open and s.live]

    def _sources_changed(self, peer: Peer) -> None:
        for stream in peer.streams():
            if stream.live and not stream.source.open:
                self._stopped(stream)
        self.rewire()

    def _started(self, stream: Stream) -> None:
        if not stream.live:
            stream.live = True
            self._tell("source", peer=stream.peer, source=stream.name, state="started")
            self.rewire()

    def _stopped(self, stream: Stream) -> None:
        stream.live = False
        for layer in stream.source.layers:
            self._engine.forwarder.rest(layer)
        for slot in list(stream.slots):
            if (receiver := self._engine.subscribes.get(slot.leg)) is not None:
                receiver.show(slot, None)
        self._tell("source", peer=stream.peer, source=stream.name, state="stopped")

    def _forget_if_empty(self, peer: Peer) -> None:
        if not peer.links() and self.peers.get(peer.id) is peer:
            del self.peers[peer.id]

    async def _drop_link(self, peer: Peer, link: Link, reason: str) -> None:
        if link is peer.publish:
            peer.publish = None
        elif link is peer.subscribe:
            peer.subscribe = None
        await link.close(reason)
        if isinstance(link, Publish):
            self._forget_sources(link)

    def _forget_sources(self, link: Publish) -> None:
        link.shut()
        for stream in link.streams.values():
            if stream.live:
                self._stopped(stream)
        self.rewire()

    def _on_state(self, peer: Peer, link: Link | None, state: str, reason: str) -> None:
        if link is None or self._closed:
            return
        self._tell("peer.state", peer=peer.id, pc=link.name, state=state, reason=reason)
        if state in {"failed", "closed"}:
            if isinstance(link, Publish):
                self._forget_sources(link)
            elif isinstance(link, Subscribe):
                link.clear()

    # --- the clock ----------------------------------------------------------------------------

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(TICK)
            try:
                self._tick()
            except Exception:
                logger.exception("room tick failed")

    async def _report(self) -> None:
        while True:
            await asyncio.sleep(ARRIVALS_EVERY)
            self._report_arrivals()

    def _report_arrivals(self) -> None:
        for peer in self.peers.values():
            if peer.publish is not None:
                peer.publish.report_arrivals()

    def _tick(self) -> None:
        now = time.monotonic()
        links = [link for peer in self.peers.values() for link in peer.links() if not link.closed]
        self._engine.forwarder.refresh([link.leg for link in links])
        self._notice_idle(now)
        mics = [stream for stream in self._live() if stream.kind == "audio"]
        if self._speakers.update({stream.peer: stream.source.loudest for stream in mics}, now):
            self._tell("speakers", loudest=self._speakers.loudest, levels=dict(self._speakers.levels))
            self.rewire()
        if self._recorder is not None:
            self._recorder.tick()
        self._ticks += 1
        if self._ticks % REPORT_EVERY == 0:
            for peer in list(self.peers.values()):
                peer.tick()

    def _notice_idle(self, now: float) -> None:
        idle = [stream for stream in self._live() if now - stream.last_packet > IDLE_AFTER]
        for stream in idle:
            self._stopped(stream)
        if idle:
            self.rewire()

    def _tell(self, event: str, **fields: object) -> None:
        if not self._closed:
            self._emit({"event": event, "room": self.name, "epoch": self.epoch, **fields})
