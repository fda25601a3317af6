"""The forwarder in pure Python: the fallback where no compiler is, and the oracle of the compiled one.

Reads `routes`, decides nothing. One call per received packet, no task, no queue, no allocation beyond the
packets themselves.
"""

import struct
import time

import pylibsrtp

from media.keyframe import starts_vp8_keyframe
from media.rewrite import (
    ONE_BYTE_PROFILE,
    OUT_HEADER,
    RTP_HEADER,
    extension_bounds,
    find_extension,
    newer,
)
from media.routes import Ingress, Slot, Source

SEND_BACKLOG_LIMIT = 256 * 1024  # bytes the kernel has not taken; beyond it the receiver loses packets
SSRCS_PER_SOURCE = 4  # a browser uses two (media and RTX); one that keeps inventing them is ignored
NAME = "python"


class Forwarder:
    """Takes protected packets of any ingress and sends copies to the slots of their source."""

    name = NAME

    def receive(self, ingress: Ingress, data: bytes) -> None:
        """Authenticate, find the source, forward. Whatever is wrong with the packet is counted, never raised."""
        try:
            packet = ingress.unprotect(data)
        except pylibsrtp.Error as error:
            ingress.counters.drops["replay" if "replay" in str(error) else "auth"] += 1
            return
        try:
            self._route(ingress, packet)
        except (IndexError, struct.error):
            ingress.counters.drops["malformed"] += 1

    def _route(self, ingress: Ingress, packet: bytes) -> None:
        flags, marker_and_type, seq, ts = RTP_HEADER.unpack_from(packet)
        start = 12 + 4 * (flags & 0x0F)
        profile = ext_start = ext_end = 0
        if flags & 0x10:
            profile, ext_start, ext_end = extension_bounds(packet, start)
            start = ext_end
        if start > len(packet):
            ingress.counters.drops["malformed"] += 1
            return
        source = ingress.by_ssrc.get(packet[8:12])
        if source is None:
            source = learn_source(ingress, packet, profile, ext_start, ext_end)
            if source is None:
                ingress.counters.drops["unknown_ssrc"] += 1
                return
        if not source.open:
            ingress.counters.drops["not_permitted"] += 1
            return

        ingress.counters.packets_in += 1
        ingress.counters.bytes_in += len(packet)
        payload_type = marker_and_type & 0x7F
        now = time.monotonic()
        if payload_type == source.payload_type:
            note_arrival(source, seq, ts, len(packet), now)
        elif payload_type == source.rtx_payload_type:
            if is_padding(packet, start, flags):
                ingress.counters.drops["padding"] += 1
                return
            seq = packet[start] << 8 | packet[start + 1]  # original sequence number (RFC 4588, section 4)
            start += 2
        else:
            ingress.counters.drops["payload_type"] += 1
            return

        level = 0
        if source.level_id and profile == ONE_BYTE_PROFILE:
            found = find_extension(packet, ext_start, ext_end, source.level_id)
            if found is not None:
                level = found[0]
                source.loudest = min(source.loudest, level & 0x7F)
        if not source.started:
            ingress.on_first(source)
        if source.slots:
            self._fan_out(
                source,
                0x90 | (flags & 0x20),
                marker_and_type & 0x80,
                seq,
                ts,
                level,
                packet[start:],
                now,
            )

    def _fan_out(
        self,
        source: Source,
        flags: int,
        marker: int,
        seq: int,
        ts: int,
        level: int,
        payload: bytes,
        now: float,
    ) -> None:
        keyframe: bool | None = None
        for slot in source.slots:
            if slot.waiting:
                if slot.kind == "video":
                    if keyframe is None:
                        keyframe = starts_vp8_keyframe(payload)
                    if not keyframe:
                        continue
                slot.begin(seq, ts, now)
            egress = slot.egress
            if egress is None:
                continue
            drops = egress.counters.drops
            if now < slot.settled_at and (seq - slot.first_in) & 0x8000:
                drops["late"] += 1
                continue
            out_seq = (seq + slot.seq_delta) & 0xFFFF
            out_ts = (ts + slot.ts_delta) & 0xFFFFFFFF
            if newer(out_seq, slot.seq):
                slot.seq, slot.ts, slot.sent_at = out_seq, out_ts, now
            extensions = slot.extensions
            packet = (
                OUT_HEADER.pack(flags, marker | slot.payload_type, out_seq, out_ts, slot.ssrc)
                + extensions[level if len(extensions) > 1 else 0]
                + payload
            )
            if egress.backlog() > SEND_BACKLOG_LIMIT:
                drops["blocked"] += 1
                continue
            try:
                protected = egress.protect(packet)
            except (pylibsrtp.Error, ValueError):
                drops["protect"] += 1
                continue
            egress.sendto(protected, egress.address)
            egress.counters.packets_out += 1
            egress.counters.bytes_out += len(protected)
            slot.packets += 1
            slot.bytes += len(payload)


def learn_source(
    ingress: Ingress, packet: bytes, profile: int, ext_start: int, ext_end: int
) -> Source | None:
    """Find the source of an SSRC that no offer named, by its MID extension, and remember it."""
    if profile != ONE_BYTE_PROFILE or not ingress.mid_id:
        return None
    mid = find_extension(packet, ext_start, ext_end, ingress.mid_id)
    source = ingress.by_mid.get(mid) if mid else None
    if source is None or source.ssrcs_learned >= SSRCS_PER_SOURCE:
        return None
    source.ssrcs_learned += 1
    ingress.by_ssrc[packet[8:12]] = source
    if packet[1] & 0x7F == source.payload_type:
        source.ssrc = int.from_bytes(packet[8:12], "big")
    return source


def note_arrival(source: Source, seq: int, ts: int, size: int, now: float) -> None:
    """Reception statistics of one packet (RFC 3550, appendix A.1 without probation, A.8)."""
    source.last_packet = now
    source.packets += 1
    source.bytes += size
    if source.first_seq < 0:
        source.first_seq = source.max_seq = seq
    elif newer(seq, source.max_seq):
        if seq < source.max_seq:
            source.cycles += 0x10000
        source.max_seq = seq
    transit = (int(now * source.clock_rate) - ts) & 0xFFFFFFFF
    difference = (transit - source.transit) & 0xFFFFFFFF
    source.transit = transit
    if source.packets > 1:
        distance = min(difference, 0x100000000 - difference)
        source.jitter += (distance - source.jitter) / 16


def is_padding(packet: bytes, start: int, flags: int) -> bool:
    """Whether an RTX packet carries nothing but padding (a browser probing for bandwidth)."""
    padding = packet[-1] if flags & 0x20 else 0
    return len(packet) - start - padding < 3


def original_sequence(slot: Slot, lost: int, now: float) -> int | None:
    """The sequence number a receiver's lost packet had at its source; None if it was another source's."""
    original = (lost - slot.seq_delta) & 0xFFFF
    if now < slot.settled_at and (original - slot.first_in) & 0x8000:
        return None
    return original
