// What of each source is sent, and how large: three sizes of a face, one sharp picture of a screen.
import type { Source } from "../live/wire";
import type { PictureQuality } from "./choice";

const MIC: RTCRtpEncodingParameters[] = [{ maxBitrate: 40_000 }];
const SCREEN: RTCRtpEncodingParameters[] = [{ maxBitrate: 1_500_000, maxFramerate: 12 }];
const INSTRUMENT: RTCRtpEncodingParameters[] = [
  { rid: "m", scaleResolutionDownBy: 2, maxBitrate: 500_000 },
  { rid: "h", scaleResolutionDownBy: 1, maxBitrate: 2_500_000 },
];
const FACE: RTCRtpEncodingParameters[] = [
  { rid: "l", scaleResolutionDownBy: 4, maxBitrate: 150_000 },
  { rid: "m", scaleResolutionDownBy: 2, maxBitrate: 500_000 },
  { rid: "h", scaleResolutionDownBy: 1, maxBitrate: 1_500_000 },
];
/** A capture of 180 lines has nothing to be divided by four. */
const SMALL_FACE: RTCRtpEncodingParameters[] = [
  { rid: "l", scaleResolutionDownBy: 2, maxBitrate: 100_000 },
  { rid: "h", scaleResolutionDownBy: 1, maxBitrate: 300_000 },
];
/** Where the relay takes one layer only: the whole picture at a rate that a weak line bears. */
const ALONE: Partial<Record<Source, number>> = { camera: 600_000, camera2: 1_500_000 };

/** Encodings of a source, lowest first; fresh objects, because browsers keep what they are given. */
export function encodings(source: Source, quality: PictureQuality): RTCRtpEncodingParameters[] {
  const chosen =
    source === "mic" ? MIC
    : source === "camera" ? (quality === "low" ? SMALL_FACE : FACE)
    : source === "camera2" ? INSTRUMENT
    : SCREEN;
  return chosen.map((one) => ({ ...one }));
}

/** The encodings with those switched off that nobody looks at. Null: nothing changes. */
export function wantedOnly<T extends RTCRtpEncodingParameters>(now: readonly T[], wanted: readonly string[]): T[] | null {
  const next = now.map((one) => ({ ...one, active: one.rid === undefined ? wanted.length > 0 : wanted.includes(one.rid) }));
  return next.every((one, at) => one.active === (now[at]?.active ?? true)) ? null : next;
}

/** What is left when the answer took no layers: the one encoding, at its full size. Null: layers were taken. */
export function alone<T extends RTCRtpEncodingParameters>(source: Source, now: readonly T[]): T[] | null {
  const [first, ...rest] = now;
  const rate = ALONE[source];
  if (!first || rest.length > 0 || rate === undefined || (first.scaleResolutionDownBy ?? 1) === 1) return null;
  return [{ ...first, scaleResolutionDownBy: 1, maxBitrate: rate }];
}

interface Codec {
  mimeType: string;
}

/** Redundant audio (RFC 2198) before all else, where the browser has it: each packet repeats the one before. */
export function redFirst<T extends Codec>(codecs: readonly T[]): T[] | null {
  const red = codecs.filter((one) => one.mimeType.toLowerCase() === "audio/red");
  return red.length > 0 ? [...red, ...codecs.filter((one) => !red.includes(one))] : null;
}
