// What both peer connections share: no foreign ICE servers, candidates by trickle, a state, one close.
import { signal } from "@preact/signals";

export type LinkName = "publish" | "subscribe";
export type MediaState = "new" | "connecting" | "connected" | "interrupted" | "failed";

/** The messages a connection needs. `prefix` is media (the room) or probe (an echo room of one's own). */
export interface Wire {
  ask<T>(name: string, payload: Record<string, unknown>): Promise<T>;
}

const GATHER_WITHIN = 1_500; // milliseconds; without foreign servers there is nothing slow to ask

/** Names that only the browser's own network can resolve are of no use to the relay. */
export function usable(candidate: string): boolean {
  return candidate !== "" && !/\.local\s/.test(candidate);
}

export class Link {
  readonly pc: RTCPeerConnection;
  readonly state = signal<MediaState>("new");
  epoch: number | null = null;
  private held: string[] = [];
  private closed = false;

  constructor(
    readonly name: LinkName,
    readonly prefix: "media" | "probe",
    protected readonly wire: Wire,
  ) {
    this.pc = new RTCPeerConnection({ iceServers: [], bundlePolicy: "max-bundle" });
    this.pc.addEventListener("connectionstatechange", () => this.changed());
    this.pc.addEventListener("icecandidate", ({ candidate }) => {
      if (candidate && usable(candidate.candidate)) this.trickle(candidate.candidate);
    });
  }

  close(): void {
    this.closed = true;
    this.pc.close();
  }

  /** Candidates found before the relay named its epoch are sent once it has. */
  protected answered(epoch: number): void {
    this.epoch = epoch;
    for (const candidate of this.held.splice(0)) this.trickle(candidate);
  }

  /** The own description, with its candidates where they cannot follow one by one (the probe has no such message). */
  protected async described(): Promise<string> {
    if (this.prefix === "probe" && this.pc.iceGatheringState !== "complete") {
      await new Promise<void>((resolve) => {
        this.pc.addEventListener("icegatheringstatechange", () => this.pc.iceGatheringState === "complete" && resolve());
        setTimeout(resolve, GATHER_WITHIN);
      });
    }
    return this.pc.localDescription?.sdp ?? "";
  }

  private trickle(candidate: string): void {
    if (this.closed || this.prefix === "probe") return;
    if (this.epoch === null) this.held.push(candidate);
    else {
      const message = { pc: this.name, candidate, epoch: this.epoch };
      this.wire.ask("media.candidate", message).catch(() => undefined); // the browser's own checks still find the way
    }
  }

  private changed(): void {
    if (this.closed) return;
    const state = this.pc.connectionState;
    if (state === "closed") return;
    this.state.value = state === "disconnected" ? "interrupted" : state;
  }
}
