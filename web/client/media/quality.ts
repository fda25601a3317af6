// How well it goes, in three words a doctor understands: from the browser's own statistics.
import type { Id } from "../live/wire";
import type { PublishLink } from "./publish";
import type { SubscribeLink } from "./subscribe";

export type Grade = "good" | "poor" | "lost";

export interface Own {
  rtt: number | null; // seconds
  loss: number; // share of what we sent that did not arrive, 0..1
  grade: Grade;
}

export interface Quality {
  own: Own | null;
  seats: Record<Id, { grade: Grade; audio: "heard" | "silent" | "off" }>;
}

interface Counted {
  received: number;
  lost: number;
  frames: number;
}

export interface Measured {
  slots: Record<string, Counted & { seat: Id | null; still: number }>;
}

/** Two per cent is heard by nobody, ten by everybody; more than 400 ms makes people talk at once. */
export function grade(loss: number, rtt: number | null): Grade {
  if (loss > 0.4) return "lost";
  return loss > 0.06 || (rtt ?? 0) > 0.4 ? "poor" : "good";
}

export function worse(one: Grade, other: Grade): Grade {
  const order: Grade[] = ["good", "poor", "lost"];
  return order[Math.max(order.indexOf(one), order.indexOf(other))] ?? "lost";
}

/** Share lost since the last look; nothing expected means nothing lost. */
export function lossBetween(before: Counted | undefined, after: Counted): number {
  const lost = Math.max(0, after.lost - (before?.lost ?? 0));
  const received = Math.max(0, after.received - (before?.received ?? 0));
  return lost + received > 0 ? lost / (lost + received) : 0;
}

type Stat = Record<string, number | string | undefined>;

async function statsOf(pc: RTCPeerConnection): Promise<Stat[]> {
  const report = await pc.getStats();
  const found: Stat[] = [];
  report.forEach((one: Stat) => found.push(one));
  return found;
}

async function own(link: PublishLink | null): Promise<Own | null> {
  if (!link || link.pc.connectionState === "closed") return null;
  const stats = await statsOf(link.pc);
  const reports = stats.filter((one) => one.type === "remote-inbound-rtp");
  const pair = stats.find((one) => one.type === "candidate-pair" && one.state === "succeeded");
  const rtt = Number(pair?.currentRoundTripTime ?? reports[0]?.roundTripTime ?? Number.NaN);
  const loss = Math.max(0, ...reports.map((one) => Number(one.fractionLost ?? 0)));
  const known = Number.isFinite(rtt) ? rtt : null;
  const connected = link.pc.connectionState === "connected";
  return { rtt: known, loss, grade: connected ? grade(loss, known) : "lost" };
}

export async function measure(
  publish: PublishLink | null,
  subscribe: SubscribeLink | null,
  last: Measured | null,
): Promise<{ measured: Measured; quality: Quality }> {
  const quality: Quality = { own: await own(publish), seats: {} };
  const measured: Measured = { slots: {} };
  const inbound = subscribe ? await statsOf(subscribe.pc) : [];
  for (const slot of subscribe?.slots.value ?? []) {
    const stat = inbound.find((one) => one.type === "inbound-rtp" && one.mid === slot.mid);
    const before = last?.slots[slot.mid];
    const counted = {
      received: Number(stat?.packetsReceived ?? 0),
      lost: Number(stat?.packetsLost ?? 0),
      frames: Number(stat?.framesDecoded ?? 0),
    };
    const same = before !== undefined && before.seat === slot.seat && counted.received === before.received;
    measured.slots[slot.mid] = { ...counted, seat: slot.seat, still: same ? before.still + 1 : 0 };
    if (!slot.seat) continue;
    const known = quality.seats[slot.seat] ?? { grade: "good", audio: "off" };
    const now = grade(lossBetween(before?.seat === slot.seat ? before : undefined, counted), null);
    const silent = (measured.slots[slot.mid]?.still ?? 0) >= 2;
    quality.seats[slot.seat] = {
      grade: worse(known.grade, silent ? "lost" : now),
      audio: slot.kind === "audio" ? (silent ? "silent" : "heard") : known.audio,
    };
  }
  return { measured, quality };
}
