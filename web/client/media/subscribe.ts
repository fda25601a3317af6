// What the person receives: the relay offers a pool of slots and says who is behind each.
import { signal } from "@preact/signals";
import type { Id, Slot, Source } from "../live/wire";
import { Link, type Wire } from "./link";

/** Tracks by who sends them. */
export type Received = ReadonlyMap<Id, Partial<Record<Source, MediaStreamTrack>>>;

/** Puts the slots' tracks under their owners; slots without a source are left out. */
export function bySeat(slots: readonly Slot[], tracks: ReadonlyMap<string, MediaStreamTrack>): Received {
  const found = new Map<Id, Partial<Record<Source, MediaStreamTrack>>>();
  for (const slot of slots) {
    const track = tracks.get(slot.mid);
    if (!track || !slot.seat || !slot.source) continue;
    found.set(slot.seat, { ...found.get(slot.seat), [slot.source]: track });
  }
  return found;
}

export class SubscribeLink extends Link {
  readonly received = signal<Received>(new Map());
  readonly slots = signal<readonly Slot[]>([]);
  /** Every audio track of the pool: they are played whoever is behind them. */
  readonly audio = signal<readonly MediaStreamTrack[]>([]);
  private readonly tracks = new Map<string, MediaStreamTrack>();

  constructor(prefix: "media" | "probe", wire: Wire) {
    super("subscribe", prefix, wire);
  }

  async start(): Promise<void> {
    const offer = await this.wire.ask<{ sdp: string; epoch: number }>(`${this.prefix}.subscribe`, {});
    await this.pc.setRemoteDescription({ type: "offer", sdp: offer.sdp });
    for (const { mid, receiver } of this.pc.getTransceivers()) if (mid !== null) this.tracks.set(mid, receiver.track);
    this.audio.value = [...this.tracks.values()].filter((track) => track.kind === "audio");
    await this.pc.setLocalDescription(await this.pc.createAnswer());
    const answer = { sdp: await this.described(), epoch: offer.epoch };
    const { slots } = await this.wire.ask<{ slots: Slot[] }>(`${this.prefix}.answer`, answer);
    this.answered(offer.epoch);
    this.assign(slots, offer.epoch);
  }

  /** `media.slots`: ignored when it speaks of another incarnation of the room. */
  assign(slots: readonly Slot[], epoch: number | undefined): void {
    if (epoch !== undefined && this.epoch !== null && epoch !== this.epoch) return;
    this.slots.value = slots;
    this.received.value = bySeat(slots, this.tracks);
  }

  trackOf(mid: string): MediaStreamTrack | undefined {
    return this.tracks.get(mid);
  }
}
