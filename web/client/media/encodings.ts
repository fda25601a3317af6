// What of each source is sent, and how large: up to three sizes of a face, one sharp picture of a screen.
import type { Source } from "../live/wire";

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
const OFFERED: Record<Source, RTCRtpEncodingParameters[]> = {
  mic: MIC, camera: FACE, camera2: INSTRUMENT, screen: SCREEN, screen2: SCREEN, screen3: SCREEN,
};

/** Encodings of a source as they are offered, lowest first; fresh objects, because browsers keep what they are given. */
export function encodings(source: Source): RTCRtpEncodingParameters[] {
  return OFFERED[source].map((one) => ({ ...one }));
}

export interface Size {
  width: number;
  height: number;
}

/** How many sizes libwebrtc makes of a picture at most; what is above that in the list it silently does not send. */
export function sizesOf({ width, height }: Size): number {
  const area = width * height;
  return area >= 960 * 540 ? 3 : area >= 480 * 270 ? 2 : 1;
}

/** bit/s that VP8 wants for a picture of so many lines; above, where an instrument is to be read in detail. */
function rateOf(lines: number, detail: boolean): number {
  const face = lines <= 135 ? 150_000 : lines <= 200 ? 250_000 : lines <= 270 ? 500_000 : lines <= 400 ? 800_000 : 1_500_000;
  return detail && lines > 400 ? 2_500_000 : face;
}

/**
 * The encodings fitted to the picture there is and to what is looked at. The lowest of them carry halves of halves up to
 * the whole picture, the others rest. `wanted`: rids that somebody looks at, null when nobody has said. Null: no change.
 */
export function fitted<T extends RTCRtpEncodingParameters>(
  source: Source, now: readonly T[], size: Size | null, wanted: readonly string[] | null,
): T[] | null {
  const layered = (source === "camera" || source === "camera2") && size !== null;
  const count = layered ? Math.min(now.length, sizesOf(size)) : now.length;
  const looked = (at: number): boolean => {
    if (wanted === null) return true;
    const any = now.slice(0, count).some(({ rid }) => rid === undefined || wanted.includes(rid));
    const { rid } = now[at] ?? {};
    // Who wants a size that this camera does not have gets the largest there is.
    return wanted.length > 0 && (rid === undefined || wanted.includes(rid) || (!any && at === count - 1));
  };
  const next = now.map((one, at): T => {
    const active = at < count && looked(at);
    if (!layered || at >= count) return { ...one, active };
    const scale = 2 ** (count - 1 - at);
    return { ...one, active, scaleResolutionDownBy: scale, maxBitrate: rateOf(size.height / scale, source === "camera2") };
  });
  return next.every((one, at) => same(one, now[at])) ? null : next;
}

function same(one: RTCRtpEncodingParameters, other: RTCRtpEncodingParameters | undefined): boolean {
  return one.active === (other?.active ?? true) && one.scaleResolutionDownBy === other?.scaleResolutionDownBy && one.maxBitrate === other?.maxBitrate;
}

interface Codec {
  mimeType: string;
}

/** Redundant audio (RFC 2198) before all else, where the browser has it: each packet repeats the one before. */
export function redFirst<T extends Codec>(codecs: readonly T[]): T[] | null {
  const red = codecs.filter((one) => one.mimeType.toLowerCase() === "audio/red");
  return red.length > 0 ? [...red, ...codecs.filter((one) => !red.includes(one))] : null;
}
