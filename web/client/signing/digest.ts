/** SHA-256 of bytes, for the digest a signer compares on his own screen. */

/** SHA-256 as lower-case hexadecimal. */
export async function sha256Hex(bytes: Uint8Array): Promise<string> {
  const digest = await sha256(bytes);
  return Array.from(digest, (octet) => octet.toString(16).padStart(2, "0")).join("");
}

/** SHA-256 as 32 bytes. */
export async function sha256(bytes: Uint8Array): Promise<Uint8Array> {
  return new Uint8Array(await crypto.subtle.digest("SHA-256", bytes as BufferSource));
}
