// The room as this browser holds it: the wire, the journal's state, media, and what the person is looking at.
import { computed, effect, signal, untracked } from "@preact/signals";
import { Drafts } from "../draft/drafts";
import { pause } from "../live/backoff";
import { Feed } from "../live/feed";
import { Live } from "../live/socket";
import { refusal, t } from "../live/words";
import {
  Refused, SOURCES, type Id, type Layout, type Presence, type Proof, type ProtocolEvent, type RoomEvent, type Speakers, type SyncAnswer,
} from "../live/wire";
import { Capture } from "../media/capture";
import { Hearing, unheard } from "../media/hearing";
import { Media } from "../media/media";
import { Viewer } from "../viewer/viewer";
import { saying } from "./announce";
import { Opinion } from "./decision/opinion";
import { proof } from "./recorded";
import { listenForSilence } from "./silence";
import { may, personAt } from "./select";

export type Side = "people" | "hands" | "chat" | "lobby" | "agenda";

export interface Notice {
  id: number;
  text: string;
  code?: string;
  bad: boolean;
}

export class Room {
  readonly live: Live;
  readonly feed: Feed;
  readonly capture = new Capture();
  readonly media: Media;
  readonly viewer: Viewer;
  readonly drafts: Drafts;
  readonly presence = signal<Record<Id, Presence>>({});
  readonly speakers = signal<Speakers>({ loudest: null, levels: {} });
  readonly ownView = signal<Layout | null>(null);
  readonly side = signal<Side>("people");
  readonly sideOpen = signal(matchMedia("(min-width: 1000px)").matches);
  readonly help = signal(false);
  readonly palette = signal(false);
  /** The dialog of everything that can be shown besides the face. */
  readonly showing = signal(false);
  /** Which of the things shown stands large here: seat and source. */
  readonly enlarged = signal("");
  /** Whose connection is being looked at. */
  readonly lookingAt = signal<Id | null>(null);
  /** The resolution being reworded here. */
  readonly rewording = signal<Id | null>(null);
  readonly notices = signal<Notice[]>([]);
  readonly said = signal("");
  readonly busy = signal<ReadonlySet<string>>(new Set());
  readonly unread = signal(0);
  readonly now = signal(Date.now());
  private clockOffset = 0;
  private noticeNumber = 0;
  private told = "";
  private telling = false;
  private readonly opinions = new Map<Id, Opinion>();

  readonly snapshot;
  readonly layout = computed<Layout>(() => this.ownView.value ?? this.snapshot.value?.consilium.layout ?? "discussion");
  /** Admitted, and the chair has opened the room. */
  readonly inside = computed(() => {
    const snapshot = this.snapshot.value;
    return snapshot?.me.admission === "admitted" && snapshot.consilium.status === "open";
  });

  constructor(readonly consilium: Id) {
    this.live = new Live(consilium);
    this.feed = new Feed((since) => this.live.ask<SyncAnswer>("room.sync", { since }));
    this.snapshot = this.feed.snapshot;
    this.media = new Media(this.live, this.capture, () => this.snapshot.value?.me.seat);
    this.viewer = new Viewer(this);
    this.drafts = new Drafts(this.live);
    this.listen();
    this.react();
    setInterval(() => { this.now.value = Date.now() + this.clockOffset; }, 1_000);
  }

  start(): void {
    this.live.start();
  }

  /** Sends a command; a refusal becomes a notice in words. True when it was done. */
  async act(name: string, fields: Record<string, unknown> = {}): Promise<boolean> {
    this.mark(name, true);
    try {
      await this.live.command(name, fields);
      return true;
    } catch (error) {
      this.refuse(error);
      return false;
    } finally {
      this.mark(name, false);
    }
  }

  refuse(error: unknown): void {
    if (!(error instanceof Refused)) throw error;
    if (error.code === "left" || this.live.state.value.is === "gone") return;
    const details = error.details as Record<string, string | number>;
    this.notify(refusal(error.code, error.message, details), true, error.code);
  }

  notify(text: string, bad = false, code?: string): void {
    const id = (this.noticeNumber += 1);
    const notice: Notice = code ? { id, text, bad, code } : { id, text, bad };
    this.notices.value = [...this.notices.value.slice(-3), notice];
    setTimeout(() => this.dismiss(id), bad ? 12_000 : 7_000);
  }

  dismiss(id: number): void {
    this.notices.value = this.notices.value.filter((one) => one.id !== id);
  }

  say(text: string): void {
    this.said.value = this.said.value === text ? `${text}\u00a0` : text;
  }

  /** Looks at something: for everybody when it is mine to decide and I am on the common view, else for me. */
  async look(layout: Layout, own = false): Promise<void> {
    const snapshot = this.snapshot.value;
    if (!snapshot) return;
    if (!own && may(snapshot, "layout")) {
      this.ownView.value = null;
      if (snapshot.consilium.layout !== layout) await this.act("layout.set", { layout });
    } else this.ownView.value = layout === snapshot.consilium.layout ? null : layout;
  }

  /** Leaves of one's own will: the stay ends now, not after the grace of a lost connection. */
  async leave(): Promise<void> {
    const answer = { command: crypto.randomUUID(), consilium: this.consilium };
    await this.live.send("room.leave", answer, 3_000).catch(() => null);
    this.close("left");
  }

  /** My dissenting opinion on an item, as far as it is written here. */
  opinion(item: Id): Opinion {
    let found = this.opinions.get(item);
    if (!found) this.opinions.set(item, (found = new Opinion(item, this.live, (error) => this.refuse(error))));
    return found;
  }

  private close(code: string, message = ""): void {
    this.viewer.drop();
    this.media.close();
    this.live.leave(code, message);
  }

  private listen(): void {
    this.live
      .on<RoomEvent>("event", (event) => this.feed.receive(event))
      .on<ProtocolEvent>("protocol.event", (event) => this.feed.receive({ ...event, seq: null }))
      .on<{ seq: number }>("head", ({ seq }) => this.feed.head(seq))
      .on<{ people: Record<Id, Presence> }>("presence", ({ people }) => { this.presence.value = { ...this.presence.value, ...people }; })
      .on<Proof>("recording.health", (proved) => { proof.value = proved; })
      .on<Speakers>("speakers", (speakers) => { this.speakers.value = speakers; })
      .on<{ reason: string }>("room.gone", ({ reason }) => this.close("room_gone", reason))
      .onOpen(() => this.enter());
    this.feed.beforeChange((next) => this.viewer.follow(next));
    this.feed.onPull((answer) => this.pulled(answer));
    this.feed.onEvent((event, missed) => this.heard(event, missed));
    this.capture.onTrack(() => void this.tellPresence());
    listenForSilence(this);
  }

  private async enter(): Promise<void> {
    void this.media.servers.get();
    const entering = { command: crypto.randomUUID(), consilium: this.consilium };
    const answer = await this.live.send("room.enter", entering, 8_000);
    if (!answer.ok && ["not_a_member", "wrong_step", "already_closed"].includes(answer.error.code)) {
      const { code, message } = answer.error;
      return this.close(code, refusal(code, message));
    }
    await this.feed.pull();
    const snapshot = this.snapshot.value;
    if (!snapshot) throw new Error("no snapshot");
    this.clockOffset = Date.parse(snapshot.consilium.server_time) - Date.now();
    void this.drafts.resume();
    this.media.resume();
    this.told = "";
    void this.tellPresence();
  }

  /** Devices and the presenter's place are in nobody's database: they come beside the state. */
  private pulled({ presence, viewer }: SyncAnswer): void {
    this.presence.value = presence ?? {};
    if (viewer) this.viewer.moved(viewer);
  }

  private heard(event: RoomEvent, missed: boolean): void {
    const snapshot = this.snapshot.value;
    if (!snapshot || missed) return;
    if (event.name === "ChatSent" && this.side.value !== "chat") this.unread.value += 1;
    if (event.name === "ParticipantJoined" || event.name === "SeatAdmitted") this.viewer.repeat();
    const said = saying(event, snapshot);
    if (!said) return;
    const text = t(said.key, said.values);
    this.say(text);
    if (said.mine) this.notify(text);
  }

  private react(): void {
    effect(() => {
      const me = this.snapshot.value?.me;
      const inside = this.inside.value;
      this.media.want(Boolean(inside && me?.can.includes("publish")), inside);
    });
    const seen = computed(() => (this.snapshot.value ? this.snapshot.value.me.role !== "observer" : false));
    effect(() => {
      if (seen.value) void untracked(() => this.capture.open());
    });
    effect(() => {
      if (this.inside.value) void untracked(() => this.tellPresence());
    });
    const hearing = new Hearing(this.live);
    this.media.onMeasured(() => hearing.look(this.unheard()));
  }

  private unheard(): Id[] {
    const link = this.media.subscribe.link.value;
    const snapshot = this.snapshot.value;
    if (!snapshot || link?.state.value !== "connected") return [];
    const missing = unheard(this.presence.value, link.slots.value, this.media.monitor.heard.value, snapshot.me.seat);
    return missing.filter((seat) => personAt(snapshot, seat)?.online);
  }

  /** One message at a time, the newest state last: two on their way could arrive the other way round. */
  private async tellPresence(): Promise<void> {
    if (this.telling) return;
    this.telling = true;
    while (this.inside.value && this.told !== this.devices()) {
      const saying = this.devices();
      const answer = await this.live.send("presence.set", JSON.parse(saying) as Record<string, boolean>).catch(() => null);
      if (answer?.ok) this.told = saying;
      else if (answer) await pause(1_000); // told too often
      else break; // told again after the next connection
    }
    this.telling = false;
  }

  private devices(): string {
    const { capture } = this;
    const on = SOURCES.map((source) => [source, source === "mic" ? capture.micOn.value : capture[source].value !== null]);
    return JSON.stringify(Object.fromEntries(on));
  }

  private mark(name: string, on: boolean): void {
    const next = new Set(this.busy.value);
    if (on) next.add(name);
    else next.delete(name);
    this.busy.value = next;
  }
}
