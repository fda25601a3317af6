/**
 * The port behind which every means of signing stands (SG-05). All end the same way: detached CAdES-BES in DER over
 * the bytes that were fetched and shown, judged by the one strict verifier on the server.
 */

/** As `commands.Means` on the server; a file made by a desktop program (`file`) is uploaded and needs no provider. */
export type Means = "browser" | "cryptopro" | "rutoken" | "file";

/** What can be wrong before anything is signed; the server keeps these codes for the readiness of the board. */
export type ProblemCode = "NO_PLUGIN" | "NO_TOKEN" | "NO_KEY" | "CANCELLED" | "FAILED";

/** Something is missing on this device, or the signer or his device refused. */
export class SigningProblem extends Error {
  readonly code: ProblemCode;
  constructor(code: ProblemCode, detail = "") {
    super(detail || code);
    this.code = code;
  }
}

export interface SigningCertificate {
  /** The provider's own handle of it, stable on this device. */
  readonly id: string;
  /** Whom it names, as the provider shows it. */
  readonly name: string;
  readonly until: Date | null;
}

export interface Provider {
  readonly name: Means;
  /** Certificates that can sign here and now. Throws SigningProblem where there is nothing to look in. */
  certificates(): Promise<SigningCertificate[]>;
  /**
   * Detached CAdES-BES over exactly these bytes, in DER. `moment` is the server's challenge time; a provider that
   * states its own clock is refused by the server beyond five minutes. Throws SigningProblem.
   */
  sign(content: Uint8Array, certificate: string, moment: Date): Promise<Uint8Array>;
}

/** Whatever a provider threw, as a problem; text of plug-ins is kept for the small print. */
export function problemOf(error: unknown): SigningProblem {
  if (error instanceof SigningProblem) return error;
  const text = error instanceof Error ? error.message : typeof error === "string" ? error : said(error);
  // 0x8010006E, 0x000004C7: the card's and the system's "cancelled by the user".
  const cancelled = /8010006E|000004C7|cancel|отмен/i.test(text);
  return new SigningProblem(cancelled ? "CANCELLED" : "FAILED", text.slice(0, 300));
}

function said(error: unknown): string {
  const message = (error as { message?: unknown } | null)?.message;
  return typeof message === "string" ? message : String(error);
}

/** Ends with NO_PLUGIN when the plug-in does not answer in time: extensions answer at once or never. */
export function inTime<T>(work: PromiseLike<T>, milliseconds: number): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new SigningProblem("NO_PLUGIN")), milliseconds);
    const settled = (): void => clearTimeout(timer);
    work.then(
      (value) => (settled(), resolve(value)),
      (error: unknown) => (settled(), reject(error)),
    );
  });
}
