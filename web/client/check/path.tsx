// The way of picture and sound to the relay: a verdict for every rung, in words, and a report for the IT department.
import { useRef, useState } from "preact/hooks";
import { t } from "../live/words";
import type { Capture } from "../media/capture";
import { probe, type Found, type RungFound } from "./probe";
import { fit, verdict } from "./verdict";

interface Result {
  found: Found | null;
  at: string;
}

export function Path({ capture, consilium }: { capture: Capture; consilium: string }) {
  const [running, setRunning] = useState(false);
  const [rungs, setRungs] = useState<RungFound[]>([]);
  const [result, setResult] = useState<Result | null>(null);
  const run = async (): Promise<void> => {
    setRunning(true);
    setResult(null);
    const devices = { mic: capture.micOn.value ? capture.mic.value : null, camera: capture.camera.value };
    setResult({ found: await probe(consilium, devices, setRungs), at: new Date().toISOString() });
    setRunning(false);
  };
  return (
    <section class="card" aria-labelledby="path-title">
      <header><h2 id="path-title">{t("room.check.path")}</h2></header>
      <div class="body stack tight">
        <p class="quiet">{t("room.check.path_lead")}</p>
        <div class="actions">
          <button type="button" class={result ? "" : "primary"} data-testid="probe" aria-busy={running} disabled={running} onClick={() => void run()}>
            {t(result ? "room.check.path_again" : "room.check.path_run")}
          </button>
          {running && <span role="status">{t("room.check.path_running")}</span>}
        </div>
        {running && <progress aria-label={t("room.check.path_running")} />}
        {result && <Verdict found={result.found} />}
        {(running || result) && rungs.length > 0 && <Rungs rungs={rungs} chosen={result?.found?.chosen ?? null} />}
        {result?.found && <Details found={result.found} at={result.at} />}
      </div>
    </section>
  );
}

function Verdict({ found }: { found: Found | null }) {
  const said = verdict(found && found.measures);
  const around = found?.chosen && found.chosen !== "udp";
  return (
    <div class={`note ${fit(said) ? (said === "good" ? "good" : "warn") : "bad"}`} role="status" data-testid="verdict" data-state={said}>
      <p><strong>{t(`room.check.verdict.${said}`)}</strong></p>
      <p>{t(`room.check.advice.${said}`)}</p>
      {found?.chosen && <p data-testid="chosen" data-state={found.chosen}>{t("room.check.chosen", { rung: t(`media.rung.${found.chosen}`) })}</p>}
      {around && <p>{t("room.check.around")}</p>}
    </div>
  );
}

/** "Works: 12 ms there and back", in one line. */
export function saidOf({ state, rtt, connected }: RungFound): string {
  const word = t(`room.check.rung.${state}`);
  if (state !== "works") return word;
  const times = [rtt !== null && t("room.check.rung_rtt", { count: rtt }), connected !== null && t("room.check.rung_connected", { count: connected })];
  return [word, ...times.filter(Boolean)].join(", ");
}

function Rungs({ rungs, chosen }: { rungs: RungFound[]; chosen: Found["chosen"] }) {
  return (
    <div>
      <h3 id="rungs-title">{t("room.check.rungs")}</h3>
      <ol class="plain rungs" aria-labelledby="rungs-title" aria-live="polite" data-testid="rungs">
        {rungs.map((one) => (
          <li key={one.rung} data-testid={`rung-${one.rung}`} data-state={one.state}>
            <span class={`rung-sign ${one.state}`} aria-hidden="true">{SIGNS[one.state]}</span>
            <div>
              <strong>{t(`media.rung.${one.rung}`)}</strong>
              {one.rung === chosen && <span class="badge good">{t("room.check.in_use")}</span>}
              <div class="small">{saidOf(one)}</div>
            </div>
          </li>
        ))}
      </ol>
    </div>
  );
}

const SIGNS = { waiting: "·", trying: "…", works: "✓", blocked: "✕", absent: "–" } as const;

/** Rows of the report: what was measured, then every rung. */
export function reportRows({ measures, rungs, chosen }: Found): [key: string, words: string, value: string][] {
  const row = (key: string, value: string): [string, string, string] => [key, t(`room.check.detail.${key}`), value];
  return [
    row("chosen", chosen ? t(`media.rung.${chosen}`) : t("room.check.rung.none")),
    ...rungs.map((one): [string, string, string] => [`rung_${one.rung}`, t(`media.rung.${one.rung}`), saidOf(one)]),
    row("rtt", measures.rtt === null ? "–" : t("room.check.ms", { count: measures.rtt })),
    row("loss", `${(measures.loss * 100).toFixed(1)} %`),
    row("connected", measures.connected === null ? "–" : t("room.check.ms", { count: measures.connected })),
    row("echo", t("room.check.echo_value", { frames: measures.frames, audio: measures.audio })),
    row("remote", measures.remote || "–"),
    row("local", measures.local || "–"),
    row("site", location.origin),
    row("browser", navigator.userAgent),
  ];
}

function Details({ found, at }: { found: Found; at: string }) {
  const text = useRef<HTMLPreElement>(null);
  const [copied, setCopied] = useState<"" | "copied" | "selected">("");
  const rows = reportRows(found);
  const report = [`${t("room.check.report")}, ${at}`, ...rows.map(([, words, value]) => `${words}: ${value}`)].join("\n");
  const copy = async (): Promise<void> => {
    try {
      await navigator.clipboard.writeText(report);
      setCopied("copied");
    } catch {
      if (text.current) getSelection()?.selectAllChildren(text.current); // without the clipboard it is Ctrl-C by hand
      setCopied("selected");
    }
  };
  return (
    <details data-testid="details">
      <summary>{t("room.check.details")}</summary>
      <pre class="report small" data-testid="report" ref={text} tabIndex={0}>{report}</pre>
      <div class="actions">
        <button type="button" data-testid="copy-report" onClick={() => void copy()}>{t("room.check.copy")}</button>
        <span role="status">{copied && t(`room.check.${copied}`)}</span>
      </div>
    </details>
  );
}
