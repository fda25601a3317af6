// What one signs with: chosen by the signer, remembered for him on this device, looked at before it is needed.
import { browserKey } from "../../signing/browser";
import { buildCsr } from "../../signing/csr";
import { cryptoPro } from "../../signing/cryptopro";
import { sha256Hex } from "../../signing/digest";
import { fromBase64, toBase64 } from "../../signing/base64";
import { createKey, forget, getKey, saveCertificate } from "../../signing/keys";
import { problemOf, type Means, type ProblemCode, type Provider, type SigningCertificate } from "../../signing/provider";
import { rutoken } from "../../signing/rutoken";
import { clearError, send, showError } from "../shared/send";
import { pageData, t } from "../shared/texts";
import type { Chosen } from "./act";
import { pinOnce } from "./pin";

interface Known {
  readonly sha256: string;
  readonly until: string;
  readonly state: "valid" | "expired" | "revoked";
}
type Tone = "good" | "warn" | "bad";

const person = pageData.person ?? "";
const SOON = 14;
const DAY = 86_400_000;

export const card = document.getElementById("means") as HTMLElement;
const within = <E extends HTMLElement>(selector: string): E | null => card.querySelector<E>(selector);
const badge = within("[data-badge]");
const line = within("[data-line]");
const create = within<HTMLButtonElement>("[data-create]");
const again = within<HTMLButtonElement>("[data-again]");
const tried = within("[data-readiness]");
const select = within<HTMLSelectElement>("[data-certificate]");
const known = JSON.parse(card.dataset.fingerprints ?? "[]") as Known[];
const listeners: (() => void)[] = [];

/** Whether the first look is over; what is ready then needs no room on the page. */
let settled = false;
let usable = false;
let missing: ProblemCode = "NO_KEY";
/** The latest look; an answer to an earlier one comes too late. */
let look = 0;

// --- remembered ---------------------------------------------------------------------------------

interface Remembered {
  readonly means?: Means;
  readonly certificate?: string;
}

function remembered(): Remembered {
  try {
    return JSON.parse(localStorage.getItem(`consilium-means:${person}`) ?? "{}") as Remembered;
  } catch {
    return {};
  }
}

function remember(change: Remembered): void {
  try {
    localStorage.setItem(`consilium-means:${person}`, JSON.stringify({ ...remembered(), ...change }));
  } catch {
    // A browser that keeps nothing asks again next time.
  }
}

/** A name of this browser for the list of trials; random, it says nothing of the machine. */
export function device(): string {
  try {
    const kept = localStorage.getItem("consilium-device") ?? crypto.randomUUID();
    localStorage.setItem("consilium-device", kept);
    return kept;
  } catch {
    return "unnamed";
  }
}

// --- chosen -------------------------------------------------------------------------------------

export function means(): Means {
  return (within<HTMLInputElement>("[data-means]:checked")?.value as Means | undefined) ?? "browser";
}

/** A provider for one act; a PIN is asked once in it and forgotten with it. Null: there is nothing to sign with. */
export function chosen(): Chosen | null {
  const provider = usable ? providerOf(means()) : null;
  return provider && { provider, certificate: select?.value ?? "" };
}

export function ready(): boolean {
  return usable;
}

/** Why there is nothing to sign with. */
export function problem(): ProblemCode {
  return missing;
}

export function onChange(listener: () => void): void {
  listeners.push(listener);
}

function providerOf(name: Means): Provider | null {
  switch (name) {
    case "browser":
      return browserKey(person);
    case "cryptopro":
      return cryptoPro;
    case "rutoken":
      return rutoken(pinOnce());
    case "file":
      return null;
  }
}

interface Can {
  readonly create?: boolean;
  readonly again?: boolean;
  /** What a trial would find missing. */
  readonly problem?: ProblemCode;
}

function show(tone: Tone, word: string, sentence: string, can: Can = {}): void {
  usable = tone !== "bad";
  missing = can.problem ?? "NO_KEY";
  if (badge) {
    badge.className = `badge ${tone}`;
    badge.textContent = word;
  }
  if (line) line.textContent = sentence;
  if (create) create.hidden = !can.create;
  if (again) again.hidden = !can.again;
  if (!settled && card instanceof HTMLDetailsElement) card.open = !(usable && tried?.dataset.readiness === "ready");
  settled = true;
  for (const listener of listeners) listener();
}

/** What is wrong with the means is said before they are needed. */
async function lookAt(name: Means): Promise<void> {
  const turn = (look += 1);
  const stale = (): boolean => turn !== look;
  const now = within("[data-now]");
  if (now) now.textContent = within(`[data-means][value=${name}]`)?.closest("label")?.textContent?.trim() ?? "";
  for (const part of card.querySelectorAll<HTMLElement>("[data-of]")) part.hidden = part.dataset.of !== name;
  within("[data-unproven]")?.toggleAttribute("hidden", name === "browser" || name === "file");
  within("[data-choose-certificate]")?.setAttribute("hidden", "");
  for (const part of ["[data-test-file]", "[data-tested]"]) within(part)?.setAttribute("hidden", "");
  select?.replaceChildren();
  usable = false;
  if (badge) {
    badge.className = "badge";
    badge.textContent = t("means.looking");
  }
  if (line) line.textContent = "";
  for (const listener of listeners) listener();
  if (name === "file") show("good", t("means.file.ready"), "");
  else if (name === "browser") await lookAtKey(stale);
  else await lookAtPlugin(name, stale);
}

async function lookAtPlugin(name: Means, stale: () => boolean): Promise<void> {
  try {
    const found = (await providerOf(name)?.certificates()) ?? [];
    if (!stale()) offer(found);
  } catch (error) {
    const { code } = problemOf(error);
    if (!stale()) show("bad", t(`means.problem.${code}`), t(`means.fix.${code}`), { again: true, problem: code });
  }
}

function offer(found: SigningCertificate[]): void {
  const kept = remembered().certificate;
  const options = found.map((one) => {
    const until = one.until?.toLocaleDateString(pageData.language);
    return new Option(until ? `${one.name} · ${t("means.until", { until })}` : one.name, one.id, false, one.id === kept);
  });
  select?.replaceChildren(...options);
  within("[data-choose-certificate]")?.removeAttribute("hidden");
  describe(found.find((one) => one.id === select?.value) ?? found[0]);
}

function describe(one: SigningCertificate | undefined): void {
  const days = one?.until ? Math.floor((one.until.getTime() - Date.now()) / DAY) : null;
  if (days === null) show("good", t("means.found"), "");
  else if (days < 0) show("bad", t("certificate.expired"), t("means.fix.expired"), { again: true });
  else show(days < SOON ? "warn" : "good", t("means.found"), t("certificate.left", { count: days }));
}

async function lookAtKey(stale: () => boolean): Promise<void> {
  if (!globalThis.crypto?.subtle) {
    show("bad", t("certificate.insecure"), t("certificate.insecure.do"));
    return;
  }
  const found = await getKey(person);
  const fingerprint = found?.certificateDer ? await sha256Hex(found.certificateDer) : "";
  if (stale()) return;
  const record = known.find((one) => one.sha256 === fingerprint);
  if (!fingerprint) {
    show("bad", t("certificate.none"), t("certificate.none.do"), { create: true });
  } else if (record?.state !== "valid") {
    show("bad", t(`certificate.${record?.state ?? "unknown"}`), t("certificate.unusable.do"), { create: true });
  } else {
    const days = Math.floor((Date.parse(record.until) - Date.now()) / DAY);
    const until = new Date(record.until).toLocaleDateString(pageData.language);
    const soon = days < SOON;
    show(soon ? "warn" : "good", t("certificate.valid"), t("certificate.until", { until, count: days }), { create: soon });
  }
}

async function createCertificate(): Promise<void> {
  if (create?.getAttribute("aria-busy") === "true") return;
  create?.setAttribute("aria-busy", "true");
  clearError(card);
  try {
    const stored = await getKey(person);
    if (stored?.certificateDer) await forget(person);
    const fresh = await createKey(person);
    const csr = toBase64(await buildCsr(fresh.keyPair, pageData.name ?? person));
    const made = await send<{ der: string; sha256: string; not_after: string }>("certificate.request", { csr });
    await saveCertificate(person, fromBase64(made.der));
    known.push({ sha256: made.sha256, until: made.not_after, state: "valid" });
    standing("unknown");
    await lookAt("browser");
    within("[data-test]")?.focus();
  } catch (error) {
    showError(card, error);
  } finally {
    create?.removeAttribute("aria-busy");
  }
}

/** The word at the head of the card follows the newest trial; of a new key nothing is known yet. */
export function standing(state: "ready" | "broken" | "unknown"): void {
  if (!tried) return;
  tried.dataset.readiness = state;
  tried.className = `badge ${{ ready: "good", broken: "bad", unknown: "warn" }[state]}`;
  tried.textContent = t(`readiness.now.${state}`);
}

/** Begin: the means this signer used last here, the browser's own key where none is remembered. */
export function start(): void {
  const kept = remembered().means ?? "browser";
  for (const radio of card.querySelectorAll<HTMLInputElement>("[data-means]")) {
    radio.checked = radio.value === kept;
    radio.addEventListener("change", () => {
      remember({ means: means() });
      void refresh();
    });
  }
  select?.addEventListener("change", () => remember({ certificate: select.value }));
  create?.addEventListener("click", () => void createCertificate());
  again?.addEventListener("click", () => void refresh());
  void refresh();
}

function refresh(): Promise<void> {
  clearError(card);
  return lookAt(means()).catch((error: unknown) => showError(card, error));
}
