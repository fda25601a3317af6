// Documents on the stage: the presenter's page, zoom, place and pointer are state that everybody redraws.
import { batch, signal } from "@preact/signals";
import type { Feed } from "../live/feed";
import type { Live } from "../live/socket";
import { Refused, type CaseDocument, type Id, type Snapshot, type ViewerMove } from "../live/wire";
import { type PageView, type Point, WHOLE } from "./geometry";
import { DigestMismatch, load, type Loaded } from "./loaded";

export interface Shown extends PageView {
  document: Id;
  page: number;
}

export type Stage =
  | { is: "empty" }
  | { is: "loading"; document: CaseDocument }
  | { is: "failed"; document: CaseDocument; code: "digest_mismatch" | "not_opened"; detail: string }
  | { is: "ready"; loaded: Loaded };

interface Room {
  readonly live: Live;
  readonly feed: Feed;
  act(name: string, fields?: Record<string, unknown>): Promise<boolean>;
}

const SEND_EVERY = 33; // milliseconds; smooth to the eye, and each one is checked against the database
const KEEP = 4; // documents held open; a case rarely has more on the table at once

export class Viewer {
  readonly stage = signal<Stage>({ is: "empty" });
  readonly shown = signal<Shown | null>(null);
  readonly following = signal(true);
  readonly pointer = signal<(Point & { by: Id | null }) | null>(null);
  readonly pointing = signal(true);
  private caseId: Id | null = null;
  private presented: Shown | null = null;
  private readonly held = new Map<Id, Loaded>();
  private abort = new AbortController();
  private sentAt = 0;
  private mine: { move: ViewerMove; frame: number | null } | null = null;

  constructor(private readonly room: Room) {
    room.live.on<ViewerMove>("viewer.move", (move) => this.moved(move));
  }

  private get snapshot(): Snapshot | null {
    return this.room.feed.snapshot.value;
  }

  /** Before a new state is shown: another case (or none) takes every page off the screen and out of memory. */
  follow(next: Snapshot): void {
    if ((next.case?.id ?? null) !== this.caseId) {
      this.drop();
      this.caseId = next.case?.id ?? null;
    }
    const { document, page } = next.view;
    const before = this.presented;
    if (!document || !next.case?.documents.some((one) => one.id === document)) this.presented = null;
    else if (before?.document !== document || before.page !== page) this.presented = { document, page, ...WHOLE };
    if (this.following.value && this.presented !== before) {
      this.pointer.value = null;
      void this.put(this.presented, next);
    }
  }

  /** Everything off: the screen at once, then the memory. */
  drop(): void {
    this.abort.abort();
    this.abort = new AbortController();
    batch(() => {
      this.stage.value = { is: "empty" };
      this.shown.value = null;
      this.pointer.value = null;
      this.following.value = true;
    });
    this.presented = null;
    if (this.mine?.frame) cancelAnimationFrame(this.mine.frame);
    this.mine = null;
    for (const one of this.held.values()) one.drop();
    this.held.clear();
  }

  /** The presenter shows it to all; anybody else opens it for himself. */
  async open(document: Id, leads: boolean, page = 1): Promise<void> {
    if (leads) {
      this.following.value = true;
      await this.room.act("document.show", { document, page });
    } else {
      this.following.value = false;
      await this.put({ document, page, ...WHOLE }, this.snapshot);
    }
  }

  async turn(to: number, leads: boolean): Promise<void> {
    const { stage, shown } = this;
    if (stage.value.is !== "ready" || !shown.value) return;
    const page = Math.min(stage.value.loaded.pages, Math.max(1, to));
    if (page === shown.value.page) return;
    await this.open(shown.value.document, leads, page);
  }

  /** Zoom and place; for all when I lead, otherwise I am on my own from here. */
  look(view: PageView, leads: boolean): void {
    const shown = this.shown.value;
    if (!shown) return;
    if (!leads) this.following.value = false;
    this.shown.value = { ...shown, ...view };
    if (leads) {
      this.presented = this.shown.value;
      this.send(this.mine?.move.pointer ?? null);
    }
  }

  point(at: Point | null, leads: boolean): void {
    if (leads && this.shown.value) this.send(this.pointing.value ? at : null);
  }

  back(): void {
    this.following.value = true;
    void this.put(this.presented, this.snapshot);
  }

  explore(): void {
    this.following.value = false;
  }

  /** Somebody came in: pointers and zoom are in nobody's database, so the presenter says them again. */
  repeat(): void {
    if (this.mine) this.room.live.volatile("viewer.move", this.mine.move);
  }

  /** What the presenter said last; ignored when it speaks of another page than the state does. */
  moved(move: ViewerMove): void {
    const presented = this.presented;
    if (!presented || presented.document !== move.document || presented.page !== move.page) return;
    this.presented = { ...presented, zoom: move.zoom, x: move.x, y: move.y };
    if (!this.following.value) return;
    batch(() => {
      this.shown.value = this.presented;
      this.pointer.value = move.pointer ? { ...move.pointer, by: move.seat ?? this.snapshot?.view.presenter ?? null } : null;
    });
  }

  private send(pointer: Point | null): void {
    const shown = this.shown.value;
    if (!shown) return;
    const frame = this.mine?.frame ?? requestAnimationFrame(() => this.flush());
    this.mine = { move: { ...shown, pointer }, frame };
  }

  private flush(): void {
    if (!this.mine) return;
    if (performance.now() - this.sentAt < SEND_EVERY) {
      this.mine.frame = requestAnimationFrame(() => this.flush());
      return;
    }
    this.mine.frame = null;
    this.sentAt = performance.now();
    this.room.live.volatile("viewer.move", this.mine.move);
  }

  private async put(wanted: Shown | null, snapshot: Snapshot | null): Promise<void> {
    const record = snapshot?.case;
    const document = record?.documents.find((one) => one.id === wanted?.document);
    if (!wanted || !record || !document) {
      batch(() => {
        this.shown.value = null;
        this.stage.value = { is: "empty" };
      });
      return;
    }
    this.shown.value = wanted;
    const here = this.held.get(document.id);
    if (here) {
      this.stage.value = { is: "ready", loaded: here };
      return;
    }
    this.stage.value = { is: "loading", document };
    await this.fetch(record.id, document, this.abort.signal);
  }

  /** The server journals the opening before it gives the first byte (IM-12). */
  private async fetch(record: Id, document: CaseDocument, signal: AbortSignal): Promise<void> {
    const consilium = this.snapshot?.consilium.id ?? "";
    const stillWanted = (): boolean => !signal.aborted && this.shown.value?.document === document.id;
    try {
      const loaded = await load(`/files/${record}/${document.id}?consilium=${consilium}`, document, signal);
      if (signal.aborted) return loaded.drop();
      this.keep(document.id, loaded);
      if (stillWanted()) this.stage.value = { is: "ready", loaded };
    } catch (error) {
      if (!stillWanted()) return;
      const code = error instanceof DigestMismatch ? "digest_mismatch" : "not_opened";
      const detail = error instanceof Refused ? error.code : "";
      this.stage.value = { is: "failed", document, code, detail };
    }
  }

  private keep(id: Id, loaded: Loaded): void {
    this.held.set(id, loaded);
    for (const [other, one] of this.held) {
      if (this.held.size <= KEEP) break;
      if (other === id || other === this.shown.value?.document) continue;
      one.drop();
      this.held.delete(other);
    }
  }
}
