// The same vectors and the same sample in Chromium. CHROMIUM names the program; without it, it is looked for.
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { after, before, test } from "node:test";
import { extname, join, normalize } from "node:path";
import { fileURLToPath } from "node:url";

import { chromium } from "playwright-core";

const root = fileURLToPath(new URL("../../", import.meta.url));
const TYPES = { ".html": "text/html", ".js": "text/javascript", ".wasm": "application/wasm", ".json": "application/json" };

const server = createServer(async (request, response) => {
  const path = normalize(decodeURIComponent(new URL(request.url, "http://localhost").pathname));
  if (!/^\/(bindings-wasm|conformance-vectors)\//.test(path)) {
    response.writeHead(404).end();
    return;
  }
  try {
    const body = await readFile(join(root, path));
    response.writeHead(200, { "content-type": TYPES[extname(path)] ?? "application/octet-stream" }).end(body);
  } catch {
    response.writeHead(404).end();
  }
});

let browser;
let page;
const trouble = [];

before(async () => {
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  const known = [process.env.CHROMIUM, "/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];
  const executablePath = known.find((path) => path && existsSync(path));
  assert.ok(executablePath, "Chromium is needed: install it, or name it in CHROMIUM");
  // Root has no sandbox in Chromium; what runs here is ours.
  browser = await chromium.launch({ executablePath, args: process.getuid?.() === 0 ? ["--no-sandbox"] : [] });
  page = await browser.newPage();
  page.setDefaultTimeout(240_000);
  page.on("pageerror", (error) => trouble.push(String(error)));
  await page.goto(`http://127.0.0.1:${server.address().port}/bindings-wasm/tests/page.html`);
  await page.waitForFunction("window.ready");
});

after(async () => {
  await browser?.close();
  server.close();
});

test("every conformance vector", async () => {
  const { ran, counted, failures } = await page.evaluate("vectors()");
  assert.deepEqual(failures, []);
  assert.deepEqual(ran, counted);
  assert.ok(Object.values(ran).reduce((sum, n) => sum + n, 0) > 0);
  console.log(`vectors in ${browser.version()}: ${Object.entries(ran).map(([kind, n]) => `${n} ${kind}`).join(", ")}`);
});

test("a worker audits the sample snapshot as its maker meant it", async () => {
  const { exitCode, pairs, phases } = await page.evaluate("audit()");
  for (const [what, found, wanted] of pairs) assert.deepEqual(found, wanted, what);
  assert.equal(exitCode, 1);
  assert.deepEqual(phases, ["survey", "kms", "report"]);
});

test("an audit is aborted while it waits for the KMS", async () => {
  assert.equal(await page.evaluate("abort()"), "AbortError");
});

test("what the worker refuses arrives as the error it is", async () => {
  assert.deepEqual(await page.evaluate("refused()"), [true, "not-bbolt"]);
});

test("the page had no trouble besides", () => {
  assert.deepEqual(trouble, []);
});
