// On every page: forms that are commands, dialogs, theme, language, keys, and parts that stay fresh.
import { post } from "../live/ask";
import { fieldsOf } from "./shared/fields";
import { openFinder } from "./shared/finder";
import { keepFresh, refresh } from "./shared/live";
import { preparePickers } from "./shared/picker";
import { clearError, send, showError, toast, told, type Fields } from "./shared/send";
import { t } from "./shared/texts";

const THEMES = ["auto", "light", "dark"];
const PLACES: Record<string, string> = { d: "/", r: "/requests", c: "/consilia", s: "/signing" };

/** The id stays with the form until its outcome is known: pressing twice sends one command. */
const ids = new WeakMap<HTMLElement, string>();

async function run(source: HTMLElement, name: string, fields: Fields): Promise<void> {
  if (source.getAttribute("aria-busy") === "true") return;
  const id = ids.get(source) ?? crypto.randomUUID();
  ids.set(source, id);
  const busy = source instanceof HTMLFormElement ? source.querySelector("[type=submit]") : source;
  for (const one of [source, busy]) one?.setAttribute("aria-busy", "true");
  try {
    const result = await send(name, fields, id);
    ids.delete(source);
    taken(source, result);
    await follow(source, result);
  } catch (error) {
    if (told(error).code !== "offline") ids.delete(source);
    showError(source, error);
    source.dispatchEvent(new CustomEvent("refused", { bubbles: true, detail: error }));
  } finally {
    for (const one of [source, busy]) one?.removeAttribute("aria-busy");
  }
}

/** `data-takes` names the result's field a hidden input carries from now on; whoever listens learns that it is done. */
function taken(source: HTMLElement, result: Fields): void {
  for (const one of source.querySelectorAll<HTMLInputElement>("input[data-takes]")) {
    one.value = String(result[one.dataset.takes ?? ""] ?? one.value);
  }
  source.dispatchEvent(new CustomEvent("done", { bubbles: true }));
}

/** `data-next`: an address with places for the result's fields, `refresh`, or (default) the page anew. */
async function follow(source: HTMLElement, result: Fields): Promise<void> {
  const next = source.dataset.next ?? "reload";
  if (source.dataset.said) toast(source.dataset.said);
  source.closest("dialog")?.close();
  if (next === "reload") location.reload();
  else if (next === "refresh") await refresh();
  else location.assign(next.replace(/\{(\w+)\}/g, (_, key: string) => encodeURIComponent(String(result[key] ?? ""))));
}

document.addEventListener("submit", (event) => {
  const form = event.target as HTMLFormElement;
  const name = form.dataset.command;
  if (!name) return;
  event.preventDefault();
  clearError(form);
  if (form.reportValidity()) void run(form, name, fieldsOf(form));
});

document.addEventListener("click", (event) => {
  const target = (event.target as Element).closest<HTMLElement>("button, [data-dialog]");
  if (!target) return;
  if (target.dataset.dialog) openDialog(target.dataset.dialog, target);
  else if ("close" in target.dataset) target.closest("dialog")?.close();
  else if ("themeNext" in target.dataset) void nextTheme();
  else if ("languageNext" in target.dataset) void nextLanguage(target.lang);
  else if ("signOut" in target.dataset) void signOut();
  else if ("copy" in target.dataset) void copy(target.dataset.copy ?? "");
  else if ("print" in target.dataset) print();
  else if (target.dataset.command && target.dataset.fields) {
    void run(target, target.dataset.command, JSON.parse(target.dataset.fields) as Fields);
  }
});

/** `data-set` on the opener fills fields of the dialog's form: one dialog serves a whole list. */
function openDialog(id: string, opener: HTMLElement): void {
  const dialog = document.getElementById(id) as HTMLDialogElement | null;
  if (!dialog) return;
  for (const [name, value] of Object.entries(JSON.parse(opener.dataset.set ?? "{}") as Record<string, string>)) {
    const field = dialog.querySelector<HTMLInputElement>(`[name="${CSS.escape(name)}"]`);
    if (field) field.value = value;
    const shown = dialog.querySelector(`[data-shows="${CSS.escape(name)}"]`);
    if (shown) shown.textContent = value;
  }
  clearError(dialog);
  dialog.showModal();
}

async function nextTheme(): Promise<void> {
  const now = document.documentElement.dataset.theme ?? "auto";
  const theme = THEMES[(THEMES.indexOf(now) + 1) % THEMES.length] ?? "auto";
  document.documentElement.dataset.theme = theme;
  toast(t(`theme.${theme}`));
  await send("settings.change", { theme }).catch((error: unknown) => toast(told(error).sentence, true));
}

async function nextLanguage(language: string): Promise<void> {
  try {
    await send("settings.change", { language });
    location.reload();
  } catch (error) {
    toast(told(error).sentence, true);
  }
}

async function signOut(): Promise<void> {
  await post("session.end", {}).catch(() => null);
  location.assign("/sign-in");
}

async function copy(text: string): Promise<void> {
  await navigator.clipboard.writeText(text);
  toast(t("copied"));
}

// --- keys --------------------------------------------------------------------------------------

let going = 0;

document.addEventListener("keydown", (event) => {
  if ((event.ctrlKey || event.metaKey) && event.code === "KeyK") {
    event.preventDefault();
    openFinder();
    return;
  }
  const target = event.target as HTMLElement;
  if (event.ctrlKey || event.altKey || event.metaKey || target.matches("input, textarea, select, [contenteditable]")) return;
  if (event.key === "?") (document.getElementById("keys-dialog") as HTMLDialogElement | null)?.showModal();
  // Physical keys, so that they are the same in the Russian layout.
  const letter = event.code.replace("Key", "").toLowerCase();
  if (going && Date.now() - going < 1_500 && PLACES[letter]) location.assign(PLACES[letter]);
  going = letter === "g" ? Date.now() : 0;
});

document.addEventListener("click", (event) => {
  for (const menu of document.querySelectorAll<HTMLDetailsElement>("details.menu[open]")) {
    if (!menu.contains(event.target as Node)) menu.open = false;
  }
});

document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  for (const menu of document.querySelectorAll<HTMLDetailsElement>("details.menu[open]")) {
    menu.open = false;
    menu.querySelector("summary")?.focus();
  }
});

/** What scrolls sideways is a stop for the keyboard; what fits is none. */
const scrolls = new ResizeObserver((all) => {
  for (const { target } of all) {
    if (target.scrollWidth > target.clientWidth) target.setAttribute("tabindex", "0");
    else if (target !== document.activeElement) target.removeAttribute("tabindex");
  }
});
for (const one of document.querySelectorAll(".document .scroll, .table[tabindex]")) scrolls.observe(one);

preparePickers();
keepFresh();
