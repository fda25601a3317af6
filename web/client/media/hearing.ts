// One-way audio (RM-12): somebody's microphone is on, and nothing of it arrives here.
import type { Id, Presence, Slot } from "../live/wire";
import type { Heard } from "./quality";

const LOOKS = 2; // looks in a row without a packet
const AGAIN_AFTER = 20_000;
const TRIES = 3; // afterwards nothing new is to be said of it; begins anew once he was heard

/** Seats that should be heard here and are not. Where there are more voices than slots, mine too, the relay chooses. */
export function unheard(
  presence: Readonly<Record<Id, Presence>>, slots: readonly Slot[], heard: Readonly<Record<Id, Heard>>, me: Id,
): Id[] {
  const voices = slots.filter((one) => one.kind === "audio");
  const speaking = Object.keys(presence).filter((seat) => seat !== me && presence[seat]?.mic);
  return speaking.filter((seat) => {
    if (voices.some((one) => one.seat === seat)) return heard[seat]?.audio === "silent";
    return speaking.length < voices.length;
  });
}

interface Asking {
  ask<T>(name: string, payload: Record<string, unknown>): Promise<T>;
}

export class Hearing {
  private readonly looks = new Map<Id, number>();
  private readonly asked = new Map<Id, { at: number; times: number }>();

  constructor(private readonly wire: Asking, private readonly now: () => number = Date.now) {}

  /** After each look at the statistics: who has been missing long enough is asked for. */
  look(missing: readonly Id[]): void {
    for (const seat of [...this.looks.keys(), ...this.asked.keys()]) {
      if (missing.includes(seat)) continue;
      this.looks.delete(seat);
      this.asked.delete(seat);
    }
    for (const seat of missing) {
      const looks = (this.looks.get(seat) ?? 0) + 1;
      this.looks.set(seat, looks);
      if (looks >= LOOKS) this.mend(seat);
    }
  }

  private mend(seat: Id): void {
    const before = this.asked.get(seat);
    if (before && (before.times >= TRIES || this.now() - before.at < AGAIN_AFTER)) return;
    this.asked.set(seat, { at: this.now(), times: (before?.times ?? 0) + 1 });
    // The relay knows both ends: it connects him anew, or tells whose sound does not reach it.
    this.wire.ask("media.unheard", { seat }).catch(() => undefined); // asked again while he is not heard
  }
}
