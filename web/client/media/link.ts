// What both peer connections share: a state, candidates where the relay wants them, one close.
import { signal } from "@preact/signals";
import { pause } from "../live/backoff";

export type LinkName = "publish" | "subscribe";
export type MediaState = "new" | "connecting" | "connected" | "interrupted" | "failed";

/** The messages a connection needs. `prefix` is media (the room) or probe (an echo room of one's own). */
export interface Wire {
  ask<T>(name: string, payload: Record<string, unknown>): Promise<T>;
}

/** A description of the relay, under the incarnation of the room that it is good for. */
export interface Described {
  sdp: string;
  epoch: number;
}

const GATHER_WITHIN = 300; // milliseconds

/** Names that only the browser's own network can resolve are of no use to the relay. */
export function usable(candidate: string): boolean {
  return candidate !== "" && !/\.local\s/.test(candidate);
}

/** A relay with ICE-lite answers checks and makes none: it wants no candidates, and can be moved to another path. */
export function isLite(sdp: string): boolean {
  return /^a=ice-lite\s*$/m.test(sdp);
}

/** Thrown by what was still under way when the connection was closed. */
export class Closed extends Error {}

export abstract class Link {
  readonly pc: RTCPeerConnection;
  readonly state = signal<MediaState>("new");
  epoch: number | null = null;
  /** Whether an ICE restart is worth a try. */
  lite = false;
  private held: string[] = [];
  private closed = false;

  constructor(
    readonly name: LinkName,
    readonly prefix: "media" | "probe",
    protected readonly wire: Wire,
    configuration: RTCConfiguration,
  ) {
    this.pc = new RTCPeerConnection(configuration);
    this.pc.addEventListener("connectionstatechange", () => this.changed());
    this.pc.addEventListener("icecandidate", ({ candidate }) => {
      if (candidate && usable(candidate.candidate)) this.trickle(candidate.candidate);
    });
  }

  /** The same connection over whatever path the network has now. Fails when the relay does not know it any more. */
  abstract restart(): Promise<void>;

  close(): void {
    this.closed = true;
    this.pc.close();
  }

  /** Asks the relay; what comes after the connection was closed is not to be acted upon. */
  protected async asked<T>(name: string, payload: Record<string, unknown>): Promise<T> {
    if (this.closed) throw new Closed();
    const answer = await this.wire.ask<T>(`${this.prefix}.${name}`, payload);
    if (this.closed) throw new Closed();
    return answer;
  }

  /** The own description. Candidates do not hold it up: they follow one by one, but for the probe's, which come soon. */
  protected async described(): Promise<string> {
    for (let waited = 0; this.prefix === "probe" && waited < GATHER_WITHIN && this.pc.iceGatheringState !== "complete"; waited += 50) {
      await pause(50);
    }
    return this.pc.localDescription?.sdp ?? "";
  }

  /** Candidates found before the relay spoke are sent once it has, if it wants them at all. */
  protected answered({ sdp, epoch }: Described): void {
    this.epoch = epoch;
    this.lite = isLite(sdp);
    for (const candidate of this.held.splice(0)) this.trickle(candidate);
  }

  private trickle(candidate: string): void {
    if (this.closed || this.lite || this.prefix === "probe") return;
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
