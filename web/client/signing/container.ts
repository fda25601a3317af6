/** One member of a sealed package (ZIP), read in the browser, so that the file need not leave the machine. */

const END = 0x06054b50;
const ENTRY = 0x02014b50;
const LOCAL = 0x04034b50;
const STORED = 0;
const DEFLATED = 8;
const LARGEST = 64 * 1024 * 1024;

/** The bytes of `name`, or null when this is no such container or has no such member. */
export async function memberOf(file: Uint8Array, name: string): Promise<Uint8Array | null> {
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  const end = endOf(view);
  if (end === null) return null;
  const count = view.getUint16(end + 10, true);
  let at = view.getUint32(end + 16, true);
  for (let index = 0; index < count && at + 46 <= view.byteLength; index += 1) {
    if (view.getUint32(at, true) !== ENTRY) return null;
    const length = view.getUint16(at + 28, true);
    const found = new TextDecoder().decode(file.subarray(at + 46, at + 46 + length));
    if (found === name) return content(file, view, at);
    at += 46 + length + view.getUint16(at + 30, true) + view.getUint16(at + 32, true);
  }
  return null;
}

function endOf(view: DataView): number | null {
  const last = view.byteLength - 22;
  for (let at = last; at >= Math.max(0, last - 65_535); at -= 1) {
    if (view.getUint32(at, true) === END) return at;
  }
  return null;
}

async function content(file: Uint8Array, view: DataView, entry: number): Promise<Uint8Array | null> {
  const method = view.getUint16(entry + 10, true);
  const packed = view.getUint32(entry + 20, true);
  const size = view.getUint32(entry + 24, true);
  const local = view.getUint32(entry + 42, true);
  if (size > LARGEST || local + 30 > view.byteLength || view.getUint32(local, true) !== LOCAL) return null;
  const start = local + 30 + view.getUint16(local + 26, true) + view.getUint16(local + 28, true);
  const bytes = file.subarray(start, start + packed);
  if (method === STORED) return bytes;
  return method === DEFLATED ? inflated(bytes, size) : null;
}

/** Stops at the size the container declares: a bomb is cut, not unpacked. */
async function inflated(bytes: Uint8Array, size: number): Promise<Uint8Array | null> {
  const stream = new Blob([bytes as BlobPart]).stream().pipeThrough(new DecompressionStream("deflate-raw"));
  const reader = stream.getReader();
  const whole = new Uint8Array(size);
  let filled = 0;
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) break;
      if (filled + value.length > size) return null;
      whole.set(value, filled);
      filled += value.length;
    }
  } catch {
    return null;
  } finally {
    void reader.cancel().catch(() => undefined);
  }
  return filled === size ? whole : null;
}
