// Keeps one connection alive: builds it, moves it to another network path, builds it anew when that is not enough.
import { signal } from "@preact/signals";
import { delay, pause } from "../live/backoff";
import type { Link } from "./link";

export const INTERRUPTED_FOR = 1_500; // milliseconds an interrupted connection may take to come back by itself
const HEAL_WITHIN = 3_000;
const CONNECT_WITHIN = 10_000;
const LOOK_FOR = 2_000;

/** Where connections are asked for: resolves when there is a line, rejects when the room is gone for good. */
export interface Line {
  ready(): Promise<void>;
}

export class Keeper<L extends Link> {
  readonly link = signal<L | null>(null);
  /** The relay could not be asked, or refused; told until a connection stands. */
  readonly failing = signal(false);
  private wanted = false;
  private round = 0;
  private tries = 0;
  private underWay: L | null = null;
  private healing = false;
  private timer: ReturnType<typeof setTimeout> | undefined;

  /** `make` gives a connection that has not begun, `begin` negotiates it. */
  constructor(
    private readonly line: Line,
    private readonly make: () => Promise<L>,
    private readonly begin: (link: L) => Promise<void>,
    private readonly taken: (link: L) => void = () => undefined,
  ) {}

  /** Calling it again with the same wish changes nothing. */
  want(on: boolean): void {
    if (on === this.wanted) return;
    this.wanted = on;
    if (on) this.rebuild();
    else this.drop();
  }

  /** At once, and instead of whatever was under way: the relay has moved, or knows this connection no more. */
  rebuild(): void {
    this.tries = 0;
    void this.build();
  }

  /** Over whatever path the network has now, with the keys there are; anew where the relay cannot do that. */
  async heal(): Promise<void> {
    const link = this.link.value;
    if (!link || this.healing || this.underWay) return;
    if (!link.lite || link.state.value === "failed") return this.rebuild();
    const { round } = this;
    this.healing = true;
    clearTimeout(this.timer);
    try {
      await this.line.ready();
      await Promise.race([link.restart(), pause(HEAL_WITHIN).then(() => Promise.reject(new Error("no answer")))]);
      if (!(await flows(link, HEAL_WITHIN)) && round === this.round) this.rebuild();
    } catch {
      if (round === this.round) this.rebuild();
    } finally {
      this.healing = false;
    }
  }

  /** The network has changed under the connection: heals it unless it plainly goes on. */
  async check(): Promise<void> {
    const link = this.link.value;
    const { round } = this;
    if (!link || (link.state.value === "connected" && (await flows(link, LOOK_FOR)))) return;
    if (round === this.round) await this.heal();
  }

  private async build(): Promise<void> {
    const round = (this.round += 1);
    this.abandon();
    while (this.wanted && round === this.round) {
      if (this.tries > 0) await pause(delay(this.tries - 1));
      this.tries += 1;
      if (await this.attempt(round)) return;
    }
  }

  /** True when nothing more is to be done in this round. */
  private async attempt(round: number): Promise<boolean> {
    try {
      await this.line.ready();
    } catch {
      return true; // the room is gone for good
    }
    let link: L | null = null;
    try {
      link = await this.make();
      if (round !== this.round || !this.wanted) throw new Error("overtaken");
      this.underWay = link;
      await this.begin(link);
      if (round !== this.round || !this.wanted) throw new Error("overtaken");
      this.take(link);
      return true;
    } catch {
      link?.close();
      if (round === this.round) {
        this.underWay = null;
        this.failing.value = true;
      }
      return round !== this.round;
    }
  }

  private take(link: L): void {
    const before = this.link.value;
    this.underWay = null;
    this.link.value = link;
    before?.close();
    this.watch(link);
    this.taken(link);
  }

  private watch(link: L): void {
    this.timer = setTimeout(() => link.state.value !== "connected" && this.again(link), CONNECT_WITHIN);
    const stop = link.state.subscribe((state) => {
      if (this.link.peek() !== link) return queueMicrotask(() => stop());
      if (state === "failed") return this.again(link);
      if (state === "connected") {
        this.tries = 0;
        this.failing.value = false;
      }
      if (state !== "connected" && state !== "interrupted") return;
      clearTimeout(this.timer);
      if (state === "interrupted") this.timer = setTimeout(() => void this.heal(), INTERRUPTED_FOR);
    });
  }

  /** Another try, with a pause before it if the last one did not even stand. */
  private again(link: L): void {
    if (this.link.peek() === link && !this.underWay) void this.build();
  }

  private abandon(): void {
    clearTimeout(this.timer);
    this.underWay?.close();
    this.underWay = null;
  }

  private drop(): void {
    this.round += 1;
    this.abandon();
    this.link.value?.close();
    this.link.value = null;
    this.failing.value = false;
  }
}

type Stat = Record<string, number | string | undefined>;

/** Packets of the pair in use so far, consent checks among them; they come even where nobody speaks. */
async function heard({ pc }: Link): Promise<number> {
  let sum = 0;
  (await pc.getStats()).forEach((one: Stat) => {
    if (one.type === "candidate-pair") sum += Number(one.packetsReceived ?? 0) + Number(one.responsesReceived ?? 0);
  });
  return sum;
}

/** Whether anything comes from the relay within `limit` milliseconds. */
async function flows(link: Link, limit: number): Promise<boolean> {
  const before = await heard(link);
  for (let waited = 0; waited < limit; waited += 100) {
    await pause(100);
    const { state } = link;
    if (state.value === "failed" || link.pc.connectionState === "closed") return false;
    if (state.value === "connected" && (await heard(link)) > before) return true;
  }
  return false;
}
