"""Which source a receiver sees in which of his slots."""

from collections.abc import Mapping, Sequence
from typing import Protocol, TypeVar


class Named(Protocol):
    """A source somebody sends (`publish.Stream`)."""

    @property
    def peer(self) -> str: ...
    @property
    def name(self) -> str: ...


S = TypeVar("S", bound=Named)


def assign(current: Sequence[S | None], ranking: Sequence[S], beside: Mapping[str, int]) -> list[S | None]:
    """Place the first of `ranking` into as many slots as there are, moving as few as possible.

    A source keeps its slot while it ranks high enough. A newcomer takes the slot of `beside` (peer -> index
    of his voice, which the browser then keeps in step with the lips), else the first free one.
    """
    chosen = list(ranking[: len(current)])
    placed: list[S | None] = [source if source in chosen else None for source in current]
    waiting = [source for source in chosen if source not in placed]
    for source in list(waiting):
        index = beside.get(source.peer, len(placed)) if source.name == "camera" else len(placed)
        if index < len(placed) and placed[index] is None:
            placed[index] = source
            waiting.remove(source)
    for index, taken in enumerate(placed):
        if taken is None and waiting:
            placed[index] = waiting.pop(0)
    return placed


def rank(sources: Sequence[S], spoke_at: Mapping[str, float]) -> list[S]:
    """Screens first, then whoever spoke last; the order of arrival decides between the silent."""
    return sorted(sources, key=lambda source: (source.name != "screen", -spoke_at.get(source.peer, 0.0)))
