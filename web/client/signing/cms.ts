/**
 * Make a detached CAdES-BES signature (RFC 5652, EN 319 122-1) in the signer's own browser.
 *
 * The digest and every signed attribute are computed here, from the bytes that were shown: the server never
 * hands over something ready to be signed blindly. P-256 with SHA-256, one signer named by issuer and serial.
 */

import { bits, children, concat, context, integer, octets, oid, read, sequence, setOf, time, tlv, unsigned, TAG } from "./der";
import type { Node } from "./der";
import { sha256 } from "./digest";

const OID = {
  signedData: "1.2.840.113549.1.7.2",
  data: "1.2.840.113549.1.7.1",
  contentType: "1.2.840.113549.1.9.3",
  messageDigest: "1.2.840.113549.1.9.4",
  signingTime: "1.2.840.113549.1.9.5",
  signingCertificateV2: "1.2.840.113549.1.9.16.2.47",
  sha256: "2.16.840.1.101.3.4.2.1",
  ecdsaSha256: "1.2.840.10045.4.3.2",
} as const;

export interface SigningInput {
  /** The frozen bytes of the document, exactly as they were shown and hashed. */
  readonly document: Uint8Array;
  readonly certificateDer: Uint8Array;
  /** A P-256 key for ECDSA with the usage `sign`; it may be non-extractable. */
  readonly privateKey: CryptoKey;
  /** The server's challenge time; the server refuses more than five minutes of difference. */
  readonly signingTime: Date;
}

/** The `.sig` file: CMS SignedData in DER, without the document. */
export async function buildCades(input: SigningInput): Promise<Uint8Array> {
  const names = namesIn(input.certificateDer);
  const attributes = await signedAttributes(input, names);
  const signature = await signP256(input.privateKey, setOf(...attributes));
  const digestAlgorithm = sequence(oid(OID.sha256));
  const signer = sequence(
    integer(1),
    sequence(names.issuer, names.serial),
    digestAlgorithm,
    retagged(setOf(...attributes)),
    sequence(oid(OID.ecdsaSha256)),
    octets(signature),
  );
  const signedData = sequence(
    integer(1),
    setOf(digestAlgorithm),
    sequence(oid(OID.data)),
    context(0, input.certificateDer),
    setOf(signer),
  );
  return sequence(oid(OID.signedData), context(0, signedData));
}

/** ECDSA P-256 over these bytes, as the DER pair (r, s) that CMS and PKCS#10 carry. */
export async function signP256(key: CryptoKey, covered: Uint8Array): Promise<Uint8Array> {
  const algorithm = { name: "ECDSA", hash: "SHA-256" };
  const raw = new Uint8Array(await crypto.subtle.sign(algorithm, key, covered as BufferSource));
  return sequence(unsigned(raw.subarray(0, 32)), unsigned(raw.subarray(32)));
}

/** AlgorithmIdentifier and BIT STRING of a signature, as certificate requests end. */
export function signatureFields(signature: Uint8Array): Uint8Array {
  return concat(sequence(oid(OID.ecdsaSha256)), bits(signature));
}

interface CertificateNames {
  readonly issuer: Uint8Array;
  readonly serial: Uint8Array;
}

async function signedAttributes(input: SigningInput, names: CertificateNames): Promise<Uint8Array[]> {
  const certificateDigest = await sha256(input.certificateDer);
  const issuerSerial = sequence(sequence(context(4, names.issuer)), names.serial);
  const reference = sequence(octets(certificateDigest), issuerSerial);
  return [
    attribute(OID.contentType, oid(OID.data)),
    attribute(OID.signingTime, time(input.signingTime)),
    attribute(OID.messageDigest, octets(await sha256(input.document))),
    attribute(OID.signingCertificateV2, sequence(sequence(reference))),
  ];
}

/** Issuer name and serial number of a certificate, byte for byte (RFC 5280 4.1). */
function namesIn(certificateDer: Uint8Array): CertificateNames {
  const [body] = children(read(certificateDer));
  const fields: Node[] = body === undefined ? [] : children(body).filter((field) => field.tag !== 0xa0);
  const [serial, , issuer] = fields;
  if (serial?.tag !== TAG.integer || issuer?.tag !== TAG.sequence) throw new TypeError("not a certificate");
  return { issuer: issuer.raw, serial: serial.raw };
}

function attribute(type: string, value: Uint8Array): Uint8Array {
  return sequence(oid(type), setOf(value));
}

/** Signed attributes are hashed under the SET tag and stored under [0] (RFC 5652 5.4). */
function retagged(set: Uint8Array): Uint8Array {
  return tlv(0xa0, read(set).content);
}
