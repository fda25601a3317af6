// What both peer connections share: a state, questions to the relay, one close. The relay is ICE-lite: it hears of the
// browser's addresses from the browser's checks, so no candidate is ever sent and no gathering waited for.
import { signal } from "@preact/signals";

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

/** A relay that only answers checks follows the browser to another network path when asked to. */
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
  private closed = false;

  constructor(
    readonly name: LinkName,
    readonly prefix: "media" | "probe",
    protected readonly wire: Wire,
    configuration: RTCConfiguration,
  ) {
    this.pc = new RTCPeerConnection(configuration);
    this.pc.addEventListener("connectionstatechange", () => this.changed());
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

  protected described(): string {
    return this.pc.localDescription?.sdp ?? "";
  }

  protected answered({ sdp, epoch }: Described): void {
    this.epoch = epoch;
    this.lite = isLite(sdp);
  }

  private changed(): void {
    if (this.closed) return;
    const state = this.pc.connectionState;
    if (state === "closed") return;
    this.state.value = state === "disconnected" ? "interrupted" : state;
  }
}
