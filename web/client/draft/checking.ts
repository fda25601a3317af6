// What stands in the way of freezing a draft, asked again some time after each change. One question at a time, the
// newest wins; typing never waits for it.
import { signal } from "@preact/signals";
import { post } from "../live/ask";
import { Refused, type Id } from "../live/wire";

export interface Finding {
  readonly code: string;
  readonly field: string;
  readonly place: string;
  readonly text: string;
  readonly severity: "error" | "warning" | "info";
  readonly rule: string;
  readonly path: string;
  readonly official: string;
  readonly href: string;
}

export interface Checked {
  readonly checked: boolean;
  readonly conformant: boolean;
  readonly guide: string;
  readonly rules_fired: number;
  readonly unchecked: readonly string[];
  readonly findings: readonly Finding[];
}

export type CheckState = "checking" | "checked" | "failed";

type Ask = (name: string, fields: Record<string, unknown>) => Promise<Checked>;

const QUIET = 900;
const AGAIN = 5_000;

export class Checking {
  readonly state = signal<CheckState>("checking");
  readonly result = signal<Checked | null>(null);
  private timer: ReturnType<typeof setTimeout> | undefined;
  private running = false;
  private stale = false;
  private closed = false;

  /** `ready`: whether everything typed here is on the server; a check before that would see the old text. */
  constructor(
    private readonly protocol: Id,
    private readonly ready: () => boolean = () => true,
    private readonly ask: Ask = (name, fields) => post<Checked>(name, fields),
    private readonly quiet = QUIET,
  ) {}

  /** Something changed: look some time after the last change. */
  soon(): void {
    if (this.closed) return;
    this.stale = true;
    this.again(this.quiet);
  }

  async now(): Promise<void> {
    if (this.closed) return;
    this.stale = true;
    clearTimeout(this.timer);
    await this.look();
  }

  close(): void {
    this.closed = true;
    clearTimeout(this.timer);
  }

  private again(after: number): void {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => void this.look(), after);
  }

  private async look(): Promise<void> {
    if (this.running || this.closed) return; // the one that runs looks again when it ends
    if (!this.ready()) return this.again(this.quiet);
    this.running = true;
    this.stale = false;
    this.state.value = "checking";
    try {
      const found = await this.ask("protocol.check", { protocol: this.protocol });
      if (!this.closed) this.result.value = found;
      this.state.value = "checked";
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      this.state.value = "failed";
      if (["offline", "busy", "unknown", "rate_limited"].includes(error.code)) this.again(AGAIN);
    } finally {
      this.running = false;
    }
    if (this.stale) this.again(this.quiet);
  }
}
