// Several papers in one act (SG-07): each has its own result, what failed can be tried again, what was signed stays.
import { SigningProblem } from "../../signing/provider";
import { refresh } from "../shared/live";
import { clearError, told as toldOf } from "../shared/send";
import { t } from "../shared/texts";
import { Changed, signPaper, type Paper } from "./act";
import { decided } from "./deciding";
import { chosen, means, onChange, ready } from "./means";

const list = document.getElementById("papers");
const button = list?.querySelector<HTMLButtonElement>("[data-batch]") ?? null;
const said = list?.querySelector<HTMLElement>("[data-batch-said]") ?? null;
const lead = said?.textContent ?? "";
const progress = list?.querySelector<HTMLProgressElement>("[data-batch-progress]") ?? null;
const rows = [...(list?.querySelectorAll<HTMLElement>("[data-paper]") ?? [])];

function pick(row: HTMLElement): HTMLInputElement | null {
  return row.querySelector<HTMLInputElement>("[data-pick]");
}

function picked(): HTMLElement[] {
  return rows.filter((row) => pick(row)?.checked && !pick(row)?.disabled);
}

/** The paper was on the screen: it may go into the batch. */
export function markOpened(id: string): void {
  const row = rows.find((one) => one.dataset.paper === id);
  const mark = row?.querySelector("[data-opened]");
  if (mark) mark.textContent = t("signing.seen");
  const box = row && pick(row);
  if (box && !box.disabled) box.checked = true;
  update();
}

function update(): void {
  if (!button) return;
  const count = picked().length;
  button.textContent = count > 0 ? t("batch.sign", { count }) : t("batch.none");
  button.disabled = count === 0 || !ready() || means() === "file";
  if (said && means() === "file") said.textContent = t("batch.not_by_file");
  else if (said && said.textContent === t("batch.not_by_file")) said.textContent = lead;
}

async function signAll(): Promise<void> {
  const now = chosen();
  const all = picked();
  if (!list || !button || !now || all.length === 0 || button.getAttribute("aria-busy") === "true") return;
  clearError(list);
  button.setAttribute("aria-busy", "true");
  if (progress) Object.assign(progress, { hidden: false, max: all.length, value: 0 });
  let done = 0;
  for (const [index, row] of all.entries()) {
    say(t("batch.progress", { number: index + 1, count: all.length }));
    const outcome = await one(row, now);
    if (outcome === "signed") done += 1;
    if (progress) progress.value = index + 1;
    if (outcome === "cancelled") break;
  }
  button.removeAttribute("aria-busy");
  if (progress) progress.hidden = true;
  say(t("batch.done", { done, count: all.length }) + (done < all.length ? ` ${t("batch.again")}` : ""));
  update();
  button.focus();
  await refresh();
}

async function one(row: HTMLElement, now: NonNullable<ReturnType<typeof chosen>>): Promise<"signed" | "failed" | "cancelled"> {
  const paper: Paper = { id: row.dataset.paper ?? "", digest: row.dataset.digest ?? "" };
  const place = row.querySelector<HTMLElement>("[data-result]");
  const show = (state: string, text: string): void => {
    row.dataset.state = state;
    if (place) place.textContent = text;
  };
  show("signing", t("batch.signing"));
  try {
    await signPaper(paper, now);
  } catch (error) {
    show("failed", failure(error));
    return error instanceof SigningProblem && error.code === "CANCELLED" ? "cancelled" : "failed";
  }
  show("signed", t("batch.signed"));
  decided(paper.id);
  const box = pick(row);
  if (box) Object.assign(box, { checked: false, disabled: true });
  return "signed";
}

function failure(error: unknown): string {
  if (error instanceof Changed) return t("batch.changed");
  if (error instanceof SigningProblem) return `${t(`means.problem.${error.code}`)}. ${t(`means.fix.${error.code}`)}`;
  const { sentence, code } = toldOf(error);
  return `${sentence} (${code})`;
}

function say(text: string): void {
  if (said) said.textContent = text;
}

export function start(): void {
  onChange(update);
  list?.addEventListener("change", update);
  button?.addEventListener("click", () => void signAll());
  update();
}
