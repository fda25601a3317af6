// Sends a command until its outcome is known, always with one id, and says what a refusal means.
import { post } from "../../live/ask";
import { delay, pause } from "../../live/backoff";
import { Refused } from "../../live/wire";
import { t } from "./texts";

const AGAIN = new Set(["unknown", "busy", "offline"]);
const TRIES = 4;

export type Fields = Record<string, unknown>;

/** Throws Refused. */
export async function send<T = Fields>(name: string, fields: Fields, id: string = crypto.randomUUID()): Promise<T> {
  for (let attempt = 0; ; attempt += 1) {
    try {
      return await post<T>(name, { command: id, ...fields });
    } catch (error) {
      if (!(error instanceof Refused) || !AGAIN.has(error.code) || attempt + 1 >= TRIES) throw error;
      await pause(delay(attempt));
    }
  }
}

/** What to tell the person; the code follows in small print. */
export function told(error: unknown): { sentence: string; code: string } {
  if (!(error instanceof Refused)) return { sentence: t("failed"), code: String(error).slice(0, 80) };
  if (error.code === "offline") return { sentence: t("offline"), code: error.code };
  return { sentence: error.message || t("failed"), code: error.code };
}

/** Says it in the corner, once, politely. */
export function toast(text: string, bad = false): void {
  const place = document.getElementById("toasts");
  if (!place) return;
  const one = document.createElement("div");
  one.textContent = text;
  if (bad) one.className = "bad";
  place.append(one);
  setTimeout(() => one.remove(), bad ? 12_000 : 6_000);
}

/** Writes the refusal beside the form's fields and moves the focus to the field that is meant. */
export function showError(form: HTMLElement, error: unknown): void {
  const { sentence, code } = told(error);
  const slot = form.querySelector<HTMLElement>("[data-error]");
  if (!slot) {
    toast(`${sentence} (${code})`, true);
    return;
  }
  slot.id ||= `error-${crypto.randomUUID()}`;
  const small = document.createElement("code");
  small.textContent = ` ${code}`;
  slot.replaceChildren(sentence, small);
  if (error instanceof Refused) markField(form, error, slot.id);
}

function markField(form: HTMLElement, error: Refused, slot: string): void {
  const name = (error.details as { field?: unknown } | undefined)?.field;
  if (typeof name !== "string") return;
  const last = name.split(".").at(-1) ?? name;
  const field = form.querySelector<HTMLElement>(`[name="${CSS.escape(name)}"], [name$="${CSS.escape(last)}"]`);
  if (!field) return;
  field.setAttribute("aria-invalid", "true");
  field.setAttribute("aria-describedby", slot);
  field.focus();
}

export function clearError(form: HTMLElement): void {
  form.querySelector("[data-error]")?.replaceChildren();
  for (const one of form.querySelectorAll("[aria-invalid]")) one.removeAttribute("aria-invalid");
}
