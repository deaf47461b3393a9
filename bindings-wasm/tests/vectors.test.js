import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { test } from "node:test";

import * as errors from "../js/errors.js";
import { load } from "../js/index.js";
import { runVectors } from "./vectors.js";

test("every conformance vector", async () => {
  const file = (path) => readFile(new URL(`../../conformance-vectors/${path}`, import.meta.url), "utf8");
  const { ran, counted, failures } = await runVectors({ k8senc: await load(), errors, file });
  assert.deepEqual(failures.slice(0, 10), []);
  assert.deepEqual(ran, counted);
  console.log(`vectors: ${Object.entries(ran).map(([kind, n]) => `${n} ${kind}`).join(", ")}`);
});
