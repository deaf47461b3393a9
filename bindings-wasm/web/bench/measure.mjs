// Measures the built page in Chromium. Reads one JSON request a line and answers each with a line, so that `scripts/bench page`
// can take turns with native programs.

import { readdirSync, readFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { serve } from "../build/serve.mjs";
import { innerFrame, launch } from "../tests/browser.mjs";
import { type } from "../tests/page.mjs";

const server = await serve();
const address = `http://127.0.0.1:${server.address().port}/`;
const browser = await launch();

/** Runs in the document before its own scripts: when it was loaded, when it had something to say, what kept it busy. */
function watch() {
  const seen = { long: [], judged: [] };
  globalThis.k8sencSeen = seen;
  new PerformanceObserver((list) => seen.long.push(...list.getEntries().map((entry) => entry.duration))).observe({ type: "longtask", buffered: true });
  new PerformanceObserver((list) => seen.judged.push(...list.getEntriesByName("k8senc judges").map((entry) => entry.duration))).observe({ type: "measure" });
  addEventListener("load", () => (seen.load = performance.now()));
  const look = () => {
    if (seen.diagnosed || !document.querySelector(".verdict h3") || !document.querySelector(".advice li")) return;
    seen.diagnosed = performance.now();
    requestAnimationFrame(() => setTimeout(() => (seen.shown = performance.now())));
  };
  new MutationObserver(look).observe(document, { childList: true, subtree: true });
}

async function opened() {
  const context = await browser.newContext({ viewport: { width: 1360, height: 900 } });
  await context.addInitScript(watch);
  const page = await context.newPage();
  await page.goto(address);
  const frame = await innerFrame(page);
  await frame.waitForFunction(() => globalThis.k8sencSeen.shown);
  return { context, page, frame };
}

/** Milliseconds from the load event, and from the start of the navigation, to the first diagnostics. */
async function start() {
  const { context, frame } = await opened();
  const seen = await frame.evaluate(() => globalThis.k8sencSeen);
  await context.close();
  return { fromLoad: seen.diagnosed - seen.load, shownFromLoad: seen.shown - seen.load, fromNavigation: seen.diagnosed, load: seen.load };
}

/** Types at the end of a file, a letter each `gap` ms: what judging took, and what kept the page busy for longer than 50 ms. */
async function typing({ text, letters, gap }) {
  const { context, page, frame } = await opened();
  await type(frame, text);
  await page.keyboard.press("ControlOrMeta+End");
  await page.waitForTimeout(500);
  await frame.evaluate(() => {
    const { long, judged } = globalThis.k8sencSeen;
    long.length = judged.length = 0;
  });
  await page.keyboard.type("# ".concat("abcdefghij".repeat(Math.ceil(letters / 10))).slice(0, letters), { delay: gap });
  await page.waitForTimeout(500);
  const { judged, long } = await frame.evaluate(() => globalThis.k8sencSeen);
  await context.close();
  return { judged, long };
}

/** KiB of anonymous memory of all renderers of this browser; Chromium's own code is mapped and does not count. */
function rendererMemory() {
  const parents = new Map();
  const renderers = [];
  for (const pid of readdirSync("/proc").filter((name) => /^\d+$/.test(name))) {
    try {
      parents.set(pid, /^PPid:\s*(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1]);
      if (readFileSync(`/proc/${pid}/cmdline`, "utf8").includes("--type=renderer")) renderers.push(pid);
    } catch {
      continue; // it ended
    }
  }
  const ours = (pid) => pid !== undefined && (pid === String(process.pid) || ours(parents.get(pid)));
  let sum = 0;
  for (const pid of renderers.filter(ours)) {
    try {
      sum += Number(/^RssAnon:\s*(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1] ?? 0);
    } catch {
      continue;
    }
  }
  return sum;
}

/** Drops a snapshot: milliseconds from the drop to the report, the most memory, how often progress was told. */
async function snapshot({ file, config, hash, stopAt }) {
  const { context, page, frame } = await opened();
  if (config) await type(frame, config);
  await frame.click("#tab-snapshot");
  if (!config) await frame.getByLabel(/open and judge/).uncheck();
  if (!hash) await frame.getByLabel(/check the SHA-256/).uncheck();
  await page.waitForTimeout(1000);
  await frame.evaluate((stopAt) => {
    const seen = globalThis.k8sencSeen;
    seen.long.length = 0;
    seen.told = 0;
    const input = document.querySelector(".snapshot input[type=file]");
    input.addEventListener("change", () => (seen.dropped = performance.now()), { capture: true });
    new MutationObserver(() => {
      const bar = document.querySelector(".snapshot progress");
      if (bar && bar.value !== seen.share) [seen.share, seen.told] = [bar.value, seen.told + 1];
      if (bar && stopAt && bar.value >= stopAt && !seen.stopped) {
        seen.stopped = performance.now();
        document.querySelector(".snapshot .progress button").click();
      }
      if (seen.stopped && !bar) seen.gone ??= performance.now();
      if (document.querySelector(".snapshot .verdict, .snapshot .notice.error")) seen.reported ??= performance.now();
    }).observe(document, { childList: true, subtree: true, attributes: true });
  }, stopAt);
  const before = rendererMemory();
  let most = before;
  const timer = setInterval(() => (most = Math.max(most, rendererMemory())), 20);
  await frame.setInputFiles(".snapshot input[type=file]", file);
  await frame.waitForFunction(() => globalThis.k8sencSeen.reported || globalThis.k8sencSeen.gone, undefined, { timeout: 300_000 });
  clearInterval(timer);
  const seen = await frame.evaluate(() => globalThis.k8sencSeen);
  const said = stopAt ? "" : await frame.locator(".snapshot .verdict, .snapshot .notice.error").first().innerText();
  if (stopAt) await page.waitForTimeout(500);
  const after = rendererMemory();
  await context.close();
  return { ms: seen.reported - seen.dropped, before, most, after, told: seen.told, long: seen.long, toStop: seen.gone - seen.stopped, said };
}

/** Reads a file in a worker of an empty page and does nothing with it: milliseconds. What comes below this no page can reach. */
async function reading({ file, piece }) {
  const page = await browser.newPage();
  await page.setContent("<input type=file>");
  await page.setInputFiles("input", file);
  const ms = await page.evaluate((piece) => {
    const work = ({ data: { file, piece } }) => {
      const [reader, { port1: nowhere, port2 }] = [new FileReaderSync(), new MessageChannel()];
      port2.close();
      const begin = performance.now();
      for (let at = 0; at < file.size; at += piece) nowhere.postMessage(null, [reader.readAsArrayBuffer(file.slice(at, at + piece))]);
      postMessage(performance.now() - begin);
    };
    const worker = new Worker(URL.createObjectURL(new Blob([`onmessage = ${work}`])));
    worker.postMessage({ file: document.querySelector("input").files[0], piece });
    return new Promise((done) => (worker.onmessage = ({ data }) => done(data)));
  }, piece);
  await page.close();
  return { ms };
}

const RUNS = { start, typing, snapshot, reading };

for await (const line of createInterface({ input: process.stdin })) {
  const { what, ...how } = JSON.parse(line);
  console.log(JSON.stringify(await RUNS[what](how)));
}
await browser.close();
server.close();
server.closeAllConnections();
