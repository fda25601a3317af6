"""Which source a receiver sees in which of his slots."""

from collections.abc import Sequence

from media.routes import Source


def assign(current: Sequence[Source | None], ranking: Sequence[Source]) -> list[Source | None]:
    """Place the first of `ranking` into as many slots as there are, moving as few as possible.

    A source keeps its slot while it ranks high enough; newcomers take free slots from the left.
    """
    chosen = list(ranking[: len(current)])
    placed: list[Source | None] = [source if source in chosen else None for source in current]
    waiting = [source for source in chosen if source not in placed]
    for index, source in enumerate(placed):
        if source is None and waiting:
            placed[index] = waiting.pop(0)
    return placed


def rank(sources: Sequence[Source], spoke_at: dict[str, float]) -> list[Source]:
    """Screens first, then whoever spoke last; the order of arrival decides between the silent."""
    return sorted(sources, key=lambda source: (source.name != "screen", -spoke_at.get(source.peer, 0.0)))
