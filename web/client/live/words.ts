// Texts of the catalogues (web/locale), chosen by the person's language; the build puts the browser's part here.
import { signal } from "@preact/signals";

type Plural = Partial<Record<Intl.LDMLPluralRule, string>>;
type Catalogue = Record<string, string | Plural>;
export type Language = "ru" | "en";
type Values = Record<string, string | number>;

const catalogue = signal<Catalogue>({});
export const language = signal<Language>("ru");

/** Loads one language's texts; afterwards everything on screen is in it. */
export async function speak(wanted: Language): Promise<void> {
  const loaded = wanted === "en" ? await import("catalogue:en") : await import("catalogue:ru");
  catalogue.value = loaded.default;
  language.value = wanted;
}

/** For tests and for pages that bring their own texts. */
export function useWords(wanted: Language, words: Catalogue): void {
  catalogue.value = words;
  language.value = wanted;
}

export function has(key: string): boolean {
  return key in catalogue.value;
}

/** The sentence of `key`. {name} is replaced from `values`; plurals are chosen by `count`. */
export function t(key: string, values: Values = {}): string {
  const entry = catalogue.value[key];
  if (entry === undefined) return key;
  const text = typeof entry === "string" ? entry : plural(entry, Number(values.count ?? 0));
  return text.replace(/\{(\w+)\}/g, (whole, name: string) => (name in values ? String(values[name]) : whole));
}

function plural(forms: Plural, count: number): string {
  const rule = new Intl.PluralRules(language.value).select(count);
  return forms[rule] ?? forms.other ?? "";
}

/** A refusal in words: the catalogue's sentence for its code, the server's own, or the code itself. */
export function refusal(code: string, message = "", details: Values = {}): string {
  for (const key of [`client.error.${code}`, `error.${code}`]) {
    if (has(key)) return t(key, details);
  }
  return message || code;
}

const locale = (): string => (language.value === "ru" ? "ru-RU" : "en-GB");

/** The installation's wall clock, the same as of the pages (web/i18n.py; a test compares), wherever the reader is. */
const ZONE = "Europe/Moscow";

export function clock(at: string | number | Date): string {
  return new Intl.DateTimeFormat(locale(), { hour: "2-digit", minute: "2-digit", timeZone: ZONE }).format(new Date(at));
}

export function day(at: string): string {
  const parts = /^(\d{4})-(\d{2})-(\d{2})/.exec(at);
  return parts ? `${parts[3]}.${parts[2]}.${parts[1]}` : at;
}

export function size(bytes: number): string {
  const units = ["byte", "kilobyte", "megabyte"] as const;
  const power = bytes >= 1e6 ? 2 : bytes >= 1e3 ? 1 : 0;
  const unit = units[power] ?? "byte";
  return new Intl.NumberFormat(locale(), {
    style: "unit", unit, unitDisplay: "short", maximumFractionDigits: power === 2 ? 1 : 0,
  }).format(bytes / 1000 ** power);
}

/** 75 -> "1:15". */
export function stopwatch(seconds: number): string {
  const whole = Math.max(0, Math.floor(seconds));
  const minutes = Math.floor(whole / 60);
  const rest = String(whole % 60).padStart(2, "0");
  if (minutes < 60) return `${minutes}:${rest}`;
  return `${Math.floor(minutes / 60)}:${String(minutes % 60).padStart(2, "0")}:${rest}`;
}
