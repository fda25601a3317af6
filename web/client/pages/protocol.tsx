// A draft's page: what was settled on is entered here, and the same findings as in the room are asked again whenever
// the draft on the page became another.
import { render } from "preact";
import { Checking } from "../draft/checking";
import { Findings } from "../draft/findings";
import { outcomeOf, type Outcome } from "../draft/outcome";
import { OutcomeCard, unsaved } from "../draft/outcome-card";
import { holdSections } from "./shared/sections";
import { toast } from "./shared/send";
import "./shared/texts";

const place = document.getElementById("findings");
const draft = document.querySelector('[data-part="draft"]');
const entry = document.getElementById("outcome");
let checking: Checking | null = null;
let dirty = (): boolean => false;

if (place?.dataset.protocol) {
  checking = new Checking(place.dataset.protocol);
  render(<Findings checking={checking} />, place);
  void checking.now();
  document.addEventListener("done", () => checking?.soon());
  if (draft) watched(draft, () => checking?.soon());
}

if (entry?.dataset.protocol) {
  const outcome = outcomeOf(entry.dataset.protocol);
  render(<OutcomeCard outcome={outcome} heading="h2" onSaved={() => checking?.soon()} />, entry);
  void outcome.open();
  const digest = document.getElementById("outcome-digest");
  if (digest) watched(digest, () => void outcome.open().then(() => checking?.soon()));
  holdFreeze(outcome, entry);
  dirty = () => outcome.dirty;
}
holdSections(() => dirty());

function watched(part: Element, changed: () => void): void {
  new MutationObserver(changed).observe(part, { childList: true, subtree: true, characterData: true });
}

/** Only what is saved goes into the document: nobody freezes it over unsaved words. */
function holdFreeze(outcome: Outcome, card: HTMLElement): void {
  document.addEventListener("click", (event) => {
    if (!outcome.dirty || !(event.target as Element).closest('[data-dialog="freeze-dialog"]')) return;
    event.preventDefault();
    event.stopPropagation();
    card.scrollIntoView({ block: "nearest" });
    card.querySelector<HTMLElement>("[data-testid=outcome-save]")?.focus();
    toast(unsaved(), true);
  }, true);
}
