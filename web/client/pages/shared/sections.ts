// Sections of a draft corrected on its page: what is not saved is held, what another wrote meanwhile is shown.
import { Refused } from "../../live/wire";
import { sha256Hex } from "../../signing/digest";
import { toast } from "./send";
import { t } from "./texts";

const FORMS = 'form[data-command="protocol.rewrite"]';
/** What was sent: somebody may go on typing while it is being saved. */
const sent = new WeakMap<EventTarget, string>();

function field(form: Element): HTMLTextAreaElement | null {
  return form.querySelector("textarea");
}

/** The first section whose words are not what was saved. */
function unsaved(): HTMLTextAreaElement | null {
  const all = [...document.querySelectorAll(FORMS)].map(field);
  return all.find((one) => one && one.value !== one.defaultValue) ?? null;
}

function formOf({ target }: Event): HTMLFormElement | null {
  return target instanceof HTMLFormElement && target.matches(FORMS) ? target : null;
}

/** Their words under one's own; saving again takes their place, knowingly. */
async function showTheirs(form: HTMLFormElement, words: string): Promise<void> {
  const before = form.querySelector<HTMLInputElement>('[name="before"]');
  if (before) before.value = await sha256Hex(new TextEncoder().encode(words));
  const note = document.createElement("div");
  const title = document.createElement("strong");
  const text = document.createElement("p");
  note.className = "note warn";
  note.dataset.theirs = "";
  title.textContent = t("draft.theirs");
  text.className = "prose";
  text.textContent = words || t("draft.theirs_empty");
  note.append(title, text);
  form.querySelector("[data-theirs]")?.remove();
  field(form)?.after(note);
}

/** `more` says whether something else on the page waits to be saved. */
export function holdSections(more: () => boolean): void {
  document.addEventListener("submit", (event) => {
    const form = formOf(event);
    if (form) sent.set(form, field(form)?.value ?? "");
  });
  document.addEventListener("done", (event) => {
    const form = formOf(event);
    const one = form && field(form);
    if (!form || !one) return;
    one.defaultValue = sent.get(form) ?? one.defaultValue;
    form.querySelector("[data-theirs]")?.remove();
  });
  document.addEventListener("refused", (event) => {
    const form = formOf(event);
    const error: unknown = (event as CustomEvent).detail;
    if (!form || !(error instanceof Refused) || error.code !== "stale_revision") return;
    const { current } = error.details;
    if (typeof current === "string") void showTheirs(form, current);
  });
  document.addEventListener("click", (event) => {
    const first = (event.target as Element).closest('[data-dialog="freeze-dialog"]') && unsaved();
    if (!first) return;
    event.preventDefault();
    event.stopPropagation();
    first.focus();
    toast(t("draft.unsaved", { name: first.labels[0]?.textContent ?? "" }), true);
  }, true);
  addEventListener("beforeunload", (event) => {
    if (unsaved() || more()) event.preventDefault();
  });
}
