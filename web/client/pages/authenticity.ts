// The file is hashed here and compared with what the server knows; nothing is sent anywhere.
import { memberOf } from "../signing/container";
import { sha256Hex } from "../signing/digest";
import { t } from "./shared/texts";

const drop = document.getElementById("drop") as HTMLElement;
const input = document.getElementById("file") as HTMLInputElement;
const verdict = document.getElementById("verdict") as HTMLElement;
const DOCUMENT = "document.xml";
const LARGEST = 256 * 1024 * 1024;

type Outcome = "document" | "package" | "inside" | "other" | "copy" | "too_large";

async function outcomeOf(file: File): Promise<Outcome> {
  if (file.size > LARGEST) return "too_large";
  const bytes = new Uint8Array(await file.arrayBuffer());
  const digest = await sha256Hex(bytes);
  if (digest === drop.dataset.digest) return "document";
  if (digest === drop.dataset.package) return "package";
  const inside = await memberOf(bytes, DOCUMENT);
  // A package grows by archive timestamps over the years; the document inside does not change.
  if (inside && (await sha256Hex(inside)) === drop.dataset.digest) return "inside";
  return new TextDecoder().decode(bytes.subarray(0, 5)) === "%PDF-" ? "copy" : "other";
}

let last = 0;

async function check(file: File): Promise<void> {
  const mine = (last += 1);
  say("note", t("authenticity.reading", { name: file.name }));
  try {
    const outcome = await outcomeOf(file);
    if (mine === last) say(toneOf(outcome), t(`authenticity.${outcome}`, { name: file.name }));
  } catch {
    if (mine === last) say("note bad", t("authenticity.unreadable", { name: file.name }));
  }
}

function toneOf(outcome: Outcome): string {
  if (outcome === "other") return "note bad";
  return outcome === "copy" || outcome === "too_large" ? "note warn" : "note good";
}

function say(tone: string, text: string): void {
  const line = document.createElement("p");
  line.className = tone;
  line.textContent = text;
  verdict.replaceChildren(line);
}

input.addEventListener("change", () => {
  const file = input.files?.[0];
  if (file) void check(file);
});
for (const kind of ["dragover", "drop"] as const) {
  document.addEventListener(kind, (event) => event.preventDefault());
}
document.addEventListener("drop", (event) => {
  const file = event.dataTransfer?.files[0];
  if (file) void check(file);
});
