// The test of the real media path: the same relay, the same two connections, in an echo room of one's own, rung by rung.
import { Live } from "../live/socket";
import { pause } from "../live/backoff";
import type { Link } from "../media/link";
import { PublishLink } from "../media/publish";
import { lossSent, pairOf, rttOf, statsOf, type Stat } from "../media/quality";
import { only, RUNGS, type Rung, type Ways } from "../media/servers";
import { SubscribeLink } from "../media/subscribe";
import type { Measures } from "./verdict";

const ANSWER_WITHIN = 12_000;
const CONNECT_WITHIN = 6_000;
const RTT_WITHIN = 1_500;
const MEASURE_FOR = 4_000;

/** absent: the installation does not have it; waiting, trying: not known yet. */
export type RungState = "waiting" | "trying" | "works" | "blocked" | "absent";

export interface RungFound {
  rung: Rung;
  state: RungState;
  /** Milliseconds until the connection stood, and there and back; null: unknown. */
  connected: number | null;
  rtt: number | null;
}

export interface Found {
  rungs: RungFound[];
  /** The way that the meeting will take: the first that works. */
  chosen: Rung | null;
  measures: Measures;
}

const BLOCKED: Measures = { rtt: null, loss: 0, frames: 0, audio: 0, connected: null, remote: "", local: "" };

interface Devices {
  mic: MediaStreamTrack | null;
  camera: MediaStreamTrack | null;
}

/** Runs the test once, telling each step. Null: the server or its relay could not be asked at all. */
export async function probe(consilium: string, devices: Devices, tell: (rungs: RungFound[]) => void): Promise<Found | null> {
  const live = new Live(consilium).start();
  try {
    await Promise.race([live.ready(), pause(ANSWER_WITHIN).then(() => Promise.reject(new Error("no answer")))]);
    return await climb(live, devices, await live.ask<Ways>("media.servers"), tell);
  } catch {
    return null;
  } finally {
    await live.ask("probe.close").catch(() => null); // the relay drops silent connections by itself
    live.leave("done");
  }
}

/** Every rung is tried; the first that works carries the echo, for that is the one the meeting will take. */
async function climb(live: Live, devices: Devices, ways: Ways, tell: (rungs: RungFound[]) => void): Promise<Found> {
  const rungs = RUNGS.map((rung): RungFound => ({ rung, state: only(ways, rung) ? "waiting" : "absent", connected: null, rtt: null }));
  const found: Found = { rungs, chosen: null, measures: BLOCKED };
  const set = (at: number, change: Partial<RungFound>): void => {
    rungs[at] = { ...(rungs[at] as RungFound), ...change };
    tell([...rungs]);
  };
  for (const [at, { rung }] of rungs.entries()) {
    const configuration = only(ways, rung);
    if (!configuration) continue;
    set(at, { state: "trying" });
    const { echo, ...result } = await attempt(live, devices, configuration, found.chosen === null);
    set(at, result);
    if (result.state !== "works" || found.chosen !== null) continue;
    found.chosen = rung;
    if (echo) found.measures = echo;
  }
  return found;
}

/** One rung: does it carry a connection, and with `echo`, what comes back over it. */
async function attempt(live: Live, { mic, camera }: Devices, configuration: RTCConfiguration, echo: boolean): Promise<Omit<RungFound, "rung"> & { echo?: Measures }> {
  const sending = new PublishLink("probe", live, configuration);
  const receiving = echo ? new SubscribeLink("probe", live, configuration) : null;
  const began = performance.now();
  try {
    await sending.start({ mic, camera });
    await receiving?.start();
    const stands = await Promise.all([sending, receiving].map((link) => (link ? connected(link, CONNECT_WITHIN) : true)));
    if (!stands.every(Boolean)) return { state: "blocked", connected: null, rtt: null };
    const took = Math.round(performance.now() - began);
    const rtt = await measuredRtt(sending);
    const back = receiving ? await echoed(sending, receiving, took) : undefined;
    return { state: "works", connected: took, rtt, ...(back && { echo: back }) };
  } finally {
    sending.close();
    receiving?.close();
  }
}

async function echoed(sending: Link, receiving: Link, took: number): Promise<Measures> {
  await pause(MEASURE_FOR);
  return measures(await statsOf(sending.pc), await statsOf(receiving.pc), took);
}

/** Milliseconds there and back, as soon as the browser has measured them. */
async function measuredRtt({ pc }: Link): Promise<number | null> {
  for (let waited = 0; waited < RTT_WITHIN; waited += 100) {
    const rtt = rttOf(await statsOf(pc));
    if (rtt !== null) return Math.round(rtt * 1_000);
    await pause(100);
  }
  return null;
}

/** True when the connection stands within `limit` milliseconds. */
function connected({ state }: Link, limit: number): Promise<boolean> {
  return new Promise((resolve) => {
    const timer = setTimeout(() => finish(false), limit);
    const finish = (stands: boolean): void => {
      clearTimeout(timer);
      queueMicrotask(() => stop());
      resolve(stands);
    };
    const stop = state.subscribe((now) => {
      if (now === "connected") finish(true);
      if (now === "failed") finish(false);
    });
  });
}

export function measures(sent: Stat[], received: Stat[], took: number | null): Measures {
  const pair = pairOf(sent);
  const byId = (id: unknown): Stat | undefined => sent.find((one) => one.id === id);
  const inbound = received.filter((one) => one.type === "inbound-rtp");
  const count = (kind: string, field: string): number =>
    inbound.filter((one) => one.kind === kind).reduce((sum, one) => sum + Number(one[field] ?? 0), 0);
  const lost = count("audio", "packetsLost") + count("video", "packetsLost");
  const came = count("audio", "packetsReceived") + count("video", "packetsReceived");
  const rtt = rttOf(sent);
  return {
    rtt: rtt === null ? null : Math.round(rtt * 1_000),
    loss: Math.max(lost + came > 0 ? lost / (lost + came) : 0, lossSent(sent)),
    frames: count("video", "framesDecoded"),
    audio: count("audio", "packetsReceived"),
    connected: took === null ? null : Math.round(took),
    remote: address(byId(pair?.remoteCandidateId)),
    local: address(byId(pair?.localCandidateId)),
  };
}

function address(candidate: Stat | undefined): string {
  if (!candidate) return "";
  const host = candidate.address ?? candidate.ip ?? "";
  return `${candidate.protocol ?? ""} ${host}:${candidate.port ?? ""} (${candidate.candidateType ?? ""})`.trim();
}
