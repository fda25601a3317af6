"""RTCP both ways: what the relay says to publishers and receivers, and what it does with their answers."""

import struct
import time

from aiortc.rtp import (
    RTCP_PSFB_APP,
    RTCP_PSFB_FIR,
    RTCP_PSFB_PLI,
    RTCP_RTPFB_NACK,
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

from media.forward import original_sequence
from media.routes import Ingress, Slot, Source

NTP_EPOCH = 2208988800  # seconds from 1900 to 1970
NACK_INTERVAL = 0.05  # seconds in which the same loss is not asked for twice
NACKED_LIMIT = 256  # losses remembered per source
CNAME = (1, b"relay")

AnyPacket = RtcpRrPacket | RtcpSrPacket | RtcpPsfbPacket | RtcpRtpfbPacket


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


def receiver_report(ingress: Ingress, sources: list[Source], max_bitrate: int) -> bytes:
    """RR over all sources of a publisher, and REMB with the rate each camera may use.

    Without any report a browser's rate control starves the camera; the fixed ceiling only lets it start at
    full speed, loss in the reports brings it down.
    """
    reports = [_reception(source) for source in sources if source.first_seq >= 0][:31]
    data = bytes(RtcpRrPacket(ssrc=ingress.local_ssrc, reports=reports))
    data += bytes(RtcpSdesPacket(chunks=[RtcpSourceInfo(ssrc=ingress.local_ssrc, items=[CNAME])]))
    video = [source.ssrc for source in sources if source.kind == "video" and source.ssrc]
    if video:
        fci = pack_remb_fci(max_bitrate * len(video), video)
        data += bytes(RtcpPsfbPacket(fmt=RTCP_PSFB_APP, ssrc=ingress.local_ssrc, media_ssrc=0, fci=fci))
    return data


def _reception(source: Source) -> RtcpReceiverInfo:
    highest = source.cycles + source.max_seq
    expected = highest - source.first_seq + 1
    lost_now = (expected - source.expected_prior) - (source.packets - source.received_prior)
    window = expected - source.expected_prior
    source.expected_prior, source.received_prior = expected, source.packets
    fraction = min(255, (lost_now << 8) // window) if window > 0 and lost_now > 0 else 0
    lsr = (source.sr_ntp >> 16) & 0xFFFFFFFF
    dlsr = int((time.monotonic() - source.sr_at) * 65536) & 0xFFFFFFFF if lsr else 0
    return RtcpReceiverInfo(
        ssrc=source.ssrc,
        fraction_lost=fraction,
        packets_lost=clamp_packets_lost(expected - source.packets),
        highest_sequence=highest & 0xFFFFFFFF,
        jitter=int(source.jitter),
        lsr=lsr,
        dlsr=dlsr,
    )


def picture_loss(source: Source) -> None:
    """Ask the publisher for a key frame."""
    ingress = source.ingress
    if ingress is not None and source.ssrc:
        ingress.send_rtcp(
            bytes(RtcpPsfbPacket(fmt=RTCP_PSFB_PLI, ssrc=ingress.local_ssrc, media_ssrc=source.ssrc))
        )


def _relay_nack(slot: Slot, lost: list[int]) -> None:
    source, now = slot.source, time.monotonic()
    if source is None or source.ingress is None or not source.ssrc:
        return
    wanted = []
    for number in lost:
        original = original_sequence(slot, number, now)
        if original is None or now - source.nacked.get(original, 0.0) < NACK_INTERVAL:
            continue
        if len(source.nacked) >= NACKED_LIMIT:
            source.nacked.clear()
        source.nacked[original] = now
        wanted.append(original)
    if wanted:
        source.ingress.send_rtcp(
            bytes(
                RtcpRtpfbPacket(
                    fmt=RTCP_RTPFB_NACK,
                    ssrc=source.ingress.local_ssrc,
                    media_ssrc=source.ssrc,
                    lost=wanted,
                )
            )
        )


# --- from publishers ----------------------------------------------------------------------------


def on_publisher_rtcp(ingress: Ingress, data: bytes) -> None:
    """Sender reports go on to the receivers, in the relay's own clock."""
    packets = parse(data)
    if packets is None:
        ingress.counters.drops["bad_rtcp"] += 1
        return
    for packet in packets:
        if isinstance(packet, RtcpSrPacket):
            source = ingress.by_ssrc.get(packet.ssrc.to_bytes(4, "big"))
            if source is not None and source.open and packet.ssrc == source.ssrc:
                source.sr_ntp = packet.sender_info.ntp_timestamp
                source.sr_rtp = packet.sender_info.rtp_timestamp
                source.sr_at = time.monotonic()
                for slot in source.slots:
                    send_sender_report(slot)


def send_sender_report(slot: Slot) -> None:
    """SR for a slot: the browser needs it to keep lips and voice together.

    The NTP time is the relay's, because every publisher's clock is wrong in its own way.
    """
    source, egress = slot.source, slot.egress
    if source is None or egress is None or slot.waiting or not source.sr_at:
        return
    elapsed = int((time.monotonic() - source.sr_at) * source.clock_rate)
    report = RtcpSrPacket(
        ssrc=slot.ssrc,
        sender_info=RtcpSenderInfo(
            ntp_timestamp=ntp_now(),
            rtp_timestamp=(source.sr_rtp + elapsed + slot.ts_delta) & 0xFFFFFFFF,
            packet_count=slot.packets & 0xFFFFFFFF,
            octet_count=slot.bytes & 0xFFFFFFFF,
        ),
    )
    description = RtcpSdesPacket(chunks=[RtcpSourceInfo(ssrc=slot.ssrc, items=[CNAME])])
    egress.sendto(egress.protect_rtcp(bytes(report) + bytes(description)), egress.address)


# --- from receivers -----------------------------------------------------------------------------


def on_receiver_rtcp(slots: dict[int, Slot], data: bytes) -> tuple[bool, float | None]:
    """Relay key frame requests and losses upstream; returns (well formed, round-trip time in s or None)."""
    packets = parse(data)
    if packets is None:
        return False, None
    rtt: float | None = None
    for packet in packets:
        match packet:
            case RtcpPsfbPacket(fmt=1 | 4) as feedback:
                for ssrc in _keyframe_targets(feedback):
                    _ask(slots.get(ssrc))
            case RtcpRtpfbPacket(fmt=1) as feedback:
                slot = slots.get(feedback.media_ssrc)
                if slot is not None:
                    _relay_nack(slot, feedback.lost)
            case RtcpRrPacket() | RtcpSrPacket():
                for report in packet.reports:
                    measured = _note_report(slots.get(report.ssrc), report)
                    rtt = measured if measured is not None else rtt
            case _:
                pass  # SDES, BYE: nothing to do
    return True, rtt


def _keyframe_targets(feedback: RtcpPsfbPacket) -> list[int]:
    """A PLI names its stream in the header, a FIR in its entries (RFC 5104, section 4.3.1)."""
    if feedback.fmt == RTCP_PSFB_FIR:
        return [
            int(struct.unpack_from("!L", feedback.fci, offset)[0])
            for offset in range(0, len(feedback.fci) - 7, 8)
        ]
    return [feedback.media_ssrc]


def _ask(slot: Slot | None) -> None:
    if slot is not None and slot.source is not None and slot.kind == "video":
        slot.source.ask_keyframe()


def _note_report(slot: Slot | None, report: RtcpReceiverInfo) -> float | None:
    if slot is None:
        return None
    slot.lost = report.packets_lost
    slot.fraction_lost = report.fraction_lost / 256
    if not report.lsr:
        return None
    elapsed = ((ntp_now() >> 16) - report.lsr - report.dlsr) & 0xFFFFFFFF
    return elapsed / 65536 if elapsed < 0x80000000 else 0.0
