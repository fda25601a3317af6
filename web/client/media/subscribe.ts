// What the person receives: the relay offers a pool of slots and says who is behind each.
import { signal } from "@preact/signals";
import type { Id, Paused, Slot, Source } from "../live/wire";
import { Link, type Described, type Wire } from "./link";

/** One picture or voice as it is received, and why it is held back, if it is. */
export interface Incoming {
  mid: string;
  track: MediaStreamTrack;
  paused: Paused | null;
}

/** Tracks by who sends them. */
export type Received = ReadonlyMap<Id, Partial<Record<Source, Incoming>>>;

/** Puts the slots' tracks under their owners; slots without a source are left out. */
export function bySeat(slots: readonly Slot[], tracks: ReadonlyMap<string, MediaStreamTrack>): Received {
  const found = new Map<Id, Partial<Record<Source, Incoming>>>();
  for (const { mid, seat, source, paused } of slots) {
    const track = tracks.get(mid);
    if (!track || !seat || !source) continue;
    found.set(seat, { ...found.get(seat), [source]: { mid, track, paused: paused ?? null } });
  }
  return found;
}

export class SubscribeLink extends Link {
  readonly received = signal<Received>(new Map());
  readonly slots = signal<readonly Slot[]>([]);
  /** Every audio track of the pool: they are played whoever is behind them. */
  readonly audio = signal<readonly MediaStreamTrack[]>([]);
  private readonly tracks = new Map<string, MediaStreamTrack>();

  constructor(prefix: "media" | "probe", wire: Wire, configuration: RTCConfiguration) {
    super("subscribe", prefix, wire, configuration);
  }

  async start(): Promise<void> {
    await this.answer(await this.asked<Described>("subscribe", {}));
  }

  async restart(): Promise<void> {
    await this.answer(await this.asked<Described>("restart", { epoch: this.epoch }));
  }

  /** `media.slots`: ignored when it speaks of another incarnation of the room. */
  assign(slots: readonly Slot[], epoch: number | undefined): void {
    if (epoch !== undefined && this.epoch !== null && epoch !== this.epoch) return;
    this.slots.value = slots;
    this.received.value = bySeat(slots, this.tracks);
  }

  private async answer(offer: Described): Promise<void> {
    await this.pc.setRemoteDescription({ type: "offer", sdp: offer.sdp });
    if (this.tracks.size === 0) this.listen();
    await this.pc.setLocalDescription(await this.pc.createAnswer());
    const { slots } = await this.asked<{ slots: Slot[] }>("answer", { sdp: this.described(), epoch: offer.epoch });
    this.answered(offer);
    this.assign(slots, offer.epoch);
  }

  private listen(): void {
    for (const { mid, receiver } of this.pc.getTransceivers()) if (mid !== null) this.tracks.set(mid, receiver.track);
    this.audio.value = [...this.tracks.values()].filter((track) => track.kind === "audio");
  }
}
