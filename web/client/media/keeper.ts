// Keeps one connection alive: builds it, moves it to another network path, builds it anew when that is not enough.
import { signal } from "@preact/signals";
import { delay, pause } from "../live/backoff";
import type { Link } from "./link";

export const INTERRUPTED_FOR = 1_500; // milliseconds an interrupted connection may take to come back by itself
const HEAL_WITHIN = 3_000;
const CONNECT_WITHIN = 10_000;
const LOOK_EVERY = 1_000;
const SILENT_LOOKS = 4; // Chromium's checks of consent are 2.5 s apart, so this long a silence is no pause
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
    void this.listen(link);
    this.taken(link);
  }

  /** The browser takes five seconds and more to call a dead path interrupted: silence is heard sooner. */
  private async listen(link: L): Promise<void> {
    let [before, silent] = [0, 0];
    while (this.link.peek() === link) {
      await pause(LOOK_EVERY);
      if (link.state.value !== "connected" || this.healing) continue;
      const now = await heard(link);
      silent = now.sure && now.sum === before ? silent + 1 : 0;
      before = now.sum;
      if (silent < SILENT_LOOKS) continue;
      silent = 0;
      await this.heal();
    }
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

/** Fields of a candidate pair that grow with every packet that comes, answers to checks among them where they are told. */
const GROWING = ["bytesReceived", "packetsReceived", "responsesReceived", "lastPacketReceivedTimestamp"];

/** How far they have grown. Not `sure`: the browser does not tell of its checks, so that silence proves nothing. */
async function heard({ pc }: Link): Promise<{ sum: number; sure: boolean }> {
  let [sum, sure] = [0, false];
  (await pc.getStats()).forEach((one: Stat) => {
    if (one.type !== "candidate-pair") return;
    for (const field of GROWING) sum += Number(one[field] ?? 0);
    sure ||= one.responsesReceived !== undefined;
  });
  return { sum, sure };
}

/** Whether anything comes from the relay within `limit` milliseconds. */
async function flows(link: Link, limit: number): Promise<boolean> {
  let { sum: before } = await heard(link);
  for (let waited = 0; waited < limit; waited += 100) {
    await pause(100);
    const { state } = link;
    if (state.value === "failed" || link.pc.connectionState === "closed") return false;
    const { sum } = await heard(link);
    if (state.value === "connected" && sum > before) return true;
    before = Math.min(before, sum); // pairs that were given up take theirs along
  }
  return false;
}
