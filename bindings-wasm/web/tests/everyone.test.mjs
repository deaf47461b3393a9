// For everyone: each place in every view by axe, on paper, at 200 % zoom, without motion, by keyboard alone.

import assert from "node:assert/strict";
import { mkdir, readFile } from "node:fs/promises";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { open, setUp, type, until } from "./page.mjs";
import { furnish, PLACES } from "./places.mjs";

const here = setUp();
const root = fileURLToPath(new URL("../../../", import.meta.url));
const axe = await readFile(new URL("../node_modules/axe-core/axe.min.js", import.meta.url), "utf8");

/** What axe says of the inner document as it stands. */
async function violations(frame) {
  const { violations: found } = await frame.evaluate(() => globalThis.axe.run(document, { resultTypes: ["violations"], preload: false }));
  return found.map(({ id, nodes }) => `${id}: ${nodes.map((node) => node.html.slice(0, 100)).join(" | ")}`);
}

const VIEWS = {
  light: { colorScheme: "light" },
  dark: { colorScheme: "dark" },
  "forced colours": { forcedColors: "active" },
  "more contrast": { contrast: "more" },
  "more contrast, dark": { contrast: "more", colorScheme: "dark" },
  "reduced motion": { reducedMotion: "reduce" },
  "200 % zoom": { viewport: { width: 680, height: 450 }, deviceScaleFactor: 2 },
  phone: { viewport: { width: 390, height: 800 } },
};

for (const [name, view] of Object.entries(VIEWS)) {
  test(`no accessibility violation: ${name}`, { timeout: 240_000 }, async () => {
    const { frame, wrong, close } = await open(here, view);
    await frame.evaluate(axe);
    await furnish(frame);
    for (const place of PLACES) {
      await frame.click(`#tab-${place}`);
      assert.deepEqual(await violations(frame), [], place);
      assert.ok(await frame.evaluate(() => document.documentElement.scrollWidth <= innerWidth), `${place} is wider than the view`);
    }
    for (const dialog of ["Copy a link", "Nothing leaves this page"]) {
      await frame.click("#tab-configuration");
      const button = frame.getByRole("button", { name: dialog });
      await button.click();
      await frame.locator("dialog").getByRole("button", { name: "Close" }).waitFor();
      if (dialog === "Copy a link") await frame.locator("textarea.link").waitFor();
      assert.deepEqual(await violations(frame), [], dialog);
      await frame.page().keyboard.press("Escape");
      await until(frame, () => !document.querySelector("dialog[open]"));
    }
    assert.deepEqual(wrong, []);
    await close();
  });
}

test("no accessibility violation: servers that differ, and a manifest", { timeout: 120_000 }, async () => {
  for (const colorScheme of ["light", "dark"]) {
    const { frame, wrong, close } = await open(here, { colorScheme });
    await frame.evaluate(axe);
    for (const example of ["Three servers that differ", "A static pod"]) {
      const value = await frame.getByLabel("Example").locator("option").filter({ hasText: example }).getAttribute("value");
      await frame.getByLabel("Example").selectOption(value);
      await frame.locator(".drift .verdict.bad, .brought").first().waitFor({ timeout: 30_000 });
      assert.deepEqual(await violations(frame), [], `${example} ${colorScheme}`);
    }
    assert.deepEqual(wrong, []);
    await close();
  }
});

test("on paper: nothing to press, all that is to be read, boxes to tick", { timeout: 120_000 }, async () => {
  const { page, frame, wrong, close } = await open(here, { colorScheme: "dark" });
  await furnish(frame);
  await frame.evaluate(axe);
  await page.emulateMedia({ media: "print" });
  for (const place of PLACES) {
    await frame.evaluate((id) => document.getElementById(`tab-${id}`).click(), place);
    assert.equal(await frame.locator("button:not(.row):visible, .toolbar:visible").count(), 0, place);
    assert.deepEqual(await violations(frame), [], place);
    assert.equal(await frame.evaluate(() => getComputedStyle(document.body).color), "rgb(0, 0, 0)", place);
    const cut = await frame.evaluate(() => [...document.querySelectorAll(".scroll, .diff, .partlist, .plain")].filter((box) => box.scrollHeight > box.clientHeight + 2).length);
    assert.equal(cut, 0, `${place}: something is cut off`);
  }
  await frame.evaluate(() => document.getElementById("tab-plan").click());
  const steps = await frame.locator(".steps > ol > li").count();
  assert.ok(steps >= 5);
  assert.equal(await frame.locator(".steps .signoff:visible").count(), steps);
  await mkdir(`${root}reports/page`, { recursive: true });
  await page.setViewportSize({ width: 800, height: 1130 });
  await frame.locator(".steps").scrollIntoViewIfNeeded();
  await page.screenshot({ path: `${root}reports/page/plan-print.png` });
  await page.emulateMedia({ media: null });
  const printed = frame.evaluate(() => new Promise((done) => addEventListener("beforeprint", () => done(true))));
  await frame.getByRole("button", { name: "Print" }).click();
  assert.equal(await Promise.race([printed, page.waitForTimeout(5000)]), true, "the sandbox lets the page print itself");
  assert.deepEqual(wrong, []);
  await close();
});

test("nothing moves where motion is not wanted", { timeout: 60_000 }, async () => {
  const moving = (frame) =>
    frame.evaluate(() => [...document.querySelectorAll("*")].filter((element) => ["transitionDuration", "animationDuration"].some((name) => getComputedStyle(element)[name].split(", ").some((one) => Number.parseFloat(one) > 0))).length);
  const still = await open(here, { reducedMotion: "reduce" });
  assert.equal(await moving(still.frame), 0);
  await still.close();
  const lively = await open(here, { reducedMotion: "no-preference" });
  assert.ok((await moving(lively.frame)) > 0, "the control");
  await lively.close();
});

test("the keyboard reaches every control and shows where it is", { timeout: 180_000 }, async () => {
  const { page, frame, wrong, close } = await open(here);
  await furnish(frame);
  for (const place of PLACES) {
    await frame.click(`#tab-${place}`);
    await frame.focus(`#tab-${place}`);
    const met = new Set();
    for (let press = 0; press < 150; press += 1) {
      await page.keyboard.press("Tab");
      const at = await frame.evaluate(() => {
        const focused = document.activeElement;
        if (!focused || focused === document.body) return null;
        const inside = focused.shadowRoot?.activeElement ?? focused;
        const style = getComputedStyle(inside);
        focused.dataset.met = "yes";
        const seen = style.outlineStyle !== "none" || inside.closest?.(".cm-editor") !== null || inside.matches("input[type=file]");
        return { name: `${focused.tagName} ${focused.textContent.trim().slice(0, 40)}`, seen };
      });
      if (at === null) break;
      assert.ok(at.seen, `${place}: no focus to be seen on ${at.name}`);
      met.add(at.name);
    }
    const left = await frame.locator("#place").evaluate((panel) => [...panel.querySelectorAll("button, select, input:not([type=file]), textarea, summary, .editor, [tabindex='0']")].filter((element) => element.checkVisibility() && !element.disabled && element.tabIndex >= 0 && element.dataset.met !== "yes").map((element) => element.outerHTML.slice(0, 100)));
    assert.deepEqual(left, [], place);
  }
  assert.deepEqual(wrong, []);
  await close();
});

test("the byte map is walked by keys, and says where it is", { timeout: 60_000 }, async () => {
  const { page, frame, wrong, close } = await open(here);
  await furnish(frame);
  await frame.click("#tab-value");
  const list = frame.getByRole("listbox", { name: "Parts of the value" });
  await list.focus();
  const chosen = () => frame.locator(".part[aria-selected=true]").innerText();
  await page.keyboard.press("Home");
  const first = await chosen();
  await page.keyboard.press("ArrowDown");
  const second = await chosen();
  assert.notEqual(first, second);
  assert.equal(await list.getAttribute("aria-activedescendant"), await frame.locator(".part[aria-selected=true]").getAttribute("id"));
  assert.ok((await frame.locator(".byte.chosen").count()) > 0, "the bytes of the part are marked");
  await page.keyboard.press("End");
  assert.notEqual(await chosen(), second);
  await page.keyboard.press("Home");
  assert.equal(await chosen(), first);
  assert.deepEqual(wrong, []);
  await close();
});

test("a live region tells the verdict once the typing rests", { timeout: 60_000 }, async () => {
  const { frame, wrong, close } = await open(here);
  await until(frame, () => /will start\. /.test(document.querySelector(".unseen[role=status]").textContent));
  await type(frame, "kind: x");
  await until(frame, () => /refuse to start\. /.test(document.querySelector(".unseen[role=status]").textContent));
  assert.deepEqual(wrong, []);
  await close();
});
