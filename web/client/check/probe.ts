// The test of the real media path: the same relay, the same two connections, in an echo room of one's own.
import { Live } from "../live/socket";
import { pause } from "../live/backoff";
import { PublishLink } from "../media/publish";
import { SubscribeLink } from "../media/subscribe";
import type { Link } from "../media/link";
import type { Measures } from "./verdict";

const CONNECT_WITHIN = 12_000;
const MEASURE_FOR = 4_000;

type Stat = Record<string, number | string | undefined>;

async function statsOf({ pc }: Link): Promise<Stat[]> {
  const found: Stat[] = [];
  (await pc.getStats()).forEach((one: Stat) => found.push(one));
  return found;
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

/** Runs the test once. Null: the server or its relay could not be asked at all. */
export async function probe(consilium: string, mic: MediaStreamTrack | null, camera: MediaStreamTrack | null): Promise<Measures | null> {
  const live = new Live(consilium).start();
  const [sending, receiving] = [new PublishLink("probe", live), new SubscribeLink("probe", live)];
  const began = performance.now();
  try {
    await Promise.race([live.ready(), pause(CONNECT_WITHIN).then(() => Promise.reject(new Error("no answer")))]);
    await sending.start(mic, camera);
    await receiving.start();
    const stands = await Promise.all([connected(sending, CONNECT_WITHIN), connected(receiving, CONNECT_WITHIN)]);
    const took = performance.now() - began;
    if (!stands.every(Boolean)) return measures([], [], null);
    await pause(MEASURE_FOR);
    return measures(await statsOf(sending), await statsOf(receiving), took);
  } catch {
    return null;
  } finally {
    sending.close();
    receiving.close();
    await live.ask("probe.close").catch(() => null); // the relay drops silent connections by itself
    live.leave("done");
  }
}

export function measures(sent: Stat[], received: Stat[], took: number | null): Measures {
  const pair = sent.find((one) => one.type === "candidate-pair" && one.state === "succeeded" && one.nominated !== (false as never));
  const byId = (id: unknown): Stat | undefined => sent.find((one) => one.id === id);
  const inbound = received.filter((one) => one.type === "inbound-rtp");
  const count = (kind: string, field: string): number =>
    inbound.filter((one) => one.kind === kind).reduce((sum, one) => sum + Number(one[field] ?? 0), 0);
  const lost = count("audio", "packetsLost") + count("video", "packetsLost");
  const came = count("audio", "packetsReceived") + count("video", "packetsReceived");
  const outward = sent.filter((one) => one.type === "remote-inbound-rtp").map((one) => Number(one.fractionLost ?? 0));
  const rtt = Number(pair?.currentRoundTripTime ?? Number.NaN);
  return {
    rtt: Number.isFinite(rtt) ? Math.round(rtt * 1_000) : null,
    loss: Math.max(lost + came > 0 ? lost / (lost + came) : 0, ...outward, 0),
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
