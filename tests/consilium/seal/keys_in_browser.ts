// Puts the key store and the signing code within a test's reach, in a real browser.
import { buildCades } from "../../../web/client/signing/cms";
import { buildCsr } from "../../../web/client/signing/csr";
import * as keys from "../../../web/client/signing/keys";

const hex = (bytes: Uint8Array): string => Array.from(bytes, (octet) => octet.toString(16).padStart(2, "0")).join("");
const bytes = (text: string): Uint8Array => Uint8Array.from(text.match(/../g) ?? [], (pair) => parseInt(pair, 16));

const signing = {
  csr: async (person: string) => hex(await buildCsr((await keys.createKey(person)).keyPair, person)),
  certify: async (person: string, certificate: string) => {
    await keys.saveCertificate(person, bytes(certificate));
  },
  sign: async (person: string, document: string, at: string) => {
    const key = await keys.getKey(person);
    if (key?.certificateDer == null) return "";
    const cms = await buildCades({
      document: bytes(document),
      certificateDer: key.certificateDer,
      privateKey: key.keyPair.privateKey,
      signingTime: new Date(at),
    });
    return hex(cms);
  },
  steal: async (person: string) => {
    const key = await keys.getKey(person);
    if (key === null) return "no key";
    return crypto.subtle.exportKey("pkcs8", key.keyPair.privateKey).then(
      () => "exported",
      (error: unknown) => (error as DOMException).name,
    );
  },
  forget: keys.forget,
};
Object.assign(globalThis, { signing });
