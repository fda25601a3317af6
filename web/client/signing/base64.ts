/** Base64 as plug-ins and the server speak it. */

export function fromBase64(text: string): Uint8Array {
  return Uint8Array.from(atob(text.replace(/\s+/g, "")), (char) => char.charCodeAt(0));
}

export function toBase64(data: Uint8Array): string {
  let text = "";
  for (const octet of data) text += String.fromCharCode(octet);
  return btoa(text);
}

/** The DER of what a plug-in returned: base64, with line breaks and PEM lines or without. */
export function derOf(text: string): Uint8Array {
  return fromBase64(text.replace(/-----[A-Z0-9 ]+-----/g, ""));
}
