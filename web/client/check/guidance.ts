// How to allow the devices again, in the words of the browser at hand.

export type Browser = "chromium" | "yandex" | "firefox" | "safari" | "other";

export function browserOf(agent: string): Browser {
  if (/YaBrowser/.test(agent)) return "yandex";
  if (/Firefox\//.test(agent)) return "firefox";
  if (/Chrom(e|ium)\//.test(agent)) return "chromium";
  if (/Safari\//.test(agent)) return "safari";
  return "other";
}
