"""What may reach ICE and DTLS from the network.

A UDP port is open to everybody who can guess its number. Without this file one empty datagram closes a
participant's connection, a ClientHello from a stranger wins the race for the DTLS handshake, and a malformed
STUN message costs a traceback (aiortc 1.16, aioice 0.13).
"""

import logging
import time
from enum import IntEnum

MAX_DATAGRAM = 1500  # pylibsrtp's buffer; a longer one cannot be SRTP of ours
QUEUE_LIMIT = 256  # datagrams waiting for DTLS and RTCP
KNOWN_ADDRESSES_LIMIT = 32  # addresses that passed an ICE check, per connection


class Kind(IntEnum):
    """What a datagram claims to be by its first byte (RFC 7983, section 7)."""

    STUN = 0
    DTLS = 1
    RTP = 2
    RTCP = 3
    UNKNOWN = 4


def _kind_of_first_byte(value: int) -> Kind:
    if value < 4:
        return Kind.STUN
    if 20 <= value <= 63:
        return Kind.DTLS
    if 128 <= value <= 191:
        return Kind.RTP
    return Kind.UNKNOWN


_KINDS = tuple(_kind_of_first_byte(value) for value in range(256))


def classify(data: bytes) -> Kind:
    """The kind of a datagram of at least two bytes; RTCP is told from RTP by RFC 5761, section 4."""
    kind = _KINDS[data[0]]
    if kind is Kind.RTP and 192 <= data[1] <= 223:
        return Kind.RTCP
    return kind


class QuietLog:
    """A log line at most once a second, with the number of those kept back, so a flood cannot fill a disk."""

    def __init__(self, logger: logging.Logger, every: float = 1.0) -> None:
        self._logger = logger
        self._every = every
        self._next = 0.0
        self._suppressed = 0

    def warning(self, event: str, detail: object) -> None:
        now = time.monotonic()
        if now < self._next:
            self._suppressed += 1
            return
        self._logger.warning("%s: %s (%d more kept back)", event, detail, self._suppressed)
        self._next = now + self._every
        self._suppressed = 0
