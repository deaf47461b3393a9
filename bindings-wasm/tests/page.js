// What the browser test calls by name.
import * as errors from "../js/errors.js";
import { load } from "../js/index.js";
import { auditInWorker } from "../js/worker.js";
import { comparisons, localKek } from "./sample.js";
import { runVectors } from "./vectors.js";

const vectors = new URL("../../conformance-vectors/", import.meta.url);
const text = async (path) => (await fetch(new URL(path, vectors))).text();
const newWorker = () => new Worker(new URL("audit-worker.js", import.meta.url), { type: "module" });

window.vectors = async () => {
  const { ran, counted, failures } = await runVectors({ k8senc: await load(), errors, file: text });
  return { ran, counted, failures: failures.slice(0, 10) };
};

window.audit = async () => {
  const file = await (await fetch(new URL("sample/snapshot.db", vectors))).blob();
  const keks = await text("sample/local-kek.json");
  const phases = new Set();
  const { report, exitCode } = await auditInWorker(newWorker(), file, {
    config: await text("sample/encryption-config.yaml"),
    kms: { "cloud-kms": localKek(keks, "cloud-kms"), "legacy-kms": localKek(keks, "legacy-kms") },
    onProgress: ({ phase }) => void phases.add(phase),
  });
  const pairs = comparisons(report, JSON.parse(await text("sample/expected.json")));
  return { exitCode, pairs, phases: [...phases] };
};

/** Aborted while the plugin has not answered. */
window.abort = async () => {
  const file = await (await fetch(new URL("sample/snapshot.db", vectors))).blob();
  const controller = new AbortController();
  const asked = auditInWorker(newWorker(), file, {
    config: await text("sample/encryption-config.yaml"),
    kms: { "cloud-kms": { keyId: "1", decrypt: () => new Promise(() => controller.abort()) } },
    signal: controller.signal,
  });
  return asked.then(() => "finished", (error) => error.name);
};

window.refused = async () => {
  const bad = auditInWorker(newWorker(), new Blob(["no database"]));
  return bad.then(() => "finished", (error) => [error instanceof errors.SnapshotError, error.code]);
};

window.ready = true;
