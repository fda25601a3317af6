// The signing desk: the digest is computed here, from the bytes fetched here; the key never leaves this browser.
import { buildCades } from "../signing/cms";
import { buildCsr } from "../signing/csr";
import { sha256Hex } from "../signing/digest";
import { createKey, forget, getKey, saveCertificate, type SigningKey } from "../signing/keys";
import { clearError, send, showError } from "./shared/send";
import { pageData, t } from "./shared/texts";

interface Known {
  readonly sha256: string;
  readonly until: string;
  readonly state: "valid" | "expired" | "revoked";
}

interface Begun {
  readonly challenge: string;
  readonly signing_time: string;
  readonly digest: string;
  readonly version: number;
  /** Whether the protocol itself still waits for this person; his dissents may wait alone. */
  readonly document: boolean;
  readonly dissents: { readonly id: string; readonly digest: string; readonly content: string }[];
}

const person = pageData.person ?? "";
const card = document.getElementById("certificate") as HTMLElement;
const badge = card.querySelector<HTMLElement>("[data-badge]");
const line = card.querySelector<HTMLElement>("[data-line]");
const create = card.querySelector<HTMLButtonElement>("[data-create]");
const desk = document.getElementById("document");
const button = document.querySelector<HTMLButtonElement>("[data-sign]");
const known = JSON.parse(card.dataset.fingerprints ?? "[]") as Known[];

let key: SigningKey | null = null;
let bytes: Uint8Array | null = null;

function fromBase64(text: string): Uint8Array {
  return Uint8Array.from(atob(text), (char) => char.charCodeAt(0));
}

function toBase64(data: Uint8Array): string {
  let text = "";
  for (const octet of data) text += String.fromCharCode(octet);
  return btoa(text);
}

// --- the certificate ---------------------------------------------------------------------------

function show(tone: string, word: string, sentence: string, canCreate: boolean): void {
  if (badge) {
    badge.className = `badge ${tone}`;
    badge.textContent = word;
  }
  if (line) line.textContent = sentence;
  if (create) create.hidden = !canCreate;
  ready();
}

/** What is wrong with the certificate is said before it is needed. */
async function lookAtKey(): Promise<void> {
  if (!globalThis.crypto?.subtle) {
    show("bad", t("certificate.insecure"), t("certificate.insecure.do"), false);
    return;
  }
  const found = await getKey(person);
  key = null;
  if (!found?.certificateDer) {
    show("warn", t("certificate.none"), t("certificate.none.do"), true);
    return;
  }
  const fingerprint = await sha256Hex(found.certificateDer);
  const record = known.find((one) => one.sha256 === fingerprint);
  if (record?.state !== "valid") {
    show("bad", t(`certificate.${record?.state ?? "unknown"}`), t("certificate.unusable.do"), true);
    return;
  }
  key = found;
  const days = Math.floor((Date.parse(record.until) - Date.now()) / 86_400_000);
  const until = new Date(record.until).toLocaleDateString(pageData.language);
  show(days < 14 ? "warn" : "good", t("certificate.valid"), t("certificate.until", { until, count: days }), days < 14);
}

async function createCertificate(): Promise<void> {
  if (create?.getAttribute("aria-busy") === "true") return;
  create?.setAttribute("aria-busy", "true");
  clearError(card);
  try {
    const stored = await getKey(person);
    if (stored?.certificateDer) await forget(person);
    const fresh = await createKey(person);
    const csr = await buildCsr(fresh.keyPair, pageData.name ?? person);
    const made = await send<{ der: string; sha256: string; not_after: string }>("certificate.request", {
      csr: toBase64(csr),
    });
    await saveCertificate(person, fromBase64(made.der));
    known.push({ sha256: made.sha256, until: made.not_after, state: "valid" });
    await lookAtKey();
    (button ?? card.querySelector("a"))?.focus();
  } catch (error) {
    showError(card, error);
  } finally {
    create?.removeAttribute("aria-busy");
  }
}

// --- the document ------------------------------------------------------------------------------

async function fetchDocument(): Promise<void> {
  const place = desk?.querySelector("[data-own]");
  const verdict = desk?.querySelector<HTMLElement>("[data-compared]");
  if (!desk || !place || !verdict) return;
  const answer = await fetch(`/api/protocol.document/${desk.dataset.protocol}`, { credentials: "same-origin" });
  if (!answer.ok) throw new Error(`document ${answer.status}`);
  const fetched = new Uint8Array(await answer.arrayBuffer());
  const digest = await sha256Hex(fetched);
  place.textContent = digest.replace(/(.{8})(?=.)/g, "$1 ");
  const same = digest === desk.dataset.digest;
  verdict.className = `badge ${same ? "good" : "bad"}`;
  verdict.textContent = t(same ? "digest.same" : "digest.differs");
  bytes = same ? fetched : null;
  ready();
}

function ready(): void {
  if (!button) return;
  button.disabled = !(key && bytes);
  button.title = button.disabled ? t(key ? "sign.wait_digest" : "sign.wait_key") : "";
}

/** Own dissents first: the protocol is complete only when they are signed too. */
async function sign(): Promise<void> {
  if (!desk || !button || !key?.certificateDer || !bytes || button.getAttribute("aria-busy") === "true") return;
  const protocol = desk.dataset.protocol ?? "";
  clearError(desk);
  button.setAttribute("aria-busy", "true");
  try {
    const begun = await send<Begun>("protocol.begin_signing", { protocol });
    if (begun.digest !== desk.dataset.digest) {
      location.reload();
      return;
    }
    for (const one of begun.dissents) await signDissent(protocol, begun, one);
    if (begun.document) {
      const cms = await signed(bytes, begun);
      await send("protocol.sign", { protocol, challenge: begun.challenge, digest: begun.digest, cms });
    }
    location.assign("/signing?done=1");
  } catch (error) {
    showError(desk, error);
    button.removeAttribute("aria-busy");
  }
}

async function signDissent(protocol: string, begun: Begun, one: Begun["dissents"][number]): Promise<void> {
  const content = fromBase64(one.content);
  if ((await sha256Hex(content)) !== one.digest) throw new Error(t("digest.differs"));
  const cms = await signed(content, begun);
  await send("dissent.sign", { protocol, dissent: one.id, challenge: begun.challenge, digest: one.digest, cms });
}

async function signed(content: Uint8Array, begun: Begun): Promise<string> {
  if (!key?.certificateDer) throw new Error("no key");
  const input = {
    document: content,
    certificateDer: key.certificateDer,
    privateKey: key.keyPair.privateKey,
    signingTime: new Date(begun.signing_time),
  };
  return toBase64(await buildCades(input));
}

create?.addEventListener("click", () => void createCertificate());
button?.addEventListener("click", () => void sign());
lookAtKey().catch((error: unknown) => showError(card, error));
fetchDocument().catch((error: unknown) => desk && showError(desk, error));
