// What goes wrong is told, and the page goes on: a crash of the core, a stopped reading, files and pastes that are no use.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { open, setUp, type, until } from "./page.mjs";

const here = setUp();
const sample = fileURLToPath(new URL("../../../conformance-vectors/sample/", import.meta.url));
const SMALL = "apiVersion: apiserver.config.k8s.io/v1\nkind: EncryptionConfiguration\nresources:\n- resources: [secrets]\n  providers:\n  - identity: {}\n";

/** Lets the core trap at the next call of `name` once `globalThis.crashNext` is set: no input is known that does it. */
function crashes(name) {
  const Real = WebAssembly.Instance;
  WebAssembly.Instance = function (module, imports) {
    const { exports } = new Real(module, imports);
    const trapping = (...given) => {
      if (!globalThis.crashNext) return exports[name](...given);
      globalThis.crashNext = false;
      throw new WebAssembly.RuntimeError("unreachable");
    };
    return { exports: exports[name] ? { ...exports, [name]: trapping } : exports };
  };
}

test("a crash of the core is told, costs nothing that was entered, and the page goes on", { timeout: 60_000 }, async () => {
  for (const name of ["lint", "validate"]) {
    const { frame, close } = await open(here, {}, `(${crashes})(${JSON.stringify(name)})`);
    await frame.evaluate(() => (globalThis.crashNext = true));
    await type(frame, SMALL);
    await frame.getByText("The core crashed on this input").waitFor();
    assert.equal(await frame.evaluate(() => globalThis.crashNext), false, name);
    await until(frame, () => document.querySelector(".editor").shadowRoot.querySelector(".cm-content").textContent.includes("identity"));
    await until(frame, () => [...document.querySelectorAll(".advice .code")].some((code) => code.textContent === "K8E002"));
    await type(frame, SMALL.replace("identity: {}", "identity: {x: 1}"));
    await until(frame, () => document.querySelector(".verdict h3").textContent.includes("refuse"));
    await close();
  }
});

test("reading a snapshot stops at once, and another can be read", { timeout: 60_000 }, async () => {
  const { frame, wrong, close } = await open(here);
  await frame.click("#tab-snapshot");
  await frame.getByLabel(/open and judge/).uncheck();
  await frame.evaluate(() => {
    const watching = new MutationObserver(() => {
      const stop = document.querySelector(".snapshot .progress button");
      if (!stop) return;
      watching.disconnect();
      stop.click();
    });
    watching.observe(document, { childList: true, subtree: true });
  });
  await frame.setInputFiles(".snapshot input[type=file]", `${sample}snapshot.db`);
  await until(frame, () => document.querySelector("[role=status].unseen").textContent === "Stopped.");
  assert.equal(await frame.locator(".snapshot .verdict, .snapshot .notice.error, .snapshot .progress").count(), 0);
  await frame.setInputFiles(".snapshot input[type=file]", { name: "again.db", mimeType: "", buffer: await readFile(`${sample}snapshot.db`) });
  await frame.waitForSelector(".snapshot .verdict", { timeout: 30_000 });
  assert.deepEqual(wrong, []);
  await close();
});

const PNG = Buffer.from("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg==", "base64");

test("a file that is no snapshot is refused with a sentence", { timeout: 60_000 }, async () => {
  const { frame, wrong, close } = await open(here);
  await frame.click("#tab-snapshot");
  const whole = await readFile(`${sample}snapshot.db`);
  const files = { "picture.db": PNG, "empty.db": Buffer.alloc(0), "zeros.db": Buffer.alloc(1 << 20), "half.db": whole.subarray(0, whole.length >> 1) };
  for (const [name, buffer] of Object.entries(files)) {
    await frame.setInputFiles(".snapshot input[type=file]", { name, mimeType: "", buffer });
    await frame.locator(".snapshot .notice.error", { hasText: name }).waitFor({ timeout: 20_000 });
    const said = await frame.locator(".snapshot .notice.error").innerText();
    assert.match(said, /cannot be read: .{10,}\. Nothing was concluded/, name);
    assert.equal(await frame.locator(".snapshot .verdict").count(), 0, name);
  }
  assert.deepEqual(wrong, []);
  await close();
});

/** Puts text into the field of a stored value as a paste does. */
const paste = (frame, text) =>
  frame.locator("textarea").evaluate((area, text) => {
    area.value = text;
    area.dispatchEvent(new Event("input", { bubbles: true }));
  }, text);

test("pastes that are no value say why, and large ones do not hold the page", { timeout: 120_000 }, async () => {
  const { frame, wrong, close } = await open(here);
  await frame.click("#tab-value");
  const said = () => frame.locator(".left .notice.error").innerText();
  for (const [text, wanted] of [
    ["hello, world", /no whole value/],
    ["00000000: 6b38 733a 656e 633a  k8s:enX:\n", /no whole value/],
    ["/registry/secrets/default/a\nk8s:\ufffd\ufffd\n", /Bytes were lost/],
    ['{"header":{"revision":1}}', /found no key/],
  ]) {
    await paste(frame, text);
    await frame.locator(".left .notice.error").waitFor();
    assert.match(await said(), wanted, text);
  }
  // Ten megabytes of hex are five of a value: its map has a gap, and parts without end are not all listed.
  await paste(frame, "6b38733a".repeat(1_250_000));
  await frame.getByText("hex, 5,000,000 bytes").waitFor({ timeout: 20_000 });
  const nodes = await frame.evaluate(() => document.querySelectorAll("*").length);
  assert.ok(nodes < 5_000, `${nodes} elements`);
  await paste(frame, "?".repeat(10_000_000));
  await frame.locator(".left .notice.error").waitFor({ timeout: 20_000 });
  assert.deepEqual(wrong, []);
  await close();
});

test("a bomb of aliases is judged like anything else", { timeout: 60_000 }, async () => {
  const { frame, wrong, close } = await open(here);
  let bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n";
  for (let at = 1; at < 12; at += 1) bomb += `a${at}: &a${at} [${Array(9).fill(`*a${at - 1}`).join(", ")}]\n`;
  await type(frame, bomb);
  await until(frame, () => document.querySelector(".verdict h3")?.textContent.includes("refuse"));
  await type(frame, SMALL);
  await until(frame, () => !document.querySelector(".verdict h3").textContent.includes("refuse"));
  assert.deepEqual(wrong, []);
  await close();
});
