"""Which layer of which picture a receiver gets: by the size of his tiles, what they are, and what his link carries.

Pure arithmetic over one receiver at one moment. Pictures that matter most (screens, second cameras, the one tile
that is clearly larger than the rest) are served first and in full; then everybody gets the lowest layer, then the
next. What does not fit is paused, from the end of the list, and the receiver is told why.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from media.plane.table import LAYERS, Layer, Slot, Source

Paused = Literal["bandwidth", "hidden"]

PRIME = frozenset(
    {"screen", "screen2", "screen3", "camera2"}
)  # high resolution: images, microscope, ultrasound
FULL_HEIGHT = 720  # pixels of the highest layer; each below has half of it
TOLERANCE = 1.15  # a tile may be this much higher than the layer it gets
LARGE = 400  # pixels; a tile at least this high may be what the receiver looks at,
CLEARLY = 1.5  # if it is so many times as high as the next
MARGIN = 1.15  # of the cost, before something better is begun than what flows now
KEEP = 1.1  # of what is available may be spent on what flows already: both are measured, both waver
NOMINAL: dict[int, tuple[int, ...]] = {  # bit/s, by number of layers, where nothing was measured yet
    1: (1_200_000,),
    2: (200_000, 900_000),
    3: (150_000, 500_000, 1_700_000),
}
SMOOTHING = 0.3
QUIET = 0.2  # of the nominal rate; a screen that stands still may begin to move at once


@dataclass(frozen=True, slots=True)
class Tile:
    """What a receiver's page says of the place where a slot is shown; `height` in device pixels."""

    height: int = FULL_HEIGHT
    visible: bool = True


@dataclass(frozen=True, slots=True)
class Wish:
    """One picture a receiver could get. `costs` in bit/s by layer, None for a layer that is not to be had."""

    costs: tuple[int | None, ...]
    top: int  # the highest layer that is of use
    prime: bool = False
    now: int = -1  # what he gets at present


@dataclass(frozen=True, slots=True)
class Share:
    """What each wish gets (-1: nothing), what that costs, and the total with the next better layer (None: all is well)."""

    layers: tuple[int, ...]
    cost: int
    better: int | None


def useful(tile: Tile, count: int) -> int:
    """The lowest layer that is sharp enough for a tile."""
    for index in range(count - 1):
        if tile.height <= FULL_HEIGHT / 2 ** (count - 1 - index) * TOLERANCE:
            return index
    return count - 1


def share(wishes: Sequence[Wish], available: float) -> Share:
    """Divide `available` (bit/s of video) among wishes, the most important first."""
    given = [-1] * len(wishes)
    spent = 0
    for index, layer in _steps(wishes):
        wish = wishes[index]
        cost = wish.costs[layer]
        if cost is None:
            continue
        total = spent - _cost(wish, given[index]) + cost
        if total <= available * KEEP if layer <= wish.now else total * MARGIN <= available:
            given[index], spent = layer, total
    better = None
    for index, layer in _steps(wishes):
        if layer > given[index] and wishes[index].costs[layer] is not None:
            total = spent - _cost(wishes[index], given[index]) + _cost(wishes[index], layer)
            better = int(total * MARGIN) + 1
            break
    return Share(tuple(given), spent, better)


def _steps(wishes: Sequence[Wish]) -> Iterable[tuple[int, int]]:
    """(wish, layer) in the order of importance: prime ones in full, then layer by layer."""
    for index, wish in enumerate(wishes):
        if wish.prime:
            yield from ((index, layer) for layer in range(wish.top + 1))
    for layer in range(LAYERS):
        for index, wish in enumerate(wishes):
            if not wish.prime and layer <= wish.top:
                yield index, layer


def _cost(wish: Wish, layer: int) -> int:
    return (wish.costs[layer] or 0) if layer >= 0 else 0


# --- with the table's objects -------------------------------------------------------------------


class Rates:
    """Bit rates of layers, measured; feed it twice a second after `Forwarder.refresh`."""

    def __init__(self) -> None:
        self._seen: dict[Layer, tuple[float, int, float]] = {}  # when, bytes, bit/s

    def measure(self, layers: Iterable[Layer], now: float) -> None:
        seen: dict[Layer, tuple[float, int, float]] = {}
        for layer in layers:
            at, count, rate = self._seen.get(layer, (now, layer.bytes, 0.0))
            if now > at:
                fresh = (layer.bytes - count) * 8 / (now - at)
                rate = fresh if not rate or fresh > rate else rate + (fresh - rate) * SMOOTHING
            seen[layer] = (now, layer.bytes, rate)
        self._seen = seen

    def of(self, layer: Layer) -> float:
        return self._seen[layer][2] if layer in self._seen else 0.0


def wish_for(
    slot: Slot, source: Source, tile: Tile, rates: Rates, *, large: bool = False, shed: int = 0
) -> Wish:
    """What a visible slot wants of the source that is connected to it. `shed`: layers to leave out, from the top."""
    layers = source.layers[:LAYERS]
    nominal = NOMINAL[len(layers)]
    costs = tuple(
        max(int(rates.of(layer)), int(nominal[index] * QUIET)) if layer.flowing else None
        for index, layer in enumerate(layers)
    )
    top = min(useful(tile, len(costs)), max(0, len(costs) - 1 - shed))
    while top < len(costs) - 1 and all(cost is None for cost in costs[: top + 1]):
        top += 1  # nothing small enough is sent: better too large than nothing
    now = slot.wanted if slot.source is source else -1
    return Wish(costs, top, prime=large or source.name in PRIME, now=now)


def largest(tiles: Sequence[Tile]) -> int | None:
    """The index of the tile that is clearly larger than all others, if there is one."""
    heights = sorted(((tile.height, index) for index, tile in enumerate(tiles) if tile.visible), reverse=True)
    if not heights or heights[0][0] < LARGE:
        return None
    second = heights[1][0] if len(heights) > 1 else 0
    return heights[0][1] if heights[0][0] >= second * CLEARLY else None


def wanted_rids(source: Source, tops: Iterable[int]) -> list[str]:
    """RIDs somebody has use for; the lowest stays on, so that whoever comes sees something at once."""
    highest = max(tops, default=-1)
    return [layer.rid for index, layer in enumerate(source.layers) if index <= max(highest, 0) and layer.rid]
