"""RTCP both ways: what the relay says to publishers and receivers, and what it does with their answers."""

import struct
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from aiortc.rtp import (
    RTCP_PSFB_APP,
    RTCP_PSFB_FIR,
    RtcpPacket,
    RtcpPsfbPacket,
    RtcpReceiverInfo,
    RtcpRrPacket,
    RtcpRtpfbPacket,
    RtcpSdesPacket,
    RtcpSenderInfo,
    RtcpSourceInfo,
    RtcpSrPacket,
    clamp_packets_lost,
    pack_remb_fci,
)

from media.describe import CNAME
from media.plane.table import CLOCK_RATES, Layer, Slot

if TYPE_CHECKING:  # these import this module
    from media.publish import Publish, Stream
    from media.subscribe import Subscribe

NTP_EPOCH = 2208988800  # seconds from 1900 to 1970


@dataclass(slots=True)
class Reception:
    """Of one layer: what the last report said, and the publisher's last sender report."""

    expected_prior: int = 0
    received_prior: int = 0
    sr_ntp: int = 0
    sr_rtp: int = 0
    sr_at: float = 0.0


@dataclass(slots=True)
class Heard:
    """Of one slot: what its receiver last reported."""

    lost: int = 0
    fraction_lost: float = 0.0


def ntp_now() -> int:
    """64-bit NTP timestamp."""
    return int((time.time() + NTP_EPOCH) * 0x100000000) & 0xFFFFFFFFFFFFFFFF


def parse(data: bytes) -> list[object] | None:
    """The packets of a compound; None when it is not RTCP after all."""
    try:
        return list(RtcpPacket.parse(data))
    except (ValueError, IndexError, struct.error):
        return None


# --- towards publishers -------------------------------------------------------------------------


def receiver_report(link: "Publish") -> bytes:
    """RR over all layers of a publisher, and where he has no transport-wide feedback REMB with a fixed rate.

    Without any report a browser's rate control starves the camera; the fixed ceiling only lets it start at
    full speed, loss in the reports brings it down.
    """
    streams = [stream for stream in link.streams.values() if stream.live]
    layers = [(stream, layer) for stream in streams for layer in stream.source.layers]
    reports = [_reception(stream, layer) for stream, layer in layers if layer.first_seq >= 0 and layer.ssrc]
    data = bytes(RtcpRrPacket(ssrc=link.local_ssrc, reports=reports[:31])) + _cname(link.local_ssrc)
    video = [layer.ssrc for stream, layer in layers if stream.kind == "video" and layer.ssrc]
    if video and not link.transport_cc:
        rate = link.engine.max_bitrate * sum(stream.kind == "video" for stream in streams)
        fci = pack_remb_fci(rate, video)
        data += bytes(RtcpPsfbPacket(fmt=RTCP_PSFB_APP, ssrc=link.local_ssrc, media_ssrc=0, fci=fci))
    return data


def _cname(ssrc: int) -> bytes:
    return bytes(RtcpSdesPacket(chunks=[RtcpSourceInfo(ssrc=ssrc, items=[(1, CNAME.encode())])]))


def _reception(stream: "Stream", layer: Layer) -> RtcpReceiverInfo:
    said = stream.receptions[layer]
    expected = layer.highest - layer.first_seq + 1
    received = layer.packets + layer.repeated
    lost_now = (expected - said.expected_prior) - (received - said.received_prior)
    window = expected - said.expected_prior
    said.expected_prior, said.received_prior = expected, received
    fraction = min(255, (lost_now << 8) // window) if window > 0 and lost_now > 0 else 0
    lsr = (said.sr_ntp >> 16) & 0xFFFFFFFF
    dlsr = int((time.monotonic() - said.sr_at) * 65536) & 0xFFFFFFFF if lsr else 0
    return RtcpReceiverInfo(
        ssrc=layer.ssrc,
        fraction_lost=fraction,
        packets_lost=clamp_packets_lost(expected - received),
        highest_sequence=layer.highest & 0xFFFFFFFF,
        jitter=int(layer.jitter),
        lsr=lsr,
        dlsr=dlsr,
    )


# --- from publishers ----------------------------------------------------------------------------


def on_publisher_rtcp(link: "Publish", data: bytes) -> None:
    """Sender reports go on to the receivers, in the relay's own clock."""
    packets = parse(data)
    if packets is None:
        link.drops["bad_rtcp"] += 1
        return
    for packet in packets:
        found = link.find(packet.ssrc) if isinstance(packet, RtcpSrPacket) else None
        if found is not None and isinstance(packet, RtcpSrPacket) and found[0].source.open:
            stream, layer = found
            said = stream.receptions[layer]
            said.sr_ntp = packet.sender_info.ntp_timestamp
            said.sr_rtp = packet.sender_info.rtp_timestamp
            said.sr_at = time.monotonic()
            for slot in stream.slots:
                if slot.layer >= 0 and stream.source.layers[slot.layer] is layer:
                    send_sender_report(link, stream, slot)


def send_sender_report(link: "Publish", stream: "Stream", slot: Slot) -> None:
    """SR for a slot: the browser needs it to keep lips and voice together.

    The NTP time is the relay's, because every publisher's clock is wrong in its own way.
    """
    receiver = link.engine.subscribes.get(slot.leg)
    said = stream.receptions[stream.source.layers[slot.layer]]
    if receiver is None or not said.sr_at:
        return
    elapsed = int((time.monotonic() - said.sr_at) * CLOCK_RATES[slot.kind])
    report = RtcpSrPacket(
        ssrc=slot.ssrc,
        sender_info=RtcpSenderInfo(
            ntp_timestamp=ntp_now(),
            rtp_timestamp=(said.sr_rtp + elapsed + slot.ts_delta) & 0xFFFFFFFF,
            packet_count=slot.packets & 0xFFFFFFFF,
            octet_count=slot.bytes & 0xFFFFFFFF,
        ),
    )
    receiver.send_rtcp(bytes(report) + _cname(slot.ssrc))


# --- from receivers -----------------------------------------------------------------------------


def on_receiver_rtcp(link: "Subscribe", data: bytes) -> None:
    """Key frame requests go to the publishers, losses are answered from the ring."""
    packets = parse(data)
    if packets is None:
        link.drops["bad_rtcp"] += 1
        return
    for packet in packets:
        match packet:
            case RtcpPsfbPacket(fmt=1 | 4) as feedback:
                for ssrc in _keyframe_targets(feedback):
                    link.ask_keyframe(ssrc)
            case RtcpRtpfbPacket(fmt=1) as feedback:
                link.resend(feedback.media_ssrc, feedback.lost)
            case RtcpRrPacket() | RtcpSrPacket():
                for report in packet.reports:
                    _note_report(link, report)
            case _:
                pass  # SDES, BYE: nothing to do


def _keyframe_targets(feedback: RtcpPsfbPacket) -> list[int]:
    """A PLI names its stream in the header, a FIR in its entries (RFC 5104, section 4.3.1)."""
    if feedback.fmt == RTCP_PSFB_FIR:
        return [
            int(struct.unpack_from("!L", feedback.fci, offset)[0])
            for offset in range(0, len(feedback.fci) - 7, 8)
        ]
    return [feedback.media_ssrc]


def _note_report(link: "Subscribe", report: RtcpReceiverInfo) -> None:
    slot = link.by_ssrc.get(report.ssrc)
    if slot is None:
        return
    link.heard[slot] = Heard(report.packets_lost, report.fraction_lost / 256)
    if report.lsr:
        elapsed = ((ntp_now() >> 16) - report.lsr - report.dlsr) & 0xFFFFFFFF
        link.rtt = elapsed / 65536 if elapsed < 0x80000000 else 0.0
