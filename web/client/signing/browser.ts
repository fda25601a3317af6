/** A key made in this browser: for demonstration, an unqualified signature at most. */

import { buildCades } from "./cms";
import { getKey } from "./keys";
import { SigningProblem, type Provider, type SigningCertificate } from "./provider";

export function browserKey(personId: string): Provider {
  const usable = async () => {
    if (!globalThis.crypto?.subtle) throw new SigningProblem("NO_KEY");
    const key = await getKey(personId);
    if (!key?.certificateDer) throw new SigningProblem("NO_KEY");
    return { ...key, certificateDer: key.certificateDer };
  };
  return {
    name: "browser",
    async certificates(): Promise<SigningCertificate[]> {
      await usable();
      return [{ id: "browser", name: "", until: null }];
    },
    async sign(content, _certificate, moment) {
      const { keyPair, certificateDer } = await usable();
      return buildCades({ document: content, certificateDer, privateKey: keyPair.privateKey, signingTime: moment });
    },
  };
}
