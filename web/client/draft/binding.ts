// Between a textarea and a shared text: the smallest change, and where the caret goes when others type.

export interface Change {
  at: number;
  remove: number;
  insert: string;
}

/**
 * The one replacement that turns `before` into `after`. `caret` (end of the change in `after`) decides where a
 * repeated letter was typed. Offsets are UTF-16 units, as both textarea and Yjs count; pairs are never split.
 */
export function change(before: string, after: string, caret = after.length): Change | null {
  if (before === after) return null;
  const most = Math.min(before.length, after.length);
  const tail = Math.max(0, after.length - caret);
  let end = 0;
  while (end < Math.min(most, tail) && before.at(-1 - end) === after.at(-1 - end)) end += 1;
  let start = 0;
  while (start < most - end && before[start] === after[start]) start += 1;
  while (end < most - start && before.at(-1 - end) === after.at(-1 - end)) end += 1;
  if (start > 0 && isHigh(before.charCodeAt(start - 1))) start -= 1;
  if (end > 0 && isLow(before.charCodeAt(before.length - end))) end -= 1;
  return { at: start, remove: before.length - start - end, insert: after.slice(start, after.length - end) };
}

const isHigh = (unit: number): boolean => unit >= 0xd800 && unit <= 0xdbff;
const isLow = (unit: number): boolean => unit >= 0xdc00 && unit <= 0xdfff;

export interface DeltaPart {
  retain?: number;
  insert?: unknown;
  delete?: number;
}

/** Where position `caret` of the old text is in the new one, after somebody else's change. */
export function moved(caret: number, delta: readonly DeltaPart[]): number {
  let old = 0; // position in the old text
  let shift = 0;
  for (const part of delta) {
    if (old > caret) break;
    if (part.retain !== undefined) old += part.retain;
    else if (part.delete !== undefined) {
      shift -= Math.min(part.delete, Math.max(0, caret - old));
      old += part.delete;
    } else if (typeof part.insert === "string" && old < caret) shift += part.insert.length;
  }
  return Math.max(0, caret + shift);
}
