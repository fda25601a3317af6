// A draft's page: the same findings as in the room, asked again whenever the draft on the page became another.
import { render } from "preact";
import { Checking } from "../draft/checking";
import { Findings } from "../draft/findings";
import "./shared/texts";

const place = document.getElementById("findings");
const draft = document.querySelector('[data-part="draft"]');

if (place?.dataset.protocol) {
  const checking = new Checking(place.dataset.protocol);
  render(<Findings checking={checking} />, place);
  void checking.now();
  document.addEventListener("done", () => checking.soon());
  if (draft) new MutationObserver(() => checking.soon()).observe(draft, { childList: true, subtree: true, characterData: true });
}
