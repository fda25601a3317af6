// Runs the browser's own signing code in node: prints a certificate request, reads the certificate and the
// document, prints the signature. Values travel as hexadecimal, one JSON object a line.
import { createInterface } from "node:readline";
import { buildCades } from "../../../web/client/signing/cms";
import { buildCsr } from "../../../web/client/signing/csr";
import { sha256Hex } from "../../../web/client/signing/digest";

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");
const bytes = (text: string): Uint8Array => new Uint8Array(Buffer.from(text, "hex"));

const algorithm = { name: "ECDSA", namedCurve: "P-256" };
const keyPair = await crypto.subtle.generateKey(algorithm, false, ["sign", "verify"]);
process.stdout.write(`${JSON.stringify({ csr: hex(await buildCsr(keyPair, "Ёлкина Анна")) })}\n`);
for await (const line of createInterface({ input: process.stdin })) {
  const asked = JSON.parse(line) as { document: string; certificate: string; at: string };
  const document = bytes(asked.document);
  const cms = await buildCades({
    document,
    certificateDer: bytes(asked.certificate),
    privateKey: keyPair.privateKey,
    signingTime: new Date(asked.at),
  });
  process.stdout.write(`${JSON.stringify({ cms: hex(cms), sha256: await sha256Hex(document) })}\n`);
}
