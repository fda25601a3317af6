// Bytes of a case's document -> something that can be drawn. Nothing of it reaches a URL, a cache or the disk.
import type { PDFDocumentProxy } from "pdfjs-dist";
import { Refused, type CaseDocument, type WireError } from "../live/wire";
import type { Size } from "./geometry";

export interface Loaded {
  document: CaseDocument;
  pages: number;
  /** Size of a page at its natural scale; text has none. */
  size(page: number): Promise<Size>;
  /** Draws the page into `canvas`, `width` device pixels wide. */
  draw(page: number, canvas: HTMLCanvasElement, width: number): Promise<void>;
  text?: string;
  drop(): void;
}

const MOST_PIXELS = 16_000_000; // a canvas larger than this fails silently on small machines

export class DigestMismatch extends Error {}

async function sha256(bytes: ArrayBuffer): Promise<string> {
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  return [...digest].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** Fetches, checks against the digest of the record, and decodes. Throws DigestMismatch, Refused, or what fetch throws. */
export async function load(url: string, document: CaseDocument, signal: AbortSignal): Promise<Loaded> {
  const answer = await fetch(url, { signal, credentials: "same-origin", cache: "no-store" });
  if (!answer.ok) throw new Refused(await refusalOf(answer));
  const bytes = await answer.arrayBuffer();
  if ((await sha256(bytes)) !== document.digest) throw new DigestMismatch(document.id);
  if (document.media_type === "application/pdf") return pdf(bytes, document);
  if (document.media_type.startsWith("image/")) return image(new Blob([bytes], { type: document.media_type }), document);
  return plain(new TextDecoder().decode(bytes), document);
}

async function refusalOf(answer: Response): Promise<WireError> {
  const body = (await answer.json().catch(() => null)) as { error?: WireError } | null;
  return body?.error ?? { code: `status_${answer.status}`, message: "" };
}

let library: Promise<typeof import("pdfjs-dist")> | null = null;

/** pdf.js comes when the first PDF does. Its worker is a file of ours; documents run no code. */
function pdfjs(): Promise<typeof import("pdfjs-dist")> {
  library ??= import("pdfjs-dist/legacy/build/pdf.mjs").then((found) => {
    found.GlobalWorkerOptions.workerSrc = "/static/dist/pdf.worker.js";
    return found;
  });
  return library;
}

async function pdf(bytes: ArrayBuffer, document: CaseDocument): Promise<Loaded> {
  const { getDocument } = await pdfjs();
  const loading = getDocument({
    data: new Uint8Array(bytes),
    enableXfa: false,
    useWasm: false,
    useSystemFonts: false,
    cMapUrl: "/static/dist/pdf/cmaps/",
    standardFontDataUrl: "/static/dist/pdf/standard_fonts/",
    wasmUrl: "/static/dist/pdf/wasm/",
  });
  const opened: PDFDocumentProxy = await loading.promise;
  return {
    document,
    pages: opened.numPages,
    async size(page) {
      const { width, height } = (await opened.getPage(page)).getViewport({ scale: 1 });
      return { width, height };
    },
    async draw(page, canvas, width) {
      const found = await opened.getPage(page);
      const natural = found.getViewport({ scale: 1 });
      const viewport = found.getViewport({ scale: scaleFor(natural, width) });
      const sheet = new OffscreenCanvas(Math.ceil(viewport.width), Math.ceil(viewport.height));
      const context = sheet.getContext("2d") as unknown as CanvasRenderingContext2D;
      await found.render({ canvas: null, canvasContext: context, viewport }).promise;
      put(canvas, sheet, sheet.width, sheet.height);
    },
    drop: () => void loading.destroy(),
  };
}

async function image(blob: Blob, document: CaseDocument): Promise<Loaded> {
  const bitmap = await createImageBitmap(blob);
  const size = { width: bitmap.width, height: bitmap.height };
  return {
    document,
    pages: 1,
    size: () => Promise.resolve(size),
    draw(_page, canvas, width) {
      const scale = Math.min(1, scaleFor(size, width)); // magnified by the compositor: no pixel is invented here
      put(canvas, bitmap, Math.ceil(size.width * scale), Math.ceil(size.height * scale));
      return Promise.resolve();
    },
    drop: () => bitmap.close(),
  };
}

function plain(text: string, document: CaseDocument): Loaded {
  return {
    document,
    pages: 1,
    size: () => Promise.resolve({ width: 1, height: 1 }),
    draw: () => Promise.resolve(),
    text,
    drop: () => undefined,
  };
}

function scaleFor(natural: Size, width: number): number {
  const most = Math.sqrt(MOST_PIXELS / (natural.width * natural.height));
  return Math.min(width / natural.width, most);
}

function put(canvas: HTMLCanvasElement, source: CanvasImageSource, width: number, height: number): void {
  canvas.width = width;
  canvas.height = height;
  canvas.getContext("2d")?.drawImage(source, 0, 0, width, height);
}
