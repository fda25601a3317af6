/** Ask for a certificate: PKCS#10 (RFC 2986) for a key that never leaves the browser. */

import { signP256, signatureFields } from "./cms";
import { concat, context, integer, oid, sequence, setOf, utf8 } from "./der";

const COMMON_NAME = "2.5.4.3";

/** A certificate request in DER. The authority sets the subject itself; the name is for people reading logs. */
export async function buildCsr(keyPair: CryptoKeyPair, commonName: string): Promise<Uint8Array> {
  const publicKey = new Uint8Array(await crypto.subtle.exportKey("spki", keyPair.publicKey));
  const name = sequence(setOf(sequence(oid(COMMON_NAME), utf8(commonName.slice(0, 64)))));
  const body = sequence(integer(0), name, publicKey, context(0));
  const signature = await signP256(keyPair.privateKey, body);
  return sequence(concat(body, signatureFields(signature)));
}
