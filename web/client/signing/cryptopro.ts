/**
 * КриптоПро ЭЦП Browser plug-in, by its own objects: SignHash, CAdES-BES, detached; no script of ours evaluates text.
 *
 * The page's half of the plug-in (`nmcades_plugin_api.js`) is taken from the installed extension and from nowhere
 * else. Written from public descriptions and tried on a double of these objects; not yet on a real plug-in.
 */

import { derOf, toBase64 } from "./base64";
import { inTime, problemOf, SigningProblem, type Provider, type SigningCertificate } from "./provider";

/** Objects live in the native host: every property is read by awaiting it and set by `propset_<Name>`. */
interface Remote {
  readonly [name: string]: never;
}
interface Collection {
  readonly Count: PromiseLike<number>;
  Item(index: number): PromiseLike<Certificate>;
}
interface Certificate {
  readonly Thumbprint: PromiseLike<string>;
  readonly SubjectName: PromiseLike<string>;
  readonly ValidToDate: PromiseLike<string>;
  HasPrivateKey(): PromiseLike<boolean>;
  PublicKey(): PromiseLike<{ readonly Algorithm: PromiseLike<{ readonly Value: PromiseLike<string> }> }>;
}
interface Store {
  readonly Certificates: PromiseLike<Collection>;
  Open(location: number, name: string, mode: number): PromiseLike<void>;
  Close(): PromiseLike<void>;
}
interface HashedData {
  propset_Algorithm(value: number): PromiseLike<void>;
  propset_DataEncoding(value: number): PromiseLike<void>;
  Hash(base64: string): PromiseLike<void>;
}
interface Attribute {
  propset_Name(value: number): PromiseLike<void>;
  propset_Value(value: Date): PromiseLike<void>;
}
interface Signer {
  readonly AuthenticatedAttributes2: PromiseLike<{ Add(attribute: Attribute): PromiseLike<void> }>;
  propset_Certificate(value: Certificate): PromiseLike<void>;
  propset_Options(value: number): PromiseLike<void>;
}
interface SignedData {
  SignHash(hash: HashedData, signer: Signer, type: number): PromiseLike<string>;
}
interface Objects {
  "CAdESCOM.Store": Store;
  "CAdESCOM.HashedData": HashedData;
  "CAdESCOM.CPSigner": Signer;
  "CADESCOM.CPAttribute": Attribute;
  "CAdESCOM.CadesSignedData": SignedData;
  "CAdESCOM.About": Remote;
}
interface Plugin {
  CreateObjectAsync<N extends keyof Objects>(name: N): PromiseLike<Objects[N]>;
}
interface Page {
  cadesplugin?: object;
  cpcsp_chrome_nmcades?: { CreatePluginObject(): PromiseLike<Plugin> };
}

const CURRENT_USER_STORE = 2;
const OPEN_MAXIMUM_ALLOWED = 2;
const BASE64_TO_BINARY = 1;
const SIGNING_TIME = 0;
const CHAIN_EXCEPT_ROOT = 0;
const CADES_BES = 1;
/** Public key -> the plug-in's number of the digest that belongs to it; every other key signs over SHA-256. */
const DIGEST: Readonly<Record<string, number>> = { "1.2.643.7.1.1.1.1": 101, "1.2.643.7.1.1.1.2": 102 };
const SHA_256 = 4;

const SCRIPT = "nmcades_plugin_api.js";
const EXTENSIONS = ["iifchhfnnmpdbibifmljnfjhpififfog", "epebfcehmdedogndhlcacafjaacknbcm"];
const OWN_SCRIPT = /url:(moz-extension:\/\/[a-zA-Z0-9-]+\/nmcades_plugin_api\.js)$/;
const PATIENCE = 4_000;

const page = globalThis as unknown as Page;
let loaded: Promise<Plugin> | null = null;

/** The plug-in, asked for once; a failure is forgotten, so that "try again" tries again. */
function plugin(): Promise<Plugin> {
  loaded ??= inTime(load(), PATIENCE).catch((error: unknown) => {
    loaded = null;
    throw error instanceof SigningProblem ? error : new SigningProblem("NO_PLUGIN", problemOf(error).message);
  });
  return loaded;
}

async function load(): Promise<Plugin> {
  if (!page.cpcsp_chrome_nmcades) await fromExtension();
  if (!page.cpcsp_chrome_nmcades) throw new SigningProblem("NO_PLUGIN");
  const found = await page.cpcsp_chrome_nmcades.CreatePluginObject();
  await found.CreateObjectAsync("CAdESCOM.About");
  return found;
}

/** The extension's script logs through this object and expects it to be there. */
async function fromExtension(): Promise<void> {
  page.cadesplugin ??= { LOG_LEVEL_DEBUG: 4, LOG_LEVEL_INFO: 2, LOG_LEVEL_ERROR: 1, current_log_level: 1 };
  if (/firefox/i.test(navigator.userAgent)) {
    await addScript(await announced());
    return;
  }
  for (const id of EXTENSIONS) {
    const there = await addScript(`chrome-extension://${id}/${SCRIPT}`).then(() => true, () => false);
    if (there) break;
  }
}

/** Firefox gives every installation an address of its own; the extension tells it when asked. */
function announced(): Promise<string> {
  return new Promise((resolve) => {
    window.addEventListener("message", function heard(event) {
      const address = typeof event.data === "string" ? OWN_SCRIPT.exec(event.data)?.[1] : undefined;
      if (event.source !== window || !address) return;
      window.removeEventListener("message", heard);
      resolve(address);
    });
    window.postMessage("cadesplugin_echo_request", location.origin);
  });
}

function addScript(address: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const script = document.createElement("script");
    script.src = address;
    script.onload = () => resolve();
    script.onerror = () => reject(new SigningProblem("NO_PLUGIN"));
    document.head.append(script);
  });
}

/** Certificates of the user's own store that come with a key. */
async function mine<T>(use: (one: Certificate) => Promise<T | null>): Promise<T[]> {
  const store = await (await plugin()).CreateObjectAsync("CAdESCOM.Store");
  await store.Open(CURRENT_USER_STORE, "My", OPEN_MAXIMUM_ALLOWED);
  try {
    const all = await store.Certificates;
    const found: T[] = [];
    for (let index = 1, count = await all.Count; index <= count; index += 1) {
      const one = await all.Item(index);
      const used = (await one.HasPrivateKey()) ? await use(one) : null;
      if (used !== null) found.push(used);
    }
    return found;
  } finally {
    await store.Close();
  }
}

async function shown(one: Certificate): Promise<SigningCertificate> {
  const until = new Date(await one.ValidToDate);
  return { id: await one.Thumbprint, name: commonName(await one.SubjectName), until };
}

export function commonName(subject: string): string {
  return /(?:^|,\s*)CN="?([^",]+)/.exec(subject)?.[1] ?? subject.slice(0, 100);
}

async function signedBy(one: Certificate, content: Uint8Array, moment: Date): Promise<string> {
  const host = await plugin();
  const key = await (await (await one.PublicKey()).Algorithm).Value;
  const hash = await host.CreateObjectAsync("CAdESCOM.HashedData");
  await hash.propset_Algorithm(DIGEST[key] ?? SHA_256);
  await hash.propset_DataEncoding(BASE64_TO_BINARY);
  await hash.Hash(toBase64(content));
  const time = await host.CreateObjectAsync("CADESCOM.CPAttribute");
  await time.propset_Name(SIGNING_TIME);
  await time.propset_Value(moment);
  const signer = await host.CreateObjectAsync("CAdESCOM.CPSigner");
  await signer.propset_Certificate(one);
  await signer.propset_Options(CHAIN_EXCEPT_ROOT);
  await (await signer.AuthenticatedAttributes2).Add(time);
  const data = await host.CreateObjectAsync("CAdESCOM.CadesSignedData");
  return data.SignHash(hash, signer, CADES_BES);
}

export const cryptoPro: Provider = {
  name: "cryptopro",
  async certificates() {
    const found = await mine(shown);
    if (found.length === 0) throw new SigningProblem("NO_TOKEN");
    return found;
  },
  async sign(content, certificate, moment) {
    try {
      const [made] = await mine(async (one) =>
        (await one.Thumbprint) === certificate ? signedBy(one, content, moment) : null,
      );
      if (made === undefined) throw new SigningProblem("NO_TOKEN");
      return derOf(made);
    } catch (error) {
      throw problemOf(error);
    }
  },
};
