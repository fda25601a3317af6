// One's own dissenting opinion on one item: saved as it is written, in order, whatever the stage shows meanwhile.
import { signal } from "@preact/signals";
import { Refused, type Id, type OwnDissent } from "../../live/wire";

export type OpinionState = "clean" | "waiting" | "saving" | "saved" | "failed";

export interface OpinionWire {
  command(name: string, fields: Record<string, unknown>): Promise<Record<string, unknown>>;
}

const PAUSE = 900; // milliseconds without typing after which the text is saved

export class Opinion {
  readonly text = signal("");
  readonly state = signal<OpinionState>("clean");
  private revision = 0;
  private timer: ReturnType<typeof setTimeout> | undefined;
  private saving = false;

  constructor(
    readonly item: Id,
    private readonly wire: OpinionWire,
    private readonly refuse: (error: unknown) => void,
    private readonly pause = PAUSE,
  ) {}

  /** What the server has. It takes the place of the own text only while nothing here is unsaved. */
  known(saved: OwnDissent | undefined): void {
    if (saved) this.revision = Math.max(this.revision, saved.revision);
    if (this.state.peek() !== "clean" || !saved || saved.withdrawn) return;
    this.text.value = saved.text;
    this.state.value = "saved";
  }

  write(text: string, ballot: Id | null): void {
    this.text.value = text;
    this.state.value = "waiting";
    clearTimeout(this.timer);
    this.timer = setTimeout(() => void this.save(ballot), this.pause);
  }

  /** After the withdrawal was acknowledged. */
  withdrawn(): void {
    clearTimeout(this.timer);
    this.text.value = "";
    this.state.value = "clean";
  }

  /** One save at a time; what was typed meanwhile is saved after it. */
  async save(ballot: Id | null): Promise<void> {
    if (this.saving) return;
    this.saving = true;
    try {
      while (this.state.value === "waiting" || this.state.value === "failed") {
        const wanted = this.text.value.trim();
        if (!wanted) {
          this.state.value = "clean";
          break;
        }
        this.state.value = "saving";
        const fields = { item: this.item, text: wanted, revision: this.revision, ballot };
        const answer = await this.wire.command("dissent.write", fields);
        this.revision = Number(answer.revision);
        if ((this.state.value as OpinionState) === "saving") this.state.value = "saved";
      }
    } catch (error) {
      this.failed(error, ballot);
    } finally {
      this.saving = false;
    }
  }

  /** Written from another window of mine: its revision is taken and mine is saved over it. */
  private failed(error: unknown, ballot: Id | null): void {
    this.state.value = "failed";
    if (error instanceof Refused && error.code === "stale_revision" && Number(error.details.revision) > this.revision) {
      this.revision = Number(error.details.revision);
      this.write(this.text.value, ballot);
    } else this.refuse(error);
  }
}
