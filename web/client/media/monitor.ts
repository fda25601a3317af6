// Looks at the statistics every three seconds and says how everybody is received, and who is not heard at all.
import { batch, computed, signal } from "@preact/signals";
import type { Grade, Id, Judged } from "../live/wire";
import type { PublishLink } from "./publish";
import type { SubscribeLink } from "./subscribe";
import {
  grade, heardSeats, isBad, look, lossReceived, lossSent, ownMark, rttOf, rungIn, seatMark, statsOf,
  type Heard, type Mark, type Measured, type Own,
} from "./quality";

interface Numbers {
  rtt: number | null;
  up: number;
  down: number;
  rung: Own["rung"];
  upGrade: Grade;
  downGrade: Grade;
}

export class Monitor {
  /** What the relay says of everybody's connections; kept until it says something else. */
  readonly told = signal<Record<Id, Judged>>({});
  readonly heard = signal<Record<Id, Heard>>({});
  private readonly numbers = signal<Numbers | null>(null);
  /** My own line, once it has been bad for two looks; gone when it has been well for two. */
  readonly trouble = signal<Own | null>(null);
  private badFor = 0; // looks; below zero: well for so many
  private last: Measured | null = null;

  constructor(private readonly me: () => Id | undefined) {}

  readonly own = computed<Own | null>(() => {
    const numbers = this.numbers.value;
    if (!numbers) return null;
    const { rtt, up, down, rung, upGrade, downGrade } = numbers;
    return { rtt, up, down, rung, ...ownMark(upGrade, downGrade, this.told.value[this.me() ?? ""]) };
  });

  /** Null: nothing is received of him, and nothing is known. */
  mark(seat: Id): Mark | null {
    const heard = this.heard.value[seat];
    const told = this.told.value[seat];
    if (!heard && !told) return null;
    return seatMark(heard?.grade ?? "excellent", told, this.numbers.value?.downGrade ?? "excellent");
  }

  async measure(publish: PublishLink | null, subscribe: SubscribeLink | null): Promise<void> {
    const [sent, received] = [publish ? await statsOf(publish.pc) : [], subscribe ? await statsOf(subscribe.pc) : []];
    const slots = subscribe?.slots.value ?? [];
    const now = look(slots, received, this.last);
    const [up, down] = [lossSent(sent), lossReceived(now, this.last)];
    const rtt = rttOf(sent) ?? rttOf(received);
    const lost = (link: PublishLink | SubscribeLink | null): boolean => link !== null && link.state.value !== "connected";
    batch(() => {
      this.heard.value = heardSeats(slots, now, this.last);
      this.numbers.value = publish || subscribe ? {
        rtt, up, down, rung: rungIn(sent) ?? rungIn(received),
        upGrade: lost(publish) ? "lost" : grade(up, rtt),
        downGrade: lost(subscribe) ? "lost" : grade(down, rtt),
      } : null;
    });
    this.last = now;
    this.judge();
  }

  private judge(): void {
    const own = this.own.value;
    const bad = own !== null && isBad(own.grade);
    this.badFor = bad ? Math.max(1, this.badFor + 1) : Math.min(-1, this.badFor - 1);
    if (this.badFor >= 2) this.trouble.value = own;
    else if (this.badFor <= -2) this.trouble.value = null;
  }
}
