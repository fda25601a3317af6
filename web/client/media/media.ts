// Keeps both connections of the person alive: starts them, follows the relay, rebuilds what broke.
import { computed, effect, signal } from "@preact/signals";
import { delay } from "../live/backoff";
import type { Live } from "../live/socket";
import type { Id, Slot, Source } from "../live/wire";
import type { Capture } from "./capture";
import type { Link, MediaState } from "./link";
import { PublishLink } from "./publish";
import { Loudspeaker } from "./loudspeaker";
import { SubscribeLink, type Received } from "./subscribe";
import { measure, type Measured, type Quality } from "./quality";

const INTERRUPTED_FOR = 6_000; // milliseconds an interrupted connection may take to come back by itself
const MEASURE_EVERY = 3_000;

const NOBODY: Received = new Map();

export class Media {
  readonly publish = signal<PublishLink | null>(null);
  readonly subscribe = signal<SubscribeLink | null>(null);
  readonly speaker = new Loudspeaker();
  readonly quality = signal<Quality>({ own: null, seats: {} });
  /** The relay could not be asked, or refused; told until a connection stands. */
  readonly failing = signal(false);
  readonly received = computed<Received>(() => this.subscribe.value?.received.value ?? NOBODY);
  readonly state = computed<MediaState>(() => this.worst());
  private readonly tries = { publish: 0, subscribe: 0 };
  private readonly rebuilding = { publish: false, subscribe: false };
  private wanted = { publish: false, subscribe: false };
  private timer: ReturnType<typeof setInterval> | undefined;
  private last: Measured | null = null;

  constructor(private readonly live: Live, readonly capture: Capture) {
    live.on<{ slots: Slot[]; epoch?: number }>("media.slots", ({ slots, epoch }) => {
      this.subscribe.value?.assign(slots, epoch);
    });
    live.on("media.moved", () => this.rebuildAll());
    live.on<{ pc: "publish" | "subscribe"; state: string }>("media.state", ({ pc, state }) => {
      if (state === "failed") void this.rebuild(pc);
    });
    capture.onTrack((source, track) => void this.send(source, track));
    effect(() => this.speaker.play(this.subscribe.value?.audio.value ?? []));
  }

  /** Turns the directions on and off; calling it again with the same wish changes nothing. */
  want(publish: boolean, subscribe: boolean): void {
    this.wanted = { publish, subscribe };
    if (publish && !this.publish.value) void this.rebuild("publish");
    if (subscribe && !this.subscribe.value) void this.rebuild("subscribe");
    if (!publish) this.drop("publish");
    if (!subscribe) this.drop("subscribe");
    this.timer ??= setInterval(() => void this.measure(), MEASURE_EVERY);
  }

  /** After the socket came back: the names behind the slots may have changed unheard, so ask anew. */
  resume(): void {
    if (this.subscribe.value) void this.rebuild("subscribe");
    if (this.publish.value && this.publish.value.state.value !== "connected") void this.rebuild("publish");
  }

  rebuildAll(): void {
    for (const name of ["publish", "subscribe"] as const) {
      this.tries[name] = 0;
      void this.rebuild(name);
    }
  }

  close(): void {
    clearInterval(this.timer);
    this.wanted = { publish: false, subscribe: false };
    this.drop("publish");
    this.drop("subscribe");
    this.capture.close();
  }

  private async send(source: Source, track: MediaStreamTrack | null): Promise<void> {
    await this.publish.value?.send(source, track).catch(() => void this.rebuild("publish"));
  }

  private async rebuild(name: "publish" | "subscribe"): Promise<void> {
    if (!this.wanted[name] || this.rebuilding[name]) return;
    this.rebuilding[name] = true;
    try {
      if (this.tries[name] > 0) await new Promise((done) => setTimeout(done, delay(this.tries[name])));
      this.tries[name] += 1;
      await this.live.ready();
      if (this.wanted[name]) await this.build(name);
    } catch {
      this.failing.value = true;
      if (this.live.state.value.is !== "gone") setTimeout(() => void this.rebuild(name), 1_000);
    } finally {
      this.rebuilding[name] = false;
    }
  }

  private async build(name: "publish" | "subscribe"): Promise<void> {
    const link = name === "publish" ? new PublishLink("media", this.live) : new SubscribeLink("media", this.live);
    try {
      if (link instanceof PublishLink) await link.start(this.capture.sent("mic"), this.capture.sent("camera"));
      else await link.start();
    } catch (error) {
      link.close();
      throw error;
    }
    this.drop(name);
    if (link instanceof PublishLink) {
      this.publish.value = link;
      // A device that opened while the offer travelled was told to nobody: say it now.
      for (const source of ["mic", "camera", "screen"] as const) void this.send(source, this.capture.sent(source));
    } else this.subscribe.value = link;
    this.watch(link);
  }

  private watch(link: Link): void {
    let patience: ReturnType<typeof setTimeout> | undefined;
    const stop = link.state.subscribe((state) => {
      clearTimeout(patience);
      if (this[link.name].peek() !== link) return queueMicrotask(() => stop());
      if (state === "connected") {
        this.tries[link.name] = 0;
        this.failing.value = false;
      }
      if (state === "failed") void this.rebuild(link.name);
      if (state === "interrupted") patience = setTimeout(() => void this.rebuild(link.name), INTERRUPTED_FOR);
    });
  }

  private drop(name: "publish" | "subscribe"): void {
    this[name].value?.close();
    this[name].value = null;
  }

  private worst(): MediaState {
    const states = [this.publish.value, this.subscribe.value].flatMap((link) => (link ? [link.state.value] : []));
    for (const state of ["failed", "interrupted", "connecting", "new"] as const) {
      if (states.includes(state)) return state;
    }
    return states.length > 0 ? "connected" : "new";
  }

  private async measure(): Promise<void> {
    const now = await measure(this.publish.value, this.subscribe.value, this.last);
    this.last = now.measured;
    this.quality.value = now.quality;
  }

  /** True while the seat's microphone is on elsewhere and nothing of it has arrived for two measurements. */
  unheard(seat: Id): boolean {
    return this.quality.value.seats[seat]?.audio === "silent";
  }
}
