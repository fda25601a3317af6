// Bundles the browser client into ../static/dist and says in manifest.json what came out.
// Entry points: room, check, and every pages/*.ts(x). Names are stable, digests stand in the manifest:
//   {"room.js": {"digest": "…"}, "room.css": {"digest": "…"}, "pages/request.js": {…}}
// so a template asks for /static/dist/room.js?v=<digest>. Shared chunks carry their hash in the name.
import { build, context } from "esbuild";
import { createHash } from "node:crypto";
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { basename, dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";

const here = dirname(dirname(fileURLToPath(import.meta.url)));
const out = join(here, "..", "static", "dist");
const pdfjs = join(here, "node_modules", "pdfjs-dist");
const locale = join(here, "..", "locale");
/** Areas of the catalogue that browser code asks for; all others stay on the server. */
const inBrowser = new Set([
  "room", "media", "client", "error", "signing", "role", "item", "sex", "urgency", "document", "kind",
]);
const watching = process.argv.includes("--watch");

/** Every script a page may ask for: its name in dist -> its source. */
function entries() {
  const found = {};
  for (const name of ["room", "check"]) {
    const source = join(here, name, "main.tsx");
    if (existsSync(source)) found[name] = source;
  }
  const pages = join(here, "pages");
  for (const file of existsSync(pages) ? readdirSync(pages) : []) {
    const page = /^([a-z][a-z0-9_-]*)\.tsx?$/.exec(file);
    if (page) found[`pages/${page[1]}`] = join(pages, file);
  }
  return { ...found, "pdf.worker": join(pdfjs, "legacy", "build", "pdf.worker.mjs") };
}

/** What pdf.js fetches at run time: CJK maps, the fourteen standard fonts, decoders without WebAssembly. */
function copyPdfParts() {
  const wanted = (path) => !/quickjs/i.test(path); // the scripting sandbox: documents run no code here
  for (const part of ["cmaps", "standard_fonts", "wasm"]) {
    cpSync(join(pdfjs, part), join(out, "pdf", part), { recursive: true, filter: wanted });
  }
}

function writeManifest(outputs) {
  const manifest = {};
  for (const [path, made] of Object.entries(outputs)) {
    const name = relative(out, join(here, path)).replaceAll("\\", "/");
    if (name.startsWith("chunks/") || name.endsWith(".map")) continue;
    const digest = createHash("sha256").update(readFileSync(join(here, path))).digest("hex").slice(0, 16);
    manifest[name] = made.cssBundle ? { digest, css: relative(out, join(here, made.cssBundle)) } : { digest };
  }
  writeFileSync(join(out, "manifest.json"), `${JSON.stringify(manifest, null, 1)}\n`);
}

/** `catalogue:ru` is the browser's part of web/locale/ru.json. */
const catalogue = {
  name: "catalogue",
  setup(one) {
    one.onResolve({ filter: /^catalogue:/ }, ({ path }) => ({ path: path.slice(10), namespace: "catalogue" }));
    one.onLoad({ filter: /.*/, namespace: "catalogue" }, ({ path }) => {
      const file = join(locale, `${path}.json`);
      const all = existsSync(file) ? JSON.parse(readFileSync(file, "utf8")) : {};
      const wanted = Object.entries(all).filter(([key]) => inBrowser.has(key.split(".")[0]));
      return { contents: JSON.stringify(Object.fromEntries(wanted)), loader: "json", watchFiles: [file] };
    });
  },
};

/** Chunks of earlier builds go only now, so a running server keeps serving whole pages meanwhile. */
function dropOldChunks(outputs) {
  const kept = new Set(Object.keys(outputs).map((path) => basename(path)));
  const chunks = join(out, "chunks");
  for (const file of existsSync(chunks) ? readdirSync(chunks) : []) {
    if (!kept.has(file)) rmSync(join(chunks, file));
  }
}

const report = {
  name: "manifest",
  setup(one) {
    one.onEnd((result) => {
      if (!result.metafile) return;
      writeManifest(result.metafile.outputs);
      dropOldChunks(result.metafile.outputs);
    });
  },
};

mkdirSync(out, { recursive: true });
copyPdfParts();

const options = {
  absWorkingDir: here,
  entryPoints: entries(),
  outdir: out,
  bundle: true,
  format: "esm",
  splitting: true,
  chunkNames: "chunks/[name]-[hash]",
  target: ["chrome109", "firefox115"],
  jsx: "automatic",
  jsxImportSource: "preact",
  minify: !watching,
  sourcemap: watching ? "linked" : false,
  legalComments: "linked",
  metafile: true,
  logLevel: "warning",
  plugins: [catalogue, report],
};

if (watching) await (await context(options)).watch();
else await build(options);
