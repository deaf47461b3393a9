// Files that bring configurations: every rule about them, fixes of what they hold, several at once, and the picker.

import assert from "node:assert/strict";
import { createServer } from "node:http";
import { readFile } from "node:fs/promises";
import { test } from "node:test";
import { load } from "../../js/snapshot.js";
import { open, setUp, until } from "./page.mjs";

const here = setUp();
const recorded = async (name) => JSON.parse(await readFile(new URL(`../../../config/tests/recorded/${name}`, import.meta.url), "utf8"));
const k8senc = await load();
const RULES = Object.fromEntries(k8senc.rules().map((rule) => [rule.code, rule]));
const place = ({ line, column }) => `${line}:${column}`;
const KEY = "pU3KGCUwux1tEyze1iN7LtkeP3IfyxlxF0SU1kk8nVw=";
const config = (name, more = "") => `apiVersion: apiserver.config.k8s.io/v1\nkind: EncryptionConfiguration\nresources:\n- resources: [secrets]\n  providers:\n  - secretbox: {keys: [{name: ${name}, secret: ${KEY}}]}\n  - identity: {}\n${more}`;
const holder = (text, name = "enc") => `apiVersion: v1\nkind: ConfigMap\nmetadata: {name: ${name}}\ndata:\n  enc.yaml: |\n${text.replaceAll(/^(?=.)/gm, "    ")}`;

/** Chooses files as the button's dialog does. */
async function choose(frame, files) {
  await frame.setInputFiles(".toolbar input[type=file]", files.map(({ name, text }) => ({ name, mimeType: "application/yaml", buffer: Buffer.from(text) })));
}

const shown = (frame, code) =>
  frame.locator(".advice li").evaluateAll((all, code) => all.filter((row) => row.querySelector(".code").textContent === code).map((row) => row.querySelector(".place").textContent), code);

const settle = (frame, codes) => until(frame, (wanted) => [...document.querySelectorAll(".advice .code")].map((one) => one.textContent).sort().join() === wanted, [...codes].sort().join());

function lint(text, name, files = []) {
  const manifest = k8senc.manifest(text, { name });
  if (!manifest) return k8senc.lint(text);
  const found = manifest.lint(files);
  manifest.free();
  return found;
}

const advice = (found) => found.filter(({ upstream, code }) => upstream == null || code.startsWith("K8M"));
const text = (frame) => frame.locator(".editor").first().locator(".cm-content").evaluate((element) => element.cmTile?.view?.state.doc.toString() ?? element.innerText);

test("every rule about manifests shows with its range and its fix", { timeout: 180_000 }, async (t) => {
  const cases = await recorded("manifest-cases.json");
  const wanted = Object.values(RULES).filter(({ needs }) => needs.startsWith("manifest")).map(({ code }) => code);
  assert.deepEqual(cases.map(({ code }) => code).sort(), wanted.sort());
  const { frame, wrong, close } = await open(here);
  await until(frame, () => globalThis.k8sencLarge !== undefined);
  let cured = 0;
  for (const { code, bad, good, referenced } of cases) {
    const beside = referenced ? [{ name: "enc.yaml", text: referenced }] : [];
    const files = beside.map(({ text }) => text);
    await choose(frame, [{ name: "file.yaml", text: bad }, ...beside]);
    const found = lint(bad, "file.yaml", files);
    await settle(frame, advice(found).map((one) => one.code)).catch((cause) => assert.fail(`${code}: ${cause}`));
    const ours = found.filter((one) => one.code === code);
    assert.deepEqual((await shown(frame, code)).sort(), ours.map(({ range }) => place(range)).sort(), code);
    await until(frame, () => document.querySelector(".editor").shadowRoot.querySelectorAll(".cm-lintRange, .cm-lintPoint, .cm-lint-marker").length > 0);
    const [{ fix }] = ours;
    assert.equal(fix !== null, RULES[code].fixable, `${code} has the fix that the rule promises`);
    if (fix) {
      await frame.locator(".advice li", { has: frame.locator(`.code:text-is("${code}")`) }).locator(".fix").first().click();
      await settle(frame, advice(lint(k8senc.applyFix(bad, fix), "file.yaml", files)).map((one) => one.code));
      cured += 1;
    }
    await choose(frame, [{ name: "file.yaml", text: good }, ...beside]);
    await settle(frame, advice(lint(good, "file.yaml", files)).map((one) => one.code));
    assert.deepEqual(await shown(frame, code), [], `${code} says nothing of a good file`);
  }
  assert.deepEqual(wrong, []);
  await close();
  t.diagnostic(`${cases.length} rules about manifests, ${cured} cured by their fix`);
});

test("what a manifest holds is mended where it stands", { timeout: 180_000 }, async (t) => {
  const cases = (await recorded("lint-cases.json")).filter(({ code, version, kmsv1 }) => RULES[code].needs === "text" && RULES[code].fixable && version === "1.37" && !kmsv1);
  const { frame, wrong, close } = await open(here);
  await until(frame, () => globalThis.k8sencLarge !== undefined);
  let cured = 0;
  for (const { code, bad } of cases) {
    const whole = holder(bad);
    const manifest = k8senc.manifest(whole, { name: "cm.yaml" });
    const finding = manifest?.lint().find((one) => one.code === code && one.fix);
    manifest?.free();
    if (!finding) continue;
    await choose(frame, [{ name: "cm.yaml", text: whole }]);
    await settle(frame, advice(lint(whole, "cm.yaml")).map((one) => one.code));
    const inVerdict = finding.upstream != null;
    if (!inVerdict) assert.ok((await shown(frame, code)).includes(place(finding.range)), `${code} at ${place(finding.range)}`);
    const button = inVerdict ? frame.locator(".verdict .fix", { hasText: finding.fix.title }) : frame.locator(".advice li", { has: frame.locator(`.code:text-is("${code}")`) }).locator(".fix");
    await button.first().click();
    await settle(frame, advice(lint(k8senc.applyFix(whole, finding.fix), "cm.yaml")).map((one) => one.code));
    cured += 1;
  }
  assert.ok(cured >= 4, `${cured}`);
  assert.deepEqual(wrong, []);
  await close();
  t.diagnostic(`${cured} fixes made inside a ConfigMap`);
});

test("each of several configurations in one manifest is judged, and can be shown", { timeout: 60_000 }, async () => {
  const { frame, wrong, close } = await open(here);
  const both = `${holder(config("one"), "first")}---\n${holder(config("two").replace(KEY, "c2hvcnQ="), "second")}`;
  await choose(frame, [{ name: "two.yaml", text: both }]);
  // The one that is refused comes first.
  await frame.getByText("will refuse to start").waitFor();
  const at = String(both.slice(0, both.indexOf("c2hvcnQ=")).split("\n").length);
  assert.equal((await frame.locator(".right > .verdict .place").first().innerText()).split(":")[0], at);
  const told = await frame.locator(".brought").innerText();
  assert.match(told, /it loads/);
  assert.match(told, /it is refused/);
  await frame.locator(".brought").getByRole("button", { name: "show", exact: true }).click();
  await frame.getByText("will start").waitFor();
  assert.match(await frame.locator(".effective").innerText(), /one/);
  // The other one's refusal stays marked in the editor.
  await until(frame, () => document.querySelector(".editor").shadowRoot.querySelector(".cm-lintRange-error, .cm-lint-marker-error"));
  assert.deepEqual(wrong, []);
  await close();
});

test("several files are chosen at once, RKE2's among them", { timeout: 90_000 }, async () => {
  const { frame, wrong, close } = await open(here);
  assert.equal(await frame.locator(".toolbar input[type=file]").getAttribute("multiple"), "");
  await choose(frame, [{ name: "cp-1.yaml", text: config("one") }, { name: "cp-2.yaml", text: config("one") }, { name: "cp-3.yaml", text: config("three").replace(KEY, "2gt3oPxW5DXidmSoZ1AyEQL2fNL01pcJOvr81Jjd5wk=") }]);
  await frame.getByText("They differ, and reads fail").waitFor({ timeout: 30_000 });
  assert.equal(await frame.locator(".files .file").count(), 3);

  const rke2 = "server: https://10.0.0.1:9345\nsecrets-encryption-provider: secretbox\nkube-apiserver-arg:\n- encryption-provider-config=/etc/rancher/rke2/enc.yaml\n";
  await choose(frame, [{ name: "/etc/rancher/rke2/config.yaml", text: rke2 }, { name: "enc.yaml", text: config("one") }]);
  await frame.getByText("A k3s or RKE2 configuration").waitFor();
  assert.match(await frame.locator(".brought").innerText(), /\/etc\/rancher\/rke2\/enc\.yaml/);
  await frame.locator(".advice .code").filter({ hasText: "K8M013" }).waitFor();
  assert.deepEqual(wrong, []);
  await close();
});

test("a new key goes to the clipboard and is not shown", { timeout: 60_000 }, async () => {
  const reader = createServer((_, response) => response.writeHead(200, { "Content-Type": "text/html" }).end("<!doctype html><title>reader</title>"));
  await new Promise((done) => reader.listen(0, "127.0.0.1", done));
  const { page, frame, wrong, close } = await open(here, { permissions: ["clipboard-read", "clipboard-write"] });
  const other = await page.context().newPage();
  await other.goto(`http://127.0.0.1:${reader.address().port}/`);
  const seen = new Set();
  for (let keys = 0; keys < 2; keys += 1) {
    await page.bringToFront();
    await frame.getByRole("button", { name: "Copy a new key" }).click();
    await frame.getByText("copied, 32 bytes").waitFor();
    await other.bringToFront();
    const copied = await other.evaluate(() => navigator.clipboard.readText());
    assert.match(copied, /^[A-Za-z0-9+/]{43}=$/);
    seen.add(copied);
    assert.ok(!(await frame.locator("body").innerText()).includes(copied) && !(await text(frame)).includes(copied));
  }
  assert.equal(seen.size, 2, "each is another one");
  assert.deepEqual(wrong, []);
  await close();
  reader.closeAllConnections();
  reader.close();
});
