// The drafts this browser has open; they hear the room's updates and come back after a break.
import { effect } from "@preact/signals";
import type { Live } from "../live/socket";
import type { Id } from "../live/wire";
import { Draft } from "./draft";

export class Drafts {
  private readonly open = new Map<Id, Draft>();

  constructor(private readonly live: Live) {
    live.on<{ protocol: Id; update: string }>("draft.update", ({ protocol, update }) => {
      this.open.get(protocol)?.receive(update);
    });
    live.on<{ protocol: Id }>("draft.closed", ({ protocol }) => this.open.get(protocol)?.freeze());
    effect(() => {
      if (live.state.value.is === "live") return;
      for (const draft of this.open.values()) draft.offline();
    });
  }

  /** The draft of a protocol, opened on first use. One that froze and was taken back (`drafting`) is opened anew. */
  of(protocol: Id, drafting: boolean): Draft {
    const here = this.open.get(protocol);
    if (here && !(drafting && here.state.peek() === "frozen")) return here;
    const draft = new Draft(protocol, this.live);
    this.open.set(protocol, draft);
    void this.live.ready().then(() => draft.open()).catch(() => draft.offline());
    return draft;
  }

  /** No longer on the stage. What has not reached the server yet stays and is sent. */
  leave(protocol: Id): void {
    const here = this.open.get(protocol);
    if (!here || !["saved", "frozen"].includes(here.state.peek())) return;
    this.open.delete(protocol);
    this.live.ask("draft.close", { protocol }).catch(() => undefined); // the server forgets it with the connection
  }

  /** After a reconnection. */
  async resume(): Promise<void> {
    await this.live.ready();
    await Promise.all([...this.open.values()].map((draft) => draft.open().catch(() => draft.offline())));
  }
}
