// Builds the page into dist/: four scripts, two styles, two documents, and the edition that is one file.
//
// Scripts are classic ones: the inner document has an opaque origin, where modules would need CORS headers from the server.

import { svelte, vitePreprocess } from "@sveltejs/vite-plugin-svelte";
import { mkdir, rm } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { build, createLogger } from "vite";
import { pack } from "./pack.mjs";

export const web = fileURLToPath(new URL("..", import.meta.url));
const stage = `${web}.build`;

// In Node the package reads its wasm from its folder; the branch is never taken here.
const customLogger = createLogger("warn");
const { warn } = customLogger;
customLogger.warn = (text, options) => text.includes('"node:fs/promises" has been externalized') || warn(text, options);

async function script(name, entry) {
  await build({
    configFile: false,
    root: web,
    logLevel: "warn",
    customLogger,
    plugins: [svelte({ configFile: false, preprocess: vitePreprocess(), compilerOptions: { runes: true } })],
    build: {
      outDir: stage,
      emptyOutDir: false,
      target: "es2023",
      modulePreload: false,
      cssCodeSplit: false,
      reportCompressedSize: false,
      // Held to its budget by the tests, compressed.
      chunkSizeWarningLimit: Number.POSITIVE_INFINITY,
      rollupOptions: {
        // The package asks a script for its address to find its wasm beside it; the page gives it the bytes.
        checks: { emptyImportMeta: false },
        input: `${web}${entry}`,
        output: { format: "iife", entryFileNames: `${name}.js`, assetFileNames: `${name}[extname]`, codeSplitting: false },
      },
    },
  });
}

await rm(stage, { recursive: true, force: true });
await mkdir(stage, { recursive: true });
await script("guard", "src/guard.ts");
await script("shell", "src/shell/shell.ts");
await script("worker", "src/snapshot/worker.ts");
await script("large", "src/snapshot/large.ts");
await script("app", "src/main.ts");
await pack({ web, stage, out: `${web}dist` });
