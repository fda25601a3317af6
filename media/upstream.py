"""One publisher: what he is told about what arrives, and what he is asked for.

Ten times a second transport-wide feedback (or, by setting, REMB once a second), once a second a receiver report over
all layers, a NACK while something is missing, and a key frame request when a receiver cannot go on without.
"""

import struct
import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from aiortc.rtp import (
    RTCP_PSFB_APP,
    RtcpPacket,
    RtcpPsfbPacket,
    RtcpReceiverInfo,
    RtcpRrPacket,
    RtcpSdesPacket,
    RtcpSourceInfo,
    RtcpSrPacket,
    clamp_packets_lost,
    pack_remb_fci,
)

from media.plane.table import CLOCK_RATES, Forwarder, Layer, Leg
from media.repair import KeyframeRequests, Later, Requests, pack_nack, pack_pli
from media.twcc import TransportFeedback

FEEDBACK_EVERY = 0.1  # seconds
REPORT_EVERY = 1.0
REPORTS = 31  # blocks in one receiver report, at most
WINDOW = 5  # reports over which quality is judged
CLOCK_SAMPLES = 16  # sender reports whose fastest is taken for the publisher's clock
CNAME = (1, b"relay")
NTP_EPOCH = 2208988800  # seconds from 1900 to 1970


def ntp(seconds: float) -> int:
    """64-bit NTP timestamp of a wall clock in seconds since 1970."""
    return int((seconds + NTP_EPOCH) * 0x100000000) & 0xFFFFFFFFFFFFFFFF


def parse(data: bytes) -> list[object] | None:
    """The packets of a compound; None when it is not RTCP after all."""
    try:
        return list(RtcpPacket.parse(data))
    except (ValueError, IndexError, struct.error):
        return None


@dataclass(slots=True)
class _Reception:
    """Of one layer since the report before (RFC 3550, appendix A.3)."""

    first: int = -1
    expected: int = 0
    received: int = 0
    windows: deque[tuple[int, int]] = field(default_factory=lambda: deque(maxlen=WINDOW))  # expected, lost
    ever_expected: int = 0
    ever_lost: int = 0

    def advance(self, layer: Layer) -> int:
        """Begin a new interval; returns the fraction lost in the one before, in 256ths."""
        if self.first != layer.first_seq:
            self.first, self.expected, self.received = layer.first_seq, 0, 0
        expected = layer.highest - layer.first_seq + 1
        window = max(0, expected - self.expected)
        lost = max(0, window - (layer.packets - self.received))
        self.expected, self.received = expected, layer.packets
        self.windows.append((window, lost))
        self.ever_expected += window
        self.ever_lost += lost
        return min(255, (lost << 8) // window) if window else 0


@dataclass(frozen=True, slots=True)
class _SenderTime:
    ntp: int
    rtp: int
    at: float  # monotonic


class Upstream:
    """The RTCP of one publish connection. Nothing here waits; `send` protects and sends, or loses.

    ssrc:    ours, as the sender of these packets
    ceiling: bit/s, what REMB allows each video source; used without transport-wide feedback
    rtt:     seconds to this person and back, as his receiver reports tell it; None while unknown
    """

    def __init__(
        self,
        leg: Leg,
        forwarder: Forwarder,
        send: Callable[[bytes], None],
        later: Later,
        *,
        ssrc: int = 1,
        transport_cc: bool = True,
        ceiling: int = 2_500_000,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.ssrc = ssrc
        self.transport_cc = transport_cc
        self.rtt: float | None = None
        self._leg = leg
        self._forwarder = forwarder
        self._send = send
        self._later = later
        self._ceiling = ceiling
        self._clock = clock
        self._feedback = TransportFeedback(ssrc)
        self._receptions: dict[Layer, _Reception] = {}
        self._senders: dict[int, _SenderTime] = {}
        self._offsets: deque[float] = deque(maxlen=CLOCK_SAMPLES)
        self._requests = Requests(forwarder.missing, self._ask, lambda: self.rtt, later, clock)
        self._keyframes: dict[Layer, KeyframeRequests] = {}
        self._closed = False

    # --- from him -----------------------------------------------------------------------------

    def rtcp(self, data: bytes) -> bool:
        """A compound of his, decrypted; False when malformed."""
        packets = parse(data)
        for packet in packets or ():
            if isinstance(packet, RtcpSrPacket):
                now = self._clock()
                info = packet.sender_info
                self._senders[packet.ssrc] = _SenderTime(info.ntp_timestamp, info.rtp_timestamp, now)
                self._offsets.append(now - info.ntp_timestamp / 0x100000000)
        known = {layer.ssrc for layer in self.layers()}
        self._senders = {ssrc: time for ssrc, time in self._senders.items() if ssrc in known}
        return packets is not None

    def timestamp(self, layer: Layer, now: float) -> int | None:
        """The RTP timestamp of `layer` at monotonic `now`; None before its first sender report.

        Reckoned on the publisher's own clock, read from his fastest report, so that his voice and his lips keep
        the distance he gave them however late single reports arrive.
        """
        sender = self._senders.get(layer.ssrc)
        if sender is None or not self._offsets:
            return None
        elapsed = now - (sender.ntp / 0x100000000 + min(self._offsets))
        return (sender.rtp + int(elapsed * CLOCK_RATES[layer.source.kind])) & 0xFFFFFFFF

    # --- to him -------------------------------------------------------------------------------

    def gap(self, layer: Layer) -> None:
        if not self._closed:
            self._requests.gap(layer)

    def keyframe(self, layer: Layer) -> None:
        """Somebody cannot go on without a key frame of this layer."""
        if self._closed or layer.source.kind != "video":
            return
        if layer not in self._keyframes:
            self._keyframes[layer] = KeyframeRequests(
                lambda: self._picture_loss(layer), self._later, self._clock
            )
        self._keyframes[layer].ask()

    def feedback(self) -> None:
        """Every FEEDBACK_EVERY: which packets arrived when."""
        if self.transport_cc:
            # libwebrtc takes no report that names none of its own streams
            self._feedback.media_ssrc = next((layer.ssrc for layer in self.layers() if layer.ssrc), 0)
            for packet in self._feedback.build(self._forwarder.take_arrivals(self._leg)):
                self._send(packet)

    def report(self) -> None:
        """Every REPORT_EVERY, after `Forwarder.refresh`: receiver report, and REMB where there is no feedback."""
        layers = [layer for layer in self.layers() if layer.ssrc and layer.first_seq >= 0]
        if not layers:
            return
        self._receptions = {layer: self._receptions.get(layer) or _Reception() for layer in layers}
        now = self._clock()
        blocks = [self._block(layer, now) for layer in layers][:REPORTS]
        data = bytes(RtcpRrPacket(ssrc=self.ssrc, reports=blocks))
        data += bytes(RtcpSdesPacket(chunks=[RtcpSourceInfo(ssrc=self.ssrc, items=[CNAME])]))
        self._send(data + self._remb(layers))

    def close(self) -> None:
        self._closed = True
        self._requests.close()
        for keyframes in self._keyframes.values():
            keyframes.close()

    # --- what is measured ---------------------------------------------------------------------

    def layers(self) -> list[Layer]:
        return [layer for source in self._leg.sources for layer in source.layers]

    def quality(self) -> tuple[float | None, float | None]:
        """(loss, jitter in s) over the last reports: of the voice where there is one, else of the pictures."""
        flowing = [layer for layer in self._receptions if layer.flowing]
        voices = [layer for layer in flowing if layer.source.kind == "audio"]
        chosen = voices or flowing
        jitter = max((layer.jitter / CLOCK_RATES[layer.source.kind] for layer in chosen), default=None)
        return _loss(self._receptions[layer].windows for layer in chosen), jitter

    def voice_packets(self) -> tuple[int, int]:
        """(expected, lost) of all voices of his since they began."""
        audio = [r for layer, r in self._receptions.items() if layer.source.kind == "audio"]
        return sum(each.ever_expected for each in audio), sum(each.ever_lost for each in audio)

    @property
    def asked(self) -> int:
        """Packets asked for again."""
        return self._requests.asked

    @property
    def keyframes_asked(self) -> int:
        return sum(keyframes.sent for keyframes in self._keyframes.values())

    # --- inside -------------------------------------------------------------------------------

    def _block(self, layer: Layer, now: float) -> RtcpReceiverInfo:
        fraction = self._receptions[layer].advance(layer)
        sender = self._senders.get(layer.ssrc)
        return RtcpReceiverInfo(
            ssrc=layer.ssrc,
            fraction_lost=fraction,
            packets_lost=clamp_packets_lost(layer.highest - layer.first_seq + 1 - layer.packets),
            highest_sequence=layer.highest & 0xFFFFFFFF,
            jitter=int(layer.jitter) & 0xFFFFFFFF,
            lsr=(sender.ntp >> 16) & 0xFFFFFFFF if sender else 0,
            dlsr=int((now - sender.at) * 65536) & 0xFFFFFFFF if sender else 0,
        )

    def _remb(self, layers: list[Layer]) -> bytes:
        video = [layer.ssrc for layer in layers if layer.source.kind == "video"]
        if self.transport_cc or not video:
            return b""
        sources = {layer.source.mid for layer in layers if layer.source.kind == "video"}
        fci = pack_remb_fci(self._ceiling * len(sources), video)
        return bytes(RtcpPsfbPacket(fmt=RTCP_PSFB_APP, ssrc=self.ssrc, media_ssrc=0, fci=fci))

    def _ask(self, layer: Layer, lost: list[int]) -> None:
        if layer.ssrc:
            self._send(pack_nack(self.ssrc, layer.ssrc, lost))

    def _picture_loss(self, layer: Layer) -> None:
        if layer.ssrc:
            self._send(pack_pli(self.ssrc, layer.ssrc))


def _loss(receptions: Iterable[Iterable[tuple[int, int]]]) -> float | None:
    windows = [window for reception in receptions for window in reception]
    expected = sum(window for window, _ in windows)
    return sum(lost for _, lost in windows) / expected if expected else None
