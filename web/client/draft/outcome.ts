// What the consilium settled on, in this browser: as it was read, as it is typed, and how the two meet the server's.
// Nothing typed is lost: another person's parts are taken over, and where both changed one part the person chooses.
import { signal } from "@preact/signals";
import { command } from "../live/ask";
import { Refused, type Id } from "../live/wire";

export interface Picked {
  readonly name: string;
  readonly code: string;
}

export interface Diagnosis {
  readonly code: string;
  readonly kind: string;
  readonly text: string;
  readonly certainty: string;
  readonly nature: string;
  readonly stage: string;
  readonly tumour: Picked;
  readonly node: Picked;
  readonly metastasis: Picked;
}

export interface Advice {
  readonly kind: string;
  readonly text: string;
  readonly method: Picked;
  readonly stage: number;
  readonly planned_on: string | null;
}

export interface Service {
  readonly name: string;
  readonly code: string;
}

export interface Particulars {
  readonly diagnoses: readonly Diagnosis[];
  readonly clinical_group: Picked;
  readonly advice: readonly Advice[];
  readonly services: readonly Service[];
  readonly complaints: string;
}

export interface Choice {
  readonly code: string;
  readonly name: string;
}

export interface Shown {
  readonly digest: string;
  readonly particulars: Particulars;
  readonly may_edit: boolean;
  readonly places: readonly string[];
  readonly referral: { readonly code: string; readonly text: string };
  readonly choices: Readonly<Record<"kinds" | "certainties" | "natures" | "methods", readonly Choice[]>>;
}

export type Part = keyof Particulars;
export const PARTS: readonly Part[] = ["diagnoses", "clinical_group", "advice", "services", "complaints"];
export const NOTHING: Picked = { name: "", code: "" };
export const MAIN = "1";
export const EMPTY: Particulars = { diagnoses: [], clinical_group: NOTHING, advice: [], services: [], complaints: "" };

export type OutcomeState = "opening" | "empty" | "saved" | "changed" | "saving" | "conflict" | "refused" | "failed";

export interface OutcomeWire {
  read(): Promise<Shown>;
  write(before: string, particulars: Particulars): Promise<{ digest: string }>;
}

const same = (one: unknown, other: unknown): boolean => JSON.stringify(one) === JSON.stringify(other);

/** Three texts become one. `torn`: parts that both changed, each in another way; mine stands in them. */
export function merged(base: Particulars, mine: Particulars, theirs: Particulars): { both: Particulars; torn: Part[] } {
  const both: Record<string, unknown> = {};
  const torn: Part[] = [];
  for (const part of PARTS) {
    const untouched = same(base[part], mine[part]);
    both[part] = untouched ? theirs[part] : mine[part];
    if (!untouched && !same(base[part], theirs[part]) && !same(mine[part], theirs[part])) torn.push(part);
  }
  return { both: both as unknown as Particulars, torn };
}

/** Lines nobody has written anything into are not sent. */
export function trimmed(given: Particulars): Particulars {
  return {
    ...given,
    diagnoses: given.diagnoses.filter((one) => one.code.trim() || one.text.trim()),
    advice: given.advice.filter((one) => one.text.trim() || one.method.name.trim()),
    services: given.services.filter((one) => one.name.trim() || one.code.trim()),
  };
}

export const isEmpty = (given: Particulars): boolean =>
  !given.diagnoses.length && !given.advice.length && !given.services.length && !given.complaints && !given.clinical_group.name;

export function wireOf(protocol: Id): OutcomeWire {
  return {
    async read() {
      const answer = await fetch(`/api/protocol.particulars/${protocol}`, { credentials: "same-origin", headers: { "X-Consilium-Background": "1" } }).catch(() => null);
      if (!answer?.ok) throw new Refused({ code: answer ? "internal" : "offline", message: "" });
      return (await answer.json()) as Shown;
    },
    write: (before, particulars) => command("protocol.particulars", { protocol, before, particulars }),
  };
}

export class Outcome {
  readonly shown = signal<Shown | null>(null);
  readonly mine = signal<Particulars | null>(null);
  readonly state = signal<OutcomeState>("opening");
  /** The field the server names ("diagnoses.0.code") and its sentence. */
  readonly fault = signal<{ field: string; message: string; code: string } | null>(null);
  readonly torn = signal<readonly Part[]>([]);
  private theirs: { digest: string; particulars: Particulars } | null = null;

  constructor(private readonly wire: OutcomeWire) {}

  get dirty(): boolean {
    const [shown, mine] = [this.shown.peek(), this.mine.peek()];
    return shown !== null && mine !== null && !same(shown.particulars, trimmed(mine));
  }

  /** Reads it again; what is typed here stays. */
  async open(): Promise<void> {
    let found: Shown;
    try {
      found = await this.wire.read();
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      if (this.shown.peek() === null) this.state.value = "failed";
      return;
    }
    const before = this.shown.peek();
    const dirty = this.dirty;
    if (before && dirty && found.digest !== before.digest) return this.meet(found.digest, found.particulars, found);
    this.shown.value = found;
    if (!dirty) this.mine.value = found.particulars;
    if (this.state.peek() !== "saving" && this.state.peek() !== "refused") this.settle();
  }

  change(part: Partial<Particulars>): void {
    const mine = this.mine.peek();
    if (!mine) return;
    this.mine.value = { ...mine, ...part };
    this.fault.value = null;
    if (this.state.peek() !== "saving" && this.state.peek() !== "conflict") this.settle();
  }

  async save(): Promise<boolean> {
    const [shown, mine] = [this.shown.peek(), this.mine.peek()];
    if (!shown || !mine || this.state.peek() === "saving") return false;
    const sent = trimmed(mine);
    this.state.value = "saving";
    this.fault.value = null;
    try {
      const { digest } = await this.wire.write(shown.digest, sent);
      this.shown.value = { ...shown, digest, particulars: sent };
      if (same(this.mine.peek(), mine)) this.mine.value = sent;
      this.torn.value = [];
      this.settle();
      return true;
    } catch (error) {
      this.failed(error);
      return false;
    }
  }

  /** Back to what stands on the server. */
  drop(): void {
    const shown = this.shown.peek();
    if (!shown) return;
    this.mine.value = shown.particulars;
    this.fault.value = null;
    this.torn.value = [];
    this.settle();
  }

  /** After a conflict: the other person's words stand in the parts that both changed. */
  takeTheirs(): void {
    const [mine, theirs] = [this.mine.peek(), this.theirs];
    if (!mine || !theirs) return;
    const taken = Object.fromEntries(this.torn.peek().map((part) => [part, theirs.particulars[part]]));
    this.mine.value = { ...mine, ...taken };
    this.torn.value = [];
    this.settle();
  }

  /** After a conflict: my words stand, and are sent over the others' only by the next save. */
  keepMine(): void {
    this.torn.value = [];
    this.settle();
  }

  private settle(): void {
    const shown = this.shown.peek();
    if (this.torn.peek().length) this.state.value = "conflict";
    else if (this.dirty) this.state.value = "changed";
    else this.state.value = shown && isEmpty(shown.particulars) ? "empty" : "saved";
  }

  private meet(digest: string, theirs: Particulars, found?: Shown): void {
    const [shown, mine] = [this.shown.peek(), this.mine.peek()];
    if (!shown || !mine) return;
    const { both, torn } = merged(shown.particulars, mine, theirs);
    this.theirs = { digest, particulars: theirs };
    this.shown.value = { ...shown, ...found, digest, particulars: theirs };
    this.mine.value = both;
    this.torn.value = torn;
    this.settle();
  }

  private failed(error: unknown): void {
    if (!(error instanceof Refused)) throw error;
    const details = error.details as { field?: string; digest?: string; current?: Particulars };
    if (error.code === "stale_revision" && details.current && details.digest) {
      this.meet(details.digest, details.current);
      return;
    }
    this.fault.value = { field: details.field ?? "", message: error.message, code: error.code };
    this.state.value = "refused";
  }
}

const opened = new Map<Id, Outcome>();

/** One for each protocol of this page: what is typed stays while the stage shows something else. */
export function outcomeOf(protocol: Id): Outcome {
  if (opened.size === 0) addEventListener("beforeunload", leaving);
  const outcome = opened.get(protocol) ?? new Outcome(wireOf(protocol));
  opened.set(protocol, outcome);
  return outcome;
}

function leaving(event: BeforeUnloadEvent): void {
  if ([...opened.values()].some((one) => one.dirty)) event.preventDefault();
}
