// Both connections of the person, what is sent and shown over them, and how they follow the relay.
import { computed, effect, signal } from "@preact/signals";
import { pause } from "../live/backoff";
import type { Live } from "../live/socket";
import { Refused, SOURCES, type Id, type Judged, type Slot, type Source } from "../live/wire";
import type { Capture } from "./capture";
import { Keeper } from "./keeper";
import type { MediaState } from "./link";
import { Loudspeaker } from "./loudspeaker";
import { Monitor } from "./monitor";
import { PublishLink } from "./publish";
import { every, Servers } from "./servers";
import { SubscribeLink, type Received } from "./subscribe";
import { View } from "./view";

const MEASURE_EVERY = 3_000;
const VIEW_AFTER = 150; // milliseconds a page may go on changing before the relay is told
const VIEW_EVERY = 300;

const NOBODY: Received = new Map();

export class Media {
  readonly speaker = new Loudspeaker();
  readonly monitor: Monitor;
  readonly servers: Servers;
  readonly publish: Keeper<PublishLink>;
  readonly subscribe: Keeper<SubscribeLink>;
  readonly view = new View(() => this.viewChanged());
  readonly received = computed<Received>(() => this.subscribe.link.value?.received.value ?? NOBODY);
  readonly failing = computed(() => this.publish.failing.value || this.subscribe.failing.value);
  readonly state = computed<MediaState>(() => this.worst());
  private timer: ReturnType<typeof setInterval> | undefined;
  private readonly measured: (() => void)[] = [];
  private telling = false;
  private viewIsNew = false;
  private viewTold = "";
  private readonly ended = signal(false);

  constructor(private readonly live: Live, readonly capture: Capture, me: () => Id | undefined) {
    this.monitor = new Monitor(me);
    this.servers = new Servers(live);
    this.publish = new Keeper(live, () => this.newPublish(), (link) => link.start(this.sent()), () => this.sendAgain());
    this.subscribe = new Keeper(live, () => this.newSubscribe(), (link) => link.start(), () => this.viewAgain());
    this.follow();
    capture.onTrack((source, track) => void this.send(source, track));
    effect(() => this.speaker.play(this.subscribe.link.value?.audio.value ?? []));
    effect(() => { if (this.subscribe.link.value?.slots.value) this.viewChanged(); });
  }

  /** Turns the directions on and off; calling it again with the same wish changes nothing. */
  want(publish: boolean, subscribe: boolean): void {
    this.publish.want(publish);
    this.subscribe.want(subscribe);
    this.timer ??= setInterval(() => void this.measure(), MEASURE_EVERY);
  }

  /** Called after each look at the statistics. */
  onMeasured(listener: () => void): void {
    this.measured.push(listener);
  }

  /** After the socket came back: what the relay said meanwhile was not heard, so it is asked. */
  resume(): void {
    void this.servers.get();
    void this.resumeSubscribe();
    if (this.publish.link.value?.state.value !== "connected") void this.publish.heal();
  }

  rebuildAll(): void {
    this.publish.rebuild();
    this.subscribe.rebuild();
  }

  close(): void {
    clearInterval(this.timer);
    this.ended.value = true;
    this.publish.want(false);
    this.subscribe.want(false);
    this.capture.close();
  }

  private follow(): void {
    this.live
      .on<{ slots: Slot[]; epoch?: number }>("media.slots", ({ slots, epoch }) => this.subscribe.link.value?.assign(slots, epoch))
      .on("media.moved", () => this.rebuildAll())
      .on<{ pc: "publish" | "subscribe"; state: string }>("media.state", ({ pc, state }) => {
        if (state === "failed") this[pc].rebuild();
      })
      .on<{ source: Source; wanted: string[] }>("media.layers", ({ source, wanted }) => {
        void this.publish.link.value?.layers(source, wanted);
      })
      .on<{ seats: Record<Id, Judged> }>("media.quality", ({ seats }) => {
        this.monitor.told.value = { ...this.monitor.told.value, ...seats };
      });
    const moved = (): void => {
      void this.publish.check();
      void this.subscribe.check();
    };
    addEventListener("online", moved);
    (navigator as { connection?: EventTarget }).connection?.addEventListener("change", moved);
  }

  private async newPublish(): Promise<PublishLink> {
    return new PublishLink("media", this.live, every(await this.servers.get()));
  }

  private async newSubscribe(): Promise<SubscribeLink> {
    return new SubscribeLink("media", this.live, every(await this.servers.get()));
  }

  private sent(): Partial<Record<Source, MediaStreamTrack | null>> {
    return Object.fromEntries(SOURCES.map((source) => [source, this.capture.sent(source)]));
  }

  private async send(source: Source, track: MediaStreamTrack | null): Promise<void> {
    const link = this.publish.link.value;
    await link?.send(source, track).catch(() => this.publish.link.value === link && this.publish.rebuild());
  }

  /** A device that opened while the offer travelled was told to nobody: say it now. */
  private sendAgain(): void {
    for (const source of SOURCES) void this.send(source, this.capture.sent(source));
  }

  private viewAgain(): void {
    this.viewTold = "";
    this.viewChanged();
  }

  private viewChanged(): void {
    this.viewIsNew = true;
    if (!this.telling && !this.ended.peek()) void this.tellView();
  }

  /** The newest state last, and never two on their way. */
  private async tellView(): Promise<void> {
    this.telling = true;
    await pause(VIEW_AFTER);
    while (this.viewIsNew) {
      this.viewIsNew = false;
      await this.sayView();
      await pause(VIEW_EVERY);
    }
    this.telling = false;
  }

  private async sayView(): Promise<void> {
    const link = this.subscribe.link.peek();
    if (!link || link.epoch === null) return;
    const message = { tiles: this.view.tiles(link.slots.peek()), epoch: link.epoch };
    const saying = JSON.stringify(message);
    if (saying === this.viewTold || Object.keys(message.tiles).length === 0) return;
    this.viewTold = saying;
    await this.live.ask("media.view", message).catch((error: unknown) => {
      // Unheard or too often: said again with the next change. An older relay has no such question and sends all.
      if (!(error instanceof Refused) || error.code !== "media_refused") this.viewTold = "";
    });
  }

  private async resumeSubscribe(): Promise<void> {
    const link = this.subscribe.link.value;
    if (!link || link.epoch === null) return;
    try {
      const message = { tiles: this.view.tiles(link.slots.value), epoch: link.epoch };
      const { slots } = await this.live.ask<{ slots: Slot[] }>("media.view", message);
      if (this.subscribe.link.value === link) link.assign(slots, link.epoch);
      if (link.state.value !== "connected") await this.subscribe.heal();
    } catch {
      if (this.subscribe.link.value === link) this.subscribe.rebuild();
    }
  }

  private async measure(): Promise<void> {
    await this.monitor.measure(this.publish.link.value, this.subscribe.link.value);
    for (const listener of this.measured) listener();
  }

  private worst(): MediaState {
    const states = [this.publish.link.value, this.subscribe.link.value].flatMap((link) => (link ? [link.state.value] : []));
    for (const state of ["failed", "interrupted", "connecting", "new"] as const) {
      if (states.includes(state)) return state;
    }
    return states.length > 0 ? "connected" : "new";
  }
}
