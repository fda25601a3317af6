// The document on the desk: its bytes fetched and hashed here, opened for the signer, signed alone.
import { Refused } from "../../live/wire";
import { problemOf, SigningProblem } from "../../signing/provider";
import { clearError, send, showError, toast } from "../shared/send";
import { t } from "../shared/texts";
import { Changed, fetched, signPaper, uploadFile, type Paper } from "./act";
import { isDecided } from "./deciding";
import { chosen, means, onChange, ready as meansReady } from "./means";
import { markOpened } from "./batch";

const desk = document.getElementById("document");
const button = desk?.querySelector<HTMLButtonElement>("[data-sign]") ?? null;
const why = desk?.querySelector<HTMLElement>("[data-why]") ?? null;
const files = [...(desk?.querySelectorAll<HTMLInputElement>("[data-signature-file]") ?? [])];
const paper: Paper | null = desk ? { id: desk.dataset.protocol ?? "", digest: desk.dataset.digest ?? "" } : null;
let same = false;

async function open(): Promise<void> {
  const place = desk?.querySelector("[data-own]");
  const verdict = desk?.querySelector<HTMLElement>("[data-compared]");
  if (!paper || !place || !verdict || !paper.digest) return;
  const { digest } = await fetched(paper);
  place.textContent = digest.replace(/(.{8})(?=.)/g, "$1 ");
  same = digest === paper.digest;
  verdict.className = `badge ${same ? "good" : "bad"}`;
  verdict.textContent = t(same ? "digest.same" : "digest.differs");
  update();
  if (same && document.querySelector(`[data-paper="${paper.id}"]`)) await noted(digest);
}

/** Opened means: its text is on this screen and its bytes were hashed here. A dissent alone has no row to mark. */
async function noted(digest: string): Promise<void> {
  if (!paper) return;
  try {
    await send("protocol.open", { protocol: paper.id, digest });
    markOpened(paper.id);
  } catch {
    // Who signs a dissent alone is no signer of the paper; the mark is a help, not a condition.
  }
}

function reason(): string {
  if (!same) return t("sign.wait_digest");
  if (means() === "file") return files.every((one) => one.files?.length) ? "" : t("sign.wait_file");
  return meansReady() ? "" : t("sign.wait_means");
}

function update(): void {
  const byFile = desk?.querySelector<HTMLElement>("[data-by-file]");
  if (byFile) byFile.hidden = means() !== "file";
  if (!button) return;
  if (paper && isDecided(paper.id)) return;
  const waits = reason();
  button.disabled = waits !== "";
  if (why) why.textContent = waits;
}

async function sign(): Promise<void> {
  if (!desk || !button || !paper || button.getAttribute("aria-busy") === "true") return;
  clearError(desk);
  button.setAttribute("aria-busy", "true");
  try {
    if (means() === "file") await upload(paper);
    else await withMeans(paper);
    location.assign("/signing?done=1");
  } catch (error) {
    if (error instanceof Changed) location.reload();
    else showError(desk, told(error));
    button.removeAttribute("aria-busy");
  }
}

async function withMeans(one: Paper): Promise<void> {
  const now = chosen();
  if (!now) throw new SigningProblem("NO_KEY");
  await signPaper(one, now);
}

/** Dissents first, as with every other means. */
async function upload(one: Paper): Promise<void> {
  const dissents = files.filter((field) => field.dataset.dissent);
  for (const field of [...dissents, ...files.filter((other) => !other.dataset.dissent)]) {
    const file = field.files?.[0];
    const { dissent: id, digest } = field.dataset;
    if (file) await uploadFile(one, file, id && digest ? { id, digest } : undefined);
  }
}

/** A problem of the device in words; refusals of the server bring their own. */
export function told(error: unknown): unknown {
  if (!(error instanceof SigningProblem)) return error;
  const { code } = problemOf(error);
  return new Refused({ code, message: `${t(`means.problem.${code}`)}. ${t(`means.fix.${code}`)}` });
}

/** The next paper is open already: that the last one was signed is said in the corner. */
function sayDone(): void {
  const came = performance.getEntriesByType("navigation")[0] as PerformanceNavigationTiming | undefined;
  if (new URLSearchParams(location.search).has("done") && came?.type === "navigate") toast(t("sign.done"));
}

export function start(): void {
  sayDone();
  if (!desk) return;
  onChange(update);
  for (const one of files) one.addEventListener("change", update);
  button?.addEventListener("click", () => void sign());
  open().catch((error: unknown) => showError(desk, error));
}
