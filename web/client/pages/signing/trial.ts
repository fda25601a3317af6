// A trial signature over a harmless document, days before it counts (SG-06). What came of it is kept on the server.
import { fromBase64, toBase64 } from "../../signing/base64";
import { sha256Hex } from "../../signing/digest";
import { problemOf, type ProblemCode } from "../../signing/provider";
import { clearError, send, showError } from "../shared/send";
import { pageData, t } from "../shared/texts";
import { contentOf } from "./act";
import { card, chosen, device, means, problem, standing } from "./means";

interface Trial {
  readonly challenge: string;
  readonly signing_time: string;
  readonly content: string;
  readonly digest: string;
}
interface Verdict {
  readonly ready: boolean;
  readonly code: string;
  readonly sentence: string;
  readonly until: string | null;
}

const button = card.querySelector<HTMLButtonElement>("[data-test]");
const said = card.querySelector<HTMLElement>("[data-tested]");
const byFile = card.querySelector<HTMLElement>("[data-test-file]");
const download = card.querySelector<HTMLAnchorElement>("[data-test-download]");
const file = card.querySelector<HTMLInputElement>("[data-test-signature]");
/** Codes with a fix of their own; for others the verifier's sentence and the administrator must do. */
const FIXES = new Set(["CERT_EXPIRED", "REVOKED", "SIGNER_MISMATCH", "SIGNING_TIME_SKEW", "NO_KEY", "NO_PLUGIN", "NO_TOKEN", "CANCELLED"]);

let waiting: Trial | null = null;

function where(): { provider: string; device: string } {
  return { provider: means(), device: device() };
}

async function attempt(): Promise<void> {
  if (means() === "file") {
    await offerFile();
    return;
  }
  const now = chosen();
  if (!now) {
    await tell(await without(problem()));
    return;
  }
  const trial = await begun();
  try {
    const made = await now.provider.sign(fromBase64(trial.content), now.certificate, new Date(trial.signing_time));
    await tell(await answered(trial, toBase64(made)));
  } catch (error) {
    await tell(await without(problemOf(error).code));
  }
}

async function begun(): Promise<Trial> {
  const trial = await send<Trial>("readiness.begin", where());
  if ((await sha256Hex(fromBase64(trial.content))) !== trial.digest) throw new Error(t("digest.differs"));
  return trial;
}

function answered(trial: Trial, cms: string): Promise<Verdict> {
  return send<Verdict>("readiness.answer", { ...where(), challenge: trial.challenge, cms });
}

/** What is missing on this device is worth knowing too. */
function without(code: ProblemCode): Promise<Verdict> {
  return send<Verdict>("readiness.answer", { ...where(), problem: code });
}

async function offerFile(): Promise<void> {
  waiting = await begun();
  if (download) {
    URL.revokeObjectURL(download.href);
    download.href = URL.createObjectURL(new Blob([fromBase64(waiting.content) as BlobPart]));
  }
  byFile?.removeAttribute("hidden");
  download?.focus();
}

async function brought(): Promise<void> {
  const one = file?.files?.[0];
  if (!one || !waiting) return;
  await tell(await answered(waiting, await contentOf(one)));
  byFile?.setAttribute("hidden", "");
}

async function tell(verdict: Verdict): Promise<void> {
  if (!said) return;
  const until = verdict.until ? new Date(verdict.until).toLocaleDateString(pageData.language) : "";
  const fix = t(`readiness.fix.${FIXES.has(verdict.code) ? verdict.code : "other"}`);
  said.hidden = false;
  said.dataset.state = verdict.ready ? "ready" : "broken";
  standing(verdict.ready ? "ready" : "broken");
  said.textContent = verdict.ready ? t("readiness.works", { until }) : `${verdict.sentence} ${fix} (${verdict.code})`.trim();
}

async function busy(work: () => Promise<void>): Promise<void> {
  if (button?.getAttribute("aria-busy") === "true") return;
  button?.setAttribute("aria-busy", "true");
  clearError(card);
  try {
    await work();
  } catch (error) {
    showError(card, error);
  } finally {
    button?.removeAttribute("aria-busy");
  }
}

export function start(): void {
  button?.addEventListener("click", () => void busy(attempt));
  file?.addEventListener("change", () => void busy(brought));
}
