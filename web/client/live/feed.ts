// The room's state as the journal tells it: a number, patches in order, and a pull when something is missing.
import { batch, signal } from "@preact/signals";
import type { Patch, RoomEvent, Snapshot, SyncAnswer } from "./wire";

export type Step = "apply" | "old" | "gap";

/** What to do with event `seq` when `have` is the last one applied. Null: not of this stream, always applies. */
export function step(have: number, seq: number | null): Step {
  if (seq === null || seq === have + 1) return "apply";
  return seq <= have ? "old" : "gap";
}

/** What stands for a section that is not there: nothing, in the section's shape. */
const NOTHING = {
  people: [],
  lobby: [],
  agenda: [],
  case: null,
  view: { document: null, page: 1, presenter: null },
  floor: { seat: null, since: null, hands: [] },
  quorum: { present: 0, need: 0, total: 0, reached: false },
  decision: { item: null, resolutions: [], ballot: null, results: [], dissents: [] },
  chat: [],
  protocols: [],
} satisfies Partial<Snapshot>;

/** Patches replace whole top-level sections. */
export function patched(snapshot: Snapshot, patch: Patch | undefined): Snapshot {
  if (!patch) return snapshot;
  const next: Record<string, unknown> = { ...snapshot };
  for (const [section, value] of Object.entries(patch)) {
    next[section] = value ?? NOTHING[section as keyof typeof NOTHING];
  }
  return next as unknown as Snapshot;
}

function whole(sections: Patch): Snapshot {
  return patched(NOTHING as unknown as Snapshot, sections);
}

type Sync = (since: number) => Promise<SyncAnswer>;
type Listener = (event: RoomEvent, missed: boolean) => void;

export class Feed {
  readonly snapshot = signal<Snapshot | null>(null);
  seq = 0;
  private syncing: Promise<void> | null = null;
  private held: RoomEvent[] = [];
  private readonly listeners: Listener[] = [];
  private readonly pulled: ((answer: SyncAnswer) => void)[] = [];
  private readonly before: ((next: Snapshot) => void)[] = [];

  constructor(private readonly ask: Sync) {}

  /** Called after an event has been applied; `missed` for those pulled after a gap. */
  onEvent(listener: Listener): void {
    this.listeners.push(listener);
  }

  /** Called after a whole state was pulled and shown, with what came beside it. */
  onPull(listener: (answer: SyncAnswer) => void): void {
    this.pulled.push(listener);
  }

  /** Called before a new state is shown: the place to drop what may not stay on the screen. */
  beforeChange(listener: (next: Snapshot) => void): void {
    this.before.push(listener);
  }

  receive(event: RoomEvent): void {
    const snapshot = this.snapshot.value;
    if (this.syncing || !snapshot) {
      this.held.push(event);
      if (!this.syncing) void this.pull();
      return;
    }
    const todo = step(this.seq, event.seq);
    if (todo === "gap") {
      this.held.push(event);
      void this.pull();
    } else if (todo === "apply") {
      if (event.seq !== null) this.seq = event.seq;
      this.show(patched(snapshot, event.patch));
      this.tell(event, false);
    }
  }

  /** The head said every three seconds: a number above ours means that something was lost on the way. */
  head(seq: number): void {
    if (seq > this.seq && !this.syncing) void this.pull();
  }

  /** Asks for a whole snapshot and what was missed. One at a time; failures leave the next head to try. */
  pull(): Promise<void> {
    this.syncing ??= this.pullOnce().finally(() => {
      this.syncing = null;
      const held = this.held.splice(0);
      if (this.snapshot.value) for (const event of held) this.receive(event);
    });
    return this.syncing;
  }

  private async pullOnce(): Promise<void> {
    const answer = await this.ask(this.seq).catch(() => null);
    if (!answer) return;
    this.seq = answer.seq;
    this.show(whole(answer.snapshot));
    for (const listener of this.pulled) listener(answer);
    for (const event of answer.missed) this.tell(event, true);
  }

  private show(next: Snapshot): void {
    for (const listener of this.before) listener(next);
    batch(() => {
      this.snapshot.value = next;
    });
  }

  private tell(event: RoomEvent, missed: boolean): void {
    for (const listener of this.listeners) listener(event, missed);
  }
}
