// The rest of the page: downloads, keyboard, narrow views, sizes, pictures.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdir, readFile, stat } from "node:fs/promises";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { nativeDocuments } from "../../tests/native.js";
import { open, setUp, type, until } from "./page.mjs";
import { furnish, PLACES } from "./places.mjs";

const here = setUp();
const root = fileURLToPath(new URL("../../../", import.meta.url));
const sample = `${root}conformance-vectors/sample/`;
const web = fileURLToPath(new URL("..", import.meta.url));

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

test("downloads are what the command writes, byte for byte", { timeout: 240_000 }, async () => {
  const native = nativeDocuments([`${sample}snapshot.db`]);
  const titles = { HTML: "html", Markdown: "markdown", "CSV, values": "csv", "CSV, findings": "csv-findings", JSON: "json", SARIF: "sarif" };
  // Chromium asks before the eleventh download of a page in a row.
  for (const redacted of [false, true]) {
    const { page, frame, wrong, close } = await open(here, { acceptDownloads: true });
    await frame.click("#tab-snapshot");
    await frame.getByLabel(/open and judge/).uncheck();
    await frame.setInputFiles("input[type=file]", `${sample}snapshot.db`);
    await frame.waitForSelector(".snapshot .verdict", { timeout: 60_000 });
    await frame.getByLabel(/without the names/).setChecked(redacted);
    for (const [title, format] of Object.entries(titles)) {
      const [download] = await Promise.all([page.waitForEvent("download"), frame.getByRole("button", { name: title, exact: true }).click()]);
      assert.match(download.suggestedFilename(), /^snapshot\.db\.audit\.[a-z.]+$/);
      assert.equal(await readFile(await download.path(), "utf8"), native[format][Number(redacted)], `${format} ${redacted}`);
    }
    assert.deepEqual(wrong, []);
    await close();
  }
});

test("what lies in plaintext is drawn by namespace, the most exposed first", { timeout: 120_000 }, async () => {
  const { page, frame, wrong, close } = await open(here, { acceptDownloads: true });
  await type(frame, await readFile(`${sample}encryption-config.yaml`, "utf8"));
  await frame.getByLabel("KMSv1 gate").check();
  await frame.click("#tab-snapshot");
  await frame.setInputFiles("input[type=file]", `${sample}snapshot.db`);
  await frame.waitForSelector(".snapshot .verdict", { timeout: 60_000 });
  const [download] = await Promise.all([page.waitForEvent("download"), frame.getByRole("button", { name: "JSON", exact: true }).click()]);
  const { namespaces } = JSON.parse(await readFile(await download.path(), "utf8"));
  const wanted = namespaces
    .filter((one) => one.exposed + one.historyExposed > 0)
    .map(({ namespace, exposed, historyExposed }) => [namespace ?? "(of the cluster)", exposed + historyExposed, exposed])
    .sort((a, b) => b[1] - a[1]);
  assert.ok(wanted.length > 0);
  const bars = await frame.locator(".bars", { hasText: "by namespace" }).locator(".bar").evaluateAll((rows) =>
    rows.map((row) => {
      const [all, live = "0"] = row.querySelector(".barvalue").textContent.split(", ");
      return [row.querySelector(".barname").textContent, Number.parseInt(all, 10), Number.parseInt(live, 10)];
    }),
  );
  assert.deepEqual(bars, wanted.slice(0, 15));
  assert.deepEqual(wrong, []);
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
  // As the sizes are stated everywhere: Node's own compressor makes 1.5 % more of the same.
  const packed = (name) => execFileSync("gzip", ["-9c", name], { maxBuffer: 1 << 24 }).length;
  for (const [name, most] of [[`${web}dist/app.js`, 170_000], [`${web}../dist/k8senc.wasm`, 350_000]]) {
    assert.ok(packed(name) <= most, `${name}: ${packed(name)} bytes gzipped, ${most} are allowed`);
  }
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
