"""Key frames: how to see one in a VP8 packet, and how often to ask for one."""

import time
from asyncio import AbstractEventLoop, TimerHandle
from collections.abc import Callable

PLI_INTERVAL = 0.5  # seconds; one request per source in that time, the rest is merged


def starts_vp8_keyframe(payload: bytes) -> bool:
    """Whether an RTP payload begins a VP8 key frame (RFC 7741, sections 4.2 and 4.3); False when truncated."""
    try:
        first = payload[0]
        if not first & 0x10 or first & 0x07:  # not the start of the first partition
            return False
        position = 1
        if first & 0x80:
            flags = payload[1]
            position = 2
            if flags & 0x80:
                position += 2 if payload[position] & 0x80 else 1
            if flags & 0x40:
                position += 1
            if flags & 0x30:
                position += 1
        return not payload[position] & 0x01
    except IndexError:
        return False


class KeyframeRequests:
    """Merges the wishes of all receivers for a key frame of one source.

    The first wish goes out at once; later ones within `PLI_INTERVAL` become a single request at its end.
    """

    def __init__(self, loop: AbstractEventLoop, send: Callable[[], None]) -> None:
        self._loop = loop
        self._send = send
        self._next = 0.0
        self._timer: TimerHandle | None = None
        self._closed = False
        self.sent = 0

    def ask(self) -> None:
        if self._closed or self._timer is not None:
            return
        wait = self._next - time.monotonic()
        if wait > 0:
            self._timer = self._loop.call_later(wait, self._fire)
        else:
            self._fire()

    def close(self) -> None:
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _fire(self) -> None:
        self._timer = None
        self._next = time.monotonic() + PLI_INTERVAL
        self.sent += 1
        self._send()
