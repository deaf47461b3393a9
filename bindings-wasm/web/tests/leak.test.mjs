// Nothing leaves the page. Every attempt runs in the inner document of the page as it is served, and of the single-file
// edition opened from disk; nothing may reach the listener. The same attempts from a page without protection must reach it:
// that is what shows that the listener can see a leak.

import assert from "node:assert/strict";
import { createServer } from "node:http";
import { after, before, test } from "node:test";
import { fileURLToPath, pathToFileURL } from "node:url";
import { serve } from "../build/serve.mjs";
import { ATTEMPTS, HELD } from "./attempts.mjs";
import { innerFrame, launch } from "./browser.mjs";
import { listen } from "./listener.mjs";

// What even an unprotected page on plain http does not do, so that silence proves nothing; the control asserts this list.
const SILENT_ANYWAY = new Set([
  "WebTransport",
  "base and relative image",
  "markup with a handler",
  "service worker",
  "payment request",
  "manifest",
  "shared worker",
  "text track",
  "worker by address",
  "speculation rules",
]);

// Chromium connects to where a frame wants to go before it asks whether it may: no request follows, but the address of
// the host is out. The page says so in its "prove it" panel.
const BARE = "connection without a request";
const CONNECTS = ["form", "form button", "iframe", "link click", "location.href", "location.replace", "meta refresh", "window.open into self", "download link"];

const LIMIT = { timeout: 240_000 };
const AT_ONCE = 6;
const PATIENCE = () => 1_500;
const PATIENCE_OF_CONTROL = (name) => (SILENT_ANYWAY.has(name) ? 0 : 15_000);

/** What got out, less the bare connections that are known. */
const leaks = (found) => [...found].filter(([name, how]) => how !== BARE || !CONNECTS.includes(name));
let browser;
let control;
let ours;

before(async () => {
  browser = await launch();
  ours = await serve();
  control = createServer((_, response) => response.writeHead(200, { "Content-Type": "text/html" }).end("<!doctype html><title>control</title><body><iframe src='about:blank'></iframe>"));
  await new Promise((done) => control.listen(0, "127.0.0.1", done));
});

after(async () => {
  await browser?.close();
  for (const server of [ours, control]) {
    server?.closeAllConnections();
    server?.close();
  }
});

/** Runs every attempt, each in a fresh page, and returns how the listener was reached, by the attempt's name. */
async function reached(open, patience) {
  const found = new Map();
  const waiting = Object.entries(ATTEMPTS);
  const context = await browser.newContext({ acceptDownloads: true });
  const runner = async () => {
    for (let next = waiting.shift(); next; next = waiting.shift()) {
      const how = await attempt(context, open, patience(next[0]), ...next);
      if (how) found.set(next[0], how);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, runner));
  await context.close();
  return found;
}

async function attempt(context, open, patience, name, run) {
  const listener = await listen();
  const page = await context.newPage();
  try {
    const frame = await open(page);
    const call = `(${run})(${JSON.stringify(listener.address(name))}, ${JSON.stringify(listener.stun())})`;
    // A navigation ends the evaluation; that is an answer too.
    frame.evaluate(`(async () => { try { await ${call} } catch { } })()`).catch(() => {});
    const until = Date.now() + patience;
    while (Date.now() < until && !listener.seen.size && !listener.packets()) await new Promise((later) => setTimeout(later, 50));
    if (listener.packets()) return "packet";
    if (listener.seen.size) return [...listener.seen.values()].flat().join(", ");
    return listener.connections() ? BARE : undefined;
  } finally {
    // A page that navigates may keep its close waiting; the context ends it later.
    await Promise.race([page.close(), new Promise((later) => setTimeout(later, 2_000))]);
    await listener.close();
  }
}

test("the page as served lets nothing out", LIMIT, async () => {
  const found = await reached(async (page) => {
    await page.goto(`http://127.0.0.1:${ours.address().port}/`);
    return innerFrame(page);
  }, PATIENCE);
  assert.deepEqual(leaks(found), []);
});

test("the single file lets nothing out", LIMIT, async () => {
  const file = pathToFileURL(fileURLToPath(new URL("../dist/k8senc.html", import.meta.url))).href;
  const found = await reached(async (page) => {
    await page.goto(file);
    return innerFrame(page);
  }, PATIENCE);
  assert.deepEqual(leaks(found), []);
});

test("the same attempts get out of a page without protection", LIMIT, async () => {
  const found = await reached(async (page) => {
    await page.goto(`http://127.0.0.1:${control.address().port}/`);
    return page.mainFrame();
  }, PATIENCE_OF_CONTROL);
  const silent = Object.keys(ATTEMPTS).filter((name) => !found.has(name) || found.get(name) === BARE);
  assert.deepEqual(silent.filter((name) => !SILENT_ANYWAY.has(name)), []);
});

test("nothing is kept, and nothing is reached without a gesture", LIMIT, async () => {
  for (const [name, run] of Object.entries(HELD)) {
    const context = await browser.newContext();
    const page = await context.newPage();
    await page.goto(`http://127.0.0.1:${ours.address().port}/`);
    const frame = await innerFrame(page);
    const leaked = await frame.evaluate(`(async () => { try { return await (${run})() } catch { return null } })()`);
    assert.equal(leaked, null, name);
    assert.equal(await page.evaluate(() => localStorage.length + document.cookie.length), 0, name);
    await context.close();
  }
});
