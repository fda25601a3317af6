// One act of signing: ask for the time to state, check the bytes anew, sign one's own dissents, then the paper.
import { Refused, type Ack } from "../../live/wire";
import { fromBase64, toBase64 } from "../../signing/base64";
import { sha256Hex } from "../../signing/digest";
import type { Means, Provider } from "../../signing/provider";
import { send } from "../shared/send";
import { t } from "../shared/texts";

interface Begun {
  readonly challenge: string;
  readonly signing_time: string;
  readonly digest: string;
  readonly version: number;
  /** Whether the paper itself waits for this person; his dissents may wait alone. */
  readonly document: boolean;
  readonly dissents: { readonly id: string; readonly digest: string; readonly content: string }[];
}

/** A paper as the page showed it. */
export interface Paper {
  readonly id: string;
  readonly digest: string;
}

export interface Chosen {
  readonly provider: Provider;
  readonly certificate: string;
}

/** The document is another one than the page showed: somebody took it back meanwhile. */
export class Changed extends Error {}

/** The frozen bytes, when they are the ones the page shows; null when they differ. */
export async function fetched(paper: Paper): Promise<{ bytes: Uint8Array; digest: string }> {
  const answer = await fetch(`/api/protocol.document/${paper.id}`, { credentials: "same-origin" }).catch(() => {
    throw new Refused({ code: "offline", message: "" });
  });
  if (!answer.ok) {
    const body = (await answer.json().catch(() => null)) as Extract<Ack, { ok: false }> | null;
    throw new Refused(body?.error ?? { code: "internal", message: "" });
  }
  const bytes = new Uint8Array(await answer.arrayBuffer());
  return { bytes, digest: await sha256Hex(bytes) };
}

/** Own dissents first: the paper is complete only when they are signed too. Throws Refused, SigningProblem, Changed. */
export async function signPaper(paper: Paper, { provider, certificate }: Chosen): Promise<void> {
  const document = await fetched(paper);
  if (document.digest !== paper.digest) throw new Changed(t("digest.differs"));
  const begun = await send<Begun>("protocol.begin_signing", { protocol: paper.id });
  if (begun.digest !== paper.digest) throw new Changed(t("digest.differs"));
  const signed = async (content: Uint8Array): Promise<string> =>
    toBase64(await provider.sign(content, certificate, new Date(begun.signing_time)));
  const answer = { protocol: paper.id, challenge: begun.challenge };
  for (const one of begun.dissents) {
    const content = fromBase64(one.content);
    if ((await sha256Hex(content)) !== one.digest) throw new Changed(t("digest.differs"));
    await send("dissent.sign", { ...answer, dissent: one.id, digest: one.digest, cms: await signed(content) });
  }
  if (!begun.document) return;
  const cms = await signed(document.bytes);
  await send("protocol.sign", { ...answer, digest: begun.digest, cms, provider: provider.name satisfies Means });
}

/** A desktop program's file for the paper, or for one's own dissent with its own digest. */
export async function uploadFile(paper: Paper, file: File, dissent?: { id: string; digest: string }): Promise<void> {
  await send("protocol.upload_signature", {
    protocol: paper.id,
    digest: dissent?.digest ?? paper.digest,
    file: await contentOf(file),
    ...(dissent ? { dissent: dissent.id } : {}),
  });
}

const MOST = 290_000;

/** A file in base64, as commands carry it. */
export async function contentOf(file: File): Promise<string> {
  if (file.size > MOST) throw new Refused({ code: "too_large", message: t("file.too_large") });
  return toBase64(new Uint8Array(await file.arrayBuffer()));
}
