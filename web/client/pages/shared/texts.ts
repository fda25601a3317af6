// What the server put on the page for its scripts: who asks, in which language, and the sentences they need.
import { t as sentence, useWords, type Language } from "../../live/words";

interface PageData {
  readonly language: Language;
  readonly person: string | null;
  readonly name: string | null;
  /** Offset of the installation's wall clock, as "+03:00". */
  readonly offset: string;
  readonly texts: Record<string, string | Partial<Record<Intl.LDMLPluralRule, string>>>;
}

export const pageData = JSON.parse(document.getElementById("page-data")?.textContent ?? "{}") as PageData;
useWords(pageData.language, pageData.texts);

/** The sentence `script.<key>`. */
export function t(key: string, values: Record<string, string | number> = {}): string {
  return sentence(`script.${key}`, values);
}
