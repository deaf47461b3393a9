// Every rule that a file alone can trigger shows at its place, with a fix that cures it. The files are those of the rules' own
// tests (config/tests), recorded there; what a rule needs to speak is said by the rule itself.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { test } from "node:test";
import { load } from "../../js/index.js";
import { open, setUp, type, until } from "./page.mjs";

const here = setUp();
const recorded = async (name) => JSON.parse(await readFile(new URL(`../../../config/tests/recorded/${name}`, import.meta.url), "utf8"));
const k8senc = await load();
const NEEDS = Object.fromEntries(k8senc.rules().map(({ code, needs }) => [code, needs]));

const place = ({ line, column }) => `${line}:${column}`;

/** The rows of the first place that tell of a rule, as `[place, title of the fix]`. */
const rows = (frame, code) =>
  frame.locator(".advice li").evaluateAll(
    (all, code) => all.filter((row) => row.querySelector(".code").textContent === code).map((row) => [row.querySelector(".place").textContent, row.querySelector(".fix")?.textContent ?? null]),
    code,
  );

async function settle(frame, told) {
  await until(frame, (wanted) => [...document.querySelectorAll(".advice .code")].map((one) => one.textContent).join() === wanted, told.filter(({ upstream }) => upstream == null).map(({ code }) => code).join());
}

async function showsAndCures(frame, { code, version, kmsv1, bad, good }) {
  const options = { version, reload: false, ...(kmsv1 ? { kmsv1 } : {}) };
  await frame.getByLabel("Kubernetes").selectOption(version);
  await frame.getByLabel("KMSv1 gate").setChecked(kmsv1 === true);
  await type(frame, bad);
  const told = k8senc.lint(bad, options);
  const finding = told.find((one) => one.code === code);
  await settle(frame, told);
  // kube-apiserver's own refusal is told once, in its words.
  if (finding.upstream == null) assert.ok((await rows(frame, code)).some(([at]) => at === place(finding.range)), `${code} at ${place(finding.range)}`);
  else await until(frame, (at) => [...document.querySelectorAll(".verdict .place")].some((row) => row.textContent === at), place(finding.range));
  await until(frame, () => document.querySelector(".editor").shadowRoot.querySelectorAll(".cm-lintRange, .cm-lintPoint, .cm-lint-marker").length > 0);
  const fixes = told.filter((one) => one.code === code && one.fix);
  for (const { fix, upstream } of fixes.slice(0, 1)) {
    const button = upstream == null ? frame.locator(".advice li", { has: frame.locator(`.code:text-is("${code}")`) }).locator(".fix").first() : frame.locator(".verdict .fix", { hasText: fix.title }).first();
    await button.click();
    await settle(frame, k8senc.lint(k8senc.applyFix(bad, fix), options));
    if (fixes.length === 1) assert.deepEqual(await rows(frame, code), [], `${code} is cured`);
  }
  await type(frame, good);
  await settle(frame, k8senc.lint(good, options));
  assert.deepEqual(await rows(frame, code), [], `${code} says nothing of a good file`);
  return fixes.length > 0;
}

test("every rule that a configuration alone can trigger shows with its range and its fix", { timeout: 300_000 }, async (t) => {
  const cases = (await recorded("lint-cases.json")).filter(({ code }) => NEEDS[code] === "text");
  const wanted = Object.keys(NEEDS).filter((code) => NEEDS[code] === "text");
  assert.deepEqual([...new Set(cases.map(({ code }) => code))].sort(), wanted.sort());
  const { frame, wrong, close } = await open(here);
  let cured = 0;
  for (const one of cases) {
    try {
      cured += Number(await showsAndCures(frame, one));
    } catch (error) {
      throw new Error(`${one.code} of\n${one.bad}`, { cause: error });
    }
  }
  assert.deepEqual(wrong, []);
  await close();
  const others = Object.entries(NEEDS).filter(([, needs]) => needs !== "text");
  t.diagnostic(`${cases.length} of ${Object.keys(NEEDS).length} rules shown, ${cured} cured by their fix`);
  t.diagnostic(`not from a configuration alone: ${others.map(([code, needs]) => `${code} (${needs})`).join(", ")}`);
});
