// The first place: manifests, files of several servers, the lines that decide, examples, and keys that stay covered.

import assert from "node:assert/strict";
import { test } from "node:test";
import { open, setUp, type, until } from "./page.mjs";

const here = setUp();
const SECRET = "Dkt8Us4nBjZEL3s9s0F9EcOJxvJ6MBfm8dTkfIFDtBk=";
const OTHER = "pU3KGCUwux1tEyze1iN7LtkeP3IfyxlxF0SU1kk8nVw=";
const file = (keys, more = "") => `apiVersion: apiserver.config.k8s.io/v1\nkind: EncryptionConfiguration\nresources:\n  - resources: [secrets]\n    providers:\n      - secretbox:\n          keys:\n${keys.map(([name, secret]) => `            - name: ${name}\n              secret: ${secret}\n`).join("")}      - identity: {}\n${more}`;
const BOTH = file([["new", OTHER], ["old", SECRET]]);
const OLD = file([["old", SECRET]]);

/** Drops files on the place as a person would. */
async function drop(frame, files) {
  await frame.locator(".split").first().evaluate((element, dropped) => {
    const data = new DataTransfer();
    for (const { name, text } of dropped) data.items.add(new File([text], name));
    for (const kind of ["dragover", "drop"]) element.querySelector(".editor").dispatchEvent(new DragEvent(kind, { dataTransfer: data, bubbles: true, cancelable: true, composed: true }));
  }, files);
}

const shadow = (frame) => frame.locator(".editor").first().locator(".cm-content");

test("every example shows what it is there for", { timeout: 180_000 }, async (t) => {
  const { frame, wrong, close } = await open(here);
  await until(frame, () => globalThis.k8sencLarge !== undefined);
  const select = frame.getByLabel("Example");
  const options = await select.locator("option").evaluateAll((all) => all.filter((one) => one.value).map((one) => ({ value: one.value, shows: one.dataset.shows, title: one.textContent })));
  assert.ok(options.length >= 20, `${options.length} examples`);
  assert.ok(options.filter(({ shows }) => shows).length >= 15);
  t.diagnostic(`${options.length} examples`);
  for (const { value, shows, title } of options) {
    await select.selectOption(value);
    if (!shows) {
      await until(frame, () => document.querySelector(".verdict h3, .brought h3"));
      assert.equal(await frame.locator(".advice li.error").count(), 0, title);
    } else if (shows === "K8E050") {
      await until(frame, () => document.querySelector(".right > .verdict h3")?.textContent.includes("refuse"));
    } else {
      await until(frame, (code) => [...document.querySelectorAll(".advice .code")].some((one) => one.textContent === code), shows).catch(() => assert.fail(`${title}: no ${shows}`));
    }
  }
  assert.deepEqual(wrong, []);
  await close();
});

test("a resource shows the lines that decide it, and a wildcard what it reaches", { timeout: 60_000 }, async () => {
  const { frame, wrong, close } = await open(here);
  await type(frame, `${file([["a", SECRET]])}  - resources: ['*.*']\n    providers:\n      - kms: {apiVersion: v2, name: k, endpoint: 'unix:///run/k.sock'}\n      - identity: {}\n`);
  await frame.getByRole("button", { name: "secrets", exact: true }).click();
  const marked = async (kind) => (await frame.locator(`.editor >> .k8senc-${kind}`).allInnerTexts()).join(" ");
  assert.equal(await marked("rule"), "secrets");
  assert.match(await marked("writes"), /^name: a secret ?: /);
  assert.match(await marked("reads"), /^identity: \{\}$/);
  assert.match(await frame.locator(".unseen[role=status]").innerText(), /secrets: the lines that decide are marked/);
  await frame.getByRole("button", { name: "configmaps", exact: true }).click();
  assert.match(await marked("rule"), /\*\.\*/);
  assert.match(await marked("writes"), /^kms ?: \{apiVersion: v2/);
  const reaches = frame.locator(".reaches");
  assert.match(await reaches.locator("summary").innerText(), /\*\.\* reaches \d+ built-in resources; 1 has a rule of its own/);
  await reaches.locator("summary").click();
  assert.match(await reaches.innerText(), /configmaps/);
  assert.match(await reaches.innerText(), /Not: secrets \(secrets\)/);
  await shadow(frame).click();
  await frame.page().keyboard.type("# ");
  assert.equal(await marked("writes"), "", "an edit ends it");
  assert.deepEqual(wrong, []);
  await close();
});

test("a manifest is judged with what it holds, and with the file beside it", { timeout: 90_000 }, async () => {
  const { frame, wrong, close } = await open(here);
  const pod = "apiVersion: v1\nkind: Pod\nmetadata: {name: kube-apiserver, namespace: kube-system}\nspec:\n  containers:\n  - name: kube-apiserver\n    image: registry.k8s.io/kube-apiserver:v1.36.0\n    command: [kube-apiserver, --encryption-provider-config=/etc/kubernetes/enc/enc.yaml]\n    volumeMounts: [{name: enc, mountPath: /etc/kubernetes/enc, readOnly: true}]\n  volumes: [{name: enc, hostPath: {path: /etc/kubernetes/enc, type: Directory}}]\n";
  await drop(frame, [{ name: "kube-apiserver.yaml", text: pod }]);
  await frame.getByText("A Kubernetes manifest").waitFor();
  assert.match(await frame.locator(".brought").innerText(), /reads \/etc\/kubernetes\/enc\/enc.yaml/);
  await frame.getByRole("button", { name: "It runs Kubernetes 1.36: judge as that" }).click();
  assert.equal(await frame.locator(".toolbar select").first().inputValue(), "1.36");
  const kms = file([]).replace(/- secretbox:[^]*- identity/, "- kms: {apiVersion: v2, name: k, endpoint: 'unix:///run/kms/k.sock'}\n      - identity");
  await drop(frame, [{ name: "kube-apiserver.yaml", text: pod }, { name: "enc.yaml", text: kms }]);
  await frame.locator(".advice .code").filter({ hasText: "K8M006" }).waitFor();

  const holder = `apiVersion: v1\nkind: ConfigMap\nmetadata: {name: enc}\ndata:\n  enc.yaml: |\n    ${OLD.replaceAll("\n", "\n    ")}\n`;
  await drop(frame, [{ name: "cm.yaml", text: holder }]);
  await frame.getByText("kube-apiserver 1.36 will start").waitFor();
  await frame.getByRole("button", { name: "secrets", exact: true }).click();
  assert.match((await frame.locator(".editor >> .k8senc-writes").allInnerTexts()).join(" "), /^name: old secret ?: /, "in the lines of the manifest");
  await drop(frame, [{ name: "cm.yaml", text: holder.replace("kind: EncryptionConfiguration", "kind: EncryptionConfigurations").replace("secretbox", "secretbax") }]);
  await frame.getByText("A Kubernetes manifest").waitFor({ state: "hidden" }).catch(() => {});
  await drop(frame, [{ name: "cm.yaml", text: holder.replace(SECRET, "c2hvcnQ=") }]);
  await frame.getByText("will refuse to start").waitFor();
  const row = await frame.locator(".right > .verdict .place").first().innerText();
  assert.equal(row.split(":")[0], String(holder.slice(0, holder.indexOf(SECRET)).split("\n").length), "a refusal has its place in the manifest");
  assert.deepEqual(wrong, []);
  await close();
});

test("servers that differ are held against each other", { timeout: 90_000 }, async () => {
  const { frame, wrong, close } = await open(here);
  await drop(frame, [{ name: "cp-1", text: BOTH }, { name: "cp-2", text: BOTH }]);
  await frame.getByText("All 2 servers have the same file").waitFor();
  await drop(frame, [{ name: "cp-1", text: BOTH }, { name: "cp-2", text: `# a comment\n${BOTH}` }]);
  await frame.getByText("The files differ, and do the same").waitFor();
  await drop(frame, [{ name: "cp-1", text: BOTH }, { name: "cp-2", text: BOTH.replaceAll("\n", "\r\n") }]);
  await frame.getByText("The files differ, and do the same").waitFor();
  await drop(frame, [{ name: "cp-1", text: BOTH }, { name: "cp-2", text: BOTH }, { name: "cp-3", text: OLD }]);
  await frame.getByText("They differ, and reads fail").waitFor({ timeout: 20_000 });
  const told = await frame.locator(".drift").innerText();
  assert.match(told, /secrets written by cp-1, cp-2 with secretbox key new cannot be read by cp-3/);
  assert.match(told, /What cp-3 does differently from cp-1, cp-2/);
  assert.match(told, /sha256:[0-9a-f]{12}…/);
  assert.ok(!told.includes(SECRET) && !told.includes(OTHER));
  assert.ok((await frame.locator(".drift .steps > ol > li").count()) > 0, "with the way to one file");
  await drop(frame, [{ name: "cp-1", text: BOTH }, { name: "cp-2", text: file([["old", SECRET], ["new", OTHER]]) }]);
  await frame.getByText("every server can read what the others write").waitFor({ timeout: 20_000 });
  await frame.getByRole("button", { name: "cp-2", exact: true }).first().click();
  await until(frame, () => document.querySelector(".file.current")?.textContent.includes("cp-2"));
  await drop(frame, [{ name: "cp-1", text: BOTH }, { name: "cp-2", text: "kind: x" }]);
  await frame.getByText("kube-apiserver refuses cp-2").waitFor();
  await frame.getByRole("button", { name: "Remove cp-2" }).click();
  assert.equal(await frame.locator(".drift").count(), 0);
  assert.deepEqual(wrong, []);
  await close();
});

test("what is dropped and is no configuration is told apart", { timeout: 60_000 }, async () => {
  const { frame, wrong, close } = await open(here);
  const before = await shadow(frame).innerText();
  await drop(frame, [{ name: "snapshot.db", text: "\0\0\0\0" }]);
  await frame.getByText("snapshot.db is no text").waitFor();
  assert.equal(await shadow(frame).innerText(), before);
  assert.deepEqual(wrong, []);
  await close();
});

test("keys are covered on every line, in every view, until they are asked for", { timeout: 120_000 }, async () => {
  const { page, frame, wrong, close } = await open(here);
  const long = file([]).replace("          keys:\n", `          keys:\n            - name: a\n              secret: >-\n                ${SECRET.slice(0, 22)}\n                ${SECRET.slice(22)}\n            - {name: b, secret: &k "${OTHER.slice(0, 20)}\\\n                ${OTHER.slice(20)}"}\n            - name: c\n              secret: *k\n            # secret: ${SECRET}\n`);
  await type(frame, long);
  const pieces = [SECRET.slice(0, 22), SECRET.slice(22), OTHER.slice(0, 20), OTHER.slice(20)];
  /** Runs of the editor's text that are drawn as they are. */
  const drawn = () =>
    frame.locator(".editor").first().evaluate((host) => {
      const walker = document.createTreeWalker(host.shadowRoot.querySelector(".cm-content"), NodeFilter.SHOW_TEXT);
      let out = "";
      for (let node = walker.nextNode(); node; node = walker.nextNode()) if (getComputedStyle(node.parentElement).webkitTextSecurity === "none") out += node.data;
      return out;
    });
  await until(frame, () => document.querySelector(".editor").shadowRoot.querySelector(".k8senc-secret"));
  for (const piece of pieces) assert.ok(!(await drawn()).includes(piece), piece);
  const button = frame.getByRole("button", { name: "Hold to show the keys" });
  await button.focus();
  await page.keyboard.down("Enter");
  await until(frame, () => !document.querySelector(".editor").shadowRoot.querySelector(".k8senc-secret"));
  for (const piece of pieces) assert.ok((await drawn()).includes(piece), "the control: it is there when it is shown");
  await page.keyboard.up("Enter");
  await until(frame, () => document.querySelector(".editor").shadowRoot.querySelector(".k8senc-secret"));
  for (const piece of pieces) assert.ok(!(await drawn()).includes(piece), piece);

  await frame.click("#tab-plan");
  await type(frame, BOTH, 0);
  await type(frame, OLD, 1);
  await frame.locator(".difference .removed").first().waitFor({ timeout: 20_000 });
  await frame.locator(".steps li").first().waitFor();
  const all = await frame.locator("body").innerText();
  assert.ok(!all.includes(SECRET) && !all.includes(OTHER), "no key outside of the editors");
  assert.match(await frame.locator(".difference").innerText(), /name: new[^]*‹key \d, fingerprint [0-9a-f]{16}›/);
  assert.deepEqual(wrong, []);
  await close();
});
