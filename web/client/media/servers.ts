// The ways to the relay: directly by UDP, or through TURN by UDP, TCP and TLS, each a rung when the one above fails.

export const RUNGS = ["udp", "turn_udp", "turn_tcp", "turn_tls"] as const;
export type Rung = (typeof RUNGS)[number];

export interface IceServer {
  urls: string | string[];
  username?: string;
  credential?: string;
}

/** The answer to media.servers. `ttl` in seconds; `policy` "relay" where the relay is reached by TURN alone. */
export interface Ways {
  servers: IceServer[];
  ttl?: number;
  policy?: "all" | "relay";
}

const DIRECT: Ways = { servers: [] };
const KEPT_FOR = 3_600; // seconds, where the server does not say for how long the credentials are good

export function rungOf(url: string): Rung {
  if (url.startsWith("turns:")) return "turn_tls";
  return /[?&]transport=tcp\b/.test(url) ? "turn_tcp" : "turn_udp";
}

function urlsOf({ urls }: IceServer): string[] {
  return typeof urls === "string" ? [urls] : urls;
}

/** For a meeting: every way, the browser takes the best that works. */
export function every({ servers, policy }: Ways): RTCConfiguration {
  return { iceServers: servers, iceTransportPolicy: policy ?? "all", bundlePolicy: "max-bundle" };
}

/** For the check: this way and no other. Null: the installation does not have it. */
export function only(ways: Ways, rung: Rung): RTCConfiguration | null {
  if (rung === "udp") return ways.policy === "relay" ? null : every(DIRECT);
  const iceServers = ways.servers.flatMap((one) => {
    const urls = urlsOf(one).filter((url) => rungOf(url) === rung);
    return urls.length > 0 ? [{ ...one, urls }] : [];
  });
  return iceServers.length > 0 ? every({ servers: iceServers, policy: "relay" }) : null;
}

interface Asking {
  ask<T>(name: string, payload?: Record<string, unknown>): Promise<T>;
}

/** Asked for once and kept while the credentials are good, so that a lost connection does not wait for them. */
export class Servers {
  private kept: Promise<Ways> | null = null;
  private until = 0;

  constructor(private readonly wire: Asking, private readonly now: () => number = Date.now) {}

  /** Never fails: without an answer the direct way is left. */
  get(): Promise<Ways> {
    if (!this.kept || this.now() >= this.until) {
      this.until = this.now() + 10_000;
      this.kept = this.asked();
    }
    return this.kept;
  }

  private async asked(): Promise<Ways> {
    try {
      const ways = await this.wire.ask<Ways>("media.servers", {});
      this.until = this.now() + Math.max(30, (ways.ttl || KEPT_FOR) / 2) * 1_000;
      return ways;
    } catch {
      return DIRECT;
    }
  }
}
