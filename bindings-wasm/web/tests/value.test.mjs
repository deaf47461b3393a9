// The second place: why a value does not open, what to ask a KMS for, and values that stay masked.

import assert from "node:assert/strict";
import { test } from "node:test";
import { load } from "../../js/index.js";
import { open, setUp, type } from "./page.mjs";

const here = setUp();
const k8senc = await load();
const KEY = Buffer.from("Dkt8Us4nBjZEL3s9s0F9EcOJxvJ6MBfm8dTkfIFDtBk=", "base64");
const OTHER = Buffer.from("pU3KGCUwux1tEyze1iN7LtkeP3IfyxlxF0SU1kk8nVw=", "base64");
const AT = "/registry/secrets/shop/db";
const VALUE = "bm90IGEgc2VjcmV0";
const OBJECT = new TextEncoder().encode(`{"apiVersion":"v1","kind":"Secret","metadata":{"name":"db","namespace":"shop"},"data":{"password":"${VALUE}"}}`);
const config = (provider, name = "a", key = KEY) => `apiVersion: apiserver.config.k8s.io/v1\nkind: EncryptionConfiguration\nresources:\n  - resources: [secrets]\n    providers:\n      - ${provider}: {keys: [{name: ${name}, secret: ${key.toString("base64")}}]}\n      - identity: {}\n`;

/** As etcdctl prints it. */
const printed = (stored, key = AT) => JSON.stringify({ header: {}, kvs: [{ key: Buffer.from(key).toString("base64"), value: Buffer.from(stored).toString("base64") }], count: 1 });
const seal = (provider, name, key = KEY, at = AT) => k8senc.chainWithKey(provider, name, key).seal(OBJECT, at);

const CASES = [
  { name: "the right secret under the wrong name", config: config("aescbc", "a"), stored: () => seal("aescbc", "b"), says: [/the value says "b": add the same secret under that name/, /No key has its name: the value says “b”/] },
  { name: "another etcd prefix", config: config("aesgcm"), stored: () => seal("aesgcm", "a", KEY, AT.replace("/registry", "/kubernetes.io")), says: [/bound to an etcd key below \/kubernetes\.io, not \/registry/] },
  { name: "a value cut short", config: config("aescbc"), stored: async () => (await seal("aescbc", "a")).slice(0, -5), says: [/no multiple of the cipher's block: bytes are missing/] },
  { name: "a line end too many", config: config("aesgcm"), stored: async () => Uint8Array.from([...(await seal("aesgcm", "a")), 10]), says: [/a line end too many/] },
  { name: "another provider", config: config("aescbc"), stored: () => seal("secretbox", "x", OTHER), says: [/Another provider wrote it: the value says secretbox “x”, and the rule of secrets reads with aescbc, identity/] },
  { name: "another key", config: config("secretbox", "x"), stored: () => seal("secretbox", "x", OTHER), says: [/What was tried/] },
  { name: "a value of a copy, bound to its own key", config: config("aesgcm"), stored: () => seal("aesgcm", "a", KEY, "/registry/secrets/shop/other"), says: [/copied from another object opens only with the etcd key of that object/] },
];

test("each reason why a value does not open is told", { timeout: 180_000 }, async () => {
  const { frame, wrong, close } = await open(here);
  for (const { name, config: text, stored, says } of CASES) {
    await frame.click("#tab-configuration");
    await type(frame, text);
    await frame.click("#tab-value");
    await frame.locator("textarea").fill(printed(await stored()));
    await frame.locator("button.main:visible").click();
    await frame.waitForSelector(".panel:not([hidden]) .notice.error h4");
    for (const one of await frame.locator(".notice.error details").all()) await one.evaluate((element) => (element.open = true));
    const told = await frame.locator(".notice.error").filter({ hasText: "It does not open" }).innerText();
    for (const pattern of says) assert.match(told, pattern, name);
    assert.ok(!told.includes(KEY.toString("base64")) && !told.includes(VALUE), name);
  }
  assert.deepEqual(wrong, []);
  await close();
});

test("a copied value opens, and is called one; values stay masked until they are held", { timeout: 60_000 }, async () => {
  const { page, frame, wrong, close } = await open(here);
  await type(frame, config("aescbc"));
  await frame.click("#tab-value");
  await frame.locator("textarea").fill(printed(await seal("aescbc", "a"), "/registry/secrets/shop/elsewhere"));
  await frame.locator("button.main:visible").click();
  await frame.waitForSelector(".opened");
  const shown = () => frame.locator(".opened").innerText();
  assert.match(await shown(), /this is the object shop\/db, and its etcd key says shop\/elsewhere: the value was copied or moved/);
  assert.ok(!(await shown()).includes(VALUE));
  await frame.getByRole("button", { name: "Hold to show the values" }).focus();
  await page.keyboard.down(" ");
  await frame.getByText(VALUE).waitFor();
  await page.keyboard.up(" ");
  await frame.getByText(VALUE).waitFor({ state: "detached" });
  // A look at another place changes nothing, Wipe everything.
  await frame.click("#tab-plan");
  await frame.click("#tab-value");
  assert.match(await shown(), /shop\/db/);
  await frame.getByRole("button", { name: "Wipe" }).click();
  await frame.click("#tab-value");
  assert.equal(await frame.locator("textarea").inputValue(), "");
  assert.equal(await frame.locator(".opened").count(), 0);
  assert.deepEqual(wrong, []);
  await close();
});

test("a value of a KMS says what to ask for, down to its protobuf fields, and opens with the answer", { timeout: 90_000 }, async () => {
  const { frame, wrong, close } = await open(here);
  const wrapped = Buffer.from(`vault:v3:${Buffer.alloc(60, 9).toString("base64")}`);
  let seed = Buffer.alloc(0);
  const encrypt = async (key) => {
    seed = Buffer.from(key);
    return { ciphertext: wrapped, keyId: "key-id-3", annotations: { "ref.example.com": new Uint8Array([1, 2, 3]) } };
  };
  const value = await k8senc.chainWithKms("v2", "cloud-kms").seal(OBJECT, AT, { kms: { "cloud-kms": { encrypt } } });
  await frame.click("#tab-value");
  await frame.locator("textarea").fill(printed(value));
  await frame.getByText("The KMS has to be asked").waitFor();
  const asked = await frame.locator(".ask").innerText();
  assert.match(asked, /plugin “cloud-kms” \(KMS v2\)/);
  assert.match(asked, /key-id-3/);
  assert.ok(asked.includes(wrapped.toString("base64")));
  assert.match(asked, /ref\.example\.com/);
  assert.match(asked, /Vault or OpenBao transit/);
  await frame.locator(".ask summary").click();
  assert.match(await frame.locator(".ask pre").innerText(), /grpcurl .*[^]*"key_id":"key-id-3"[^]*v2\.KeyManagementService\/Decrypt/);
  const parts = await frame.locator(".part").allInnerTexts();
  for (const part of [/protobuf field 1/, /key_id: ?\s*key-id-3/, /encrypted DEK source/, /annotation name: ?\s*ref\.example\.com/, /info: what the value's key is derived with/]) assert.ok(parts.some((one) => part.test(one)), `${part}\n${parts.join("\n")}`);
  await frame.getByLabel("Key, DEK or seed").fill("x");
  await frame.locator("button.main:visible").click();
  await frame.waitForSelector(".notice.error");
  await frame.getByLabel("Key, DEK or seed").fill(seed.toString("hex"));
  await frame.locator("button.main:visible").click();
  await frame.waitForSelector(".opened");
  assert.match(await frame.locator(".opened").innerText(), /shop\/db/);
  assert.deepEqual(wrong, []);
  await close();
});
