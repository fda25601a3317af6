/** Write and read DER (X.690 chapter 10): the few types that a signature and a certificate request need. */

export const TAG = {
  integer: 0x02,
  bits: 0x03,
  octets: 0x04,
  oid: 0x06,
  utf8: 0x0c,
  utcTime: 0x17,
  generalTime: 0x18,
  sequence: 0x30,
  set: 0x31,
} as const;

/** One value in place: where its header, content and end lie in the bytes it was read from. */
export interface Node {
  readonly tag: number;
  readonly raw: Uint8Array;
  readonly content: Uint8Array;
}

export class DerError extends Error {
  readonly code = "BAD_DER";
}

export function concat(...parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((size, part) => size + part.length, 0));
  let offset = 0;
  for (const part of parts) {
    whole.set(part, offset);
    offset += part.length;
  }
  return whole;
}

/** One value: identifier octet, shortest definite length, content. */
export function tlv(tag: number, ...content: readonly Uint8Array[]): Uint8Array {
  const body = concat(...content);
  return concat(Uint8Array.of(tag, ...lengthOctets(body.length)), body);
}

export const sequence = (...parts: readonly Uint8Array[]): Uint8Array => tlv(TAG.sequence, ...parts);
export const octets = (value: Uint8Array): Uint8Array => tlv(TAG.octets, value);
export const bits = (value: Uint8Array): Uint8Array => tlv(TAG.bits, Uint8Array.of(0), value);
export const utf8 = (value: string): Uint8Array => tlv(TAG.utf8, new TextEncoder().encode(value));
export const context = (number: number, ...parts: readonly Uint8Array[]): Uint8Array => tlv(0xa0 | number, ...parts);

/** SET OF in DER order (X.690 11.6). */
export function setOf(...parts: readonly Uint8Array[]): Uint8Array {
  return tlv(TAG.set, ...[...parts].sort(compare));
}

/** INTEGER of a small non-negative number. */
export function integer(value: number): Uint8Array {
  return unsigned(Uint8Array.of(value));
}

/** INTEGER of a big-endian magnitude: no redundant zeros, one leading zero where the sign bit would lie. */
export function unsigned(magnitude: Uint8Array): Uint8Array {
  let start = 0;
  while (start < magnitude.length - 1 && magnitude[start] === 0) start += 1;
  const trimmed = magnitude.subarray(start);
  const negative = ((trimmed[0] ?? 0) & 0x80) !== 0;
  return tlv(TAG.integer, negative ? concat(Uint8Array.of(0), trimmed) : trimmed);
}

/** OBJECT IDENTIFIER from its dotted form. */
export function oid(dotted: string): Uint8Array {
  const [first = 0, second = 0, ...rest] = dotted.split(".").map(Number);
  return tlv(TAG.oid, Uint8Array.from([first * 40 + second, ...rest].flatMap(base128)));
}

/** Time as RFC 5652 11.3 wants it: UTCTime through 2049, GeneralizedTime after; whole seconds, Z. */
export function time(moment: Date): Uint8Array {
  const digits = `${moment.toISOString().replace(/[-:T]/g, "").slice(0, 14)}Z`;
  const year = moment.getUTCFullYear();
  const short = year >= 1950 && year < 2050;
  const text = new TextEncoder().encode(short ? digits.slice(2) : digits);
  return tlv(short ? TAG.utcTime : TAG.generalTime, text);
}

/** The value that begins at `start`; definite lengths only. */
export function read(bytes: Uint8Array, start = 0): Node {
  const tag = bytes[start];
  const first = bytes[start + 1];
  if (tag === undefined || first === undefined) throw new DerError("truncated");
  const count = first & 0x80 ? first & 0x7f : 0;
  if (first === 0x80 || count > 4) throw new DerError("length");
  const body = start + 2 + count;
  const length = count === 0 ? first : bytes.subarray(start + 2, body).reduce((sum, octet) => sum * 256 + octet, 0);
  if (body + length > bytes.length) throw new DerError("truncated");
  return { tag, raw: bytes.subarray(start, body + length), content: bytes.subarray(body, body + length) };
}

/** The values inside a constructed value. */
export function children(node: Node): Node[] {
  const found: Node[] = [];
  for (let offset = 0; offset < node.content.length; ) {
    const child = read(node.content, offset);
    found.push(child);
    offset += child.raw.length;
  }
  return found;
}

function lengthOctets(length: number): number[] {
  if (length < 0x80) return [length];
  const digits: number[] = [];
  for (let rest = length; rest > 0; rest = Math.floor(rest / 256)) digits.unshift(rest % 256);
  return [0x80 | digits.length, ...digits];
}

function base128(value: number): number[] {
  const septets = [value % 128];
  for (let rest = Math.floor(value / 128); rest > 0; rest = Math.floor(rest / 128)) septets.unshift(0x80 | (rest % 128));
  return septets;
}

function compare(left: Uint8Array, right: Uint8Array): number {
  const shared = Math.min(left.length, right.length);
  for (let index = 0; index < shared; index += 1) {
    const difference = (left[index] ?? 0) - (right[index] ?? 0);
    if (difference !== 0) return difference;
  }
  return left.length - right.length;
}
