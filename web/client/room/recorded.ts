// What is known of the recording: the state's word and the relay's proof of bytes on the disk.
import { signal } from "@preact/signals";
import type { Proof, Snapshot } from "../live/wire";

/** Milliseconds without a proof of bytes written after which the mark says so. */
const PROOF_WITHIN = 20_000;

export const proof = signal<Proof | null>(null);

export type Mark = "asked" | "running" | "unproved" | "interrupted" | "paused";

/** What the mark says; nothing when there is no living recording. `now` and `proved` in Unix milliseconds. */
export function mark({ recording }: Snapshot, proved: number | null, now: number): Mark | null {
  if (!recording || recording.status === "refused" || recording.status === "stopped") return null;
  if (recording.status !== "running") return recording.status;
  if (recording.gaps.some((gap) => gap.ended_at === null)) return "interrupted";
  const since = Math.max(proved ?? 0, Date.parse(recording.started_at ?? "") || 0);
  return now - since > PROOF_WITHIN ? "unproved" : "running";
}
