// From what was measured on the real media path to one plain sentence.

export interface Measures {
  /** Milliseconds of the path there and back; null: unknown. */
  rtt: number | null;
  /** Share of packets lost on the worse way, 0..1. */
  loss: number;
  /** Frames and audio packets that came back from the relay. */
  frames: number;
  audio: number;
  /** Milliseconds until the path stood. */
  connected: number | null;
  /** Address of the relay and the transport. */
  remote: string;
  local: string;
}

export type Verdict = "good" | "slow" | "lossy" | "oneway" | "blocked" | "unavailable";

export function verdict(found: Measures | null): Verdict {
  if (!found) return "unavailable";
  if (found.connected === null) return "blocked";
  if (found.audio === 0 && found.frames === 0) return "oneway";
  if (found.loss > 0.06) return "lossy";
  return (found.rtt ?? 0) > 300 ? "slow" : "good";
}

/** Whether one may go in with this. */
export function fit(found: Verdict): boolean {
  return found === "good" || found === "slow" || found === "lossy";
}
