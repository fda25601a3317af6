"""One person in a room: a publish connection (the browser offers) and a subscribe connection (we offer).

Two connections, so that neither side ever waits for the other's offer: what a browser publishes may grow by its own
offers, what it receives is a pool of slots that never changes.
"""

import asyncio
from dataclasses import dataclass, field

from media.link import Link
from media.publish import Publish, Stream
from media.subscribe import Subscribe


@dataclass(slots=True)
class Peer:
    """A person as the relay knows him: an opaque id, two connections, a lock that orders his requests."""

    id: str
    publish: Publish | None = None
    subscribe: Subscribe | None = None
    may: frozenset[str] = frozenset()
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    def links(self) -> list[Link]:
        return [link for link in (self.publish, self.subscribe) if link is not None]

    def streams(self) -> list[Stream]:
        return list(self.publish.streams.values()) if self.publish is not None else []

    async def close(self, reason: str) -> None:
        async with self.lock:
            await asyncio.gather(*(link.close(reason) for link in self.links()))

    @property
    def gone(self) -> bool:
        """A connection of his has ended by itself and was not replaced yet."""
        return any(link.closed for link in self.links())

    def check_silence(self, now: float) -> None:
        for link in self.links():
            link.check_silence(now)

    def report(self) -> None:
        """Once a second, after `Forwarder.refresh`."""
        if self.publish is not None and not self.publish.closed:
            self.publish.upstream.report()
        if self.subscribe is not None and not self.subscribe.closed:
            self.subscribe.report()
