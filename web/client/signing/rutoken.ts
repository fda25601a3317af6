/**
 * Рутокен Плагин: `sign` of the token's own certificate, detached CMS with signing time and signing-certificate-v2.
 *
 * The extension puts one object on every page; its methods answer thenables without `catch`, its constants are
 * thenables too, so everything is awaited. Written from public descriptions and tried on a double of this object;
 * not yet on a real token.
 */

import { derOf, toBase64 } from "./base64";
import { commonName } from "./cryptopro";
import { inTime, problemOf, SigningProblem, type Provider, type SigningCertificate } from "./provider";

interface Plugin {
  readonly CERT_CATEGORY_USER: PromiseLike<number>;
  readonly DATA_FORMAT_BASE64: PromiseLike<number>;
  readonly HASH_TYPE_SHA256: PromiseLike<number>;
  enumerateDevices(): PromiseLike<number[]>;
  enumerateCertificates(device: number, category: number): PromiseLike<string[]>;
  parseCertificate(device: number, certificate: string): PromiseLike<Parsed>;
  login(device: number, pin: string): PromiseLike<void>;
  logout(device: number): PromiseLike<void>;
  sign(device: number, certificate: string, data: string, format: number, options: Options): PromiseLike<string>;
}
interface Parsed {
  readonly subject: string | readonly { readonly rdn: string; readonly value: string }[];
  readonly validNotAfter?: string;
}
interface Options {
  readonly detached: true;
  readonly addUserCertificate: true;
  readonly addSignTime: true;
  readonly addEssCert: true;
  readonly rsaHashAlgorithm: number;
}
interface Extension {
  initialize?(): PromiseLike<unknown>;
  isPluginInstalled(): PromiseLike<boolean>;
  loadPlugin(): PromiseLike<Plugin>;
}

const EXTENSION = "C3B7563B-BF85-45B7-88FC-7CFF1BD3C2DB";
const PATIENCE = 4_000;
const LOOK_EVERY = 50;

let loaded: Promise<Plugin> | null = null;

function plugin(): Promise<Plugin> {
  loaded ??= inTime(load(), PATIENCE).catch((error: unknown) => {
    loaded = null;
    throw error instanceof SigningProblem ? error : new SigningProblem("NO_PLUGIN", problemOf(error).message);
  });
  return loaded;
}

async function load(): Promise<Plugin> {
  const extension = await injected();
  await extension.initialize?.();
  if (!(await extension.isPluginInstalled())) throw new SigningProblem("NO_PLUGIN");
  return extension.loadPlugin();
}

/** The extension's script and ours begin in no fixed order. */
async function injected(): Promise<Extension> {
  const page = globalThis as unknown as Record<string, Extension | undefined>;
  for (let waited = 0; waited < PATIENCE; waited += LOOK_EVERY) {
    const found = page[EXTENSION];
    if (found) return found;
    await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY));
  }
  throw new SigningProblem("NO_PLUGIN");
}

/** A certificate's id is unique on its token only. */
function handle(device: number, certificate: string): string {
  return `${device}|${certificate}`;
}

async function every(): Promise<SigningCertificate[]> {
  const host = await plugin();
  const found: SigningCertificate[] = [];
  for (const device of await host.enumerateDevices()) {
    for (const id of await host.enumerateCertificates(device, await host.CERT_CATEGORY_USER)) {
      const parsed = await host.parseCertificate(device, id);
      const until = parsed.validNotAfter ? new Date(parsed.validNotAfter) : null;
      found.push({ id: handle(device, id), name: nameOf(parsed.subject), until });
    }
  }
  return found;
}

function nameOf(subject: Parsed["subject"]): string {
  if (typeof subject === "string") return commonName(subject);
  return subject.find((one) => one.rdn === "commonName" || one.rdn === "CN")?.value ?? "";
}

/** `askPin` shows the page's own dialog; it answers null when the signer closes it. The PIN is kept nowhere. */
export function rutoken(askPin: () => Promise<string | null>): Provider {
  return {
    name: "rutoken",
    async certificates() {
      const found = await every();
      if (found.length === 0) throw new SigningProblem("NO_TOKEN");
      return found;
    },
    async sign(content, certificate) {
      const bar = certificate.indexOf("|");
      const pin = await askPin();
      if (pin === null) throw new SigningProblem("CANCELLED");
      try {
        return await signedOn(Number(certificate.slice(0, bar)), certificate.slice(bar + 1), content, pin);
      } catch (error) {
        throw problemOf(error);
      }
    },
  };
}

async function signedOn(device: number, certificate: string, content: Uint8Array, pin: string): Promise<Uint8Array> {
  const host = await plugin();
  await host.login(device, pin);
  try {
    const options: Options = {
      detached: true,
      addUserCertificate: true,
      addSignTime: true,
      addEssCert: true,
      rsaHashAlgorithm: await host.HASH_TYPE_SHA256,
    };
    const format = await host.DATA_FORMAT_BASE64;
    return derOf(await host.sign(device, certificate, toBase64(content), format, options));
  } finally {
    await host.logout(device);
  }
}
