// Keeps a page fresh: a hint over the socket, or half a minute, and its parts are fetched again.
import { Live } from "../../live/socket";

const EVERY = 30_000;
let running = false;
/** Something changed while the page was being fetched: what came may be older than that. */
let again = false;

/** Replaces each `[data-part]` by its newer self, unless somebody is typing in it. */
export async function refresh(): Promise<void> {
  if (document.hidden || document.querySelector("dialog[open]")) return;
  if (running) {
    again = true;
    return;
  }
  running = true;
  try {
    const answer = await fetch(location.href, { headers: { Accept: "text/html", "X-Consilium-Background": "1" }, credentials: "same-origin" });
    if (!answer.ok || answer.redirected) return;
    replaceParts(new DOMParser().parseFromString(await answer.text(), "text/html"));
  } catch {
    // Offline: the next hint or the next half minute tries again.
  } finally {
    running = false;
  }
  if (again) {
    again = false;
    await refresh();
  }
}

function replaceParts(fresh: Document): void {
  for (const old of document.querySelectorAll<HTMLElement>("[data-part]")) {
    const next = fresh.querySelector<HTMLElement>(`[data-part="${CSS.escape(old.dataset.part ?? "")}"]`);
    if (!next || typing(old) || next.innerHTML === old.innerHTML) continue;
    const focused = old.contains(document.activeElement) ? document.activeElement?.getAttribute("href") : null;
    old.replaceChildren(...next.childNodes);
    if (focused) old.querySelector<HTMLElement>(`[href="${CSS.escape(focused)}"]`)?.focus();
  }
}

function typing(part: HTMLElement): boolean {
  const active = document.activeElement;
  return part.contains(active) && active instanceof HTMLElement && active.matches("input, textarea, select");
}

/** Starts when the page says `data-live`. */
export function keepFresh(): void {
  if (!document.querySelector("[data-live]")) return;
  new Live().on("page.changed", () => void refresh()).start();
  setInterval(() => void refresh(), EVERY);
  document.addEventListener("visibilitychange", () => void refresh());
}
