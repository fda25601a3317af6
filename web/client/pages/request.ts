// The request form: saves itself, shows a conflict with both texts, says what is missing, takes documents in.
import { Refused } from "../live/wire";
import { fieldsOf } from "./shared/fields";
import { clearError, send, showError, told, type Fields } from "./shared/send";
import { pageData, t } from "./shared/texts";
import { prepareUpload } from "./shared/upload";

const QUIET = 700;

/** A request that is only read has no form; an empty one says nothing and changes nothing. */
const form = (document.getElementById("request-form") ?? document.createElement("form")) as HTMLFormElement;
const state = document.getElementById("save-state");
const side = state?.parentElement ?? form;
const sender = document.querySelector<HTMLElement>("[data-send]");
const request = form.dataset.request ?? sender?.dataset.send ?? "";
const editable = "editable" in form.dataset;

let revision = Number(form.dataset.revision ?? 0);
let saved = JSON.stringify(values());
let timer: ReturnType<typeof setTimeout> | undefined;
let running: Promise<boolean> | null = null;

function values(): Fields {
  return (fieldsOf(form).fields ?? {}) as Fields;
}

function changed(): boolean {
  return JSON.stringify(values()) !== saved;
}

function say(text: string): void {
  if (state) state.textContent = text;
}

/** Saves what differs; true when everything on the screen is on the server. One at a time. */
async function save(): Promise<boolean> {
  clearTimeout(timer);
  while (running) await running;
  if (!changed()) return true;
  running = saveOnce().finally(() => {
    running = null;
  });
  return running;
}

async function saveOnce(): Promise<boolean> {
  const now = JSON.stringify(values());
  say(t("saving"));
  clearError(form);
  clearError(side);
  try {
    const result = await send<{ revision: number }>("request.save", { request, revision, fields: JSON.parse(now) });
    revision = result.revision;
    saved = now;
    const time = new Date().toLocaleTimeString(pageData.language, { hour: "2-digit", minute: "2-digit" });
    say(changed() ? t("unsaved") : t("saved", { time }));
    return true;
  } catch (error) {
    refused(error);
    return false;
  }
}

function refused(error: unknown): void {
  if (error instanceof Refused && error.code === "stale_revision") {
    say("");
    showConflict(error);
    return;
  }
  say(`${t("save_failed")} ${told(error).sentence}`);
  if (error instanceof Refused && error.details.field) {
    showError(side, error);
    const name = String(error.details.field).split(".").at(-1);
    form.querySelector(`[name="fields.${name}"]`)?.setAttribute("aria-invalid", "true");
  }
}

/** Both texts side by side: nothing typed is lost, and the person chooses field by field. */
function showConflict(error: Refused): void {
  const place = document.getElementById("conflict");
  const theirs = error.details.current as Fields | undefined;
  if (!place || !theirs) return;
  revision = Number(error.details.revision ?? revision);
  const mine = values();
  const lines = Object.keys(mine).filter((name) => String(mine[name] ?? "") !== String(theirs[name] ?? ""));
  const title = document.createElement("p");
  title.textContent = error.message;
  place.replaceChildren(title, ...lines.map((name) => conflictLine(name, String(theirs[name] ?? ""))));
  const keep = document.createElement("button");
  keep.type = "button";
  keep.textContent = t("keep_mine");
  keep.addEventListener("click", settle);
  place.append(keep);
  place.hidden = false;
  keep.focus();
}

/** What stands on the screen now is what the person wants. */
function settle(): void {
  document.getElementById("conflict")?.toggleAttribute("hidden", true);
  saved = "";
  void save();
}

function conflictLine(name: string, theirs: string): HTMLElement {
  const line = document.createElement("p");
  line.dataset.field = name;
  const label = form.querySelector(`label[for="f-${name}"]`)?.textContent?.replace("*", "").trim() ?? name;
  const strong = document.createElement("strong");
  strong.textContent = `${label}: `;
  const take = document.createElement("button");
  take.type = "button";
  take.className = "bare";
  take.textContent = t("take_theirs");
  take.addEventListener("click", () => {
    put(name, theirs);
    line.remove();
    if (!document.querySelector("#conflict [data-field]")) settle();
  });
  line.append(strong, theirs.slice(0, 400) || "–", " ", take);
  return line;
}

function put(name: string, value: string): void {
  for (const one of form.querySelectorAll<HTMLInputElement>(`[name="fields.${CSS.escape(name)}"]`)) {
    if (one.type === "radio") one.checked = one.value === value;
    else one.value = value;
  }
  checklist();
}

// --- what is missing ---------------------------------------------------------------------------

function filled(name: string): boolean {
  const now = values();
  if (name === "consent") {
    return now.consent_basis === "consent" ? Boolean(now.consent_date)
      : now.consent_basis === "ground" && Boolean(now.consent_reference);
  }
  // Receiver and profile were chosen before the form was opened.
  return !(name in now) ? name === "receiver" || name === "profile" : Boolean(now[name]);
}

function checklist(): void {
  for (const line of document.querySelectorAll<HTMLElement>("#checklist [data-needs]")) {
    const done = filled(line.dataset.needs ?? "");
    line.classList.toggle("done", done);
    line.classList.toggle("missing", !done);
  }
  const goal = values().goal_code;
  document.querySelector("[data-goal-text]")?.toggleAttribute("hidden", goal !== "10");
  const kind = String(values().wants_kind ?? "general");
  for (const one of form.querySelectorAll<HTMLOptionElement>("#f-goal_code option[data-kinds]")) {
    one.hidden = one.disabled = !(one.dataset.kinds ?? "").split(" ").includes(kind) && !one.selected;
  }
}

// --- sending -----------------------------------------------------------------------------------

async function sendRequest(button: HTMLElement): Promise<void> {
  if (button.getAttribute("aria-busy") === "true") return;
  button.setAttribute("aria-busy", "true");
  clearError(side);
  try {
    if (editable && !(await save())) return;
    await send("request.send", { request });
    location.reload();
  } catch (error) {
    showError(side, error);
    pointAt(error);
  } finally {
    button.removeAttribute("aria-busy");
  }
}

function pointAt(error: unknown): void {
  if (!(error instanceof Refused)) return;
  const names = (error.details.fields as string[] | undefined) ?? [String(error.details.field ?? "")];
  const marked = names.flatMap((name) => [...form.querySelectorAll<HTMLElement>(`[name="fields.${CSS.escape(name)}"]`)]);
  for (const one of marked) one.setAttribute("aria-invalid", "true");
  marked[0]?.focus();
  if (error.details.field === "missing") document.getElementById("missing")?.scrollIntoView();
}

if (editable) {
  form.addEventListener("input", (event) => {
    (event.target as HTMLElement).removeAttribute("aria-invalid");
    checklist();
    say(t("unsaved"));
    clearTimeout(timer);
    timer = setTimeout(() => void save(), QUIET);
  });
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    void save();
  });
  addEventListener("beforeunload", (event) => {
    if (changed()) event.preventDefault();
  });
  document.addEventListener("visibilitychange", () => document.hidden && void save());
  checklist();
}
sender?.addEventListener("click", () => void sendRequest(sender));
prepareUpload(save);
