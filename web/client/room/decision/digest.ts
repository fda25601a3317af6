// The wording a voter has before his eyes, as a number: it must be the one that was frozen.
import { useEffect, useState } from "preact/hooks";

/** sha256 of the NFC UTF-8 text, lower-case hexadecimal. */
export async function wordingDigest(wording: string): Promise<string> {
  const bytes = new TextEncoder().encode(wording.normalize("NFC"));
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  return [...digest].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

export type Check = "checking" | "same" | "different";

export function useWordingCheck(wording: string, digest: string): Check {
  const [check, setCheck] = useState<Check>("checking");
  useEffect(() => {
    let asked = true;
    setCheck("checking");
    void wordingDigest(wording).then((found) => {
      if (asked) setCheck(found === digest ? "same" : "different");
    });
    return () => { asked = false; };
  }, [wording, digest]);
  return check;
}
