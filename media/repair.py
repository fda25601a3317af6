"""What was lost: asking publishers for it, answering receivers who ask, and key frames where nothing else helps.

Each class decides *when*; the packets go out by the functions it is given. `later` is `loop.call_later`, so that
tests may bring a clock of their own.
"""

import struct
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Protocol

from media.plane.table import MISSING_AGAIN, Layer

SETTLE = 0.01  # seconds a hole may be mere reordering
REPEAT = MISSING_AGAIN + 0.005  # just after the forwarder tells the same loss again
ROUND_TRIP_MIN = 0.02  # seconds in which the same packet is not resent in any case
RESENT_SHARE = 0.25  # of the packets sent may be spent on resending
RESENT_BURST = 100  # packets
PLI_INTERVAL = 0.5  # seconds; one key frame request per layer in that time, the rest is merged
REMEMBERED = 2.0  # seconds

RTPFB, PSFB = 205, 206
NACK, PLI = 1, 1


class Timer(Protocol):
    def cancel(self) -> None: ...


Later = Callable[[float, Callable[[], None]], Timer]


def pack_nack(sender: int, media: int, lost: Iterable[int]) -> bytes:
    """Generic NACK (RFC 4585, section 6.2.1) for 16-bit sequence numbers in any order, also across the wrap."""
    pending = list(dict.fromkeys(number & 0xFFFF for number in lost))
    entries = b""
    while pending:
        pid, mask, rest = pending[0], 0, []
        for number in pending[1:]:
            step = (number - pid - 1) & 0xFFFF
            if step < 16:
                mask |= 1 << step
            else:
                rest.append(number)
        entries += struct.pack("!HH", pid, mask)
        pending = rest
    length = 2 + len(entries) // 4
    return struct.pack("!BBHII", 0x80 | NACK, RTPFB, length, sender, media) + entries


def pack_pli(sender: int, media: int) -> bytes:
    """Picture loss indication (RFC 4585, section 6.3.1)."""
    return struct.pack("!BBHII", 0x80 | PLI, PSFB, 2, sender, media)


class Requests:
    """Asks a publisher for what did not arrive, while the forwarder says that something is missing.

    missing: `Forwarder.missing`
    ask:     sends a NACK for these numbers of a layer
    rtt:     seconds to this publisher and back, if known; the same packet is not asked for sooner than that
    """

    def __init__(
        self,
        missing: Callable[[Layer], list[int]],
        ask: Callable[[Layer, list[int]], None],
        rtt: Callable[[], float | None],
        later: Later,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._missing = missing
        self._ask = ask
        self._rtt = rtt
        self._later = later
        self._clock = clock
        self._layers: dict[Layer, dict[int, float]] = {}  # what was asked for when
        self._timer: Timer | None = None
        self.asked = 0

    def gap(self, layer: Layer) -> None:
        """Something of this layer is missing (`Listener.gap`)."""
        self._layers.setdefault(layer, {})
        if self._timer is None:
            self._timer = self._later(SETTLE, self._fire)

    def forget(self, layer: Layer) -> None:
        self._layers.pop(layer, None)

    def close(self) -> None:
        self._layers.clear()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _fire(self) -> None:
        self._timer = None
        now, pause = self._clock(), max(MISSING_AGAIN, self._rtt() or 0.0)
        for layer, asked in list(self._layers.items()):
            missing = self._missing(layer)
            if not missing:
                del self._layers[layer]
                continue
            wanted = [number for number in missing if now - asked.get(number, -pause) >= pause]
            self._layers[layer] = {n: at for n, at in asked.items() if now - at < REMEMBERED}
            self._layers[layer].update(dict.fromkeys(wanted, now))
            if wanted:
                self.asked += len(wanted)
                self._ask(layer, wanted)
        if self._layers:
            self._timer = self._later(REPEAT, self._fire)


class Resends:
    """Which of the losses a receiver reports are answered; one for each of his connections.

    The same packet not again within his round-trip time, and all together no more than RESENT_SHARE of what is
    sent to him: on a link that loses because it is full, resending everything makes it fuller.
    """

    def __init__(self) -> None:
        self.refused = 0
        self._resent: dict[tuple[int, int], float] = {}  # (SSRC, number) -> when
        self._credit = float(RESENT_BURST)
        self._sent = 0

    def sent(self, packets: int) -> None:
        """Packets sent on the connection since it began."""
        self._credit = min(self._credit + max(0, packets - self._sent) * RESENT_SHARE, float(RESENT_BURST))
        self._sent = packets

    def answer(self, ssrc: int, lost: Sequence[int], rtt: float | None, now: float) -> list[int]:
        """Those of `lost` that are to be sent again now."""
        pause = max(ROUND_TRIP_MIN, rtt or 0.0)
        wanted = []
        for number in dict.fromkeys(n & 0xFFFF for n in lost):
            if now - self._resent.get((ssrc, number), -pause) < pause:
                continue
            if self._credit < 1:
                self.refused += 1
                continue
            self._credit -= 1
            self._resent[ssrc, number] = now
            wanted.append(number)
        if len(self._resent) > 4 * RESENT_BURST:
            self._resent = {key: at for key, at in self._resent.items() if now - at < REMEMBERED}
        return wanted


class KeyframeRequests:
    """Merges the wishes of all receivers for a key frame of one layer.

    The first wish goes out at once; later ones within PLI_INTERVAL become a single request at its end.
    """

    def __init__(
        self, send: Callable[[], None], later: Later, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._send = send
        self._later = later
        self._clock = clock
        self._next = 0.0
        self._timer: Timer | None = None
        self._closed = False
        self.sent = 0

    def ask(self) -> None:
        if self._closed or self._timer is not None:
            return
        wait = self._next - self._clock()
        if wait > 0:
            self._timer = self._later(wait, self._fire)
        else:
            self._fire()

    def close(self) -> None:
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _fire(self) -> None:
        self._timer = None
        self._next = self._clock() + PLI_INTERVAL
        self.sent += 1
        self._send()
