// How well it goes, in words a doctor understands: the browser's own statistics, and what the relay sees of everybody.
import type { Grade, Id, Judged, Slot } from "../live/wire";
import { rungOf, type Rung } from "./servers";

/** Why it is worse than good: one's own line out or in, the other's line out or in, or the way through the relay. */
export type Cause = "uplink" | "downlink" | "theirs" | "deaf" | "relay";

export interface Mark {
  grade: Grade;
  cause: Cause | null;
}

export interface Own extends Mark {
  rtt: number | null; // seconds
  /** Shares of what was sent and of what was to be received that did not arrive, 0..1. */
  up: number;
  down: number;
  rung: Rung | null;
}

/** What one look at the statistics says of one seat. */
export interface Heard {
  grade: Grade;
  audio: "heard" | "silent" | "off";
}

export interface Counted {
  received: number;
  lost: number;
}

export interface Measured {
  slots: Record<string, Counted & { seat: Id | null; still: number }>;
}

const ORDER: readonly Grade[] = ["excellent", "good", "poor", "lost"];
const STILL = 2; // looks without a packet after which a voice counts as not arriving

/** The relay's own steps (media/quality.py): two per cent nobody hears, eight everybody; a long way makes people talk at once. */
export function grade(loss: number, rtt: number | null): Grade {
  if (loss > 0.4) return "lost";
  if (loss > 0.08 || (rtt ?? 0) > 0.6) return "poor";
  return loss > 0.02 || (rtt ?? 0) > 0.25 ? "good" : "excellent";
}

export function worse(one: Grade, other: Grade): Grade {
  return ORDER[Math.max(ORDER.indexOf(one), ORDER.indexOf(other))] ?? "lost";
}

export function isBad(one: Grade): boolean {
  return one === "poor" || one === "lost";
}

/** Share lost since the last look; nothing expected means nothing lost. */
export function lossBetween(before: Counted | undefined, after: Counted): number {
  const lost = Math.max(0, after.lost - (before?.lost ?? 0));
  const received = Math.max(0, after.received - (before?.received ?? 0));
  return lost + received > 0 ? lost / (lost + received) : 0;
}

/** My own mark: what I measured, and what the relay says of my connections. */
export function ownMark(up: Grade, down: Grade, told: Judged | undefined): Mark {
  const mine = worse(up, down);
  const all = worse(mine, told?.grade ?? "excellent");
  if (!isBad(all)) return { grade: all, cause: null };
  const here = ORDER.indexOf(up) >= ORDER.indexOf(down) ? "uplink" : "downlink";
  return { grade: all, cause: isBad(mine) ? here : told?.cause ?? here };
}

/** Somebody else's mark on my screen: how he arrives here, and whether that is his line, mine or the relay's. */
export function seatMark(heard: Grade, told: Judged | undefined, down: Grade): Mark {
  const theirs = told && told.cause !== "downlink" ? told.grade : "excellent"; // without one cause it is his whole network
  const here = worse(heard, theirs);
  if (isBad(here)) {
    if (told && isBad(theirs)) return { grade: here, cause: told.cause === "relay" ? "relay" : "theirs" };
    return { grade: here, cause: isBad(down) ? "downlink" : "relay" };
  }
  if (told?.cause === "downlink" && isBad(told.grade)) return { grade: told.grade, cause: "deaf" };
  return { grade: worse(here, told?.grade ?? "excellent"), cause: null };
}

export type Stat = Record<string, number | string | boolean | undefined>;

export async function statsOf(pc: RTCPeerConnection): Promise<Stat[]> {
  const found: Stat[] = [];
  if (pc.connectionState !== "closed") (await pc.getStats()).forEach((one: Stat) => found.push(one));
  return found;
}

/** The candidate pair in use. */
export function pairOf(stats: readonly Stat[]): Stat | undefined {
  const chosen = stats.find((one) => one.type === "transport" && one.selectedCandidatePairId)?.selectedCandidatePairId;
  return (
    stats.find((one) => one.type === "candidate-pair" && one.id === chosen) ??
    stats.find((one) => one.type === "candidate-pair" && one.state === "succeeded" && one.nominated !== false)
  );
}

/** The rung that the pair in use stands on. */
export function rungIn(stats: readonly Stat[]): Rung | null {
  const local = stats.find((one) => one.id === pairOf(stats)?.localCandidateId);
  if (!local) return null;
  if (local.candidateType !== "relay") return "udp";
  if (local.relayProtocol === "tls") return "turn_tls";
  return typeof local.url === "string" ? rungOf(local.url) : local.relayProtocol === "tcp" ? "turn_tcp" : "turn_udp";
}

/** Seconds there and back; null where the browser does not say. */
export function rttOf(stats: readonly Stat[]): number | null {
  const report = stats.find((one) => one.type === "remote-inbound-rtp" && one.roundTripTime !== undefined);
  const rtt = Number(pairOf(stats)?.currentRoundTripTime ?? report?.roundTripTime ?? Number.NaN);
  return Number.isFinite(rtt) ? rtt : null;
}

/** The worst share lost of what was sent lately, as the relay's reports say. */
export function lossSent(stats: readonly Stat[]): number {
  const reports = stats.filter((one) => one.type === "remote-inbound-rtp");
  return Math.max(0, ...reports.map((one) => Number(one.fractionLost ?? 0)));
}

/** Each slot since the last look; a slot that changed its owner begins anew. */
export function look(slots: readonly Slot[], stats: readonly Stat[], last: Measured | null): Measured {
  const measured: Measured = { slots: {} };
  for (const { mid, seat } of slots) {
    const stat = stats.find((one) => one.type === "inbound-rtp" && one.mid === mid);
    const before = last?.slots[mid];
    const received = Number(stat?.packetsReceived ?? 0);
    const same = before !== undefined && before.seat === seat && received === before.received;
    measured.slots[mid] = { received, lost: Number(stat?.packetsLost ?? 0), seat, still: same ? before.still + 1 : 0 };
  }
  return measured;
}

/** Per seat: loss on all its slots, and whether the voice comes. A picture held back or standing still is no fault. */
export function heardSeats(slots: readonly Slot[], now: Measured, last: Measured | null): Record<Id, Heard> {
  const seats: Record<Id, Heard> = {};
  for (const { mid, kind, seat } of slots) {
    const counted = now.slots[mid];
    if (!seat || !counted) continue;
    const before = last?.slots[mid];
    const known = seats[seat] ?? { grade: "excellent", audio: "off" };
    const loss = before?.seat === seat ? lossBetween(before, counted) : 0;
    const silent = kind === "audio" && counted.still >= STILL;
    seats[seat] = {
      grade: worse(known.grade, grade(loss, null)),
      audio: kind === "audio" ? (silent ? "silent" : "heard") : known.audio,
    };
  }
  return seats;
}

/** Share lost of everything that was to be received since the last look. */
export function lossReceived(now: Measured, last: Measured | null): number {
  let [received, lost] = [0, 0];
  for (const [mid, one] of Object.entries(now.slots)) {
    const before = last?.slots[mid];
    received += Math.max(0, one.received - (before?.received ?? 0));
    lost += Math.max(0, one.lost - (before?.lost ?? 0));
  }
  return received + lost > 0 ? lost / (received + lost) : 0;
}
