// The page's budgets for typing. A busy machine only ever adds, so the best of several tries is held to the budget; medians, the
// start and a snapshot of 400 MB are measured by `scripts/bench page`. And the budget for memory, where it is hardest to keep.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { writeScattered } from "./scattered.mjs";

const LINES = 200;
let measurer;
let answers;

async function ask(what, how = {}) {
  measurer.stdin.write(`${JSON.stringify({ what, ...how })}\n`);
  return JSON.parse((await answers.next()).value);
}

before(() => {
  measurer = spawn(process.execPath, ["bench/measure.mjs"], { cwd: fileURLToPath(new URL("..", import.meta.url)), stdio: ["pipe", "pipe", "inherit"] });
  answers = createInterface({ input: measurer.stdout })[Symbol.asyncIterator]();
});

after(async () => {
  measurer.stdin.end();
  await new Promise((ended) => measurer.once("exit", ended));
});

/** As people write them: an entry a resource, two keys each. */
function configuration() {
  const entry = (n) => {
    const key = (side) => Buffer.from(`${n}${side}`.repeat(32)).subarray(0, 32).toString("base64");
    return `- resources: [${n ? `widgets${n}.example.com` : "secrets"}]\n  providers:\n  - secretbox:\n      keys:\n      - name: a\n        secret: ${key("a")}\n      - name: b\n        secret: ${key("b")}\n  - identity: {}\n`;
  };
  const head = "apiVersion: apiserver.config.k8s.io/v1\nkind: EncryptionConfiguration\nresources:\n";
  const text = head + Array.from({ length: Math.ceil((LINES - 3) / 9) }, (_, n) => entry(n)).join("");
  assert.ok(text.split("\n").length > LINES);
  return text;
}

test("typing into 200 lines: judged within 5 ms, and nothing keeps the page busy for 50 ms", { timeout: 180_000 }, async (t) => {
  const text = configuration();
  const tries = [];
  // Where judging takes twice its best time as a rule, the machine is busy with something else, and so is the page.
  const calm = ({ judged }) => judged.toSorted((a, b) => a - b)[judged.length >> 1] <= 2 * Math.min(...judged);
  const smooth = (one) => one.long.length === 0;
  while (tries.length < 4 && !tries.some(smooth)) tries.push(await ask("typing", { text, letters: 40, gap: 50 }));
  const best = Math.min(...tries.flatMap(({ judged }) => judged));
  t.diagnostic(`judged, ms: ${tries.map(({ judged }) => Math.min(...judged).toFixed(2)).join(" ")}; long tasks: ${tries.map(({ long }) => long.length).join(" ")}`);
  assert.ok(tries.every(({ judged }) => judged.length >= 20), "each letter is judged");
  assert.ok(best <= 5, `${best} ms`);
  if (!tries.some(calm)) t.diagnostic("the machine is too busy to tell whether typing is smooth");
  else assert.ok(tries.some(smooth), JSON.stringify(tries.map(({ long }) => long)));
});

test("a snapshot of 170 MB whose leaves lie in no order is read in less than 200 MB of memory", { timeout: 180_000 }, async (t) => {
  const folder = mkdtempSync(join(tmpdir(), "k8senc-scattered-"));
  try {
    const file = join(folder, "scattered.db");
    const secrets = writeScattered(file, 40_000);
    const { said, before: idle, most, long } = await ask("snapshot", { file, config: null, hash: false, stopAt: 0 });
    const all = secrets.toLocaleString("en");
    assert.match(said, new RegExp(`^${all} of ${all} live values are encrypted; none was opened`));
    const megabytes = ((most - idle) * 1024) / 1e6;
    t.diagnostic(`${megabytes.toFixed(0)} MB above the page's own; ${long.length} long tasks of the page`);
    assert.ok(megabytes < 200, `${megabytes} MB`);
  } finally {
    rmSync(folder, { recursive: true });
  }
});
