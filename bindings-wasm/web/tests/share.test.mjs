// Links: what they carry, what opens them, what is refused, and that none is made by itself.

import assert from "node:assert/strict";
import { test } from "node:test";
import { fileURLToPath, pathToFileURL } from "node:url";
import { deflateRawSync, inflateRawSync } from "node:zlib";
import { innerFrame } from "./browser.mjs";
import { open, setUp, type, until } from "./page.mjs";

const here = setUp();
const SECRET = "Dkt8Us4nBjZEL3s9s0F9EcOJxvJ6MBfm8dTkfIFDtBk=";
const PHRASE = "Zm9yIG5vYm9keSBlbHNl";
const CONFIG = `# the key of ${SECRET}\napiVersion: apiserver.config.k8s.io/v1\nkind: EncryptionConfiguration\nresources:\n  - resources: [secrets]\n    providers:\n      - aescbc:\n          keys:\n            - name: a\n              secret: |\n                ${SECRET}\n            - {name: b, secret: "${PHRASE}"}\n      - identity: {}\n`;

const packed = (found) => `k8senc-1=${deflateRawSync(typeof found === "string" ? found : JSON.stringify(found)).toString("base64url")}`;
const carried = (link) => JSON.parse(inflateRawSync(Buffer.from(new URL(link).hash.slice("#k8senc-1=".length), "base64url")).toString());
const text = (frame) => frame.locator(".editor").first().evaluate((host) => [...host.shadowRoot.querySelectorAll(".cm-line")].map((line) => line.textContent).join("\n"));

/** Makes the link of what is in the editor, as a person would. */
async function linkOf(frame) {
  await frame.getByRole("button", { name: "Copy a link" }).click();
  const link = await frame.locator("textarea.link").inputValue();
  const shown = await frame.locator("dialog .shared").innerText();
  await frame.getByRole("button", { name: "Close" }).click();
  return { link, shown };
}

/** Opens an address in a page of its own. */
async function arrive(context, address) {
  const page = await context.newPage();
  const asked = [];
  page.on("request", (request) => asked.push(request.url()));
  await page.goto(address);
  return { page, frame: await innerFrame(page), asked };
}

test("a link carries what the dialog shows and no key, and opens as redacted", { timeout: 90_000 }, async () => {
  const { page, frame, wrong, close } = await open(here);
  await type(frame, CONFIG);
  await frame.getByLabel("automatic reload").check();
  const { link, shown } = await linkOf(frame);
  const found = carried(link);
  assert.deepEqual(Object.keys(found).sort(), ["kmsv1", "reload", "text", "version"]);
  assert.equal(found.text.trim(), shown.trim());
  assert.equal(found.reload, true);
  for (const secret of [SECRET, PHRASE]) {
    for (let at = 0; at + 8 <= secret.length; at += 1) assert.ok(!found.text.includes(secret.slice(at, at + 8)), found.text);
  }
  assert.ok(!found.text.includes("#"), "no comments");
  assert.equal(page.url(), here.address, "the address was left alone");

  const { frame: other, asked } = await arrive(page.context(), link);
  await other.getByText("This configuration came with a link and is redacted").waitFor();
  assert.equal((await text(other)).trim(), found.text.trim());
  assert.ok(await other.getByLabel("automatic reload").isChecked());
  assert.ok(asked.every((url) => !url.includes("k8senc-1")), "the fragment goes to no server");
  await type(other, "kind: x");
  assert.equal(await other.getByText("came with a link").count(), 0, "an edited file is not the link's");
  assert.deepEqual(wrong, []);
  await close();
});

test("the single file makes and opens links too", { timeout: 90_000 }, async () => {
  const context = await here.browser.newContext();
  const file = pathToFileURL(fileURLToPath(new URL("../dist/k8senc.html", import.meta.url))).href;
  const { frame } = await arrive(context, file);
  await type(frame, CONFIG);
  const { link } = await linkOf(frame);
  assert.ok(link.startsWith(`${file}#k8senc-1=`), link);
  const { frame: other } = await arrive(context, link);
  await other.getByText("This configuration came with a link and is redacted").waitFor();
  assert.equal((await text(other)).trim(), carried(link).text.trim());
  await context.close();
});

test("no link is made where a key may be left", { timeout: 60_000 }, async () => {
  const { page, frame, wrong, close } = await open(here);
  for (const [given, why] of [["kind: EncryptionConfiguration\nresources: [\n", /to its end/], [`kind: Secret\ndata: {a: ${PHRASE}}\n`, /no EncryptionConfiguration/], ["", /not one YAML/]]) {
    await type(frame, given);
    await frame.getByRole("button", { name: "Copy a link" }).click();
    assert.match(await frame.locator("dialog .notice.error").innerText(), why);
    assert.equal(await frame.locator("textarea.link").count(), 0);
    await frame.getByRole("button", { name: "Close" }).click();
  }
  assert.equal(page.url(), here.address);
  assert.deepEqual(wrong, []);
  await close();
});

test("hostile links are refused with a sentence, and change nothing", { timeout: 180_000 }, async () => {
  const good = { text: "apiVersion: apiserver.config.k8s.io/v1\nkind: EncryptionConfiguration\nresources: []\n", version: "1.37", reload: false, kmsv1: false };
  const { page, frame, wrong, close } = await open(here);
  const before = await text(frame);
  const fragments = [
    ["k8senc-1=", /cut or changed/],
    ["k8senc-1=%%%", /cut or changed/],
    ["k8senc-1=AAAA", /cut or changed/],
    ["k8senc-2=AAAA", /another version/],
    [`k8senc-1=${"A".repeat(40_000)}`, /longer than any link/],
    [packed("a".repeat(1 << 24)), /unpacks to more/],
    [packed("[1]"), /something else/],
    [packed("null"), /something else/],
    [packed({ ...good, more: 1 }), /something else/],
    [packed({ ...good, text: 1 }), /something else/],
    [packed({ ...good, version: "<b>" }), /something else/],
    [packed({ ...good, reload: "yes" }), /something else/],
    [packed({ text: good.text, version: "1.37", reload: false, __proto__x: false }), /something else/],
    [packed({ ...good, text: CONFIG }), /keys or comments/],
    [packed({ ...good, text: `${good.text}# <script>alert(1)</script>\n` }), /keys or comments/],
    [packed({ ...good, text: "kind: [" }), /none that this page would have shared/],
    [packed({ ...good, text: "a".repeat(1000) }), /none that this page would have shared/],
  ];
  for (const [fragment, why] of fragments) {
    await page.evaluate((hash) => {
      location.hash = hash;
    }, fragment);
    await frame.locator(".notice.error").filter({ hasText: why }).waitFor({ timeout: 10_000 }).catch(() => assert.fail(`${fragment.slice(0, 40)}: no ${why}`));
    assert.equal(await text(frame), before, fragment.slice(0, 40));
    await frame.getByRole("button", { name: "Dismiss" }).click();
  }
  assert.deepEqual(wrong, []);
  await close();
});

test("a link never takes the place of what was entered by itself", { timeout: 60_000 }, async () => {
  const { page, frame, wrong, close } = await open(here);
  await type(frame, CONFIG);
  const { link } = await linkOf(frame);
  const mine = CONFIG.replace("name: a", "name: mine");
  await type(frame, mine);
  await page.evaluate((hash) => {
    location.hash = hash;
  }, new URL(link).hash);
  await frame.getByText("A link brings another configuration").waitFor();
  assert.equal((await text(frame)).trim(), mine.trim());
  await frame.getByRole("button", { name: "Leave it" }).click();
  assert.equal((await text(frame)).trim(), mine.trim());
  assert.deepEqual(wrong, []);
  await close();
});

test("nothing but the outer document is listened to, and nothing moves it", { timeout: 60_000 }, async () => {
  const { page, frame, wrong, close } = await open(here);
  await type(frame, CONFIG);
  const { link } = await linkOf(frame);
  const before = await text(frame);
  await frame.evaluate((fragment) => {
    // From the inner document itself, and from a frame of its own.
    window.postMessage({ base: "https://elsewhere.example/", fragment }, "*");
    const child = document.createElement("iframe");
    document.body.append(child);
    window.dispatchEvent(new MessageEvent("message", { data: { base: "https://elsewhere.example/", fragment }, source: child.contentWindow }));
    // And outwards: whatever is said, the outer document stays where and what it is.
    for (const said of [{ fragment }, { base: "https://elsewhere.example/" }, { hash: fragment }, { href: "https://elsewhere.example/" }, fragment]) parent.postMessage(said, "*");
  }, new URL(link).hash.slice(1));
  await page.waitForTimeout(300);
  assert.equal(await text(frame), before);
  assert.equal(await frame.getByText("A link brings").count(), 0);
  assert.equal(page.url(), here.address);
  assert.ok((await linkOf(frame)).link.startsWith(here.address));
  await until(frame, () => document.querySelector("dialog") === null);
  assert.ok(wrong.every((one) => /Framing|frame-src|violates/.test(one)), wrong.join("\n"));
  await close();
});
