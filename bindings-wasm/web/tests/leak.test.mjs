// Nothing leaves the page. Every attempt runs in the inner document of the page as it is served, and of the single-file
// edition opened from disk; nothing may reach the listener. The same attempts from a page without protection must reach it:
// that is what shows that the listener can see a leak.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { after, before, test } from "node:test";
import { fileURLToPath, pathToFileURL } from "node:url";
import { inflateRawSync } from "node:zlib";
import { serve } from "../build/serve.mjs";
import { ATTEMPTS, HELD } from "./attempts.mjs";
import { innerFrame, launch } from "./browser.mjs";
import { listen } from "./listener.mjs";
import { type } from "./page.mjs";

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
  "dns-prefetch",
  // Chromium makes none while it is driven by a program.
  "preconnect",
]);

// Chromium connects to where a frame wants to go before it asks whether it may: no request follows, but the address of
// the host is out. The page says so in its "prove it" panel.
const BARE = "connection without a request";
const CONNECTS = ["form", "form button", "iframe", "link click", "location.href", "location.replace", "meta refresh", "window.open into self", "download link"];

// These leave the page or undo one another: each gets a page of its own.
const SOLO = new Set([...CONNECTS, "base and relative image", "style element", "style by script", "constructed stylesheet"]);
// Without protection these leave it too, or say nothing that tells them apart at the listener.
const SOLO_IN_CONTROL = new Set([
  ...SOLO,
  "link to top",
  "link to a new window",
  "top.location",
  "parent.location",
  "window.open",
  "preconnect",
  "dns-prefetch",
  "WebRTC",
  "WebRTC of a fresh frame",
  "WebRTC of a fresh document",
]);

const LIMIT = { timeout: 240_000 };
const AT_ONCE = 4;
const PATIENCE = 2_000;
const PATIENCE_OF_CONTROL = 15_000;
const nothing = () => false;
const unlessSilent = (name) => !SILENT_ANYWAY.has(name);

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

/**
 * Runs every attempt, those that need no page of their own in one, and returns how the listener was reached, by the attempt's name.
 * `expected` says which are waited for, and no longer than until they came; without any, all have the whole time.
 */
async function reached(open, patience, expected) {
  const found = new Map();
  const all = Object.entries(ATTEMPTS);
  const alone = expected === nothing ? SOLO : SOLO_IN_CONTROL;
  // What is silent anyway is not waited for where something has to come.
  const waiting = all.filter(([name]) => alone.has(name) && (expected === nothing || expected(name)));
  const context = await browser.newContext({ acceptDownloads: true });
  const runner = async () => {
    for (let next = waiting.shift(); next; next = waiting.shift()) {
      const [how] = (await attempt(context, open, patience, expected, [next])).values();
      if (how) found.set(next[0], how);
    }
  };
  const together = all.filter(([name]) => !alone.has(name));
  for (const [name, how] of await attempt(context, open, patience, expected, together)) found.set(name, how);
  await Promise.all(Array.from({ length: AT_ONCE }, runner));
  await context.close();
  return found;
}

/** Runs some attempts in one page; how the listener was reached, by the name that it was told or the only attempt's. */
async function attempt(context, open, patience, expected, attempts) {
  const listener = await listen();
  const page = await context.newPage();
  try {
    const frame = await open(page);
    const calls = attempts.map(([name, run]) => `() => (${run})(${JSON.stringify(listener.address(name))}, ${JSON.stringify(listener.stun())})`);
    // A navigation ends the evaluation; that is an answer too.
    frame.evaluate(`(async () => { for (const call of [${calls.join(", ")}]) { try { Promise.resolve(call()).catch(() => {}) } catch { } } })()`).catch(() => {});
    const until = Date.now() + patience;
    const wanted = attempts.map(([name]) => name).filter(expected);
    // A form sends its own question mark, and a packet has no name: alone, whatever comes is the attempt's.
    const came = (name) => listener.seen.has(name) || (attempts.length === 1 && (listener.seen.size > 0 || listener.packets() > 0));
    while (Date.now() < until && !(wanted.length && wanted.every(came))) await new Promise((later) => setTimeout(later, 50));
    const found = new Map([...listener.seen].map(([name, how]) => [name, how.join(", ")]));
    if (listener.packets()) found.set("a packet", "packet");
    else if (!found.size && listener.connections()) found.set("a connection", BARE);
    return found;
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
  }, PATIENCE, nothing);
  assert.deepEqual(leaks(found), []);
});

test("the single file lets nothing out", LIMIT, async () => {
  const file = pathToFileURL(fileURLToPath(new URL("../dist/k8senc.html", import.meta.url))).href;
  const found = await reached(async (page) => {
    await page.goto(file);
    return innerFrame(page);
  }, PATIENCE, nothing);
  assert.deepEqual(leaks(found), []);
});

test("the same attempts get out of a page without protection", LIMIT, async () => {
  const found = await reached(async (page) => {
    await page.goto(`http://127.0.0.1:${control.address().port}/`);
    return page.mainFrame();
  }, PATIENCE_OF_CONTROL, unlessSilent);
  const silent = Object.keys(ATTEMPTS).filter((name) => !found.has(name) || found.get(name) === BARE);
  assert.deepEqual(silent.filter((name) => !SILENT_ANYWAY.has(name)), []);
});

test("nothing is kept, and nothing is reached without a gesture", LIMIT, async () => {
  const context = await browser.newContext();
  const page = await context.newPage();
  await page.goto(`http://127.0.0.1:${ours.address().port}/`);
  const frame = await innerFrame(page);
  for (const [name, run] of Object.entries(HELD)) {
    const leaked = await frame.evaluate(`(async () => { try { return await (${run})() } catch { return null } })()`);
    assert.equal(leaked, null, name);
    assert.equal(await page.evaluate(() => localStorage.length + document.cookie.length), 0, name);
  }
  await context.close();
});

const KEY = "pU3KGCUwux1tEyze1iN7LtkeP3IfyxlxF0SU1kk8nVw=";
const CONFIG = `apiVersion: apiserver.config.k8s.io/v1\nkind: EncryptionConfiguration\nresources:\n- resources: [leaks.example.com]\n  providers:\n  - secretbox: {keys: [{name: a, secret: ${KEY}}]} # ${KEY}\n  - identity: {}\n`;

test("a link carries no key, and opening one tells nobody what is in it", LIMIT, async () => {
  const told = [];
  const note = ({ url, headers }) => told.push(`${url} ${JSON.stringify(headers)}`);
  ours.on("request", note);
  const context = await browser.newContext();
  const page = await context.newPage();
  await page.goto(`http://127.0.0.1:${ours.address().port}/`);
  const frame = await innerFrame(page);
  await type(frame, CONFIG);
  await frame.getByRole("button", { name: "Copy a link…" }).click();
  const link = await frame.locator("textarea.link").inputValue();
  const fragment = link.slice(link.indexOf("#") + 1);
  const carried = inflateRawSync(Buffer.from(fragment.slice(fragment.indexOf("=") + 1), "base64url")).toString();
  assert.match(carried, /leaks\.example\.com/);
  for (const text of [link, carried]) assert.ok(!text.includes(KEY) && !text.includes(KEY.slice(4, 30)), "the key is not in the link");
  assert.equal(new URL(page.url()).hash, "", "making it changes no address");

  const other = await context.newPage();
  await other.goto(link);
  const restored = await innerFrame(other);
  await restored.locator(".editor").first().getByText("leaks.example.com").waitFor();
  assert.equal(other.url(), link);
  const fetched = new Set([...told].map((one) => one.split(" ")[0]));
  assert.ok(fetched.has("/app.js"), "the control: the server saw who loaded what");
  for (const one of told) assert.ok(!one.includes(fragment.slice(0, 20)) && !one.includes("leaks"), one);
  ours.off("request", note);
  await context.close();
});

/** What an embedding page, or one that opened ours, hears when the inner document calls out to everybody. */
async function heard(page, frames) {
  for (const frame of frames) {
    await frame.evaluate(() => {
      for (const other of [window.parent, window.top, window.top.opener, window.opener]) other?.postMessage("secret", "*");
    });
  }
  await page.waitForTimeout(200);
  return page.evaluate(() => globalThis.heard);
}

test("in other company the page does not start, as messages cannot be stopped", LIMIT, async () => {
  const types = { ".html": "text/html", ".js": "text/javascript", ".css": "text/css" };
  // A host that sends no headers: what the documents say of themselves has to do.
  const bare = createServer(async (request, response) => {
    const name = new URL(request.url, "http://localhost").pathname.slice(1);
    const body = /^[a-z0-9-]+\.(html|js|css)$/.test(name) ? await readFile(new URL(`../dist/${name}`, import.meta.url)).catch(() => null) : null;
    response.writeHead(body ? 200 : 404, { "Content-Type": types[/\.[a-z]+$/.exec(name)?.[0]] ?? "text/plain", "Access-Control-Allow-Origin": "*" }).end(body ?? "");
  });
  await new Promise((done) => bare.listen(0, "127.0.0.1", done));
  const address = `http://127.0.0.1:${bare.address().port}`;
  const context = await browser.newContext();
  for (const name of ["index.html", "k8senc.html"]) {
    const around = await context.newPage();
    await around.goto(`http://127.0.0.1:${control.address().port}/`);
    await around.evaluate((to) => {
      globalThis.heard = [];
      addEventListener("message", ({ data }) => globalThis.heard.push(data));
      document.querySelector("iframe").src = to;
    }, `${address}/${name}`);
    const inner = () => around.frames().at(-1);
    await around.waitForFunction(() => document.querySelector("iframe") !== null);
    while (around.frames().length < 3) await around.waitForTimeout(50);
    await inner().waitForSelector(".broken");
    assert.match(await inner().locator("body").innerText(), /inside another page/, name);
    assert.equal(await inner().locator("textarea, input, .editor").count(), 0, name);
    assert.ok((await heard(around, [inner()])).includes("secret"), "the control: such a page hears all");

    const [opened] = await Promise.all([context.waitForEvent("page"), around.evaluate((to) => void globalThis.open(to), `${address}/${name}`)]);
    await opened.waitForFunction(() => document.querySelector("iframe") !== null);
    while (opened.frames().length < 2) await opened.waitForTimeout(50);
    await opened.frames().at(-1).waitForSelector(".broken");
    assert.match(await opened.frames().at(-1).locator("body").innerText(), /another page opened it/, name);
    await opened.close();
    await around.close();
  }
  const outside = await context.newPage();
  await outside.goto(`${address}/app.html`);
  await outside.waitForSelector(".broken");
  await context.close();
  bare.closeAllConnections();
  bare.close();
});
