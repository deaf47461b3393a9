// Whether the page does its four things at all, and nothing goes wrong while it does.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { open, setUp, type, until } from "./page.mjs";

const here = setUp();
const sample = fileURLToPath(new URL("../../../conformance-vectors/sample/", import.meta.url));

test("a configuration is judged, and a fix mends it", { timeout: 60_000 }, async () => {
  const { frame, wrong, close } = await open(here);
  await type(frame, "apiVersion: apiserver.config.k8s.io/v1\nkind: EncryptionConfiguration\nresources:\n- resources: [secrets]\n  providers:\n  - kms: {apiVersion: v2, name: k, endpoint: 'unix:///run/kms.sock', cachesize: 5}\n  - identity: {}\n");
  await until(frame, () => document.querySelector(".verdict h3").textContent.includes("refuse"));
  assert.match(await frame.locator(".verdict .said").innerText(), /cachesize/);
  await frame.locator(".fix").first().click();
  await until(frame, () => !document.querySelector(".verdict h3").textContent.includes("refuse"));
  assert.equal(await frame.locator(".effective tbody tr").count(), 1);
  assert.ok((await frame.locator(".modes tbody tr").count()) >= 4);
  assert.deepEqual(wrong, []);
  await close();
});

test("a stored value opens, and says why it does not", { timeout: 60_000 }, async () => {
  const { frame, wrong, close } = await open(here);
  await frame.click("#tab-value");
  await frame.getByText("Make a sample").click();
  await frame.locator("button.main").click();
  await frame.waitForSelector(".opened");
  assert.match(await frame.locator(".opened").innerText(), /Secret/);
  assert.doesNotMatch(await frame.locator(".opened").innerText(), /bm90IGEgc2VjcmV0/);
  await frame.getByLabel("Key, DEK or seed").fill("MTIzNDU2Nzg5MGFiY2RlZjEyMzQ1Njc4OTBhYmNkZWY=");
  await frame.locator("button.main").click();
  await frame.waitForSelector(".notice.error");
  assert.match(await frame.locator(".notice.error").innerText(), /does not open/);
  assert.deepEqual(wrong, []);
  await close();
});

test("a change that would break a read is drawn", { timeout: 60_000 }, async () => {
  const { frame, wrong, close } = await open(here);
  await frame.click("#tab-plan");
  const file = (keys) => `apiVersion: apiserver.config.k8s.io/v1\nkind: EncryptionConfiguration\nresources:\n- resources: [secrets]\n  providers:\n  - aesgcm:\n      keys:\n${keys}  - identity: {}\n`;
  const one = "      - {name: one, secret: MTIzNDU2Nzg5MGFiY2RlZg==}\n";
  const two = "      - {name: two, secret: ZmVkY2JhMDk4NzY1NDMyMQ==}\n";
  await type(frame, file(one), 0);
  await type(frame, file(two + one), 1);
  await frame.waitForSelector(".timeline");
  assert.match(await frame.locator(".plan .verdict").innerText(), /Not safe/);
  await type(frame, file(one + two), 1);
  await until(frame, () => document.querySelector(".plan .verdict h3")?.textContent.includes("Safe"));
  await frame.getByLabel("I want").selectOption("rotate-key");
  await frame.waitForSelector(".steps li");
  assert.ok((await frame.locator(".steps > ol > li").count()) >= 5);
  assert.deepEqual(wrong, []);
  await close();
});

test("a snapshot becomes a report, with the figures of the command", { timeout: 120_000 }, async () => {
  const { frame, wrong, close } = await open(here);
  await type(frame, await readFile(`${sample}encryption-config.yaml`, "utf8"));
  await frame.getByLabel("KMSv1 gate").check();
  await frame.click("#tab-snapshot");
  await frame.setInputFiles("input[type=file]", `${sample}snapshot.db`);
  await frame.waitForSelector(".snapshot .verdict", { timeout: 60_000 });
  const expected = JSON.parse(await readFile(`${sample}expected.json`, "utf8"));
  const rows = await frame.locator(".snapshot .by-resource tbody tr").evaluateAll((found) => found.map((row) => [...row.children].map((cell) => cell.textContent)));
  const live = rows.reduce((sum, row) => sum + Number(row[1].replaceAll(",", "")), 0);
  const wanted = Object.values(expected.resources).reduce((sum, one) => sum + one.live, 0);
  assert.equal(live, wanted);
  const flipped = Buffer.from(await readFile(`${sample}snapshot.db`));
  flipped[flipped.length - 1] ^= 1;
  await frame.setInputFiles("input[type=file]", { name: "flipped.db", mimeType: "application/octet-stream", buffer: flipped });
  await until(frame, () => document.querySelector(".snapshot .verdict h3")?.textContent.startsWith("Damaged"));
  await frame.setInputFiles("input[type=file]", `${sample}expected.json`);
  await frame.waitForSelector(".snapshot .notice.error");
  assert.match(await frame.locator(".snapshot .notice.error").innerText(), /cannot be read/);
  assert.deepEqual(wrong, []);
  await close();
});
