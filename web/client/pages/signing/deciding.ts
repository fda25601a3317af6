// What was decided elsewhere - in the batch, in another tab - is not offered again.
import { t } from "../shared/texts";

const done = new Set<string>();
const desk = document.getElementById("document");

/** This paper has the signer's signature: the page stops offering one. */
export function decided(paper: string): void {
  done.add(paper);
  if (paper !== desk?.dataset.protocol) return;
  desk.querySelector("[data-deciding]")?.remove();
  const why = desk.querySelector<HTMLElement>("[data-why]");
  if (!why) return;
  why.className = "note good";
  why.textContent = t("sign.done");
}

export function isDecided(paper: string): boolean {
  return done.has(paper);
}
