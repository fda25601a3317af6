"""A room: who is in it, which source is in which slot, who is loudest."""

import asyncio
import logging
import time
from collections.abc import Callable

from media import routes, sdp
from media.errors import NoSuchPeer
from media.link import Engine, Link
from media.peer import Peer
from media.publish import Publish
from media.routes import Source
from media.slots import assign, rank
from media.speakers import Speakers
from media.subscribe import Subscribe

Event = dict[str, object]

TICK = 0.2  # seconds; the rate of `speakers` events
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
        self._ticks = 0
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
        """Answer an offer. An offer with other ICE credentials is a new connection and replaces the old one."""
        vetted = sdp.vet(offer, sdp.MAX_PUBLISH_SECTIONS)
        peer = self.peer_for_entry(name)
        async with peer.lock:
            old = peer.publish
            if old is not None and (old.closed or old.ufrag != vetted.ufrag):
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
            peer.may = may
            try:
                answer = await link.answer(vetted, names, may)
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
            try:
                offer = await link.offer(audio, video)
            except BaseException:
                await self._drop_link(peer, link, "no offer")
                self._forget_if_empty(peer)
                raise
            link.expect_connection()
            return offer

    async def accept(self, name: str, answer: str) -> list[dict[str, str | None]]:
        vetted = sdp.vet(answer, sdp.MAX_SUBSCRIBE_SECTIONS)
        peer = self.peer(name)
        async with peer.lock:
            if peer.subscribe is None:
                raise NoSuchPeer(f"{name} has no subscribe connection")
            await peer.subscribe.accept(vetted)
            self._assign(peer, peer.subscribe)
            peer.subscribe.told = peer.subscribe.view()
            return peer.subscribe.told

    async def candidate(self, name: str, pc: str, value: str) -> bool:
        """True when the candidate was of use."""
        peer = self.peer(name)
        link: Link | None = peer.publish if pc == "publish" else peer.subscribe
        if link is None:
            raise NoSuchPeer(f"{name} has no {pc} connection")
        candidate = sdp.parse_candidate(value)
        if candidate is not None:
            await link.add_candidates((candidate,))
        return candidate is not None

    async def close_peer(self, name: str, reason: str) -> None:
        peer = self.peers.pop(name, None)
        if peer is not None:
            self._speakers.forget(name)
            await peer.close(reason)
            self._sources_changed(peer)

    async def close(self, reason: str) -> None:
        if self._closed:
            return
        self._closed = True
        self._task.cancel()
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

    def _assign(self, peer: Peer, link: Subscribe) -> None:
        live = [source for source in self._live() if (source.peer == peer.id) == self.echo]
        voices: dict[str, int] = {}
        for kind in ("audio", "video"):
            slots = [slot for slot in link.slots if slot.kind == kind]
            ranking = rank([source for source in live if source.kind == kind], self._speakers.spoke_at)
            placed = assign([slot.source for slot in slots], ranking, voices)
            voices = {source.peer: index for index, source in enumerate(placed) if source is not None}
            for slot, source in zip(slots, placed, strict=True):
                if slot.source is not source:
                    routes.disconnect(slot)
                    if source is not None:
                        routes.connect(source, slot)

    def _live(self) -> list[Source]:
        return [s for peer in self.peers.values() for s in peer.sources() if s.open and s.started]

    def _sources_changed(self, peer: Peer) -> None:
        for source in peer.sources():
            if source.started and not source.open:
                self._stopped(source)
        self.rewire()

    def _started(self, source: Source) -> None:
        source.started = True
        self._tell("source", peer=source.peer, source=source.name, state="started")
        self.rewire()

    def _stopped(self, source: Source) -> None:
        source.started = False
        for slot in source.slots:
            routes.disconnect(slot)
        self._tell("source", peer=source.peer, source=source.name, state="stopped")

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
        for source in link.sources.values():
            source.open = False
            if source.started:
                self._stopped(source)
        self.rewire()

    def _on_state(self, peer: Peer, link: Link | None, state: str, reason: str) -> None:
        if link is None or self._closed:
            return
        self._tell("peer.state", peer=peer.id, pc=link.name, state=state, reason=reason)
        if state in {"failed", "closed"}:
            if isinstance(link, Publish):
                self._forget_sources(link)
            elif isinstance(link, Subscribe):
                for slot in link.slots:
                    routes.disconnect(slot)

    # --- the clock ----------------------------------------------------------------------------

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(TICK)
            try:
                self._tick()
            except Exception:
                logger.exception("room tick failed")

    def _tick(self) -> None:
        now = time.monotonic()
        self._notice_idle(now)
        mics = [source for source in self._live() if source.kind == "audio"]
        if self._speakers.update({source.peer: source.take_level() for source in mics}, now):
            self._tell("speakers", loudest=self._speakers.loudest, levels=dict(self._speakers.levels))
            self.rewire()
        self._ticks += 1
        if self._ticks % REPORT_EVERY == 0:
            for peer in list(self.peers.values()):
                peer.tick()

    def _notice_idle(self, now: float) -> None:
        idle = [source for source in self._live() if now - source.last_packet > IDLE_AFTER]
        for source in idle:
            self._stopped(source)
        if idle:
            self.rewire()

    def _tell(self, event: str, **fields: object) -> None:
        if not self._closed:
            self._emit({"event": event, "room": self.name, "epoch": self.epoch, **fields})
