"""Who forwards what to whom: the table both forwarders read.

`Ingress` is the receiving end of a publish connection, `Source` one stream on it (a microphone, a camera, a
screen); `Egress` is the sending end of a subscribe connection, `Slot` one of its fixed m-lines. A slot carries
at most one source; `connect` and `disconnect` are the only places that change that.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from media.stats import Counters

Address = tuple[str, int]

CLOCK_RATES = {"audio": 48000, "video": 90000}
SILENCE = 127  # audio level in -dBov
SETTLING = 2.0  # seconds after a switch during which packets from before it may still arrive


@dataclass(slots=True, eq=False)
class Ingress:
    """The receiving end of one publish connection.

    unprotect: SRTP packet -> RTP packet; raises pylibsrtp.Error
    send_rtcp: compound RTCP packet towards the publisher
    on_first:  called when a source that was not flowing sends a packet
    by_ssrc:   keys are the four bytes of the SSRC as they stand in the packet
    """

    peer: str
    unprotect: Callable[[bytes], bytes]
    send_rtcp: Callable[[bytes], None]
    counters: Counters
    on_first: Callable[["Source"], None]
    by_ssrc: dict[bytes, "Source"] = field(default_factory=dict)
    by_mid: dict[bytes, "Source"] = field(default_factory=dict)
    mid_id: int = 0
    local_ssrc: int = 1


@dataclass(slots=True, eq=False)
class Source:
    """One stream of a publisher. `open` says that he may publish it and has not switched it off."""

    peer: str
    name: str  # mic, camera, screen
    kind: str  # audio, video
    mid: str
    payload_type: int
    rtx_payload_type: int = -1
    level_id: int = 0
    clock_rate: int = 90000
    ingress: Ingress | None = None
    open: bool = False
    slots: tuple["Slot", ...] = ()
    ask_keyframe: Callable[[], None] = lambda: None

    ssrc: int = 0
    ssrcs_learned: int = 0
    started: bool = False
    last_packet: float = 0.0
    packets: int = 0
    bytes: int = 0
    loudest: int = SILENCE  # since `take_level` was last asked

    # reception, for receiver reports (RFC 3550, appendix A.3 and A.8)
    first_seq: int = -1
    max_seq: int = 0
    cycles: int = 0
    transit: int = 0
    jitter: float = 0.0
    expected_prior: int = 0
    received_prior: int = 0
    sr_ntp: int = 0
    sr_rtp: int = 0
    sr_at: float = 0.0
    nacked: dict[int, float] = field(default_factory=dict)

    def take_level(self) -> int:
        level, self.loudest = self.loudest, SILENCE
        return level


@dataclass(slots=True, eq=False)
class Egress:
    """The sending end of one subscribe connection; `address` follows the ICE pair."""

    peer: str
    counters: Counters
    protect: Callable[[bytes], bytes]
    protect_rtcp: Callable[[bytes], bytes]
    sendto: Callable[[bytes, Address], None]
    backlog: Callable[[], int]
    address: Address


@dataclass(slots=True, eq=False)
class Slot:
    """One m-line of a receiver: constant SSRC and extensions, changing source.

    seq_delta, ts_delta: out = in + delta, modulo 2**16 and 2**32
    waiting:  a source was connected and its first packet (for video: its first key frame) has not come
    """

    mid: str
    kind: str
    ssrc: int
    payload_type: int
    extensions: tuple[bytes, ...]
    clock_rate: int
    egress: Egress | None = None
    source: Source | None = None

    waiting: bool = False
    waiting_since: float = 0.0
    seq_delta: int = 0
    ts_delta: int = 0
    seq: int = 0  # the newest sent
    ts: int = 0
    sent_at: float = 0.0
    first_in: int = 0  # sequence number of the source at the switch
    settled_at: float = 0.0
    packets: int = 0
    bytes: int = 0
    lost: int = 0
    fraction_lost: float = 0.0
    started: bool = False

    def begin(self, seq: int, ts: int, now: float) -> None:
        """Join the stream of the connected source so that the receiver sees no break."""
        self.waiting = False
        self.first_in = seq
        self.settled_at = now + SETTLING
        if not self.started:
            self.started = True
            self.seq_delta, self.ts_delta = 0, 0
            self.seq, self.ts, self.sent_at = (seq - 1) & 0xFFFF, ts, now
            return
        elapsed = max(1, int((now - self.sent_at) * self.clock_rate))
        self.seq_delta = (self.seq + 1 - seq) & 0xFFFF
        self.ts_delta = (self.ts + elapsed - ts) & 0xFFFFFFFF


def connect(source: Source, slot: Slot) -> None:
    """Route a source to a slot, in place of what it carried before."""
    disconnect(slot)
    slot.source = source
    slot.waiting = True
    slot.waiting_since = time.monotonic()
    if slot.egress is not None:
        source.slots = (*source.slots, slot)
        if slot.kind == "video":
            source.ask_keyframe()


def disconnect(slot: Slot) -> None:
    """Take a slot off its source; the receiver keeps the last picture until the next one."""
    source, slot.source = slot.source, None
    slot.waiting = False
    if source is not None:
        source.slots = tuple(other for other in source.slots if other is not slot)
