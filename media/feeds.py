"""Which source a receiver sees in which of his slots.

`Feed` is a source with the person it belongs to; what is told of slots and layers speaks of feeds.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from media.layers import PRIME
from media.plane.table import Source


class Feed(NamedTuple):
    """A source that flows, and whose it is."""

    peer: str
    source: Source

    @property
    def name(self) -> str:
        return self.source.name


def assign(
    current: Sequence[Feed | None], ranking: Sequence[Feed], beside: Mapping[str, int]
) -> list[Feed | None]:
    """Place the first of `ranking` into as many slots as there are, moving as few as possible.

    A feed keeps its slot while it ranks high enough. A newcomer takes the slot of `beside` (peer -> index
    of his voice, which the browser then keeps in step with the lips), else the first free one.
    """
    chosen = list(ranking[: len(current)])
    placed: list[Feed | None] = [feed if feed in chosen else None for feed in current]
    waiting = [feed for feed in chosen if feed not in placed]
    for feed in list(waiting):
        index = beside.get(feed.peer, len(placed)) if feed.name == "camera" else len(placed)
        if index < len(placed) and placed[index] is None:
            placed[index] = feed
            waiting.remove(feed)
    for index, taken in enumerate(placed):
        if taken is None and waiting:
            placed[index] = waiting.pop(0)
    return placed


def rank(feeds: Sequence[Feed], spoke_at: Mapping[str, float], looked_at: Feed | None = None) -> list[Feed]:
    """Screens and second cameras first, then whom the receiver has large, then whoever spoke last.

    The order of arrival decides between the silent.
    """
    return sorted(
        feeds,
        key=lambda feed: (feed.name not in PRIME, feed != looked_at, -spoke_at.get(feed.peer, 0.0)),
    )
