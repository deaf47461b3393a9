// The rest of the page: every rule in its place, keyboard, narrow views, sizes, pictures.

import assert from "node:assert/strict";
import { mkdir, readdir, readFile, stat } from "node:fs/promises";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { load } from "../../js/index.js";
import { open, setUp, type, until } from "./page.mjs";
import { furnish, PLACES } from "./places.mjs";

const here = setUp();
const root = fileURLToPath(new URL("../../../", import.meta.url));
const web = fileURLToPath(new URL("..", import.meta.url));

/** The first recorded configuration that a rule speaks of, by the rule's code. */
async function speakingOf(k8senc) {
  const found = new Map();
  const folder = `${root}conformance-vectors/config/`;
  for (const name of await readdir(folder)) {
    const { cases } = JSON.parse(await readFile(folder + name, "utf8"));
    // The page's editor normalises line ends and holds text only.
    for (const { text } of cases) {
      if (text === undefined || text.length > 4000 || /[\r\0\u2028\u2029\ufeff]/.test(text)) continue;
      for (const finding of k8senc.lint(text, { version: "1.37", reload: false })) {
        if (finding.range && !found.has(finding.code)) found.set(finding.code, { text, finding });
      }
    }
  }
  return found;
}

test("each rule shows at its place, with its fix", { timeout: 300_000 }, async (t) => {
  const k8senc = await load();
  const found = await speakingOf(k8senc);
  t.diagnostic(`${found.size} of ${k8senc.rules().length} rules speak of a recorded configuration`);
  assert.ok(found.size >= 25, `only ${[...found.keys()].join(" ")}`);
  const { frame, wrong, close } = await open(here);
  for (const [code, { text, finding }] of found) {
    await type(frame, text);
    const place = `${finding.range.line}:${finding.range.column}`;
    if (finding.upstream == null) {
      await until(frame, ([wanted, at]) => [...document.querySelectorAll(".advice li")].some((row) => row.querySelector(".code").textContent === wanted && row.querySelector(".place").textContent === at), [code, place]);
      const row = frame.locator(".advice li").filter({ has: frame.locator(`.code:text-is("${code}")`) }).first();
      if (finding.fix) assert.match(await row.locator(".fix").innerText(), new RegExp(finding.fix.title.slice(0, 12).replaceAll(/[.*+?^${}()|[\]\\]/g, "\\$&")), code);
    } else {
      await until(frame, (at) => [...document.querySelectorAll(".verdict .place")].some((row) => row.textContent === at), place);
    }
  }
  assert.deepEqual(wrong, []);
  await close();
});

test("nothing is wider than a phone", { timeout: 60_000 }, async () => {
  const { frame, close } = await open(here, { viewport: { width: 390, height: 800 } });
  for (const place of PLACES) {
    await frame.click(`#tab-${place}`);
    assert.ok(await frame.evaluate(() => document.documentElement.scrollWidth <= innerWidth), place);
  }
  await close();
});

test("the keyboard reaches everything, and leaves the editor", { timeout: 60_000 }, async () => {
  const { page, frame, close } = await open(here);
  await frame.focus("#tab-configuration");
  await page.keyboard.press("ArrowRight");
  assert.equal(await frame.evaluate(() => document.activeElement.id), "tab-value");
  await page.keyboard.press("ArrowLeft");
  await frame.locator(".cm-content").first().focus();
  await page.keyboard.press("Tab");
  assert.ok(await frame.evaluate(() => !document.activeElement.classList.contains("editor")), "Tab leaves the editor");
  await close();
});

test("Wipe removes what was entered", { timeout: 60_000 }, async () => {
  const { frame, close } = await open(here);
  await type(frame, "kind: EncryptionConfiguration # something secret");
  await frame.getByRole("button", { name: "Wipe" }).click();
  await until(frame, () => document.querySelector(".editor").shadowRoot.querySelector(".cm-content").textContent === "");
  await close();
});

test("the panel proves what it says", { timeout: 60_000 }, async () => {
  const { frame, close } = await open(here);
  await frame.getByRole("button", { name: /prove it/ }).click();
  await frame.getByRole("button", { name: "Try to send something" }).click();
  await frame.getByText("Blocked: the browser refused the request.").waitFor();
  assert.match(await frame.locator("dialog").innerText(), /connect-src blocked/);
  assert.match(await frame.locator(".digest").innerText(), /^[0-9a-f]{64}$/);
  await close();
});

test("the panel does not take a missing network for a proof", { timeout: 60_000 }, async () => {
  const { page, frame, close } = await open(here, { bypassCSP: true });
  await page.context().setOffline(true);
  await frame.getByRole("button", { name: /prove it/ }).click();
  await frame.getByRole("button", { name: "Try to send something" }).click();
  await frame.getByText("not by the policy. Do not trust this copy").waitFor();
  await close();
});

test("what has to be loaded stays small", async () => {
  const packed = async (name) => gzipSync(await readFile(name), { level: 9 }).length;
  assert.ok((await packed(`${web}dist/app.js`)) <= 170_000, `app.js: ${await packed(`${web}dist/app.js`)} bytes gzipped, 170,000 are allowed`);
  assert.ok((await packed(`${web}../dist/k8senc.wasm`)) <= 350_000);
  assert.ok((await stat(`${web}dist/k8senc.html`)).size < 6_000_000);
});

test("pictures of every place, to be looked at", { timeout: 200_000 }, async () => {
  await mkdir(`${root}reports/page`, { recursive: true });
  for (const colorScheme of ["light", "dark"]) {
    const { page, frame, close } = await open(here, { colorScheme });
    await page.screenshot({ path: `${root}reports/page/start-${colorScheme}.png` });
    await furnish(frame);
    for (const place of PLACES) {
      await frame.click(`#tab-${place}`);
      await frame.evaluate(() => scrollTo(0, 0));
      await page.screenshot({ path: `${root}reports/page/${place}-${colorScheme}.png` });
    }
    await close();
  }
});
