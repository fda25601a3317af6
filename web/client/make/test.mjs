// Bundles test/*.test.ts for node and runs node's own test runner on them.
import { build } from "esbuild";
import { spawnSync } from "node:child_process";
import { readdirSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const here = dirname(dirname(fileURLToPath(import.meta.url)));
const out = join(here, "node_modules", ".tests");

/** test/, and the tests that stand beside signing/ and pages/. */
function tests() {
  return ["test", "signing", "pages"].flatMap((folder) => {
    try {
      return readdirSync(join(here, folder))
        .filter((file) => /\.test\.tsx?$/.test(file))
        .map((file) => join(here, folder, file));
    } catch {
      return [];
    }
  });
}

rmSync(out, { recursive: true, force: true });
await build({
  absWorkingDir: here,
  entryPoints: tests(),
  outdir: out,
  outbase: here,
  outExtension: { ".js": ".mjs" },
  bundle: true,
  platform: "node",
  format: "esm",
  target: "node20",
  jsx: "automatic",
  jsxImportSource: "preact",
  packages: "external",
  external: ["catalogue:*"],
  logLevel: "warning",
});
const files = readdirSync(out, { recursive: true }).filter((file) => String(file).endsWith(".test.mjs"));
const run = spawnSync(process.execPath, ["--test", ...files.map((file) => join(out, String(file)))], {
  stdio: "inherit",
});
process.exit(run.status ?? 1);
