// One protocol's draft in this browser: the shared texts, what has not reached the database yet, and its state.
import { signal } from "@preact/signals";
import * as Y from "yjs";
import { Refused, type Id } from "../live/wire";
import { decode, encode } from "./base64";

export type Saved = "opening" | "saved" | "saving" | "offline" | "frozen" | "refused";

export interface Opened {
  update: string;
  frozen: boolean;
  sections: string[];
}

/** The messages a draft needs of the connection. */
export interface DraftWire {
  ask<T>(name: string, payload: Record<string, unknown>): Promise<T>;
  command(name: string, fields: Record<string, unknown>): Promise<Record<string, unknown>>;
}

const SERVER = Symbol("from the server");
const MOST = 44_000; // bytes of one update; the server takes 45 000
const NOTHING = 2; // bytes of an update that says nothing

export class Draft {
  readonly document = new Y.Doc();
  readonly sections = signal<string[]>([]);
  readonly state = signal<Saved>("opening");
  readonly refusal = signal("");
  private waiting: Uint8Array[] = [];
  private sending = false;

  constructor(readonly protocol: Id, private readonly wire: DraftWire) {
    this.document.on("update", (update: Uint8Array, origin: unknown) => {
      if (origin !== SERVER) this.push(update);
    });
  }

  text(section: string): Y.Text {
    return this.document.getText(section);
  }

  /** Opens, or opens again after a break: takes what others wrote, then sends what the server does not have. */
  async open(): Promise<void> {
    const opened = await this.wire.ask<Opened>("draft.open", { protocol: this.protocol });
    const known = decode(opened.update);
    Y.applyUpdate(this.document, known, SERVER);
    this.sections.value = opened.sections;
    if (opened.frozen) return this.freeze();
    const mine = Y.encodeStateAsUpdate(this.document, Y.encodeStateVectorFromUpdate(known));
    this.waiting = mine.length > NOTHING ? [mine] : [];
    this.state.value = this.waiting.length > 0 || this.sending ? "saving" : "saved";
    await this.flush();
  }

  /** Somebody else's update, or one's own coming back. */
  receive(update: string): void {
    Y.applyUpdate(this.document, decode(update), SERVER);
  }

  freeze(): void {
    this.waiting = [];
    this.state.value = "frozen";
  }

  offline(): void {
    if (this.state.value !== "frozen") this.state.value = "offline";
  }

  private push(update: Uint8Array): void {
    if (this.state.value === "frozen") return;
    this.waiting.push(update);
    if (this.state.value !== "offline" && this.state.value !== "opening") void this.flush();
  }

  /** One update at a time; what was typed meanwhile goes as one more. */
  private async flush(): Promise<void> {
    if (this.sending || this.waiting.length === 0) return;
    this.sending = true;
    try {
      while (this.waiting.length > 0 && this.state.value !== "frozen") {
        this.state.value = "saving";
        const batch = this.take();
        await this.wire.command("protocol.write", { protocol: this.protocol, update: encode(batch) });
      }
      if (this.state.value === "saving") this.state.value = "saved";
    } catch (error) {
      this.failed(error);
    } finally {
      this.sending = false;
    }
  }

  private take(): Uint8Array {
    const batch: Uint8Array[] = [];
    let bytes = 0;
    while (this.waiting[0] && (batch.length === 0 || bytes + this.waiting[0].length < MOST)) {
      const next = this.waiting.shift() as Uint8Array;
      bytes += next.length;
      batch.push(next);
    }
    return batch.length === 1 ? (batch[0] as Uint8Array) : Y.mergeUpdates(batch);
  }

  private failed(error: unknown): void {
    if (!(error instanceof Refused)) throw error;
    if (error.code === "draft_frozen") return this.freeze();
    if (error.code === "unknown" || error.code === "left") return this.offline();
    this.refusal.value = error.code;
    this.state.value = "refused";
  }
}
